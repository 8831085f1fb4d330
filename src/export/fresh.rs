//! New files under names that nobody has: complete or not at all, never over another.
//!
//! A file is written under a temporary, hidden name in the folder that it is for, and given its own
//! name when it is complete. It stands apart because lists, cuts and copies all need exactly this.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufWriter, Error, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::{Builder, TempPath};

/// How many names are tried. Who has so many files of one name in a folder wants another folder.
const MOST_NAMES: u32 = 9_999;

/// The names that are tried for a file, in order: `kick.wav`, `kick (2).wav`, `kick (3).wav`.
pub(super) fn names(folder: &Path, name: &OsStr) -> impl Iterator<Item = PathBuf> {
    let name = without_controls(name);
    let (stem, extension) = {
        let path = Path::new(&name);
        let stem = path.file_stem().unwrap_or_default().to_os_string();
        (stem, path.extension().map(OsStr::to_os_string))
    };
    let folder = folder.to_path_buf();
    (1..=MOST_NAMES).map(move |number| {
        if number == 1 {
            return folder.join(&name);
        }
        let mut numbered = stem.clone();
        numbered.push(format!(" ({number})"));
        if let Some(extension) = &extension {
            numbered.push(".");
            numbered.push(extension);
        }
        folder.join(numbered)
    })
}

/// A folder that files can be put into; it is made where there is none.
pub(super) fn ready(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))
}

/// Writes a file into a folder under the first of its [`names`] that is free; gives that.
///
/// # Errors
///
/// What `write` gives, and when the folder cannot be written to; nothing is left behind then.
pub(super) fn write(
    folder: &Path,
    name: &OsStr,
    write: impl FnOnce(&mut BufWriter<&File>) -> Result<()>,
) -> Result<PathBuf> {
    let part = begin(folder)?;
    let file = File::options()
        .write(true)
        .open(&part)
        .with_context(|| refused(folder))?;
    let mut buffer = BufWriter::new(&file);
    write(&mut buffer)?;
    buffer.into_inner().map_err(|error| error.into_error())?;
    file.sync_all().with_context(|| refused(folder))?;
    drop(file);
    let mut part = part;
    for place in names(folder, name) {
        match publish(part, &place)? {
            None => return Ok(place),
            Some(unpublished) => part = unpublished,
        }
    }
    bail!(
        "there are too many files of that name in {}",
        folder.display()
    )
}

/// A new, empty, hidden file in a folder, gone when it is dropped.
pub(super) fn begin(folder: &Path) -> Result<TempPath> {
    let mut builder = Builder::new();
    builder.prefix(".soundseek-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As any new file; the mask of the process takes off what it does.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let file = builder
        .tempfile_in(folder)
        .with_context(|| refused(folder))?;
    Ok(file.into_temp_path())
}

/// Gives a complete file its name; the file back when the name is taken.
///
/// # Errors
///
/// When the file system refuses for another reason.
pub(super) fn publish(part: TempPath, place: &Path) -> Result<Option<TempPath>> {
    let failed = match part.persist_noclobber(place) {
        Ok(()) => return Ok(None),
        Err(failed) => failed,
    };
    if failed.error.kind() == ErrorKind::AlreadyExists {
        return Ok(Some(failed.path));
    }
    // File systems of memory cards can neither rename without replacing nor link. There the name is
    // taken with an empty file first, which is then replaced.
    match reserve_and_replace(&failed.path, place) {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Some(failed.path)),
        Err(error) => Err(error).with_context(|| format!("{} cannot be made", place.display())),
    }
}

fn reserve_and_replace(part: &Path, place: &Path) -> Result<(), Error> {
    File::create_new(place)?;
    std::fs::rename(part, place).inspect_err(|_| {
        // It is the empty one; that it cannot be removed is no worse than what is reported.
        let _ = std::fs::remove_file(place);
    })
}

fn refused(folder: &Path) -> String {
    format!("the folder {} cannot be written to", folder.display())
}

/// A name with underscores for ASCII control characters, which no one wants in a new file's name.
#[cfg(unix)]
fn without_controls(name: &OsStr) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = name.as_bytes().to_vec();
    for byte in bytes.iter_mut().filter(|byte| byte.is_ascii_control()) {
        *byte = b'_';
    }
    OsString::from_vec(bytes)
}

#[cfg(not(unix))]
fn without_controls(name: &OsStr) -> OsString {
    // No file has a control character in its name there.
    name.to_os_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three(name: &str) -> Vec<String> {
        names(Path::new("/to"), OsStr::new(name))
            .take(3)
            .map(|path| path.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn names_are_numbered_before_the_extension() {
        assert_eq!(
            three("kick.wav"),
            ["/to/kick.wav", "/to/kick (2).wav", "/to/kick (3).wav"]
        );
        assert_eq!(three("kick"), ["/to/kick", "/to/kick (2)", "/to/kick (3)"]);
        assert_eq!(three("a\u{1b}b\n.wav")[1], "/to/a_b_ (2).wav");
    }

    #[test]
    fn a_name_is_taken_and_replaced_where_nothing_better_works_but_never_over_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let (part, place) = (folder.path().join("part"), folder.path().join("place"));
        std::fs::write(&part, "new").expect("written");
        reserve_and_replace(&part, &place).expect("free");
        assert_eq!(std::fs::read(&place).expect("there"), b"new");
        std::fs::write(&part, "newer").expect("written");
        let error = reserve_and_replace(&part, &place).expect_err("taken");
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&place).expect("there"), b"new");
    }
}

//! The thread that does things to sounds: copies, cuts and lists them, hands them to other programs,
//! and writes marks.
//!
//! It stands apart from the other workers because every deed is done, in order: none is dropped for a
//! newer one.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use crossbeam_channel::Receiver;

use super::{Answer, Response};
use crate::audio::Span;
use crate::display::{count, printable_path};
use crate::export::{
    Item, Placing, cut_to_wav, drag_out, open_with, place_files, reveal, to_csv, to_json, to_m3u,
    write_new,
};
use crate::library::marks::Marks;
use crate::library::{ContentHash, Library};

/// Something to be done to sounds.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// Write marks.
    Mark(Vec<(ContentHash, Marks)>),
    /// Put files into a folder.
    Place {
        /// The files.
        files: Vec<PathBuf>,
        /// The folder, made if it is not there.
        folder: PathBuf,
        /// As copies or links.
        placing: Placing,
    },
    /// Write a list; its extension says of which kind.
    Export {
        /// The sounds.
        items: Vec<Item>,
        /// The file.
        to: PathBuf,
    },
    /// Cut a part of a sound out.
    Cut {
        /// The sound.
        path: PathBuf,
        /// The part.
        span: Span,
        /// The WAV file.
        to: PathBuf,
    },
    /// Show a file in the file manager.
    Reveal(PathBuf),
    /// Open a window from which files can be dragged.
    Drag(Vec<PathBuf>),
    /// Open files with the command of the config file.
    Open(Vec<PathBuf>),
}

/// Does deeds until nobody can give any more. Tells first what is marked.
pub fn serve(library: &Library, open: &[String], deeds: &Receiver<Deed>, answer: &Answer) {
    match library.all_marks() {
        Ok(marks) => answer(Response::Marks(marks)),
        Err(error) => answer(Response::Done(Err(format!("{error:#}")))),
    }
    for deed in deeds {
        let done = std::panic::catch_unwind(AssertUnwindSafe(|| act(library, open, deed)));
        let done = done
            .ok()
            .context("that failed: this is a defect of the program")
            .flatten();
        match done {
            Ok(None) => {}
            Ok(Some(told)) => answer(Response::Done(Ok(told))),
            Err(error) => answer(Response::Done(Err(format!("{error:#}")))),
        }
    }
}

/// Does it; gives what there is to tell.
fn act(library: &Library, open: &[String], deed: Deed) -> Result<Option<String>> {
    let told = match deed {
        Deed::Mark(changed) => {
            for (content, marks) in &changed {
                library.put_marks(content, marks)?;
            }
            return Ok(None);
        }
        Deed::Place {
            files,
            folder,
            placing,
        } => place(&files, &at_home(&folder)?, placing)?,
        Deed::Export { items, to } => export(&items, &at_home(&to)?)?,
        Deed::Cut { path, span, to } => {
            let cut = cut_to_wav(&path, &span, &at_home(&to)?)?;
            format!("cut to {}", shown(&cut))
        }
        Deed::Reveal(path) => {
            reveal(&path)?;
            return Ok(None);
        }
        Deed::Drag(files) => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let name = drag_out(&files, &path)?;
            format!("drag from the window of {name}")
        }
        Deed::Open(files) => {
            open_with(open, &files)?;
            return Ok(None);
        }
    };
    Ok(Some(told))
}

fn place(files: &[PathBuf], folder: &Path, placing: Placing) -> Result<String> {
    let placed = place_files(files, folder, placing)?;
    let failed: Vec<_> = placed
        .iter()
        .filter_map(|file| file.as_ref().err())
        .collect();
    let done = placed.len() - failed.len();
    if let Some(reason) = failed.first() {
        let all = placed.len();
        bail!("{done} of {all} are in {}; {reason:#}", shown(folder));
    }
    let verb = match placing {
        Placing::Copy => "copied",
        Placing::HardLink | Placing::SymLink => "linked",
    };
    Ok(format!(
        "{verb} {} into {}",
        count(done, "file"),
        shown(folder)
    ))
}

fn export(items: &[Item], to: &Path) -> Result<String> {
    let extension = to
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let list = match extension.as_str() {
        "m3u" | "m3u8" => to_m3u(items),
        "csv" => to_csv(items).into_bytes(),
        "json" => to_json(items).into_bytes(),
        _ => bail!("give the list a name that ends in .m3u, .csv or .json"),
    };
    let written = write_new(to, &list)?;
    Ok(format!(
        "listed {} in {}",
        count(items.len(), "sound"),
        shown(&written)
    ))
}

/// The whole path, as a person will look for it.
fn shown(path: &Path) -> String {
    printable_path(&std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()))
}

/// A path with `~` at its beginning as the home directory, which no shell has put in here.
fn at_home(path: &Path) -> Result<PathBuf> {
    let Ok(below) = path.strip_prefix("~") else {
        return Ok(path.to_path_buf());
    };
    let directories = directories::BaseDirs::new().context("there is no home directory")?;
    Ok(directories.home_dir().join(below))
}

/// What is marked, by content.
pub type AllMarks = BTreeMap<ContentHash, Marks>;

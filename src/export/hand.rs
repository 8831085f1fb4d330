//! Handing sounds to other programs: the file manager, a drag source, an editor of the person's
//! choice.
//!
//! Programs are started on their own, without a shell, with their output thrown away: nothing that
//! they print reaches the terminal that the person looks at, and no name is ever read as a command.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Programs from which files can be dragged, best first, with the options that end them after the
/// drop: <https://github.com/nik012003/ripdrag>, <https://github.com/mwh/dragon>.
pub const DRAGGERS: [(&str, &[&str]); 4] = [
    ("ripdrag", &["--and-exit"]),
    ("dragon", &["--and-exit"]),
    ("dragon-drop", &["--and-exit"]),
    ("blobdrop", &[]),
];

/// The first folder of `path`, a list as in `PATH`, that has a file of this name; its path.
pub fn find_program(name: &str, path: &OsStr) -> Option<PathBuf> {
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(path)
        .map(|folder| folder.join(&name))
        .find(|place| place.is_file())
}

/// Opens a window from which the files can be dragged; gives the program's name. `path` is where it
/// is looked for.
///
/// # Errors
/// When none of the [`DRAGGERS`] is installed, or it does not start.
pub fn drag_out(files: &[PathBuf], path: &OsStr) -> Result<&'static str> {
    for (name, options) in DRAGGERS {
        if let Some(program) = find_program(name, path) {
            start(Command::new(program).args(options).args(files), name)?;
            return Ok(name);
        }
    }
    bail!("no program to drag from is installed: get ripdrag or dragon, or copy the path instead")
}

/// Runs a command of the person's config on files: `{}` stands for all of them, which are put at the
/// end where it is missing.
///
/// # Errors
/// When the command is empty or does not start.
pub fn open_with(command: &[String], files: &[PathBuf]) -> Result<()> {
    let Some((program, arguments)) = command.split_first() else {
        bail!("no command to open with is set in the config file")
    };
    let mut all: Vec<OsString> = Vec::new();
    let mut placed = false;
    for argument in arguments {
        if argument == "{}" {
            all.extend(files.iter().map(|file| file.clone().into_os_string()));
            placed = true;
        } else {
            all.push(argument.into());
        }
    }
    if !placed {
        all.extend(files.iter().map(|file| file.clone().into_os_string()));
    }
    start(Command::new(program).args(all), program)
}

/// Shows a file in the system's file manager.
///
/// # Errors
/// When the file is gone, or no file manager can be reached.
pub fn reveal(file: &Path) -> Result<()> {
    ensure!(file.exists(), "{} is not there any more", file.display());
    if cfg!(target_os = "macos") {
        return start(Command::new("open").arg("-R").arg(file), "open");
    }
    if cfg!(windows) {
        let mut argument = OsString::from("/select,");
        argument.push(file);
        return start(Command::new("explorer").arg(argument), "explorer");
    }
    // The interface that Nautilus, Dolphin, Thunar, Nemo and Caja share
    // (<https://www.freedesktop.org/wiki/Specifications/file-manager-interface/>).
    let shown = Command::new("dbus-send")
        .args(["--session", "--print-reply", "--reply-timeout=2000"])
        .args([
            "--dest=org.freedesktop.FileManager1",
            "/org/freedesktop/FileManager1",
        ])
        .arg("org.freedesktop.FileManager1.ShowItems")
        .arg(format!("array:string:{}", file_url(file)))
        .arg("string:")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if shown.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let folder = file.parent().unwrap_or(Path::new("/"));
    start(Command::new("xdg-open").arg(folder), "xdg-open")
        .context("no file manager can be reached: copy the path instead")
}

/// A `file:` URL (RFC 8089), everything but plain characters escaped.
fn file_url(file: &Path) -> String {
    let mut url = "file://".to_string();
    for &byte in file.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            url.push(byte.into());
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

/// Starts a program and lets it run; a thread waits for its end, so that no dead process is left.
fn start(command: &mut Command, name: &str) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("{name} does not start"))?;
    std::thread::spawn(move || child.wait());
    Ok(())
}

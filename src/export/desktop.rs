//! Other programs: the file manager, a drag-and-drop source, and whatever a person has configured.
//!
//! Each is started without a shell, so that no name of a file can mean anything but itself, with
//! nothing of the terminal but its silence, and in a process group of its own, so that keys pressed
//! here do not reach it. It stands apart because it is the one part that depends on the desktop.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::uri::file_uri;
use crate::search_path::SearchPath;

/// Programs that offer files to be dragged from a small window, best first, with the options for all
/// files at once and for an end after the drop: [ripdrag](https://github.com/nik012003/ripdrag),
/// [dragon](https://github.com/mwh/dragon), which distributions rename, as KDE has a player of that
/// name, and [blobdrop](https://github.com/vimpostor/blobdrop).
const DRAG_SOURCES: [(&str, &[&str]); 5] = [
    ("ripdrag", &["--all", "--and-exit"]),
    ("dragon-drop", &["--all", "--and-exit"]),
    ("dragon-drag-and-drop", &["--all", "--and-exit"]),
    ("blobdrop", &[]),
    ("dragon", &["--all", "--and-exit"]),
];

/// Where a file's path is put into a configured command.
const PLACEHOLDER: &str = "{}";

/// The programs and the screen that there are.
#[derive(Debug, Clone)]
pub struct Desktop {
    path: SearchPath,
    has_screen: bool,
}

impl Desktop {
    /// With programs from a list of folders as in `PATH`, and with a screen that windows can open on
    /// or without one.
    pub fn new(path: &OsStr, has_screen: bool) -> Desktop {
        Desktop {
            path: SearchPath::new(path),
            has_screen,
        }
    }

    /// The one that this process runs on. On Linux there is no screen when neither `DISPLAY` nor
    /// `WAYLAND_DISPLAY` is set, as over ssh.
    pub fn of_environment() -> Desktop {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let has_screen =
            !cfg!(target_os = "linux") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY");
        Desktop::new(&std::env::var_os("PATH").unwrap_or_default(), has_screen)
    }

    /// True when windows can open.
    pub fn has_screen(&self) -> bool {
        self.has_screen
    }

    /// The name of the program that files can be dragged from, if one is installed.
    pub fn drag_source(&self) -> Option<&'static str> {
        self.find_drag_source().map(|(name, _, _)| name)
    }

    fn find_drag_source(&self) -> Option<(&'static str, &'static [&'static str], PathBuf)> {
        let find = |(name, options)| Some((name, options, self.path.find(name)?));
        DRAG_SOURCES.into_iter().find_map(find)
    }

    /// Shows a file in the file manager, selected where that can be asked for. Returns when the
    /// program that does so has ended.
    ///
    /// # Errors
    ///
    /// When there is no screen, no file manager can be asked, or it fails; the text names the folder.
    pub fn reveal(&self, file: &Path) -> Result<()> {
        let folder = file.parent().unwrap_or(file);
        ensure!(
            self.has_screen,
            "there is no desktop to show it on; it is in {}",
            folder.display()
        );
        let mut asked = false;
        for (program, arguments) in ways_to_reveal(file, folder) {
            let Some(program) = self.path.find(program) else {
                continue;
            };
            asked = true;
            let ended = quiet(&program).args(&arguments).status();
            // Windows' file manager ends with 1 whatever it did.
            if ended.is_ok_and(|status| status.success() || cfg!(windows)) {
                return Ok(());
            }
        }
        let why = if asked {
            "no file manager has answered"
        } else {
            "there is no program that shows folders (xdg-open)"
        };
        bail!("{why}; it is in {}", folder.display())
    }

    /// Opens a window from which files can be dragged into other programs. Returns when that is
    /// closed, which it is after one drag.
    ///
    /// # Errors
    ///
    /// When there is no screen, no program for it is installed, or it fails.
    pub fn drag(&self, files: &[PathBuf]) -> Result<()> {
        ensure!(self.has_screen, "there is no desktop to drag on");
        let Some((program, options, path)) = self.find_drag_source() else {
            bail!("dragging needs ripdrag or dragon: install one of them");
        };
        run(quiet(&path).args(options).args(files), program)
    }

    /// Runs a configured command on files: each of its words that is `{}` becomes all of them, and
    /// without one they are added at its end. Returns when the program has ended.
    ///
    /// # Errors
    ///
    /// When the command is empty, its program is not there, or it fails.
    pub fn open(&self, command: &[String], files: &[PathBuf]) -> Result<()> {
        let (program, words) = command
            .split_first()
            .context("no command is set: write open = [\"program\"] into the config file")?;
        let path = if Path::new(program).components().count() > 1 {
            PathBuf::from(program)
        } else {
            self.path
                .find(program)
                .with_context(|| format!("there is no program '{program}'"))?
        };
        let mut arguments: Vec<OsString> = Vec::new();
        for word in words {
            if word == PLACEHOLDER {
                arguments.extend(files.iter().map(OsString::from));
            } else {
                arguments.push(word.into());
            }
        }
        if !words.iter().any(|word| word == PLACEHOLDER) {
            arguments.extend(files.iter().map(OsString::from));
        }
        run(quiet(&path).args(arguments), program)
    }
}

/// Programs with their arguments, best first.
#[cfg(target_os = "linux")]
fn ways_to_reveal(file: &Path, folder: &Path) -> Vec<(&'static str, Vec<OsString>)> {
    // The interface of file managers that selects the file (freedesktop.org, "File Manager D-Bus
    // Interface"); opening the folder is what every desktop can.
    let ask = [
        "--session",
        "--print-reply",
        "--dest=org.freedesktop.FileManager1",
        "/org/freedesktop/FileManager1",
        "org.freedesktop.FileManager1.ShowItems",
    ];
    let mut arguments: Vec<OsString> = ask.map(OsString::from).to_vec();
    arguments.push(format!("array:string:{}", file_uri(file)).into());
    arguments.push("string:".into());
    vec![("dbus-send", arguments), ("xdg-open", vec![folder.into()])]
}

#[cfg(target_os = "macos")]
fn ways_to_reveal(file: &Path, _: &Path) -> Vec<(&'static str, Vec<OsString>)> {
    vec![("open", vec!["-R".into(), file.into()])]
}

#[cfg(windows)]
fn ways_to_reveal(file: &Path, _: &Path) -> Vec<(&'static str, Vec<OsString>)> {
    let mut selected = OsString::from("/select,");
    selected.push(file);
    vec![("explorer", vec![selected])]
}

fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

fn run(command: &mut Command, program: &str) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("'{program}' cannot be started"))?;
    ensure!(status.success(), "'{program}' ended with {status}");
    Ok(())
}

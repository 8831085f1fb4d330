//! `repair`: a new library out of all that is whole in a damaged one.

use std::io::Write;

use anyhow::Result;
use soundseek::display::{count, printable_path};
use soundseek::library::{Library, Repaired};

use super::args::Common;
use super::{Outcome, complain};

/// `soundseek repair`.
pub fn repair(common: &Common, out: &mut dyn Write) -> Result<Outcome> {
    let directory = super::library_directory(common)?;
    let (sounds, files, lost, missing, kept) = match Library::repair(&directory)? {
        Repaired::NothingWrong => {
            writeln!(out, "nothing is wrong with {}", printable_path(&directory))?;
            return Ok(Outcome::Found);
        }
        Repaired::Rewritten {
            sounds,
            files,
            lost,
            missing,
            kept,
        } => (sounds, files, lost, missing, kept),
    };
    let (sounds, files) = (count(sounds, "sound"), count(files, "file"));
    writeln!(out, "{sounds} and {files} were whole and are kept")?;
    for path in &lost {
        complain(&format!("{} lost its vectors", printable_path(path)));
    }
    let missing = usize::try_from(missing).unwrap_or(usize::MAX);
    if missing > lost.len() {
        let more = count(missing - lost.len(), "sound");
        complain(&format!("{more} more cannot be found at all"));
    }
    writeln!(
        out,
        "`soundseek index` reads again what was lost, and looks for what changed"
    )?;
    if let Some(kept) = kept {
        let kept = printable_path(&kept);
        writeln!(
            out,
            "the damaged library is in {kept}; delete it when you have no use for it"
        )?;
    }
    Ok(Outcome::Found)
}

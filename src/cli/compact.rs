//! `compact`: the library written anew, without what is no longer used.

use std::io::Write;

use anyhow::Result;
use indicatif::HumanBytes;
use soundseek::display::count;
use soundseek::library::Library;

use super::Outcome;
use super::args::Common;

/// `soundseek compact`.
pub fn compact(common: &Common, out: &mut dyn Write) -> Result<Outcome> {
    let directory = super::library_directory(common)?;
    let compacted = Library::compact(&directory, &|| false, &|_| ())?;
    if common.quiet {
        return Ok(Outcome::Found);
    }
    let (before, after) = (HumanBytes(compacted.before), HumanBytes(compacted.after));
    write!(out, "{before} before, {after} now")?;
    if compacted.forgotten > 0 {
        let sounds = count(compacted.forgotten, "sound");
        write!(
            out,
            "; the vectors of {sounds} that no file has any more are gone"
        )?;
    }
    writeln!(out)?;
    Ok(Outcome::Found)
}

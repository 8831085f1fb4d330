//! `model use` and `model remove`: the model of a library, and what changing it means.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::time::Duration;

use anyhow::{Result, bail};
use indicatif::HumanDuration;
use soundseek::display::{count, printable};
use soundseek::embed::Embedder;
use soundseek::estimate::Backlog;
use soundseek::hub::{Hub, ModelName};
use soundseek::library::Library;
use soundseek::model::Checkpoint;
use soundseek_index::SpaceSummary;

use super::consent;
use crate::cli::args::Common;
use crate::cli::{
    Outcome, complain, library_directory, load_options, open_existing_library, tell_choice,
};

/// How long embedding is tried before its speed is told.
const MEASURING: Duration = Duration::from_secs(2);

/// The least length of a part of a fingerprint that names one.
const LEAST_DIGITS: usize = 8;

/// `soundseek model use NAME|DIR`.
pub fn choose(common: &Common, name: &OsStr, out: &mut dyn Write) -> Result<Outcome> {
    let name = ModelName::parse(name)?;
    let checkpoint = Hub::from_environment().checkpoint(&name)?;
    checkpoint.prepare()?;
    let (options, _) = load_options(common)?;
    let embedder = Embedder::load(&checkpoint, options)?;
    tell_choice(common, &embedder);
    embedder.model().self_test()?;
    let library = Library::open(&library_directory(common)?)?;
    let backlog = Backlog::of(&library, &embedder)?;
    library.set_model_name(&settled(&name)?)?;
    library.flush()?;
    if common.quiet {
        return Ok(Outcome::Found);
    }
    let shown = printable(&name.to_string());
    writeln!(
        out,
        "this library uses {shown} now, where --model and SOUNDSEEK_MODEL name no other"
    )?;
    if backlog.files > 0 {
        out.flush()?;
        let time = backlog.time(&embedder, MEASURING)?;
        writeln!(
            out,
            "{} of {} have no vectors of it and are not found with it until `soundseek index` has embedded \
             them: {}, about {} (an estimate from a moment's work on this machine)",
            backlog.files,
            count(backlog.of, "file"),
            count(backlog.segments, "segment"),
            HumanDuration(time)
        )?;
    }
    let in_use = embedder.space()?;
    for held in library.spaces()? {
        if held.space.fingerprint != in_use.fingerprint && held.entries > 0 {
            let other = printable(&held.space.name);
            writeln!(
                out,
                "the vectors of {other} ({}) stay, and `--model` still searches them; `soundseek model remove {other}` drops them",
                count(held.entries as usize, "sound")
            )?;
        }
    }
    Ok(Outcome::Found)
}

/// The name as it means the same everywhere.
fn settled(name: &ModelName) -> Result<OsString> {
    Ok(match name {
        ModelName::Folder(folder) => folder.canonicalize()?.into_os_string(),
        name => name.to_string().into(),
    })
}

/// `soundseek model remove NAME`.
pub fn remove(common: &Common, name: &OsStr, yes: bool, out: &mut dyn Write) -> Result<Outcome> {
    let library = open_existing_library(common)?;
    let held = the_one(&library, &name.to_string_lossy())?;
    let Some(held) = held else {
        complain(&format!(
            "this library has no vectors of {}: `soundseek status` lists the models that it has vectors of",
            name.display()
        ));
        return Ok(Outcome::NotFound);
    };
    let shown = printable(&held.space.name);
    if held.space.name == space_name(&library.model_name()?.unwrap_or_default()) {
        bail!(
            "{shown} is the model that this library uses: choose another one with `soundseek model use` first"
        );
    }
    let question = format!(
        "the vectors of {shown}, {} in {}, are dropped; only indexing with it again brings them back",
        count(held.entries as usize, "sound"),
        count(held.vectors as usize, "segment")
    );
    if !yes && !consent(&question, "Drop them?")? {
        bail!("nothing was dropped");
    }
    library.remove_vectors(&held.space)?;
    library.flush()?;
    if !common.quiet {
        writeln!(
            out,
            "the vectors of {shown} are dropped; files of the model are not touched"
        )?;
    }
    Ok(Outcome::Found)
}

/// The model that a name or the beginning of a fingerprint means, of those the library has vectors of.
fn the_one(library: &Library, name: &str) -> Result<Option<SpaceSummary>> {
    let by_name = space_name(OsStr::new(name));
    let mut held = library.spaces()?;
    held.retain(|held| {
        let by_digits = name.len() >= LEAST_DIGITS && held.space.fingerprint.starts_with(name);
        held.space.name == by_name || by_digits
    });
    if held.len() > 1 {
        let fingerprints: Vec<_> = held.iter().map(|held| &*held.space.fingerprint).collect();
        bail!(
            "this library has vectors of several models of that name: give the first digits of one of {}",
            fingerprints.join(", ")
        );
    }
    Ok(held.pop())
}

/// The name under which a library keeps a model's vectors: that of the repository without its owner,
/// or that of the folder.
pub fn space_name(name: &OsStr) -> String {
    match ModelName::parse(name) {
        Ok(ModelName::Hub(repository)) => repository.name().to_owned(),
        Ok(ModelName::Folder(folder)) => Checkpoint::Folder(folder).name(),
        Ok(ModelName::BuiltIn) => Checkpoint::BuiltIn.name(),
        Err(_) => name.to_string_lossy().into_owned(),
    }
}

//! `status`, `roots`, `remove` and `relink`: what the library holds, and changing what it knows.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use indicatif::HumanBytes;
use serde_json::json;
use soundseek::agreement;
use soundseek::display::{count, printable, printable_path};
use soundseek::json;
use soundseek::library::{FileRecord, Labelling, Library};
use soundseek_index::{Space, SpaceSummary};

use super::Outcome;
use super::args::{Common, StatusArgs};
use super::model::space_name;
use super::tag::again;

/// `soundseek status`.
pub fn status(common: &Common, args: &StatusArgs, out: &mut dyn Write) -> Result<Outcome> {
    let library = super::open_existing_library(common)?;
    match (args.failed, args.json) {
        (false, false) => summary(&library, out)?,
        (false, true) => summary_json(&library, out)?,
        (true, _) => failures(&library, args.json, out)?,
    }
    Ok(Outcome::Found)
}

fn summary(library: &Library, out: &mut dyn Write) -> Result<()> {
    let files = library.files()?;
    let hours = files
        .values()
        .map(|record| record.sound.duration_s)
        .sum::<f64>()
        / 3600.0;
    let directory = printable_path(library.directory());
    let bytes = library.size_on_disk()?;
    writeln!(out, "library  {directory} ({})", HumanBytes(bytes))?;
    if let Some(holder) = library.holder() {
        writeln!(out, "open in  {}", printable(&holder.to_string()))?;
    }
    if library.is_loose()? {
        writeln!(out, "         `soundseek compact` gives unused space back")?;
    }
    writeln!(out, "files    {} ({hours:.2} hours of sound)", files.len())?;
    let failed = library.failures()?.len();
    if failed > 0 {
        writeln!(
            out,
            "failed   {failed} (`soundseek status --failed` lists them)"
        )?;
    }
    if let Some(name) = library.model_name()? {
        let wanted = space_name(&name);
        let is_it = |held: &SpaceSummary| held.space.name == wanted && held.entries > 0;
        let lacking = match library.spaces()?.iter().any(is_it) {
            true => "",
            false => " (no sound has vectors of it yet: `soundseek index` embeds them)",
        };
        let name = printable(&name.to_string_lossy());
        writeln!(out, "uses     {name}{lacking}")?;
    }
    for held in library.spaces()? {
        let with_vectors = files_of(library, &files, &held.space)?;
        let name = printable(&held.space.name);
        let (sounds, segments) = (
            count(held.entries as usize, "sound"),
            count(held.vectors as usize, "segment"),
        );
        writeln!(
            out,
            "model    {name}: {}, {sounds} in {segments}, {} dimensions",
            count(with_vectors, "file"),
            held.dimension
        )?;
    }
    for held in library.spaces()? {
        if let Some(choice) = agreement::remembered(&held.space.fingerprint) {
            let name = printable(&held.space.name);
            writeln!(out, "speed    {name}: --precision {choice}")?;
        }
    }
    for held in library.spaces()? {
        let name = printable(&held.space.name);
        match adapter_state(library, &held.space) {
            "on" => writeln!(out, "adapter  on, for {name}")?,
            "off" => writeln!(out, "adapter  off, for {name} (`soundseek adapt --on`)")?,
            "damaged" => writeln!(
                out,
                "adapter  damaged, for {name} (`soundseek adapt --off`, or learn it anew)"
            )?,
            _ => {}
        }
    }
    for labels in labellings(library)? {
        let wanting = match labels.wanting {
            _ if labels.in_other_words => {
                let again = again(&labels.set);
                format!(", given before `adapt` changed what words mean ({again} gives them anew)")
            }
            0 => String::new(),
            n => format!(", {n} not yet ({} adds them)", again(&labels.set)),
        };
        let (set, model) = (printable(&labels.set), printable(&labels.labelling.model));
        let sounds = count(labels.sounds, "sound");
        writeln!(out, "labels   {set}: {sounds} by {model}{wanting}")?;
    }
    for root in library.roots()? {
        let n = files.keys().filter(|path| path.starts_with(&root)).count();
        let offline = if root.exists() { "" } else { ", offline" };
        writeln!(
            out,
            "root     {} ({}{offline})",
            printable_path(&root),
            count(n, "file")
        )?;
    }
    Ok(())
}

/// What `--precision auto` has been found to be for a model on this machine.
fn auto(space: &Space) -> Option<String> {
    let choice = agreement::remembered(&space.fingerprint)?;
    Some(choice.precision.to_string())
}

/// `on`, `off`, `damaged` or `none`.
fn adapter_state(library: &Library, space: &Space) -> &'static str {
    match library.adapter(space) {
        Ok(Some(_)) => "on",
        Err(_) => "damaged",
        Ok(None) if library.has_adapter_off(space) => "off",
        Ok(None) => "none",
    }
}

/// What is told of a set of labels.
struct SetOfLabels {
    set: String,
    labelling: Labelling,
    /// How many sounds it has looked at.
    sounds: usize,
    /// How many of its model's it has not.
    wanting: usize,
    /// It was given with another adapter than is in use, or without.
    in_other_words: bool,
}

fn labellings(library: &Library) -> Result<Vec<SetOfLabels>> {
    let (spaces, counts) = (library.spaces()?, library.labelled_counts()?);
    let all = library.labellings()?.into_iter().map(|(set, labelling)| {
        let sounds = counts.get(&set).copied().unwrap_or(0);
        let held = spaces.iter().find(|held| labelling.is_of(&held.space));
        let there = held.map_or(0, |held| held.entries as usize);
        // A damaged adapter is told by itself.
        let others = held.and_then(|held| library.labels_in_other_words(&held.space).ok());
        SetOfLabels {
            wanting: there.saturating_sub(sounds),
            in_other_words: others.is_some_and(|others| others.contains(&set)),
            set,
            labelling,
            sounds,
        }
    });
    Ok(all.collect())
}

/// How many files have vectors of a model.
fn files_of(
    library: &Library,
    files: &BTreeMap<PathBuf, FileRecord>,
    space: &Space,
) -> Result<usize> {
    let contents = library.contents_of(space)?;
    let records = files.values();
    Ok(records
        .filter(|record| contents.contains(&record.content))
        .count())
}

fn summary_json(library: &Library, out: &mut dyn Write) -> Result<()> {
    let (spaces, files) = (library.spaces()?, library.files()?);
    let models = spaces.iter().map(|held| -> Result<_> {
        Ok(json!({
            "name": held.space.name,
            "fingerprint": held.space.fingerprint,
            "dimension": held.dimension,
            "files": files_of(library, &files, &held.space)?,
            "sounds": held.entries,
            "windows": held.vectors,
            "adapter": adapter_state(library, &held.space),
            "auto": auto(&held.space),
        }))
    });
    let model = library.model_name()?;
    let labels = labellings(library)?.into_iter();
    let labels = labels.map(|labels| {
        json!({
            "set": labels.set,
            "model": labels.labelling.model,
            "fingerprint": labels.labelling.space,
            "adapter": labels.labelling.adapter,
            "threshold": labels.labelling.threshold,
            "sounds": labels.sounds,
            "wanting": labels.wanting,
            "in_other_words": labels.in_other_words,
        })
    });
    let roots = library.roots()?;
    let roots = roots.iter().map(|root| {
        let mut object = json!({ "online": root.exists() });
        json::put_path(&mut object, "path", root);
        object
    });
    let mut object = json!({
        "schema": json::SCHEMA,
        "bytes": library.size_on_disk()?,
        "vector_bytes": library.vector_bytes()?,
        "files": files.len(),
        "model": model.as_deref().unwrap_or("builtin".as_ref()).to_string_lossy(),
        "windows": spaces.iter().map(|held| held.vectors).sum::<u64>(),
        "failed": library.failures()?.len(),
        "models": models.collect::<Result<Vec<_>>>()?,
        "labels": labels.collect::<Vec<_>>(),
        "roots": roots.collect::<Vec<_>>(),
    });
    json::put_path(&mut object, "library", library.directory());
    Ok(writeln!(out, "{}", json::line(&object))?)
}

fn failures(library: &Library, as_json: bool, out: &mut dyn Write) -> Result<()> {
    for (path, failure) in library.failures()? {
        if as_json {
            let mut object = json!({
                "schema": json::SCHEMA,
                "reason": failure.reason,
            });
            json::put_path(&mut object, "path", &path);
            writeln!(out, "{}", json::line(&object))?;
        } else {
            writeln!(
                out,
                "{}: {}",
                printable_path(&path),
                printable(&failure.reason)
            )?;
        }
    }
    Ok(())
}

/// `soundseek roots`.
pub fn roots(common: &Common, out: &mut dyn Write) -> Result<Outcome> {
    let roots = super::open_existing_library(common)?.roots()?;
    for root in &roots {
        writeln!(out, "{}", printable_path(root))?;
    }
    Ok(if roots.is_empty() {
        Outcome::NotFound
    } else {
        Outcome::Found
    })
}

/// `soundseek remove`.
pub fn remove(common: &Common, path: &Path, out: &mut dyn Write) -> Result<Outcome> {
    let library = super::open_existing_library(common)?;
    let path = library.place(path)?;
    let roots_before = library.roots()?;
    let forgotten = library.remove_tree(&path)?;
    library.sweep_closed()?;
    library.flush()?;
    let was_known = forgotten > 0 || library.roots()? != roots_before;
    if !was_known {
        super::complain(&format!(
            "the library knows nothing at or below {}: `soundseek roots` lists what it knows",
            printable_path(&path)
        ));
        return Ok(Outcome::NotFound);
    }
    if !common.quiet {
        writeln!(out, "{} forgotten", count(forgotten, "file"))?;
        if let Some(root) = library.roots()?.iter().find(|root| path.starts_with(root)) {
            let root = printable_path(root);
            writeln!(
                out,
                "the next `soundseek index` of {root} finds them again, unless a .soundseekignore file names them"
            )?;
        }
    }
    Ok(Outcome::Found)
}

/// `soundseek relink`.
pub fn relink(common: &Common, old: &Path, new: &Path, out: &mut dyn Write) -> Result<Outcome> {
    let library = super::open_existing_library(common)?;
    let (old, new) = (library.place(old)?, library.place(new)?);
    let relinked = library.relink(&old, &new)?;
    library.flush()?;
    if relinked.moved == 0 && !relinked.missing.is_empty() {
        super::complain(&format!(
            "none of the {} known below {} is below {} in its size; nothing was changed",
            count(relinked.missing.len(), "file"),
            printable_path(&old),
            printable_path(&new)
        ));
        return Ok(Outcome::Failed);
    }
    if !common.quiet {
        writeln!(out, "{} relinked", count(relinked.moved, "file"))?;
    }
    for path in &relinked.missing {
        super::complain(&format!(
            "{} has no file of its size at the new place and keeps its old path",
            printable_path(path)
        ));
    }
    Ok(if relinked.missing.is_empty() {
        Outcome::Found
    } else {
        Outcome::Failed
    })
}

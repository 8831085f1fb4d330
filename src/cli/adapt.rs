//! `adapt`: teaches searches a library's own words, and turns what was learned on and off.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use serde_json::json;
use soundseek::adapt::{
    Adapter, Example, Learned, Lesson, Recalls, TrainOptions, from_names, from_table, learn,
};
use soundseek::display::{count, printable_path};
use soundseek::json;
use soundseek::library::{Filters, Library};
use soundseek_index::Space;

use super::args::{AdaptArgs, Common};
use super::tag::again;
use super::{Outcome, complain};

/// How many of the files that are not in the library are named.
const NAMED_FILES: usize = 5;

/// `soundseek adapt`.
pub fn adapt(common: &Common, args: &AdaptArgs, out: &mut dyn Write) -> Result<Outcome> {
    ensure!(
        args.pairs.is_some() || args.from_names || args.r#use.is_some() || args.on || args.off,
        "there is nothing to learn from: name a table of files and descriptions, or give --from-names"
    );
    let library = super::open_existing_library(common)?;
    let embedder = super::load_model(common, Some(&library))?;
    let space = embedder.space()?;
    if let Some(path) = &args.r#use {
        let adapter = Adapter::read(path, &space)?;
        library.keep_adapter(&adapter)?;
        say(
            common,
            out,
            "searches by description use it from now on; `soundseek adapt --off` turns it off",
        )?;
        tell_labels(common, &library, &space)?;
        return Ok(Outcome::Found);
    }
    if args.on || args.off {
        if !library.turn_adapter(&space, args.on)? {
            complain("the library has no adapter for this model");
            return Ok(Outcome::NotFound);
        }
        say(
            common,
            out,
            if args.on {
                "the adapter is on"
            } else {
                "the adapter is off"
            },
        )?;
        tell_labels(common, &library, &space)?;
        return Ok(Outcome::Found);
    }
    let described = described(args, &library)?;
    let index = library.index_for_search(&embedder)?;
    let (examples, unknown) = Example::gather(&library, &index, &described)?;
    tell_unknown(common, &unknown);
    let lesson = Lesson::new(&embedder, &examples)?;
    let learned = learn(&lesson, TrainOptions { seed: args.seed }, &|_, _| true)?;
    let kept = if learned.improves {
        match &args.out {
            Some(path) => {
                learned.adapter.write(path)?;
                Some(path.clone())
            }
            None => Some(library.keep_adapter(&learned.adapter)?),
        }
    } else {
        None
    };
    if args.json {
        tell_json(&learned, kept.as_deref(), out)?;
    } else if !common.quiet {
        tell(&learned, &lesson, out)?;
    }
    let Some(path) = kept else {
        complain(
            "the adapter does not find more than before, beyond what chance makes plausible, and was not kept",
        );
        return Ok(Outcome::NotFound);
    };
    if !args.json {
        let path = printable_path(&path);
        let next = match args.out {
            Some(_) => format!("written to {path}; `soundseek adapt --use` turns it on"),
            None => format!("on from now on ({path}); `soundseek adapt --off` turns it off"),
        };
        say(common, out, &next)?;
    }
    tell_labels(common, &library, &space)?;
    Ok(Outcome::Found)
}

/// Says which labels of the library are not those that `tag --all` would give now.
fn tell_labels(common: &Common, library: &Library, space: &Space) -> Result<()> {
    for set in library.labels_in_other_words(space)? {
        if !common.quiet {
            complain(&format!(
                "the labels of {set} are as they were; {} gives them anew",
                again(&set)
            ));
        }
    }
    Ok(())
}

fn say(common: &Common, out: &mut dyn Write, text: &str) -> Result<()> {
    if !common.quiet {
        writeln!(out, "{text}")?;
    }
    Ok(())
}

fn described(args: &AdaptArgs, library: &Library) -> Result<Vec<(PathBuf, String)>> {
    if let Some(table) = &args.pairs {
        return Ok(from_table(table)?);
    }
    let within = args.within.iter().map(|folder| library.place(folder));
    let filters = Filters {
        within: within.collect::<Result<_>>()?,
        ..Filters::default()
    };
    let described = from_names(library, &filters)?;
    if described.is_empty() {
        bail!("no file there has a name with words in it");
    }
    Ok(described)
}

fn tell_unknown(common: &Common, unknown: &[PathBuf]) {
    if unknown.is_empty() || common.quiet {
        return;
    }
    let named = unknown.iter().take(NAMED_FILES);
    let named: Vec<String> = named.map(|path| printable_path(path)).collect();
    let more = if unknown.len() > named.len() {
        ", ..."
    } else {
        ""
    };
    complain(&format!(
        "{} not in the library with this model, and left aside: {}{more}",
        count(unknown.len(), "file"),
        named.join(", ")
    ));
}

fn tell(learned: &Learned, lesson: &Lesson, out: &mut dyn Write) -> Result<()> {
    let [learning, stopping, judging] = learned.sounds;
    writeln!(
        out,
        "{} with {}: {learning} to learn from, {stopping} to stop by, {judging} to judge by",
        count(lesson.sounds.len(), "sound"),
        count(lesson.texts.len(), "description"),
    )?;
    writeln!(
        out,
        "of {} that it has not seen, a right sound is among the first",
        count(learned.asked, "description")
    )?;
    let (before, after) = (&learned.before, &learned.after);
    for (k, before, after) in [
        (1, before.at_1, after.at_1),
        (5, before.at_5, after.at_5),
        (10, before.at_10, after.at_10),
    ] {
        writeln!(out, "  recall@{k:<3} before {before:.3}   after {after:.3}")?;
    }
    Ok(())
}

fn tell_json(learned: &Learned, kept: Option<&Path>, out: &mut dyn Write) -> Result<()> {
    let recalls = |recalls: &Recalls| json!([recalls.at_1, recalls.at_5, recalls.at_10]);
    let [learning, stopping, judging] = learned.sounds;
    let mut object = json!({
        "schema": json::SCHEMA,
        "learned_from": learning,
        "stopped_by": stopping,
        "judged_by": judging,
        "asked": learned.asked,
        "epochs": learned.epochs,
        "before": recalls(&learned.before),
        "after": recalls(&learned.after),
        "kept": kept.is_some(),
        "fingerprint": learned.adapter.fingerprint(),
    });
    if let Some(path) = kept {
        json::put_path(&mut object, "path", path);
    }
    Ok(writeln!(out, "{}", json::line(&object))?)
}

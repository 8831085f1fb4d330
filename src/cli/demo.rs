//! `demo`: the whole product in half a minute, with no sound files and no download.

use std::io::Write;
use std::path::Path;
use std::sync::RwLock;

use anyhow::{Context, Result};
use soundseek::demo::{DEMO_QUERIES, write_all};
use soundseek::display::{count, printable_path};
use soundseek::ingest::IngestOptions;
use soundseek::library::Library;
use soundseek::search::{Part, SearchOptions, Searcher, Source};

use super::args::{Common, DemoArgs};
use super::search::print_lines;
use super::{Outcome, index};

/// `soundseek demo`.
pub fn demo(common: &Common, args: &DemoArgs, out: &mut dyn Write) -> Result<Outcome> {
    let temporary = match &args.keep {
        Some(_) => None,
        None => Some(tempfile::tempdir().context("no temporary folder can be made")?),
    };
    let folder = match (&args.keep, &temporary) {
        (Some(folder), _) => folder.as_path(),
        (None, Some(temporary)) => temporary.path(),
        (None, None) => unreachable!("without --keep there is a temporary folder"),
    };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{} cannot be made", printable_path(folder)))?;
    run(common, folder, args.keep.is_some(), out)
}

fn run(common: &Common, folder: &Path, keep: bool, out: &mut dyn Write) -> Result<Outcome> {
    let sounds = folder.join("sounds");
    let written = write_all(&sounds)?;
    writeln!(
        out,
        "{} made by synthesis in {}",
        count(written.len(), "sound"),
        printable_path(&sounds)
    )?;
    out.flush()?;
    let library = Library::open(&folder.join("library"))?;
    let embedder = super::load_model(common, Some(&library))?;
    let roots = [std::fs::canonicalize(&sounds)?];
    let report = index::refresh(
        common,
        &library,
        &embedder,
        &roots,
        IngestOptions::for_this_machine(),
    )?;
    if report.interrupted {
        return Ok(Outcome::Failed);
    }
    let index = RwLock::new(library.index_for_search(&embedder)?);
    let searcher = Searcher::new(&library, &index, &embedder);
    let options = SearchOptions {
        n: 3,
        ..SearchOptions::default()
    };
    for query in DEMO_QUERIES {
        let part = Part {
            source: Source::Text((*query).to_string()),
            weight: 1.0,
        };
        let hits = searcher.search(&[part], &options)?;
        writeln!(out, "\nsoundseek search \"{query}\"")?;
        print_lines(&hits, &library.roots()?, out)?;
    }
    if keep {
        let library = printable_path(library.directory());
        writeln!(
            out,
            "\nKept. Search it yourself: soundseek --library {library} search \"...\""
        )?;
    } else {
        writeln!(
            out,
            "\nNow your own: soundseek index DIR, then soundseek search \"...\""
        )?;
    }
    Ok(Outcome::Found)
}

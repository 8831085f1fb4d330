//! `index`: brings the library up to date while a person watches, and stops when asked.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use anyhow::{Context, Result, bail};
use indicatif::HumanBytes;
use soundseek::display::{count, printable_path};
use soundseek::embed::Embedder;
use soundseek::ingest::{Control, IngestOptions, Report, add_root, ingest};
use soundseek::library::Library;
use soundseek_index::Index;

use super::args::{Common, IndexArgs};
use super::progress::Progress;
use super::{Outcome, complain};

/// `soundseek index`.
pub fn index(common: &Common, args: &IndexArgs, out: &mut dyn Write) -> Result<Outcome> {
    let (library, roots, options) = prepare(common, args)?;
    let embedder = super::load_model(common, Some(&library))?;
    let report = refresh(common, &library, &embedder, &roots, options)?;
    summarise(common, &report, out)?;
    let failed = !report.failed.is_empty() || !report.unreadable.is_empty() || report.interrupted;
    Ok(if failed {
        Outcome::Failed
    } else {
        Outcome::Found
    })
}

/// The library, the folders that are meant, and how hard to work.
pub fn prepare(
    common: &Common,
    args: &IndexArgs,
) -> Result<(Library, Vec<PathBuf>, IngestOptions)> {
    let directory = super::library_directory(common)?;
    let mut options = IngestOptions::for_this_machine();
    if let Some(threads) = args.threads {
        options.threads = threads;
    }
    for root in &args.roots {
        std::fs::metadata(root)
            .with_context(|| format!("{} cannot be indexed", printable_path(root)))?;
    }
    let library = if args.roots.is_empty() {
        super::open_existing_library(common)?
    } else {
        Library::open(&directory)?
    };
    let roots = if args.roots.is_empty() {
        library.roots()?
    } else {
        let named = args.roots.iter().map(|root| library.place(root));
        named.collect::<Result<_>>()?
    };
    if roots.is_empty() {
        bail!("no folder is known yet: run `soundseek index DIR`");
    }
    Ok((library, roots, options))
}

/// Indexes roots with progress on standard error, until done or interrupted.
pub fn refresh(
    common: &Common,
    library: &Library,
    embedder: &Embedder,
    roots: &[PathBuf],
    options: IngestOptions,
) -> Result<Report> {
    super::tell_device(common, embedder)?;
    let index = RwLock::new(library.index_for_writing(embedder)?);
    for root in roots {
        add_root(library, root)?;
    }
    let control = interruptible(|| {})?;
    let progress = Progress::new(common.quiet, Arc::clone(&control));
    let report = ingest(
        library,
        &index,
        embedder,
        roots,
        options,
        &control,
        &|event| progress.show(&event),
    )?;
    link_neighbours(&index, &report, &control, &progress)?;
    progress.finish();
    drop(index);
    if !report.interrupted {
        tighten(common, library, &report, &control)?;
    }
    Ok(report)
}

/// So many files are worth writing a library anew at once: sled goes through all that was written when
/// it is opened next, which took four times as long as opening one that was written anew (40,000 sounds,
/// `index/benches/soak.rs`).
const MANY: usize = 20_000;

/// Writes a library anew that holds much that is not used, or to which much was written. Whoever
/// searches it meanwhile may go on; nothing can be written through it afterwards.
fn tighten(common: &Common, library: &Library, report: &Report, control: &Control) -> Result<()> {
    if report.embedded + report.recognised < MANY && !library.is_loose()? {
        return Ok(());
    }
    let before = HumanBytes(library.size_on_disk()?);
    let told = match library.renew(&|| control.is_cancelled(), &|_| ()) {
        // Somebody set a mark: another run will do it.
        Ok(None) => return Ok(()),
        Ok(Some(after)) => format!(
            "the library took {before} and was written anew in {}",
            HumanBytes(after)
        ),
        Err(_) if control.is_cancelled() => return Ok(()),
        // It is as good as it was.
        Err(error) => {
            format!("the library takes {before} and could not be written anew: {error:#}")
        }
    };
    if !common.quiet {
        complain(&told);
    }
    Ok(())
}

/// Links neighbours into the graph of a large library, after a run that has changed it.
pub fn link_neighbours(
    index: &RwLock<Index>,
    report: &Report,
    control: &Control,
    progress: &Progress,
) -> Result<()> {
    let changed = report.embedded + report.removed > 0;
    let mut index = index.write().expect("indexing ended without a panic");
    if changed && !report.interrupted && index.graph_pays() {
        let cancelled = || control.is_cancelled();
        match index.build_graph(&cancelled, &|built| {
            progress.show_graph(built.done, built.total)
        }) {
            // Without a graph searches are exact, and the next run builds it.
            Err(soundseek_index::Error::Cancelled) => {}
            built => built?,
        }
    }
    Ok(())
}

/// The exit status of a program that Ctrl-C ended: 128 and the number of the signal.
const INTERRUPTED: i32 = 130;

/// A run's control that Ctrl-C cancels, with what else is to be done then; a second Ctrl-C ends the
/// process at once.
#[expect(
    clippy::exit,
    reason = "whoever asks twice does not want to wait for the end of the run"
)]
pub fn interruptible(also: impl Fn() + Send + 'static) -> Result<Arc<Control>> {
    let control = Arc::new(Control::new());
    let run = Arc::clone(&control);
    ctrlc::set_handler(move || {
        if run.cancel() {
            std::process::exit(INTERRUPTED);
        }
        also();
        // Standard error may be a pipe that nobody reads, and the next Ctrl-C must still be heard.
        std::thread::spawn(|| {
            complain("stopping; every finished file is kept; again to end at once");
        });
    })
    .context("Ctrl-C cannot be caught")?;
    Ok(control)
}

/// Says in a line what a run has done.
pub fn summarise(common: &Common, report: &Report, out: &mut dyn Write) -> Result<()> {
    if common.quiet {
        return Ok(());
    }
    let minutes = report.audio_s / 60.0;
    write!(out, "{} indexed", count(report.embedded, "file"))?;
    if report.embedded > 0 {
        write!(
            out,
            " ({}, {minutes:.1} minutes of sound)",
            count(report.segments, "segment")
        )?;
    }
    let others = [
        (report.recognised, "recognised by content"),
        (report.unchanged, "unchanged"),
        (report.removed, "gone and dropped"),
        (report.failed.len(), "failed"),
        (report.known_failures, "failed before and not changed since"),
        (report.remaining, "left to do"),
    ];
    for (n, what) in others.into_iter().filter(|(n, _)| *n > 0) {
        write!(out, ", {n} {what}")?;
    }
    writeln!(out)?;
    if !report.failed.is_empty() || report.known_failures > 0 {
        writeln!(
            out,
            "`soundseek status --failed` lists what could not be indexed, and why"
        )?;
    }
    if report.interrupted {
        writeln!(out, "interrupted: run `soundseek index` to go on")?;
    }
    Ok(())
}

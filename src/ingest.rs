//! Indexing: from folders of files to vectors in the library.
//!
//! Three stages run side by side, joined by bounded channels so that memory stays flat whatever the
//! library's size: a rayon pool reads, hashes, decodes, resamples and makes log-mel spectrograms;
//! embedding threads gather them into batches; the calling thread writes each file as soon as all its
//! vectors are there, in one transaction. So an interruption at any moment keeps every finished file,
//! and the next run goes on from there.
//!
//! What makes a file new is its content: a touched, moved or copied file keeps its vectors.

mod control;
mod missing;
mod pipeline;
mod seen;
mod walk;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::RwLock;

use anyhow::Result;
use soundseek_index::Index;

use crate::embed::Embedder;
use crate::library::Library;
pub use control::Control;
pub(crate) use pipeline::worker_pool;
use seen::Seen;
use walk::Sight;
pub use walk::{Found, IGNORE_FILE, Unreadable, reaches};

/// How hard to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngestOptions {
    /// Decoding threads, and as many embedding threads; they wait for each other, so that about this
    /// many cores are busy.
    pub threads: usize,
    /// The most segments that are embedded at once by one thread.
    pub batch: usize,
}

impl IngestOptions {
    /// All cores, two segments at a time: on a processor that is a tenth faster than one by one, and
    /// eight would be a quarter faster (`benches/main/tower.rs`), but stopping waits for the batch.
    pub fn for_this_machine() -> IngestOptions {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        IngestOptions { threads, batch: 2 }
    }
}

/// What happens while indexing, for whoever shows it. Sent from the calling thread.
#[derive(Debug)]
pub enum IngestEvent<'a> {
    /// The folders have been walked: so many files were found, so many of them have to be read.
    Scanned {
        /// All sounds found.
        found: usize,
        /// Those that are new or changed.
        to_do: usize,
        /// The bytes of those.
        bytes: u64,
    },
    /// A root that is not there, or is empty though the library knows files in it, or a place below a
    /// root that may be an unplugged drive. Nothing in it was dropped.
    Offline {
        /// The root or place.
        root: &'a Path,
        /// Why it is taken for gone.
        reason: &'a str,
    },
    /// A folder or file that could not be looked into. Nothing below it was dropped.
    Unreadable(&'a Unreadable),
    /// So many more segments have been embedded.
    Embedded {
        /// The number of segments.
        segments: usize,
    },
    /// A file is done: decoded and embedded, or known by its content.
    Indexed {
        /// The file.
        path: &'a Path,
        /// Its size in bytes.
        bytes: u64,
        /// The length of the sound, when it was decoded for this.
        duration_s: Option<f64>,
    },
    /// A file could not be read or decoded.
    Failed {
        /// The file.
        path: &'a Path,
        /// Its size in bytes.
        bytes: u64,
        /// What is wrong with it.
        reason: &'a str,
    },
}

/// The outcome of a run.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Report {
    /// Files that were decoded and embedded.
    pub embedded: usize,
    /// Files whose content was known: moved, copied or touched.
    pub recognised: usize,
    /// Files that were not opened because nothing about them changed.
    pub unchanged: usize,
    /// Files that were not tried again because they could not be decoded before and have not changed.
    pub known_failures: usize,
    /// Files that are gone and were dropped.
    pub removed: usize,
    /// Files that could not be read or decoded in this run, with the reason.
    pub failed: Vec<(PathBuf, String)>,
    /// Places that could not be looked into.
    pub unreadable: Vec<Unreadable>,
    /// Roots that are not there, and places below roots that may be unplugged drives; their files are
    /// kept.
    pub offline: Vec<PathBuf>,
    /// Segments embedded.
    pub segments: usize,
    /// Seconds of sound decoded.
    pub audio_s: f64,
    /// Files that an interruption left to do.
    pub remaining: usize,
    /// True when the run was interrupted.
    pub interrupted: bool,
}

/// Brings the library up to date with what lies below `roots`.
///
/// `index` is locked for writing only for the moment that one file is written. `control` is looked at
/// all the time, while folders are walked and files are hashed too: once it is cancelled the run ends
/// within a batch, keeping every finished file.
///
/// # Errors
///
/// When the library cannot be written or the model cannot be computed. A file that cannot be read is
/// no error: it is in the report.
pub fn ingest(
    library: &Library,
    index: &RwLock<Index>,
    embedder: &Embedder,
    roots: &[PathBuf],
    options: IngestOptions,
    control: &Control,
    on_event: &dyn Fn(IngestEvent<'_>),
) -> Result<Report> {
    let mut report = Report::default();
    let scan = scan(library, index, roots, control, on_event, &mut report)?;
    on_event(IngestEvent::Scanned {
        found: scan.seen.len(),
        to_do: scan.to_do.len(),
        bytes: scan.to_do.iter().map(|found| found.stamp.size).sum(),
    });
    for mount in &scan.mounts {
        library.add_mount(mount)?;
    }
    let written = pipeline::run(
        &pipeline::Job {
            library,
            index,
            embedder,
            files: &scan.to_do,
            options,
            control,
        },
        on_event,
        &mut report,
    );
    // Whatever ended the run, what was written before is kept.
    library.flush()?;
    written?;
    report.interrupted = control.is_cancelled();
    if !report.interrupted {
        missing::drop_missing(library, &scan, on_event, &mut report)?;
        let changes = report.embedded + report.recognised + report.removed + report.failed.len();
        if changes > 0 || may_have_orphans(index, &scan) {
            library.sweep(index)?;
        }
        // Opening another model's vectors takes time, and without a change none of them is orphaned.
        if changes > 0 {
            library.sweep_closed()?;
        }
        library.flush()?;
    }
    Ok(report)
}

/// Whether there are vectors that no file of this run has, as an interruption may have left behind.
fn may_have_orphans(index: &RwLock<Index>, scan: &Scan) -> bool {
    let contents = scan.seen.contents();
    let index = index
        .read()
        .expect("no thread panics while it writes the index");
    index.keys().any(|key| !contents.contains(key))
}

/// What walking the roots found.
#[derive(Default)]
struct Scan {
    /// Every sound, changed or not.
    seen: Seen,
    /// The sounds to read.
    to_do: Vec<Found>,
    /// The folders below roots that lie on a drive of their own.
    mounts: HashSet<PathBuf>,
    /// The roots whose files may be dropped when they were not seen.
    present: Vec<PathBuf>,
}

/// Makes a folder or file a root, unless the walk of a known root gets to it anyway; known roots that
/// the walk of the new one gets to are merged into it. So a hidden folder stays a root of its own.
///
/// # Errors
///
/// When the disk refuses.
pub fn add_root(library: &Library, root: &Path) -> Result<()> {
    let known = library.roots()?;
    if known.iter().any(|known| walk::reaches(known, root)) {
        return Ok(());
    }
    library.add_root(root)?;
    for inside in known.iter().filter(|known| walk::reaches(root, known)) {
        library.remove_root(inside)?;
    }
    Ok(())
}

fn scan(
    library: &Library,
    index: &RwLock<Index>,
    roots: &[PathBuf],
    control: &Control,
    on_event: &dyn Fn(IngestEvent<'_>),
    report: &mut Report,
) -> Result<Scan> {
    let mut scan = Scan::default();
    let mut roots = roots.to_vec();
    // A root inside another is one that the other's walk does not get to.
    let inside = |known: &PathBuf| {
        roots
            .iter()
            .any(|root| known != root && known.starts_with(root))
    };
    let nested: Vec<PathBuf> = library.roots()?.into_iter().filter(inside).collect();
    roots.extend(nested);
    for root in &roots {
        let offline = match std::fs::symlink_metadata(root) {
            Err(error) => Some(error.to_string()),
            Ok(_) => {
                scan.seen.read(library, root)?;
                let found = scan_root(library, index, root, control, &mut scan, report)?;
                if control.is_cancelled() {
                    break;
                }
                // An unplugged drive leaves its mount point behind as an empty folder.
                let vanished = found == 0 && library.has_files_below(root)?;
                vanished.then(|| "no sound is left in it".to_string())
            }
        };
        match offline {
            Some(reason) => {
                on_event(IngestEvent::Offline {
                    root,
                    reason: &reason,
                });
                report.offline.push(root.clone());
            }
            None => scan.present.push(root.clone()),
        }
    }
    for place in &report.unreadable {
        on_event(IngestEvent::Unreadable(place));
    }
    Ok(scan)
}

/// Gives the number of sounds found, counting those that another root's walk has seen.
fn scan_root(
    library: &Library,
    index: &RwLock<Index>,
    root: &Path,
    control: &Control,
    scan: &mut Scan,
    report: &mut Report,
) -> Result<usize> {
    let mut found = 0;
    let mut failure = None;
    walk::walk(root, control, |sight| {
        match sight {
            Sight::Unreadable(place) => report.unreadable.push(place),
            Sight::Mount(folder) => {
                scan.mounts.insert(folder);
            }
            Sight::Sound(sound) => {
                found += 1;
                match standing(library, &scan.seen, index, &sound) {
                    _ if !scan.seen.insert(&sound.path) => {}
                    Ok(Standing::Unchanged) => report.unchanged += 1,
                    Ok(Standing::FailedBefore) => report.known_failures += 1,
                    Ok(Standing::ToDo) => scan.to_do.push(sound),
                    Err(error) => {
                        failure = Some(error);
                        return ControlFlow::Break(());
                    }
                }
            }
        }
        ControlFlow::Continue(())
    });
    failure.map_or(Ok(found), Err)
}

enum Standing {
    Unchanged,
    FailedBefore,
    ToDo,
}

fn standing(
    library: &Library,
    seen: &Seen,
    index: &RwLock<Index>,
    found: &Found,
) -> Result<Standing> {
    if let Some(known) = seen.state(&found.path) {
        let index = index
            .read()
            .expect("no thread panics while it writes the index");
        if known.stamp == found.stamp && index.contains(&known.content) {
            return Ok(Standing::Unchanged);
        }
    }
    let failed_before = library
        .failure(&found.path)?
        .is_some_and(|failure| failure.is_final(found.stamp));
    Ok(if failed_before {
        Standing::FailedBefore
    } else {
        Standing::ToDo
    })
}

//! The thread that does things with sounds: copies, lists, cuts, favourites and tags.
//!
//! It stands apart because what is asked of it must all be done, one after the other, whereas of
//! questions only the last counts. Each piece of work ends in one line that says what was done, or
//! what could not be and why. Programs that are started run on threads of their own, as they stay
//! open for as long as a person likes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::Result;
use crossbeam_channel::{Receiver, Sender, unbounded};

use super::indexing::from_home;
use super::{Answer, Response, caught};
use crate::display::{count, printable, printable_path};
use crate::export::{Desktop, ListFormat, Listed, Placing, cut_moment, place_files, write_list};
use crate::library::{ContentHash, Library, Marks, Tag};
use crate::search::Hit;

/// A sound that something is to be done with.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// The sound, as it was found.
    pub hit: Hit,
    /// The part of it that is meant, in seconds.
    pub span: (f64, f64),
}

/// What is to be done with sounds.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// Copies or links in a folder.
    Place(PathBuf, Placing),
    /// A list in a new file.
    List(PathBuf),
    /// The parts that are meant as WAVs in a folder.
    Cut(PathBuf),
    /// The first of them in the file manager.
    Reveal,
    /// A window to drag them from.
    Drag,
    /// A command of the config file.
    Open(Vec<String>),
    /// Favourites, or not any more.
    Favourite(bool),
    /// Tags put on and taken off.
    Tag {
        /// To be put on.
        add: BTreeSet<Tag>,
        /// To be taken off.
        remove: BTreeSet<Tag>,
    },
}

/// A deed and what it is done to.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// What.
    pub deed: Deed,
    /// To which sounds.
    pub subjects: Vec<Subject>,
}

/// What came of a deed, as a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The line.
    pub text: String,
    /// True when something could not be done.
    pub is_error: bool,
}

/// All marks of the library: favourites and tags.
pub type AllMarks = BTreeMap<ContentHash, Marks>;

/// The thread. Dropping it ends it after the file that it is at.
pub struct Actor {
    tasks: Option<Sender<Task>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Actor {
    /// Starts it; the first that it tells are the marks that there are.
    pub fn start(library: Arc<Library>, desktop: Desktop, answer: Answer) -> Actor {
        let (tasks, to_do) = unbounded();
        let ended = Arc::new(AtomicBool::new(false));
        let work = Work {
            library,
            desktop,
            answer,
            ended: Arc::clone(&ended),
        };
        Actor {
            tasks: Some(tasks),
            ended,
            thread: Some(std::thread::spawn(move || work.serve(&to_do))),
        }
    }

    /// Gives it something to do, after what it has to do already.
    pub fn act(&self, task: Task) {
        if let Some(tasks) = &self.tasks {
            // The thread only ends when this is dropped.
            let _ = tasks.send(task);
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.tasks = None;
        if let Some(thread) = self.thread.take() {
            // Whatever it was, it has been told.
            let _ = thread.join();
        }
    }
}

struct Work {
    library: Arc<Library>,
    desktop: Desktop,
    answer: Answer,
    ended: Arc<AtomicBool>,
}

impl Work {
    fn serve(&self, to_do: &Receiver<Task>) {
        (self.answer)(Response::Marks(self.library.all_marks()));
        for task in to_do {
            // Marks are what a person has typed and are done at once; the rest can be asked for again.
            let is_mark = matches!(task.deed, Deed::Favourite(_) | Deed::Tag { .. });
            if self.ended.load(Ordering::Relaxed) && !is_mark {
                continue;
            }
            // What breaks with one file must not end what is done with all others.
            let outcome = caught("it could not be done", || self.act(task));
            if let Some(outcome) = outcome.unwrap_or_else(|error| Some(failed(&error))) {
                (self.answer)(Response::Acted(outcome));
            }
        }
    }

    /// Does it; `None` when another thread will tell.
    fn act(&self, task: Task) -> Result<Option<Outcome>> {
        let Task { deed, subjects } = task;
        let paths = || -> Vec<PathBuf> {
            let paths = subjects.iter().map(|subject| subject.hit.path.clone());
            paths.collect()
        };
        Ok(Some(match deed {
            Deed::Place(folder, placing) => self.place(&paths(), &from_home(&folder), placing)?,
            Deed::List(path) => self.list(&from_home(&path), &subjects)?,
            Deed::Cut(folder) => self.cut(&subjects, &from_home(&folder)),
            Deed::Favourite(favourite) => {
                let changed = self.mark(&subjects, |marks| marks.favourite = favourite)?;
                done(match favourite {
                    true => format!("{} now among the favourites", are(changed)),
                    false => format!("{} not among the favourites any more", are(changed)),
                })
            }
            Deed::Tag { add, remove } => {
                let changed = self.mark(&subjects, |marks| {
                    marks.tags.retain(|tag| !remove.contains(tag));
                    marks.tags.extend(add.iter().cloned());
                })?;
                done(format!("{} tagged", count(changed, "sound")))
            }
            Deed::Reveal => {
                let file = paths().into_iter().next();
                self.aside(move |desktop| file.map_or(Ok(()), |file| desktop.reveal(&file)));
                return Ok(None);
            }
            Deed::Drag => {
                let files = paths();
                self.aside(move |desktop| desktop.drag(&files));
                return Ok(None);
            }
            Deed::Open(command) => {
                let files = paths();
                self.aside(move |desktop| desktop.open(&command, &files));
                return Ok(None);
            }
        }))
    }

    /// Does something on a thread of its own, which tells only what goes wrong.
    fn aside(&self, what: impl FnOnce(&Desktop) -> Result<()> + Send + 'static) {
        let (desktop, answer) = (self.desktop.clone(), Arc::clone(&self.answer));
        std::thread::spawn(move || {
            if let Err(error) = what(&desktop) {
                answer(Response::Acted(failed(&error)));
            }
        });
    }

    fn is_over(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    fn place(&self, files: &[PathBuf], folder: &Path, placing: Placing) -> Result<Outcome> {
        let placed = place_files(files, folder, placing, &|| self.is_over())?;
        let verb = match placing {
            Placing::Copy => "copied",
            Placing::Link | Placing::HardLink => "linked",
        };
        let made = match placed.made.as_slice() {
            // One may have got a number, which is worth knowing.
            [one] => format!("{verb} to {}", printable_path(one)),
            made => {
                let folder = printable_path(folder);
                format!("{verb} {} to {folder}", count(made.len(), "sound"))
            }
        };
        let already = match (placed.already, placed.made.len()) {
            (0, _) => String::new(),
            (n, 0) if placed.failed.is_empty() => {
                let folder = printable_path(folder);
                return Ok(done(format!("{} in {folder} already", are(n))));
            }
            (n, _) => format!(", {} there already", are(n)),
        };
        Ok(told(format!("{made}{already}"), &placed.failed))
    }

    fn list(&self, path: &Path, subjects: &[Subject]) -> Result<Outcome> {
        let format = ListFormat::of_path(path)?;
        let known: Vec<(Hit, Marks)> = subjects
            .iter()
            .map(|subject| {
                let hit = self.as_known(subject.hit.clone())?;
                let marks = self.library.marks(&hit.record.content);
                Ok((hit, marks))
            })
            .collect::<Result<_>>()?;
        let list: Vec<Listed<'_>> = known
            .iter()
            .map(|(hit, marks)| Listed { hit, marks })
            .collect();
        let written = write_list(path, format, &list)?;
        let (sounds, path) = (count(list.len(), "sound"), printable_path(&written));
        Ok(done(format!("listed {sounds} in {path}")))
    }

    fn cut(&self, subjects: &[Subject], folder: &Path) -> Outcome {
        let (mut made, mut failed) = (vec![], vec![]);
        for Subject { hit, span } in subjects {
            if self.is_over() {
                break;
            }
            match cut_moment(&hit.path, *span, folder, &|| self.is_over()) {
                Ok(path) => made.push(path),
                Err(error) => failed.push((hit.path.clone(), format!("{error:#}"))),
            }
        }
        let text = match made.as_slice() {
            [one] => format!("cut to {}", printable_path(one)),
            made => {
                let folder = printable_path(folder);
                format!("cut {} to {folder}", count(made.len(), "moment"))
            }
        };
        told(text, &failed)
    }

    /// Changes marks and tells what they all are now; gives how many sounds have others.
    fn mark(&self, subjects: &[Subject], change: impl Fn(&mut Marks)) -> Result<usize> {
        let contents: BTreeSet<ContentHash> = subjects
            .iter()
            .map(|subject| Ok(self.as_known(subject.hit.clone())?.record.content))
            .collect::<Result<_>>()?;
        let contents: Vec<ContentHash> = contents.into_iter().collect();
        let changed = self.library.mark(&contents, change);
        (self.answer)(Response::Marks(self.library.all_marks()));
        changed
    }

    /// A sound with what is known of its file now: it may have been edited since it was found, and one
    /// that is only alike to a hit has a record of its own.
    fn as_known(&self, hit: Hit) -> Result<Hit> {
        let record = self.library.file(&hit.path)?;
        Ok(match record {
            Some(record) => Hit { record, ..hit },
            None => hit,
        })
    }
}

/// `1 sound is`, `2 sounds are`.
fn are(n: usize) -> String {
    format!(
        "{} {}",
        count(n, "sound"),
        if n == 1 { "is" } else { "are" }
    )
}

fn done(text: String) -> Outcome {
    Outcome {
        text,
        is_error: false,
    }
}

fn failed(error: &anyhow::Error) -> Outcome {
    Outcome {
        text: format!("{error:#}"),
        is_error: true,
    }
}

/// What was done, and with how many files what could not be done; of the first of them, why.
fn told(text: String, failures: &[(PathBuf, String)]) -> Outcome {
    let Some((path, reason)) = failures.first() else {
        return done(text);
    };
    let name = path.file_name().unwrap_or(path.as_os_str());
    let name = printable(&name.to_string_lossy());
    let others = match failures.len() {
        1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    Outcome {
        text: format!("{name}: {reason}{others}; {text}"),
        is_error: true,
    }
}

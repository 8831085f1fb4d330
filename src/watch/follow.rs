//! What the system tells of changes below roots: inotify, FSEvents or ReadDirectoryChangesW, through
//! notify. The only file that names that crate.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use crossbeam_channel::Sender;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::Change;

/// Follows what happens below roots and sends it on until it is dropped.
pub struct Follower {
    watcher: RecommendedWatcher,
    /// What was at a root's path when it was last followed.
    followed: HashMap<PathBuf, Identity>,
}

/// A root of which the system tells no changes, and why; it is walked now and then all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfollowed {
    /// The root.
    pub root: PathBuf,
    /// What the system said.
    pub reason: String,
}

/// Tells one folder from another that has taken its name.
type Identity = Option<(u64, u64)>;

impl Follower {
    /// Follows nothing yet. What changes is sent on a thread of its own.
    ///
    /// # Errors
    ///
    /// When the system has no more of what it takes.
    pub fn new(changes: Sender<Change>) -> Result<Follower> {
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            for change in changes_of(event) {
                // Nobody listens any more when the program ends.
                let _ = changes.send(change);
            }
        });
        Ok(Follower {
            watcher: watcher.context("the system cannot tell of changes to files")?,
            followed: HashMap::new(),
        })
    }

    /// Follows these roots and no others; to be called again after a change and now and then, since a
    /// root that was moved away or unplugged is another one when it is back. Gives those that are there
    /// and cannot be followed, each time.
    pub fn follow(&mut self, roots: &[PathBuf]) -> Vec<Unfollowed> {
        let gone: Vec<PathBuf> = self.followed.keys().cloned().collect();
        for root in gone.iter().filter(|root| !roots.contains(root)) {
            self.leave(root);
        }
        let mut unfollowed = vec![];
        for root in roots {
            if let Err(error) = self.follow_one(root) {
                unfollowed.push(Unfollowed {
                    root: root.clone(),
                    reason: format!("{error:#}"),
                });
            }
        }
        unfollowed
    }

    fn follow_one(&mut self, root: &Path) -> notify::Result<()> {
        let there = std::fs::metadata(root).ok();
        let is_there = there.is_some();
        let identity = there.and_then(|metadata| identity(&metadata));
        if self.followed.get(root) == Some(&identity) && is_there {
            return Ok(());
        }
        self.leave(root);
        // The folder that it is in tells when it comes back. That one may be away, too.
        if let Some(parent) = root.parent() {
            let _ = self.watcher.watch(parent, RecursiveMode::NonRecursive);
        }
        if is_there {
            self.watcher.watch(root, RecursiveMode::Recursive)?;
            self.followed.insert(root.to_path_buf(), identity);
        }
        Ok(())
    }

    fn leave(&mut self, root: &Path) {
        if self.followed.remove(root).is_some() {
            // What is gone is not followed any more anyway.
            let _ = self.watcher.unwatch(root);
        }
    }
}

#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> Identity {
    None
}

/// What an event means for a library; being looked at is no change.
fn changes_of(event: notify::Result<Event>) -> Vec<Change> {
    let Ok(event) = event else {
        return vec![Change::Missed];
    };
    if event.need_rescan() {
        return vec![Change::Missed];
    }
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
        EventKind::Access(_) => return vec![],
        _ => {}
    }
    event.paths.into_iter().map(Change::At).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, Flag};

    #[test]
    fn looking_is_no_change_and_an_overflow_means_that_some_were_missed() {
        let made = Event::new(EventKind::Create(CreateKind::File)).add_path("/a.wav".into());
        assert_eq!(changes_of(Ok(made)), [Change::At("/a.wav".into())]);
        let opened = EventKind::Access(AccessKind::Open(AccessMode::Any));
        assert!(changes_of(Ok(Event::new(opened).add_path("/a.wav".into()))).is_empty());
        let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert_eq!(changes_of(Ok(overflow)), [Change::Missed]);
        let broken = Err(notify::Error::generic("the queue is gone"));
        assert_eq!(changes_of(broken), [Change::Missed]);
    }
}

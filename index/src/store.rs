//! The store of a folder, wherever it is open: in this process, or in another that serves it.
//!
//! sled lets one process open a store. The first that comes has it ("holds" it) and lets others read
//! along through a socket ([`crate::serve`]); for whatever is built on [`Records`](crate::records::Records) there is no
//! difference. When the holder goes in the middle of something, the next question opens the store
//! here, or calls whoever holds it by then, and is asked again: questions change nothing, and
//! changes say what they expect to find.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::error::{Error, Result};
use crate::folder::{self, Found};
use crate::held::{Held, open_sealed};
use crate::holder::{Holder, LOCK_PAUSE, LOCK_RETRIES, Lock, note};
use crate::index::Progress;
use crate::records::Records;
#[cfg(unix)]
use crate::remote::{Remote, Silence};
use crate::rewrite;
#[cfg(unix)]
use crate::serve::Server;
#[cfg(not(unix))]
use crate::unserved::{Remote, Server, Silence};
use crate::wire::{Answer, Request};

/// How many holders may go away, one after another, before a question is given up.
const MOST_HOLDERS: u32 = 5;

/// One open folder.
#[derive(Clone)]
pub(crate) struct Store {
    home: Arc<Home>,
}

/// What all handles of one folder share.
pub(crate) struct Home {
    pub(crate) dir: PathBuf,
    link: RwLock<Link>,
    /// How often another link was made.
    links: AtomicU64,
}

/// Where the store is open.
#[derive(Clone)]
pub(crate) enum Link {
    Here(Arc<Here>),
    There(Arc<Remote>),
}

/// The store, open in this process; the listener goes before what it serves.
pub(crate) struct Here {
    _server: Option<Server>,
    pub(crate) held: Arc<Held>,
}

impl Store {
    /// Opens the store in `dir`, or finds the process that has it open. Makes both if absent, unless
    /// it is said to be there.
    pub(crate) fn open(dir: &Path, must_exist: bool) -> Result<Store> {
        let link = Link::make(dir, must_exist)?;
        Ok(Store {
            home: Arc::new(Home {
                dir: dir.to_path_buf(),
                link: RwLock::new(link),
                links: AtomicU64::new(0),
            }),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.home.dir
    }

    /// The tree of this name. It is made when something is written to it.
    pub(crate) fn records(&self, name: &str) -> Records {
        Records::new(name, &self.home)
    }

    /// Removes the tree of this name with everything in it.
    pub(crate) fn remove_records(&self, name: &str) -> Result<()> {
        let held = self.home.held()?;
        held.writing(|| held.local.remove_tree(name))
    }

    /// The names of all trees, in order.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let there = |answer| match answer {
            Answer::Names(names) => Some(names),
            _ => None,
        };
        let here = |held: &Held| Ok(held.local.names());
        self.home.either(&here, &|| Request::Names, &there)
    }

    /// Returns when everything that this process has written so far is on the disk. What it had another
    /// process write is there within half a second.
    pub(crate) fn flush(&self) -> Result<()> {
        match self.home.link() {
            Link::Here(here) => here.held.flush(),
            Link::There(_) => Ok(()),
        }
    }

    /// Writes the store anew while it is open, and puts that in its place unless something was written
    /// meanwhile. Gives the bytes that it takes if it was: nothing can be written through this one from
    /// then on.
    pub(crate) fn renew(
        &self,
        cancel: &dyn Fn() -> bool,
        progress: &dyn Fn(Progress),
    ) -> Result<Option<u64>> {
        let (held, dir) = (self.home.held()?, self.path());
        let renewed = held.replace(
            |from| rewrite::copy_beside(dir, from, cancel, progress),
            |number| rewrite::put_in_place(dir, number),
        );
        if !matches!(renewed, Ok(Some(_))) {
            // What was begun is in nobody's way, and swept when the folder is opened next.
            let _ = folder::sweep(dir);
        }
        let bytes =
            |store: PathBuf| folder::size(&store).map_err(|source| held.local.refused(source));
        renewed?.map(bytes).transpose()
    }

    /// Bytes that the store takes on the disk.
    pub(crate) fn size_on_disk(&self) -> Result<u64> {
        let here = |held: &Held| held.local.size_on_disk();
        self.home.either(&here, &|| Request::Size, &number)
    }

    /// A number that differs when others have written since.
    pub(crate) fn changes_by_others(&self) -> Result<u64> {
        let here = |held: &Held| Ok(held.changes_by_others());
        let changes = self.home.either(&here, &|| Request::Changes, &number)?;
        Ok((self.home.links.load(Ordering::Acquire) << 48) | changes)
    }

    /// The process that has the store open, if it is another one.
    pub(crate) fn holder(&self) -> Option<Holder> {
        match self.home.link() {
            Link::Here(_) => None,
            Link::There(remote) => Some(remote.holder().clone()),
        }
    }

    /// Makes this process the one that has the store open, waiting for half a second if another has.
    pub(crate) fn claim(&self) -> Result<()> {
        for retry in 0..=LOCK_RETRIES {
            let Link::There(remote) = self.home.link() else {
                return Ok(());
            };
            match Link::here(&self.home.dir, true) {
                Ok(Some(link)) => self.home.set(link),
                Ok(None) | Err(Error::Locked { .. }) if retry < LOCK_RETRIES => {
                    std::thread::sleep(LOCK_PAUSE);
                }
                Ok(None) | Err(Error::Locked { .. }) => {
                    return Err(Error::Held {
                        path: self.home.dir.clone(),
                        holder: remote.holder().clone(),
                    });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn number(answer: Answer) -> Option<u64> {
    match answer {
        Answer::Number(number) => Some(number),
        _ => None,
    }
}

impl Link {
    /// Opens the store, or calls who has it, or gives up after half a second.
    fn make(dir: &Path, must_exist: bool) -> Result<Link> {
        let mut retries = 0;
        loop {
            let locked = match Link::here(dir, must_exist) {
                Ok(Some(link)) => return Ok(link),
                Ok(None) => match Remote::call(dir) {
                    Ok(remote) => return Ok(Link::There(Arc::new(remote))),
                    Err(Silence::Hangs(holder)) => {
                        return Err(Error::Silent {
                            path: dir.to_path_buf(),
                            holder,
                        });
                    }
                    Err(Silence::Nobody) => Error::Locked {
                        path: dir.to_path_buf(),
                        holder: note(dir).map(|(holder, _)| holder),
                    },
                },
                Err(Error::Locked { .. }) => Error::Locked {
                    path: dir.to_path_buf(),
                    holder: None,
                },
                Err(error) => return Err(error),
            };
            if retries == LOCK_RETRIES {
                return Err(locked);
            }
            retries += 1;
            std::thread::sleep(LOCK_PAUSE);
        }
    }

    /// Opens the store in this process; `None` if another has it.
    fn here(dir: &Path, must_exist: bool) -> Result<Option<Link>> {
        if must_exist && !exists(dir)? {
            return Err(Error::Missing {
                path: dir.to_path_buf(),
            });
        }
        let Some(mut lock) = Lock::take(dir)? else {
            return Ok(None);
        };
        lock.announce(None);
        let store = rewrite::prepare(dir)?;
        let local = open_sealed(dir, &store)?;
        rewrite::check_format(dir, &local)?;
        let held = Arc::new(Held::new(dir, store, local)?);
        // Whoever cannot listen can still work; others are told that the store is open then.
        let server = Server::start(dir, &held).ok();
        lock.announce(server.as_ref().map(Server::socket));
        held.keep(lock);
        let here = Here {
            _server: server,
            held,
        };
        Ok(Some(Link::Here(Arc::new(here))))
    }
}

/// Whether `dir` holds a store. Touches nothing.
fn exists(dir: &Path) -> Result<bool> {
    let found = folder::look(dir).map_err(|source| Error::Storage {
        path: dir.to_path_buf(),
        source,
    })?;
    Ok(found != Found::Nothing)
}

impl Home {
    pub(crate) fn link(&self) -> Link {
        self.link
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, link: Link) {
        *self.link.write().unwrap_or_else(PoisonError::into_inner) = link;
        self.links.fetch_add(1, Ordering::AcqRel);
    }

    /// What is open here, or who has it instead.
    pub(crate) fn held(&self) -> Result<Arc<Held>> {
        match self.link() {
            Link::Here(here) => Ok(Arc::clone(&here.held)),
            Link::There(remote) => Err(Error::Held {
                path: self.dir.clone(),
                holder: remote.holder().clone(),
            }),
        }
    }

    /// Answers a question here, or asks the holder. A holder that is gone is replaced by whoever has
    /// the store by then, which may be this process.
    pub(crate) fn either<T>(
        &self,
        here: &dyn Fn(&Held) -> Result<T>,
        request: &dyn Fn() -> Request,
        there: &dyn Fn(Answer) -> Option<T>,
    ) -> Result<T> {
        let mut gone = None;
        for _ in 0..MOST_HOLDERS {
            let remote = match self.link() {
                Link::Here(open) => return here(&open.held),
                Link::There(remote) => remote,
            };
            let failed = |source| Error::Storage {
                path: self.dir.clone(),
                source,
            };
            match remote.ask(&request()) {
                Ok(Answer::Refused) => {
                    return Err(Error::Held {
                        path: self.dir.clone(),
                        holder: remote.holder().clone(),
                    });
                }
                Ok(Answer::Failed(why)) => return Err(failed(std::io::Error::other(why))),
                Ok(answer) => {
                    let nonsense = || failed(std::io::ErrorKind::InvalidData.into());
                    return there(answer).ok_or_else(nonsense);
                }
                Err(_) => {
                    gone = Some(remote.holder().clone());
                    self.look_again(&remote)?;
                }
            }
        }
        Err(Error::Locked {
            path: self.dir.clone(),
            holder: gone,
        })
    }

    /// Makes another link in place of a conversation that is over.
    fn look_again(&self, over: &Arc<Remote>) -> Result<()> {
        let mut link = self.link.write().unwrap_or_else(PoisonError::into_inner);
        // Unless another thread has done so while this one waited.
        if matches!(&*link, Link::There(remote) if Arc::ptr_eq(remote, over)) {
            *link = Link::make(&self.dir, true)?;
            self.links.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }
}

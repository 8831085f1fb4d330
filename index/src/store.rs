//! The store of a folder, wherever it is open: in this process, or in another that serves it.
//!
//! sled lets one process open a store. The first that comes has it ("holds" it) and lets others read
//! along through a socket ([`crate::serve`]); for whatever is built on [`Records`](crate::records::Records) there is no
//! difference. When the holder goes in the middle of something, the next question opens the store
//! here, or calls whoever holds it by then, and is asked again: questions change nothing, and
//! changes say what they expect to find.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use crate::acknowledged::{self, Noted};
use crate::error::{Error, Result};
use crate::folder::{self, Found};
use crate::holder::{Holder, Lock, note};
use crate::index::Progress;
use crate::local::{Local, Storing, Tree};
use crate::records::Records;
#[cfg(unix)]
use crate::remote::{Remote, Silence};
use crate::rewrite::{self, ABOUT};
use crate::seal::{self, Seal};
#[cfg(unix)]
use crate::serve::Server;
#[cfg(not(unix))]
use crate::unserved::{Remote, Server, Silence};
use crate::wire::{Answer, Request};

/// How often a lock that is held is asked for again, and how long to wait each time: half a second
/// in all. The lock belongs to the open file, which a child process shares from its fork to its
/// exec, so a store that was just closed can look open for a moment.
pub(crate) const LOCK_RETRIES: u32 = 50;
pub(crate) const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// How many holders may go away, one after another, before a question is given up.
const MOST_HOLDERS: u32 = 5;

/// In the tree [`ABOUT`]: the number of the last flush.
const FLUSHED_KEY: &[u8] = b"flushed";

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

/// What is open, and what others have done to it.
pub(crate) struct Held {
    trees: Mutex<Vec<(String, Tree)>>,
    pub(crate) local: Local,
    changes: AtomicU64,
    changes_by_others: AtomicU64,
    /// The number of the last flush, and of the changes before it.
    flushed: Mutex<(u64, u64)>,
    closing: Closing,
}

/// Seals the store and lets go of it, once all that had it open is gone.
struct Closing {
    store: PathBuf,
    /// Whether another store has been put in its place. Held for reading by all that write.
    replaced: RwLock<bool>,
    lock: Mutex<Option<Lock>>,
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
        let here = |held: &Held| Ok(held.changes_by_others.load(Ordering::Acquire));
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
        let flushes = check_acknowledged(dir, &store, &local)?;
        let held = Arc::new(Held {
            trees: Mutex::default(),
            local,
            changes: AtomicU64::new(0),
            changes_by_others: AtomicU64::new(0),
            flushed: Mutex::new((flushes, 0)),
            closing: Closing {
                store,
                replaced: RwLock::new(false),
                lock: Mutex::default(),
            },
        });
        // Whoever cannot listen can still work; others are told that the store is open then.
        let server = Server::start(dir, &held).ok();
        lock.announce(server.as_ref().map(Server::socket));
        held.closing.keep(lock);
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

/// Opens the files of a store in `dir`, after a look at each byte if it is sealed. It is not from then
/// on: sled writes when it opens, too.
pub(crate) fn open_sealed(dir: &Path, store: &Path) -> Result<Local> {
    let failed = |source| Error::Storage {
        path: dir.to_path_buf(),
        source,
    };
    let damaged = |what| Error::Corrupt {
        path: dir.to_path_buf(),
        what,
    };
    if let Seal::Damaged(what) = seal::check(store).map_err(failed)? {
        return Err(damaged(what));
    }
    if !store.join(folder::LOG).is_file() {
        return Err(damaged(format!("its file {} is gone", folder::LOG)));
    }
    seal::break_open(store).map_err(failed)?;
    seal::tidy(store).map_err(failed)?;
    Local::open(store, dir)
}

/// Refuses a store that does not have all that was acknowledged. Gives the number of its last flush.
pub(crate) fn check_acknowledged(dir: &Path, store: &Path, local: &Local) -> Result<u64> {
    let failed = |source| Error::Storage {
        path: dir.to_path_buf(),
        source,
    };
    let damaged = |what: &str| Error::Corrupt {
        path: dir.to_path_buf(),
        what: what.to_owned(),
    };
    let known = local.tree(ABOUT, Storing::Framed)?.get(FLUSHED_KEY)?;
    let known = known.and_then(|known| known.as_ref().try_into().ok());
    let known = known.map_or(0, u64::from_le_bytes);
    match acknowledged::read(store).map_err(failed)? {
        Noted::Damaged => Err(damaged("its count of flushes is not what was written")),
        Noted::Flush(noted) if noted > known => Err(damaged("what was written to it last is gone")),
        Noted::Nothing | Noted::Flush(_) => Ok(known),
    }
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

impl Held {
    /// The tree of this name, made if absent.
    pub(crate) fn tree(&self, name: &str) -> Result<Tree> {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, tree)) = trees.iter().find(|(known, _)| known == name) {
            return Ok(tree.clone());
        }
        let tree = self.local.tree(name, storing(name))?;
        trees.push((name.to_owned(), tree.clone()));
        Ok(tree)
    }

    pub(crate) fn tree_if_there(&self, name: &str) -> Result<Option<Tree>> {
        let there = self.local.has_tree(name);
        there.then(|| self.tree(name)).transpose()
    }

    /// Returns when everything written so far is on the disk, and known to be.
    fn flush(&self) -> Result<()> {
        let mut flushed = self.flushed.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, seen) = *flushed;
        let changes = self.changes();
        if changes != seen {
            let about = self.local.tree(ABOUT, Storing::Framed)?;
            about.put(FLUSHED_KEY, Some(&(last + 1).to_le_bytes()))?;
        }
        self.local.flush()?;
        if changes != seen {
            let noted = acknowledged::note(&self.closing.store, last + 1);
            noted.map_err(|source| self.local.refused(source))?;
            *flushed = (last + 1, changes);
        }
        Ok(())
    }

    /// Does something that writes, and counts it; not any more once the store has another in its place.
    pub(crate) fn writing<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let replaced = self.closing.replaced.read();
        let replaced = replaced.unwrap_or_else(PoisonError::into_inner);
        if *replaced {
            let what = "it was written anew just now, and has to be opened again";
            return Err(self.local.refused(std::io::Error::other(what)));
        }
        self.changes.fetch_add(1, Ordering::AcqRel);
        work()
    }

    /// [`Held::writing`] for another process.
    pub(crate) fn writing_for_others<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.writing(|| {
            self.changes_by_others.fetch_add(1, Ordering::AcqRel);
            work()
        })
    }

    /// Whether another store has been put in the place of this one.
    pub(crate) fn is_replaced(&self) -> bool {
        let replaced = self.closing.replaced.read();
        *replaced.unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a store written anew and, if nothing was written to this one meanwhile, put in its place.
    /// Gives its folder if it was.
    fn replace(
        &self,
        write: impl FnOnce(&Local) -> Result<u64>,
        put_in_place: impl FnOnce(u64) -> Result<PathBuf>,
    ) -> Result<Option<PathBuf>> {
        let gate = || self.closing.replaced.write();
        let before = {
            // Nobody is writing at this moment.
            let _gate = gate().unwrap_or_else(PoisonError::into_inner);
            self.changes()
        };
        let number = write(&self.local)?;
        let mut replaced = gate().unwrap_or_else(PoisonError::into_inner);
        if *replaced || self.changes() != before {
            return Ok(None);
        }
        let store = put_in_place(number)?;
        *replaced = true;
        Ok(Some(store))
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }
}

/// Copies that carry digests of their own are stored as they are.
pub(crate) fn storing(name: &str) -> Storing {
    let copy = name.starts_with("space.") && (name.ends_with(".codes") || name.ends_with(".graph"));
    if copy {
        Storing::Plain
    } else {
        Storing::Framed
    }
}

impl Closing {
    fn keep(&self, lock: Lock) {
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(lock);
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let is_closed = is_closed(&self.store);
        let replaced = self.replaced.get_mut();
        if *replaced.unwrap_or_else(PoisonError::into_inner) {
            if let Some(dir) = self.store.parent() {
                // What is left of it is swept when the folder is opened next.
                let _ = folder::sweep(dir);
            }
        } else if is_closed {
            // Without a seal the next opening looks less closely, and that is all.
            let _ = seal::put(&self.store);
        }
    }
}

/// Waits until sled's threads have let go of a store.
pub(crate) fn is_closed(store: &Path) -> bool {
    let Ok(log) = std::fs::File::open(store.join(folder::LOG)) else {
        return false;
    };
    (0..LOCK_RETRIES).any(|_| {
        let closed = log.try_lock().is_ok();
        if !closed {
            std::thread::sleep(LOCK_PAUSE);
        }
        closed
    })
}

//! The process that has a store open lets others of the same person read it, through a socket.
//!
//! Apart from the store, because it is the one part that listens. Each conversation has a thread, so
//! one that hangs or talks nonsense hurts nobody: it holds no lock while it reads or writes the
//! socket, its answers are made in parts, and an answer that nobody takes ends it. Others may
//! change tables in small atomic steps; the vectors are the holder's alone, because ids are given
//! out in its memory.
//!
//! The socket is a Unix domain socket in a folder that only its owner can enter, so the system
//! itself keeps everybody else out; there is no network in it. On other systems nobody listens, and
//! a second process is told who has the store.

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::held::Held;
use crate::local::commit;
use crate::wire::{self, Answer, HELLO, Request, SCAN_BYTES};

/// Conversations at a time; a person has a few windows open, not dozens.
const MOST_CONVERSATIONS: usize = 32;

/// How long an answer may wait to be taken, and a greeting to be said.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest path that all systems take for a socket (macOS; Linux takes 107).
const LONGEST_PATH: usize = 103;

/// Listens until it is dropped.
pub(crate) struct Server {
    socket: PathBuf,
    talks: Arc<Talks>,
    listening: Option<JoinHandle<()>>,
}

/// The conversations that are going on.
#[derive(Default)]
struct Talks {
    over: AtomicBool,
    list: Mutex<Vec<(UnixStream, JoinHandle<()>)>>,
}

impl Server {
    /// Listens for others that want what is in `dir`, which `held` has open.
    pub(crate) fn start(dir: &Path, held: &Arc<Held>) -> io::Result<Server> {
        let socket = socket_path(dir)?;
        // Whoever listened here before held the lock that is held now, and is gone.
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&socket)?;
        fs::set_permissions(&socket, Permissions::from_mode(0o600))?;
        let talks = Arc::new(Talks::default());
        let (kept, weak) = (Arc::clone(&talks), Arc::downgrade(held));
        let listening = std::thread::Builder::new()
            .name("index listener".to_owned())
            .spawn(move || listen(&listener, &kept, &weak))?;
        Ok(Server {
            socket,
            talks,
            listening: Some(listening),
        })
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.talks.over.store(true, Ordering::SeqCst);
        // The listener wakes up for a call. Where none gets through (the socket's file is gone) it
        // is left behind: it holds nothing open.
        let woken = UnixStream::connect(&self.socket).is_ok();
        let _ = fs::remove_file(&self.socket);
        if let Some(listening) = self.listening.take().filter(|_| woken) {
            let _ = listening.join();
        }
        let talks = std::mem::take(&mut *self.talks.lock());
        for (stream, thread) in talks {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            // A panic there has been reported, and this thread may be the one that is to be joined.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Talks {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(UnixStream, JoinHandle<()>)>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listen(listener: &UnixListener, talks: &Talks, held: &Weak<Held>) {
    for call in listener.incoming() {
        if talks.over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = call else {
            // Too many open files, or the like: it may pass.
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        let mut list = talks.lock();
        list.retain(|(_, thread)| !thread.is_finished());
        if list.len() >= MOST_CONVERSATIONS {
            continue;
        }
        let (Ok(kept), held) = (stream.try_clone(), Weak::clone(held)) else {
            continue;
        };
        let talking = std::thread::Builder::new()
            .name("index conversation".to_owned())
            .spawn(move || {
                // Whatever went wrong, this conversation is over, and that is all.
                let _ = talk(stream, &held);
            });
        if let Ok(thread) = talking {
            list.push((kept, thread));
        }
    }
}

fn talk(mut stream: UnixStream, held: &Weak<Held>) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut hello = [0; HELLO.len()];
    stream.read_exact(&mut hello)?;
    stream.write_all(&HELLO)?;
    if hello != HELLO {
        return Ok(());
    }
    // From here on the other side may be silent for as long as it likes.
    stream.set_read_timeout(None)?;
    loop {
        let request = wire::receive_request(&mut stream)?;
        // Once another store is in the place of this one, the other side has to look for that.
        let Some(held) = held.upgrade().filter(|held| !held.is_replaced()) else {
            return Ok(());
        };
        let answer = answer(&held, request).unwrap_or_else(|error| Answer::Failed(cause(&error)));
        drop(held);
        wire::send(&mut stream, &answer.to_bytes())?;
    }
}

fn answer(held: &Held, request: Request) -> Result<Answer> {
    Ok(match request {
        Request::Get { tree, key } => match held.tree_if_there(&tree)? {
            None => Answer::Value(None),
            Some(tree) => Answer::Value(tree.get(&key)?.map(|value| value.as_ref().to_vec())),
        },
        Request::Scan {
            tree,
            prefix,
            after,
            keys,
        } => match held.tree_if_there(&tree)? {
            None => Answer::Records(Vec::new(), false),
            Some(tree) => {
                let mut records = Vec::new();
                let mut bytes = 0;
                let mut take = |item: Result<(Vec<u8>, Vec<u8>)>| -> Result<bool> {
                    let (key, value) = item?;
                    let value = if keys { Vec::new() } else { value };
                    bytes += key.len() + value.len() + 8;
                    records.push((key, value));
                    Ok(bytes >= SCAN_BYTES)
                };
                let mut more = false;
                match after {
                    None => {
                        for item in tree.with_prefix(&prefix) {
                            more = take(item)?;
                            if more {
                                break;
                            }
                        }
                    }
                    Some(after) => {
                        for item in tree.after(&prefix, &after) {
                            more = take(item)?;
                            if more {
                                break;
                            }
                        }
                    }
                }
                Answer::Records(records, more)
            }
        },
        Request::Names => Answer::Names(held.local.names()),
        Request::Size => Answer::Number(held.local.size_on_disk()?),
        Request::Changes => Answer::Number(held.changes()),
        Request::Write { tree, changes } if is_table(&tree) => {
            let records = held.tree(&tree)?;
            let had = match changes.first() {
                Some((key, _)) => records.get(key)?.is_some(),
                None => false,
            };
            held.writing_for_others(|| commit(&[(&records, &changes)]))?;
            Answer::Truth(had)
        }
        Request::Swap {
            tree,
            key,
            old,
            new,
        } if is_table(&tree) => {
            let records = held.tree(&tree)?;
            let swap = || records.swap(&key, old.as_deref(), new.as_deref());
            Answer::Truth(held.writing_for_others(swap)?)
        }
        Request::Write { .. } | Request::Swap { .. } => Answer::Refused,
    })
}

fn is_table(tree: &str) -> bool {
    tree.starts_with("table.") && tree.len() <= usize::from(u8::MAX)
}

/// The error and its causes, for the other side to put into its own.
fn cause(error: &Error) -> String {
    match error {
        Error::Corrupt { what, .. } => what.clone(),
        Error::Storage { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

/// A short path for the socket: its length is limited, and not every file system has sockets.
fn socket_path(dir: &Path) -> io::Result<PathBuf> {
    let canonical = fs::canonicalize(dir)?;
    let digest = blake3::hash(canonical.as_os_str().as_encoded_bytes()).to_hex();
    let name = format!("{}.sock", &digest[..16]);
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let own = |base: &Path| private(base.join(format!("soundseek-{}", owner()?)));
    let fits = |folder: &PathBuf| folder.as_os_str().len() + 1 + name.len() <= LONGEST_PATH;
    let folder = runtime
        .filter(|path| path.is_absolute())
        .and_then(|base| own(&base).ok())
        .filter(fits)
        .map_or_else(|| own(&std::env::temp_dir()), Ok)?;
    if !fits(&folder) {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    Ok(folder.join(name))
}

fn owner() -> io::Result<u32> {
    Ok(rustix::process::geteuid().as_raw())
}

/// The folder, made if absent, which nobody else can enter.
fn private(folder: PathBuf) -> io::Result<PathBuf> {
    match fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    check_private(&folder)?;
    Ok(folder)
}

/// Refuses a folder that another user has made, is a link, or can be entered by others.
pub(crate) fn check_private(folder: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(folder)?;
    let ours = metadata.is_dir() && metadata.uid() == owner()? && metadata.mode() & 0o077 == 0;
    ours.then_some(())
        .ok_or(io::ErrorKind::PermissionDenied.into())
}

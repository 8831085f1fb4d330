//! One file from the hub into the cache: resumed, checked, and only then under its name.
//!
//! A file lies under its hash, as `blobs/HASH`, and while it comes as `blobs/HASH.incomplete`; so what
//! is there of it can be of no other version, and a break costs only what was on the line; no condition
//! (If-Range) has to be asked for with the rest, whose answer the hash of the whole judges anyway.
//! Nobody but the holder of a lock writes the incomplete file; the lock is the one that Hugging
//! Face's own programs take.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::Method;

use super::DownloadEvent;
use super::client::{Client, Follow, header};
use super::error::HubError;
use super::listing::{FileFacts, file_path, refused};
use super::name::Repository;

/// How many bytes are read and written at once.
const BLOCK_BYTES: usize = 256 << 10;

/// How often in a row a download may break without a byte having come.
const MOST_VAIN_ATTEMPTS: u32 = 4;

/// A file to download.
pub(super) struct Download<'a> {
    pub(super) client: &'a Client,
    pub(super) repository: &'a Repository,
    pub(super) commit: &'a str,
    pub(super) file: &'static str,
    pub(super) facts: &'a FileFacts,
    /// Where it will lie.
    pub(super) blob: &'a Path,
    pub(super) lock: &'a Path,
    /// How long to wait after a first attempt in vain; twice as long after the next.
    pub(super) pause: Duration,
}

/// How an attempt ended that did not fail for good.
enum Attempt {
    Whole,
    /// The line broke, for this reason.
    Broken(HubError),
}

impl Download<'_> {
    /// Downloads what is not there yet.
    pub(super) fn run(&self, on_event: &mut dyn FnMut(DownloadEvent)) -> Result<(), HubError> {
        if self.blob.is_file() {
            return Ok(());
        }
        let _lock = self.locked(on_event)?;
        // The other program may have finished it.
        if self.blob.is_file() {
            return Ok(());
        }
        let incomplete = incomplete(self.blob);
        let mut vain = 0;
        let mut restarted = false;
        loop {
            let before = length_of(&incomplete);
            match self.attempt(&incomplete, on_event) {
                Ok(Attempt::Whole) => {}
                Ok(Attempt::Broken(_)) if length_of(&incomplete) > before => {
                    vain = 0;
                    continue;
                }
                Ok(Attempt::Broken(reason)) => {
                    vain += 1;
                    if vain >= MOST_VAIN_ATTEMPTS {
                        return Err(reason);
                    }
                    std::thread::sleep(self.pause * 2u32.pow(vain - 1));
                    continue;
                }
                Err(error) => {
                    if matches!(error, HubError::WrongContent { .. }) {
                        self.remove(&incomplete)?;
                    }
                    return Err(error);
                }
            }
            match self.checked(&incomplete)? {
                None => break,
                // Its beginning may have been of an earlier, broken run.
                Some(_) if before > 0 && !restarted => {
                    restarted = true;
                    self.remove(&incomplete)?;
                }
                Some(received) => {
                    self.remove(&incomplete)?;
                    return Err(self.wrong(self.facts.hash.hex().to_owned(), received));
                }
            }
        }
        std::fs::rename(&incomplete, self.blob).map_err(|error| self.cannot(self.blob, error))
    }

    /// Asks for the rest of the file once.
    fn attempt(
        &self,
        incomplete: &Path,
        on_event: &mut dyn FnMut(DownloadEvent),
    ) -> Result<Attempt, HubError> {
        let whole = self.facts.bytes;
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(incomplete)
            .map_err(|error| self.cannot(incomplete, error))?;
        let mut have = length_of(incomplete);
        if have > whole {
            have = 0;
            file.set_len(0)
                .map_err(|error| self.cannot(incomplete, error))?;
        }
        on_event(DownloadEvent::Arrived { bytes: have });
        if have == whole {
            return Ok(Attempt::Whole);
        }
        let path = file_path(self.repository, self.commit, self.file);
        let asked = self.client.ask(Method::GET, &path, have, Follow::Anywhere);
        let (response, url) = match asked {
            Ok(answer) => answer,
            Err(error) if error.is_passing() => return Ok(Attempt::Broken(error)),
            Err(error) => return Err(error),
        };
        let answer = |problem: String| HubError::Answer {
            url: url.clone(),
            problem,
        };
        match response.status().as_u16() {
            206 => {
                let range = header(&response, "content-range").unwrap_or("");
                let (from, total) = content_range(range)
                    .ok_or_else(|| answer(format!("a part of the file, {range:?}")))?;
                if from != have || total.is_some_and(|total| total != whole) {
                    let expected = format!("bytes {have} to {whole}");
                    return Err(self.wrong(expected, range.to_owned()));
                }
            }
            200 => {
                let length = header(&response, "content-length");
                if let Some(length) = length.filter(|length| **length != whole.to_string()) {
                    let expected = format!("{whole} bytes");
                    return Err(self.wrong(expected, format!("{length} bytes")));
                }
                // The server does not take up where it was; what it sends is the whole.
                have = 0;
                file.set_len(0)
                    .map_err(|error| self.cannot(incomplete, error))?;
            }
            _ => {
                let error = refused(self.client, self.repository, &response, url);
                return match error.is_passing() {
                    true => Ok(Attempt::Broken(error)),
                    false => Err(error),
                };
            }
        }
        file.seek(SeekFrom::Start(have))
            .map_err(|error| self.cannot(incomplete, error))?;
        // One byte more than it should be shows that there are more.
        let mut body = response.into_body().into_reader().take(whole - have + 1);
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            let read = match body.read(&mut block) {
                Ok(0) if have < whole => {
                    return Ok(Attempt::Broken(HubError::Connection {
                        url,
                        reason: format!("it ended after {have} of {whole} bytes"),
                    }));
                }
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Ok(Attempt::Broken(HubError::Connection {
                        url,
                        reason: error.to_string(),
                    }));
                }
            };
            if have + read as u64 > whole {
                return Err(self.wrong(format!("{whole} bytes"), "more than that".to_owned()));
            }
            file.write_all(&block[..read])
                .map_err(|error| self.cannot(incomplete, error))?;
            have += read as u64;
            on_event(DownloadEvent::Arrived { bytes: have });
        }
        file.sync_all()
            .map_err(|error| self.cannot(incomplete, error))?;
        Ok(Attempt::Whole)
    }

    /// `None` when the file is what the hub says; otherwise the hash that it has.
    fn checked(&self, incomplete: &Path) -> Result<Option<String>, HubError> {
        let cannot = |error| self.cannot(incomplete, error);
        let mut file = File::open(incomplete).map_err(cannot)?;
        let mut hasher = self.facts.hash.hasher(self.facts.bytes);
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            match file.read(&mut block).map_err(cannot)? {
                0 => break,
                read => hasher.update(&block[..read]),
            }
        }
        let found = hasher.finish();
        Ok((found != self.facts.hash.hex()).then_some(found))
    }

    /// Takes the lock, and waits for whoever has it.
    fn locked(&self, on_event: &mut dyn FnMut(DownloadEvent)) -> Result<File, HubError> {
        for file in [self.lock, self.blob] {
            let folder = file.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder).map_err(|error| self.cannot(folder, error))?;
        }
        let cannot = |error| self.cannot(self.lock, error);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.lock)
            .map_err(cannot)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                on_event(DownloadEvent::Waiting { file: self.file });
                lock.lock().map_err(cannot)?;
            }
            // A network drive without locks: two downloads at once would only spoil each other's
            // work, which the hash tells.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
        }
        Ok(lock)
    }

    fn remove(&self, incomplete: &Path) -> Result<(), HubError> {
        std::fs::remove_file(incomplete).map_err(|error| self.cannot(incomplete, error))
    }

    fn name(&self) -> String {
        format!("{} of {}", self.file, self.repository)
    }

    fn wrong(&self, expected: String, received: String) -> HubError {
        HubError::WrongContent {
            file: self.name(),
            expected,
            received,
        }
    }

    fn cannot(&self, path: &Path, source: std::io::Error) -> HubError {
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                HubError::NoRoom {
                    file: self.name(),
                    bytes: self.facts.bytes,
                    folder: self.blob.parent().unwrap_or(path).to_path_buf(),
                }
            }
            _ => HubError::Cache {
                path: path.to_path_buf(),
                source,
            },
        }
    }
}

/// Where a content lies while it comes.
pub(super) fn incomplete(blob: &Path) -> PathBuf {
    let mut name = blob.as_os_str().to_owned();
    name.push(".incomplete");
    PathBuf::from(name)
}

/// How much of a file is there.
pub(super) fn length_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// First byte and whole length of `bytes FIRST-LAST/WHOLE`, the latter unless it is `*` (RFC 9110,
/// section 14.4).
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    let first = range.split_once('-')?.0.parse().ok()?;
    let whole = match whole {
        "*" => None,
        whole => Some(whole.parse().ok()?),
    };
    Some((first, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_files_are_told_by_their_first_byte_and_the_whole_length() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        for bad in [
            "",
            "bytes */10",
            "bytes 5-9",
            "items 5-9/10",
            "bytes x-9/10",
        ] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}

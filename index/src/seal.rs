//! The seal: checksums of a store that was closed in good order, compared before it is opened.
//!
//! sled trusts its files. A log with a wrong byte may open with something missing, take all memory,
//! hang or panic, and a log that lost its end looks like one after a crash. So what was closed in
//! good order is sealed: the CRC-32 of each piece of each file is written beside it, and at the next
//! opening every byte is compared before sled sees the first. The seal is broken then (sled writes when
//! it opens, too), so after a crash there is none; sled's own recovery and the frames of the records
//! ([`crate::frame`]) have to do then.
//!
//! Zeros at the end of the log are not covered: sled writes them when it opens. Neither are its
//! settings, which are always the same, and its snapshots, which it makes again from the log: both
//! are removed where they are not what they should be.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use rayon::prelude::*;

use crate::folder::{LOG, SETTINGS, logs, snapshots, sync};

const NAME: &str = "seal";
const MAGIC: &[u8; 8] = b"sskseal1";
const PIECE_BYTES: usize = 1 << 20;

/// A snapshot ends with eight bytes of length and the CRC-32 of what is before those (sled 0.34,
/// pagecache/snapshot.rs, `write_snapshot`).
const SNAPSHOT_TAIL: usize = 12;

/// What the files of a store look like.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seal {
    /// As they were when they were closed.
    Whole,
    /// They were not closed in good order.
    Broken,
    /// Something has changed them since; what, in words.
    Damaged(String),
}

/// Checksums of one file: its length, and the CRC-32 of each piece.
struct Sums {
    name: String,
    length: u64,
    pieces: Vec<u32>,
}

/// Compares the files with the seal.
pub(crate) fn check(store: &Path) -> io::Result<Seal> {
    let bytes = match fs::read(store.join(NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seal::Broken),
        bytes => bytes?,
    };
    let Some(sealed) = parse(&bytes) else {
        return Ok(Seal::Damaged("its seal is not what was written".to_owned()));
    };
    for sums in sealed {
        if let Some(what) = differs(store, &sums)? {
            return Ok(Seal::Damaged(what));
        }
    }
    Ok(Seal::Whole)
}

/// Breaks the seal, so that the files may change.
pub(crate) fn break_open(store: &Path) -> io::Result<()> {
    match fs::remove_file(store.join(NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync(store)),
    }
}

/// Seals a store that nobody has open.
pub(crate) fn put(store: &Path) -> io::Result<()> {
    let mut bytes = MAGIC.to_vec();
    for path in logs(store)? {
        let sums = sums(store, &path)?;
        bytes.push(u8::try_from(sums.name.len()).map_err(io::Error::other)?);
        bytes.extend(sums.name.as_bytes());
        bytes.extend(sums.length.to_le_bytes());
        bytes.extend(sums.pieces.iter().flat_map(|piece| piece.to_le_bytes()));
    }
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    let temporary = store.join(format!("{NAME}.new"));
    let mut file = File::create(&temporary)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(temporary, store.join(NAME))
}

/// Removes the settings and every snapshot that is not whole: sled makes them again.
pub(crate) fn tidy(store: &Path) -> io::Result<()> {
    match fs::remove_file(store.join(SETTINGS)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for path in snapshots(store)? {
        let bytes = fs::read(&path)?;
        let (body, tail) = bytes.split_at(bytes.len().saturating_sub(SNAPSHOT_TAIL));
        let sum = tail.get(8..).and_then(|sum| sum.first_chunk());
        let whole = sum.is_some_and(|sum| u32::from_le_bytes(*sum) == crc32fast::hash(body));
        if !whole {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn parse(bytes: &[u8]) -> Option<Vec<Sums>> {
    let (body, sum) = bytes.split_last_chunk::<4>()?;
    if u32::from_le_bytes(*sum) != crc32fast::hash(body) {
        return None;
    }
    let mut rest = body.strip_prefix(MAGIC)?;
    let mut all = Vec::new();
    while let Some((&length, after)) = rest.split_first() {
        let (name, after) = after.split_at_checked(usize::from(length))?;
        let (length, after) = after.split_first_chunk()?;
        let length = u64::from_le_bytes(*length);
        let count = usize::try_from(length.div_ceil(PIECE_BYTES as u64)).ok()?;
        let (pieces, after) = after.split_at_checked(count.checked_mul(4)?)?;
        let (pieces, _) = pieces.as_chunks::<4>();
        all.push(Sums {
            name: String::from_utf8(name.to_vec()).ok()?,
            length,
            pieces: pieces
                .iter()
                .map(|piece| u32::from_le_bytes(*piece))
                .collect(),
        });
        rest = after;
    }
    Some(all)
}

/// The checksums of a file; of the log without the zeros at its end.
fn sums(store: &Path, path: &Path) -> io::Result<Sums> {
    let length = File::open(path)?.metadata()?.len();
    let count = length.div_ceil(PIECE_BYTES as u64);
    let is_log = path == store.join(LOG);
    let piece = |number: u64| -> io::Result<(u32, u64)> {
        let start = number * PIECE_BYTES as u64;
        let mut bytes = Vec::with_capacity(PIECE_BYTES);
        let mut file = File::open(path)?;
        io::Seek::seek(&mut file, io::SeekFrom::Start(start))?;
        file.take(PIECE_BYTES as u64).read_to_end(&mut bytes)?;
        let zeros = bytes.iter().rev().take_while(|&&byte| byte == 0).count();
        let used = bytes.len() - if is_log { zeros } else { 0 };
        let end = if used == 0 { 0 } else { start + used as u64 };
        Ok((crc32fast::hash(&bytes[..used]), end))
    };
    let pieces: Vec<(u32, u64)> = (0..count)
        .into_par_iter()
        .map(piece)
        .collect::<io::Result<_>>()?;
    let length = pieces.iter().map(|&(_, end)| end).max().unwrap_or(0);
    let used = usize::try_from(length.div_ceil(PIECE_BYTES as u64)).map_err(io::Error::other)?;
    let name = path.strip_prefix(store).unwrap_or(path);
    Ok(Sums {
        name: name.to_string_lossy().into_owned(),
        length,
        pieces: pieces[..used].iter().map(|&(sum, _)| sum).collect(),
    })
}

/// How a file differs from what was sealed, in words.
fn differs(store: &Path, sealed: &Sums) -> io::Result<Option<String>> {
    let name = &sealed.name;
    let now = match sums(store, &store.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Some(format!("its file {name} is gone")));
        }
        now => now?,
    };
    if now.length < sealed.length {
        let (expected, found) = (sealed.length, now.length);
        return Ok(Some(format!(
            "its file {name} ends after {found} bytes, where {expected} were written"
        )));
    }
    let pairs = now.pieces.iter().zip(&sealed.pieces);
    let other = pairs.enumerate().find(|(_, (now, sealed))| now != sealed);
    Ok(match other {
        Some((piece, _)) => Some(format!(
            "bytes {} to {} of its file {name} are not what was written",
            piece * PIECE_BYTES,
            ((piece + 1) * PIECE_BYTES).min(sealed.length as usize)
        )),
        None if now.length > sealed.length => Some(format!(
            "its file {name} has {} bytes more than were written",
            now.length - sealed.length
        )),
        None => None,
    })
}

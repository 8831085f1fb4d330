//! How often a store was flushed, written down outside of its log.
//!
//! A log that was cut off (a kill, a power cut) and then lost more of its end looks like one that was
//! cut off earlier: sled opens it with less in it and says nothing. So each flush is counted in the
//! log, and once it is done its number is written here. A log that does not know of the flush whose
//! number is here has lost what was acknowledged. The number here may lag behind the log's, never
//! lead, so that no crash looks like a damage.
//!
//! Two slots take turns, each with a checksum: a write that is cut off spoils one of them at most.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

const NAME: &str = "flushed";
const MAGIC: &[u8; 4] = b"ssfl";

/// A slot begins every so many bytes: a disk writes that much at once.
const SLOT_BYTES: usize = 512;
/// [`MAGIC`], the CRC-32 of the number, the number.
const USED_BYTES: usize = 16;

/// What is written beside a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noted {
    /// No flush was ever done.
    Nothing,
    /// The number of a flush that was done.
    Flush(u64),
    /// Something else than was written.
    Damaged,
}

/// Notes that the flush of this number is done.
pub(crate) fn note(store: &Path, number: u64) -> io::Result<()> {
    let mut slot = [0; USED_BYTES];
    slot[..4].copy_from_slice(MAGIC);
    slot[4..8].copy_from_slice(&crc32fast::hash(&number.to_le_bytes()).to_le_bytes());
    slot[8..].copy_from_slice(&number.to_le_bytes());
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(false)
        .open(store.join(NAME))?;
    file.seek(SeekFrom::Start(number % 2 * SLOT_BYTES as u64))?;
    file.write_all(&slot)?;
    file.sync_data()
}

/// What is noted.
pub(crate) fn read(store: &Path) -> io::Result<Noted> {
    let mut bytes = Vec::new();
    match fs::File::open(store.join(NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Noted::Nothing),
        file => file?.take(2 * SLOT_BYTES as u64).read_to_end(&mut bytes)?,
    };
    let slots = bytes.chunks(SLOT_BYTES).filter_map(number);
    Ok(match slots.max() {
        Some(number) => Noted::Flush(number),
        None if bytes.is_empty() => Noted::Nothing,
        None => Noted::Damaged,
    })
}

fn number(slot: &[u8]) -> Option<u64> {
    let (sum, rest) = slot.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
    let number = rest.first_chunk::<8>()?;
    let whole = u32::from_le_bytes(*sum) == crc32fast::hash(number);
    whole.then(|| u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_number_is_read_whatever_happened_to_the_other() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(read(dir.path()).expect("read"), Noted::Nothing);
        for flush in 1..5 {
            note(dir.path(), flush).expect("noted");
            assert_eq!(read(dir.path()).expect("read"), Noted::Flush(flush));
        }
        let file = dir.path().join(NAME);
        let mut bytes = fs::read(&file).expect("read");
        bytes[9] ^= 1;
        fs::write(&file, &bytes).expect("written");
        assert_eq!(read(dir.path()).expect("read"), Noted::Flush(3));
        bytes[SLOT_BYTES + 2] ^= 1;
        fs::write(&file, &bytes).expect("written");
        assert_eq!(read(dir.path()).expect("read"), Noted::Damaged);
    }
}

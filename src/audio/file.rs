//! Opening a sound file, and the budget that it is read within.
//!
//! It stands apart from the decoders because it is what they cannot be trusted with: that the thing
//! behind a name is a regular file with something in it, and that a file which leads a decoder round
//! in circles costs a time that its size can justify.

use std::fs::{File, FileType, Metadata};
use std::io::{Error, Read, Result, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cpu_time::ThreadTime;
use symphonia::core::io::MediaSource;

use super::error::DecodeErrorKind;

/// From this size on it is asked whether a file has anything in it.
const LARGE_BYTES: u64 = 1 << 30;

/// A large file of which less than this part is on the disk is taken for empty. What a file system
/// compresses, or a recording leaves out as silence, is well above it.
const HELD_PART: u64 = 64;

/// The processor time that any file may take.
const ANY_FILE: Duration = Duration::from_secs(10);

/// The processor time that a file may take for each megabyte (2^20 bytes). The slowest honest codecs
/// take a tenth of a second, two with dependencies that are not optimised.
const PER_MEGABYTE: Duration = Duration::from_secs(2);

/// The decoded seconds that earn a second of processor time; honest codecs decode hundreds.
const AUDIO_PER_SECOND: f64 = 4.0;

/// How often a file may be read. A container whose small packets lie in another order than they are
/// played in makes symphonia read up to 32 KiB for each packet of a few hundred bytes.
const READS: u64 = 128;

/// What any file may read beyond that: the search for the beginning of a known format.
const ANY_READ_BYTES: u64 = 16 << 20;

/// Opens a regular file; nothing else is ever opened, or waited for.
///
/// # Errors
///
/// [`DecodeErrorKind::NotAFile`], [`DecodeErrorKind::Hollow`], and what the system says.
pub fn open_regular(path: &Path) -> std::result::Result<(File, Metadata), DecodeErrorKind> {
    // Opening some devices has effects, so that the kind is looked at by name first. Between that and
    // the opening anything may have taken the name: opening does not wait for the writer of a FIFO,
    // and the kind of what was opened is what counts.
    regular(&std::fs::metadata(path)?)?;
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        options.custom_flags(flags.bits().cast_signed());
    }
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    regular(&metadata)?;
    if let Some(held) = hollow(&file, &metadata) {
        return Err(DecodeErrorKind::Hollow {
            bytes: metadata.len(),
            held,
        });
    }
    Ok((file, metadata))
}

fn regular(metadata: &Metadata) -> std::result::Result<(), DecodeErrorKind> {
    if metadata.is_file() {
        return Ok(());
    }
    Err(DecodeErrorKind::NotAFile {
        found: describe(metadata.file_type()),
    })
}

/// The bytes that a large file with next to nothing in it really holds.
#[cfg(unix)]
fn hollow(file: &File, metadata: &Metadata) -> Option<u64> {
    use rustix::fs::{SeekFrom, seek};
    use std::os::unix::fs::MetadataExt as _;
    let held = metadata.blocks().saturating_mul(512);
    if metadata.len() < LARGE_BYTES || held >= metadata.len() / HELD_PART {
        return None;
    }
    // Some file systems over a network tell no blocks. A hole is told by nobody who does not know.
    let hole = seek(file, SeekFrom::Hole(0));
    // The place that is read from next is the start again.
    let start = seek(file, SeekFrom::Start(0));
    (start.is_ok() && hole.is_ok_and(|at| at < metadata.len())).then_some(held)
}

#[cfg(not(unix))]
fn hollow(_: &File, _: &Metadata) -> Option<u64> {
    None
}

fn describe(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_fifo() {
            return "a FIFO";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    if kind.is_dir() {
        "a folder"
    } else {
        "something else"
    }
}

/// What a file has cost so far, and may cost. Times are in nanoseconds of the thread's own work, so that
/// neither a slow drive nor a busy machine makes a file too dear.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: u64,
    read_left: AtomicU64,
    allowed: AtomicU64,
    spent: AtomicU64,
    /// When the step that is running began, by its thread's clock.
    begun: AtomicU64,
}

/// The error of a read that the budget has no room for.
#[derive(Debug, thiserror::Error)]
#[error("the file has used up its budget")]
struct Spent {
    allowed_s: f64,
    bytes: u64,
}

impl Budget {
    pub(super) fn of(bytes: u64) -> Arc<Budget> {
        let budget = Budget {
            bytes,
            read_left: AtomicU64::new(bytes.saturating_mul(READS).saturating_add(ANY_READ_BYTES)),
            allowed: AtomicU64::new(0),
            spent: AtomicU64::new(0),
            begun: AtomicU64::new(clock()),
        };
        budget.earn(0.0);
        Arc::new(budget)
    }

    /// Widens the budget to that of a file that has given so many seconds of sound.
    pub(super) fn earn(&self, decoded_s: f64) {
        let megabytes = self.bytes as f64 / f64::from(1 << 20);
        let earned = Duration::try_from_secs_f64(decoded_s / AUDIO_PER_SECOND);
        let allowed = ANY_FILE + PER_MEGABYTE.mul_f64(megabytes);
        let allowed = allowed.saturating_add(earned.unwrap_or_default());
        self.allowed.store(nanoseconds(allowed), Ordering::Relaxed);
    }

    /// Runs a step of decoding and charges the file for it.
    pub(super) fn charge<T>(
        &self,
        step: impl FnOnce() -> std::result::Result<T, DecodeErrorKind>,
    ) -> std::result::Result<T, DecodeErrorKind> {
        self.begun.store(clock(), Ordering::Relaxed);
        let outcome = step();
        let spent = self.spent();
        self.spent.store(spent, Ordering::Relaxed);
        let value = outcome?;
        if spent > self.allowed.load(Ordering::Relaxed) {
            return Err(self.exceeded().into());
        }
        Ok(value)
    }

    /// With the step that is running.
    fn spent(&self) -> u64 {
        let running = clock().saturating_sub(self.begun.load(Ordering::Relaxed));
        self.spent.load(Ordering::Relaxed).saturating_add(running)
    }

    /// Makes room for a read.
    fn pay(&self, bytes: u64) -> Result<()> {
        let pay = |left: u64| left.checked_sub(bytes);
        let paid = self
            .read_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay);
        if paid.is_err() || self.spent() > self.allowed.load(Ordering::Relaxed) {
            return Err(Error::other(self.exceeded()));
        }
        Ok(())
    }

    fn exceeded(&self) -> Spent {
        let allowed = Duration::from_nanos(self.allowed.load(Ordering::Relaxed));
        Spent {
            allowed_s: allowed.as_secs_f64(),
            bytes: self.bytes,
        }
    }
}

impl From<Spent> for DecodeErrorKind {
    fn from(spent: Spent) -> Self {
        let Spent { allowed_s, bytes } = spent;
        Self::TooMuchWork { allowed_s, bytes }
    }
}

impl From<Error> for DecodeErrorKind {
    /// The system's error, or the budget's on its way through a decoder.
    fn from(error: Error) -> Self {
        match error.downcast::<Spent>() {
            Ok(spent) => spent.into(),
            Err(error) => Self::Io(error),
        }
    }
}

fn clock() -> u64 {
    nanoseconds(ThreadTime::now().as_duration())
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A file as decoders see it: as long as it was when it was opened, and read within its budget.
#[derive(Debug)]
pub(super) struct SoundFile {
    file: File,
    bytes: u64,
    position: u64,
    budget: Arc<Budget>,
}

impl SoundFile {
    /// A file that was just opened.
    pub(super) fn new(file: File, bytes: u64, budget: Arc<Budget>) -> SoundFile {
        SoundFile {
            file,
            bytes,
            position: 0,
            budget,
        }
    }
}

impl Read for SoundFile {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let left = self.bytes.saturating_sub(self.position);
        let length = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        self.budget.pay(length as u64)?;
        let read = self.file.read(&mut buffer[..length])?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for SoundFile {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let to = match to {
            // The end that it had when it was opened.
            SeekFrom::End(offset) => SeekFrom::Start(
                self.bytes
                    .checked_add_signed(offset)
                    .ok_or(std::io::ErrorKind::InvalidInput)?,
            ),
            to => to,
        };
        self.position = self.file.seek(to)?;
        Ok(self.position)
    }
}

impl MediaSource for SoundFile {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound_file(content: &[u8], budget: Arc<Budget>) -> SoundFile {
        let file = tempfile::tempfile().expect("a file");
        let mut writer = &file;
        std::io::Write::write_all(&mut writer, content).expect("written");
        let mut sound = SoundFile::new(file, content.len() as u64, budget);
        sound.rewind().expect("sought");
        sound
    }

    #[test]
    fn a_file_that_is_read_round_in_circles_is_given_up() {
        let budget = Budget::of(1_000);
        let mut sound = sound_file(&[7; 1_000], Arc::clone(&budget));
        let rounds = budget.charge(|| {
            let mut rounds = 0;
            loop {
                sound.rewind()?;
                match std::io::copy(&mut sound, &mut std::io::sink()) {
                    Ok(_) => rounds += 1,
                    Err(error) => return Ok((rounds, DecodeErrorKind::from(error))),
                }
            }
        });
        let (rounds, error) = rounds.expect("the step itself ends");
        assert!(rounds >= READS, "{rounds}");
        assert!(matches!(
            error,
            DecodeErrorKind::TooMuchWork { bytes: 1_000, .. }
        ));
    }

    #[test]
    fn work_without_sound_ends_and_sound_earns_more_of_it() {
        let budget = Budget::of(0);
        // As if the thread had worked for a minute before now.
        let minute = nanoseconds(Duration::from_secs(60));
        budget.spent.store(minute, Ordering::Relaxed);
        let refused = budget.charge(|| Ok(()));
        assert!(matches!(refused, Err(DecodeErrorKind::TooMuchWork { .. })));
        budget.earn(60.0 * AUDIO_PER_SECOND);
        assert!(budget.charge(|| Ok(())).is_ok());
    }

    #[test]
    fn a_file_is_as_long_as_it_was_when_it_was_opened() {
        let mut sound = sound_file(b"0123456789", Budget::of(10));
        sound.bytes = 4;
        let mut text = String::new();
        sound.read_to_string(&mut text).expect("read");
        assert_eq!(text, "0123");
        assert_eq!(sound.seek(SeekFrom::End(-1)).expect("sought"), 3);
    }
}

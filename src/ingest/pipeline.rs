//! The three stages of indexing and the channels between them.
//!
//! It stands apart from `ingest.rs`, which decides *what* is to be read and dropped; here is only how
//! files become vectors at full speed. Threads own their scratch memory; the only shared state is the
//! table of contents in progress, so that of identical files one is embedded and the others follow.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, RwLock};

use anyhow::{Context, Error, Result};
use crossbeam_channel::{Receiver, Sender, bounded};
use rayon::iter::{ParallelBridge, ParallelIterator};
use soundseek_index::{Index, Vector};

use super::walk::Found;
use super::{Control, IngestEvent, IngestOptions, Report};
use crate::audio::{DECODERS_VERSION, DecodeErrorKind, open_regular, segment_file};
use crate::embed::Embedder;
use crate::library::{
    ContentHash, Failure, FileRecord, Library, Moment, SoundEntry, SoundRecord, Stamp,
};
use crate::mel::{LogMel, Scratch};

/// How much is hashed between two looks at whether to stop: a few milliseconds even from a slow disk.
const HASH_BLOCK_BYTES: usize = 256 << 10;

/// So many files are acknowledged at once: what the library then lacks after a damage is missed.
const FILES_PER_FLUSH: usize = 500;

/// Everything that a run works on.
pub(super) struct Job<'a> {
    pub library: &'a Library,
    pub index: &'a RwLock<Index>,
    pub embedder: &'a Embedder,
    pub files: &'a [Found],
    pub options: IngestOptions,
    pub control: &'a Control,
}

/// The place of a file in [`Job::files`].
type FileNumber = usize;

/// One segment on its way to the tower.
struct SegmentFeatures {
    file: FileNumber,
    ordinal: usize,
    moment: Moment,
    features: LogMel,
}

/// What the stages tell the writer.
enum Message {
    Embedded {
        file: FileNumber,
        ordinal: usize,
        moment: Moment,
        vector: Vector,
    },
    Decoded {
        read: Read,
        segments: usize,
        sound: SoundRecord,
    },
    Recognised(Read),
    Undecodable {
        read: Read,
        reason: String,
    },
    /// The content is not known: the system refused, or it changed under the reader.
    Unread {
        file: FileNumber,
        reason: String,
    },
    Broken(Error),
}

/// A file whose whole content was read.
#[derive(Debug, Clone, Copy)]
struct Read {
    file: FileNumber,
    /// The stamp before reading, which may be hours after the walk.
    stamp: Stamp,
    content: ContentHash,
}

/// The contents that this run is embedding, and the identical files that wait for each.
type Claims = Mutex<HashMap<ContentHash, Vec<Read>>>;

/// Reads, embeds and writes all files of a job.
pub(super) fn run(
    job: &Job<'_>,
    on_event: &dyn Fn(IngestEvent<'_>),
    report: &mut Report,
) -> Result<()> {
    if job.files.is_empty() {
        return Ok(());
    }
    let threads = job.options.threads.max(1);
    let claims = Claims::default();
    // On an accelerator two threads take turns: one hands a batch over while the other's is computed.
    let embedding_threads = if job.embedder.on_cpu() { threads } else { 2 };
    // Two batches for each embedding thread: enough that the towers never wait, little enough that
    // memory stays at a few spectrograms (250 KiB each) a core.
    let (features_out, features_in) = bounded(2 * embedding_threads * batch_size(job));
    let (messages_out, messages_in) = bounded(64);
    let decoders = worker_pool(threads, "decode")?;
    std::thread::scope(|scope| {
        for _ in 0..embedding_threads {
            let (input, output) = (features_in.clone(), messages_out.clone());
            scope.spawn(move || embed_batches(job, &input, &output));
        }
        drop(features_in);
        let claims = &claims;
        scope.spawn(move || {
            decoders.install(|| {
                (0..job.files.len()).par_bridge().for_each_init(
                    || {
                        (
                            features_out.clone(),
                            messages_out.clone(),
                            Scratch::default(),
                        )
                    },
                    |(features, messages, scratch), file| {
                        read_files(job, file, claims, scratch, features, messages);
                    },
                );
            });
        });
        // The receiver is dropped with the writer, so that every stage ends when writing fails.
        Writer {
            job,
            claims,
            on_event,
            report,
            unfinished: HashMap::new(),
        }
        .run(messages_in)
    })
}

/// The most segments that are embedded at once: an accelerator knows best.
fn batch_size(job: &Job<'_>) -> usize {
    job.embedder.batch().unwrap_or(job.options.batch).max(1)
}

/// Threads that give way to whatever else the machine does.
pub(crate) fn worker_pool(threads: usize, name: &'static str) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(move |n| format!("{name}-{n}"))
        .start_handler(|_| give_way())
        .build()
        .context("the threads for indexing cannot be started: try --threads 1")
}

#[cfg(target_os = "linux")]
fn give_way() {
    // On Linux niceness belongs to a thread. A refusal costs only politeness.
    let _ = rustix::process::nice(10);
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

/// The first stage, for one file, and for the identical ones that waited for it in vain.
fn read_files(
    job: &Job<'_>,
    file: FileNumber,
    claims: &Claims,
    scratch: &mut Scratch,
    features: &Sender<SegmentFeatures>,
    messages: &Sender<Message>,
) {
    let mut waiting = vec![file];
    while let Some(file) = waiting.pop() {
        if job.control.wait() {
            return;
        }
        let mut claimed = None;
        let message = match read_file(job, file, claims, &mut claimed, scratch, features) {
            Ok(message) => message,
            Err(kind) => {
                if let Some(content) = claimed {
                    waiting.extend(release(claims, &content).iter().map(|read| read.file));
                }
                let reason = kind.to_string();
                Some(Message::Unread { file, reason })
            }
        };
        if let Some(message) = message {
            // The writer is gone only when the run has failed already.
            let _ = messages.send(message);
        }
    }
}

/// Hash, decode, resample, cut, log-mel. `None` when the file waits for an identical one or the run
/// is ending; an error when what the file holds could not be read. `claimed` becomes the content that
/// other files wait for from then on.
fn read_file(
    job: &Job<'_>,
    file: FileNumber,
    claims: &Claims,
    claimed: &mut Option<ContentHash>,
    scratch: &mut Scratch,
    features: &Sender<SegmentFeatures>,
) -> Result<Option<Message>, DecodeErrorKind> {
    let path = &job.files[file].path;
    let (opened, metadata) = open_regular(path)?;
    let stamp = Stamp::of(&metadata);
    let Some(content) = hash_file(opened, stamp.size, job.control)? else {
        return Ok(None);
    };
    let read = Read {
        file,
        stamp,
        content,
    };
    {
        let mut claims = claims
            .lock()
            .expect("no thread panics while it holds the claims");
        let index = job
            .index
            .read()
            .expect("no thread panics while it writes the index");
        if index.contains(&content) {
            return Ok(Some(Message::Recognised(read)));
        }
        if let Some(followers) = claims.get_mut(&content) {
            followers.push(read);
            return Ok(None);
        }
        claims.insert(content, Vec::new());
    }
    *claimed = Some(content);
    let mut segments = 0;
    let mut ending = false;
    let plan = job.embedder.segment_plan();
    let info = segment_file(path, &plan, None, &mut |segment| {
        let spectrogram = job.embedder.features(&segment.samples, scratch);
        let moment = (segment.start_s as f32, segment.end_s as f32);
        let sent = features.send(SegmentFeatures {
            file,
            ordinal: segments,
            moment,
            features: spectrogram,
        });
        segments += 1;
        ending = sent.is_err() || job.control.wait();
        if ending {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    if info.is_err() {
        // A panic may have left it in any state.
        *scratch = Scratch::default();
    }
    if ending {
        return Ok(None);
    }
    if Stamp::of(&std::fs::metadata(path)?) != stamp {
        return Err(std::io::Error::other("it changed meanwhile; index it again").into());
    }
    match info.map_err(|error| error.kind) {
        Ok(info) => Ok(Some(Message::Decoded {
            read,
            segments,
            sound: info.into(),
        })),
        // Decoders report some damage as an error of reading; only the system's have a number.
        Err(DecodeErrorKind::Io(error)) if error.raw_os_error().is_some() => Err(error.into()),
        Err(kind) => Ok(Some(Message::Undecodable {
            read,
            reason: kind.to_string(),
        })),
    }
}

/// The BLAKE3 of a file's bytes; `None` when the run is ending. A file that goes on past the size that
/// it had is an error: some that the system makes up have no size and no end.
fn hash_file(file: File, size: u64, control: &Control) -> std::io::Result<Option<ContentHash>> {
    let mut file = file.take(size.saturating_add(1));
    let mut hasher = blake3::Hasher::new();
    let mut block = vec![0; HASH_BLOCK_BYTES];
    loop {
        if control.is_cancelled() {
            return Ok(None);
        }
        match file.read(&mut block) {
            Ok(0) if file.limit() == 0 => {
                let what = format!("it holds more than its size of {size} bytes");
                return Err(std::io::Error::other(what));
            }
            Ok(0) => return Ok(Some(*hasher.finalize().as_bytes())),
            Ok(n) => hasher.update(&block[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
    }
}

/// Ends the claim on a content and gives the identical files that waited for it.
fn release(claims: &Claims, content: &ContentHash) -> Vec<Read> {
    let mut claims = claims
        .lock()
        .expect("no thread panics while it holds the claims");
    claims.remove(content).unwrap_or_default()
}

/// The second stage: gathers what is waiting, up to a batch, and embeds it.
fn embed_batches(job: &Job<'_>, input: &Receiver<SegmentFeatures>, output: &Sender<Message>) {
    // Candle spreads each operation over the rayon pool that it is called in. One clip a core beats
    // one operation over all cores, so each embedding thread is a pool of its own.
    let pool = match worker_pool(1, "embed") {
        Ok(pool) => pool,
        Err(error) => {
            let _ = output.send(Message::Broken(error));
            return;
        }
    };
    while let Ok(first) = input.recv() {
        let mut batch = vec![first];
        batch.extend(input.try_iter().take(batch_size(job) - 1));
        if job.control.wait() {
            continue;
        }
        let (places, features): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|segment| {
                (
                    (segment.file, segment.ordinal, segment.moment),
                    segment.features,
                )
            })
            .unzip();
        let messages = match pool.install(|| job.embedder.embed_features(&features)) {
            Ok(vectors) => places
                .into_iter()
                .zip(vectors)
                .map(|((file, ordinal, moment), vector)| Message::Embedded {
                    file,
                    ordinal,
                    moment,
                    vector,
                })
                .collect(),
            Err(error) => vec![Message::Broken(error)],
        };
        for message in messages {
            if output.send(message).is_err() {
                return;
            }
        }
    }
}

/// A file whose vectors are coming in.
#[derive(Default)]
struct Unfinished {
    vectors: Vec<(usize, Moment, Vector)>,
    decoded: Option<(Read, usize, SoundRecord)>,
}

/// The third stage, on the calling thread.
struct Writer<'a, 'job> {
    job: &'job Job<'job>,
    claims: &'a Claims,
    on_event: &'a dyn Fn(IngestEvent<'_>),
    report: &'a mut Report,
    unfinished: HashMap<FileNumber, Unfinished>,
}

impl<'job> Writer<'_, 'job> {
    fn run(mut self, messages: Receiver<Message>) -> Result<()> {
        let (mut handled, mut flushed) = (0, 0);
        for message in messages {
            handled += self.handle(message)?;
            if handled >= flushed + FILES_PER_FLUSH {
                self.job.library.flush()?;
                flushed = handled;
            }
        }
        self.report.remaining = self.job.files.len() - handled;
        Ok(())
    }

    /// Gives the number of files that the message finished.
    fn handle(&mut self, message: Message) -> Result<usize> {
        match message {
            Message::Broken(error) => Err(error),
            Message::Embedded {
                file,
                ordinal,
                moment,
                vector,
            } => {
                self.report.segments += 1;
                (self.on_event)(IngestEvent::Embedded { segments: 1 });
                self.unfinished
                    .entry(file)
                    .or_default()
                    .vectors
                    .push((ordinal, moment, vector));
                self.finish_if_whole(file)
            }
            Message::Decoded {
                read,
                segments,
                sound,
            } => {
                self.unfinished.entry(read.file).or_default().decoded =
                    Some((read, segments, sound));
                self.finish_if_whole(read.file)
            }
            Message::Recognised(read) => {
                let entry = {
                    let index = self
                        .job
                        .index
                        .read()
                        .expect("no thread panics while it writes the index");
                    index
                        .get(&read.content)?
                        .context("a recognised sound vanished from the index")?
                };
                let sound = SoundEntry::from_bytes(&entry.payload)?.sound;
                self.recognise(read, sound)?;
                Ok(1)
            }
            Message::Undecodable { read, reason } => {
                self.unfinished.remove(&read.file);
                let identical = release(self.claims, &read.content);
                for read in identical.iter().chain([&read]) {
                    // What the path held before is not what it holds now.
                    self.job.library.forget_file(self.path(read.file))?;
                    self.fail(
                        read.file,
                        read.stamp,
                        reason.clone(),
                        Some(DECODERS_VERSION),
                    )?;
                }
                Ok(1 + identical.len())
            }
            Message::Unread { file, reason } => {
                self.unfinished.remove(&file);
                // What is known of an earlier content stays: this may be a network's bad moment.
                self.fail(file, self.job.files[file].stamp, reason, None)?;
                Ok(1)
            }
        }
    }

    fn finish_if_whole(&mut self, file: FileNumber) -> Result<usize> {
        let whole = self.unfinished.get(&file).is_some_and(|unfinished| {
            unfinished
                .decoded
                .as_ref()
                .is_some_and(|(_, n, _)| *n == unfinished.vectors.len())
        });
        if !whole {
            return Ok(0);
        }
        let Unfinished {
            mut vectors,
            decoded,
        } = self
            .unfinished
            .remove(&file)
            .expect("a whole file was unfinished");
        let (read, _, sound) = decoded.expect("a whole file is decoded");
        vectors.sort_by_key(|(ordinal, _, _)| *ordinal);
        let (moments, vectors): (Vec<_>, Vec<_>) = vectors
            .into_iter()
            .map(|(_, moment, vector)| (moment, vector))
            .unzip();
        let entry = SoundEntry {
            sound: sound.clone(),
            moments,
        };
        self.job
            .index
            .write()
            .expect("no thread panics while it writes the index")
            .upsert(&read.content, &entry.to_bytes(), &vectors)?;
        self.put(read, &sound)?;
        self.report.embedded += 1;
        self.report.audio_s += sound.duration_s;
        self.tell_indexed(read, Some(sound.duration_s));
        let identical = release(self.claims, &read.content);
        for &copy in &identical {
            self.recognise(copy, sound.clone())?;
        }
        Ok(1 + identical.len())
    }

    fn recognise(&mut self, read: Read, sound: SoundRecord) -> Result<()> {
        self.put(read, &sound)?;
        self.report.recognised += 1;
        self.tell_indexed(read, None);
        Ok(())
    }

    fn fail(
        &mut self,
        file: FileNumber,
        stamp: Stamp,
        reason: String,
        decoders: Option<u32>,
    ) -> Result<()> {
        let path = self.path(file);
        let failure = Failure {
            stamp,
            reason: reason.clone(),
            decoders,
        };
        self.job.library.put_failure(path, &failure)?;
        (self.on_event)(IngestEvent::Failed {
            path,
            bytes: self.job.files[file].stamp.size,
            reason: &reason,
        });
        self.report.failed.push((path.to_path_buf(), reason));
        Ok(())
    }

    fn put(&self, read: Read, sound: &SoundRecord) -> Result<()> {
        let record = FileRecord {
            stamp: read.stamp,
            content: read.content,
            sound: sound.clone(),
        };
        let path = self.path(read.file);
        self.job.library.keep_marks(path, &record.content)?;
        self.job.library.put_file(path, &record)
    }

    fn tell_indexed(&self, read: Read, duration_s: Option<f64>) {
        (self.on_event)(IngestEvent::Indexed {
            path: self.path(read.file),
            // As the walk saw it, so that progress adds up.
            bytes: self.job.files[read.file].stamp.size,
            duration_s,
        });
    }

    fn path(&self, file: FileNumber) -> &'job Path {
        &self.job.files[file].path
    }
}

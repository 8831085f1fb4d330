//! The three stages of indexing and the channels between them.
//!
//! It stands apart from `ingest.rs`, which decides *what* is to be read and dropped; here is only how
//! files become vectors at full speed. Threads own their scratch memory; the only shared state is the
//! table of contents in progress, so that of identical files one is embedded and the others follow.

use std::collections::HashMap;
use std::fs::File;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, RwLock};

use anyhow::{Context, Error, Result};
use crossbeam_channel::{Receiver, Sender, bounded};
use rayon::iter::{ParallelBridge, ParallelIterator};
use soundseek_index::{Index, Vector};

use super::walk::Found;
use super::{IngestEvent, IngestOptions, Report};
use crate::audio::segment_file;
use crate::embed::Embedder;
use crate::library::{ContentHash, Failure, FileRecord, Library, Moment, SoundEntry, SoundRecord};
use crate::mel::{LogMel, Scratch};

/// Everything that a run works on.
pub(super) struct Job<'a> {
    pub library: &'a Library,
    pub index: &'a RwLock<Index>,
    pub embedder: &'a Embedder,
    pub files: &'a [Found],
    pub options: IngestOptions,
    pub cancel: &'a AtomicBool,
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
        file: FileNumber,
        content: ContentHash,
        segments: usize,
        sound: SoundRecord,
    },
    Recognised {
        file: FileNumber,
        content: ContentHash,
    },
    Undecodable {
        file: FileNumber,
        content: Option<ContentHash>,
        reason: String,
    },
    Broken(Error),
}

/// The contents that this run is embedding, and the identical files that wait for each.
type Claims = Mutex<HashMap<ContentHash, Vec<FileNumber>>>;

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
    // Two batches for each embedding thread: enough that the towers never wait, little enough that
    // memory stays at a few spectrograms (250 KiB each) a core.
    let (features_out, features_in) = bounded(2 * threads * job.options.batch.max(1));
    let (messages_out, messages_in) = bounded(64);
    let decoders = worker_pool(threads, "decode")?;
    let embedding_threads = if job.embedder.on_cpu() { threads } else { 1 };
    std::thread::scope(|scope| {
        for _ in 0..embedding_threads {
            let (input, output) = (features_in.clone(), messages_out.clone());
            scope.spawn(move || embed_batches(job, &input, &output));
        }
        drop(features_in);
        let claims = &claims;
        scope.spawn(move || {
            decoders.install(|| {
                job.files.iter().enumerate().par_bridge().for_each_init(
                    || {
                        (
                            features_out.clone(),
                            messages_out.clone(),
                            Scratch::default(),
                        )
                    },
                    |(features, messages, scratch), (file, found)| {
                        if !job.cancel.load(Ordering::Relaxed)
                            && let Some(message) =
                                read_file(job, file, found, claims, scratch, features)
                        {
                            // The writer is gone only when the run has failed already.
                            let _ = messages.send(message);
                        }
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

/// Threads that give way to whatever else the machine does.
fn worker_pool(threads: usize, name: &'static str) -> Result<rayon::ThreadPool> {
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

/// The first stage, for one file: hash, decode, resample, cut, log-mel. `None` when the file waits for
/// an identical one or the run is ending.
fn read_file(
    job: &Job<'_>,
    file: FileNumber,
    found: &Found,
    claims: &Claims,
    scratch: &mut Scratch,
    features: &Sender<SegmentFeatures>,
) -> Option<Message> {
    let content = match hash_file(found) {
        Ok(content) => content,
        Err(error) => {
            return Some(Message::Undecodable {
                file,
                content: None,
                reason: error.to_string(),
            });
        }
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
            return Some(Message::Recognised { file, content });
        }
        if let Some(followers) = claims.get_mut(&content) {
            followers.push(file);
            return None;
        }
        claims.insert(content, Vec::new());
    }
    let mut segments = 0;
    let mut ending = false;
    let plan = job.embedder.segment_plan();
    let info = segment_file(&found.path, &plan, None, &mut |segment| {
        let spectrogram = job.embedder.features(&segment.samples, scratch);
        let moment = (segment.start_s as f32, segment.end_s as f32);
        let sent = features.send(SegmentFeatures {
            file,
            ordinal: segments,
            moment,
            features: spectrogram,
        });
        segments += 1;
        ending = sent.is_err() || job.cancel.load(Ordering::Relaxed);
        if ending {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    if ending {
        return None;
    }
    Some(match info {
        Ok(info) => Message::Decoded {
            file,
            content,
            segments,
            sound: info.into(),
        },
        Err(error) => {
            let reason = error.kind.to_string();
            Message::Undecodable {
                file,
                content: Some(content),
                reason,
            }
        }
    })
}

fn hash_file(found: &Found) -> std::io::Result<ContentHash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(&found.path)?)?;
    Ok(*hasher.finalize().as_bytes())
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
        batch.extend(input.try_iter().take(job.options.batch.max(1) - 1));
        if job.cancel.load(Ordering::Relaxed) {
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
    decoded: Option<(ContentHash, usize, SoundRecord)>,
}

/// The third stage, on the calling thread.
struct Writer<'a> {
    job: &'a Job<'a>,
    claims: &'a Claims,
    on_event: &'a dyn Fn(IngestEvent<'_>),
    report: &'a mut Report,
    unfinished: HashMap<FileNumber, Unfinished>,
}

impl Writer<'_> {
    fn run(mut self, messages: Receiver<Message>) -> Result<()> {
        let mut handled = 0;
        for message in messages {
            handled += self.handle(message)?;
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
                file,
                content,
                segments,
                sound,
            } => {
                self.unfinished.entry(file).or_default().decoded = Some((content, segments, sound));
                self.finish_if_whole(file)
            }
            Message::Recognised { file, content } => {
                let entry = {
                    let index = self
                        .job
                        .index
                        .read()
                        .expect("no thread panics while it writes the index");
                    index
                        .get(&content)?
                        .context("a recognised sound vanished from the index")?
                };
                let sound = SoundEntry::from_bytes(&entry.payload)?.sound;
                self.recognise(file, content, sound)?;
                Ok(1)
            }
            Message::Undecodable {
                file,
                content,
                reason,
            } => {
                self.unfinished.remove(&file);
                let followers = content.map_or(vec![], |content| self.release(&content));
                self.fail(file, &reason)?;
                for &follower in &followers {
                    self.fail(follower, &reason)?;
                }
                Ok(1 + followers.len())
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
        let (content, _, sound) = decoded.expect("a whole file is decoded");
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
            .upsert(&content, &entry.to_bytes(), &vectors)?;
        self.put(file, content, &sound)?;
        self.report.embedded += 1;
        self.report.audio_s += sound.duration_s;
        self.tell_indexed(file, Some(sound.duration_s));
        let followers = self.release(&content);
        for &follower in &followers {
            self.recognise(follower, content, sound.clone())?;
        }
        Ok(1 + followers.len())
    }

    fn recognise(
        &mut self,
        file: FileNumber,
        content: ContentHash,
        sound: SoundRecord,
    ) -> Result<()> {
        self.put(file, content, &sound)?;
        self.report.recognised += 1;
        self.tell_indexed(file, None);
        Ok(())
    }

    fn fail(&mut self, file: FileNumber, reason: &str) -> Result<()> {
        let Found { path, stamp } = &self.job.files[file];
        // What the path held before is not what it holds now.
        self.job.library.forget_file(path)?;
        let failure = Failure {
            stamp: *stamp,
            reason: reason.to_string(),
        };
        self.job.library.put_failure(path, &failure)?;
        self.report.failed.push((path.clone(), reason.to_string()));
        (self.on_event)(IngestEvent::Failed {
            path,
            bytes: stamp.size,
            reason,
        });
        Ok(())
    }

    fn put(&self, file: FileNumber, content: ContentHash, sound: &SoundRecord) -> Result<()> {
        let Found { path, stamp } = &self.job.files[file];
        let record = FileRecord {
            stamp: *stamp,
            content,
            sound: sound.clone(),
        };
        self.job.library.put_file(path, &record)
    }

    fn tell_indexed(&self, file: FileNumber, duration_s: Option<f64>) {
        let Found { path, stamp } = &self.job.files[file];
        (self.on_event)(IngestEvent::Indexed {
            path,
            bytes: stamp.size,
            duration_s,
        });
    }

    /// Ends the claim on a content and gives the identical files that waited for it.
    fn release(&self, content: &ContentHash) -> Vec<FileNumber> {
        let mut claims = self
            .claims
            .lock()
            .expect("no thread panics while it holds the claims");
        claims.remove(content).unwrap_or_default()
    }
}

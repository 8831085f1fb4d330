//! Clips a second, stage by stage, in the terms of `benches/compare.py`, which runs this beside Python
//! pipelines. Each run prints one JSON object.
//!
//! ```text
//! cargo bench --bench pipeline -- stages FOLDER [--limit N]    the first segment of each file
//! cargo bench --bench pipeline -- ingest FOLDER [--limit N]    whole files into a library, and stage shares
//! cargo bench --bench pipeline -- text "some words"            one text at a time
//! cargo bench --bench pipeline -- fill LIBRARY [--files N]     a made-up library to search
//! ```
//!
//! `--model DIR` and `--precision f32|bf16|int8` choose the model, the built-in one in f32 without.

#![expect(clippy::print_stdout, reason = "a bench reports on the terminal")]

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use serde_json::json;
use soundseek::audio::{EXTENSIONS, segment_file};
use soundseek::embed::Embedder;
use soundseek::ingest::{Control, IngestOptions, ingest};
use soundseek::library::{Library, SoundEntry};
use soundseek::mel::{LogMel, Scratch};
use soundseek::model::{Backend, Checkpoint, Device, LoadOptions, Precision};

#[path = "main/made_up.rs"]
mod made_up;

/// As the binary does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long each stage is repeated, at least.
const LEAST: Duration = Duration::from_secs(2);

#[derive(Parser)]
struct Line {
    #[arg(long, global = true, default_value = "builtin")]
    model: PathBuf,
    #[arg(long, global = true, default_value = "f32")]
    precision: Precision,
    /// What cargo adds.
    #[arg(long, global = true, hide = true)]
    bench: bool,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    Stages {
        folder: PathBuf,
        #[arg(long, default_value_t = 16)]
        limit: usize,
    },
    Ingest {
        folder: PathBuf,
        #[arg(long, default_value_t = 400)]
        limit: usize,
    },
    Text {
        text: String,
    },
    Fill {
        library: PathBuf,
        #[arg(long, default_value_t = 10_000)]
        files: usize,
    },
}

fn main() -> Result<()> {
    let line = Line::parse();
    let checkpoint = if line.model == Path::new("builtin") {
        Checkpoint::BuiltIn
    } else {
        Checkpoint::Folder(line.model)
    };
    let (precision, fallback) = line.precision.resolve(Device::Cpu);
    // A number under the name of another precision would mislead.
    ensure!(fallback.is_none(), "{}", fallback.unwrap_or_default());
    let options = LoadOptions {
        device: Device::Cpu,
        precision,
        backend: Backend::Fast,
    };
    let embedder = Embedder::load(&checkpoint, options)?;
    let result = match &line.task {
        Task::Stages { folder, limit } => stages(&embedder, &files(folder, *limit)?)?,
        Task::Ingest { folder, limit } => indexing(&embedder, &files(folder, *limit)?)?,
        Task::Text { text } => words(&embedder, text)?,
        Task::Fill { library, files } => {
            let library = Library::open(library)?;
            made_up::fill(&library, &embedder, *files);
            library.flush()?;
            json!({ "files": files })
        }
    };
    println!("{result}");
    Ok(())
}

/// The first sounds of a folder, in the order of their paths.
fn files(folder: &Path, limit: usize) -> Result<Vec<PathBuf>> {
    let walked = walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter();
    let files: Vec<PathBuf> = walked
        .filter_map(|entry| Some(entry.ok()?.into_path()))
        .filter(|path| {
            let extension = path.extension().and_then(|e| e.to_str());
            path.is_file() && extension.is_some_and(|e| EXTENSIONS.contains(&e))
        })
        .take(limit)
        .collect();
    ensure!(!files.is_empty(), "no sound in {}", folder.display());
    Ok(files)
}

/// Does `work` for each of `items` on all cores, one item a core, again and again; items a second.
/// Each thread is a rayon pool of its own, as those of indexing are.
fn rate<T: Sync>(items: &[T], work: impl Fn(&T, &mut Scratch) -> Result<()> + Sync) -> Result<f64> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    rate_on(cores, items, work)
}

fn rate_on<T: Sync>(
    cores: usize,
    items: &[T],
    work: impl Fn(&T, &mut Scratch) -> Result<()> + Sync,
) -> Result<f64> {
    work(&items[0], &mut Scratch::default())?;
    let (next, start) = (AtomicUsize::new(0), Instant::now());
    let done = std::thread::scope(|scope| {
        let worker = || -> Result<usize> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
            let (mut scratch, mut done) = (Scratch::default(), 0);
            loop {
                let item = next.fetch_add(1, Ordering::Relaxed);
                if start.elapsed() >= LEAST {
                    return Ok(done);
                }
                pool.install(|| work(&items[item % items.len()], &mut scratch))?;
                done += 1;
            }
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        let counts = workers
            .into_iter()
            .map(|worker| worker.join().expect("no stage panics"));
        counts.sum::<Result<usize>>()
    })?;
    Ok(done as f64 / start.elapsed().as_secs_f64())
}

/// The samples of a file's first segment.
fn first_segment(embedder: &Embedder, path: &Path) -> Result<Vec<f32>> {
    let mut samples = Vec::new();
    segment_file(path, &embedder.segment_plan(), None, &mut |segment| {
        samples = segment.samples;
        ControlFlow::Break(())
    })?;
    Ok(samples)
}

fn embed(embedder: &Embedder, features: &LogMel) -> Result<()> {
    black_box(embedder.embed_features(std::slice::from_ref(features))?);
    Ok(())
}

fn stages(embedder: &Embedder, files: &[PathBuf]) -> Result<serde_json::Value> {
    let clips = files
        .iter()
        .map(|path| first_segment(embedder, path))
        .collect::<Result<Vec<_>>>()?;
    let mut scratch = Scratch::default();
    let features: Vec<LogMel> = clips
        .iter()
        .map(|clip| embedder.features(clip, &mut scratch))
        .collect();
    let load = rate(files, |path, _| {
        black_box(first_segment(embedder, path)?);
        Ok(())
    })?;
    let mel = |clip: &Vec<f32>, scratch: &mut Scratch| {
        black_box(embedder.features(clip, scratch));
        Ok(())
    };
    let (mel_one_core, mel) = (rate_on(1, &clips, mel)?, rate(&clips, mel)?);
    let tower = rate(&features, |features, _| embed(embedder, features))?;
    let end_to_end = rate(files, |path, scratch| {
        let clip = first_segment(embedder, path)?;
        embed(embedder, &embedder.features(&clip, scratch))
    })?;
    Ok(json!({
        "load": load, "features": mel, "features_one_core": mel_one_core, "tower": tower,
        "end_to_end": end_to_end,
    }))
}

fn words(embedder: &Embedder, text: &str) -> Result<serde_json::Value> {
    let model = embedder.model();
    let tokens = model.tokenizer().encode(text)?.len();
    let ask = || model.text_embeddings(&[text]);
    for _ in 0..3 {
        ask()?;
    }
    let mut times = Vec::new();
    for _ in 0..40 {
        let start = Instant::now();
        black_box(ask()?);
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(json!({ "tokens": tokens, "p50_ms": times[20], "least_ms": times[0] }))
}

/// Indexes the files, then does each stage's work again, alone on one thread, to see its share.
fn indexing(embedder: &Embedder, files: &[PathBuf]) -> Result<serde_json::Value> {
    let folder = tempfile::tempdir()?;
    let library = Library::open(folder.path())?;
    let index = RwLock::new(library.index_for_writing(embedder)?);
    // The towers are built before the clock starts.
    let first = first_segment(embedder, &files[0])?;
    embed(
        embedder,
        &embedder.features(&first, &mut Scratch::default()),
    )?;
    let options = IngestOptions::for_this_machine();
    let start = Instant::now();
    let report = ingest(
        &library,
        &index,
        embedder,
        files,
        options,
        &Control::new(),
        &|_| {},
    )?;
    let wall = start.elapsed().as_secs_f64();

    let one_core = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let mut spent = [0.0f64; 5];
    let [hash, decode, mel, tower, store] = &mut spent;
    let second = tempfile::tempdir()?;
    let copy = Library::open(second.path())?;
    let mut copy_index = copy.index_for_writing(embedder)?;
    let mut scratch = Scratch::default();
    for (path, record) in library.files()? {
        timed(hash, || {
            std::fs::read(&path).map(|bytes| black_box(blake3::hash(&bytes)))
        })?;
        let entry = index.read().expect("indexing ended").get(&record.content)?;
        let entry = entry.context("an indexed file has vectors")?;
        let mut segments = Vec::new();
        timed(decode, || {
            segment_file(&path, &embedder.segment_plan(), None, &mut |segment| {
                segments.push(segment.samples);
                ControlFlow::Continue(())
            })
        })?;
        for samples in &segments {
            let features = timed(mel, || embedder.features(samples, &mut scratch));
            timed(tower, || one_core.install(|| embed(embedder, &features)))?;
        }
        let sound = SoundEntry::from_bytes(&entry.payload)?;
        timed(store, || -> Result<()> {
            copy_index.upsert(&record.content, &sound.to_bytes(), &entry.vectors)?;
            copy.put_file(&path, &record)
        })?;
    }
    let work: f64 = spent.iter().sum();
    let share = |seconds: f64| (1000.0 * seconds / work).round() / 10.0;
    let [hash, decode, mel, tower, store] = spent.map(share);
    Ok(json!({
        "files": report.embedded, "segments": report.segments, "wall_s": wall,
        "files_a_second": report.embedded as f64 / wall,
        "segments_a_second": report.segments as f64 / wall,
        "percent_of_work": {
            "hash": hash, "decode and resample": decode, "log-mel": mel, "tower": tower, "store": store,
        },
        "percent_of_wall_at_work": 100.0 * work / options.threads as f64 / wall,
    }))
}

fn timed<T>(total: &mut f64, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    *total += start.elapsed().as_secs_f64();
    done
}

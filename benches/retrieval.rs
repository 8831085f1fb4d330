//! A retrieval report: how well descriptions find sounds whose captions are known.
//!
//! ```text
//! SOUNDSEEK_CORPORA=DIR SOUNDSEEK_CAPTIONS=captions.tsv cargo bench --bench retrieval
//! ```
//!
//! `captions.tsv` has a header and the columns `path` (below DIR), `kind` and `caption`. Every distinct
//! caption of a kind is a query, and the files with that caption are what it should find among the
//! files of all kinds; names are never looked at. Printed are Hit@1, Hit@5, Hit@10, the mean reciprocal
//! rank (MRR) and the mean average precision (mAP) for each kind and for each way of phrasing a query,
//! then how often hits of each strength are right. `SOUNDSEEK_MODEL` names another checkpoint folder.

#![expect(clippy::print_stdout, reason = "a report is what this prints")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::RwLock;

use anyhow::{Context, Result};
use soundseek::embed::{Embedder, mean};
use soundseek::ingest::{Control, IngestOptions, ingest};
use soundseek::library::Library;
use soundseek::model::{Checkpoint, Device};
use soundseek::search::strength::Background;
use soundseek_index::Vector;

/// The phrasings that are compared; the first is the query as it stands.
const PHRASINGS: &[(&str, &[&str])] = &[
    ("as it stands", &["{}"]),
    ("{} sound", &["{} sound"]),
    ("the sound of {}", &["the sound of {}"]),
    ("a recording of {}", &["a recording of {}"]),
    ("as it stands, {} sound", &["{}", "{} sound"]),
    ("as it stands, a {}", &["{}", "a {}"]),
    ("as it stands, the sound of {}", &["{}", "the sound of {}"]),
    (
        "all of these",
        &[
            "{}",
            "a {}",
            "{} sound",
            "the sound of {}",
            "a recording of {}",
        ],
    ),
];

struct Clip {
    kind: String,
    caption: String,
    vectors: Vec<Vector>,
}

fn main() -> Result<()> {
    let (Some(corpora), Some(captions)) = (
        std::env::var_os("SOUNDSEEK_CORPORA"),
        std::env::var_os("SOUNDSEEK_CAPTIONS"),
    ) else {
        println!("retrieval: skipped; set SOUNDSEEK_CORPORA and SOUNDSEEK_CAPTIONS to run it");
        return Ok(());
    };
    let checkpoint = match std::env::var_os("SOUNDSEEK_MODEL") {
        Some(folder) => Checkpoint::Folder(folder.into()),
        None => Checkpoint::BuiltIn,
    };
    let embedder = Embedder::load(&checkpoint, Device::Cpu)?;
    let clips = clips(&embedder, Path::new(&corpora), Path::new(&captions))?;
    let mut queries: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for clip in &clips {
        queries.entry(&clip.kind).or_default().insert(&clip.caption);
    }
    println!("{} files, model {}", clips.len(), embedder.model().name());
    println!(
        "{:<30} {:<11} {:>7} {:>6} {:>6} {:>6} {:>6} {:>6}",
        "phrasing", "kind", "queries", "Hit@1", "Hit@5", "Hit@10", "MRR", "mAP"
    );
    for (name, templates) in PHRASINGS {
        let mut all = Scores::default();
        for (kind, captions) in &queries {
            let mut scores = Scores::default();
            for caption in captions {
                scores.add(&ranking(
                    &clips,
                    &query(&embedder, caption, templates)?,
                    kind,
                    caption,
                ));
            }
            all.merge(&scores);
        }
        all.print(name, "all");
    }
    strengths(&embedder, &clips, &queries)
}

/// Indexes every captioned file and reads the vectors back.
fn clips(embedder: &Embedder, corpora: &Path, captions: &Path) -> Result<Vec<Clip>> {
    let table = std::fs::read_to_string(captions).context("the captions cannot be read")?;
    let rows: Vec<(PathBuf, &str, &str)> = table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut columns = line.split('\t');
            let path = corpora.join(columns.next()?).canonicalize().ok()?;
            Some((path, columns.next()?, columns.next()?))
        })
        .collect();
    let folder = tempfile::tempdir()?;
    let library = Library::open(folder.path())?;
    let index = RwLock::new(library.index_for_writing(embedder)?);
    let paths: Vec<PathBuf> = rows.iter().map(|(path, _, _)| path.clone()).collect();
    let control = Control::new();
    let options = IngestOptions::for_this_machine();
    let report = ingest(
        &library,
        &index,
        embedder,
        &paths,
        options,
        &control,
        &|_| {},
    )?;
    println!(
        "{} embedded, {} failed",
        report.embedded,
        report.failed.len()
    );
    let index = index.into_inner().expect("indexing did not panic");
    let mut clips = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, kind, caption) in rows {
        let Some(record) = library.file(&path)? else {
            continue;
        };
        // A copy would count as a second right answer, or as a wrong one under another caption.
        if seen.insert(record.content) {
            let entry = index
                .get(&record.content)?
                .context("an indexed file has vectors")?;
            let (kind, caption) = (kind.to_string(), caption.to_string());
            clips.push(Clip {
                kind,
                caption,
                vectors: entry.vectors,
            });
        }
    }
    Ok(clips)
}

fn query(embedder: &Embedder, caption: &str, templates: &[&str]) -> Result<Vector> {
    let phrasings = templates
        .iter()
        .map(|template| embedder.embed_text(&template.replace("{}", caption)));
    mean(&phrasings.collect::<Result<Vec<_>>>()?)
}

/// For each rank whether the clip there is right.
fn ranking(clips: &[Clip], query: &Vector, kind: &str, caption: &str) -> Vec<bool> {
    let mut scored: Vec<(f32, bool)> = clips
        .iter()
        .map(|clip| {
            (
                best(clip, query),
                clip.kind == kind && clip.caption == caption,
            )
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().map(|(_, right)| right).collect()
}

fn best(clip: &Clip, query: &Vector) -> f32 {
    clip.vectors
        .iter()
        .map(|vector| vector.dot(query))
        .fold(f32::MIN, f32::max)
}

#[derive(Default)]
struct Scores {
    queries: f64,
    hits: [f64; 3],
    reciprocal: f64,
    precision: f64,
}

impl Scores {
    fn add(&mut self, ranking: &[bool]) {
        let right: Vec<usize> = ranking
            .iter()
            .enumerate()
            .filter_map(|(place, right)| right.then_some(place + 1))
            .collect();
        let Some(&first) = right.first() else { return };
        self.queries += 1.0;
        for (hits, k) in self.hits.iter_mut().zip([1, 5, 10]) {
            *hits += f64::from(u8::from(first <= k));
        }
        self.reciprocal += 1.0 / first as f64;
        let precisions = right
            .iter()
            .enumerate()
            .map(|(n, &rank)| (n + 1) as f64 / rank as f64);
        self.precision += precisions.sum::<f64>() / right.len() as f64;
    }

    fn merge(&mut self, other: &Scores) {
        self.queries += other.queries;
        for (hits, more) in self.hits.iter_mut().zip(other.hits) {
            *hits += more;
        }
        self.reciprocal += other.reciprocal;
        self.precision += other.precision;
    }

    fn print(&self, name: &str, kind: &str) {
        let n = self.queries.max(1.0);
        let [one, five, ten] = self.hits.map(|hits| hits / n);
        let (mrr, map) = (self.reciprocal / n, self.precision / n);
        println!(
            "{name:<30} {kind:<11} {n:>7} {one:>6.3} {five:>6.3} {ten:>6.3} {mrr:>6.3} {map:>6.3}"
        );
    }
}

/// How often the ten best hits of a query are right, by their strength. Captions of the same words in
/// another order or kind count as wrong, so the true share is higher.
fn strengths(
    embedder: &Embedder,
    clips: &[Clip],
    queries: &BTreeMap<&str, BTreeSet<&str>>,
) -> Result<()> {
    let mut counts = [(0u32, 0u32, 0f32); 10];
    for (kind, captions) in queries {
        for caption in captions {
            let query = embedder.embed_text(caption)?;
            let similarities: Vec<f32> = clips
                .iter()
                .filter_map(|clip| clip.vectors.get(clip.vectors.len() / 2))
                .map(|vector| vector.dot(&query))
                .collect();
            let background = Background::new(&similarities);
            let words: BTreeSet<&str> = caption.split_whitespace().collect();
            let mut scored: Vec<_> = clips
                .iter()
                .map(|clip| (best(clip, &query), clip))
                .collect();
            scored.sort_by(|a, b| b.0.total_cmp(&a.0));
            for (similarity, clip) in scored.into_iter().take(10) {
                let right = clip.kind == *kind
                    && clip
                        .caption
                        .split_whitespace()
                        .any(|word| words.contains(word));
                let strength = background.strength(similarity);
                let bucket = &mut counts[((strength * 10.0) as usize).min(9)];
                bucket.0 += 1;
                bucket.1 += u32::from(right);
                bucket.2 += background.standing(similarity);
            }
        }
    }
    println!("\nstrength   top-10 hits   share a word of the caption   mean standing");
    for (tenth, (n, right, standing)) in
        counts.iter().enumerate().filter(|(_, bucket)| bucket.0 > 0)
    {
        let share = f64::from(*right) / f64::from(*n);
        println!(
            "{:>3}–{:<3}    {n:>8}   {share:>20.3}   {:>18.2}",
            tenth * 10,
            tenth * 10 + 10,
            standing / *n as f32
        );
    }
    Ok(())
}

//! `model bench`: what each precision gives on this machine, and how well it agrees with f32.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::json;
use soundseek::agreement::{self, Measured, Probe, measure};
use soundseek::audio::{EXTENSIONS, Segment, segment_file};
use soundseek::demo;
use soundseek::embed::Embedder;
use soundseek::hub::Hub;
use soundseek::json;
use soundseek::mel::Scratch;
use soundseek::model::{Device, Precision, processor};

use crate::cli::args::Common;
use crate::cli::{Outcome, complain, library_if_any, model_name};

/// More sounds change little and take long with a large model.
const MOST_SOUNDS: usize = 200;

/// `soundseek model bench`.
pub fn bench(
    common: &Common,
    paths: &[PathBuf],
    as_json: bool,
    out: &mut dyn Write,
) -> Result<Outcome> {
    let library = library_if_any(common)?;
    let name = model_name(common, library.as_ref())?;
    drop(library);
    let checkpoint = Hub::from_environment().checkpoint(&name)?;
    let embedder = Embedder::load(&checkpoint, Device::Cpu)?;
    let model = embedder.model();
    let mut outcome = Outcome::Found;
    let probe = if paths.is_empty() {
        Probe::of_demo(model, usize::MAX)?
    } else {
        let (mut sounds, mut scratch) = (Vec::new(), Scratch::default());
        for path in sounds_of(paths) {
            let mut first = |segment: Segment| {
                sounds.push(embedder.features(&segment.samples, &mut scratch));
                ControlFlow::Break(())
            };
            if let Err(error) = segment_file(&path, &embedder.segment_plan(), None, &mut first) {
                complain(&format!("{error:#}"));
                outcome = Outcome::Failed;
            }
        }
        if sounds.is_empty() {
            bail!("no sound to compare: name sound files, or folders that have some");
        }
        let descriptions = demo::sounds().iter();
        Probe {
            sounds,
            texts: descriptions.map(|sound| sound.description.into()).collect(),
        }
    };
    let rows = measure(&checkpoint, &probe)?;
    let choice = agreement::choice(&rows);
    // One's own sounds, however few, decide nothing for all others.
    if let Some(choice) = choice.as_ref().filter(|_| paths.is_empty()) {
        agreement::remember(&model.fingerprint()?, choice);
    }
    if as_json {
        let object = json!({
            "schema": json::SCHEMA,
            "model": model.name(),
            "processor": processor(),
            "sounds": probe.sounds.len(),
            "texts": probe.texts.len(),
            "auto": choice.map(|choice| choice.precision.to_string()),
            "precisions": rows.iter().map(in_json).collect::<Vec<_>>(),
        });
        writeln!(out, "{}", json::line(&object))?;
    } else {
        print(&rows, out)?;
        writeln!(
            out,
            "\n{} on {}: {} sounds and {} texts, compared with f32 by cosine",
            model.name(),
            processor(),
            probe.sounds.len(),
            probe.texts.len()
        )?;
        if let Some(choice) = choice.filter(|_| paths.is_empty()) {
            writeln!(out, "--precision {choice}")?;
        }
    }
    Ok(outcome)
}

fn print(rows: &[Measured], out: &mut dyn Write) -> Result<()> {
    writeln!(
        out,
        "       clips/s  ms/text   sounds: mean, least    texts: mean, least   top 10 in common"
    )?;
    for row in rows {
        let note = match (row.precision, row.agrees()) {
            (Precision::F32, _) | (_, true) => "",
            _ => "  too far off for auto",
        };
        writeln!(
            out,
            "{:<5} {:8.1} {:8.2}    {:.6} {:.6}     {:.6} {:.6} {:13.1} %{note}",
            row.precision.to_string(),
            row.clips_per_s,
            row.text_ms,
            row.sounds.mean,
            row.sounds.least,
            row.texts.mean,
            row.texts.least,
            100.0 * row.top10_overlap,
        )?;
    }
    Ok(())
}

fn in_json(row: &Measured) -> serde_json::Value {
    json!({
        "precision": row.precision.to_string(),
        "clips_per_s": row.clips_per_s,
        "text_ms": row.text_ms,
        "sounds_mean": row.sounds.mean,
        "sounds_least": row.sounds.least,
        "texts_mean": row.texts.mean,
        "texts_least": row.texts.least,
        "top10_overlap": row.top10_overlap,
        "agrees": row.agrees(),
    })
}

/// Files as they are named, and those of folders that look like sounds, evenly taken from all.
fn sounds_of(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let entries = walkdir::WalkDir::new(path).sort_by_file_name().into_iter();
        let files = entries
            .flatten()
            .filter(|entry| entry.file_type().is_file());
        found.extend(
            files
                .map(|entry| entry.into_path())
                .filter(|path| is_sound(path)),
        );
    }
    let count = found.len().min(MOST_SOUNDS);
    (0..count)
        .map(|i| found[i * found.len() / count].clone())
        .collect()
}

fn is_sound(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| EXTENSIONS.contains(&&*extension.to_lowercase()))
}

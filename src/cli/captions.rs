//! `captions`: which of given sentences describes a sound best, from audio to text.

use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use soundseek::display::{bar, printable, printable_path};
use soundseek::json;
use soundseek::labels::ranked;
use soundseek_index::Vector;

use super::args::{CaptionsArgs, Common};
use super::tag::Known;
use super::{Outcome, complain};

/// `soundseek captions`.
pub fn captions(common: &Common, args: &CaptionsArgs, out: &mut dyn Write) -> Result<Outcome> {
    let sentences = sentences(&args.from)?;
    let library = super::library_if_any(common)?;
    let embedder = super::load_model(common, library.as_ref())?;
    let known = Known::open(library, &embedder)?;
    let classifier = known.classifier(&embedder, &sentences)?;
    let mut outcome = Outcome::Found;
    for path in &args.files {
        let moments = match known.moments(&embedder, path) {
            Ok(moments) => moments,
            Err(error) => {
                complain(&format!("{error:#}"));
                outcome = Outcome::Failed;
                continue;
            }
        };
        let vectors: Vec<Vector> = moments.into_iter().map(|(_, vector)| vector).collect();
        let similarities = classifier.similarities(&vectors);
        let probabilities = classifier.probabilities(&vectors);
        if !args.json {
            writeln!(out, "{}", printable_path(path))?;
        }
        let best = ranked(&probabilities).into_iter().take(args.n);
        for (rank, place) in (1..).zip(best) {
            let (probability, sentence) = (probabilities[place], &sentences[place]);
            if args.json {
                let mut object = json!({
                    "schema": json::SCHEMA,
                    "rank": rank,
                    "text": sentence,
                    "similarity": similarities[place],
                    "probability": probability,
                });
                json::put_path(&mut object, "path", path);
                writeln!(out, "{}", json::line(&object))?;
            } else {
                let percent = (probability * 100.0).round();
                let (bar, sentence) = (bar(probability, 8), printable(sentence));
                writeln!(out, "{rank:>3} {bar} {percent:>3}  {sentence}")?;
            }
        }
    }
    Ok(outcome)
}

/// The sentences of a file, each once, in their order.
fn sentences(from: &Path) -> Result<Vec<String>> {
    let shown = printable_path(from);
    let mut bytes = Vec::new();
    if from == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(from).and_then(|mut file| file.read_to_end(&mut bytes))
    }
    .with_context(|| format!("the sentences in {shown} cannot be read"))?;
    let text = String::from_utf8(bytes)
        .ok()
        .with_context(|| format!("{shown} is not UTF-8 text: save the sentences as UTF-8"))?;
    let mut seen = std::collections::HashSet::new();
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let sentences: Vec<String> = lines
        .filter(|line| !line.is_empty() && seen.insert(*line))
        .map(str::to_string)
        .collect();
    ensure!(
        !sentences.is_empty(),
        "{shown} has no sentences: write one on each line"
    );
    Ok(sentences)
}

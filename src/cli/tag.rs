//! `tag`: what sounds are, by the labels of a set; for files, or for the library as a whole.

use std::io::Write;
use std::path::Path;
use std::sync::RwLock;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use soundseek::adapt::Adapter;
use soundseek::display::{bar, clock, count, printable, printable_path};
use soundseek::embed::Embedder;
use soundseek::json;
use soundseek::labels::{
    BuiltInSet, Classifier, KeptTexts, LabelSet, Labelled, label_library, ranked, threshold,
};
use soundseek::library::{Labelling, Library, Moment};
use soundseek::search::{Searcher, embed_file};
use soundseek_index::{Index, Vector};

use super::args::{Common, TagArgs};
use super::{Outcome, complain};

/// How often most given labels are named after a run.
const NAMED_LABELS: usize = 10;

/// `soundseek tag`.
pub fn tag(common: &Common, args: &TagArgs, out: &mut dyn Write) -> Result<Outcome> {
    if args.clear {
        return clear(common, args, out);
    }
    ensure!(
        args.all || !args.files.is_empty(),
        "there is nothing to label: name sound files, or give --all for the whole library"
    );
    let set = label_set(args)?;
    if args.all {
        return whole_library(common, args, &set, out);
    }
    let library = super::library_if_any(common)?;
    let embedder = super::load_model(common, library.as_ref())?;
    let known = Known::open(library, &embedder)?;
    let classifier = known.classifier(&embedder, &set.captions(&args.template))?;
    let mut outcome = Outcome::Found;
    for path in &args.files {
        match known.moments(&embedder, path) {
            Ok(moments) => tell(args, &set, &classifier, path, &moments, out)?,
            Err(error) => {
                complain(&format!("{error:#}"));
                outcome = Outcome::Failed;
            }
        }
    }
    Ok(outcome)
}

/// The command that labels the library with a set again.
pub fn again(set: &str) -> String {
    let named = match set.parse::<BuiltInSet>() {
        Ok(_) => format!("--set {set}"),
        // Which file it was is not known any more, only its name.
        Err(_) => "--labels FILE".to_owned(),
    };
    format!("`soundseek tag --all {named}`")
}

/// What is known of files already, if there is a library that has vectors of the model.
pub struct Known(Option<(Library, RwLock<Index>)>);

impl Known {
    /// What a library holds of the embedder's model; files can be told without one.
    pub fn open(library: Option<Library>, embedder: &Embedder) -> Result<Known> {
        let Some(library) = library else {
            return Ok(Known(None));
        };
        match library.index_for_search(embedder) {
            Ok(index) => Ok(Known(Some((library, RwLock::new(index))))),
            Err(error) => match error.downcast_ref() {
                Some(soundseek_index::Error::Space { .. }) => Ok(Known(None)),
                _ => Err(error),
            },
        }
    }

    /// Tells sounds by these texts, in the library's own words where it was taught some.
    pub fn classifier(&self, embedder: &Embedder, texts: &[impl AsRef<str>]) -> Result<Classifier> {
        let adapter = match &self.0 {
            Some((library, _)) => library.adapter(&embedder.space()?)?,
            None => None,
        };
        classifier(embedder, texts, adapter.as_deref())
    }

    /// The moments and vectors of a file: stored ones where it is indexed and unchanged.
    pub fn moments(&self, embedder: &Embedder, path: &Path) -> Result<Vec<(Moment, Vector)>> {
        match &self.0 {
            Some((library, index)) => Searcher::new(library, index, embedder).moments(path),
            None => embed_file(embedder, path, None),
        }
    }
}

fn classifier(
    embedder: &Embedder,
    texts: &[impl AsRef<str>],
    adapter: Option<&Adapter>,
) -> Result<Classifier> {
    let classifier = Classifier::new(embedder, texts, &KeptTexts::of_this_user())?;
    match adapter {
        Some(adapter) => classifier.adapted(adapter),
        None => Ok(classifier),
    }
}

fn label_set(args: &TagArgs) -> Result<LabelSet> {
    match &args.labels {
        Some(path) => LabelSet::read(path)
            .with_context(|| format!("{} is no set of labels", printable_path(path))),
        None => Ok(LabelSet::built_in(args.set.unwrap_or(BuiltInSet::AudioSet))),
    }
}

/// Tells a file as a whole, or each of its moments.
fn tell(
    args: &TagArgs,
    set: &LabelSet,
    classifier: &Classifier,
    path: &Path,
    moments: &[(Moment, Vector)],
    out: &mut dyn Write,
) -> Result<()> {
    let whole = (0.0, moments.last().map_or(0.0, |(moment, _)| moment.1));
    let parts: Vec<(Moment, Vec<Vector>)> = if args.moments {
        let alone = |(moment, vector): &(Moment, Vector)| (*moment, vec![vector.clone()]);
        moments.iter().map(alone).collect()
    } else {
        vec![(
            whole,
            moments.iter().map(|(_, vector)| vector.clone()).collect(),
        )]
    };
    if !args.json {
        writeln!(out, "{}", printable_path(path))?;
    }
    for ((start, end), vectors) in parts {
        let probabilities = classifier.probabilities(&vectors);
        let best = ranked(&probabilities).into_iter().take(args.n);
        let best = best.map(|place| (&set.labels()[place].name, probabilities[place]));
        if args.json {
            let labels = best.map(|(label, p)| json!({ "label": label, "probability": p }));
            let mut object = json!({
                "schema": json::SCHEMA,
                "set": set.name,
                "start": start,
                "end": end,
                "labels": labels.collect::<Vec<_>>(),
            });
            json::put_path(&mut object, "path", path);
            writeln!(out, "{}", json::line(&object))?;
            continue;
        }
        if args.moments {
            writeln!(out, "  {}–{}", clock(start), clock(end))?;
        }
        for (label, probability) in best {
            let percent = (probability * 100.0).round();
            let label = printable(label);
            writeln!(out, "    {} {percent:>3}  {label}", bar(probability, 8))?;
        }
    }
    Ok(())
}

fn whole_library(
    common: &Common,
    args: &TagArgs,
    set: &LabelSet,
    out: &mut dyn Write,
) -> Result<Outcome> {
    let library = super::open_existing_library(common)?;
    let embedder = super::load_model(common, Some(&library))?;
    let index = library.index_for_search(&embedder)?;
    let space = embedder.space()?;
    let adapter = library.adapter(&space)?;
    let labelling = Labelling {
        digest: set.digest(&args.template),
        model: space.name.clone(),
        space: space.fingerprint.clone(),
        adapter: adapter.as_ref().map(|adapter| adapter.fingerprint()),
        threshold: args
            .threshold
            .unwrap_or_else(|| threshold(set.labels().len())),
        labels: set
            .labels()
            .iter()
            .map(|label| label.name.clone())
            .collect(),
    };
    let before = library.labellings()?.remove(&set.name);
    if let Some(before) = before.filter(|before| *before != labelling && !common.quiet) {
        let why = if !before.is_of(&space) {
            "they were given by another model"
        } else if before.adapter != labelling.adapter {
            "`soundseek adapt` has changed what words mean here"
        } else {
            "they were given from another list, caption or threshold"
        };
        complain(&format!("the labels of {} are given anew: {why}", set.name));
    }
    let captions = set.captions(&args.template);
    let classifier = classifier(&embedder, &captions, adapter.as_deref())?;
    let done = label_library(&library, &index, &classifier, set, &labelling, &|_| true)?;
    library.flush()?;
    if args.json {
        let object = json!({
            "schema": json::SCHEMA,
            "set": set.name,
            "threshold": labelling.threshold,
            "adapter": labelling.adapter,
            "sounds": done.sounds,
            "labels": done.labels,
            "known": done.known,
            "gone": done.gone,
        });
        writeln!(out, "{}", json::line(&object))?;
    } else if !common.quiet {
        summarise(&library, set, &labelling, done, out)?;
    }
    Ok(Outcome::Found)
}

fn summarise(
    library: &Library,
    set: &LabelSet,
    labelling: &Labelling,
    done: Labelled,
    out: &mut dyn Write,
) -> Result<()> {
    let (sounds, labels) = (count(done.sounds, "sound"), count(done.labels, "label"));
    writeln!(
        out,
        "{sounds} looked at, {labels} of {} given, each with a probability of {:.2} or more",
        printable(&set.name),
        labelling.threshold
    )?;
    let others = [
        (done.known, "had been looked at before"),
        (done.gone, "no longer in the library"),
    ];
    for (n, what) in others.into_iter().filter(|(n, _)| *n > 0) {
        writeln!(out, "{} {what}", count(n, "sound"))?;
    }
    let counted = library.label_counts(&set.name)?;
    let places: Vec<f32> = counted.iter().map(|&n| n as f32).collect();
    let most = ranked(&places)
        .into_iter()
        .filter(|&place| counted[place] > 0);
    let most = most.take(NAMED_LABELS).map(|place| {
        let label = printable(&set.labels()[place].name);
        format!("{label} {}", counted[place])
    });
    let most: Vec<String> = most.collect();
    if !most.is_empty() {
        writeln!(out, "most often: {}", most.join(" · "))?;
    }
    Ok(())
}

fn clear(common: &Common, args: &TagArgs, out: &mut dyn Write) -> Result<Outcome> {
    let library = super::open_existing_library(common)?;
    let named = match (&args.labels, args.set) {
        (Some(path), _) => Some(
            path.file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into(),
        ),
        (None, set) => set.map(|set| set.name().to_string()),
    };
    let sets: Vec<String> = match named {
        Some(name) => vec![name],
        None => library.label_set_names()?,
    };
    let mut cleared = vec![];
    for set in sets {
        if library.clear_labels(&set)? {
            cleared.push(printable(&set));
        }
    }
    library.flush()?;
    if cleared.is_empty() {
        bail!("there are no such labels: `soundseek status` says which there are");
    }
    if !common.quiet {
        writeln!(out, "labels of {} dropped", cleared.join(", "))?;
    }
    Ok(Outcome::Found)
}

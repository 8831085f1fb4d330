//! `search` and `similar`: from flags to a query, from hits to lines, JSON or NUL-separated paths.

use std::io::Write;
use std::path::Path;
use std::sync::RwLock;
use std::time::SystemTime;

use anyhow::{Context, Result};
use globset::GlobBuilder;
use soundseek::display::{bar, clock, count, printable_path};
use soundseek::embed::Embedder;
use soundseek::json;
use soundseek::library::{Library, Tag};
use soundseek::notation;
use soundseek::search::{Filters, Hit, Part, SearchOptions, Searcher, Source, labelled};

use super::args::{Common, QueryArgs, SearchArgs, SimilarArgs};
use super::tag::again;
use super::{Outcome, clip};

/// `soundseek search`.
pub fn search(common: &Common, args: &SearchArgs, out: &mut dyn Write) -> Result<Outcome> {
    let mut parts = Vec::new();
    let text = args.words.join(" ");
    if !text.trim().is_empty() {
        parts.push(Part {
            source: Source::Text(text),
            weight: 1.0,
        });
    }
    run(common, parts, &args.query, out)
}

/// `soundseek similar`.
pub fn similar(common: &Common, args: &SimilarArgs, out: &mut dyn Write) -> Result<Outcome> {
    let part = Part {
        source: clip::clip(&args.clip)?,
        weight: 1.0,
    };
    run(common, vec![part], &args.query, out)
}

fn run(
    common: &Common,
    mut parts: Vec<Part>,
    args: &QueryArgs,
    out: &mut dyn Write,
) -> Result<Outcome> {
    for like in &args.like {
        parts.push(clip::weighted_clip(like)?);
    }
    for text in &args.more {
        parts.push(notation::text_part(text)?);
    }
    for text in &args.less {
        let part = notation::text_part(text)?;
        parts.push(Part {
            weight: -part.weight,
            ..part
        });
    }
    let mut options = options(args)?;
    let library = super::open_existing_library(common)?;
    // A folder that is gone (an unplugged drive) still names files in the library.
    options.filters.within = args
        .within
        .iter()
        .map(|folder| library.place(folder))
        .collect::<Result<_>>()?;
    let labels = args.label.iter().map(|label| library.known_label(label));
    options.filters.labels = labels.collect::<Result<_>>()?;
    let hits = if parts.is_empty() && !options.filters.labels.is_empty() {
        labelled(&library, &options)?
    } else {
        let embedder = super::load_model(common, Some(&library))?;
        warn_of_other_labels(common, &library, &embedder, &options)?;
        let index = RwLock::new(library.index_for_search(&embedder)?);
        Searcher::new(&library, &index, &embedder).search(&parts, &options)?
    };
    print(&hits, args, &library, out)?;
    if hits.is_empty() {
        if !common.quiet && !args.json && !args.nul {
            super::complain("nothing found: widen the filters, or index more folders");
        }
        return Ok(Outcome::NotFound);
    }
    Ok(Outcome::Found)
}

/// Says when labels that are asked for are another model's than the one that searches, or in other words.
fn warn_of_other_labels(
    common: &Common,
    library: &Library,
    embedder: &Embedder,
    options: &SearchOptions,
) -> Result<()> {
    if options.filters.labels.is_empty() || common.quiet {
        return Ok(());
    }
    let space = embedder.space()?;
    let in_other_words = library.labels_in_other_words(&space)?;
    for (set, labelling) in library.labellings()? {
        let asked = |label: &String| options.filters.labels.contains(label);
        if !labelling.labels.iter().any(asked) {
            continue;
        }
        if !labelling.is_of(&space) {
            super::complain(&format!(
                "the labels of {set} are those of the model {}; {} gives them with this one",
                labelling.model,
                again(&set)
            ));
        } else if in_other_words.contains(&set) {
            super::complain(&format!(
                "`soundseek adapt` has changed what words mean since the labels of {set} were given; {} gives them anew",
                again(&set)
            ));
        }
    }
    Ok(())
}

fn options(args: &QueryArgs) -> Result<SearchOptions> {
    let seconds = |length: &Option<String>| length.as_deref().map(notation::seconds).transpose();
    let newer = args
        .newer
        .as_deref()
        .map(|age| notation::newer_than(age, SystemTime::now()));
    let name = args.name.as_deref().map(|pattern| {
        let glob = GlobBuilder::new(pattern).case_insensitive(true).build();
        glob.map(|glob| glob.compile_matcher())
            .with_context(|| format!("the pattern '{pattern}' of --name cannot be read"))
    });
    let tags: Result<Vec<Tag>, _> = args.tag.iter().map(|tag| Tag::new(tag)).collect();
    let extension = |ext: &String| ext.trim_start_matches('.').to_lowercase();
    Ok(SearchOptions {
        n: args.n,
        ef: args.ef,
        min_similarity: args.min_similarity,
        moments: args.moments,
        unfold: args.all,
        filters: Filters {
            within: vec![],
            extensions: args.ext.iter().map(extension).collect(),
            longer_s: seconds(&args.longer)?,
            shorter_s: seconds(&args.shorter)?,
            newer_than_ns: newer.transpose()?,
            name: name.transpose()?,
            tags: tags?,
            favourite: args.favourite,
            labels: vec![],
        },
    })
}

fn print(hits: &[Hit], args: &QueryArgs, library: &Library, out: &mut dyn Write) -> Result<()> {
    if args.nul {
        for hit in hits {
            out.write_all(hit.path.as_os_str().as_encoded_bytes())?;
            out.write_all(&[0])?;
        }
    } else if args.json {
        for hit in hits {
            let content = &hit.record.content;
            let mut object = json::hit(hit, &library.marks(content));
            let labels = library.labels_of(content)?.into_iter();
            object["labels"] = labels.map(|given| given.label).collect();
            writeln!(out, "{}", json::line(&object))?;
        }
    } else {
        print_lines(hits, &library.roots()?, out)?;
    }
    Ok(())
}

/// Lines such as ` 1 ███████▌  93  drums/kick.wav  0:00.0 of 0:00.5  +2 alike`, with paths below their
/// root where all hits share one.
pub fn print_lines(hits: &[Hit], roots: &[std::path::PathBuf], out: &mut dyn Write) -> Result<()> {
    let root = roots
        .iter()
        .filter(|_| !hits.is_empty())
        .find(|root| hits.iter().all(|hit| hit.path.starts_with(root)));
    let shown = |path: &Path| match root.and_then(|root| path.strip_prefix(root).ok()) {
        Some(below) if !below.as_os_str().is_empty() => printable_path(below),
        _ => printable_path(path),
    };
    for hit in hits {
        let moment = match hit.record.sound.duration_s as f32 {
            whole if hit.moment.1 - hit.moment.0 + 0.05 >= whole => clock(whole),
            whole => format!(
                "{}–{} of {}",
                clock(hit.moment.0),
                clock(hit.moment.1),
                clock(whole)
            ),
        };
        let alike = match hit.alike.len() {
            0 => String::new(),
            n => format!("  +{n} alike"),
        };
        let (rank, strength, path) = (hit.rank, hit.strength, shown(&hit.path));
        let percent = (strength * 100.0).round();
        writeln!(
            out,
            "{rank:>3} {} {percent:>3}  {path}  {moment}{alike}",
            bar(strength, 8)
        )?;
    }
    if let Some(root) = root {
        writeln!(
            out,
            "    {} below {}",
            count(hits.len(), "sound"),
            printable_path(root)
        )?;
    }
    Ok(())
}

//! A list by labels alone: what has been called so, the most probable first.
//!
//! It stands apart from the search because no query is embedded and no vector is looked at, so that it
//! needs neither a model nor an index.

use anyhow::Result;

use super::{Hit, SearchOptions};
use crate::library::Library;

/// The files that pass the filters, among them those on labels, the most probable first; of several
/// labels the least probable counts. A hit has its probability as its strength, and is like nothing.
/// Copies of a file are folded into one hit, unless `options.unfold`.
///
/// # Errors
///
/// When the store is damaged.
pub fn labelled(library: &Library, options: &SearchOptions) -> Result<Vec<Hit>> {
    let passing = library.passing_contents(&options.filters)?;
    let mut sounds = library.labelled_with(&options.filters.labels)?;
    sounds.retain(|(content, _)| passing.as_ref().is_none_or(|all| all.contains(content)));
    // Equal probabilities are in an order that does not change from call to call.
    sounds.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let mut hits: Vec<Hit> = Vec::new();
    for (content, probability) in sounds {
        if hits.len() >= options.n {
            break;
        }
        let files = library.files_of(&content)?;
        let passing = files
            .into_iter()
            .filter(|(path, record)| options.filters.pass(path, record));
        let mut copies = passing.map(|(path, record)| Hit {
            strength: probability,
            ..Hit::whole(path, record)
        });
        if options.unfold {
            hits.extend(copies);
        } else if let Some(first) = copies.next() {
            let alike = copies.collect();
            hits.push(Hit { alike, ..first });
        }
    }
    hits.truncate(options.n);
    for (place, hit) in hits.iter_mut().enumerate() {
        hit.rank = place + 1;
    }
    Ok(hits)
}

//! The thread that makes the map of the library.
//!
//! It stands apart because a first map of a large library takes many seconds, in which nothing else
//! may wait; it is given up when the program ends.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;

use super::slot::Slot;
use super::{Answer, Engine, Response, caught};
use crate::library::FileRecord;
use crate::map::{LABELS, Point, lay_out};

/// A map with the files of its points.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chart {
    /// The sounds that have a file.
    pub points: Vec<Point>,
    /// For each point the first of its files.
    pub files: Vec<PathBuf>,
    /// For each point what is known of that file.
    pub records: Vec<FileRecord>,
    /// The labels ([`LABELS`]) that some point has, each with how many have it, most frequent first.
    pub labels: Vec<(usize, usize)>,
}

impl Chart {
    /// A map of sounds, each with the first of its files and what is known of it.
    pub fn new(sounds: impl IntoIterator<Item = (Point, PathBuf, FileRecord)>) -> Chart {
        let mut chart = Chart::default();
        let mut counts = vec![0; LABELS.len()];
        for (point, file, record) in sounds {
            if let Some(count) = counts.get_mut(usize::from(point.label)) {
                *count += 1;
            }
            chart.points.push(point);
            chart.files.push(file);
            chart.records.push(record);
        }
        let labels = counts.into_iter().enumerate();
        chart.labels = labels.filter(|(_, count)| *count > 0).collect();
        chart
            .labels
            .sort_by_key(|&(label, count)| (Reverse(count), label));
        chart
    }
}

/// Makes maps until the place where the wishes for them wait is closed.
pub fn serve(engine: &Engine, requests: &Slot<()>, answer: &Answer) {
    while requests.take().is_some() {
        match caught("the map cannot be made", || make(engine, requests, answer)) {
            Ok(Some(chart)) => answer(Response::Chart(Ok(Arc::new(chart)))),
            Ok(None) => {}
            Err(error) => answer(Response::Chart(Err(format!("{error:#}")))),
        }
    }
}

fn make(engine: &Engine, requests: &Slot<()>, answer: &Answer) -> Result<Option<Chart>> {
    let cancel = || requests.is_closed();
    let progress = |share| answer(Response::Charting(share));
    let (library, embedder) = (&engine.library, &engine.embedder);
    let Some(map) = lay_out(library, &engine.index, embedder, &cancel, &progress)? else {
        return Ok(None);
    };
    let mut files = HashMap::new();
    for file in library.files_where(|_| true) {
        let (path, record) = file?;
        files.entry(record.content).or_insert((path, record));
    }
    Ok(Some(Chart::new(map.points.into_iter().filter_map(
        |point| {
            let (path, record) = files.remove(&point.content)?;
            Some((point, path, record))
        },
    ))))
}

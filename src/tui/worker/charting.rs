//! The thread that makes the map of the library.
//!
//! It stands apart because a first map of a large library takes many seconds, in which nothing else
//! may wait; it is given up when the program ends.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::slot::Slot;
use super::{Answer, Engine, Response};
use crate::library::FileRecord;
use crate::map::{Point, lay_out};

/// A map with the files of its points.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chart {
    /// The sounds that have a file.
    pub points: Vec<Point>,
    /// For each point the first of its files.
    pub files: Vec<PathBuf>,
    /// For each point what is known of that file.
    pub records: Vec<FileRecord>,
}

/// Makes maps until the place where the wishes for them wait is closed.
pub fn serve(engine: &Engine, requests: &Slot<()>, answer: &Answer) {
    while requests.take().is_some() {
        let made = std::panic::catch_unwind(AssertUnwindSafe(|| make(engine, requests, answer)));
        let made = made
            .ok()
            .context("the map cannot be made: this is a defect of the program")
            .flatten();
        match made {
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
    let mut chart = Chart::default();
    for point in map.points {
        if let Some((path, record)) = files.remove(&point.content) {
            chart.points.push(point);
            chart.files.push(path);
            chart.records.push(record);
        }
    }
    Ok(Some(chart))
}

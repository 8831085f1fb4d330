//! Cutting a decoded stream into the segments that a model embeds.
//!
//! The resampler runs through the whole file, so that neighbouring segments are exact slices of one
//! signal, without seams; only the samples that a later segment can still need are kept.

use std::ops::ControlFlow;
use std::path::Path;

use super::error::{DecodeError, DecodeErrorKind};
use super::resample::Resampler;
use super::stream::{AudioStream, SourceInfo, caught};

/// How files are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentPlan {
    /// The rate of the segments, in Hz.
    pub sample_rate_hz: u32,
    /// Samples of a full segment.
    pub length: usize,
    /// Samples from the start of one segment to the start of the next.
    pub hop: usize,
}

impl SegmentPlan {
    /// How many segments [`segment_file`] cuts a sound of this length into.
    pub fn segments_in(&self, duration_s: f64) -> usize {
        let samples = (duration_s * f64::from(self.sample_rate_hz)).round() as usize;
        1 + samples.saturating_sub(self.length).div_ceil(self.hop)
    }
}

/// A part of a file, in seconds from its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// The first instant.
    pub start_s: f64,
    /// The instant after the last; `None` for the end of the file.
    pub end_s: Option<f64>,
}

/// One cut of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Where it begins, in seconds from the start of the file.
    pub start_s: f64,
    /// Where it ends, in seconds from the start of the file.
    pub end_s: f64,
    /// Mono samples at the plan's rate: at most the plan's length, at least one, all finite; full
    /// scale is 1.
    pub samples: Vec<f32>,
}

/// Decodes, mixes down, resamples and cuts `path` as it is read.
///
/// Segments of `plan.length` samples start every `plan.hop` samples, and a last one is aligned to
/// the end where the others leave a rest. Audio no longer than one segment gives exactly one, of
/// its own length. With a `span` only that part is cut, and times still count from the start of
/// the file. `sink` gets each segment in order and may stop the work with [`ControlFlow::Break`].
///
/// The result describes what was decoded; after a break or with a span, its duration is where
/// decoding stopped.
///
/// # Errors
/// Any [`DecodeErrorKind`]. Damage after the first decoded samples is no error: it is described in
/// [`SourceInfo::damage`]. A panic on the way, in `sink` too, is an error of the file, so that it ends
/// no run over many.
///
/// # Panics
/// If the plan's length or hop is 0.
pub fn segment_file(
    path: &Path,
    plan: &SegmentPlan,
    span: Option<&Span>,
    sink: &mut dyn FnMut(Segment) -> ControlFlow<()>,
) -> Result<SourceInfo, DecodeError> {
    assert!(
        plan.length > 0 && plan.hop > 0,
        "a segment plan needs a length and a hop"
    );
    let cut = caught("what works on its samples", || cut(path, plan, span, sink));
    cut.unwrap_or_else(|kind| Err(kind.at(path)))
}

fn cut(
    path: &Path,
    plan: &SegmentPlan,
    span: Option<&Span>,
    sink: &mut dyn FnMut(Segment) -> ControlFlow<()>,
) -> Result<SourceInfo, DecodeError> {
    let (start_s, end_s) = span.map_or((0.0, f64::INFINITY), |s| {
        (s.start_s, s.end_s.unwrap_or(f64::INFINITY))
    });
    if !(start_s >= 0.0 && start_s < end_s && start_s.is_finite()) {
        return Err(DecodeErrorKind::Span { start_s, end_s }.at(path));
    }
    let mut stream = AudioStream::open(path)?;
    let rate_hz = stream.info().sample_rate_hz;
    let mut resampler = Resampler::new(rate_hz, plan.sample_rate_hz).map_err(|e| {
        DecodeErrorKind::SampleRate {
            found_hz: e.rate_hz,
        }
        .at(path)
    })?;

    // Casts from f64 saturate: an end in the far future is the end of the file.
    let first = (start_s * f64::from(rate_hz)).round() as u64;
    let mut wanted = ((end_s * f64::from(rate_hz)).round() as u64)
        .saturating_sub(first)
        .max(1);
    if first > 0 {
        stream.seek(first)?;
    }
    let mut cutter = Cutter::new(plan, first as f64 / f64::from(rate_hz));
    let mut block = Vec::new();
    let mut flow = ControlFlow::Continue(());
    while wanted > 0 && flow.is_continue() {
        block.clear();
        if !stream.next_block(&mut block)? {
            break;
        }
        let taken = usize::try_from(wanted)
            .unwrap_or(usize::MAX)
            .min(block.len());
        wanted -= taken as u64;
        resampler.push(&block[..taken], &mut cutter.pending);
        flow = cutter.emit(sink);
    }
    if flow.is_continue() {
        resampler.finish(&mut cutter.pending);
        flow = cutter.emit(sink);
    }
    if flow.is_continue() {
        cutter.finish(sink);
    }
    let info = stream.info().clone();
    if cutter.is_empty() {
        return Err(DecodeErrorKind::OutsideFile {
            start_s,
            duration_s: info.duration_s,
        }
        .at(path));
    }
    Ok(info)
}

/// The samples that segments can still need, and where the next segment starts.
struct Cutter {
    plan: SegmentPlan,
    offset_s: f64,
    pending: Vec<f32>,
    /// Index of `pending[0]` in the resampled signal.
    base: u64,
    next_start: u64,
    /// End of the last segment that was handed out.
    covered: u64,
}

impl Cutter {
    fn new(plan: &SegmentPlan, offset_s: f64) -> Self {
        Self {
            plan: *plan,
            offset_s,
            pending: Vec::new(),
            base: 0,
            next_start: 0,
            covered: 0,
        }
    }

    fn end(&self) -> u64 {
        self.base + self.pending.len() as u64
    }

    fn is_empty(&self) -> bool {
        self.end() == 0
    }

    /// Hands out every full segment that is complete, then forgets what none can need.
    fn emit(&mut self, sink: &mut dyn FnMut(Segment) -> ControlFlow<()>) -> ControlFlow<()> {
        let length = self.plan.length as u64;
        while self.next_start + length <= self.end() {
            let start = self.next_start;
            self.next_start += self.plan.hop as u64;
            self.hand_out(start, start + length, sink)?;
        }
        let needed = self.next_start.min(self.end().saturating_sub(length));
        let forgotten = needed.saturating_sub(self.base) as usize;
        // Moving the buffer's rest to its front once a segment, not once a block, keeps the copies
        // below one per sample.
        if forgotten >= self.plan.length {
            self.pending.drain(..forgotten);
            self.base = needed;
        }
        ControlFlow::Continue(())
    }

    /// Hands out the last segment, aligned to the end, unless the others reached it.
    fn finish(&mut self, sink: &mut dyn FnMut(Segment) -> ControlFlow<()>) {
        let end = self.end();
        if end > self.covered {
            let start = end.saturating_sub(self.plan.length as u64);
            // Nothing follows, so that it does not matter whether the sink asks to stop.
            let _ = self.hand_out(start, end, sink);
        }
    }

    fn hand_out(
        &mut self,
        start: u64,
        end: u64,
        sink: &mut dyn FnMut(Segment) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.covered = end;
        let rate = f64::from(self.plan.sample_rate_hz);
        let range = (start - self.base) as usize..(end - self.base) as usize;
        sink(Segment {
            start_s: self.offset_s + start as f64 / rate,
            end_s: self.offset_s + end as f64 / rate,
            samples: self.pending[range].to_vec(),
        })
    }
}

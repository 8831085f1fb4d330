//! A later part of a stream that has another rate than its beginning, brought to that of the beginning.

use crate::audio::resample::Resampler;

/// A part of a stream that has another rate than its beginning.
pub(super) struct Conversion {
    pub(super) from_hz: u32,
    /// One for each channel that is given out.
    resamplers: Vec<Resampler>,
    /// Interleaved frames at the part's own rate.
    pub(super) frames: Vec<f32>,
}

impl Conversion {
    /// `None` for a rate that cannot be converted.
    pub(super) fn new(from_hz: u32, to_hz: u32, width: usize) -> Option<Conversion> {
        let resamplers = (0..width)
            .map(|_| Resampler::new(from_hz, to_hz))
            .collect::<Result<_, _>>();
        Some(Conversion {
            from_hz,
            resamplers: resamplers.ok()?,
            frames: Vec::new(),
        })
    }

    /// Converts `frames` and appends what is ready.
    pub(super) fn push(&mut self, output: &mut Vec<f32>) {
        let width = self.resamplers.len();
        let frames = &self.frames;
        let mut channel = Vec::new();
        interleave(&mut self.resamplers, output, |resampler, at, ready| {
            channel.clear();
            channel.extend(frames.iter().skip(at).step_by(width));
            resampler.push(&channel, ready);
        });
    }

    pub(super) fn finish(mut self, output: &mut Vec<f32>) {
        interleave(&mut self.resamplers, output, |resampler, _, ready| {
            resampler.finish(ready);
        });
    }
}

/// Appends what `step` gives for each channel, of which all give equally much, as frames.
fn interleave(
    resamplers: &mut [Resampler],
    output: &mut Vec<f32>,
    mut step: impl FnMut(&mut Resampler, usize, &mut Vec<f32>),
) {
    let (width, before) = (resamplers.len(), output.len());
    for (at, resampler) in resamplers.iter_mut().enumerate() {
        let mut ready = Vec::new();
        step(resampler, at, &mut ready);
        output.resize(before + ready.len() * width, 0.0);
        let places = output.iter_mut().skip(before + at).step_by(width);
        for (place, sample) in places.zip(ready) {
            *place = sample;
        }
    }
}

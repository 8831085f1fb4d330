//! The system's own sound device through cpal, everywhere but on Linux, where cpal cannot be built
//! without system packages.
//!
//! cpal asks for samples from a thread of its own, while the engine writes and waits; a short queue
//! with a condition between them turns the one into the other.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{FromSample, SampleFormat, SizedSample, Stream, StreamConfig};

use super::output::{Device, Output, OutputError};

/// Seconds of sound in the queue, beside the system's own buffer.
const QUEUE_S: f64 = 0.04;

/// A device that takes no samples for so long is taken for gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// The system's default output, or one by its name.
#[derive(Debug, Clone)]
pub struct SystemDevice {
    name: Option<String>,
}

impl SystemDevice {
    /// The output whose identifier is `name`, or the default one.
    pub fn new(name: Option<&str>) -> SystemDevice {
        SystemDevice {
            name: name.map(str::to_owned),
        }
    }

    fn error(&self, reason: impl std::fmt::Display) -> OutputError {
        OutputError::new(self.name(), reason)
    }

    fn find(&self) -> Result<cpal::Device, OutputError> {
        let host = cpal::default_host();
        let found = match &self.name {
            None => host.default_output_device(),
            Some(name) => {
                let id = name
                    .parse()
                    .map_err(|_| self.error("it is no device's identifier"))?;
                host.device_by_id(&id)
            }
        };
        found.ok_or_else(|| self.error("there is no such output"))
    }
}

impl Device for SystemDevice {
    fn name(&self) -> String {
        match &self.name {
            Some(name) => format!("sound device {name}"),
            None => "sound device".into(),
        }
    }

    fn open(&self) -> Result<Box<dyn Output>, OutputError> {
        let device = self.find()?;
        let supported = device
            .default_output_config()
            .map_err(|error| self.error(error))?;
        let format = supported.sample_format();
        let config = StreamConfig::from(supported);
        let queue = Arc::new(Queue::default());
        let build = match format {
            SampleFormat::I8 => build::<i8>,
            SampleFormat::I16 => build::<i16>,
            SampleFormat::I32 => build::<i32>,
            SampleFormat::U8 => build::<u8>,
            SampleFormat::U16 => build::<u16>,
            SampleFormat::U32 => build::<u32>,
            SampleFormat::F32 => build::<f32>,
            SampleFormat::F64 => build::<f64>,
            other => return Err(self.error(format!("it takes samples as {other} only"))),
        };
        let rate_hz = config.sample_rate;
        let stream = build(&device, config, &queue).map_err(|error| self.error(error))?;
        stream.play().map_err(|error| self.error(error))?;
        Ok(Box::new(Opened {
            name: self.name(),
            rate_hz,
            capacity: (QUEUE_S * f64::from(rate_hz)) as usize,
            queue,
            _stream: stream,
        }))
    }
}

/// Frames on their way from the engine's thread to cpal's.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    frames: VecDeque<[f32; 2]>,
    /// Why no more will be taken.
    failure: Option<String>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn build<T: SizedSample + FromSample<f32>>(
    device: &cpal::Device,
    config: StreamConfig,
    queue: &Arc<Queue>,
) -> Result<Stream, cpal::Error> {
    let channels = usize::from(config.channels).max(1);
    let (taken, failed) = (Arc::clone(queue), Arc::clone(queue));
    device.build_output_stream(
        config,
        move |samples: &mut [T], _: &cpal::OutputCallbackInfo| {
            let mut state = taken.lock();
            for places in samples.chunks_mut(channels) {
                let [left, right] = state.frames.pop_front().unwrap_or_default();
                for (at, place) in places.iter_mut().enumerate() {
                    // A single channel gets both sides, channels beyond the second get silence.
                    *place = T::from_sample(match at {
                        0 if channels == 1 => (left + right) / 2.0,
                        0 => left,
                        1 => right,
                        _ => 0.0,
                    });
                }
            }
            drop(state);
            taken.changed.notify_all();
        },
        move |error: cpal::Error| {
            // A gap in the sound is no reason to give up the device.
            if !matches!(
                error.kind(),
                cpal::ErrorKind::Xrun | cpal::ErrorKind::RealtimeDenied
            ) {
                failed.lock().failure = Some(error.to_string());
                failed.changed.notify_all();
            }
        },
        None,
    )
}

struct Opened {
    name: String,
    rate_hz: u32,
    /// Frames that fit in the queue.
    capacity: usize,
    queue: Arc<Queue>,
    /// Plays as long as it is kept.
    _stream: Stream,
}

impl Output for Opened {
    fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    fn write(&mut self, frames: &[f32]) -> Result<(), OutputError> {
        let full =
            |state: &mut State| state.failure.is_none() && state.frames.len() >= self.capacity;
        let (mut state, waited) = self
            .queue
            .changed
            .wait_timeout_while(self.queue.lock(), PATIENCE, full)
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = &state.failure {
            return Err(OutputError::new(&self.name, failure));
        }
        if waited.timed_out() {
            return Err(OutputError::new(&self.name, "it takes no more samples"));
        }
        let pairs = frames.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
        state.frames.extend(pairs);
        Ok(())
    }

    fn queued(&mut self) -> usize {
        self.queue.lock().frames.len()
    }

    fn interrupt(&mut self) {}
}

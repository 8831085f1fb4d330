//! What the engine asks of something that makes sound: the seam between it and every device.
//!
//! Everything is stereo, interleaved, in 32-bit floats with full scale at 1: each device converts,
//! if it must, at its own end.

use std::fmt;

/// Something that can be opened to make sound.
pub trait Device: Send {
    /// Its name in messages, such as `ALSA default` or `paplay`.
    fn name(&self) -> String;

    /// Opens it, at a rate of its own choice.
    ///
    /// # Errors
    /// When it is not there, busy, or takes no stereo sound at any usual rate.
    fn open(&self) -> Result<Box<dyn Output>, OutputError>;
}

/// An opened device; dropping it releases the device at once. It stays on the thread that opened it.
pub trait Output {
    /// Frames a second.
    fn rate_hz(&self) -> u32;

    /// Takes interleaved stereo frames, waiting while its queue is full: this is what holds the
    /// engine to the time that passes.
    ///
    /// # Errors
    /// When the device is gone.
    fn write(&mut self, frames: &[f32]) -> Result<(), OutputError>;

    /// About how many frames were written but not heard yet.
    fn queued(&mut self) -> usize;

    /// What is queued is not wanted any more. A device with a queue of some 50 ms need do nothing: a
    /// faded end follows; one with a longer queue throws it away.
    fn interrupt(&mut self);
}

/// Why a device makes no sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{device}: {reason}")]
pub struct OutputError {
    /// The device's name.
    pub device: String,
    /// The reason, in the system's words where it gives some.
    pub reason: String,
}

impl OutputError {
    /// An error of the device of this name.
    pub fn new(device: impl Into<String>, reason: impl fmt::Display) -> OutputError {
        OutputError {
            device: device.into(),
            reason: reason.to_string(),
        }
    }
}

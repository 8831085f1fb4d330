//! How a checkpoint is computed: where, in what numbers, and by which of two implementations.
//!
//! Apart from the model, because the command line and tests choose it.

use std::fmt;
use std::str::FromStr;

use super::{Device, cpu};

/// The numbers that the large layers are multiplied in; everything else is always 32-bit floats.
///
/// It is no part of a model's fingerprint: the smaller formats approximate the same embeddings, so
/// vectors of all of them can lie in one library and be searched together. `soundseek model bench`
/// prints how well they agree; two encodings of one recording have a cosine of .997.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit floats. Processors have fast products of the other kind of 16-bit floats alone, so this
    /// is computed as [`Precision::Bf16`] where that is to be had, and in 32 bits elsewhere.
    F16,
    /// bfloat16, 8 bits of mantissa, with sums in 32 bits.
    Bf16,
    /// Bytes: weights with a step for each output, activations with a step for each token. The text
    /// encoder's attention and its last two blocks, nearly half of its weights, need more digits and
    /// have bfloat16, or 32-bit floats on processors without.
    Int8,
    /// The fastest of the others whose embeddings agree with those of 32-bit floats on this machine;
    /// [`crate::embed::Embedder::load`] measures it once.
    Auto,
}

impl Precision {
    /// All of them, in the order in which the command line names them.
    pub const ALL: [Precision; 5] = [
        Precision::F32,
        Precision::F16,
        Precision::Bf16,
        Precision::Int8,
        Precision::Auto,
    ];
}

/// Which implementation computes on the processor. An accelerator always has the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// The one made for speed.
    #[default]
    Fast,
    /// Plain candle operations, for comparison; always in 32-bit floats.
    Reference,
}

/// How to load a checkpoint. A [`Device`] alone stands for itself and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadOptions {
    /// Where it is computed.
    pub device: Device,
    /// What it is computed in.
    pub precision: Precision,
    /// What computes it on the processor.
    pub backend: Backend,
}

impl From<Device> for LoadOptions {
    fn from(device: Device) -> LoadOptions {
        LoadOptions {
            device,
            precision: Precision::default(),
            backend: Backend::default(),
        }
    }
}

/// A `--precision` value that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown precision {found:?}, expected f32, f16, bf16, int8 or auto")]
pub struct ParsePrecisionError {
    /// The text given.
    pub found: String,
}

impl FromStr for Precision {
    type Err = ParsePrecisionError;

    fn from_str(text: &str) -> Result<Precision, ParsePrecisionError> {
        let named = Precision::ALL.into_iter().find(|p| p.name() == text);
        named.ok_or_else(|| ParsePrecisionError {
            found: text.to_owned(),
        })
    }
}

impl Precision {
    fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
            Precision::Bf16 => "bf16",
            Precision::Int8 => "int8",
            Precision::Auto => "auto",
        }
    }

    /// What `device` computes when asked for this and, where that is something else, a line that
    /// says why. [`Precision::Auto`] stays what it is on the processor.
    pub fn resolve(self, device: Device) -> (Precision, Option<String>) {
        let instead = |of: Precision, why| {
            let line = format!("computing in {of}, not {self}: {why}");
            (of, Some(line))
        };
        match self {
            Precision::F32 => (self, None),
            Precision::Auto if device != Device::Cpu => (Precision::F32, None),
            _ if device != Device::Cpu => {
                instead(Precision::F32, "smaller numbers are for the processor")
            }
            Precision::F16 if cpu::has_bf16() => {
                let why = "of 16-bit floats this processor multiplies those the fastest";
                instead(Precision::Bf16, why)
            }
            Precision::F16 => instead(
                Precision::F32,
                "this processor has no fast products of 16-bit floats",
            ),
            Precision::Bf16 if !cpu::has_bf16() => {
                instead(Precision::F32, "this processor has no bfloat16")
            }
            _ => (self, None),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_names_parse_as_they_are_shown() {
        for precision in Precision::ALL {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        for bad in ["", "F32", "fp16", "int4"] {
            assert!(bad.parse::<Precision>().is_err(), "{bad}");
        }
    }

    #[test]
    fn smaller_numbers_are_for_the_processor_and_a_fallback_says_why() {
        assert_eq!(
            Precision::F32.resolve(Device::Cuda(0)),
            (Precision::F32, None)
        );
        assert_eq!(
            Precision::Int8.resolve(Device::Cpu),
            (Precision::Int8, None)
        );
        let (precision, line) = Precision::Int8.resolve(Device::Metal);
        assert_eq!(precision, Precision::F32);
        assert_eq!(
            line.as_deref(),
            Some("computing in f32, not int8: smaller numbers are for the processor")
        );
    }

    #[test]
    fn half_precision_is_computed_in_what_the_processor_has_and_said_so() {
        let (precision, line) = Precision::F16.resolve(Device::Cpu);
        assert_eq!(precision == Precision::Bf16, cpu::has_bf16());
        assert!(line.is_some_and(|line| line.contains(&format!("in {precision}, not f16"))));
    }
}

//! How a checkpoint is computed: where, in what numbers, and by which of two implementations.
//!
//! Apart from the model, because the command line and tests choose it.

use std::fmt;
use std::str::FromStr;

use super::{Device, cpu};

/// The numbers that the large layers are multiplied in; everything else is always 32-bit floats.
///
/// It is no part of a model's fingerprint: both smaller formats approximate the same embeddings, so
/// vectors of all three can lie in one library and be searched together. Mean cosines to 32-bit
/// floats, with a full-size checkpoint of random weights: sounds .9999 (bfloat16) and .9991 (bytes),
/// where two encodings of one recording have .997; texts .9997 and .992.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// bfloat16, 8 bits of mantissa, with sums in 32 bits.
    Bf16,
    /// Bytes: weights with a step for each output, activations with a step for each token.
    Int8,
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
#[error("unknown precision {found:?}, expected f32, bf16 or int8")]
pub struct ParsePrecisionError {
    /// The text given.
    pub found: String,
}

impl FromStr for Precision {
    type Err = ParsePrecisionError;

    fn from_str(text: &str) -> Result<Precision, ParsePrecisionError> {
        match text {
            "f32" => Ok(Precision::F32),
            "bf16" => Ok(Precision::Bf16),
            "int8" => Ok(Precision::Int8),
            _ => Err(ParsePrecisionError {
                found: text.to_owned(),
            }),
        }
    }
}

impl Precision {
    /// What `device` computes when asked for this and, where that is something else, a line that
    /// says why.
    pub fn resolve(self, device: Device) -> (Precision, Option<String>) {
        let because = |why| Some(format!("computing in f32, not {self}: {why}"));
        match self {
            Precision::F32 => (self, None),
            _ if device != Device::Cpu => (
                Precision::F32,
                because("smaller numbers are for the processor"),
            ),
            Precision::Bf16 if !cpu::has_bf16() => {
                (Precision::F32, because("this processor has no bfloat16"))
            }
            _ => (self, None),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
            Precision::Int8 => "int8",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_names_parse_as_they_are_shown() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
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
}

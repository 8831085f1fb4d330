//! Where tensors are computed: the processor, or an accelerator that was compiled in.
//!
//! Apart from the model, because the command line parses it and shows the line that says why
//! `auto` chose the processor.

use std::fmt;
use std::str::FromStr;

use super::LoadError;

/// A place to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// The CUDA device with this number.
    Cuda(usize),
    /// Apple's GPU.
    Metal,
}

/// What `--device` takes: `auto`, `cpu`, `cuda`, `cuda:N` or `metal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChoice {
    /// An accelerator if there is one, else the processor.
    Auto,
    /// This one and no other.
    Exactly(Device),
}

/// A `--device` value that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown device {found:?}, expected auto, cpu, cuda, cuda:N or metal")]
pub struct ParseDeviceError {
    /// The text given.
    pub found: String,
}

impl FromStr for DeviceChoice {
    type Err = ParseDeviceError;

    fn from_str(text: &str) -> Result<DeviceChoice, ParseDeviceError> {
        let unknown = || ParseDeviceError {
            found: text.to_owned(),
        };
        Ok(match text {
            "auto" => DeviceChoice::Auto,
            "cpu" => DeviceChoice::Exactly(Device::Cpu),
            "cuda" => DeviceChoice::Exactly(Device::Cuda(0)),
            "metal" => DeviceChoice::Exactly(Device::Metal),
            _ => {
                let number = text.strip_prefix("cuda:").ok_or_else(unknown)?;
                DeviceChoice::Exactly(Device::Cuda(number.parse().map_err(|_| unknown())?))
            }
        })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(number) => write!(f, "cuda:{number}"),
            Device::Metal => f.write_str("metal"),
        }
    }
}

impl DeviceChoice {
    /// The device to use and, when `auto` fell back to the processor, a line that says why.
    pub fn resolve(self) -> (Device, Option<String>) {
        let accelerators: &[Device] = if cfg!(feature = "cuda") {
            &[Device::Cuda(0)]
        } else if cfg!(feature = "metal") {
            &[Device::Metal]
        } else {
            &[]
        };
        if let DeviceChoice::Exactly(device) = self {
            return (device, None);
        }
        let mut reason = "this build has no GPU support".to_owned();
        for &device in accelerators {
            match device.open() {
                Ok(_) => return (device, None),
                Err(error) => reason = error.to_string(),
            }
        }
        (Device::Cpu, Some(format!("computing on the CPU: {reason}")))
    }
}

impl Device {
    /// Opens the device.
    pub(super) fn open(self) -> Result<candle_core::Device, LoadError> {
        let refused = |problem: String| LoadError::Device {
            device: self.to_string(),
            problem,
        };
        let absent = |feature| {
            refused(format!(
                "this build has no {feature} support; build with --features {feature}, or use --device cpu"
            ))
        };
        let failed = |error: candle_core::Error| refused(format!("{error}; use --device cpu"));
        match self {
            Device::Cpu => Ok(candle_core::Device::Cpu),
            Device::Cuda(_) if !cfg!(feature = "cuda") => Err(absent("cuda")),
            Device::Cuda(number) => candle_core::Device::new_cuda(number).map_err(failed),
            Device::Metal if !cfg!(feature = "metal") => Err(absent("metal")),
            Device::Metal => candle_core::Device::new_metal(0).map_err(failed),
        }
    }
}

/// The bytes that are free on an opened device, where it tells.
pub(super) fn free_bytes(device: &candle_core::Device) -> Option<u64> {
    match device {
        #[cfg(feature = "cuda")]
        candle_core::Device::Cuda(cuda) => {
            let (free, _) = cuda.cuda_stream().context().mem_get_info().ok()?;
            Some(free as u64)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_names_parse() {
        let exactly = |device| Ok(DeviceChoice::Exactly(device));
        assert_eq!("auto".parse(), Ok(DeviceChoice::Auto));
        assert_eq!("cpu".parse(), exactly(Device::Cpu));
        assert_eq!("cuda".parse(), exactly(Device::Cuda(0)));
        assert_eq!("cuda:3".parse(), exactly(Device::Cuda(3)));
        assert_eq!("metal".parse(), exactly(Device::Metal));
        for bad in ["gpu", "cuda:", "cuda:-1", "CPU", ""] {
            assert!(bad.parse::<DeviceChoice>().is_err(), "{bad}");
        }
    }

    #[test]
    #[cfg(not(any(feature = "cuda", feature = "metal")))]
    fn auto_falls_back_to_the_processor_and_says_why() {
        let (device, reason) = DeviceChoice::Auto.resolve();
        assert_eq!(device, Device::Cpu);
        assert_eq!(
            reason.as_deref(),
            Some("computing on the CPU: this build has no GPU support")
        );
        assert_eq!(
            Device::Cuda(1)
                .open()
                .expect_err("no CUDA in this build")
                .to_string(),
            "device cuda:1 cannot be used: this build has no cuda support; build with --features cuda, or use --device cpu"
        );
    }
}

//! Weight files: mapped safetensors, or PyTorch's zip pickles.
//!
//! A file is opened once and used twice. At load the constructors of candle's encoders run against
//! its header alone: every tensor they ask for is checked for presence, shape and number format, and
//! no weight is read. When an encoder is first needed, its constructor, candle's or the fast one's,
//! gets values, which are checked to be finite. The fast encoders ask for the same tensors by the
//! same names; a test that compares the two would fail with any other. So a text query never
//! converts the audio encoder. What is large and stored as 32-bit floats can be had where it lies
//! ([`Floats`]), for nothing.

mod in_place;

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::pickle::PthTensors;
use candle_core::{DType, Storage, Tensor};
use candle_nn::VarBuilder;
use memmap2::Mmap;
use safetensors::tensor::{Metadata, SafeTensors};

use super::LoadError;
use super::checkpoint::{Checkpoint, File, PICKLE, SAFETENSORS};
use super::converted;
use super::pickled;
use in_place::Reader;
pub(super) use in_place::{Floats, InPlace};

/// The length field in front of a safetensors header, in bytes.
const LENGTH_FIELD: usize = 8;

/// What is made of smaller files is made again in less time than it takes to keep it.
const LEAST_KEPT: usize = 32 << 20;

/// Numbers that are checked at once.
const PIECE: usize = 4096;

/// An opened weight file.
pub(super) struct Weights {
    file: String,
    source: Source,
}

enum Source {
    Safetensors {
        bytes: Bytes,
        data_start: usize,
        header: Box<Metadata>,
    },
    Pickle(PthTensors),
}

enum Bytes {
    Mapped(Mmap),
    BuiltIn(&'static [u8]),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::BuiltIn(bytes) => bytes,
        }
    }
}

impl Weights {
    /// Opens `model.safetensors`, or `pytorch_model.bin` where that is the only one.
    pub(super) fn open(checkpoint: &Checkpoint) -> Result<Weights, LoadError> {
        if let Some(found) = checkpoint.find(SAFETENSORS) {
            let file = checkpoint.path_of(SAFETENSORS);
            let bytes = match found {
                File::BuiltIn(bytes) => Bytes::BuiltIn(bytes),
                File::OnDisk(path) => {
                    Bytes::Mapped(map(&path).map_err(|source| LoadError::Unreadable {
                        file: file.clone(),
                        source,
                    })?)
                }
            };
            return Weights::from_safetensors(file, bytes);
        }
        match checkpoint.find(PICKLE) {
            Some(File::OnDisk(path)) => {
                let file = checkpoint.path_of(PICKLE);
                let copy = converted::place(&path).and_then(|copy| map(&copy).ok());
                let copy =
                    copy.map(|map| Weights::from_safetensors(file.clone(), Bytes::Mapped(map)));
                match copy {
                    Some(Ok(weights)) => Ok(weights),
                    // A copy that is damaged is as good as none.
                    _ => Weights::from_pickle(file, &path),
                }
            }
            _ => Err(LoadError::MissingFile {
                folder: checkpoint.location(),
                wanted: "model.safetensors or pytorch_model.bin",
            }),
        }
    }

    fn from_safetensors(file: String, bytes: Bytes) -> Result<Weights, LoadError> {
        match SafeTensors::read_metadata(&bytes) {
            Ok((header_length, header)) => {
                let data_start = LENGTH_FIELD + header_length;
                let source = Source::Safetensors {
                    bytes,
                    data_start,
                    header: Box::new(header),
                };
                Ok(Weights { file, source })
            }
            Err(error) => Err(match described_length(&bytes) {
                Some(described) if described != bytes.len() as u64 => LoadError::Weights {
                    file,
                    expected: format!("{described} bytes, as its header says"),
                    found: format!("{} bytes", bytes.len()),
                },
                _ => LoadError::Weights {
                    file,
                    expected: "a safetensors file".to_owned(),
                    found: format!("{} bytes with a bad header ({error})", bytes.len()),
                },
            }),
        }
    }

    fn from_pickle(file: String, path: &std::path::Path) -> Result<Weights, LoadError> {
        let bad = |found: String| LoadError::Weights {
            file: file.clone(),
            expected: "a state dict that PyTorch 1.6 or later wrote (a zip with a pickle)".into(),
            found,
        };
        let length = std::fs::metadata(path)
            .map_err(|source| LoadError::Unreadable {
                file: file.clone(),
                source,
            })?
            .len();
        if let Some(found) = pickled::fault(path) {
            return Err(bad(found));
        }
        let tensors = PthTensors::new(path, None)
            .map_err(|error| bad(format!("{length} bytes that are none ({error})")))?;
        if tensors.tensor_infos().is_empty() {
            return Err(bad(
                "no tensor at its top level; save model.state_dict() itself".into(),
            ));
        }
        for (name, info) in tensors.tensor_infos() {
            let elements = info
                .layout
                .dims()
                .iter()
                .try_fold(1usize, |n, &d| n.checked_mul(d));
            let size = elements.and_then(|n| n.checked_mul(info.dtype.size_in_bytes()));
            if size.is_none_or(|size| size as u64 > length) {
                return Err(bad(format!(
                    "tensor {name} of shape {:?} in a file of {length} bytes",
                    info.layout.dims()
                )));
            }
        }
        Ok(Weights {
            file,
            source: Source::Pickle(tensors),
        })
    }

    /// Copies the tensors of a pickle to where [`Weights::open`] looks for them as safetensors; nothing
    /// is done for other checkpoints, nor where the copy is there.
    pub(super) fn convert(checkpoint: &Checkpoint) -> Result<(), LoadError> {
        let Source::Pickle(tensors) = &Weights::open(checkpoint)?.source else {
            return Ok(());
        };
        let Some(File::OnDisk(path)) = checkpoint.find(PICKLE) else {
            return Ok(());
        };
        match converted::place(&path) {
            Some(copy) => converted::write(tensors, &checkpoint.path_of(PICKLE), &copy),
            None => Ok(()),
        }
    }

    /// The file, as error texts name it.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Whether the weights are a file's, and so many that to keep what is made of them pays.
    pub(super) fn worth_keeping(&self) -> bool {
        match &self.source {
            Source::Safetensors { bytes, .. } => {
                matches!(bytes, Bytes::Mapped(_)) && bytes.len() >= LEAST_KEPT
            }
            Source::Pickle(_) => true,
        }
    }

    /// Runs a constructor against the header alone: checks all it asks for and reads no weight.
    pub(super) fn check<T>(
        self: &Arc<Self>,
        construct: impl FnOnce(VarBuilder) -> candle_core::Result<T>,
    ) -> Result<(), LoadError> {
        self.run(false, &candle_core::Device::Cpu, |vb, _| construct(vb))
            .map(|_| ())
    }

    /// Runs a constructor with the weights' values, on `device`, as 32-bit floats.
    pub(super) fn build<T>(
        self: &Arc<Self>,
        device: &candle_core::Device,
        construct: impl FnOnce(VarBuilder) -> candle_core::Result<T>,
    ) -> Result<T, LoadError> {
        self.run(true, device, |vb, _| construct(vb))
    }

    /// As [`Self::build`] on the processor, for a constructor that takes large tensors where they
    /// lie.
    pub(super) fn build_in_place<T>(
        self: &Arc<Self>,
        construct: impl FnOnce(VarBuilder, &InPlace) -> candle_core::Result<T>,
    ) -> Result<T, LoadError> {
        self.run(true, &candle_core::Device::Cpu, construct)
    }

    fn run<T>(
        self: &Arc<Self>,
        values: bool,
        device: &candle_core::Device,
        construct: impl FnOnce(VarBuilder, &InPlace) -> candle_core::Result<T>,
    ) -> Result<T, LoadError> {
        let refusal = Arc::new(Mutex::new(None));
        let in_place = InPlace {
            weights: Arc::clone(self),
            refusal: Arc::clone(&refusal),
        };
        let reader = Reader {
            weights: Arc::clone(self),
            values,
            refusal: Arc::clone(&refusal),
        };
        let vb = VarBuilder::from_backend(Box::new(reader), DType::F32, device.clone());
        construct(vb, &in_place).map_err(|source| {
            let refused = refusal
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            refused.unwrap_or_else(|| LoadError::Network {
                file: self.file.clone(),
                source,
            })
        })
    }

    /// Shape and number format of a tensor; the format is an error text where it is not read.
    fn describe(&self, name: &str) -> Option<(Vec<usize>, Result<DType, String>)> {
        match &self.source {
            Source::Safetensors { header, .. } => {
                let info = header.info(name)?;
                let dtype = DType::try_from(info.dtype).map_err(|_| format!("{:?}", info.dtype));
                Some((info.shape.clone(), dtype))
            }
            Source::Pickle(tensors) => {
                let info = tensors.tensor_infos().get(name)?;
                Some((info.layout.dims().to_vec(), Ok(info.dtype)))
            }
        }
    }

    fn check_tensor(&self, name: &str, expected: &[usize]) -> Result<DType, LoadError> {
        let (file, tensor) = (self.file.clone(), name.to_owned());
        let expected = expected.to_vec();
        match self.describe(name) {
            None => Err(LoadError::MissingTensor {
                file,
                tensor,
                expected,
            }),
            Some((found, _)) if found != expected => Err(LoadError::TensorShape {
                file,
                tensor,
                expected,
                found,
            }),
            Some((_, Ok(dtype @ (DType::F16 | DType::BF16 | DType::F32 | DType::F64)))) => {
                Ok(dtype)
            }
            Some((_, dtype)) => {
                let found = dtype.map_or_else(|name| name, |dtype| dtype.as_str().to_uppercase());
                Err(LoadError::TensorDtype {
                    file,
                    tensor,
                    found,
                })
            }
        }
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, LoadError> {
        let dtype = self.check_tensor(name, shape)?;
        let network = |source| LoadError::Network {
            file: self.file.clone(),
            source,
        };
        let cpu = candle_core::Device::Cpu;
        let raw = match &self.source {
            Source::Safetensors {
                bytes,
                data_start,
                header,
            } => {
                let info = header.info(name).expect("check_tensor found the tensor");
                let (start, end) = info.data_offsets;
                let data = &bytes[data_start + start..data_start + end];
                Tensor::from_raw_buffer(data, dtype, shape, &cpu)
            }
            Source::Pickle(tensors) => tensors.get(name).map_err(network)?.map_or_else(
                || {
                    Err(candle_core::Error::CannotFindTensor {
                        path: name.to_owned(),
                    })
                },
                Ok,
            ),
        };
        let tensor = raw
            .and_then(|raw| raw.to_dtype(DType::F32)?.contiguous())
            .map_err(network)?;
        match first_not_finite(&tensor).map_err(network)? {
            None => Ok(tensor),
            Some((index, found)) => Err(self.not_finite(name, index, found)),
        }
    }
}

impl Weights {
    fn not_finite(&self, name: &str, index: usize, found: f32) -> LoadError {
        let (file, tensor) = (self.file.clone(), name.to_owned());
        LoadError::NotFinite {
            file,
            tensor,
            index,
            found,
        }
    }
}

/// Maps a file of weights.
#[expect(unsafe_code, reason = "a mapped file is unsafe by its nature")]
pub(super) fn map(path: &std::path::Path) -> std::io::Result<Mmap> {
    let file = std::fs::File::open(path)?;
    // SAFETY: nothing here writes to the file. Another program that rewrites a checkpoint in place
    // while it is in use can change the weights or end the process, as it can with any program
    // that maps safetensors; replacing the file, as downloads do, is harmless.
    unsafe { Mmap::map(&file) }
}

/// The length that a safetensors header describes, if it is whole: what a truncated file should
/// have.
fn described_length(bytes: &[u8]) -> Option<u64> {
    let header_length = u64::from_le_bytes(bytes.get(..LENGTH_FIELD)?.try_into().ok()?);
    let end = usize::try_from(header_length)
        .ok()?
        .checked_add(LENGTH_FIELD)?;
    let header: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(bytes.get(LENGTH_FIELD..end)?).ok()?;
    let data_end = header
        .values()
        .filter_map(|entry| entry.get("data_offsets")?.get(1)?.as_u64())
        .max()?;
    data_end.checked_add(end as u64)
}

/// The first NaN or infinity of a contiguous f32 tensor on the CPU, and its position.
fn first_not_finite(tensor: &Tensor) -> candle_core::Result<Option<(usize, f32)>> {
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else {
        return Ok(None);
    };
    let values =
        &storage.as_slice::<f32>()?[layout.start_offset()..][..layout.shape().elem_count()];
    Ok(position_not_finite(values).map(|index| (index, values[index])))
}

/// The position of the first NaN or infinity.
fn position_not_finite(values: &[f32]) -> Option<usize> {
    // Whole pieces at once, without a decision for each number.
    let bad = |piece: &[f32]| piece.iter().fold(false, |bad, x| bad | !x.is_finite());
    let piece = values.chunks(PIECE).position(bad)?;
    let first = piece * PIECE;
    let within = values[first..].iter().position(|x| !x.is_finite())?;
    Some(first + within)
}

//! Tensors where they lie in a mapped file, and as candle's constructors ask for them.
//!
//! Apart from [`super`], which opens and checks files, because here is how what was opened is handed
//! out: in two ways that share what they refuse.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;

use super::super::LoadError;
use super::{Source, Weights, position_not_finite};

/// The numbers of a tensor, in the mapped file if they are stored as 32-bit floats, else converted.
#[derive(Clone)]
pub(in super::super) struct Floats(Place);

#[derive(Clone)]
enum Place {
    Mapped {
        weights: Arc<Weights>,
        /// Where they lie in the file, in bytes.
        start: usize,
        end: usize,
    },
    Converted(Arc<Vec<f32>>),
}

impl std::ops::Deref for Floats {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &self.0 {
            Place::Mapped {
                weights,
                start,
                end,
            } => weights.floats_at(*start, *end).unwrap_or_default(),
            Place::Converted(values) => values,
        }
    }
}

/// Gives tensors out where they lie.
pub(in super::super) struct InPlace {
    pub(super) weights: Arc<Weights>,
    pub(super) refusal: Arc<Mutex<Option<LoadError>>>,
}

impl InPlace {
    /// A tensor's numbers, checked to be finite.
    pub(in super::super) fn floats(
        &self,
        name: &str,
        shape: &[usize],
    ) -> candle_core::Result<Floats> {
        self.get(name, shape, true)
    }

    /// A tensor's numbers, unchecked where they are not read anyway: for one of which each use takes
    /// a few rows, and whose results are checked.
    pub(in super::super) fn unread_floats(
        &self,
        name: &str,
        shape: &[usize],
    ) -> candle_core::Result<Floats> {
        self.get(name, shape, false)
    }

    fn get(&self, name: &str, shape: &[usize], checked: bool) -> candle_core::Result<Floats> {
        self.weights.floats(name, shape, checked).map_err(|error| {
            let carried = candle_core::Error::msg(&error);
            *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            carried
        })
    }
}

impl Weights {
    fn floats(
        self: &Arc<Self>,
        name: &str,
        shape: &[usize],
        checked: bool,
    ) -> Result<Floats, LoadError> {
        let dtype = self.check_tensor(name, shape)?;
        if let Source::Safetensors {
            data_start, header, ..
        } = &self.source
            && dtype == DType::F32
        {
            let (start, end) = header.info(name).expect("checked above").data_offsets;
            let (start, end) = (data_start + start, data_start + end);
            if let Some(values) = self.floats_at(start, end) {
                if let Some(index) = checked.then(|| position_not_finite(values)).flatten() {
                    return Err(self.not_finite(name, index, values[index]));
                }
                let weights = Arc::clone(self);
                return Ok(Floats(Place::Mapped {
                    weights,
                    start,
                    end,
                }));
            }
        }
        let values = self
            .tensor(name, shape)?
            .flatten_all()
            .and_then(|tensor| tensor.to_vec1())
            .map_err(|source| LoadError::Network {
                file: self.file.clone(),
                source,
            })?;
        Ok(Floats(Place::Converted(Arc::new(values))))
    }

    /// Bytes of the file as the floats that they are; `None` where they do not lie as the processor
    /// reads them.
    fn floats_at(&self, start: usize, end: usize) -> Option<&[f32]> {
        let Source::Safetensors { bytes, .. } = &self.source else {
            return None;
        };
        let floats = bytemuck::try_cast_slice(&bytes[start..end]).ok();
        floats.filter(|_| cfg!(target_endian = "little"))
    }
}
/// The weights as candle's constructors ask for them. Candle carries errors as text, so the typed
/// one waits in `refusal` until the constructor has returned.
pub(super) struct Reader {
    pub(super) weights: Arc<Weights>,
    pub(super) values: bool,
    pub(super) refusal: Arc<Mutex<Option<LoadError>>>,
}

impl SimpleBackend for Reader {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: candle_nn::Init,
        _: DType,
        device: &candle_core::Device,
    ) -> candle_core::Result<Tensor> {
        let answer = if self.values {
            self.weights.tensor(name, shape.dims())
        } else {
            self.weights
                .check_tensor(name, shape.dims())
                .map(|_| ())
                .and_then(|()| {
                    // One zero seen from everywhere: the shape without its memory.
                    Tensor::zeros((), DType::F32, device)
                        .and_then(|zero| zero.broadcast_as(shape))
                        .map_err(|source| LoadError::Network {
                            file: self.weights.file.clone(),
                            source,
                        })
                })
        };
        match answer {
            Ok(tensor) => tensor.to_device(device),
            Err(error) => {
                let carried = candle_core::Error::msg(&error);
                *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(carried)
            }
        }
    }

    fn get_unchecked(
        &self,
        name: &str,
        dtype: DType,
        device: &candle_core::Device,
    ) -> candle_core::Result<Tensor> {
        let shape = self
            .weights
            .describe(name)
            .map(|(shape, _)| shape)
            .unwrap_or_default();
        self.get(
            Shape::from(shape),
            name,
            candle_nn::Init::Const(0.0),
            dtype,
            device,
        )
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.weights.describe(name).is_some()
    }
}

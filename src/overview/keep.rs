//! Overviews that were made before: in memory for those just seen, in the library for the rest.
//!
//! The stored form is small and versioned; one that cannot be read is made again.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

use super::image::{BANDS, Image};
use super::wave::Column;
use super::{MAX_COLUMNS, MAX_IMAGE_COLUMNS, Overview};
use crate::library::{Cache, ContentHash, Library};

/// Counts up when overviews are made differently, so that old ones are made again.
const VERSION: u8 = 1;

/// How many stay in memory: a hundred screens of results, or some 10 MB.
const IN_MEMORY: usize = 128;

/// How many the library keeps, the newest: at most some 200 MB, and mostly short sounds of less.
const IN_LIBRARY: u32 = 4_096;

/// The overviews of a library's sounds, by content. Shared by threads.
pub struct Overviews {
    cache: Cache,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    held: HashMap<ContentHash, (u64, Arc<Overview>)>,
    uses: u64,
}

impl Overviews {
    /// Those of a library.
    ///
    /// # Errors
    /// When the store is damaged.
    pub fn new(library: &Library) -> Result<Overviews> {
        Ok(Overviews {
            cache: library.cache("overviews", IN_LIBRARY)?,
            memory: Mutex::default(),
        })
    }

    /// The overview of a file with this content, made now if there is none. `None` once `cancel`
    /// says yes.
    ///
    /// # Errors
    /// When the file cannot be decoded. A store that cannot be read or written is no error: the
    /// overview is made.
    pub fn get(
        &self,
        content: &ContentHash,
        path: &Path,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Option<Arc<Overview>>> {
        if let Some(known) = self.lock().recall(content) {
            return Ok(Some(known));
        }
        let stored = self.cache.get(content).ok().flatten();
        let overview = match stored.and_then(|bytes| Overview::from_bytes(&bytes)) {
            Some(overview) => overview,
            None => {
                let Some(overview) = Overview::of_file(path, cancel)? else {
                    return Ok(None);
                };
                // Without a store it is made again another time.
                let _ = self.cache.put(content, &overview.to_bytes());
                overview
            }
        };
        let overview = Arc::new(overview);
        self.lock().remember(*content, &overview);
        Ok(Some(overview))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn recall(&mut self, content: &ContentHash) -> Option<Arc<Overview>> {
        self.uses += 1;
        let (used, overview) = self.held.get_mut(content)?;
        *used = self.uses;
        Some(Arc::clone(overview))
    }

    fn remember(&mut self, content: ContentHash, overview: &Arc<Overview>) {
        if self.held.len() >= IN_MEMORY {
            let oldest = self.held.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(content, _)| *content) {
                self.held.remove(&oldest);
            }
        }
        self.uses += 1;
        self.held.insert(content, (self.uses, Arc::clone(overview)));
    }
}

impl Overview {
    /// The version; duration, column and image steps as f64, rate and counts as u32; columns of two
    /// i16, a u16 and a flag; the image's levels. All little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        for number in [
            self.duration_s,
            self.column_s,
            self.image.column_s,
            self.image.f_max_hz,
        ] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.sample_rate_hz.to_le_bytes());
        bytes.extend((self.columns.len() as u32).to_le_bytes());
        for column in &self.columns {
            // A quarter of the range is above full scale.
            let signed = |x: f32| ((x * SCALE).round() as i16).to_le_bytes();
            bytes.extend(signed(column.min));
            bytes.extend(signed(column.max));
            bytes.extend(((column.rms * SCALE).round() as u16).to_le_bytes());
            bytes.push(u8::from(column.clipped));
        }
        bytes.extend(&self.image.levels);
        bytes
    }

    /// Reads what [`Overview::to_bytes`] wrote; `None` for anything else, such as another version.
    pub fn from_bytes(bytes: &[u8]) -> Option<Overview> {
        let (&version, mut rest) = bytes.split_first()?;
        let mut number = || -> Option<f64> {
            let (first, others) = rest.split_first_chunk::<8>()?;
            rest = others;
            Some(f64::from_le_bytes(*first)).filter(|number| number.is_finite() && *number >= 0.0)
        };
        let (duration_s, column_s) = (number()?, number()?);
        let (image_column_s, f_max_hz) = (number()?, number()?);
        let (rate, others) = rest.split_first_chunk::<4>()?;
        let (count, others) = others.split_first_chunk::<4>()?;
        let count = u32::from_le_bytes(*count) as usize;
        let (columns, levels) = others.split_at_checked(count.checked_mul(7)?)?;
        let whole = version == VERSION
            && column_s > 0.0
            && image_column_s > 0.0
            && count <= MAX_COLUMNS
            && levels.len().is_multiple_of(BANDS)
            && levels.len() <= MAX_IMAGE_COLUMNS * BANDS;
        let columns = columns.chunks_exact(7).map(|c| Column {
            min: f32::from(i16::from_le_bytes([c[0], c[1]])) / SCALE,
            max: f32::from(i16::from_le_bytes([c[2], c[3]])) / SCALE,
            rms: f32::from(u16::from_le_bytes([c[4], c[5]])) / SCALE,
            clipped: c[6] != 0,
        });
        whole.then(|| Overview {
            duration_s,
            sample_rate_hz: u32::from_le_bytes(*rate),
            columns: columns.collect(),
            column_s,
            image: Image {
                levels: levels.to_vec(),
                column_s: image_column_s,
                f_max_hz,
            },
        })
    }
}

/// Steps of a stored sample to full scale; i16 then reaches to 1.33.
const SCALE: f32 = 24_576.0;

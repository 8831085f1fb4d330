//! Vectors as one byte per number, and the chunks in which those lie in the store.
//!
//! The exact scan reads every vector of the space; as bytes they take a quarter of the memory
//! and of the time. A code is `round(x / scale)` with `scale = max |x| / 127`, per vector.
//!
//! Codes could be computed from the vectors at every opening, but that reads four times the
//! bytes as single records, so full chunks of consecutive ids are also kept in the tree `codes`,
//! each behind its own digest. They are a copy: a chunk that is missing or
//! damaged is computed again. Per id: scale `f32`, fingerprint `u64`, codes `i8`; scale 0 marks an
//! id that was gone when the chunk was written.

use crate::error::Result;
use crate::space::SpaceStore;

const DIGEST_BYTES: usize = 16;
const HEADER_BYTES: usize = 12;

/// sled keeps values up to about its segment size in the log; measured, 64 KiB costs the
/// least disk and reads fastest.
const CHUNK_BYTES: usize = 64 << 10;

/// A quantised unit vector.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Code {
    /// The number that a code of 1 stands for.
    pub(crate) scale: f32,
    /// Equal for bit-equal vectors, and (but for one chance in 2⁶⁴ per pair) only for those.
    pub(crate) fingerprint: u64,
    pub(crate) codes: Vec<i8>,
}

impl Code {
    pub(crate) fn new(vector: &[f32]) -> Code {
        let largest = vector
            .iter()
            .fold(0.0f32, |largest, x| largest.max(x.abs()));
        let scale = largest / 127.0;
        Code {
            scale,
            fingerprint: fingerprint(vector),
            codes: vector.iter().map(|x| (x / scale).round() as i8).collect(),
        }
    }
}

/// The first eight bytes of the BLAKE3 digest of the numbers.
pub(crate) fn fingerprint(vector: &[f32]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    hasher.update(&bytes);
    let digest = hasher.finalize();
    u64::from_le_bytes(
        *digest
            .as_bytes()
            .first_chunk()
            .expect("a digest has 32 bytes"),
    )
}

/// How many consecutive ids share a chunk; a matter of the dimension alone, so that both the
/// writer and the reader know it.
pub(crate) fn ids_per_chunk(dimension: usize) -> u64 {
    ((CHUNK_BYTES / (dimension + HEADER_BYTES)) as u64).max(1)
}

/// Writes the codes of chunk `number`; `None` stands for an id that is gone.
pub(crate) fn write_chunk<'a>(
    space: &SpaceStore,
    number: u64,
    codes: impl Iterator<Item = Option<(f32, u64, &'a [i8])>>,
) -> Result<()> {
    let mut bytes = vec![0; DIGEST_BYTES];
    for code in codes {
        let start = bytes.len();
        bytes.resize(start + HEADER_BYTES + space.dimension, 0);
        let Some((scale, fingerprint, codes)) = code else {
            continue;
        };
        bytes[start..start + 4].copy_from_slice(&scale.to_le_bytes());
        bytes[start + 4..start + HEADER_BYTES].copy_from_slice(&fingerprint.to_le_bytes());
        for (byte, code) in bytes[start + HEADER_BYTES..].iter_mut().zip(codes) {
            *byte = code.cast_unsigned();
        }
    }
    let digest = digest(number, &bytes[DIGEST_BYTES..]);
    bytes[..DIGEST_BYTES].copy_from_slice(&digest);
    space.codes.insert(&number.to_be_bytes(), bytes).map(drop)
}

/// A chunk as read back.
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    dimension: usize,
}

impl Chunk {
    /// Every chunk that is whole, in order. Damaged ones are left out.
    pub(crate) fn all(space: &SpaceStore) -> impl Iterator<Item = Result<(u64, Chunk)>> {
        let dimension = space.dimension;
        let length = DIGEST_BYTES + ids_per_chunk(dimension) as usize * (HEADER_BYTES + dimension);
        space.codes.iter().filter_map(move |item| {
            let (key, bytes) = match item {
                Ok(record) => record,
                Err(error) => return Some(Err(error)),
            };
            let number = u64::from_be_bytes(*key.first_chunk()?);
            let (stored, body) = bytes.split_at_checked(DIGEST_BYTES)?;
            let whole = bytes.len() == length && stored == digest(number, body);
            whole.then_some(Ok((number, Chunk { bytes, dimension })))
        })
    }

    /// The numbers of all chunks, whole or not.
    pub(crate) fn numbers(space: &SpaceStore) -> Result<Vec<u64>> {
        let number = |item: Result<(Vec<u8>, Vec<u8>)>| {
            item.map(|(key, _)| key.first_chunk().map_or(0, |key| u64::from_be_bytes(*key)))
        };
        space.codes.iter().map(number).collect()
    }

    /// The scale, fingerprint and codes at `position`, unless that id was gone.
    pub(crate) fn get(&self, position: usize) -> Option<(f32, u64, impl Iterator<Item = i8> + '_)> {
        let length = HEADER_BYTES + self.dimension;
        let record = self.bytes[DIGEST_BYTES..].get(position * length..(position + 1) * length)?;
        let (scale, rest) = record.split_first_chunk()?;
        let (fingerprint, codes) = rest.split_first_chunk()?;
        let scale = f32::from_le_bytes(*scale);
        let codes = codes.iter().map(|byte| byte.cast_signed());
        (scale > 0.0).then(|| (scale, u64::from_le_bytes(*fingerprint), codes))
    }
}

fn digest(number: u64, body: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(body);
    *hasher
        .finalize()
        .as_bytes()
        .first_chunk()
        .expect("a digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::Vector;

    #[test]
    fn a_code_is_within_half_a_step_of_its_vector() {
        for n in [1, 2, 7, 384] {
            let values = (0..n).map(|i| ((i * 37 + n) as f32).sin()).collect();
            let vector = Vector::normalized(values).expect("finite");
            let code = Code::new(vector.as_slice());
            for (&x, &c) in vector.as_slice().iter().zip(&code.codes) {
                // Half a step, and the rounding of the division at 127 steps.
                let error = (x - f32::from(c) * code.scale).abs();
                assert!(error <= code.scale * 0.5001, "{error} of {}", code.scale);
            }
        }
    }

    #[test]
    fn fingerprints_tell_vectors_apart_by_their_bits() {
        assert_eq!(fingerprint(&[0.6, 0.8]), fingerprint(&[0.6, 0.8]));
        assert_ne!(fingerprint(&[0.6, 0.8]), fingerprint(&[0.8, 0.6]));
        assert_ne!(fingerprint(&[1.0, 0.0]), fingerprint(&[1.0, -0.0]));
    }
}

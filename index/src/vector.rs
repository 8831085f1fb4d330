//! The unit vector, checked once at the door.
//!
//! Everything behind [`Vector`] may rely on finite numbers and length 1: the quantiser, the
//! graph (whose library asserts on what a NaN or a zero vector would give), and the claim that
//! `1 - dot` is the cosine distance.

use crate::kernels;

/// How far the squared length of stored numbers may lie from 1. The rounding of `f32`
/// normalisation stays below 1e-6 for 65,536 dimensions; a flipped exponent bit is far above.
const SQUARED_LENGTH_TOLERANCE: f32 = 1e-3;

/// A vector of finite numbers with L2 length 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector(Vec<f32>);

/// Why numbers are not a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VectorError {
    /// There are no numbers.
    #[error("an empty vector has no direction")]
    Empty,
    /// A number is NaN or infinite.
    #[error("the vector has a number that is not finite at position {position}")]
    NotFinite {
        /// The first such position, from 0.
        position: usize,
    },
    /// Every number is zero (or so small that the length is).
    #[error("a vector of zeros has no direction")]
    Zero,
}

impl Vector {
    /// Scales `values` to length 1.
    ///
    /// # Errors
    /// If `values` is empty, holds a number that is not finite, or is all zeros.
    pub fn normalized(mut values: Vec<f32>) -> Result<Vector, VectorError> {
        if values.is_empty() {
            return Err(VectorError::Empty);
        }
        if let Some(position) = values.iter().position(|value| !value.is_finite()) {
            return Err(VectorError::NotFinite { position });
        }
        // In f64, so that neither 1e30 nor 1e-30 over- or underflows when squared.
        let length = values
            .iter()
            .map(|&v| f64::from(v) * f64::from(v))
            .sum::<f64>()
            .sqrt();
        if length == 0.0 {
            return Err(VectorError::Zero);
        }
        for value in &mut values {
            *value = (f64::from(*value) / length) as f32;
        }
        Ok(Vector(values))
    }

    /// Takes numbers that were written as a unit vector; `None` if they are not one any more.
    pub(crate) fn restored(values: Vec<f32>) -> Option<Vector> {
        let squared = kernels::dot_f32(&values, &values);
        // A NaN or an infinity in the values makes this comparison false too.
        ((squared - 1.0).abs() <= SQUARED_LENGTH_TOLERANCE).then_some(Vector(values))
    }

    /// The numbers.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    pub(crate) fn into_numbers(self) -> Vec<f32> {
        self.0
    }

    /// How many numbers there are.
    pub fn dimension(&self) -> usize {
        self.0.len()
    }

    /// The dot product, which is the cosine similarity, in [-1, 1] up to rounding. Of vectors of
    /// different dimension only the shared leading part counts.
    pub fn dot(&self, other: &Vector) -> f32 {
        kernels::dot_f32(&self.0, &other.0)
    }

    /// `1 - dot`, clamped to [0, 2]: rounding alone would make the distance of a vector to
    /// itself negative for about half of all vectors.
    pub fn distance(&self, other: &Vector) -> f32 {
        cosine_distance(&self.0, &other.0)
    }
}

/// `1 - dot` of two unit vectors, clamped to [0, 2].
pub(crate) fn cosine_distance(a: &[f32], b: &[f32]) -> f32 {
    (1.0 - kernels::dot_f32(a, b)).clamp(0.0, 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_become_a_unit_vector() {
        for factor in [1e-38, 1e-20, 1.0, 1e20, 1e37] {
            let vector =
                Vector::normalized(vec![3.0 * factor, 0.0, -4.0 * factor]).expect("finite");
            for (got, want) in vector.as_slice().iter().zip([0.6, 0.0, -0.8]) {
                // Three roundings of f32 at most.
                assert!((got - want).abs() < 1e-6, "{got} is not {want}");
            }
        }
    }

    #[test]
    fn numbers_without_a_direction_are_refused() {
        assert_eq!(Vector::normalized(vec![]), Err(VectorError::Empty));
        assert_eq!(Vector::normalized(vec![0.0, -0.0]), Err(VectorError::Zero));
        let not_finite = |values: Vec<f32>| Vector::normalized(values).expect_err("not finite");
        assert_eq!(
            not_finite(vec![1.0, f32::NAN]),
            VectorError::NotFinite { position: 1 }
        );
        assert_eq!(
            not_finite(vec![f32::NEG_INFINITY]),
            VectorError::NotFinite { position: 0 }
        );
    }

    #[test]
    fn a_vector_is_never_at_a_negative_distance_from_itself() {
        for n in 1..200 {
            let values = (0..n).map(|i| ((i * i + n) as f32).sin()).collect();
            let vector = Vector::normalized(values).expect("finite");
            let distance = vector.distance(&vector);
            // Twice the rounding of a sum of 200 terms.
            assert!((0.0..1e-5).contains(&distance), "{distance}");
        }
    }
}

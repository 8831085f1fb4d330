//! Attention of one group of tokens to itself: scores, bias, mask, softmax and product, head by
//! head, in the first cache. Both towers have it: windows of a map, and texts.

use super::kernels::Kernels;
use super::matrix::{Columns, Matrix};

/// What biases beyond the last token are: nothing is left of them after the softmax.
pub(super) const FAR_BELOW: f32 = -1e30;

/// The matrices of a head, kept from one to the next.
#[derive(Default)]
pub(super) struct Attention {
    keys: Matrix,
    scores: Matrix,
}

/// The distance between two rows of the scores of `tokens` tokens, as [`Matrix`] has it.
pub(super) fn score_stride(tokens: usize) -> usize {
    let mut scores = Matrix::default();
    scores.shape(1, tokens);
    scores.stride()
}

impl Attention {
    /// Attention of the `tokens` rows from `row` on, whose queries, keys and values lie one behind
    /// the other in `projected`, (rows, 3C), into the same rows of `mixed`'s C columns. Queries are
    /// scaled already. `bias` gives each head's, laid out as scores, [`FAR_BELOW`] beyond the last
    /// token; the mask is for all heads.
    #[expect(clippy::too_many_arguments, reason = "two places and what is between")]
    pub fn forward<'a>(
        &mut self,
        kernels: &Kernels,
        projected: &Matrix,
        mixed: &mut Columns<'_>,
        (row, tokens): (usize, usize),
        heads: usize,
        bias: impl Fn(usize) -> &'a [f32],
        mask: Option<&[f32]>,
    ) {
        let channels = mixed.range().1 - mixed.range().0;
        let width = channels / heads;
        self.scores.shape(tokens, tokens);
        self.keys.shape(width, tokens);
        let stride = projected.stride();
        for head in 0..heads {
            let query = row * stride + head * width;
            let (key, value) = (query + channels, query + 2 * channels);
            let to_stride = self.keys.stride();
            for token in 0..tokens {
                let from = &projected.numbers()[key + token * stride..][..width];
                let to = self.keys.numbers_mut()[token..].iter_mut();
                for (to, &from) in to.step_by(to_stride).zip(from) {
                    *to = from;
                }
            }
            kernels.multiply_parts(
                (tokens, width, tokens),
                (projected, query),
                (&self.keys, 0),
                (&mut self.scores.columns(), 0, 0),
            );
            kernels.softmax(&mut self.scores, bias(head), mask);
            kernels.multiply_parts(
                (tokens, tokens, width),
                (&self.scores, 0),
                (projected, value),
                (mixed, row, head * width),
            );
        }
    }
}

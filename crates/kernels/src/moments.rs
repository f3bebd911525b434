//! What else the weights of a block tell, while they are at hand.

/// Sums over the weights `w_k = exp(score_k - max)` of one row in one block of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    /// `sum_k w_k`
    pub sum: f32,
    /// `sum_k w_k (score_k - max)`: with the sum, what the row's entropy is made of.
    pub centred: f32,
    /// `sum_k k w_k`, `k` counted from the first key of the block.
    pub places: f32,
}

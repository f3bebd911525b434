//! What was seen of one text's attention.

use serde::Serialize;

/// A row of one head: the weights of the keys that the token at `query_pos` looked back at.
///
/// The row that wrote a token is the one before it: row `i` decides token `i + 1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    pub layer_idx: usize,
    pub head_idx: usize,
    pub query_pos: u32,
    /// Positions and weights, the heaviest first: all that the row sees, or as many as were asked
    /// for.
    pub keys: Vec<(u32, f32)>,
    /// What the keys that are not listed weigh together.
    pub tail: f32,
    /// The weight of a key that stands for no token: a learned sink. Zero where there is none.
    pub virtual_sink: f32,
    /// `ln(sum_k exp(score_k))`
    pub log_sum_exp: f32,
    /// `-sum_k w_k ln(w_k)` in nats, over all keys of the text.
    pub entropy: f32,
}

//! What was seen of one text's attention.

use serde::{Serialize, Serializer};

/// A row of one head: the weights of the keys that the token at `query_pos` looked back at.
///
/// The row that wrote a token is the one before it: row `i` decides token `i + 1`.
#[derive(Clone, Debug, PartialEq)]
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

/// A row in JSON: see docs/inspect-formats.md.
#[derive(Serialize)]
struct JsonRow {
    layer: usize,
    head: usize,
    query: u32,
    keys: Vec<u32>,
    weights: Vec<f32>,
    tail: f32,
    virtual_sink: f32,
    log_sum_exp: f32,
    entropy: f32,
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = JsonRow {
            layer: self.layer_idx,
            head: self.head_idx,
            query: self.query_pos,
            keys: self.keys.iter().map(|key| key.0).collect(),
            weights: self.keys.iter().map(|key| key.1).collect(),
            tail: self.tail,
            virtual_sink: self.virtual_sink,
            log_sum_exp: self.log_sum_exp,
            entropy: self.entropy,
        };
        json.serialize(serializer)
    }
}

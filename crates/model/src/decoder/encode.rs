//! The half of a model that reads a prompt as a whole, for a decoder to look at.

use super::attention_block::store_source;
use super::forward::forward;
use super::workspace::Workspace;
use crate::batch::{Batch, LogitRows};
use crate::kv::{KvCache, SequenceId};
use crate::probe::Probe;
use crate::weights::Model;

/// Reads a text with the model's encoder, and stores what each layer of the decoder will look at:
/// keys and values of its last hidden states, once for all tokens to come (Vaswani et al. 2017,
/// section 3.2.3). They are the keys of `source`, a sequence of the decoder's cache that has no
/// others, and room for these.
///
/// `encoder_kv` is a cache of the encoder's own layers, with room for the text, which is in use
/// only meanwhile. The text has at least one token and no more than a batch.
pub fn encode<P: Probe>(
    model: &Model,
    token_ids: &[u32],
    encoder_kv: &mut KvCache,
    (kv, source): (&mut KvCache, SequenceId),
    ws: &mut Workspace,
    probe: &mut P,
) {
    let encoder = model.encoder.as_ref().expect("a model with an encoder");
    assert_eq!(encoder.config.d_model, model.config.d_model);
    let mut batch = Batch::default();
    let id = encoder_kv.admit();
    encoder_kv.reserve(id, token_ids.len()).expect("room for the text");
    batch.push(id, token_ids, 0, LogitRows::All);
    forward(encoder, &batch, encoder_kv, ws, probe);
    encoder_kv.release(id);
    let first_key = kv.append(source, token_ids, &batch.positions);
    assert_eq!(first_key, 0, "one text");
    for (layer_idx, layer) in model.layers.iter().enumerate() {
        let cross = layer.cross.as_ref().expect("every layer looks at what was read");
        store_source(model, (layer_idx, cross), (kv, source, token_ids.len()), ws);
    }
}

//! DistilBERT (Sanh et al. 2019): half of the layers of BERT, one kind of text. Folders only: in
//! GGUF it is `bert`.

use super::bert::BERT;
use crate::spec::ArchSpec;

pub(super) const DISTILBERT: ArchSpec = ArchSpec {
    name: "distilbert",
    hf_names: &["DistilBertModel", "DistilBertForMaskedLM"],
    hf_tensors: &[&[
        ("embeddings.word_embeddings", "token_embd"),
        ("embeddings.position_embeddings", "position_embd"),
        ("embeddings.LayerNorm", "token_embd_norm"),
        ("transformer.layer.{}.attention.q_lin", "blk.{}.attn_q"),
        ("transformer.layer.{}.attention.k_lin", "blk.{}.attn_k"),
        ("transformer.layer.{}.attention.v_lin", "blk.{}.attn_v"),
        ("transformer.layer.{}.attention.out_lin", "blk.{}.attn_output"),
        ("transformer.layer.{}.sa_layer_norm", "blk.{}.post_attention_norm"),
        ("transformer.layer.{}.ffn.lin1", "blk.{}.ffn_up"),
        ("transformer.layer.{}.ffn.lin2", "blk.{}.ffn_down"),
        ("transformer.layer.{}.output_layer_norm", "blk.{}.post_ffw_norm"),
    ]],
    hf_prefix: "distilbert.",
    hf_unused: &["vocab_"],
    ..BERT
};

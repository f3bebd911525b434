//! Numbers that a file leaves out: what follows from the others, and from the architecture.

use model::spec::LayerKind;

use super::*;

#[test]
fn g21_gemma3_without_a_pattern_has_five_windows_to_one_full_layer() {
    use LayerKind::{Full, Sliding};
    let parts = Parts::of(&TinyRandom { n_layers: 7, ..gemma3() });
    let model = parts.without_key("gemma3.attention.sliding_window_pattern").load();
    let kinds = model.expect("a model").config.layer_kinds;
    assert_eq!(kinds, [Sliding, Sliding, Sliding, Sliding, Sliding, Full, Sliding]);
}

/// The scale that GGUF does not hold: that of `query_pre_attn_scalar` in the folders.
#[test]
fn gemmas_of_27b_scale_by_the_width_of_the_model() {
    const HEAD_DIM: usize = 16;
    for (architecture, n_layers, width) in [
        ("gemma2", 26, HEAD_DIM),
        ("gemma2", 46, D_MODEL / 4),
        ("gemma3", 34, HEAD_DIM),
        ("gemma3", 62, D_MODEL / 4),
    ] {
        let mut parts = Parts::of(&TinyRandom { n_layers, head_dim: HEAD_DIM, ..gemma3() });
        if architecture == "gemma2" {
            parts.metadata.iter_mut().for_each(|(key, _)| *key = key.replace("gemma3.", "gemma2."));
            let is_new = |name: &str| name.contains("attn_q_norm") || name.contains("attn_k_norm");
            parts.tensors.retain(|tensor| !is_new(&tensor.info.name));
        }
        let model = parts.set("general.architecture", architecture).load().expect("a model");
        let expected = (width as f32).powf(-0.5);
        assert_eq!(model.config.attn_scale, expected, "{architecture}, {n_layers} layers");
    }
}

#[test]
fn n01_the_width_of_a_head_is_that_of_the_file() {
    let wide = TinyRandom { head_dim: 20, ..llama() };
    let config = Parts::of(&wide).load().expect("a model").config;
    assert_eq!((config.head_dim, config.rope_full.rope_dim), (20, 20));
    let parts = Parts::of(&llama()).without_key("llama.attention.key_length");
    assert_eq!(parts.load().expect("a model").config.head_dim, D_MODEL / 4);
}

#[test]
fn n05_gemma3_windows_have_a_rope_base_of_their_own() {
    let bases = |parts: Parts| {
        let config = parts.set("gemma3.rope.freq_base", 1e6f32).load().expect("a model").config;
        (config.rope_full.base, config.rope_sliding.base)
    };
    assert_eq!(bases(Parts::of(&gemma3())), (1e6, 1e4));
    assert_eq!(bases(Parts::of(&gemma3()).set("gemma3.rope.freq_base_swa", 5e3f32)), (1e6, 5e3));
}

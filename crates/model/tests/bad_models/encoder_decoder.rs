//! Models in two halves.

use serde_json::json;

use super::both_formats::with_copy;
use super::*;

fn parts() -> Parts {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/t5/model.gguf");
    Parts::of_file(&GgufFile::open(&path, Mapping::Read).expect("a file"))
}

#[test]
fn what_the_halves_need_is_named() {
    assert!(parts().load().is_ok());
    let start = "t5.decoder_start_token_id";
    let expected = |found| format!("config: {start}: expected an id below 70, found {found}");
    check(parts().without_key(start).load(), &expected("nothing"));
    check(parts().set(start, 70u32).load(), &expected("70"));
    let buckets = "t5.attention.relative_buckets_count";
    for n in [0u32, 3, 5000] {
        let expected = format!("config: {buckets}: expected 4 to 4096, found {n}");
        check(parts().set(buckets, n).load(), &expected);
    }
    let expected = "config: relative_attention_max_distance: expected 200 to 65536, found 128";
    check(parts().set(buckets, 200u32).load(), expected);
    let expected = "tensor enc.blk.0.attn_rel_b.weight: expected shape [10, 2], found [12, 2]";
    check(parts().set(buckets, 10u32).load(), expected);
    for (name, shape) in [
        ("enc.output_norm.weight", "[32]"),
        ("dec.blk.1.cross_attn_k.weight", "[24, 32]"),
        ("dec.blk.0.attn_rel_b.weight", "[12, 2]"),
    ] {
        let expected = format!("tensor {name} is missing: expected shape {shape}");
        check(parts().without_tensor(name).load(), &expected);
    }
    // What the first layer has, all have.
    let expected = "tensor dec.blk.1.ffn_gate.weight is missing: expected shape [40, 32]";
    check(parts().without_tensor("dec.blk.1.ffn_gate.weight").load(), expected);
    // A layer that the numbers do not count, of either half.
    for name in ["enc.blk.1.attn_q.weight", "dec.blk.2.attn_q.weight"] {
        let message = parts().with_tensor(name, &[24, 32]).load().err().expect("an error");
        assert!(message.to_string().contains(name), "{message}");
    }
    // Stored, but added nowhere.
    assert!(parts().with_tensor("dec.blk.0.cross_attn_rel_b.weight", &[12, 2]).load().is_ok());
}

/// Logits of a tied output are scaled, whoever says that it is tied, and whether there is a copy.
#[test]
fn tied_logits_are_scaled() {
    let scale = |case: &str, fields: &[(&str, Option<serde_json::Value>)]| {
        load_folder(case, fields).expect("a model").config.logit_scale
    };
    let scaled = 32f32.powf(-0.5);
    let (tie, scales) = ("tie_word_embeddings", "scale_decoder_outputs");
    assert_eq!(scale("t5-relu", &[]), scaled);
    assert_eq!(scale("t5-relu", &[(tie, None)]), scaled);
    assert_eq!(scale("t5", &[]), 1.0);
    assert_eq!(scale("t5", &[(tie, None)]), scaled);
    assert_eq!(scale("t5", &[(tie, Some(json!(true))), (scales, Some(json!(false)))]), 1.0);
}

#[test]
fn folders_say_what_kind_of_feed_forward_they_have() {
    let key = "feed_forward_proj";
    let expected = "config: feed_forward_proj: expected gated-gelu or relu, found \"gated-silu\"";
    check(load_folder("t5", &[(key, Some(json!("gated-silu")))]), expected);
    let start = "decoder_start_token_id";
    let expected = "config: decoder_start_token_id: expected an id below 70, found nothing";
    check(load_folder("t5", &[(start, None)]), expected);
    let layers = "num_decoder_layers";
    // As many as the encoder has.
    let message = load_folder("t5", &[(layers, None)]).err().expect("an error").to_string();
    assert!(message.contains("decoder.block.1.") && message.contains("not used"), "{message}");
}

/// An encoder that may not look ahead is another model; whoever says so is refused.
#[test]
fn an_encoder_sees_its_whole_text() {
    let key = "t5.attention.causal";
    assert!(parts().set(key, false).load().is_ok());
    check(parts().set(key, true).load(), &format!("config: {key}: expected false, found true"));
}

/// Folders may hold the embedding that both halves share once for each.
#[test]
fn copies_of_what_is_shared_are_known() {
    let load = |copy: &str| {
        load_edited_folder("t5", &[], |weights| with_copy(weights, "shared.weight", copy))
    };
    assert!(load("encoder.embed_tokens.weight").is_ok());
    assert!(load("decoder.embed_tokens.weight").is_ok());
    let other = load("another.embed_tokens.weight").err().expect("an error").to_string();
    assert!(other.starts_with("tensor another.embed_tokens.weight is not used"), "{other}");
}

//! Files with more senses than one for texts: what is left aside, and nothing else.

use model::load::Skipped;
use serde_json::json;

use super::both_formats::with_copy;
use super::{Parts, check, llama, load_edited_folder, load_folder};

const OTHER: &str = "the file holds another kind of model than it says";

#[test]
fn what_is_not_for_texts_is_counted() {
    let check = |found: Skipped, what, n: [usize; 2]| {
        assert_eq!(found.what(), what);
        assert_eq!([found.n_for_images, found.n_for_sound], n);
        assert_eq!(found.n_bytes > 0, what.is_some());
    };
    let folder = |case: &str| load_folder(case, &[]).expect("a model").skipped;
    check(folder("llama"), None, [0, 0]);
    check(folder("qwen2vl"), Some("images"), [19, 0]);
    check(folder("qwen3vl"), Some("images"), [27, 0]);
    check(folder("gemma3-eyes"), Some("images"), [34, 0]);
    let gguf = |names: &[&str]| {
        let parts =
            names.iter().fold(Parts::of(&llama()), |parts, name| parts.with_tensor(name, &[4]));
        parts.load().expect("a model").skipped
    };
    check(gguf(&[]), None, [0, 0]);
    check(gguf(&["v.blk.0.ln1.weight", "mm.0.weight"]), Some("images"), [2, 0]);
    check(gguf(&["a.blk.0.ln1.weight"]), Some("sound"), [0, 1]);
    check(gguf(&["a.conv1d.1.weight", "mm.0.weight"]), Some("images and sound"), [1, 1]);
    check(gguf(&["a.conv1d.1.weight", "mm.a.mlp.1.weight"]), Some("sound"), [0, 2]);
}

/// What is quantised for images weighs what it does, although nobody can read it alone.
#[test]
fn quantised_tensors_for_images_are_counted_too() {
    let name = "model.layers.0.self_attn.q_proj.qweight";
    let edit = |file: &[u8]| with_copy(file, name, "vision_tower.blocks.0.attn.qkv.qweight");
    let seeing = [("vision_config", Some(json!({})))];
    let skipped = load_edited_folder("llama-gptq", &seeing, edit).expect("a model").skipped;
    assert_eq!(skipped, Skipped { n_for_images: 1, n_for_sound: 0, n_bytes: 4 * 8 * 64 });
}

#[test]
fn what_belongs_to_no_sense_is_refused() {
    let other = Parts::of(&llama()).with_tensor("w.blk.0.ln1.weight", &[4]).load();
    check(other, &format!("tensor w.blk.0.ln1.weight is not used by architecture llama: {OTHER}"));
    // A folder that says nothing of images has no business with them.
    let name = "visual.blocks.0.attn.proj.bias";
    let blind = load_folder("qwen2vl", &[("vision_config", None)]);
    check(blind, &format!("tensor {name} is not used by architecture qwen2vl: {OTHER}"));
    let projector = Parts::of(&llama()).set("general.architecture", "clip").load();
    check(
        projector,
        "this file holds only what a model sees or hears with (mmproj); give the file of the model \
         itself, which answers texts without it",
    );
    let other =
        load_folder("gemma3-eyes", &[("text_config", Some(json!({"model_type": "mamba"})))]);
    check(
        other,
        "architecture \"Gemma3ForConditionalGeneration\" is not supported, \
         \"Qwen3VLForConditionalGeneration\" is; docs/models.md lists those that are",
    );
}

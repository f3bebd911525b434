//! Models that see and hear too: their numbers and tensors for texts, and what is left aside.

use std::borrow::Cow;

use serde_json::Value;

use crate::spec::{ArchSpec, FileFormat};

/// Tensors of a file for other things than texts, which are not loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    pub n_for_images: usize,
    pub n_for_sound: usize,
    pub n_bytes: u64,
}

/// `general.architecture` of a GGUF file with nothing else.
pub(super) const PROJECTOR: &str = "clip";

/// What config.json calls its part on texts.
const PARTS: [&str; 2] = ["text_config", "llm_config"];

/// What may stand before a folder's names of tensors for texts, or, but for the first, after
/// `model.`.
const PREFIXES: [&str; 3] = ["language_model.", "model.language_model.", "model.text_model."];

/// What tensors for images begin with in folders, perhaps after `model.`.
const IMAGES: [&str; 11] = [
    "vision_tower.",
    "vision_model.",
    "visual.",
    "vision_embed_tokens.",
    "multi_modal_projector.",
    "mm_projector.",
    "connector.",
    "embed_vision.",
    "image_newline",
    "patch_merger.",
    "mlp1.",
];

/// And those for sound.
const SOUND: [&str; 4] = ["audio_tower.", "audio_model.", "embed_audio.", "audio_projector."];

/// The same in GGUF.
const GGUF_IMAGES: [&str; 2] = ["v.", "mm."];
/// Of which what leads to the model may stand among that of images.
const GGUF_SOUND: [&str; 2] = ["a.", "mm.a."];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sense {
    Images,
    Sound,
}

/// What a tensor is for, where that is not texts.
pub(super) fn sense_of(name: &str, format: FileFormat) -> Option<Sense> {
    let inner = match format {
        FileFormat::Gguf => name,
        FileFormat::HuggingFace => name.strip_prefix("model.").unwrap_or(name),
    };
    let (images, sound): (&[&str], &[&str]) = match format {
        FileFormat::Gguf => (&GGUF_IMAGES, &GGUF_SOUND),
        FileFormat::HuggingFace => (&IMAGES, &SOUND),
    };
    let begins = |starts: &[&str]| starts.iter().any(|start| inner.starts_with(start));
    match () {
        () if begins(sound) => Some(Sense::Sound),
        () if begins(images) => Some(Sense::Images),
        () => None,
    }
}

impl Skipped {
    pub(super) fn add(&mut self, sense: Sense, n_bytes: u64) {
        match sense {
            Sense::Images => self.n_for_images += 1,
            Sense::Sound => self.n_for_sound += 1,
        }
        self.n_bytes += n_bytes;
    }

    /// What cannot be given to the model; `None`: it is one of texts.
    pub fn what(&self) -> Option<&'static str> {
        match (self.n_for_images, self.n_for_sound) {
            (0, 0) => None,
            (_, 0) => Some("images"),
            (0, _) => Some("sound"),
            (_, _) => Some("images and sound"),
        }
    }

    pub fn n_tensors(&self) -> usize {
        self.n_for_images + self.n_for_sound
    }
}

/// Whether config.json is that of a model of more than texts.
pub(super) fn are_more(config: &Value) -> bool {
    ["vision_config", "audio_config"].iter().any(|key| config[key].is_object())
}

/// What config.json says of texts, beside what it says of all: the former counts, but for the tie
/// of embedding and output.
pub(super) fn of_texts(mut config: Value) -> Value {
    let Some(all) = config.as_object_mut() else { return config };
    let text = PARTS.iter().find_map(|part| match all.remove(*part) {
        Some(Value::Object(text)) => Some(text),
        _ => None,
    });
    for (key, value) in text.into_iter().flatten() {
        let is_of_all = ["architectures", "tie_word_embeddings"].contains(&&*key);
        if !is_of_all || !all.contains_key(&key) {
            all.insert(key, value);
        }
    }
    config
}

/// Numbers that folders of the architecture leave to its class.
pub(super) fn with_defaults<'a>(spec: &ArchSpec, config: &'a Value) -> Cow<'a, Value> {
    let Some(all) = config.as_object().filter(|_| are_more(config)) else {
        return Cow::Borrowed(config);
    };
    let mut all = all.clone();
    for (key, value) in spec.hf_defaults {
        all.entry(*key).or_insert_with(|| (*value).into());
    }
    Cow::Owned(Value::Object(all))
}

/// What folders of such models may call a tensor that folders of texts call `name`.
pub(super) fn longer_names(name: &str) -> impl Iterator<Item = String> {
    let inner = name.strip_prefix("model.").map(str::to_owned);
    let after_model = PREFIXES[1..].iter().zip(std::iter::repeat(inner));
    let after_model =
        after_model.filter_map(|(prefix, inner)| inner.map(|inner| format!("{prefix}{inner}")));
    std::iter::once(format!("{}{name}", PREFIXES[0])).chain(after_model)
}

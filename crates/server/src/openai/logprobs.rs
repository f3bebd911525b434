//! Log-probabilities in OpenAI's two forms.

use serde_json::{Map, Value, json};
use tokenizer::{Special, Tokenizer};

/// A token in its place.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) id: u32,
    /// `None`: the first token of a text has nothing before it.
    pub(super) logprob: Option<f32>,
    pub(super) top: Vec<(u32, f32)>,
}

/// A token as it is, one that controls the model too.
fn text(tokenizer: &Tokenizer, id: u32) -> String {
    String::from_utf8_lossy(tokenizer.token_bytes(id, Special::Show)).into_owned()
}

fn entry(tokenizer: &Tokenizer, id: u32, logprob: f32) -> Value {
    let bytes = tokenizer.token_bytes(id, Special::Show);
    json!({"token": String::from_utf8_lossy(bytes), "logprob": logprob, "bytes": bytes})
}

/// As chats have them: an entry for each token, with its true bytes.
pub(super) fn of_chat(tokenizer: &Tokenizer, places: &[Place]) -> Value {
    let place = |Place { id, logprob, top }: &Place| {
        let mut place = entry(tokenizer, *id, logprob.unwrap_or(f32::MIN));
        let top: Vec<Value> = top.iter().map(|&(id, x)| entry(tokenizer, id, x)).collect();
        place["top_logprobs"] = top.into();
        place
    };
    json!({"content": places.iter().map(place).collect::<Vec<_>>(), "refusal": null})
}

/// As texts have them: a list for each kind of fact, offsets in characters.
pub(super) fn of_text(tokenizer: &Tokenizer, places: &[Place]) -> Value {
    let (mut tokens, mut offsets, mut offset) = (Vec::new(), Vec::new(), 0);
    for place in places {
        let token = text(tokenizer, place.id);
        offsets.push(offset);
        offset += token.chars().count();
        tokens.push(token);
    }
    let top = |place: &Place| {
        place.logprob?;
        let top = place.top.iter().map(|&(id, x)| (text(tokenizer, id), json!(x)));
        Some(top.collect::<Map<_, _>>())
    };
    json!({
        "tokens": tokens,
        "token_logprobs": places.iter().map(|place| place.logprob).collect::<Vec<_>>(),
        "top_logprobs": places.iter().map(top).collect::<Vec<_>>(),
        "text_offset": offsets,
    })
}

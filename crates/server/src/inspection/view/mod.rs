//! An answer as the page shows it: asked tile by tile, span by span.

mod grid;
mod knock_out;
mod overview;
mod readers;
mod strip;
mod tiles;

use std::ops::Range;

use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use inspect::Inspector;
use inspect::questions::view::View;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) use self::grid::grid;
pub(crate) use self::knock_out::knock_out;
pub(crate) use self::overview::overview;
pub(crate) use self::readers::{Body as ReadersBody, readers};
pub(crate) use self::strip::strip;
pub(crate) use self::tiles::{Body as TilesBody, tiles};

use super::Asked;
use crate::access::client_of;
use crate::app::App;
use crate::body::{self, Described, Fields, fields};
use crate::conversation::Conversation;
use crate::error::ApiError;

fields! {
    Subject {
        /// One of /v1/models.
        model: String,
        /// Objects with a role and content; the answer is to them.
        messages: Vec<Value>,
        /// An answer that is there already; the model's likeliest, where it is not given.
        answer: String,
        /// Most tokens of an answer that the model writes.
        max_tokens: usize,
    }
    without_effect: []
}

fields! {
    /// What of the answer is held against what of the prompt.
    Spanned {
        /// First and end of tokens of the answer, counted from its first; all, where they are not
        /// given.
        tokens: Pair,
        /// First and end of tokens of the prompt.
        span: Pair,
    }
    without_effect: []
}

impl Spanned {
    fn span(&self) -> Result<Range<usize>, ApiError> {
        self.span.map(Into::into).ok_or_else(|| ApiError::missing("span"))
    }
}

/// Two numbers: the first and the end of tokens, or a layer and a head.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(expecting = "expected two numbers")]
pub(crate) struct Pair(usize, usize);

impl Described for Pair {
    fn schema() -> Value {
        let number = json!({"type": "integer", "minimum": 0});
        json!({"type": "array", "items": number, "minItems": 2, "maxItems": 2})
    }
}

impl From<Pair> for Range<usize> {
    fn from(Pair(start, end): Pair) -> Self {
        start..end
    }
}

/// A conversation that is looked at.
struct Viewed {
    asked: Asked,
    messages: Vec<Value>,
    prompt: Vec<u32>,
    answer: Option<String>,
    n_max: Option<usize>,
}

impl Viewed {
    /// With the fields that an address has of its own.
    ///
    /// # Errors
    /// Fields that cannot be read, a model that shows nothing, and messages that do not fit.
    async fn read<T: Fields>(app: &App, request: Request) -> Result<(Self, T), ApiError> {
        let client = client_of(request.headers());
        let (subject, own): (Subject, T) = body::read(request, &app.options).await?;
        let asked = Asked::of(app, (client, subject.model.as_deref()), "messages").await?;
        let messages = subject.messages.ok_or_else(|| ApiError::missing("messages"))?;
        let conversation = Conversation { messages, ..Conversation::default() };
        let prompt = conversation.encode(&asked.served)?;
        asked.check_fits(prompt.len(), "messages")?;
        let (answer, n_max) = (subject.answer, subject.max_tokens);
        let messages = conversation.messages;
        Ok((Self { asked, messages, prompt, answer, n_max }, own))
    }

    /// Asks of prompt and answer.
    ///
    /// # Errors
    /// What the question says, and what becomes of requests.
    async fn ask<T: Serialize + Send + 'static>(
        self,
        object: &'static str,
        question: impl FnOnce(&mut Inspector<'_>, &View) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<Response, ApiError> {
        let Self { asked, prompt, answer, n_max, .. } = self;
        let found = asked.ask(move |asked, inspector| {
            let answer = asked.answer(inspector, &prompt, (answer.as_deref(), n_max))?;
            let view = View { ids: [&prompt[..], &answer].concat(), n_prompt: prompt.len() };
            question(inspector, &view)
        });
        let found = serde_json::to_value(found.await?).expect("numbers and texts are JSON");
        let mut json = json!({"object": object, "model": asked.served.name});
        if let (Value::Object(json), Value::Object(found)) = (&mut json, found) {
            json.extend(found);
        }
        shorten(&mut json);
        Ok(Json(json).into_response())
    }
}

/// Tokens of the answer, or all of them.
fn tokens_of(view: &View, tokens: Option<Pair>) -> Range<usize> {
    tokens.map_or(0..view.ids.len() - view.n_prompt, Into::into)
}

/// Long lists of numbers are read by people, who need no more digits.
const N_DIGITS: i32 = 5;

fn shorten(json: &mut Value) {
    match json {
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        Value::Number(number) if number.is_f64() => {
            *json = number.as_f64().map(rounded).into();
        }
        _ => (),
    }
}

fn rounded(x: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    // As text: powers of ten are no binary numbers.
    let digits = (N_DIGITS - 1) as usize;
    format!("{x:.digits$e}").parse().unwrap_or(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_five_digits() {
        let check = |json: Value, expected: Value| {
            let mut found = json.clone();
            shorten(&mut found);
            assert_eq!(found, expected, "{json}");
        };
        check(
            json!([0.123_456_789, 1e-12 / 3.0, -2.0 / 3.0]),
            json!([0.12346, 3.3333e-13, -0.66667]),
        );
        check(json!({"a": [123_456.789, 0.0, 7]}), json!({"a": [123_460.0, 0.0, 7]}));
        check(json!(["1.23456789", true, null]), json!(["1.23456789", true, null]));
    }
}

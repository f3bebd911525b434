//! `POST /v1/inspect/overview`: the tokens of prompt and answer, and how likely those of the answer
//! were.

use std::ops::Range;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use engine::PromptToken;
use inspect::Inspector;
use inspect::capture::Lens;
use inspect::questions::view::{View, contents, pieces, sentences};
use inspect::text::TokenText;
use serde::Serialize;
use tokenizer::Message;

use super::Viewed;
use crate::app::App;
use crate::error::ApiError;
use crate::openai::shaped;

#[derive(Serialize)]
struct Found {
    n_prompt: usize,
    n_layers: usize,
    n_heads: usize,
    lenses: Vec<Lens>,
    default_lens: Lens,
    /// Of prompt and answer: together they are the whole text.
    pieces: Vec<String>,
    /// First and end of the tokens of each sentence of the messages.
    sentences: Vec<[usize; 2]>,
    messages: Vec<MessageAt>,
    answer: Vec<AnswerToken>,
}

/// Where the content of a message lies in the prompt.
#[derive(Serialize)]
struct MessageAt {
    role: String,
    tokens: [usize; 2],
}

#[derive(Serialize)]
struct AnswerToken {
    logprob: f32,
    /// The likeliest in this place.
    top: Vec<(String, f32)>,
}

pub(crate) async fn overview(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request).await.unwrap_or_else(shaped)
}

async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let (viewed, ()) = Viewed::read::<()>(app, request).await?;
    let messages = Message::from_json(&viewed.messages).unwrap_or_default();
    let find = move |inspector: &mut Inspector<'_>, view: &View| {
        view.read_prompt(inspector)?;
        let text = inspector.text(&view.ids);
        let config = inspector.model.config.clone();
        let messages = places(&messages, &inspector.text(&view.ids[..view.n_prompt]));
        // Marks of a template are no part of what is said.
        let said: Vec<Range<usize>> = match messages.is_empty() {
            true => std::iter::once(0..view.n_prompt).collect(),
            false => messages.iter().map(|message| message.tokens[0]..message.tokens[1]).collect(),
        };
        let sentences = said.into_iter().flat_map(|tokens| sentences(&text, tokens));
        Ok(Found {
            n_prompt: view.n_prompt,
            n_layers: config.n_layers,
            n_heads: config.n_heads,
            lenses: Lens::all_of(&inspector.model),
            default_lens: Lens::default_of(&inspector.model),
            pieces: pieces(&text).into_iter().map(str::to_owned).collect(),
            sentences: sentences.map(pair).collect(),
            messages,
            answer: answer_tokens(inspector, view)?,
        })
    };
    viewed.ask("inspection.overview", find).await
}

fn pair(range: Range<usize>) -> [usize; 2] {
    [range.start, range.end]
}

fn places(messages: &[Message], prompt: &TokenText) -> Vec<MessageAt> {
    let texts = messages.iter().map(|message| message.content.as_deref().unwrap_or_default());
    let found = contents(prompt, texts);
    let place = |(message, tokens): (&Message, Option<Range<usize>>)| {
        Some(MessageAt { role: message.role.clone(), tokens: pair(tokens?) })
    };
    messages.iter().zip(found).filter_map(place).collect()
}

fn answer_tokens(inspector: &mut Inspector<'_>, view: &View) -> Result<Vec<AnswerToken>, ApiError> {
    let scored = inspector.score(&view.ids, view.n_prompt)?;
    let token = |token: &PromptToken| {
        let piece = |id: u32| inspector.text(&[id]).text().to_owned();
        let top = token.top.iter().map(|&(id, logprob)| (piece(id), logprob)).collect();
        AnswerToken { logprob: token.logprob, top }
    };
    Ok(scored.prompt.iter().map(token).collect())
}

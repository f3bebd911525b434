//! `POST /v1/completions`: texts that are continued, and scored.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use engine::{LogprobsWanted, SpecialText};
use inspect::record::Row;
use serde_json::{Value, json};
use tokenizer::turn::Part;

use super::logprobs::{Place, of_text};
use super::request::Common;
use super::texts::Texts;
use super::usage::Totals;
use super::{Head, error_json, finish_reason, shaped, with};
use crate::access::client_of;
use crate::app::App;
use crate::attention::{self, AttentionWanted};
use crate::body::{self, fields};
use crate::conversation::Forms;
use crate::error::ApiError;
use crate::generation::{Answers, Delta, Generation, What};
use crate::served::Served;
use crate::sse::{self, Closed, Kind, Sink};
use crate::worker::Delivery;

fields! {
    Text {
        /// Texts or token ids, one or several.
        prompt: Texts,
        /// Puts the prompt before the answer, with its probabilities where logprobs is given.
        echo: bool,
        /// Probabilities of the tokens, and of so many of the likeliest in each place.
        logprobs: usize,
        /// Which rows of attention that wrote the answers are shown: layers, heads, top.
        attention: AttentionWanted,
        suffix: String,
        best_of: usize,
    }
    without_effect: []
}

/// All fields of a text.
pub(crate) type Body = (Common, (Text, Forms));

const OBJECT: &str = "text_completion";

pub(crate) async fn completions(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(app, request).await.unwrap_or_else(shaped)
}

/// One prompt on its way.
struct Asked {
    prompt: Vec<u32>,
    answers: Answers,
}

/// What is shown of the answers.
#[derive(Clone, Copy)]
struct Shown {
    echo: bool,
    logprobs: bool,
    n: usize,
}

/// One text, as far as it has come.
#[derive(Clone, Default)]
struct Continued {
    text: String,
    places: Vec<Place>,
    rows: Vec<Row>,
    end: &'static str,
}

async fn answer(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let limits = &app.options.limits;
    let client = client_of(request.headers());
    let (common, (mut own, forms)): Body = body::read(request, &app.options).await?;
    let served = app.models.writer(common.model.as_deref()).await?;
    own.check_supported(common.n)?;
    let (is_stream, has_usage) = (common.is_stream(), common.includes_usage());
    let echo = own.echo == Some(true);
    let shown = Shown { echo, logprobs: own.logprobs.is_some(), n: common.n.unwrap_or(1) };
    if is_stream && echo {
        return Err(ApiError::field("echo", "a stream has no place for the prompt"));
    }
    let logprobs = LogprobsWanted {
        n_top: own.logprobs.unwrap_or(0),
        of_prompt: (echo && shown.logprobs).then_some(1),
    };
    let wanted = own.attention.take();
    let prompts = tokio::task::block_in_place(|| own.prompts(&served))?;
    let among = (limits, prompts.len().saturating_mul(shown.n));
    let attention = wanted.map(|wanted| wanted.plan(&served, among)).transpose()?;
    let form = forms.form()?;
    let constraint = form.map(|form| served.compile(&form.grammar, form.field)).transpose()?;
    let request = engine::Request {
        kv_policy: served.kv_policy,
        constraint,
        client,
        ..engine::Request::new(Vec::new(), common.sampling()?)
    };
    // Bounds, seeds and texts are those of all prompts.
    let like = Generation { request, n: 1, prompt_field: "prompt", turn: None, attention };
    let like = common.apply(like, limits, logprobs)?;
    limits.check_choices(prompts.len() * like.n, "prompt")?;
    let mut asked = Vec::with_capacity(prompts.len());
    for prompt in prompts {
        let mut generation = like.clone();
        generation.request.prompt.clone_from(&prompt);
        asked.push(Asked {
            prompt,
            answers: generation.start(&served, limits, Delivery::of_stream(is_stream)).await?,
        });
    }
    let head = Head::new("cmpl-", &served);
    if !is_stream {
        return whole(&served, asked, shown, &head).await;
    }
    Ok(sse::response(Kind::Events, limits.keep_alive, move |sink| async move {
        stream(&served, asked, (shown, has_usage), head, &sink).await
    }))
}

impl Text {
    fn check_supported(&self, n: Option<usize>) -> Result<(), ApiError> {
        if self.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
            return Err(ApiError::field("suffix", "what follows an answer is not read here"));
        }
        match self.best_of {
            Some(best_of) if best_of != n.unwrap_or(1) => {
                let message = format!("expected {}, as n, found {best_of}", n.unwrap_or(1));
                Err(ApiError::field("best_of", message))
            }
            _ => Ok(()),
        }
    }

    fn prompts(self, served: &Served) -> Result<Vec<Vec<u32>>, ApiError> {
        let prompts = self.prompt.ok_or_else(|| ApiError::missing("prompt"))?;
        let encode = |text: &str| served.tokenizer.encode_prompt(text, SpecialText::Parse);
        let Ok(ids) = prompts.into_ids(|text| Ok::<_, Infallible>(encode(text)));
        Ok(ids)
    }
}

async fn whole(
    served: &Served,
    asked: Vec<Asked>,
    shown: Shown,
    head: &Head,
) -> Result<Response, ApiError> {
    let (mut choices, mut totals) = (Vec::new(), Totals::default());
    for Asked { prompt, answers } in asked {
        let (texts, of_prompt) = texts_of(served, &prompt, answers, shown).await?;
        totals.join(of_prompt);
        choices.extend(texts);
    }
    for (index, choice) in choices.iter_mut().enumerate() {
        choice["index"] = index.into();
    }
    let mut json = with(head.json(OBJECT, choices.into()), "usage", totals.usage());
    totals.extend(&mut json);
    Ok(Json(json).into_response())
}

/// The answers to one prompt.
async fn texts_of(
    served: &Served,
    prompt: &[u32],
    mut answers: Answers,
    shown: Shown,
) -> Result<(Vec<Value>, Totals), ApiError> {
    let tokenizer = &served.tokenizer;
    let mut start = Continued::default();
    if shown.echo {
        start.text = served.text(prompt);
        let first = prompt.first().map(|&id| Place { id, logprob: None, top: Vec::new() });
        start.places.extend(first);
    }
    let (mut choices, mut totals) = (vec![start; shown.n], Totals::default());
    while let Some(Delta { choice, what }) = answers.next().await? {
        let Continued { text: all, places, rows: seen, end } = &mut choices[choice];
        match what {
            What::Progress { .. } => {}
            What::Prompt(tokens) => places.extend(tokens.into_iter().map(|token| Place {
                id: token.token_id,
                logprob: Some(token.logprob),
                top: token.top,
            })),
            What::Token { id, logprob, top, parts, rows } => {
                seen.extend(rows);
                all.push_str(&text_of(parts));
                places.push(Place { id, logprob: Some(logprob), top });
            }
            What::End { parts, reason, usage, .. } => {
                all.push_str(&text_of(parts));
                *end = finish_reason(reason);
                totals.add(choice, usage, 0);
            }
        }
    }
    let choice = |Continued { text, places, rows, end }: Continued| {
        let logprobs = shown.logprobs.then(|| of_text(tokenizer, &places));
        let mut json =
            json!({"text": text, "index": 0, "logprobs": logprobs, "finish_reason": end});
        attention::show(&mut json, &rows);
        json
    };
    Ok((choices.into_iter().map(choice).collect(), totals))
}

/// An answer that is not read has no other parts.
fn text_of(parts: Vec<Part>) -> String {
    let text = |part| match part {
        Part::Text(text) => Some(text),
        Part::Reasoning(_) | Part::Call(_) => None,
    };
    parts.into_iter().filter_map(text).collect()
}

/// The rows that wrote a token, in a chunk of their own.
async fn show_rows(
    head: &Head,
    sink: &Sink,
    (index, token_id): (usize, u32),
    rows: &[Row],
) -> Result<(), Closed> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut choice = json!({"text": "", "index": index, "logprobs": null, "finish_reason": null});
    attention::show_token(&mut choice, token_id, rows);
    sink.data(&head.json(OBJECT, json!([choice]))).await
}

async fn stream(
    served: &Served,
    asked: Vec<Asked>,
    (shown, has_usage): (Shown, bool),
    head: Head,
    sink: &Sink,
) -> Result<(), Closed> {
    let mut totals = Totals::default();
    let chunk = async |index: usize, text: &str, place: Option<Place>, end: Option<&str>| {
        let place = place.filter(|_| shown.logprobs);
        let logprobs = place.map(|place| of_text(&served.tokenizer, &[place]));
        let choice =
            json!({"text": text, "index": index, "logprobs": logprobs, "finish_reason": end});
        let mut json = head.json(OBJECT, json!([choice]));
        if has_usage {
            json["usage"] = Value::Null;
        }
        sink.data(&json).await
    };
    for (prompt_idx, Asked { mut answers, .. }) in asked.into_iter().enumerate() {
        let mut of_prompt = Totals::default();
        loop {
            let Delta { choice, what } = match sink.wait(answers.next()).await? {
                Ok(Some(delta)) => delta,
                Ok(None) => break,
                Err(error) => return sink.data(&error_json(&error)).await,
            };
            let index = prompt_idx * shown.n + choice;
            match what {
                What::Progress { .. } | What::Prompt(_) => {}
                What::Token { id, logprob, top, parts, rows } => {
                    let text = text_of(parts);
                    if !text.is_empty() || shown.logprobs {
                        let place = Place { id, logprob: Some(logprob), top };
                        chunk(index, &text, Some(place), None).await?;
                    }
                    show_rows(&head, sink, (index, id), &rows).await?;
                }
                What::End { parts, reason, usage, .. } => {
                    of_prompt.add(choice, usage, 0);
                    chunk(index, &text_of(parts), None, Some(finish_reason(reason))).await?;
                }
            }
        }
        totals.join(of_prompt);
    }
    if has_usage {
        let mut json = with(head.json(OBJECT, json!([])), "usage", totals.usage());
        totals.extend(&mut json);
        sink.data(&json).await?;
    }
    sink.text("[DONE]").await
}

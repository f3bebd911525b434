//! `POST /v1/plan`: what the answer to a conversation will cost. The body is that of a chat, so
//! that what is about to be sent can be asked of first.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use engine::Outlook;
use model::Speeds;
use model::kv::KvPolicy;
use serde::Serialize;

use super::chat::Body;
use super::request::kv_policy;
use super::shaped;
use crate::app::App;
use crate::body;
use crate::conversation::Conversation;
use crate::error::ApiError;
use crate::served::Served;

/// Tokens of an answer of which nobody says how long it may be.
const N_ANSWER_ASSUMED: usize = 512;

#[derive(Serialize)]
struct PlanJson<'a> {
    object: &'static str,
    model: &'a str,
    n_ctx: usize,
    prompt_tokens: usize,
    /// Of the prompt, those that are in the cache now.
    cached_tokens: usize,
    /// And those that are not.
    compute_tokens: usize,
    /// `max_tokens`, or what is assumed, as far as there is room.
    answer_tokens: usize,
    answer_is_assumed: bool,
    /// Whether there is room for the prompt and the first token of an answer.
    fits: bool,
    /// As long as every layer keeps it.
    kv_bytes_per_token: usize,
    /// Of the prompt and the answer.
    kv_bytes: usize,
    /// Of a full context.
    kv_bytes_max: usize,
    weights_bytes: Option<usize>,
    #[serde(flatten)]
    times: Times,
}

/// `null` where nobody knows how fast the model is.
#[derive(Serialize, Default)]
struct Times {
    /// Seconds to the first token.
    prefill_s: Option<f64>,
    /// Tokens a second, over the whole answer.
    decode_tps: Option<f64>,
    /// Of all.
    seconds: Option<f64>,
}

/// Tokens of a conversation and its answer.
#[derive(Clone, Copy)]
struct Counts {
    n_cached: usize,
    n_prompt: usize,
    n_answer: usize,
}

pub(crate) async fn plan(State(app): State<Arc<App>>, request: Request) -> Response {
    planned(&app, request).await.unwrap_or_else(shaped)
}

async fn planned(app: &Arc<App>, request: Request) -> Result<Response, ApiError> {
    let (common, (own, (_, tools))): Body = body::read(request, &app.options).await?;
    if let Some(n) = common.n.filter(|&n| n != 1) {
        return Err(ApiError::field("n", format!("expected 1, found {n}: one answer is planned")));
    }
    let served = app.models.writer(common.model.as_deref()).await?;
    let conversation = Conversation { tools: tools.read()?, ..own.read()? };
    let prompt = conversation.encode(&served)?;
    let policy = common.kv_policy.as_deref().map_or(Ok(served.kv_policy), kv_policy)?;
    let n_prompt = prompt.len();
    let Outlook { reuse, n_tokens_max } = served.engine.outlook(prompt, policy).await?;
    let n_answer_max = common.max_completion_tokens.or(common.max_tokens);
    let n_room = n_tokens_max.saturating_sub(n_prompt);
    let n_answer = n_answer_max.unwrap_or(N_ANSWER_ASSUMED).min(n_room);
    let counts = Counts { n_cached: reuse.n_reused, n_prompt, n_answer };
    let speeds = app.speeds(&served).await;
    let policy = policy.after_prompt(n_prompt);
    let kv_bytes =
        |n_positions| served.kv_shape.bytes_under(policy, n_positions, served.n_tokens_max);
    let json = PlanJson {
        object: "plan",
        model: &served.name,
        n_ctx: served.n_ctx,
        prompt_tokens: n_prompt,
        cached_tokens: counts.n_cached,
        compute_tokens: n_prompt - counts.n_cached,
        answer_tokens: n_answer,
        answer_is_assumed: n_answer_max.is_none(),
        fits: n_room > 0,
        kv_bytes_per_token: served.kv_shape.position_bytes(),
        kv_bytes: kv_bytes(n_prompt + counts.n_decoded()),
        kv_bytes_max: kv_bytes(served.n_ctx),
        weights_bytes: served.model.as_ref().map(|model| model.n_weight_bytes()),
        times: speeds.map(|speeds| counts.times(&served, policy, &speeds)).unwrap_or_default(),
    };
    Ok(Json(json).into_response())
}

impl Counts {
    /// The last token is shown, not computed.
    fn n_decoded(self) -> usize {
        self.n_answer.saturating_sub(1)
    }

    fn times(self, served: &Served, policy: KvPolicy, speeds: &Speeds) -> Times {
        let Self { n_cached, n_prompt, n_answer } = self;
        let Some(model) = &served.model else { return Times::default() };
        let run = (&model.config, policy);
        let n_read = n_prompt - n_cached;
        let prefill_s = speeds.prefill_s(run, n_cached, n_read, served.n_tokens_max);
        let decode_s = speeds.decode_s(run, n_prompt, self.n_decoded(), 1);
        Times {
            prefill_s: Some(prefill_s),
            decode_tps: Some(speeds.decode_tps(run, n_prompt, n_answer, 1)),
            seconds: Some(prefill_s + decode_s),
        }
    }
}

//! The attention that wrote an answer: what a client may see of it, and the rows of each token.

use std::sync::{Arc, Mutex, PoisonError};

use engine::{Request, Watch};
use inspect::capture::{RowPlan, Selection, TopRows};
use inspect::record::Row;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::body::Described;
use crate::error::ApiError;
use crate::limits::Limits;
use crate::served::Served;

/// The field `attention` of a request. Only rows of its own text are shown.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttentionWanted {
    /// All, where they are not named.
    layers: Option<Vec<usize>>,
    heads: Option<Vec<usize>>,
    /// Heaviest keys of each row.
    #[serde(default = "default_top")]
    top: usize,
}

const FIELD: &str = "attention";
/// Heaviest keys of a row, unless somebody says otherwise.
pub(crate) const N_TOP: usize = 8;

fn default_top() -> usize {
    N_TOP
}

impl Described for AttentionWanted {
    fn schema() -> Value {
        let numbers = json!({"type": "array", "items": {"type": "integer", "minimum": 0}});
        json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "layers": {"anyOf": [numbers, {"type": "null"}]},
                "heads": {"anyOf": [numbers, {"type": "null"}]},
                "top": {"type": "integer", "minimum": 0},
            },
        })
    }
}

/// What is seen of each of some answers.
#[derive(Clone)]
pub(crate) struct AnswerPlan {
    rows: RowPlan,
    /// Bytes.
    n_bytes_max: usize,
}

impl AttentionWanted {
    /// What one request may see is divided among its answers.
    ///
    /// # Errors
    /// Layers and heads that the model does not have, or a model that shows none.
    pub(crate) fn plan(
        &self,
        served: &Served,
        (limits, n_answers): (&Limits, usize),
    ) -> Result<AnswerPlan, ApiError> {
        let Some(model) = &served.model else {
            return Err(ApiError::field(FIELD, "this model's attention cannot be seen"));
        };
        let chosen = (self.layers.as_deref(), self.heads.as_deref());
        let selection = Selection::new(&model.config, chosen.0, chosen.1);
        let selection = selection.map_err(|error| ApiError::field(FIELD, error.to_string()))?;
        let rows = RowPlan { selection, rows: 0..u32::MAX, n_top: self.top };
        Ok(AnswerPlan { rows, n_bytes_max: limits.attention_bytes / n_answers.max(1) })
    }
}

/// Puts the rows of an answer beside it, where there are any.
pub(crate) fn show(json: &mut Value, rows: &[Row]) {
    if !rows.is_empty() {
        json[FIELD] = json!({"rows": rows});
    }
}

/// Takes them away: what is kept of an answer is bounded, and they are larger than it.
pub(crate) fn hide(json: &mut Value) {
    if let Some(json) = json.as_object_mut() {
        json.remove(FIELD);
    }
}

/// Puts the rows that wrote a token into a part of a stream.
pub(crate) fn show_token(json: &mut Value, token_id: u32, rows: &[Row]) {
    json[FIELD] = json!({"token_id": token_id, "rows": rows});
}

/// The rows of an answer on its way.
pub(crate) struct AnswerRows {
    rows: Arc<Mutex<TopRows>>,
    /// The row that wrote the next token.
    next_pos: u32,
    /// Rows of tokens that were not told of yet.
    came: Vec<Row>,
}

impl AnswerRows {
    /// Lets a request be watched, from the row on that writes its first token.
    ///
    /// # Errors
    /// More to see than a request may: bytes needed, and the limit.
    pub(crate) fn watch(
        request: &mut Request,
        plan: &AnswerPlan,
        n_ctx: usize,
    ) -> Result<Self, ApiError> {
        let n_prompt = request.prompt.len();
        let n_answer = request.n_tokens_max.unwrap_or(n_ctx).min(n_ctx.saturating_sub(n_prompt));
        let next_pos = n_prompt.saturating_sub(1) as u32;
        let AnswerPlan { rows: plan, n_bytes_max } = plan.clone();
        let plan = RowPlan { rows: next_pos..next_pos + n_answer as u32, ..plan };
        let rows = TopRows::new(plan, n_prompt + n_answer, n_bytes_max).map_err(|error| {
            ApiError::field(FIELD, format!("{error}, or fewer tokens (max_tokens)"))
        })?;
        let rows = Arc::new(Mutex::new(rows));
        request.watch = Some(Watch::new(Arc::clone(&rows) as _));
        Ok(Self { rows, next_pos, came: Vec::new() })
    }

    /// The rows that wrote the next token.
    pub(crate) fn next(&mut self) -> Vec<Row> {
        let pos = self.next_pos;
        self.next_pos += 1;
        if !self.came.iter().any(|row| row.query_pos == pos) {
            // An engine may hold it for as long as a step takes.
            let took = tokio::task::block_in_place(|| {
                self.rows.lock().unwrap_or_else(PoisonError::into_inner).take()
            });
            // Rows that were computed twice have been told of.
            self.came.extend(took.into_iter().filter(|row| row.query_pos >= pos));
        }
        let (own, later) = self.came.drain(..).partition(|row| row.query_pos == pos);
        self.came = later;
        own
    }
}

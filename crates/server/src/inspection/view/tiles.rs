//! `POST /v1/inspect/tiles`: what blocks of the text were worth to a part of the answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use inspect::Inspector;
use inspect::capture::Lens;
use inspect::questions::view::{TilesAsked, View, tiles as find_tiles};

use super::super::look::lens;
use super::{Pair, Viewed, tokens_of};
use crate::app::App;
use crate::body::fields;
use crate::error::ApiError;
use crate::openai::shaped;

fields! {
    Body {
        /// First and end of tokens of the answer, counted from its first; all, where they are not
        /// given.
        tokens: Pair,
        /// weight, value_norm or logit, which is the default where it applies.
        by: String,
        /// First and end of the tokens of the text that are shown; all before the part of the
        /// answer, where they are not given.
        keys: Pair,
        /// Tokens that are added up: 64, where it is not given.
        block: usize,
        /// Up to 8 layers and heads, counted from 0, whose weights are shown too.
        heads: Vec<Pair>,
    }
    without_effect: []
}

const BLOCK: usize = 64;
const N_HEADS_MAX: usize = 8;

pub(crate) async fn tiles(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request).await.unwrap_or_else(shaped)
}

async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let (viewed, body) = Viewed::read::<Body>(app, request).await?;
    let by = lens(body.by.as_deref())?;
    let heads = body.heads.unwrap_or_default();
    if heads.len() > N_HEADS_MAX {
        let message = format!("expected at most {N_HEADS_MAX}, found {}", heads.len());
        return Err(ApiError::field("heads", message));
    }
    let find = move |inspector: &mut Inspector<'_>, view: &View| {
        let asked = TilesAsked {
            tokens: tokens_of(view, body.tokens),
            lens: by.unwrap_or_else(|| Lens::default_of(&inspector.model)),
            keys: body.keys.map(Into::into),
            block: body.block.unwrap_or(BLOCK),
            heads: heads.iter().map(|&Pair(layer, head)| (layer, head)).collect(),
        };
        Ok(find_tiles(inspector, view, &asked)?)
    };
    viewed.ask("inspection.tiles", find).await
}

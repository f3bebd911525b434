//! `/v1/responses`: OpenAI's newer dialect, whose answers are kept, so that a client may go on from
//! one of them by its name.

mod output;
mod request;
mod store;
mod stream;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

pub(crate) use self::request::Body;
pub(crate) use self::store::Stored;

use self::output::Head;
use self::store::Entry;
use crate::access::client_of;
use crate::app::App;
use crate::attention;
use crate::body;
use crate::error::ApiError;
use crate::openai::shaped;
use crate::routes::Name;
use crate::sse::{self, Kind};
use crate::worker::Delivery;

pub(crate) async fn create(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(app, request).await.unwrap_or_else(|error| shaped(error.of_field("messages", "input")))
}

async fn answer(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let limits = &app.options.limits;
    let client = client_of(request.headers());
    let body: Body = body::read(request, &app.options).await?;
    let served = app.models.writer(body.model.as_deref()).await?;
    let before = match &body.previous_response_id {
        Some(id) => app.stored.conversation(client, id)?,
        None => Vec::new(),
    };
    let head = Head::new(&body, &served.name);
    let (is_stream, is_stored) = (body.stream == Some(true), body.store != Some(false));
    let (sampling, length) = (body.sampling(), body.max_output_tokens);
    let wanted = body.attention.as_ref();
    let attention = wanted.map(|wanted| wanted.plan(&served, (limits, 1))).transpose()?;
    let input = body.input_items()?;
    let items: Vec<Value> = before.into_iter().chain(input.iter().cloned()).collect();
    let mut generation = body.read(&items)?.ask(&served, sampling, "input")?;
    generation.request.client = client;
    generation.request.n_tokens_max = length;
    generation.attention = attention;
    generation.request.deadline = Some(std::time::Instant::now() + limits.answer);
    let answers = generation.start(&served, limits, Delivery::of_stream(is_stream)).await?;
    let keep = move |app: &App, json: &Value| {
        if is_stored {
            let mut response = json.clone();
            attention::hide(&mut response);
            app.stored.keep(client, Entry { response, items, input });
        }
    };
    if is_stream {
        let keep_alive = limits.keep_alive;
        return Ok(sse::response(Kind::Events, keep_alive, move |sink| async move {
            if let Some(json) = stream::write(&head, answers, &sink).await? {
                keep(&app, &json);
            }
            Ok(())
        }));
    }
    let json = output::whole(&head, answers).await?;
    keep(&app, &json);
    Ok(Json(json).into_response())
}

pub(crate) async fn retrieve(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Name(id): Name,
) -> Response {
    match app.stored.response(client_of(&headers), &id) {
        Ok(json) => Json(json).into_response(),
        Err(error) => shaped(error),
    }
}

pub(crate) async fn forget(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Name(id): Name,
) -> Response {
    match app.stored.forget(client_of(&headers), &id) {
        Ok(()) => {
            Json(json!({"id": id, "object": "response.deleted", "deleted": true})).into_response()
        }
        Err(error) => shaped(error),
    }
}

pub(crate) async fn input_items(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Name(id): Name,
) -> Response {
    match app.stored.input(client_of(&headers), &id) {
        Ok(items) => {
            let name = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
            let (first, last) = (name(items.first()), name(items.last()));
            Json(json!({
                "object": "list",
                "data": items,
                "first_id": first,
                "last_id": last,
                "has_more": false,
            }))
            .into_response()
        }
        Err(error) => shaped(error),
    }
}

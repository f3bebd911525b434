//! What lies at which address: one table for the server and for the document that describes it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, delete, get, post};

use crate::access::{check_origin, is_allowed, origin_of};
use crate::app::App;
use crate::body::object;
use crate::error::ApiError;
use crate::openapi::{self, Address};
use crate::{
    anthropic, inspection, metrics, ollama, openai, page, rerank, responses, status, tokens, trace,
};

/// All addresses.
pub(crate) fn addresses() -> Vec<Address> {
    let mut all = of_openai();
    all.extend(of_inspection());
    all.extend(of_views());
    all.extend(of_others());
    all.extend(of_operation());
    all
}

fn of_openai() -> Vec<Address> {
    vec![
        post_at::<openai::ChatBody>(
            "/v1/chat/completions",
            "Answers a conversation",
            post(openai::chat_completions),
        ),
        post_at::<openai::TextBody>(
            "/v1/completions",
            "Continues texts",
            post(openai::completions),
        ),
        post_at::<responses::Body>(
            "/v1/responses",
            "Answers, and remembers",
            post(responses::create),
        ),
        get_at("/v1/responses/{id}", "An answer that is remembered", get(responses::retrieve)),
        Address::new(
            Method::DELETE,
            "/v1/responses/{id}",
            "Forgets an answer",
            None,
            delete(responses::forget),
        ),
        get_at(
            "/v1/responses/{id}/input_items",
            "What an answer was to",
            get(responses::input_items),
        ),
        post_at::<openai::EmbeddingsBody>(
            "/v1/embeddings",
            "Vectors of texts",
            post(openai::embeddings),
        ),
        post_at::<rerank::Body>("/v1/rerank", "Orders texts by a question", post(rerank::rerank)),
        post_at::<rerank::Body>("/rerank", "The same", post(rerank::rerank)),
        get_at("/v1/models", "What is served", get(openai::models)),
        get_at("/v1/models/{name}", "One of them", get(openai::model)),
        post_at::<openai::LoadBody>(
            "/v1/models/{name}/load",
            "Brings it into memory",
            post(openai::load),
        ),
    ]
}

fn of_inspection() -> Vec<Address> {
    vec![
        post_at::<inspection::LookBody>(
            "/v1/inspect/look",
            "Which sentences an answer came from",
            post(inspection::look),
        ),
        post_at::<inspection::WhoBody>(
            "/v1/inspect/who",
            "Which earlier mention a word stands for",
            post(inspection::who),
        ),
        post_at::<inspection::GroundBody>(
            "/v1/inspect/ground",
            "Whether an answer rests on a document",
            post(inspection::ground),
        ),
        post_at::<inspection::DrownBody>(
            "/v1/inspect/drown",
            "What becomes of a part of a text when more stands around it",
            post(inspection::drown),
        ),
        post_at::<inspection::InjectBody>(
            "/v1/inspect/inject",
            "Whether data draws the model away from its instruction",
            post(inspection::inject),
        ),
        post_at::<inspection::ContradictBody>(
            "/v1/inspect/contradict",
            "Which sentences may contradict each other",
            post(inspection::contradict),
        ),
        post_at::<inspection::HeadsBody>(
            "/v1/inspect/heads",
            "What each head of a model does",
            post(inspection::heads),
        ),
        post_at::<inspection::RowsBody>(
            "/v1/inspect/rows",
            "The attention of single tokens",
            post(inspection::rows),
        ),
    ]
}

/// The same conversation, seen part by part.
fn of_views() -> Vec<Address> {
    type Of<T> = (inspection::Subject, T);
    vec![
        post_at::<inspection::Subject>(
            "/v1/inspect/overview",
            "The tokens of a conversation, and how likely its answer was",
            post(inspection::overview),
        ),
        post_at::<inspection::Subject>(
            "/v1/inspect/strip",
            "What each token of an answer rests on",
            post(inspection::strip),
        ),
        post_at::<Of<inspection::TilesBody>>(
            "/v1/inspect/tiles",
            "What blocks of a text were worth to a part of the answer",
            post(inspection::tiles),
        ),
        post_at::<Of<inspection::Spanned>>(
            "/v1/inspect/grid",
            "What every head gives to a span",
            post(inspection::grid),
        ),
        post_at::<Of<inspection::ReadersBody>>(
            "/v1/inspect/readers",
            "Which tokens of the answer looked at a span",
            post(inspection::readers),
        ),
        post_at::<Of<inspection::Spanned>>(
            "/v1/inspect/knock_out",
            "What a part of the answer loses without a span",
            post(inspection::knock_out),
        ),
    ]
}

fn of_others() -> Vec<Address> {
    vec![
        post_at::<anthropic::Body>(
            "/v1/messages",
            "Answers a conversation in Anthropic's form",
            post(anthropic::messages),
        ),
        post_at::<anthropic::CountBody>(
            "/v1/messages/count_tokens",
            "Tokens of a conversation",
            post(anthropic::count_tokens),
        ),
        post_at::<ollama::ChatBody>(
            "/api/chat",
            "Answers a conversation in Ollama's form",
            post(ollama::chat),
        ),
        post_at::<ollama::GenerateBody>(
            "/api/generate",
            "Continues a text in Ollama's form",
            post(ollama::generate),
        ),
        post_at::<ollama::EmbedBody>(
            "/api/embed",
            "Vectors of texts in Ollama's form",
            post(ollama::embed),
        ),
        post_at::<ollama::ShowBody>("/api/show", "What is known of a model", post(ollama::show)),
        get_at("/api/tags", "What is served", get(ollama::tags)),
        get_at("/api/ps", "What is in memory", get(ollama::running)),
        get_at("/api/version", "Of this server", get(ollama::version)),
        post_at::<openai::ChatBody>(
            "/v1/plan",
            "What the answer to a conversation will cost",
            post(openai::plan),
        ),
        post_at::<tokens::TokenizeBody>("/tokenize", "Tokens of a text", post(tokens::tokenize)),
        post_at::<tokens::DetokenizeBody>(
            "/detokenize",
            "The text of tokens",
            post(tokens::detokenize),
        ),
        post_at::<tokens::TemplateBody>(
            "/apply-template",
            "The prompt of a conversation",
            post(tokens::apply_template),
        ),
        get_at("/props", "What is served, and how much of it", get(status::props)),
        get_at("/slots", "Who is being answered", get(status::slots)),
    ]
}

fn of_operation() -> Vec<Address> {
    vec![
        get_at("/health", "Whether models answer", get(status::health)),
        get_at("/metrics", "Numbers for Prometheus", get(metrics::metrics)),
        get_at("/openapi.json", "This document", get(openapi::document)),
    ]
}

type Handlers = MethodRouter<Arc<App>>;

fn post_at<T: crate::body::Fields>(
    path: &'static str,
    about: &'static str,
    handlers: Handlers,
) -> Address {
    Address::new(Method::POST, path, about, Some(object::<T>()), handlers)
}

fn get_at(path: &'static str, about: &'static str, handlers: Handlers) -> Address {
    Address::new(Method::GET, path, about, None, handlers)
}

pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for address in addresses() {
        router = router.route(address.path, address.handlers);
    }
    router
        .route("/", get(page::index))
        .route("/assets/{name}", get(page::asset))
        .fallback(async |request: Request| {
            shaped(request.uri().path(), ApiError::not_found("nothing is at this address"))
        })
        .method_not_allowed_fallback(async |request: Request| {
            shaped(request.uri().path(), ApiError::method_not_allowed())
        })
        .layer(from_fn_with_state(Arc::clone(&app), check_access))
        .layer(axum::middleware::from_fn(trace::traced))
        .with_state(app)
}

async fn check_access(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let path = request.uri().path();
    let is_open = path == "/health" || page::is_page(path);
    let origin = check_origin(headers, &app.names, &app.options.origins);
    let allowed = origin_of(headers).filter(|origin| is_allowed(origin, &app.options.origins));
    let allowed = allowed.and_then(|origin| HeaderValue::from_str(origin).ok());
    // A page asks first whether it may; it has no key then.
    if request.method() == Method::OPTIONS
        && origin.is_ok()
        && let Some(allowed) = allowed
    {
        return preflight(allowed);
    }
    let access = origin.and_then(|()| match is_open {
        true => Ok(()),
        false => app.options.keys.check(headers),
    });
    let mut response = match access {
        Ok(()) => next.run(request).await,
        Err(error) => shaped(request.uri().path(), error),
    };
    if let Some(allowed) = allowed {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
    }
    response
}

/// What a page may send.
fn preflight(origin: HeaderValue) -> Response {
    let text = HeaderValue::from_static;
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin),
        (header::ACCESS_CONTROL_ALLOW_METHODS, text("GET, POST, DELETE")),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            text("authorization, content-type, x-api-key, anthropic-version, anthropic-beta"),
        ),
        (header::VARY, text("Origin")),
    ];
    (headers, ()).into_response()
}

/// In the dialect of those who ask there.
fn shaped(path: &str, error: ApiError) -> Response {
    if path.starts_with("/v1/messages") {
        anthropic::shaped(error)
    } else if path.starts_with("/api/") {
        ollama::shaped(error)
    } else {
        openai::shaped(error)
    }
}

/// A name in an address.
pub(crate) struct Name(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let name = Path::<String>::from_request_parts(parts, state).await;
        let no_text = |_| openai::shaped(ApiError::not_found("what stands there is no name"));
        name.map(|Path(name)| Self(name)).map_err(no_text)
    }
}

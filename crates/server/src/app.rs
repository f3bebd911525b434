//! The server: models by name, and what lies at which address.

use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use engine::{ChatTemplate, Engine, Tokenizer};
use model::kv::KvPolicy;
use serde_json::json;
use tokio::net::TcpListener;

use crate::access::{Keys, check_origin};
use crate::encoder::ServedEncoder;
use crate::error::ApiError;
use crate::limits::Limits;
use crate::worker::EngineHandle;
use crate::{anthropic, openai, tokens};

/// A model that answers.
pub struct Served {
    pub(crate) name: String,
    pub(crate) engine: EngineHandle,
    pub(crate) tokenizer: Tokenizer,
    /// `None`: conversations are joined as plain text.
    pub(crate) template: Option<ChatTemplate>,
    pub(crate) n_ctx: usize,
    pub(crate) kv_policy: KvPolicy,
}

impl Served {
    /// Starts the thread of an engine.
    pub fn start(
        name: String,
        engine: Engine,
        (tokenizer, template): (Tokenizer, Option<ChatTemplate>),
        kv_policy: KvPolicy,
        limits: &Limits,
    ) -> Self {
        let n_ctx = engine.runner().n_ctx();
        let engine = EngineHandle::start(engine, limits.n_in_flight);
        Self { name, engine, tokenizer, template, n_ctx, kv_policy }
    }
}

#[derive(Clone, Default)]
pub struct ServerOptions {
    pub limits: Limits,
    pub keys: Keys,
    /// Lets unknown fields of a body pass.
    pub is_lenient: bool,
}

/// What a server serves: one model at the least.
#[derive(Default)]
pub struct Models {
    pub writers: Vec<Served>,
    pub encoders: Vec<ServedEncoder>,
}

/// What all requests see.
pub(crate) struct App {
    pub(crate) models: Models,
    pub(crate) options: ServerOptions,
    /// Names under which the server may be asked for; none: any.
    names: Vec<String>,
    /// Seconds since 1970.
    pub(crate) started: u64,
}

impl App {
    /// The model of a request: the first one that answers, where it names none.
    ///
    /// # Errors
    /// A name that nobody has here, or a model of another kind.
    pub(crate) fn model(&self, name: Option<&str>) -> Result<&Served, ApiError> {
        let mut writers = self.models.writers.iter();
        let found = writers.find(|served| name.is_none_or(|name| served.name == name));
        found.ok_or_else(|| self.not_there(name, "it makes vectors: ask /v1/embeddings"))
    }

    /// The same among those that make vectors.
    ///
    /// # Errors
    /// As for [`App::model`].
    pub(crate) fn encoder(&self, name: Option<&str>) -> Result<&ServedEncoder, ApiError> {
        let mut encoders = self.models.encoders.iter();
        let found = encoders.find(|served| name.is_none_or(|name| served.name == name));
        found.ok_or_else(|| self.not_there(name, "it answers: ask /v1/chat/completions"))
    }

    fn not_there(&self, name: Option<&str>, of_other_kind: &str) -> ApiError {
        match name {
            Some(name) if self.listed().any(|(listed, _)| listed == name) => ApiError::field(
                "model",
                format!("{name:?} is not for this address, {of_other_kind}"),
            ),
            name => self.no_such_model(name.unwrap_or("of this kind")),
        }
    }

    pub(crate) fn no_such_model(&self, name: &str) -> ApiError {
        let known: Vec<&str> = self.listed().map(|(name, _)| name).collect();
        ApiError::no_such_model(name, &format!("{} is", known.join(", ")))
    }

    /// Name and longest text of each model.
    pub(crate) fn listed(&self) -> impl Iterator<Item = (&str, usize)> {
        let writers = self.models.writers.iter().map(|served| (&*served.name, served.n_ctx));
        let encoders = self.models.encoders.iter();
        writers.chain(encoders.map(|served| (&*served.name, served.n_tokens_max)))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot listen on {address}: {source}")]
    Bind { address: SocketAddr, source: std::io::Error },
    #[error(
        "{address} can be reached from other machines: expected keys for those who may ask \
         (--api-key-file)"
    )]
    OpenToAll { address: SocketAddr },
    #[error("the server cannot run: {0}")]
    Run(#[from] std::io::Error),
}

/// A server that listens already.
pub struct Server {
    runtime: tokio::runtime::Runtime,
    listener: TcpListener,
    address: SocketAddr,
    app: Arc<App>,
}

impl Server {
    /// # Errors
    /// An address that is taken or not this machine's, and one that others can reach without keys.
    ///
    /// # Panics
    /// Without a model.
    pub fn bind(
        address: SocketAddr,
        models: Models,
        options: ServerOptions,
    ) -> Result<Self, ServerError> {
        let is_local = address.ip().is_loopback();
        if !is_local && options.keys.is_empty() {
            return Err(ServerError::OpenToAll { address });
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            // The cores are the engines'.
            .worker_threads(2)
            .enable_all()
            .build()?;
        let listener = runtime
            .block_on(TcpListener::bind(address))
            .map_err(|source| ServerError::Bind { address, source })?;
        let address = listener.local_addr()?;
        let local = ["localhost".to_owned(), "127.0.0.1".into(), "::1".into()];
        let names = match is_local {
            true => local.into_iter().chain([address.ip().to_string()]).collect(),
            false => Vec::new(),
        };
        let started = unix_seconds();
        let n_models = models.writers.len() + models.encoders.len();
        assert!(n_models > 0, "a server serves a model");
        let app = Arc::new(App { models, options, names, started });
        Ok(Self { runtime, listener, address, app })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the process is told to end (SIGINT, SIGTERM) or `stop` is resolved, then lets
    /// the answers that are on their way end.
    ///
    /// # Errors
    /// A listener that broke.
    pub fn run(self, stop: tokio::sync::oneshot::Receiver<()>) -> Result<(), ServerError> {
        let Self { runtime, listener, app, .. } = self;
        let drain = app.options.limits.drain;
        let (stopped, has_stopped) = tokio::sync::oneshot::channel();
        let router = router(app);
        let result = runtime.block_on(async move {
            let ending = async move {
                tokio::select! {
                    () = told_to_end() => {}
                    Ok(()) = stop => {}
                }
                let _ = stopped.send(());
            };
            let serve = axum::serve(listener, router).with_graceful_shutdown(ending);
            tokio::select! {
                result = serve.into_future() => result,
                // Whoever reads on forever is cut off.
                () = async { let _ = has_stopped.await; tokio::time::sleep(drain).await } => Ok(()),
            }
        });
        runtime.shutdown_background();
        Ok(result?)
    }
}

async fn told_to_end() {
    let interrupted = async { tokio::signal::ctrl_c().await.is_ok() };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    interrupted.await;
}

/// Hashers are seeded by the system.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0)
}

pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/v1/models", get(openai::models))
        .route("/v1/models/{name}", get(openai::model))
        .route("/v1/chat/completions", post(openai::chat_completions))
        .route("/v1/completions", post(openai::completions))
        .route("/v1/embeddings", post(openai::embeddings))
        .route("/tokenize", post(tokens::tokenize))
        .route("/detokenize", post(tokens::detokenize))
        .route("/apply-template", post(tokens::apply_template))
        .route("/props", get(tokens::props))
        .route("/v1/messages", post(anthropic::messages))
        .route("/v1/messages/count_tokens", post(anthropic::count_tokens))
        .fallback(async |request: Request| {
            shaped(request.uri().path(), ApiError::not_found("nothing is at this address"))
        })
        .method_not_allowed_fallback(async |request: Request| {
            shaped(request.uri().path(), ApiError::method_not_allowed())
        })
        .layer(from_fn_with_state(Arc::clone(&app), check_access))
        .with_state(app)
}

async fn check_access(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_open = request.uri().path() == "/health";
    let origin = check_origin(headers, &app.names);
    let access = origin.and_then(|()| match is_open {
        true => Ok(()),
        false => app.options.keys.check(headers),
    });
    match access {
        Ok(()) => next.run(request).await,
        Err(error) => shaped(request.uri().path(), error),
    }
}

/// In the dialect of those who ask there.
fn shaped(path: &str, error: ApiError) -> Response {
    match path.starts_with("/v1/messages") {
        true => anthropic::shaped(error),
        false => openai::shaped(error),
    }
}

/// `{"status": "ok"}`, and how many requests run or wait.
async fn health(State(app): State<Arc<App>>) -> Response {
    let in_flight = app.models.writers.iter().map(|served| served.engine.n_in_flight());
    match in_flight.sum::<Option<usize>>() {
        Some(n) => axum::Json(json!({"status": "ok", "in_flight": n})).into_response(),
        None => openai::shaped(ApiError::gone()),
    }
}

//! The server: what all requests see, and its way from the first to the last of them.

use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::access::Keys;
use crate::limits::Limits;
use crate::listen::{Tls, accept};
use crate::models::Models;
use crate::responses::Stored;
use crate::routes::router;
use crate::speeds::SpeedsKnown;

#[derive(Clone, Default)]
pub struct ServerOptions {
    pub limits: Limits,
    pub keys: Keys,
    /// Lets unknown fields of a body pass.
    pub is_lenient: bool,
    /// Pages of other sites that may ask, such as `https://chat.example`; `*`: all.
    pub origins: Vec<String>,
    /// `None`: plain HTTP.
    pub tls: Option<Tls>,
}

/// What all requests see.
pub(crate) struct App {
    pub(crate) models: Models,
    pub(crate) options: ServerOptions,
    /// Names under which the server may be asked for; none: any.
    pub(crate) names: Vec<String>,
    /// Seconds since 1970.
    pub(crate) started: u64,
    /// Answers that clients may come back to.
    pub(crate) stored: Stored,
    pub(crate) speeds: SpeedsKnown,
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
        assert!(!models.is_empty(), "a server serves a model");
        let (started, stored, speeds) = (unix_seconds(), Stored::default(), SpeedsKnown::default());
        let app = Arc::new(App { models, options, names, started, stored, speeds });
        Ok(Self { runtime, listener, address, app })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is found: `http://127.0.0.1:8080`.
    pub fn url(&self) -> String {
        let scheme = if self.app.options.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Answers until the process is told to end (SIGINT, SIGTERM) or `stop` is resolved, then lets
    /// the answers that are on their way end.
    ///
    /// # Errors
    /// A listener that broke.
    pub fn run(self, stop: oneshot::Receiver<()>) -> Result<(), ServerError> {
        let Self { runtime, listener, app, .. } = self;
        let router = router(Arc::clone(&app));
        runtime.block_on(async move {
            let tidying = tokio::spawn(unload_idle(Arc::clone(&app)));
            let ending = async move {
                tokio::select! {
                    () = told_to_end() => {}
                    Ok(()) = stop => {}
                }
            };
            accept(listener, router, &app.options, ending).await;
            tidying.abort();
        });
        runtime.shutdown_background();
        Ok(())
    }
}

/// Looks now and then for models that nobody asks.
async fn unload_idle(app: Arc<App>) {
    const SECONDS_MAX: u64 = 10;
    let Some(idle) = app.models.idle else { return };
    let pause = (idle / 4).clamp(Duration::from_millis(10), Duration::from_secs(SECONDS_MAX));
    loop {
        tokio::time::sleep(pause).await;
        app.models.unload_idle();
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

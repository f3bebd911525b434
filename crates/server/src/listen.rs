//! Connections: accepted, encrypted where that is asked for, and bounded in time and size, so that
//! who sends slowly or nothing at all holds little and not for long.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

use crate::app::ServerOptions;
use crate::limits::Limits;

/// A certificate and its key.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path}: expected {expected} in PEM: {problem}")]
    Pem { path: String, expected: &'static str, problem: String },
    #[error("{path}: the certificate and the key do not fit: {problem}")]
    Pair { path: String, problem: String },
}

impl Tls {
    /// Reads a chain of certificates and the private key of the first, both as PEM.
    ///
    /// # Errors
    /// Files that cannot be read, hold something else, or do not belong together.
    pub fn read(certificates: &Path, key: &Path) -> Result<Self, TlsError> {
        let pem = |path: &Path, expected: &'static str, problem: String| TlsError::Pem {
            path: path.display().to_string(),
            expected,
            problem,
        };
        let of_certificates = |problem: String| pem(certificates, "certificates", problem);
        let chain = CertificateDer::pem_file_iter(certificates)
            .and_then(|all| all.collect::<Result<Vec<_>, _>>())
            .map_err(|error| of_certificates(error.to_string()))?;
        if chain.is_empty() {
            return Err(of_certificates("found none".into()));
        }
        let private = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| pem(key, "a private key", error.to_string()))?;
        let pair =
            |problem: String| TlsError::Pair { path: certificates.display().to_string(), problem };
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
            .map_err(|error| pair(error.to_string()))?;
        Ok(Self(Arc::new(config)))
    }
}

/// Answers all who connect until `ending`, then waits for those who are being answered, as long as
/// the limits say.
pub(crate) async fn accept(
    listener: TcpListener,
    router: Router,
    options: &ServerOptions,
    ending: impl Future<Output = ()>,
) {
    let limits = options.limits;
    let places = Arc::new(Semaphore::new(limits.n_connections));
    let graceful = GracefulShutdown::new();
    let tls = options.tls.as_ref().map(|tls| TlsAcceptor::from(Arc::clone(&tls.0)));
    tokio::pin!(ending);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = &mut ending => break,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, say: others may end meanwhile.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Answers are small parts that somebody waits for.
        let _ = stream.set_nodelay(true);
        let (router, watcher) = (router.clone(), graceful.watcher());
        let tls = tls.clone();
        tokio::spawn(async move {
            match tls {
                None => serve(stream, router, &limits, watcher, place).await,
                Some(tls) => {
                    let encrypted = encrypted(stream, &tls, limits.header).await;
                    if let Some(stream) = encrypted {
                        serve(stream, router, &limits, watcher, place).await;
                    }
                }
            }
        });
    }
    drop(listener);
    // Whoever reads on forever is cut off.
    let _ = tokio::time::timeout(limits.drain, graceful.shutdown()).await;
}

/// `None`: it is no TLS, or takes too long to become it.
async fn encrypted(
    stream: TcpStream,
    tls: &TlsAcceptor,
    time: Duration,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    tokio::time::timeout(time, tls.accept(stream)).await.ok()?.ok()
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    limits: &Limits,
    watcher: hyper_util::server::graceful::Watcher,
    place: Option<OwnedSemaphorePermit>,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Counts from the end of the answer before: idle connections end by it too.
        .header_read_timeout(limits.header)
        .max_buf_size(limits.header_bytes)
        .max_headers(limits.n_headers)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // A client that breaks off is no error of ours.
    let _ = watcher.watch(connection).await;
    drop(place);
}

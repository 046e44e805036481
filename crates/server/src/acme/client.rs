//! How a certificate authority is spoken to: https only, its certificate verified against the
//! public roots or the host's own file, each request under a deadline and each answer under a
//! limit. What it says with Retry-After is noted. The address is the host's own choice, so the
//! guard against inward addresses has no place here.

use super::schedule::retry_after_ms;
use crate::{
    certificate,
    limits::{ACME_BODY_BYTES_MAX, ACME_REQUEST_S},
    world::WallClock,
};
use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, StatusCode, header::RETRY_AFTER};
use http_body_util::{BodyExt as _, Limited};
use httpkit::egress::{Dialler, Egress};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{client::legacy::Client as Pool, rt::TokioExecutor};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use model::ports::Clock as _;
use parking_lot::Mutex;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use std::{future::Future, path::Path, pin::Pin, sync::Arc, time::Duration};

/// The client. Clones share their connections, and what they were told.
#[derive(Clone)]
pub(super) struct Client {
    pool: Pool<HttpsConnector<Dialler>, BodyWrapper<Bytes>>,
    told_until_ms: Arc<Mutex<Option<i64>>>,
}

impl Client {
    /// For a directory that the public roots vouch for, or the certificates in this file.
    pub(super) fn new(roots_file: Option<&Path>, egress: Egress) -> anyhow::Result<Self> {
        let roots = match roots_file {
            Some(path) => roots(path)?,
            None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
        };
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let builder = HttpsConnectorBuilder::new().with_tls_config(config);
        let connector = builder.https_only().enable_http1().wrap_connector(Dialler(egress));
        let pool = Pool::builder(TokioExecutor::new()).build(connector);
        Ok(Self { pool, told_until_ms: Arc::default() })
    }

    /// Until when it was asked to wait since this was last read, in Unix milliseconds.
    pub(super) fn take_told_until_ms(&self) -> Option<i64> {
        self.told_until_ms.lock().take()
    }
}

fn roots(path: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let pem = certificate::read_file(path)?;
    for found in CertificateDer::pem_slice_iter(&pem) {
        let found = found.map_err(|_| anyhow::anyhow!("{} is not PEM", path.display()))?;
        roots.add(found).with_context(|| path.display().to_string())?;
    }
    anyhow::ensure!(!roots.is_empty(), "there is no certificate in {}", path.display());
    Ok(roots)
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move {
            let asked =
                tokio::time::timeout(Duration::from_secs(ACME_REQUEST_S), client.ask(request));
            asked.await.unwrap_or_else(|_| Err(Error::Str("an answer in time")))
        })
    }
}

impl Client {
    async fn ask(&self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let answer = self.pool.request(request).await.map_err(|e| Error::Other(Box::new(e)))?;
        let (parts, body) = answer.into_parts();
        let waits = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
        if waits.contains(&parts.status) {
            let said = parts.headers.get(RETRY_AFTER).and_then(|said| said.to_str().ok());
            let until_ms = said.and_then(|said| retry_after_ms(said, WallClock.now().ms()));
            *self.told_until_ms.lock() = until_ms;
        }
        let whole =
            Limited::new(body, ACME_BODY_BYTES_MAX).collect().await.map_err(Error::Other)?;
        Ok(BytesResponse { parts, body: Box::new(whole.to_bytes()) })
    }
}

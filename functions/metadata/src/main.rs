//! `GET /.well-known/...` (RFC 8414, 7517, 9728) and `GET /healthz`.
//!
//! Needs: keys (read).

use shared::endpoints::metadata::Endpoint;
use shared::runtime::{Config, Error, Runtime, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let runtime = Runtime::start()?;
    let keyring = runtime.keyring(None).await?;
    let Config { feed_seconds, password_grant, .. } = runtime.config;
    let endpoint = Endpoint { store: runtime.store(), keyring, feed_seconds, password_grant };

    serve(|request, fresh| endpoint.handle(request, fresh)).await
}

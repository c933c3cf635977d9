//! `GET /.well-known/...` (RFC 8414, 7517, 9728) and `GET /healthz`.
//!
//! Needs: keys (read).

use shared::endpoints::metadata::Endpoint;
use shared::runtime::{Error, Runtime, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let runtime = Runtime::start()?;
    let keyring = runtime.keyring(None).await?;
    let endpoint = Endpoint { store: runtime.store(), keyring, feed_seconds: runtime.config.feed_seconds };

    serve(|request, fresh| endpoint.handle(request, fresh)).await
}

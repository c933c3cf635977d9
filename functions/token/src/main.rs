//! `POST /oauth2/token`: the token endpoint (RFC 6749 §3.2).
//!
//! Needs: clients, Apis and keys (read), token records (write), the notes of a secret's use and the counts (write), the seal (open).

use shared::endpoints::{Tally, token::Endpoint};
use shared::runtime::{Error, Runtime, now, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let runtime = Runtime::start()?;
    let keyring = runtime.keyring(Some(runtime.sealer()?)).await?;
    let endpoint = Endpoint { store: runtime.store(), keyring, feed_seconds: runtime.config.feed_seconds, tally: Tally::default() };
    endpoint.warm(now()).await?;

    serve(|request, fresh| endpoint.handle(request, fresh)).await
}

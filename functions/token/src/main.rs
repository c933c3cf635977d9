//! `POST /oauth2/token`: the token endpoint (RFC 6749 §3.2).
//!
//! Needs: clients, Apis, users, groups, assignments, consents, origins and keys (read), grants and failed sign-ins (read, write), token records, the
//! notes of a secret's use, the feed, the audit trail and the counts (write), the seal (open).

use shared::endpoints::{Tally, token::Endpoint};
use shared::runtime::{Config, Error, Runtime, now, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let runtime = Runtime::start()?;
    let keyring = runtime.keyring(Some(runtime.sealer()?)).await?;
    let Config { feed_seconds, password_grant, .. } = runtime.config;
    let endpoint = Endpoint { store: runtime.store(), keyring, feed_seconds, password_grant, tally: Tally::default() };
    endpoint.warm(now()).await?;

    serve(|request, fresh| endpoint.handle(request, fresh)).await
}

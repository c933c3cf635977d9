//! The request authorizer of API Gateway: REST `TOKEN` and `REQUEST`, HTTP API 1.0 and 2.0, WebSocket `$connect`.
//!
//! Needs: clients, Apis, privileges, users, groups, assignments, consents, grants, keys, token records and the feed (read), failed sign-ins
//! (read, write), the counts and the audit trail (write).

use shared::endpoints::authorizer::Endpoint;
use shared::runtime::{Error, Runtime, now, serve_authorizer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let runtime = Runtime::start()?;
    let keyring = runtime.unread_keyring();
    let endpoint = Endpoint::new(runtime.store(), keyring, runtime.config.authorizer_response, runtime.config.feed_seconds);
    endpoint.warm(now()).await?;

    serve_authorizer(endpoint, &runtime.config.table).await
}

//! `/oauth2/authorize`: the authorization endpoint (RFC 6749 §3.1), with sign-in and consent pages.
//!
//! Needs: clients, Apis, users, groups and assignments (read), sessions, consents and failed sign-ins (read, write), grants and the audit
//! trail (write).

use shared::endpoints::authorize::Endpoint;
use shared::runtime::{Error, Runtime, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let runtime = Runtime::start()?;
    let endpoint = Endpoint { store: runtime.store(), issuer: runtime.config.issuer.clone(), brand: runtime.config.brand.clone() };
    endpoint.warm().await?;

    serve(|request, fresh| endpoint.handle(request, fresh)).await
}

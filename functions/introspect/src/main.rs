//! `POST /oauth2/introspect` (RFC 7662), `POST /oauth2/diagnose` and, where it is switched on, `POST /oauth2/tokeninfo`.
//!
//! Needs: clients, Apis, privileges, users, groups, assignments, consents, grants, keys and token records (read), failed sign-ins (read,
//! write), the counts (write).

use shared::endpoints::{Tally, introspect::Endpoint};
use shared::runtime::{Error, Runtime, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let runtime = Runtime::start()?;
    let endpoint = Endpoint { evidence: runtime.evidence().await?, tokeninfo: runtime.config.tokeninfo, tally: Tally::default() };

    serve(|request, fresh| endpoint.handle(request, fresh)).await
}

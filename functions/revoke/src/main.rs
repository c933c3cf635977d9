//! `POST /oauth2/revoke` (RFC 7009).
//!
//! Needs: clients, Apis, users, groups, assignments, consents, origins and keys (read), token records, grants and failed sign-ins (read, write), the
//! feed, the audit trail and the counts (write).

use shared::endpoints::{Tally, revoke::Endpoint};
use shared::runtime::{Error, Runtime, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let runtime = Runtime::start()?;
    let endpoint = Endpoint { evidence: runtime.evidence().await?, tally: Tally::default() };

    serve(|request, fresh| endpoint.handle(request, fresh)).await
}

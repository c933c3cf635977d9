//! `POST /oauth2/revoke` (RFC 7009).
//!
//! Needs: clients, Apis, keys and token records (read), token records, the feed and the audit trail (write), the counts (write).

use shared::endpoints::{Tally, revoke::Endpoint};
use shared::runtime::{Error, Runtime, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let runtime = Runtime::start()?;
    let endpoint = Endpoint { evidence: runtime.evidence().await?, tally: Tally::default() };

    serve(|request, fresh| endpoint.handle(request, fresh)).await
}

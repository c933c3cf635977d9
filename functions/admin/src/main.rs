//! `/admin/v1`: the admin API.
//!
//! Needs: clients, Apis, roles, privileges, users, groups, assignments, consents, keys, token records and the audit trail (read, write), grants
//! and the counts (read), origins, sealed keys and the feed (write), the seal (seal).

use std::sync::Arc;

use shared::endpoints::{admin, evidence::Evidence, rotate};
use shared::runtime::{Error, Runtime, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let runtime = Runtime::start()?;
    let keyring = runtime.keyring(Some(runtime.sealer()?)).await?;
    let rotate = Arc::new(rotate::Endpoint { store: runtime.store(), keyring: Arc::clone(&keyring) });
    let evidence = Evidence { store: runtime.store(), keyring };
    let endpoint = admin::Endpoint { evidence, rotate, enabled: runtime.config.admin_api };

    serve(|request, fresh| endpoint.handle(request, fresh)).await
}

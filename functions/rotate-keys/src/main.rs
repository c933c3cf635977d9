//! The schedule of key rotation: makes the first key, publishes the next one ahead of its use, drops what no token refers to.
//!
//! Needs: keys (read and write), sealed keys, the feed and the audit trail (write), the seal (seal).

use shared::endpoints::rotate::Endpoint;
use shared::runtime::{Error, Runtime, serve_schedule};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let runtime = Runtime::start()?;
    let keyring = runtime.keyring(Some(runtime.sealer()?)).await?;

    serve_schedule(Endpoint { store: runtime.store(), keyring }, &runtime.config.table).await
}

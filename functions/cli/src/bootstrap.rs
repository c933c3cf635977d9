//! `gatewright bootstrap`: the first admin client and the first signing key of a deployment, straight to the table, once.

use serde_json::json;
use shared::endpoints::bootstrap::{Given, bootstrap};
use shared::endpoints::rotate::Rotation;
use shared::oauth::api::SigningAlg;
use shared::oauth::ids::ClientId;
use shared::runtime::fresh;

use crate::arguments::BootstrapArguments;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::variable;
use crate::table::Table;

/// Runs the command.
///
/// # Errors
/// Where there was a first admin client already, or the table or KMS refuses.
pub async fn run(wanted: BootstrapArguments, url: Option<&str>, output: &Output) -> Result<(), Fault> {
    if url.is_some() {
        return Err(Fault::new("the bootstrap goes straight to the table under IAM, without --url"));
    }
    let table = Table::open(&variable).await?;
    if let Some(first) = table.store.bootstrapped().await?.filter(|_| !wanted.force) {
        return Err(made_already(&first));
    }
    // The key comes first: a client that was made and never shown would be lost.
    table.must_seal()?;
    table.rotate.rotate(Rotation::First(SigningAlg::default()), "cli", &fresh()?).await?;
    let client_id = wanted.client_id.clone();
    let given = Given { client_id: wanted.client_id, client_secret: None };
    match bootstrap(&table.store, given, wanted.force, &fresh()?).await? {
        Some(made) => output.object(&json!({"client_id": made.client_id, "client_secret": made.client_secret.expose()})),
        None => match (table.store.bootstrapped().await?.filter(|_| !wanted.force), client_id) {
            (Some(first), _) => Err(made_already(&first)),
            (None, Some(taken)) => Err(Fault::new(format!("a client `{taken}` exists already, give another --client-id"))),
            (None, None) => Err(Fault::new("the table changed meanwhile, try again")),
        },
    }
}

fn made_already(first: &ClientId) -> Fault {
    Fault::new(format!("the first admin client was made already, it is `{first}`; --force makes another"))
}

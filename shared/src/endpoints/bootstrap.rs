//! The first admin client: made once, by somebody whom IAM lets write to the table, or by the local runner.

use crate::oauth::api::{ADMIN_AUDIENCE, ADMIN_SCOPES};
use crate::oauth::change::AuditEvent;
use crate::oauth::client::{Client, ClientMetadata, GrantType};
use crate::oauth::fresh::Fresh;
use crate::oauth::ids::ClientId;
use crate::oauth::secret::{ClientSecret, StoredSecret};
use crate::store::{Commit, Store, StoreError};

/// What the first admin client may be given instead of generated values.
#[derive(Debug, Default)]
pub struct Given {
    /// Its identifier.
    pub client_id: Option<ClientId>,
    /// Its secret: 32 characters or more.
    pub client_secret: Option<ClientSecret>,
}

/// The first admin client, and its secret, which is shown this once.
#[derive(Debug)]
pub struct FirstAdmin {
    /// Its identifier.
    pub client_id: ClientId,
    /// Its secret.
    pub client_secret: ClientSecret,
}

/// Makes the first admin client, with every scope of the admin API. `None` where there was one before and `force` is not set, or
/// where the identifier is taken.
///
/// # Errors
/// Where the table did not answer.
pub async fn bootstrap(store: &Store, given: Given, force: bool, fresh: &Fresh) -> Result<Option<FirstAdmin>, StoreError> {
    let generated = || ClientId::parse(&format!("admin-{}", fresh.hex_id("client_id")));
    let Some(client_id) = given.client_id.or_else(generated) else { return Ok(None) };
    let client_secret = given.client_secret.unwrap_or_else(|| ClientSecret::generate(fresh));
    let metadata: ClientMetadata = serde_json::from_value(serde_json::json!({
        "client_name": format!("first administrator ({client_id})"),
        "grant_types": [GrantType::ClientCredentials],
        "scopes": ADMIN_SCOPES.map(|value| format!("{ADMIN_AUDIENCE}{value}")),
        "description": "made by the bootstrap",
    }))
    .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let client = Client {
        tokens_valid_from: fresh.now,
        metadata,
        secrets: vec![StoredSecret::of(&client_secret, None, fresh)],
        anonymous_keys: Vec::new(),
        created_at: fresh.now,
        updated_at: fresh.now,
        version: 1,
        client_id: client_id.clone(),
    };
    let audit = AuditEvent { client_id: Some(client_id.clone()), ..AuditEvent::done(fresh.now, "client.bootstrapped", "cli") };
    let commit = store.bootstrap(&client, force, &audit, fresh).await?;
    Ok((commit == Commit::Done).then_some(FirstAdmin { client_id, client_secret }))
}

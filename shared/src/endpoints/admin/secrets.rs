//! `/admin/v1/clients/{client_id}/secrets`: at most two live, shown once, ended at once.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::respond::{self, Response};
use super::problem::Problem;
use super::{Context, body, page};
use crate::oauth::client::{Client, ClientType, MOST_SECRETS};
use crate::oauth::registration::Invalid;
use crate::oauth::secret::{ClientSecret, StoredSecret};

/// The longest life of a secret that has one, in seconds: ten years.
const LONGEST_SECRET_LIFE: u64 = 315_360_000;

#[derive(Deserialize)]
struct NewSecret {
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Context<'_> {
    pub(super) async fn list_secrets(&self, id: &str) -> Result<Response, Problem> {
        self.caller.require("clients.read")?;
        let (client, _) = self.find_client(id).await?;
        Ok(page(client.secrets.iter().map(shown).collect(), None))
    }

    pub(super) async fn create_secret(&self, id: &str) -> Result<Response, Problem> {
        self.caller.require("clients.write")?;
        let wanted: NewSecret = body::read(body::object(self.request, true)?, &["expires_in"])?;
        if wanted.expires_in.is_some_and(|life| !(1..=LONGEST_SECRET_LIFE).contains(&life)) {
            return Err(vec![Invalid::new("/expires_in", "must be null or 1 to 315360000 seconds")].into());
        }
        let now = self.fresh.now;
        let secret = ClientSecret::generate(self.fresh);
        let stored = StoredSecret::of(&secret, wanted.expires_in.map(|life| now.plus(life)), self.fresh);
        self.changed_client(id, ("client.secret_created", Some(&stored.secret_id)), |mut client, _| {
            self.guard_admin_scopes(&client.metadata.scopes)?;
            if client.metadata.client_type == ClientType::Public {
                return Err(Problem::Conflict("a public client has no secret".to_owned()));
            }
            client.secrets.retain(|secret| secret.is_live(now));
            if client.secrets.len() >= MOST_SECRETS {
                return Err(Problem::Conflict("the client has two live secrets, delete one first".to_owned()));
            }
            client.secrets.push(stored.clone());
            Ok(client)
        })
        .await?;
        let mut body = shown(&stored);
        if let Some(members) = body.as_object_mut() {
            members.remove("last_used_at");
            members.insert("client_secret".to_owned(), secret.expose().into());
        }
        Ok(respond::json(StatusCode::CREATED, &body))
    }

    pub(super) async fn delete_secret(&self, id: &str, secret_id: &str) -> Result<Response, Problem> {
        self.caller.require("clients.write")?;
        self.changed_client(id, ("client.secret_deleted", Some(secret_id)), |client, _| {
            self.guard_admin_scopes(&client.metadata.scopes)?;
            let kept: Vec<_> = client.secrets.iter().filter(|secret| secret.secret_id != secret_id).cloned().collect();
            if kept.len() == client.secrets.len() { Err(Problem::NotFound) } else { Ok(Client { secrets: kept, ..client }) }
        })
        .await?;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }
}

/// A secret as the admin API lists it; it was last used at some time of the day that is shown.
fn shown(secret: &StoredSecret) -> Value {
    json!({
        "secret_id": secret.secret_id,
        "created_at": secret.created_at.rfc3339(),
        "expires_at": secret.expires_at.map(|at| at.rfc3339()),
        "last_used_at": secret.last_used_on.as_ref().map(|day| format!("{day}T00:00:00Z")),
    })
}

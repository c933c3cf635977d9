//! `/admin/v1/clients/{client_id}/secrets` and `/anonymous-keys`: at most two live of each, shown once, ended at once.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::respond::{self, Response};
use super::problem::Problem;
use super::{Context, body, page};
use crate::oauth::client::{Client, ClientType, MOST_SECRETS};
use crate::oauth::invalid::Invalid;
use crate::oauth::secret::{AnonymousKey, ClientSecret, StoredSecret};
use crate::oauth::time::Timestamp;

/// The longest life of a secret or key that has one, in seconds: ten years.
const LONGEST_SECRET_LIFE: u64 = 315_360_000;

#[derive(Deserialize)]
struct NewSecret {
    #[serde(default)]
    expires_in: Option<u64>,
}

/// What a client has several of, one in use and one being rolled out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What it authenticates with.
    Secret,
    /// What its apps ship.
    AnonymousKey,
}

impl Kind {
    fn of(self, client: &mut Client) -> &mut Vec<StoredSecret> {
        match self {
            Self::Secret => &mut client.secrets,
            Self::AnonymousKey => &mut client.anonymous_keys,
        }
    }

    /// A secret as the admin API lists it; it was last used at some time of the day that is shown. An authorizer writes nothing for a call,
    /// so of a key that is not known: `/usage` counts its client's anonymous calls.
    fn shown(self, secret: &StoredSecret) -> Value {
        let (created_at, expires_at) = (secret.created_at.rfc3339(), secret.expires_at.map(|at| at.rfc3339()));
        match self {
            Self::Secret => json!({
                "secret_id": secret.secret_id,
                "created_at": created_at,
                "expires_at": expires_at,
                "last_used_at": secret.last_used_on.as_ref().map(|day| format!("{day}T00:00:00Z")),
            }),
            Self::AnonymousKey => json!({"key_id": secret.secret_id, "created_at": created_at, "expires_at": expires_at}),
        }
    }
}

impl Context<'_> {
    pub(super) async fn list_secrets(&self, id: &str, kind: Kind) -> Result<Response, Problem> {
        self.caller.require("clients.read")?;
        let (mut client, _) = self.find_client(id).await?;
        Ok(page(kind.of(&mut client).iter().map(|secret| kind.shown(secret)).collect(), None))
    }

    pub(super) async fn create_secret(&self, id: &str, kind: Kind) -> Result<Response, Problem> {
        self.caller.require("clients.write")?;
        let wanted: NewSecret = body::read(body::object(self.request, true)?, &["expires_in"])?;
        if wanted.expires_in.is_some_and(|life| !(1..=LONGEST_SECRET_LIFE).contains(&life)) {
            return Err(vec![Invalid::new("/expires_in", "must be null or 1 to 315360000 seconds")].into());
        }
        let now = self.fresh.now;
        let (stored, member, shown_once) = self.generated(kind, wanted.expires_in.map(|life| now.plus(life)));
        let (event, most) = match kind {
            Kind::Secret => ("client.secret_created", "the client has two live secrets, delete one first"),
            Kind::AnonymousKey => ("client.anonymous_key_created", "the client has two live anonymous keys, delete one first"),
        };
        self.changed_client(id, (event, Some(&stored.secret_id)), |mut client, _| {
            self.guard_admin_scopes(&client.metadata.scopes)?;
            if kind == Kind::Secret && client.metadata.client_type == ClientType::Public {
                return Err(Problem::Conflict("a public client has no secret".to_owned()));
            }
            let secrets = kind.of(&mut client);
            secrets.retain(|secret| secret.is_live(now));
            if secrets.len() >= MOST_SECRETS {
                return Err(Problem::Conflict(most.to_owned()));
            }
            secrets.push(stored.clone());
            Ok(client)
        })
        .await?;
        let mut body = kind.shown(&stored);
        if let Some(members) = body.as_object_mut() {
            members.remove("last_used_at");
            members.insert(member.to_owned(), shown_once.into());
        }
        Ok(respond::json(StatusCode::CREATED, &body))
    }

    /// A new one as it is stored, and as it is shown in this one answer, with the name of its member.
    fn generated(&self, kind: Kind, expires_at: Option<Timestamp>) -> (StoredSecret, &'static str, String) {
        match kind {
            Kind::Secret => {
                let secret = ClientSecret::generate(self.fresh);
                (StoredSecret::of(&secret, expires_at, self.fresh), "client_secret", secret.expose().to_owned())
            }
            Kind::AnonymousKey => {
                let key = AnonymousKey::generate(self.fresh);
                (StoredSecret::of_key(&key, expires_at, self.fresh), "anonymous_key", key.expose().to_owned())
            }
        }
    }

    pub(super) async fn delete_secret(&self, id: &str, kind: Kind, secret_id: &str) -> Result<Response, Problem> {
        self.caller.require("clients.write")?;
        let event = match kind {
            Kind::Secret => "client.secret_deleted",
            Kind::AnonymousKey => "client.anonymous_key_deleted",
        };
        self.changed_client(id, (event, Some(secret_id)), |mut client, _| {
            self.guard_admin_scopes(&client.metadata.scopes)?;
            let secrets = kind.of(&mut client);
            let before = secrets.len();
            secrets.retain(|secret| secret.secret_id != secret_id);
            if secrets.len() == before { Err(Problem::NotFound) } else { Ok(client) }
        })
        .await?;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }
}

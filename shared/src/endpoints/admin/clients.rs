//! `/admin/v1/clients`.

use http::StatusCode;
use serde_json::{Value, json};

use super::super::respond::{self, Response};
use super::problem::Problem;
use super::{ATTEMPTS, Context, body, object, page};
use crate::oauth::api::{ADMIN_AUDIENCE, Apis};
use crate::oauth::client::{Client, ClientMetadata, ClientType};
use crate::oauth::ids::{ClientId, Name};
use crate::oauth::invalid::Invalid;
use crate::oauth::secret::{ClientSecret, StoredSecret};
use crate::oauth::user::UserId;
use crate::store::{ClientChange, Commit, Found, Key};

const MEMBERS: [&str; 22] = [
    "client_name",
    "client_type",
    "grant_types",
    "token_endpoint_auth_method",
    "scopes",
    "default_scopes",
    "roles",
    "redirect_uris",
    "allowed_origins",
    "realm",
    "enforce_assignments",
    "active",
    "introspect",
    "access_token_format",
    "access_token_ttl",
    "refresh_token_ttl",
    "usage_identifier_key",
    "description",
    "owner",
    "contacts",
    "tags",
    "client_id",
];

impl Context<'_> {
    pub(super) async fn list_clients(&self) -> Result<Response, Problem> {
        self.caller.require("clients.read")?;
        let listed = self.store().list_clients(self.cursor()?.as_deref(), self.limit()?).await?;
        let tag = self.request.query("tag");
        let has_tag = |client: &&Client| tag.is_none_or(|tag| client.metadata.tags.iter().any(|own| own.as_str() == tag));
        Ok(page(listed.items.iter().filter(has_tag).map(|client| self.shown_client(client)).collect(), listed.next))
    }

    pub(super) async fn create_client(&self) -> Result<Response, Problem> {
        self.caller.require("clients.write")?;
        let mut members = body::object(self.request, false)?;
        let client_id = match members.remove("client_id") {
            None => ClientId::parse(&self.fresh.hex_id("client_id")).ok_or(Problem::NotFound)?,
            Some(given) => given_id(&given)?,
        };
        let found = self.store().batch().with(Key::Apis).read().await?;
        let metadata = body::read::<ClientMetadata>(members, &MEMBERS)?.checked(&found.apis()?)?;
        self.guard_admin_scopes(&metadata.scopes)?;
        self.must_exist(&metadata.roles).await?;
        let secret = (metadata.client_type == ClientType::Confidential).then(|| ClientSecret::generate(self.fresh));
        let tombstone = self.store().tombstone(&client_id).await?;
        let client = Client {
            // No token of an earlier client of this id may come back to life with it.
            tokens_valid_from: tombstone.map_or(self.fresh.now, |tombstone| self.fresh.now.max(tombstone.deleted_at.plus(1))),
            client_id,
            metadata,
            secrets: secret.iter().map(|secret| StoredSecret::of(secret, None, self.fresh)).collect(),
            anonymous_keys: Vec::new(),
            // Assignments are by this time: a client made again begins without those of the earlier one.
            created_at: tombstone.map_or(self.fresh.now, |tombstone| self.fresh.now.max(tombstone.deleted_at.plus(1))),
            updated_at: self.fresh.now,
            version: tombstone.map_or(1, |tombstone| tombstone.version + 1),
        };
        let audit = self.audit("client.created", Some(&client.client_id), None);
        match self.store().change_client(ClientChange::Create(&client, tombstone), &audit, self.fresh).await? {
            Commit::Done => {}
            Commit::Exists => return Err(Problem::Conflict("a client of this client_id or client_name exists".to_owned())),
            Commit::Stale => return Err(Problem::Conflict("a client of this client_id or one of its roles is being deleted, try again".to_owned())),
        }
        let mut body = self.shown_client(&client);
        if let (Some(secret), Some(stored), Some(members)) = (&secret, client.secrets.first(), body.as_object_mut()) {
            members.insert("client_secret".to_owned(), secret.expose().into());
            members.insert("secret_id".to_owned(), stored.secret_id.clone().into());
        }
        Ok(object(StatusCode::CREATED, &body, client.version))
    }

    pub(super) async fn show_client(&self, id: &str) -> Result<Response, Problem> {
        self.caller.require("clients.read")?;
        let (client, _) = self.find_client(id).await?;
        Ok(object(StatusCode::OK, &self.shown_client(&client), client.version))
    }

    pub(super) async fn change_client(&self, id: &str) -> Result<Response, Problem> {
        self.caller.require("clients.write")?;
        let patch = body::object(self.request, false)?;
        let (client, _) = self
            .changed_client(id, ("client.changed", None), |client, apis| {
                self.guard_admin_scopes(&client.metadata.scopes)?;
                let mut members = body::members(&client.metadata);
                body::merge(&mut members, patch.clone());
                let known = MEMBERS.iter().filter(|name| **name != "client_id").copied().collect::<Vec<_>>();
                let mut metadata = body::read::<ClientMetadata>(members, &known)?;
                // A type that changes takes its own way of authenticating with it, unless the patch says which.
                if metadata.client_type != client.metadata.client_type && !patch.contains_key("token_endpoint_auth_method") {
                    metadata.token_endpoint_auth_method = None;
                }
                let metadata = metadata.checked(apis)?;
                self.guard_admin_scopes(&metadata.scopes)?;
                Ok(Client { metadata, ..client })
            })
            .await?;
        Ok(object(StatusCode::OK, &self.shown_client(&client), client.version))
    }

    pub(super) async fn delete_client(&self, id: &str) -> Result<Response, Problem> {
        self.caller.require("clients.write")?;
        for _ in 0..ATTEMPTS {
            let (client, _) = self.find_client(id).await?;
            self.guard_admin_scopes(&client.metadata.scopes)?;
            self.if_match(client.version)?;
            let audit = self.audit("client.deleted", Some(&client.client_id), None);
            if self.store().change_client(ClientChange::Delete(&client), &audit, self.fresh).await? == Commit::Done {
                return Ok(respond::empty(StatusCode::NO_CONTENT));
            }
        }
        Err(Problem::Unavailable("the client kept changing".to_owned()))
    }

    pub(super) async fn revoke_client_tokens(&self, id: &str) -> Result<Response, Problem> {
        self.caller.require("tokens.write")?;
        self.changed_client(id, ("client.tokens_revoked", None), |client, _| Ok(client.with_tokens_revoked(self.fresh.now))).await?;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }

    pub(super) async fn grant_role(&self, id: &str, role: &str) -> Result<Response, Problem> {
        self.caller.require("clients.write")?;
        let role = Name::parse(role).ok_or(Problem::NotFound)?;
        self.store().uses_of_role(&role).await?.ok_or(Problem::NotFound)?;
        self.changed_client(id, ("client.role_granted", Some(role.as_str())), |mut client, apis| {
            self.guard_admin_scopes(&client.metadata.scopes)?;
            if !client.metadata.roles.contains(&role) {
                client.metadata.roles.push(role.clone());
            }
            Ok(Client { metadata: client.metadata.checked(apis)?, ..client })
        })
        .await?;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }

    pub(super) async fn take_role(&self, id: &str, role: &str) -> Result<Response, Problem> {
        self.caller.require("clients.write")?;
        let role = Name::parse(role).ok_or(Problem::NotFound)?;
        self.changed_client(id, ("client.role_taken", Some(role.as_str())), |mut client, _| {
            self.guard_admin_scopes(&client.metadata.scopes)?;
            client.metadata.roles.retain(|own| *own != role);
            Ok(client)
        })
        .await?;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }

    /// Reads a client, changes it and commits; again where somebody else was first.
    pub(super) async fn changed_client(
        &self,
        id: &str,
        (event, object): (&str, Option<&str>),
        change: impl Fn(Client, &Apis) -> Result<Client, Problem>,
    ) -> Result<(Client, Found), Problem> {
        for _ in 0..ATTEMPTS {
            let (client, found) = self.find_client(id).await?;
            self.if_match(client.version)?;
            let was = client.clone();
            let changed = Client { updated_at: self.fresh.now, ..change(client, &found.apis()?)? };
            if changed.metadata.roles != was.metadata.roles {
                self.must_exist(&changed.metadata.roles).await?;
            }
            let audit = self.audit(event, Some(&changed.client_id), object);
            let replace = ClientChange::Replace { client: &changed, was: &was };
            match self.store().change_client(replace, &audit, self.fresh).await? {
                Commit::Done => return Ok((Client { version: changed.version + 1, ..changed }, found)),
                Commit::Exists => return Err(Problem::Conflict("a client of this client_name exists".to_owned())),
                Commit::Stale => {}
            }
        }
        Err(Problem::Unavailable("the client kept changing".to_owned()))
    }

    pub(super) async fn find_client(&self, id: &str) -> Result<(Client, Found), Problem> {
        let client_id = ClientId::parse(id).ok_or(Problem::NotFound)?;
        let found = self.store().batch().with(Key::Client(&client_id)).with(Key::Apis).read().await?;
        let client = found.client(&client_id)?.ok_or(Problem::NotFound)?;
        Ok((client, found))
    }

    /// Nobody makes, changes, assigns users to or gets a secret of a client that may do more than they may themselves.
    pub(super) fn guard_admin_scopes(&self, scopes: &[String]) -> Result<(), Problem> {
        let beyond = |full: &&String| full.strip_prefix(ADMIN_AUDIENCE).is_some_and(|value| !self.caller.holds(value));
        match scopes.iter().find(beyond) {
            Some(full) => Err(Problem::ScopeNotHeld(full.clone())),
            None => Ok(()),
        }
    }

    /// A client as the admin API shows it: no secret, nor a digest of one.
    fn shown_client(&self, client: &Client) -> Value {
        let mut members = body::members(&client.metadata);
        // What whoever configures the client needs to know of this server (M-15).
        members.insert("token_endpoint".to_owned(), format!("{}/oauth2/token", self.endpoint.evidence.keyring.issuer().as_str()).into());
        members.insert("client_id".to_owned(), client.client_id.as_str().into());
        members.insert("created_at".to_owned(), client.created_at.rfc3339().into());
        members.insert("updated_at".to_owned(), client.updated_at.rfc3339().into());
        members.insert("version".to_owned(), json!(client.version));
        Value::Object(members)
    }
}

fn given_id(given: &Value) -> Result<ClientId, Problem> {
    let id = given.as_str().and_then(ClientId::parse);
    // A client must never pass for a user (RFC 9700 §4.15).
    if given.as_str().and_then(UserId::parse).is_some() {
        return Err(vec![Invalid::new("/client_id", "has the form of a user's id")].into());
    }
    id.ok_or_else(|| vec![Invalid::new("/client_id", "must be 1 to 64 of the characters A-Z a-z 0-9 . _ ~ -")].into())
}

//! Everything that is known of a presented token, read in one round trip: the basis of introspection, revocation, diagnosis and the admin
//! API. (The authorizer reads only what it does not remember: `authorizer/mod.rs`.)

use std::sync::Arc;

use super::keyring::Keyring;
use crate::oauth::access_token::{Claims, TokenRecord};
use crate::oauth::client::AccessTokenFormat;
use crate::oauth::ids::ClientId;
use crate::oauth::secret::OpaqueToken;
use crate::oauth::time::Timestamp;
use crate::oauth::token_gate::{Parties, Recorded, TokenFault, alive};
use crate::oauth::user::Person;
use crate::store::{Batch, Found, Key, Store, StoreError};

/// Reads what the table says of tokens.
pub struct Evidence {
    /// The table.
    pub store: Store,
    /// The keys.
    pub keyring: Arc<Keyring>,
}

/// A presented token and what was found about it.
pub struct Examined {
    /// What it says, if it is genuine.
    pub claims: Result<Claims, TokenFault>,
    /// Its form.
    pub format: AccessTokenFormat,
    /// What was read, the client that was also asked for included.
    pub found: Found,
    /// The user that it speaks for, if it speaks for one who exists.
    pub person: Option<Person>,
    kid: Option<String>,
}

impl Evidence {
    /// Examines `token`, and reads the client `also` in the same round trip. Nothing is looked up by what an unproven token says (JW-23).
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn examine(&self, token: &str, also: Option<&ClientId>, now: Timestamp) -> Result<Examined, StoreError> {
        let mut examined = match OpaqueToken::parse(token) {
            Some(token) => self.examine_opaque(&token, also).await?,
            None => self.examine_jwt(token, also, now).await?,
        };
        if let Ok(claims) = &examined.claims {
            examined.person = person(&self.store, claims, &examined.found).await?;
        }
        Ok(examined)
    }

    async fn examine_jwt(&self, token: &str, also: Option<&ClientId>, now: Timestamp) -> Result<Examined, StoreError> {
        let mut verified = self.keyring.verify(token, now).await?;
        let mut batch = self.store.batch().with_some(also.map(Key::Client));
        // A key may be newer than what this instance knows of them: the read that a caller costs anyway brings the set along.
        let may_be_newer = also.is_some() && matches!(verified, Err(TokenFault::UnknownKey));
        match &verified {
            Ok((claims, _)) => batch = about(claims, batch).with(Key::Keys),
            Err(_) => batch = batch.with_some(may_be_newer.then_some(Key::Keys)),
        }
        let mut found = batch.read().await?;
        self.keyring.take(found.keys()?, now);
        if may_be_newer {
            verified = self.keyring.verify(token, now).await?;
            if let Ok((claims, _)) = &verified {
                found.extend(about(claims, self.store.batch()).read().await?);
            }
        }
        let (claims, kid) = match verified {
            Ok((claims, kid)) => (Ok(claims), Some(kid)),
            Err(fault) => (Err(fault), None),
        };
        Ok(Examined { claims, format: AccessTokenFormat::Jwt, found, person: None, kid })
    }

    /// An opaque token says nothing: its client is known only from its record, which costs a second read unless the caller is that client.
    async fn examine_opaque(&self, token: &OpaqueToken, also: Option<&ClientId>) -> Result<Examined, StoreError> {
        let digest = token.digest();
        let batch = self.store.batch().with_some(also.map(Key::Client)).with(Key::Token(&digest)).with(Key::Apis);
        let mut found = batch.read().await?;
        let claims = found.token(&digest)?.filter(|record| record.format == AccessTokenFormat::Opaque).map(|record| record.claims);
        if let Some(claims) = &claims {
            let client = Some(&claims.client_id).filter(|client_id| also != Some(*client_id));
            let user_id = claims.user_id();
            let batch = self.store.batch().with_some(client.map(Key::Client)).with_some(user_id.as_ref().map(Key::User));
            found.extend(batch.with_some(claims.grant_id.as_ref().map(Key::Grant)).read().await?);
        }
        Ok(Examined { claims: claims.ok_or(TokenFault::Unknown), format: AccessTokenFormat::Opaque, found, person: None, kid: None })
    }
}

/// What has to be known about a JWT beside its key.
fn about<'s>(claims: &Claims, batch: Batch<'s>) -> Batch<'s> {
    let user_id = claims.user_id();
    batch
        .with(Key::Token(&claims.jti))
        .with(Key::Client(&claims.client_id))
        .with(Key::Apis)
        .with_some(user_id.as_ref().map(Key::User))
        .with_some(claims.grant_id.as_ref().map(Key::Grant))
}

/// The user that a token speaks for, with their groups and their assignment: one round trip more than for a client's token.
///
/// # Errors
/// Where the table did not answer.
pub async fn person(store: &Store, claims: &Claims, found: &Found) -> Result<Option<Person>, StoreError> {
    let Some(user_id) = claims.user_id() else { return Ok(None) };
    let (user, client) = (found.user(&user_id)?, found.client(&claims.client_id)?);
    match user.zip(client) {
        Some((user, client)) => store.person(user, &client).await.map(Some),
        None => Ok(None),
    }
}

impl Examined {
    /// The token's record.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn record(&self) -> Result<Option<TokenRecord>, StoreError> {
        self.claims.as_ref().map_or(Ok(None), |claims| self.found.token(&claims.jti))
    }

    /// The token gate: what the token says if it is good at `now`.
    ///
    /// # Errors
    /// The outer one where something that was found cannot be read, the inner one where the token is not good.
    pub fn verdict(&self, keyring: &Keyring, now: Timestamp) -> Result<Result<&Claims, TokenFault>, StoreError> {
        let claims = match &self.claims {
            Ok(claims) => claims,
            Err(fault) => return Ok(Err(*fault)),
        };
        // The keys came with the same read: a key that was withdrawn a moment ago is trusted no more (MD-16).
        if self.kid.as_deref().is_some_and(|kid| !keyring.set().trusts(kid, now)) {
            return Ok(Err(TokenFault::UnknownKey));
        }
        let client = self.found.client(&claims.client_id)?;
        let recorded = Recorded::of(self.record()?.as_ref());
        let grant = claims.grant_id.as_ref().map_or(Ok(None), |grant_id| self.found.grant(grant_id))?;
        let parties = Parties { client: client.as_ref(), person: self.person.as_ref(), grant: grant.as_ref() };
        Ok(alive(claims, recorded, parties, &self.found.apis()?, now).map(|()| claims))
    }

    /// The name of the key that signed the token, if it is a JWT.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }
}

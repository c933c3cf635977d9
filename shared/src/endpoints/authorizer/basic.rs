//! Username and password at the gateway (RFC 7617), where an Api takes them: the header `Oracle-Mobile-Backend-Id` or `X-Client-Id` names the
//! client, which picks the realm. What follows is what follows a token of that user and client.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::hmac;

use super::super::sign_in::{SignIn, Try, sign_in};
use super::Endpoint;
use super::memory::{SeenToken, Sight};
use super::written::Written;
use crate::oauth::access_token::{Claims, SubjectType};
use crate::oauth::api::Api;
use crate::oauth::client::Client;
use crate::oauth::fresh::Fresh;
use crate::oauth::gates::Call;
use crate::oauth::ids::ClientId;
use crate::oauth::password::Password;
use crate::oauth::time::Timestamp;
use crate::oauth::token_gate::Recorded;
use crate::oauth::user::Person;
use crate::store::{Key, StoreError};

/// How long a password that was right is not hashed again by this instance, in seconds. The change feed ends it earlier.
const PROOF_LIFE: u64 = 60;

/// A password that was right a moment ago, and what it opens.
#[derive(Debug, Clone)]
pub struct Proof {
    pub seen: Arc<SeenToken>,
    pub client: Arc<Client>,
    pub person: Arc<Person>,
    pub until: Timestamp,
}

/// Username and password of a call.
#[derive(PartialEq, Eq)]
pub struct UserPass {
    pub username: String,
    pub password: String,
}

impl fmt::Debug for UserPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserPass(…)")
    }
}

impl Endpoint {
    /// Adds to `sight` the user whose password the call presents. `None`: it is nobody's, or the call's Api does not take passwords.
    pub(super) async fn with_user(
        &self,
        sight: Sight,
        given: &UserPass,
        (call, source): (&Call, Option<IpAddr>),
        fresh: &Fresh,
    ) -> Result<Option<Sight>, StoreError> {
        let Some(api) = call.api(&sight.apis).filter(|api| api.metadata.basic_auth) else { return Ok(None) };
        // M-12: without exactly one client there is no realm, and no user is looked for.
        let [backend] = call.backends.as_slice() else { return Ok(None) };
        let (Some(client_id), Some(password)) = (ClientId::parse(backend), Password::presented(&given.password)) else { return Ok(None) };
        let key = self.memory.proof_key(fresh);
        let content = serde_json::to_vec(&(client_id.as_str(), &given.username, &given.password, &api.metadata.audience)).unwrap_or_default();
        let digest = hmac::sign(&key, &content);
        let proof = match self.memory.proof(digest.as_ref(), fresh.now) {
            Some(proof) => proof,
            None => {
                let generation = self.memory.generation();
                let Some(client) = self.store.batch().with(Key::Client(&client_id)).read().await?.client(&client_id)? else { return Ok(None) };
                let what = Try { realm: client.metadata.realm.as_str(), username: &given.username, password: Some(&password), source };
                // A client that may do nothing does not get a password tried.
                let user = match client.metadata.active {
                    true => sign_in(&self.store, &what, fresh).await?,
                    false => SignIn::Wrong,
                };
                let SignIn::Good(user) = user else { return Ok(None) };
                let person = self.store.person(*user, &client).await?;
                let claims = claims(&person, &client, api, fresh.now);
                let seen = SeenToken { claims, kid: None, recorded: Recorded::Live, grant: None, written: Written::default() };
                let until = fresh.now.plus(PROOF_LIFE);
                let proof = Proof { seen: Arc::new(seen), client: Arc::new(client), person: Arc::new(person), until };
                self.memory.prove(generation, digest.as_ref(), proof.clone());
                proof
            }
        };
        Ok(Some(Sight { token: Some(Ok(proof.seen)), client: Some(proof.client), person: Some(proof.person), ..sight }))
    }
}

/// What a token of this user for this Api would say, with everything that the client may ask for. It names no token.
fn claims(person: &Person, client: &Client, api: &Api, now: Timestamp) -> Claims {
    let values: Vec<&str> = client.metadata.scopes.iter().filter_map(|full| api.value_of(full)).collect();
    let issued_at = now.max(person.valid_from()).max(client.tokens_valid_from);
    Claims {
        jti: String::new(),
        client_id: client.client_id.clone(),
        sub: person.user.user_id.as_str().to_owned(),
        sub_type: SubjectType::User,
        aud: api.metadata.audience.clone(),
        scope: values.join(" "),
        iat: issued_at,
        exp: issued_at.plus(PROOF_LIFE),
        roles: Vec::new(),
        grant_id: None,
        of_user: serde_json::Map::new(),
    }
}

//! The request authorizer for API Gateway: token, then route (DESIGN: three gates). A warm instance answers without a round trip.

mod answer;
mod event;
mod memory;

use std::sync::Arc;

use aws_lc_rs::digest;

pub use answer::{Answer, Failure, ResponseFormat};
pub use event::Event;
use event::{Call, Presented};
use memory::{Known, Memory, SeenToken, Sight};

use super::keyring::Keyring;
use super::tally::{Happened, Tally};
use crate::oauth::access_token::Claims;
use crate::oauth::api::{Api, Apis};
use crate::oauth::client::{AccessTokenFormat, Client};
use crate::oauth::fresh::Fresh;
use crate::oauth::route::{self, RouteDecision};
use crate::oauth::secret::OpaqueToken;
use crate::oauth::time::Timestamp;
use crate::oauth::token_gate::{Recorded, TokenFault, alive};
use crate::store::{Count, Key, Store, StoreError};

/// The authorizer and what it needs: token records, clients, Apis, public keys and the change feed (read).
pub struct Endpoint {
    /// The table.
    pub store: Store,
    /// The keys.
    pub keyring: Arc<Keyring>,
    /// What this instance has seen.
    pub memory: Memory,
    /// The answer that an HTTP API was configured for.
    pub response: ResponseFormat,
    /// What it counts.
    pub tally: Tally,
}

/// Why a call does not pass.
enum Refused {
    /// There is no token where one is asked for: 401.
    NoToken,
    /// The token gate closed: 401.
    Token(TokenFault),
    /// The token is good for another Api than the one that the call is on: 401.
    OtherApi,
    /// The route gate closed: 403.
    Route(&'static str),
}

impl Refused {
    /// Whether a change that this instance has not heard of yet could let the call pass.
    fn may_be_out_of_date(&self) -> bool {
        match self {
            Self::NoToken | Self::OtherApi => false,
            Self::Route(reason) => *reason == "route_denied",
            Self::Token(fault) => matches!(fault, TokenFault::AudienceMismatch | TokenFault::ClientInactive),
        }
    }
}

impl Apis {
    /// The Api that a call is on.
    fn of_call(&self, call: &Call) -> Option<&Api> {
        call.path.as_ref().and_then(|path| self.at(&call.gateway, path))
    }
}

impl Endpoint {
    /// An authorizer whose view of the table is at most `feed_seconds` old.
    pub fn new(store: Store, keyring: Arc<Keyring>, response: ResponseFormat, feed_seconds: u64) -> Self {
        Self { store, keyring, memory: Memory::new(feed_seconds), response, tally: Tally::default() }
    }

    /// Reads at start what the first call will need.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn warm(&self, now: Timestamp) -> Result<(), StoreError> {
        self.sight(None, now).await.map(|_| ())
    }

    /// Decides a call.
    ///
    /// # Errors
    /// [`Failure::Unauthorized`] for a 401, [`Failure::Unavailable`] for a 500; never an allow that was not decided.
    pub async fn handle(&self, event: Event, fresh: Fresh) -> Result<Answer, Failure> {
        let format = if event.takes_simple_responses() { self.response } else { ResponseFormat::Policy };
        let call = event.call().ok_or(Failure::Unauthorized)?;
        let answer = self.decide(call, format, fresh.now).await;
        // A table that has just failed is not waited for a second time (SF-03).
        if !matches!(answer, Err(Failure::Unavailable(_))) {
            self.tally.flush_if_due(&self.store, &fresh).await;
        }
        answer
    }

    async fn decide(&self, call: Call, format: ResponseFormat, now: Timestamp) -> Result<Answer, Failure> {
        // A simple response has no 401 (AU-07).
        let unauthorized = |arn: String| match format {
            ResponseFormat::Policy => Err(Failure::Unauthorized),
            ResponseFormat::Simple => Ok(Answer::deny(format, arn, None)),
        };
        let token = match &call.presented {
            Presented::Nothing => None,
            Presented::Bearer(token) => Some(token.as_str()),
            Presented::Unusable => {
                self.note_refusal(None, None, "not_bearer", now);
                return unauthorized(call.arn);
            }
        };
        let unavailable = |error: StoreError| Failure::Unavailable(error.to_string());
        let looks_anyway = self.memory.is_due(now);
        let mut sight = self.sight(token, now).await.map_err(unavailable)?;
        let mut verdict = self.judge(&sight, &call, now);
        // What was made a moment ago must not be refused because it is not remembered yet.
        if !looks_anyway && verdict.as_ref().is_err_and(Refused::may_be_out_of_date) && self.memory.may_look_again(now) {
            Box::pin(self.follow(now)).await.map_err(unavailable)?;
            sight = self.sight(token, now).await.map_err(unavailable)?;
            verdict = self.judge(&sight, &call, now);
        }
        let api = sight.apis.of_call(&call);
        let seen = sight.token.as_ref().and_then(|token| token.as_ref().ok());
        match (verdict, seen) {
            (Ok(Some(client)), Some(seen)) => {
                let happened = Happened { api: api.map(|api| &api.metadata.name), ..Happened::plain(Count::CallsAllowed) };
                self.tally.add(Some(&seen.claims.client_id), happened, now);
                Ok(Answer::allow(format, call.arn, Arc::clone(seen), client))
            }
            (Ok(_), _) => {
                self.tally.add(None, Happened::plain(Count::CallsAnonymous), now);
                Ok(Answer::anonymous(format, call.arn))
            }
            (Err(Refused::NoToken), _) => {
                self.tally.add(None, Happened::plain(Count::CallsDenied), now);
                unauthorized(call.arn)
            }
            (Err(Refused::OtherApi), seen) => {
                self.note_refusal(seen.map(|seen| &seen.claims), api, TokenFault::AudienceMismatch.code(), now);
                unauthorized(call.arn)
            }
            (Err(Refused::Token(fault)), seen) => {
                self.note_refusal(seen.map(|seen| &seen.claims), api, fault.code(), now);
                unauthorized(call.arn)
            }
            (Err(Refused::Route(reason)), seen) => {
                self.note_refusal(seen.map(|seen| &seen.claims), api, reason, now);
                Ok(Answer::deny(format, call.arn, seen.map(Arc::clone)))
            }
        }
    }

    /// The token gate, then the route gate: the token's client, or nobody where nobody is asked for.
    fn judge(&self, sight: &Sight, call: &Call, now: Timestamp) -> Result<Option<Arc<Client>>, Refused> {
        let api = sight.apis.of_call(call);
        let seen = match &sight.token {
            Some(Ok(seen)) => seen,
            Some(Err(fault)) => return Err(Refused::Token(*fault)),
            // Nobody is refused for saying nothing where nothing is asked.
            None if route::decide(api) == RouteDecision::Public && call.names_one_resource() => return Ok(None),
            None => return Err(Refused::NoToken),
        };
        if seen.kid.as_deref().is_some_and(|kid| !self.keyring.set().trusts(kid, now)) {
            return Err(Refused::Token(TokenFault::UnknownKey));
        }
        alive(&seen.claims, seen.recorded, sight.client.as_deref(), &sight.apis, now).map_err(Refused::Token)?;
        //= https://www.rfc-editor.org/rfc/rfc9068#section-4
        //# The resource server MUST validate that the "aud" claim contains a resource indicator value corresponding to an
        //# identifier the resource server expects for itself.
        if api.is_some_and(|api| api.metadata.audience != seen.claims.aud) {
            return Err(Refused::OtherApi);
        }
        match route::decide(api) {
            _ if call.path.is_none() || !call.names_one_resource() => Err(Refused::Route("path_ambiguous")),
            RouteDecision::Deny => Err(Refused::Route("route_denied")),
            RouteDecision::Authenticated | RouteDecision::Public => Ok(sight.client.clone()),
        }
    }

    /// What this instance knows that the call needs; what it does not know is read, all in one round trip.
    ///
    /// Reading is boxed: a call that needs none must not carry the SDK's large futures about (docs/performance.md).
    async fn sight(&self, token: Option<&str>, now: Timestamp) -> Result<Sight, StoreError> {
        if self.memory.is_due(now) {
            Box::pin(self.follow(now)).await?;
        }
        let digest = token.map(|token| digest::digest(&digest::SHA256, token.as_bytes()));
        let digest = digest.as_ref().and_then(|digest| digest.as_ref().first_chunk::<32>());
        let known = self.memory.recall(digest);
        match known.whole(token.is_some()) {
            Some(sight) => Ok(sight),
            None => Box::pin(self.read_sight(token, digest, known, now)).await,
        }
    }

    async fn read_sight(&self, token: Option<&str>, digest: Option<&[u8; 32]>, known: Known, now: Timestamp) -> Result<Sight, StoreError> {
        let mut batch = self.store.batch();
        if known.apis.is_none() {
            batch = batch.with(Key::Apis);
        }
        if !known.keys {
            batch = batch.with(Key::Keys);
        }
        // A token that was seen before keeps its place; its client may have been forgotten.
        let opaque = token.and_then(OpaqueToken::parse).map(|token| token.digest());
        let mut genuine = match (&known.token, &opaque, token) {
            (Some(seen), _, _) => Some(Ok((seen.claims.clone(), seen.kid.clone()))),
            (None, None, Some(token)) => Some(self.keyring.verify(token, now).await?.map(|(claims, kid)| (claims, Some(kid)))),
            _ => None,
        };
        let mut client = None;
        if let Some(Ok((claims, _))) = &genuine {
            client = self.memory.client(&claims.client_id);
            batch = batch.with_some(known.token.is_none().then_some(Key::Token(&claims.jti)));
            batch = batch.with_some(client.is_none().then_some(Key::Client(&claims.client_id)));
        } else if let Some(digest) = &opaque {
            batch = batch.with(Key::Token(digest));
        }
        let mut found = batch.read().await?;
        if !known.keys {
            self.keyring.take(found.keys()?, now);
        }
        if genuine.is_none()
            && let Some(digest) = &opaque
        {
            let record = found.token(digest)?.filter(|record| record.format == AccessTokenFormat::Opaque);
            if let Some(record) = &record {
                found.extend(self.store.batch().with(Key::Client(&record.claims.client_id)).read().await?);
            }
            genuine = Some(record.map(|record| (record.claims, None)).ok_or(TokenFault::Unknown));
        }
        let apis = match known.apis {
            Some(ref apis) => Arc::clone(apis),
            None => Arc::new(found.apis()?),
        };
        let (token, client) = match genuine {
            None => (None, None),
            Some(Err(fault)) => (Some(Err(fault)), None),
            Some(Ok((claims, kid))) => {
                let client = match client {
                    Some(client) => Some(client),
                    None => found.client(&claims.client_id)?.map(Arc::new),
                };
                let seen = match known.token {
                    Some(ref seen) => Arc::clone(seen),
                    None => {
                        let recorded = Recorded::of(found.token(&claims.jti)?.as_ref());
                        Arc::new(SeenToken { claims, kid, recorded })
                    }
                };
                (Some(Ok(seen)), client)
            }
        };
        let sight = Sight { apis, client, token };
        self.memory.learn(known.generation, digest, &sight, now);
        Ok(sight)
    }

    /// Reads the change feed and forgets what is no longer true. Where it cannot be read, the gate closes (SF-07).
    async fn follow(&self, now: Timestamp) -> Result<(), StoreError> {
        let Some((from, seen)) = self.memory.follows_from(now) else { return Ok(()) };
        let entries = self.store.feed_since(from, now, &seen).await?;
        self.memory.apply(entries, now);
        Ok(())
    }

    fn note_refusal(&self, claims: Option<&Claims>, api: Option<&Api>, reason: &'static str, now: Timestamp) {
        let client_id = claims.map(|claims| &claims.client_id);
        let happened = Happened { count: Count::CallsDenied, api: api.map(|api| &api.metadata.name), reason: Some(reason) };
        self.tally.add(client_id, happened, now);
        log::info!(endpoint = "authorizer", client_id = client_id.map_or("-", |id| id.as_str()), reason = reason; "call refused");
    }
}

//! The request authorizer for API Gateway: token, then route (DESIGN: three gates). A warm instance answers without a round trip.

mod answer;
mod basic;
mod event;
mod memory;
mod written;

use std::sync::Arc;

use aws_lc_rs::digest;

pub use answer::{Answer, Failure, ResponseFormat};
pub use event::Event;
use event::{Asked, Presented};
use memory::{Known, Memory, SeenToken, Sight, with_privileges};
use written::{Resources, Written};

use super::keyring::Keyring;
use super::tally::{Happened, Tally};
use crate::oauth::access_token::Claims;
use crate::oauth::api::Api;
use crate::oauth::bearer::Challenge;
use crate::oauth::client::AccessTokenFormat;
use crate::oauth::fresh::Fresh;
use crate::oauth::gates::{self, Call, Closed};
use crate::oauth::privilege::Method;
use crate::oauth::route::{Principal, RouteFault};
use crate::oauth::route_table::RouteTable;
use crate::oauth::secret::OpaqueToken;
use crate::oauth::time::Timestamp;
use crate::oauth::token_gate::{Parties, Recorded, TokenFault};
use crate::store::{Count, Key, Store, StoreError};

/// The authorizer and what it needs: token records, clients, Apis, privileges, people, grants, public keys and the change feed (read), failed
/// sign-ins (read, write), the audit trail and the counts (write).
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

impl Closed {
    /// Whether a change that this instance has not heard of yet could let the call pass.
    fn may_be_out_of_date(self) -> bool {
        match self {
            Self::NoToken | Self::NoKey | Self::NotBearer | Self::OtherApi => false,
            Self::Route(RouteFault::PathAmbiguous | RouteFault::BackendMismatch) => false,
            Self::Token(fault) => {
                // `Revoked` too: a new grant stands on what this instance does not know yet of its user.
                let by_others = matches!(fault, TokenFault::AudienceMismatch | TokenFault::ClientInactive | TokenFault::Revoked);
                by_others || matches!(fault, TokenFault::UserInactive | TokenFault::UserNotAssigned)
            }
            Self::WrongKey | Self::Route(_) => true,
        }
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
        self.sight(None, None, now).await.map(|_| ())
    }

    /// Decides a call.
    ///
    /// # Errors
    /// [`Failure::Unauthorized`] for a 401, [`Failure::Unavailable`] for a 500; never an allow that was not decided.
    pub async fn handle(&self, event: Event, fresh: Fresh) -> Result<Answer, Failure> {
        let format = if event.takes_simple_responses() { self.response } else { ResponseFormat::Policy };
        if format == ResponseFormat::Simple && event.names_no_route() && self.memory.warns_once() {
            // AU-15: a simple response is cached for every route that the identity sources do not tell apart.
            log::warn!(endpoint = "authorizer"; "the authorizer's identity sources name no route: switch result caching off, or add $context.routeKey");
        }
        let asked = event.asked().ok_or(Failure::Unauthorized)?;
        let answer = self.decide(asked, format, &fresh).await;
        // A table that has just failed is not waited for a second time (SF-03).
        if !matches!(answer, Err(Failure::Unavailable(_))) {
            self.tally.flush_if_due(&self.store, &fresh).await;
        }
        answer
    }

    async fn decide(&self, asked: Asked, format: ResponseFormat, fresh: &Fresh) -> Result<Answer, Failure> {
        let now = fresh.now;
        // A simple response has no 401 (AU-07).
        let unauthorized = |arn: String| match format {
            ResponseFormat::Policy => Err(Failure::Unauthorized),
            ResponseFormat::Simple => Ok(Answer::deny(format, arn, None, None)),
        };
        if let Presented::Unusable = &asked.presented {
            self.note(None, None, Some(Closed::NotBearer), now);
            return unauthorized(asked.arn);
        }
        let unavailable = |error: StoreError| Failure::Unavailable(error.to_string());
        let looks_anyway = self.memory.is_due(now);
        let mut sight = self.sight_of(&asked, now).await.map_err(unavailable)?;
        if let Presented::Basic(given) = &asked.presented {
            sight = match Box::pin(self.with_user(sight, given, (&asked.call, asked.source), fresh)).await.map_err(unavailable)? {
                Some(sight) => sight,
                None => {
                    self.note(None, None, Some(Closed::NotBearer), now);
                    return unauthorized(asked.arn);
                }
            };
        }
        let mut closed = self.judge(&sight, &asked, now).err();
        // What was made a moment ago must not be refused because it is not remembered yet.
        let is_by_memory = !looks_anyway && !matches!(asked.presented, Presented::Basic(_));
        if is_by_memory && closed.is_some_and(Closed::may_be_out_of_date) && self.memory.may_look_again(now) {
            Box::pin(self.follow(now)).await.map_err(unavailable)?;
            sight = self.sight_of(&asked, now).await.map_err(unavailable)?;
            closed = self.judge(&sight, &asked, now).err();
        }
        self.note(Some(&sight), asked.call.api(&sight.apis), closed, now);
        let protection = asked.call.protection(&sight.apis, sight.table.as_deref());
        let privilege = protection.and_then(|protection| protection.privilege());
        let resources = self.resources(&sight, &asked);
        let caller = sight.caller();
        match closed {
            None => Ok(Answer::allow(format, asked.arn, caller, privilege.map(|privilege| privilege.name.clone())).with_all(resources)),
            Some(Closed::Route(fault)) => {
                let scopes = privilege.filter(|_| fault == RouteFault::ScopeMissing).map(|privilege| privilege.scopes.join(" "));
                let challenge = Challenge::InsufficientScope { scope: scopes.as_deref() }.header(None);
                Ok(Answer::deny(format, asked.arn, caller, Some(challenge)).with_all(resources))
            }
            Some(_) => unauthorized(asked.arn),
        }
    }

    fn judge<'s>(&self, sight: &'s Sight, asked: &'s Asked, now: Timestamp) -> Result<gates::Passed<'s>, Closed> {
        let presented = match (&sight.token, &asked.presented) {
            (None, Presented::Key { client_id, key }) => gates::Presented::AnonymousKey { client_id, key, client: sight.client.as_deref() },
            (None, _) => gates::Presented::Nothing,
            (Some(Err(fault)), _) => gates::Presented::Forged(*fault),
            (Some(Ok(seen)), _) => gates::Presented::Token {
                claims: &seen.claims,
                recorded: seen.recorded,
                key_is_trusted: seen.kid.as_deref().is_none_or(|kid| self.keyring.set().trusts(kid, now)),
                parties: Parties { client: sight.client.as_deref(), person: sight.person.as_deref(), grant: seen.grant.as_ref() },
            },
        };
        let protection = asked.call.protection(&sight.apis, sight.table.as_deref());
        gates::judge(&asked.call, presented, &sight.apis, protection.as_ref(), now)
    }

    /// Everything that the caller may call on the stage, where that can be said: also beside the refusal of an ambiguous path, which would
    /// otherwise be cached for every other call. Only not for a call whose ARN is more than one resource.
    fn resources(&self, sight: &Sight, asked: &Asked) -> Option<Arc<Resources>> {
        let (Some(Ok(seen)), Some(client)) = (&sight.token, &sight.client) else { return None };
        // A list has the methods that a route can name: a call of any other is spoken of alone.
        let stage = asked.stage().filter(|_| asked.is_one_resource() && Method::of(&asked.call.method).is_some())?;
        let principal = Principal { claims: &seen.claims, client, person: sight.person.as_deref() };
        seen.written.resources(&self.memory.policies, &principal, (stage, &asked.call), sight)
    }

    /// What the call needs, with the client whose anonymous key it presents: from memory, or in one read more.
    async fn sight_of(&self, asked: &Asked, now: Timestamp) -> Result<Sight, StoreError> {
        let sight = self.sight(asked.token(), Some(&asked.call), now).await?;
        let Presented::Key { client_id, .. } = &asked.presented else { return Ok(sight) };
        let generation = self.memory.generation();
        if let Some(client) = self.memory.client(client_id) {
            return Ok(Sight { client: Some(client), ..sight });
        }
        let found = Box::pin(self.store.batch().with(Key::Client(client_id)).read()).await?;
        let client = found.client(client_id)?.map(Arc::new);
        if let Some(client) = &client {
            self.memory.learn_client(generation, client);
        }
        Ok(Sight { client, ..sight })
    }

    /// What this instance knows that the call needs; what it does not know is read, all in one round trip but for the privileges of an Api
    /// that is called for the first time.
    ///
    /// Reading is boxed: a call that needs none must not carry the SDK's large futures about (docs/performance.md).
    async fn sight(&self, token: Option<&str>, call: Option<&Call>, now: Timestamp) -> Result<Sight, StoreError> {
        if self.memory.is_due(now) {
            Box::pin(self.follow(now)).await?;
        }
        let digest = token.map(|token| digest::digest(&digest::SHA256, token.as_bytes()));
        let digest = digest.as_ref().and_then(|digest| digest.as_ref().first_chunk::<32>());
        let known = self.memory.recall(digest, call);
        match known.whole(token.is_some(), call) {
            Some(sight) => Ok(sight),
            None => Box::pin(self.read_sight(token, digest, known, call, now)).await,
        }
    }

    async fn read_sight(
        &self,
        token: Option<&str>,
        digest: Option<&[u8; 32]>,
        known: Known,
        call: Option<&Call>,
        now: Timestamp,
    ) -> Result<Sight, StoreError> {
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
        let (mut client, mut person) = (None, None);
        if let Some(Ok((claims, _))) = &genuine {
            client = self.memory.client(&claims.client_id);
            batch = batch.with_some(known.token.is_none().then_some(Key::Token(&claims.jti)));
            batch = batch.with_some(client.is_none().then_some(Key::Client(&claims.client_id)));
            let user_id = claims.user_id();
            person = user_id.as_ref().and_then(|user_id| self.memory.person(user_id, &claims.client_id));
            batch = batch.with_some(user_id.as_ref().filter(|_| person.is_none()).map(Key::User));
            batch = batch.with_some(claims.grant_id.as_ref().filter(|_| known.token.is_none()).map(Key::Grant));
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
                let user_id = record.claims.user_id();
                let batch = self
                    .store
                    .batch()
                    .with(Key::Client(&record.claims.client_id))
                    .with_some(user_id.as_ref().map(Key::User))
                    .with_some(record.claims.grant_id.as_ref().map(Key::Grant));
                found.extend(batch.read().await?);
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
                        let grant = claims.grant_id.as_ref().map_or(Ok(None), |grant_id| found.grant(grant_id))?;
                        Arc::new(SeenToken { claims, kid, recorded, grant, written: Written::default() })
                    }
                };
                (Some(Ok(seen)), client)
            }
        };
        let claims = token.as_ref().and_then(|token| token.as_ref().ok()).map(|seen| &seen.claims);
        if let (None, Some(user_id), Some(client)) = (&person, claims.and_then(Claims::user_id), &client)
            && let Some(user) = found.user(&user_id)?
        {
            // Groups and assignment are known by the user's own item only: one round trip more, once.
            person = Some(Arc::new(self.store.person(user, client).await?));
        }
        let table = match with_privileges(call, claims, &apis) {
            Some(api) if known.table.is_none() => {
                let privileges = self.store.privileges_of(&api.metadata.name).await?;
                Some(Arc::new(RouteTable::new(&api.metadata.base_path, privileges)))
            }
            _ => known.table,
        };
        let sight = Sight { apis, table, client, person, token };
        self.memory.learn(known.generation, digest, call, &sight, now);
        Ok(sight)
    }

    /// Reads the change feed and forgets what is no longer true. Where it cannot be read, the gate closes (SF-07).
    async fn follow(&self, now: Timestamp) -> Result<(), StoreError> {
        let Some((from, seen)) = self.memory.follows_from(now) else { return Ok(()) };
        let entries = self.store.feed_since(from, now, &seen).await?;
        self.memory.apply(entries, now);
        Ok(())
    }

    /// Counts the call; a refusal of a presented credential is also logged.
    fn note(&self, sight: Option<&Sight>, api: Option<&Api>, closed: Option<Closed>, now: Timestamp) {
        let claims = sight.and_then(Sight::claims);
        let client_id = claims.map(|claims| &claims.client_id);
        let api = api.map(|api| &api.metadata.name);
        match closed {
            None if claims.is_none() => {
                let of = sight.and_then(|sight| sight.client.as_deref()).map(|client| &client.client_id);
                self.tally.add(of, Happened::plain(Count::CallsAnonymous), now);
            }
            None => self.tally.add(client_id, Happened { claims, api, ..Happened::plain(Count::CallsAllowed) }, now),
            Some(Closed::NoToken | Closed::NoKey) => self.tally.add(None, Happened::plain(Count::CallsDenied), now),
            Some(closed) => {
                let reason = closed.code();
                self.tally.add(client_id, Happened { count: Count::CallsDenied, claims, api, reason: Some(reason) }, now);
                log::info!(endpoint = "authorizer", client_id = client_id.map_or("-", |id| id.as_str()), reason = reason; "call refused");
            }
        }
    }
}

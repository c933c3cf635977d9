//! What an authorizer instance remembers: tokens, clients and Apis as the table had them, corrected by the change feed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;

use super::answer::Caller;
use super::basic::Proof;
use super::written::{Policies, Written};
use crate::oauth::access_token::{Claims, SubjectType};
use crate::oauth::api::{Api, Apis};
use crate::oauth::change::Changed;
use crate::oauth::client::Client;
use crate::oauth::fresh::Fresh;
use crate::oauth::gates::Call;
use crate::oauth::grant::Grant;
use crate::oauth::ids::{ClientId, Name};
use crate::oauth::route_table::RouteTable;
use crate::oauth::time::Timestamp;
use crate::oauth::token_gate::{Recorded, TokenFault};
use crate::oauth::user::{Person, UserId};
use crate::store::FEED_OVERLAP;

/// How many tokens, clients and people are remembered; beyond it the dead tokens go first and then all of them, and whom none names.
const MOST_TOKENS: usize = 10_000;

/// How many passwords are remembered to have been right.
const MOST_PROOFS: usize = 1_000;

/// An instance that was frozen for longer than this, in seconds, forgets everything instead of catching up. So does one whose clock was
/// set back by more than writers' clocks may differ: it cannot know what it was not told.
const FORGET_AFTER: u64 = 600;

/// How often in a second refusals may bring about a look at the feed.
const MOST_LOOKS: u8 = 3;

/// What an instance remembers.
pub struct Memory {
    feed_seconds: u64,
    /// What principals may call, as policies.
    pub(super) policies: Policies,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Rises with every correction, so that a read that began before one is not remembered after it.
    generation: u64,
    /// Up to when the feed was followed; `None`: nothing is remembered yet.
    followed_to: Option<Timestamp>,
    /// The feed entries of the overlap that were applied already.
    applied: HashSet<String>,
    /// In which second refusals last brought about a look at the feed, and how often.
    looked_again: (Timestamp, u8),
    warned: bool,
    /// When the age of this view was told last.
    told_at: Option<Timestamp>,
    keys: bool,
    apis: Option<Arc<Apis>>,
    /// The privileges of each Api, by its name.
    tables: HashMap<Name, Arc<RouteTable>>,
    clients: HashMap<ClientId, Arc<Client>>,
    /// Users as the clients see them that they use.
    people: HashMap<(UserId, ClientId), Arc<Person>>,
    tokens: HashMap<[u8; 32], Arc<SeenToken>>,
    /// Passwords that were right a moment ago, under a key that only this instance has.
    proofs: HashMap<Vec<u8>, Proof>,
    proof_key: Option<hmac::Key>,
}

impl State {
    /// Forgets tokens, and the clients and people whom no remembered token names any more.
    fn make_room(&mut self, now: Timestamp) {
        self.tokens.retain(|_, seen| now < seen.claims.exp);
        if self.tokens.len() >= MOST_TOKENS {
            self.tokens.clear();
        }
        let named: HashSet<_> = self.tokens.values().map(|seen| (&seen.claims.client_id, seen.claims.sub.as_str())).collect();
        self.people.retain(|(user_id, client_id), _| named.contains(&(client_id, user_id.as_str())));
        let clients: HashSet<_> = named.into_iter().map(|(client_id, _)| client_id).collect();
        self.clients.retain(|client_id, _| clients.contains(client_id));
    }
}

/// A genuine token, as it was at first sight.
#[derive(Debug)]
pub struct SeenToken {
    /// What it says.
    pub claims: Claims,
    /// The key that signed it; `None` for an opaque token.
    pub kid: Option<String>,
    /// What the table knew of it.
    pub recorded: Recorded,
    /// The grant that it comes from, as it was then; the feed says when it is revoked.
    pub grant: Option<Grant>,
    /// Everything that it opens, as a policy.
    pub written: Written,
}

/// Everything that a decision needs.
pub struct Sight {
    /// All Apis.
    pub apis: Arc<Apis>,
    /// The privileges of the call's Api, if it has any.
    pub table: Option<Arc<RouteTable>>,
    /// The token's client, or without a token the one whose anonymous key the call presents, if it exists.
    pub client: Option<Arc<Client>>,
    /// The user that the token speaks for, if it speaks for one who exists.
    pub person: Option<Arc<Person>>,
    /// The token; `None` where none was presented.
    pub token: Option<Result<Arc<SeenToken>, TokenFault>>,
}

impl Sight {
    /// What the token says, if it is genuine.
    pub fn claims(&self) -> Option<&Claims> {
        self.token.as_ref().and_then(|token| token.as_ref().ok()).map(|seen| &seen.claims)
    }

    /// Who calls, if a genuine token or an anonymous key of an existing client says it.
    pub(super) fn caller(&self) -> Option<Caller> {
        let client = Arc::clone(self.client.as_ref()?);
        match &self.token {
            None => Some(Caller::Anonymous(client)),
            Some(Ok(seen)) => Some(Caller::Token { seen: Arc::clone(seen), client, person: self.person.clone() }),
            Some(Err(_)) => None,
        }
    }
}

/// What is remembered of it.
pub struct Known {
    pub generation: u64,
    pub keys: bool,
    pub apis: Option<Arc<Apis>>,
    pub table: Option<Arc<RouteTable>>,
    pub client: Option<Arc<Client>>,
    pub person: Option<Arc<Person>>,
    pub token: Option<Arc<SeenToken>>,
}

impl Known {
    /// The sight, if nothing has to be read for it.
    pub fn whole(&self, with_token: bool, call: Option<&Call>) -> Option<Sight> {
        let apis = Arc::clone(self.apis.as_ref().filter(|_| self.keys)?);
        let table = self.table.clone();
        let claims = self.token.as_ref().map(|seen| &seen.claims);
        if table.is_none() && with_privileges(call, claims, &apis).is_some() {
            return None;
        }
        if !with_token {
            return Some(Sight { apis, table, client: None, person: None, token: None });
        }
        let (token, client) = self.token.as_ref().zip(self.client.as_ref())?;
        if self.person.is_none() && token.claims.sub_type == SubjectType::User {
            return None;
        }
        Some(Sight { apis, table, client: Some(Arc::clone(client)), person: self.person.clone(), token: Some(Ok(Arc::clone(token))) })
    }
}

/// The Api whose privileges a decision needs, if it has any: the one that the call is on; for a call on none, the token's own, whose routes
/// the answer names.
pub fn with_privileges<'a>(call: Option<&Call>, claims: Option<&Claims>, apis: &'a Apis) -> Option<&'a Api> {
    let own = || claims.and_then(|claims| apis.of_audience(&claims.aud));
    call.and_then(|call| call.api(apis).or_else(own)).filter(|api| api.privileges > 0)
}

impl Memory {
    /// Nothing is remembered yet; nothing will be trusted for longer than `feed_seconds` without a look at the feed.
    pub fn new(feed_seconds: u64) -> Self {
        Self { feed_seconds, policies: Policies::default(), state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the feed has to be looked at before the next decision.
    pub fn is_due(&self, now: Timestamp) -> bool {
        // A clock that was set back must not keep the feed from being looked at (SF-17).
        self.state().followed_to.is_none_or(|at| now < at || now.since(at) >= self.feed_seconds)
    }

    /// How many seconds ago the feed was looked at last, where that was not told within the last minute.
    pub fn age_to_tell(&self, now: Timestamp) -> Option<u64> {
        let mut state = self.state();
        if state.told_at.is_some_and(|at| now >= at && now.since(at) < 60) {
            return None;
        }
        state.told_at = Some(now);
        state.followed_to.map(|at| now.since(at))
    }

    /// Whether a warning is due that an instance gives once.
    pub fn warns_once(&self) -> bool {
        !std::mem::replace(&mut self.state().warned, true)
    }

    /// Whether the feed may be looked at before it is due, for the sake of a call that would be refused: a few times a second, whoever asks.
    pub fn may_look_again(&self, now: Timestamp) -> bool {
        let mut state = self.state();
        let looks = if state.looked_again.0 == now { state.looked_again.1 + 1 } else { 1 };
        state.looked_again = (now, looks.min(MOST_LOOKS + 1));
        looks <= MOST_LOOKS
    }

    /// From when on the feed has to be read, and what of it was applied before. `None` where memory was emptied instead.
    pub fn follows_from(&self, now: Timestamp) -> Option<(Timestamp, HashSet<String>)> {
        let mut state = self.state();
        match state.followed_to {
            Some(at) if at <= now.plus(FEED_OVERLAP) && now.since(at) <= FORGET_AFTER => Some((at.min(now), state.applied.clone())),
            _ => {
                *state = State { generation: state.generation + 1, followed_to: Some(now), warned: state.warned, ..State::default() };
                None
            }
        }
    }

    /// Forgets what the entries say has changed. `now` is when the feed began to be read.
    pub fn apply(&self, entries: Vec<(String, Changed)>, now: Timestamp) {
        let mut state = self.state();
        let (mut revoked, mut ended) = (HashSet::new(), HashSet::new());
        state.generation += u64::from(!entries.is_empty());
        for (place, changed) in entries {
            match changed {
                Changed::Client { client_id } => {
                    state.people.retain(|(_, used), _| *used != client_id);
                    state.proofs.retain(|_, proof| proof.client.client_id != client_id);
                    state.clients.remove(&client_id);
                }
                Changed::User { user_id } => {
                    state.people.retain(|(known, _), _| *known != user_id);
                    state.proofs.retain(|_, proof| proof.person.user.user_id != user_id);
                }
                // A group may have been assigned to a client that its members use.
                Changed::Group { name } => {
                    state.people.retain(|_, person| !person.user.metadata.groups.contains(&name));
                    state.proofs.retain(|_, proof| !proof.person.user.metadata.groups.contains(&name));
                }
                Changed::Token { jti } => drop(revoked.insert(jti)),
                Changed::Grant { grant_id } => drop(ended.insert(grant_id)),
                Changed::Apis => {
                    state.apis = None;
                    state.tables.clear();
                }
                Changed::Privileges { api } => {
                    state.apis = None;
                    state.tables.remove(&api);
                }
                Changed::Keys => state.keys = false,
            }
            state.applied.insert(place);
        }
        if !revoked.is_empty() || !ended.is_empty() {
            let is_ended = |seen: &SeenToken| seen.claims.grant_id.as_ref().is_some_and(|grant_id| ended.contains(grant_id));
            state.tokens.retain(|_, seen| !revoked.contains(&seen.claims.jti) && !is_ended(seen));
        }
        state.followed_to = Some(now);
        let oldest = format!("{:012}", now.minus(2 * FEED_OVERLAP + FORGET_AFTER).unix());
        state.applied.retain(|place| *place >= oldest);
    }

    /// What is remembered that this call with this token needs.
    pub fn recall(&self, digest: Option<&[u8; 32]>, call: Option<&Call>) -> Known {
        let state = self.state();
        let token = digest.and_then(|digest| state.tokens.get(digest)).map(Arc::clone);
        let client = token.as_ref().and_then(|seen| state.clients.get(&seen.claims.client_id)).map(Arc::clone);
        let claims = token.as_ref().map(|seen| &seen.claims);
        let user = claims.and_then(|claims| claims.user_id().map(|user_id| (user_id, claims.client_id.clone())));
        let person = user.and_then(|user| state.people.get(&user)).map(Arc::clone);
        let api = state.apis.as_ref().and_then(|apis| with_privileges(call, claims, apis));
        let table = api.and_then(|api| state.tables.get(&api.metadata.name)).map(Arc::clone);
        Known { generation: state.generation, keys: state.keys, apis: state.apis.clone(), table, client, person, token }
    }

    /// All Apis, if they are remembered.
    pub fn apis(&self) -> Option<Arc<Apis>> {
        self.state().apis.clone()
    }

    /// The client, if it is remembered.
    pub fn client(&self, client_id: &ClientId) -> Option<Arc<Client>> {
        self.state().clients.get(client_id).map(Arc::clone)
    }

    /// What is about to be read is to be remembered under this.
    pub fn generation(&self) -> u64 {
        self.state().generation
    }

    /// Remembers a client that was read, unless the feed told of a change while it was being read.
    pub fn learn_client(&self, generation: u64, client: &Arc<Client>) {
        let mut state = self.state();
        if state.generation != generation {
            return;
        }
        if state.clients.len() >= MOST_TOKENS {
            state.clients.clear();
        }
        state.clients.insert(client.client_id.clone(), Arc::clone(client));
    }

    /// The user as the client sees them, if that is remembered.
    pub fn person(&self, user_id: &UserId, client_id: &ClientId) -> Option<Arc<Person>> {
        self.state().people.get(&(user_id.clone(), client_id.clone())).map(Arc::clone)
    }

    /// The key under which this instance knows passwords.
    pub fn proof_key(&self, fresh: &Fresh) -> hmac::Key {
        let new = || hmac::Key::new(hmac::HMAC_SHA256, &fresh.bits("basic proof key"));
        self.state().proof_key.get_or_insert_with(new).clone()
    }

    /// What a password opens that was right a moment ago.
    pub fn proof(&self, digest: &[u8], now: Timestamp) -> Option<Proof> {
        self.state().proofs.get(digest).filter(|proof| now < proof.until && now >= proof.seen.claims.iat).cloned()
    }

    /// Remembers that a password was right, unless the feed told of a change while it was being looked at.
    pub fn prove(&self, generation: u64, digest: &[u8], proof: Proof) {
        let mut state = self.state();
        if state.generation != generation {
            return;
        }
        if state.proofs.len() >= MOST_PROOFS {
            state.proofs.clear();
        }
        state.proofs.insert(digest.to_owned(), proof);
    }

    /// Remembers what was read, unless the feed told of a change while it was being read.
    pub fn learn(&self, generation: u64, digest: Option<&[u8; 32]>, call: Option<&Call>, sight: &Sight, now: Timestamp) {
        let mut state = self.state();
        if state.generation != generation {
            return;
        }
        state.keys = true;
        state.apis = Some(Arc::clone(&sight.apis));
        if let Some((api, table)) = with_privileges(call, sight.claims(), &sight.apis).zip(sight.table.as_ref()) {
            state.tables.insert(api.metadata.name.clone(), Arc::clone(table));
        }
        let (Some(digest), Some(Ok(seen)), Some(client)) = (digest, &sight.token, &sight.client) else { return };
        if state.tokens.len().max(state.people.len()).max(state.clients.len()) >= MOST_TOKENS {
            state.make_room(now);
        }
        state.clients.insert(seen.claims.client_id.clone(), Arc::clone(client));
        if let Some(person) = &sight.person {
            state.people.insert((person.user.user_id.clone(), seen.claims.client_id.clone()), Arc::clone(person));
        }
        // A revoked token is not worth a place: it is refused either way.
        if seen.recorded != Recorded::Revoked {
            state.tokens.insert(*digest, Arc::clone(seen));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oauth::access_token::fixture::claims;
    use crate::oauth::client::fixture::client;
    use crate::oauth::user::fixture::user;

    #[test]
    fn a_client_that_was_read_before_a_change_is_not_remembered_after_it() {
        // M-05, SF-07
        let (memory, client) = (Memory::new(5), Arc::new(client(json!({})).0));
        let client_id = client.client_id.clone();
        let tell = |place: &str| memory.apply(vec![(place.to_owned(), Changed::Client { client_id: client_id.clone() })], Timestamp::from_unix(1));
        let read_before = memory.generation();
        tell("1");
        memory.learn_client(read_before, &client);
        assert!(memory.client(&client_id).is_none());
        memory.learn_client(memory.generation(), &client);
        assert!(memory.client(&client_id).is_some());
        tell("2");
        assert!(memory.client(&client_id).is_none());
    }

    #[test]
    fn the_age_of_the_view_is_told_once_a_minute() {
        let memory = Memory::new(5);
        let at = Timestamp::from_unix;
        memory.apply(Vec::new(), at(1_000));
        let told: Vec<_> = [1_002, 1_061, 1_062, 1_121, 1_130].into_iter().map(|now| memory.age_to_tell(at(now))).collect();
        assert_eq!(told, [Some(2), None, Some(62), None, Some(130)]);
    }

    #[test]
    fn whom_no_remembered_token_names_is_forgotten() {
        let memory = Memory::new(5);
        let apis = Arc::new(Apis::new(Vec::new(), 1));
        // Each token is a second's, of a user and a client of its own; every other one is revoked.
        for number in 0..4 * MOST_TOKENS {
            let now = Timestamp::from_unix(1_000 + number as u64);
            let mut client = client(serde_json::json!({})).0;
            client.client_id = ClientId::parse(&format!("c{number}")).unwrap();
            let mut user = user(serde_json::json!({}));
            user.user_id = UserId::parse(&format!("u-{number:024x}")).unwrap();
            let mut claims = claims(now.unix(), now.unix() + 2);
            (claims.client_id, claims.sub) = (client.client_id.clone(), user.user_id.as_str().to_owned());
            let recorded = if number % 2 == 0 { Recorded::Live } else { Recorded::Revoked };
            let seen = SeenToken { claims, kid: None, recorded, grant: None, written: Written::default() };
            let person = Some(Arc::new(Person::new(user, &[], true)));
            let sight = Sight { apis: Arc::clone(&apis), table: None, client: Some(Arc::new(client)), person, token: Some(Ok(Arc::new(seen))) };
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&number.to_be_bytes());
            memory.learn(0, Some(&digest), None, &sight, now);
            let state = memory.state();
            for remembered in [state.tokens.len(), state.people.len(), state.clients.len()] {
                assert!(remembered <= MOST_TOKENS, "{number}: {remembered}");
            }
        }
        let last = format!("c{}", 4 * MOST_TOKENS - 2);
        assert!(memory.client(&ClientId::parse(&last).unwrap()).is_some());
    }

    #[test]
    fn a_password_that_was_looked_at_before_a_change_is_not_remembered_after_it() {
        // LO-10, SF-07
        let memory = Memory::new(5);
        let now = Timestamp::from_unix(1_500);
        let prove = |generation| {
            let seen = SeenToken { claims: claims(1_000, 2_000), kid: None, recorded: Recorded::Live, grant: None, written: Written::default() };
            let person = Person::new(user(json!({})), &[], true);
            let until = Timestamp::from_unix(2_000);
            memory.prove(
                generation,
                b"digest",
                Proof { seen: Arc::new(seen), client: Arc::new(client(json!({})).0), person: Arc::new(person), until },
            );
            memory.proof(b"digest", now).is_some()
        };
        let looked_at_before = memory.generation();
        memory.apply(vec![("1".to_owned(), Changed::User { user_id: user(json!({})).user_id })], now);
        assert!(!prove(looked_at_before));
        assert!(prove(memory.generation()));
    }
}

//! What an authorizer instance remembers: tokens, clients and Apis as the table had them, corrected by the change feed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::oauth::access_token::Claims;
use crate::oauth::api::Apis;
use crate::oauth::change::Changed;
use crate::oauth::client::Client;
use crate::oauth::ids::ClientId;
use crate::oauth::time::Timestamp;
use crate::oauth::token_gate::{Recorded, TokenFault};
use crate::store::FEED_OVERLAP;

/// How many tokens are remembered; beyond it the dead ones go first, and then all of them.
const MOST_TOKENS: usize = 10_000;

/// An instance that was frozen for longer than this, in seconds, forgets everything instead of catching up. So does one whose clock was
/// set back by more than writers' clocks may differ: it cannot know what it was not told.
const FORGET_AFTER: u64 = 600;

/// How often in a second refusals may bring about a look at the feed.
const MOST_LOOKS: u8 = 3;

/// What an instance remembers.
pub struct Memory {
    feed_seconds: u64,
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
    keys: bool,
    apis: Option<Arc<Apis>>,
    clients: HashMap<ClientId, Arc<Client>>,
    tokens: HashMap<[u8; 32], Arc<SeenToken>>,
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
}

/// Everything that a decision needs.
pub struct Sight {
    /// All Apis.
    pub apis: Arc<Apis>,
    /// The token's client, if there is a token and the client exists.
    pub client: Option<Arc<Client>>,
    /// The token; `None` where none was presented.
    pub token: Option<Result<Arc<SeenToken>, TokenFault>>,
}

/// What is remembered of it.
pub struct Known {
    pub generation: u64,
    pub keys: bool,
    pub apis: Option<Arc<Apis>>,
    pub client: Option<Arc<Client>>,
    pub token: Option<Arc<SeenToken>>,
}

impl Known {
    /// The sight, if nothing has to be read for it.
    pub fn whole(&self, with_token: bool) -> Option<Sight> {
        let apis = Arc::clone(self.apis.as_ref().filter(|_| self.keys)?);
        if !with_token {
            return Some(Sight { apis, client: None, token: None });
        }
        let (token, client) = self.token.as_ref().zip(self.client.as_ref())?;
        Some(Sight { apis, client: Some(Arc::clone(client)), token: Some(Ok(Arc::clone(token))) })
    }
}

impl Memory {
    /// Nothing is remembered yet; nothing will be trusted for longer than `feed_seconds` without a look at the feed.
    pub fn new(feed_seconds: u64) -> Self {
        Self { feed_seconds, state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the feed has to be looked at before the next decision.
    pub fn is_due(&self, now: Timestamp) -> bool {
        // A clock that was set back must not keep the feed from being looked at (SF-17).
        self.state().followed_to.is_none_or(|at| now < at || now.since(at) >= self.feed_seconds)
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
                *state = State { generation: state.generation + 1, followed_to: Some(now), ..State::default() };
                None
            }
        }
    }

    /// Forgets what the entries say has changed. `now` is when the feed began to be read.
    pub fn apply(&self, entries: Vec<(String, Changed)>, now: Timestamp) {
        let mut state = self.state();
        let mut revoked = HashSet::new();
        state.generation += u64::from(!entries.is_empty());
        for (place, changed) in entries {
            match changed {
                Changed::Client { client_id } => drop(state.clients.remove(&client_id)),
                Changed::Token { jti } => drop(revoked.insert(jti)),
                Changed::Apis => state.apis = None,
                Changed::Keys => state.keys = false,
            }
            state.applied.insert(place);
        }
        if !revoked.is_empty() {
            state.tokens.retain(|_, seen| !revoked.contains(&seen.claims.jti));
        }
        state.followed_to = Some(now);
        let oldest = format!("{:012}", now.minus(2 * FEED_OVERLAP + FORGET_AFTER).unix());
        state.applied.retain(|place| *place >= oldest);
    }

    /// What is remembered that a call with this token needs.
    pub fn recall(&self, digest: Option<&[u8; 32]>) -> Known {
        let state = self.state();
        let token = digest.and_then(|digest| state.tokens.get(digest)).map(Arc::clone);
        let client = token.as_ref().and_then(|seen| state.clients.get(&seen.claims.client_id)).map(Arc::clone);
        Known { generation: state.generation, keys: state.keys, apis: state.apis.clone(), client, token }
    }

    /// The client, if it is remembered.
    pub fn client(&self, client_id: &ClientId) -> Option<Arc<Client>> {
        self.state().clients.get(client_id).map(Arc::clone)
    }

    /// Remembers what was read, unless the feed told of a change while it was being read.
    pub fn learn(&self, generation: u64, digest: Option<&[u8; 32]>, sight: &Sight, now: Timestamp) {
        let mut state = self.state();
        if state.generation != generation {
            return;
        }
        state.keys = true;
        state.apis = Some(Arc::clone(&sight.apis));
        let (Some(digest), Some(Ok(seen)), Some(client)) = (digest, &sight.token, &sight.client) else { return };
        state.clients.insert(seen.claims.client_id.clone(), Arc::clone(client));
        // A revoked token is not worth a place: it is refused either way.
        if seen.recorded != Recorded::Revoked {
            if state.tokens.len() >= MOST_TOKENS {
                state.tokens.retain(|_, seen| now < seen.claims.exp);
            }
            if state.tokens.len() >= MOST_TOKENS {
                state.tokens.clear();
                state.clients.clear();
            }
            state.tokens.insert(*digest, Arc::clone(seen));
        }
    }
}

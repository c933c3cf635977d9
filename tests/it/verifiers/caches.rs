//! Key rotation against the caches of those who verify offline: the real key sets over a moved clock, and verifiers that fetch them
//! at every possible moment.

use shared::oauth::api::{LONGEST_TOKEN_LIFE, SigningAlg};
use shared::oauth::keys::{Jwk, KeySet, PublicNumbers};
use shared::oauth::time::Timestamp;

/// How a verifier keeps a key set, in seconds; docs/verifiers.md says where each figure was read.
pub struct Cache {
    pub name: &'static str,
    /// How long it keeps what it fetched; `None`: for ever.
    pub lifetime: Option<u64>,
    pub unknown_kid: UnknownKid,
}

/// What a verifier does with a `kid` that is not in its set.
pub enum UnknownKid {
    /// Refuses the token.
    Refused,
    /// Fetches, unless the last fetch is less than so long ago.
    FetchedAfter(u64),
    /// Fetches, unless it did so in vain less than so long ago.
    FetchedUnlessInVain(u64),
}

use UnknownKid::{FetchedAfter, FetchedUnlessInVain, Refused};

pub const CACHES: [Cache; 7] = [
    Cache { name: "HTTP API JWT authorizer", lifetime: Some(7_200), unknown_kid: Refused },
    Cache { name: "REST API JWT authorizer", lifetime: Some(3_600), unknown_kid: FetchedAfter(0) },
    // Not documented: taken for as bad as the worst that is.
    Cache { name: "ALB, Verified Permissions, AgentCore", lifetime: Some(7_200), unknown_kid: Refused },
    Cache { name: "aws-jwt-verify", lifetime: None, unknown_kid: FetchedUnlessInVain(10) },
    Cache { name: "jose", lifetime: Some(600), unknown_kid: FetchedAfter(30) },
    Cache { name: "PyJWT", lifetime: Some(300), unknown_kid: FetchedAfter(30) },
    Cache { name: "jwks-rsa", lifetime: Some(600), unknown_kid: FetchedAfter(0) },
];

/// Some keys of a history, one bit each.
type Keys = u64;

/// Every key set that was written, and when; times in seconds.
#[derive(Default)]
pub struct History {
    sets: Vec<(u64, KeySet)>,
    kids: Vec<String>,
}

impl History {
    /// The set at `at`; the empty one before the first.
    pub fn set(&self, at: u64) -> KeySet {
        self.sets.iter().rev().find(|(from, _)| *from <= at).map(|(_, set)| set.clone()).unwrap_or_default()
    }

    /// Writes a new set at `at`, made of the last one and of a new key of each of these algorithms.
    pub fn change(&mut self, at: u64, algorithms: &[SigningAlg], change: fn(KeySet, Jwk, Timestamp) -> KeySet) {
        let mut set = self.set(at);
        for alg in algorithms {
            let jwk = jwk(self.kids.len(), *alg);
            self.kids.push(jwk.kid.clone());
            set = change(set, jwk, Timestamp::from_unix(at));
        }
        self.sets.push((at, set));
    }

    /// What the key set document lists at `at`.
    fn published(&self, at: u64) -> Keys {
        let set = self.set(at);
        self.bits(|kid| set.trusts(kid, Timestamp::from_unix(at)))
    }

    /// What signs at `at`.
    fn signing(&self, at: u64) -> Keys {
        let (set, now) = (self.set(at), Timestamp::from_unix(at));
        let active = [SigningAlg::ES256, SigningAlg::RS256].map(|alg| set.active(alg, now).map(|key| key.jwk.kid.clone()));
        self.bits(|kid| active.iter().flatten().any(|active| active == kid))
    }

    fn bits(&self, has: impl Fn(&str) -> bool) -> Keys {
        self.kids.iter().enumerate().filter(|(_, kid)| has(kid)).map(|(index, _)| 1 << index).sum()
    }
}

/// A key of the size that real ones have.
fn jwk(number: usize, alg: SigningAlg) -> Jwk {
    let numbers = match alg {
        SigningAlg::ES256 => PublicNumbers::Ec { crv: "P-256".to_owned(), x: "x".repeat(43), y: "y".repeat(43) },
        SigningAlg::RS256 => PublicNumbers::Rsa { n: "n".repeat(342), e: "AQAB".to_owned() },
    };
    Jwk { kid: format!("{number:024}"), alg, usage: "sig".to_owned(), numbers }
}

/// A stretch of a history in equal steps.
pub struct Stretch {
    step: u64,
    /// What a verifier has that fetched just before.
    before: Keys,
    /// What one gets that fetches at each step.
    served: Vec<Keys>,
    /// What signs at each step.
    signing: Vec<Keys>,
}

impl Stretch {
    /// From `from` to `to`, where a fetch brings a document that is up to `lag` old.
    pub fn of(history: &History, from: u64, to: u64, step: u64, lag: u64) -> Self {
        let steps = || (from..to).step_by(usize::try_from(step).unwrap());
        let lag = lag.div_ceil(step) * step;
        Self {
            step,
            before: history.published(from - step - lag),
            served: steps().map(|at| history.published(at - lag)).collect(),
            signing: steps().map(|at| history.signing(at)).collect(),
        }
    }

    /// At each step the keys whose tokens may be about: they signed within the life of the longest token.
    fn about(&self) -> Vec<Keys> {
        let life = usize::try_from(LONGEST_TOKEN_LIFE / self.step).unwrap();
        (0..self.signing.len()).map(|step| self.signing[step.saturating_sub(life)..=step].iter().fold(0, |all, keys| all | keys)).collect()
    }
}

/// A verifier at work.
struct Verifier<'a> {
    cache: &'a Cache,
    stretch: &'a Stretch,
    keys: Keys,
    /// In seconds of the stretch, as is all that follows; negative before it.
    fetched_at: i64,
    in_vain_at: Option<i64>,
}

impl Verifier<'_> {
    /// Whether it believes a token of `key`; `0` is a key that nobody has.
    fn believes(&mut self, key: Keys, step: usize) -> bool {
        let now = i64::try_from(u64::try_from(step).unwrap() * self.stretch.step).unwrap();
        if self.cache.lifetime.is_some_and(|lifetime| now - self.fetched_at >= i64::try_from(lifetime).unwrap()) {
            (self.keys, self.fetched_at) = (self.stretch.served[step], now);
        }
        if self.keys & key != 0 {
            return true;
        }
        let may_fetch = match self.cache.unknown_kid {
            Refused => false,
            FetchedAfter(cooldown) => now - self.fetched_at >= i64::try_from(cooldown).unwrap(),
            FetchedUnlessInVain(penalty) => self.in_vain_at.is_none_or(|at| now - at >= i64::try_from(penalty).unwrap()),
        };
        if may_fetch {
            (self.keys, self.fetched_at) = (self.stretch.served[step], now);
            if self.keys & key == 0 {
                self.in_vain_at = Some(now);
            }
        }
        self.keys & key != 0
    }
}

/// A verifier for each moment before the stretch at which it may have fetched last.
fn at_every_phase<'a>(cache: &'a Cache, stretch: &'a Stretch) -> Vec<Verifier<'a>> {
    let ages = (0..cache.lifetime.unwrap_or(1)).step_by(usize::try_from(stretch.step).unwrap());
    let verifier = |age: u64| Verifier { cache, stretch, keys: stretch.before, fetched_at: -i64::try_from(age).unwrap(), in_vain_at: None };
    ages.map(verifier).collect()
}

/// The first step, if there is one, at which a verifier of this cache refuses an honest token. At each step somebody comes
/// with a made-up `kid` first, if `is_busy`.
pub fn refuses_an_honest_token(cache: &Cache, stretch: &Stretch, is_busy: bool) -> Option<usize> {
    let about = stretch.about();
    let refusal = |mut verifier: Verifier| {
        about.iter().enumerate().position(|(step, keys)| {
            assert!(!is_busy || !verifier.believes(0, step));
            (0..Keys::BITS - keys.leading_zeros()).map(|bit| 1 << bit).filter(|key| keys & key != 0).any(|key| !verifier.believes(key, step))
        })
    };
    at_every_phase(cache, stretch).into_iter().filter_map(refusal).min()
}

/// How long, in seconds from the start of the stretch, this cache can be wrong: it believes `old`, and it refuses `new`. `None`: to the end.
/// At each step comes first a made-up `kid`, if `is_busy`, then a token of `new`, if that is not `0`, then one of `old`.
pub fn wrong_for(cache: &Cache, stretch: &Stretch, old: Keys, new: Keys, is_busy: bool) -> (Option<u64>, Option<u64>) {
    let (mut believed, mut refused) = (0, 0);
    for mut verifier in at_every_phase(cache, stretch) {
        for step in 0..stretch.served.len() {
            assert!(!is_busy || !verifier.believes(0, step));
            if new != 0 && !verifier.believes(new, step) {
                refused = refused.max(step + 1);
            }
            if verifier.believes(old, step) {
                believed = believed.max(step + 1);
            }
        }
    }
    let seconds = |steps: usize| (steps < stretch.served.len()).then(|| u64::try_from(steps).unwrap() * stretch.step);
    (seconds(believed), seconds(refused))
}

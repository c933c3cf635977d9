//! Signing in: sessions of browsers, and how guessing is slowed down.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::fresh::Fresh;
use super::time::Timestamp;
use super::user::{User, UserId};

/// How long a browser stays signed in, in seconds: a working day.
pub const SESSION_LIFE: u64 = 8 * 3_600;

/// At which failed sign-in in a row of one account the next has to wait. A try counts as failed until it has succeeded, so this is also how many
/// may be under way at once: a browser opens six connections.
pub const FREE_FOR_ACCOUNT: u32 = 10;

/// The same for one source, which may be an office with many accounts behind it.
pub const FREE_FOR_SOURCE: u32 = 50;

/// The longest wait, in seconds: nobody is locked out for good by somebody else's guessing (LO-03).
const LONGEST_WAIT: u64 = 300;

/// After how long without a failure all is forgotten, in seconds.
pub const FORGIVEN_AFTER: u64 = 3_600;

/// A browser's secret, held in a cookie: 256 bits. The table knows a digest of it.
pub struct Cookie([u8; 32]);

impl Cookie {
    /// A new one for this purpose.
    pub fn generate(purpose: &str, fresh: &Fresh) -> Self {
        Self(fresh.bits(purpose))
    }

    /// Reads a presented value; `None` where it does not have the shape of one.
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// The value, for the one header that sets it.
    pub fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What the table knows it by.
    pub fn digest(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"browser cookie\n");
        context.update(&self.0);
        URL_SAFE_NO_PAD.encode(context.finish())
    }

    /// A proof that a form with `content` was made for this browser (RFC 6749 §10.12).
    pub fn sign(&self, content: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), content.as_bytes()))
    }

    /// Whether `proof` is this browser's for `content`.
    pub fn signed(&self, content: &str, proof: &str) -> bool {
        verify_slices_are_equal(self.sign(content).as_bytes(), proof.as_bytes()).is_ok()
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(…)")
    }
}

/// A session as the table holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Who signed in.
    pub user_id: UserId,
    /// The user's `valid_from`, as it was when the password was looked at.
    pub valid_from: Timestamp,
    /// From when on it is dead.
    pub expires_at: Timestamp,
}

impl Session {
    /// A session of somebody who has just signed in.
    pub fn of(user: &User, now: Timestamp) -> Self {
        Self { user_id: user.user_id.clone(), valid_from: user.valid_from, expires_at: now.plus(SESSION_LIFE) }
    }

    /// Whether the session is still its user's (LO-10: a new password ends it).
    pub fn is_alive(&self, user: &User, now: Timestamp) -> bool {
        now < self.expires_at && user.metadata.active && user.user_id == self.user_id && user.valid_from == self.valid_from
    }
}

/// Failed sign-ins of one account, or from one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// How many in a row.
    pub failures: u32,
    /// When the last one began, or the last try if it was taken back while another was under way.
    pub last_at: Timestamp,
    /// Until when the next one has to wait.
    pub blocked_until: Timestamp,
    /// Rises with every change.
    pub version: u64,
}

impl Attempts {
    /// What is noted before a password is looked at: a try counts as failed until it has succeeded, so that parallel guesses count
    /// (LO-01).
    ///
    /// # Errors
    /// How many seconds to wait.
    pub fn try_at(earlier: Option<Self>, free: u32, now: Timestamp) -> Result<Self, u64> {
        let version = earlier.map_or(0, |earlier| earlier.version) + 1;
        let earlier = earlier.filter(|earlier| now.since(earlier.last_at) < FORGIVEN_AFTER);
        if let Some(earlier) = earlier.filter(|earlier| now < earlier.blocked_until) {
            return Err(earlier.blocked_until.since(now));
        }
        let failures = earlier.map_or(0, |earlier| earlier.failures).saturating_add(1);
        let wait = if failures < free { 0 } else { (1_u64 << (failures - free).min(20)).min(LONGEST_WAIT) };
        Ok(Self { failures, last_at: now, blocked_until: now.plus(wait), version })
    }

    /// What is noted after a try that succeeded: it was no failure, and what it cost is taken back. `last_at`: when the last failure began, as
    /// far as that is known.
    pub fn taken_back(self, last_at: Timestamp) -> Self {
        Self { failures: self.failures.saturating_sub(1), last_at, blocked_until: last_at, version: self.version + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end() {
        // LO-01, LO-03
        let at = Timestamp::from_unix;
        let mut now = 1_000;
        let mut attempts = None;
        let mut waits = Vec::new();
        for _ in 0..21 {
            let next = Attempts::try_at(attempts, FREE_FOR_ACCOUNT, at(now)).unwrap();
            let wait = next.blocked_until.since(at(now));
            waits.push(wait);
            if wait > 0 {
                assert_eq!(Attempts::try_at(Some(next), FREE_FOR_ACCOUNT, at(now)), Err(wait));
                assert_eq!(Attempts::try_at(Some(next), FREE_FOR_ACCOUNT, at(now + wait - 1)), Err(1));
            }
            now += wait;
            attempts = Some(next);
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        let before = attempts.unwrap();
        let taken = Attempts::try_at(attempts, FREE_FOR_ACCOUNT, at(now)).unwrap().taken_back(before.last_at);
        assert_eq!(taken, Attempts { version: before.version + 2, blocked_until: before.last_at, ..before });
        assert_eq!(Attempts::try_at(attempts, FREE_FOR_ACCOUNT, at(now + FORGIVEN_AFTER)).unwrap().failures, 1);
    }

    #[test]
    fn a_form_is_good_in_the_browser_that_it_was_made_for() {
        // AZ-24, AZ-29, SE-02
        let fresh = Fresh::new(Timestamp::default(), [1; 32]);
        let (one, other) = (Cookie::generate("browser", &fresh), Cookie::generate("session", &fresh));
        let proof = one.sign("request");
        assert!(one.signed("request", &proof) && !one.signed("request!", &proof) && !other.signed("request", &proof) && !one.signed("request", ""));
        assert!(Cookie::parse(&one.expose()).unwrap().signed("request", &proof));
        assert!(Cookie::parse("short").is_none() && one.digest() != one.expose());
        assert_eq!(format!("{one:?}"), "Cookie(…)");
    }
}

//! The refresh tokens of a grant. Each use gives the next one (RFC 9700 §4.14.2: rotation), which only the token and the grant's own bits
//! can make: so the family is one line, and no list of the tokens in it is kept.

use serde::{Deserialize, Serialize};

use super::grant_token::{Digest, GrantToken};
use super::time::Timestamp;

/// The refresh tokens of a grant: one is good, the one before it for a moment, and all earlier ones betray whoever uses them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshFamily {
    current: Digest,
    /// How many there were before it.
    generation: u32,
    /// The token before, and when it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<(Digest, Timestamp)>,
    /// From when on the current one is dead if nobody uses it.
    pub(super) expires_at: Timestamp,
}

/// Which token of its family one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The one that is good.
    Current,
    /// The one before, and when it was used.
    Previous { used_at: Timestamp },
    /// An older one.
    Earlier,
}

/// How many generations back a token is known: a refresh a minute for a week. An older one is nobody's, which costs a guess no more work.
const LONGEST_MEMORY: u32 = 10_000;

impl RefreshFamily {
    /// A family of one token.
    pub(super) fn begin(first: &GrantToken, expires_at: Timestamp) -> Self {
        Self { current: first.digest(), generation: 0, previous: None, expires_at }
    }

    /// The family after `token`, its current one, was used and gave `next`.
    pub(super) fn turned(&self, token: &GrantToken, next: &GrantToken, now: Timestamp, expires_at: Timestamp) -> Self {
        Self { current: next.digest(), generation: self.generation + 1, previous: Some((token.digest(), now)), expires_at }
    }

    /// Which token of the family this is; `None`: none of it. An earlier one is known by its descendants.
    pub(super) fn standing(&self, token: &GrantToken, salt: &str) -> Option<Standing> {
        if self.current.is_of(token) {
            return Some(Standing::Current);
        }
        if let Some((_, used_at)) = self.previous.as_ref().filter(|(previous, _)| previous.is_of(token)) {
            return Some(Standing::Previous { used_at: *used_at });
        }
        let mut descendant = token.successor(salt);
        for _ in 1..self.generation.min(LONGEST_MEMORY) {
            descendant = descendant.successor(salt);
            if self.current.is_of(&descendant) {
                return Some(Standing::Earlier);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::grant::fixture::*;
    use super::super::grant::*;
    use super::*;

    fn refresh(grant: &Grant, token: &GrantToken, now: u64) -> Change {
        grant.refresh(token, &client("c1"), REFRESH_LIFE, &fresh(now))
    }

    #[test]
    fn refresh_tokens_rotate_and_every_earlier_one_ends_the_family() {
        // RT-01, RT-02, RT-03, RT-04, G-16, I-29
        let (mut grant, first) = active();
        let mut tokens = vec![first];
        for _ in 0..20 {
            let change = refresh(&grant, tokens.last().unwrap(), 2_000);
            tokens.push(change.answer.unwrap().unwrap());
            grant = change.grant.unwrap();
        }
        let (current, earlier) = tokens.split_last().unwrap();
        for (at, token) in earlier.iter().enumerate() {
            let replay = refresh(&grant, token, 2_000 + REFRESH_GRACE + 1);
            assert_eq!(replay.answer.unwrap_err(), GrantFault::Replayed, "{at}");
            assert!(matches!(replay.grant.unwrap().phase, Phase::Revoked { .. }), "{at}");
        }
        assert!(refresh(&grant, current, 2_100).answer.is_ok());
        let guess = GrantToken { kind: Kind::Refresh, grant_id: grant.grant_id.clone(), secret: [9; 32] };
        let guessed = refresh(&grant, &guess, 2_000);
        assert!(guessed.answer.unwrap_err() == GrantFault::Unknown && guessed.grant.is_none(), "a guess changes nothing");
        assert_eq!(refresh(&grant.revoked(Timestamp::from_unix(2_000)), current, 2_001).answer.unwrap_err(), GrantFault::Revoked);
    }

    #[test]
    fn an_honest_retry_gets_the_same_successor_for_a_moment() {
        // RT-06
        let (grant, first) = active();
        let change = refresh(&grant, &first, 2_000);
        let (rotated, second) = (change.grant.unwrap(), change.answer.unwrap().unwrap());
        let retry = refresh(&rotated, &first, 2_000 + REFRESH_GRACE);
        assert!(retry.grant.is_none(), "nothing forks");
        assert_eq!(retry.answer.unwrap().unwrap().expose(), second.expose());
        assert_eq!(refresh(&rotated, &first, 2_001 + REFRESH_GRACE).answer.unwrap_err(), GrantFault::Replayed);
        // Once the successor was used there is nothing left to retry.
        let used = refresh(&rotated, &second, 2_001).grant.unwrap();
        assert_eq!(refresh(&used, &first, 2_002).answer.unwrap_err(), GrantFault::Replayed);
    }

    #[test]
    fn refresh_tokens_are_bound_to_the_client_and_end() {
        // RT-07, RT-11
        let (grant, first) = active();
        let other = grant.refresh(&first, &client("c2"), REFRESH_LIFE, &fresh(2_000));
        assert!(other.answer.unwrap_err() == GrantFault::OtherClient && other.grant.is_none());
        assert_eq!(refresh(&grant, &first, 1_010 + REFRESH_LIFE).answer.unwrap_err(), GrantFault::Expired, "idle");
        let mut grant = grant;
        let mut token = first;
        let mut now = 1_010;
        while now + REFRESH_LIFE / 2 < 1_000 + LONGEST_GRANT {
            now += REFRESH_LIFE / 2;
            let change = refresh(&grant, &token, now);
            (grant, token) = (change.grant.unwrap(), change.answer.unwrap().unwrap());
        }
        assert_eq!(refresh(&grant, &token, 1_000 + LONGEST_GRANT).answer.unwrap_err(), GrantFault::Expired, "rotation never extends the whole");
    }
}

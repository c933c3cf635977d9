//! A grant: what a user allowed a client, as one aggregate. Authorization code and refresh tokens are phases of it, not objects of their
//! own: so the second of two racing requests finds what the first has left, and one write ends a whole family.

use serde::{Deserialize, Serialize};

use super::fresh::Fresh;
use super::grant_token::Digest;
pub use super::grant_token::{GrantId, GrantToken, Kind};
use super::ids::ClientId;
use super::pkce::{CodeChallenge, CodeVerifier};
use super::time::Timestamp;
use super::user::UserId;

/// How long a code is good, in seconds.
pub const CODE_LIFE: u64 = 60;

/// How long after a refresh its retry gets the same answer, in seconds: a client whose connection broke has not lost its user.
pub const REFRESH_GRACE: u64 = 10;

/// How long a refresh token is good unless the client says less, in seconds: 30 days after it was given out, and in all 180 days after the
/// user has signed in.
pub const REFRESH_LIFE: u64 = 30 * 86_400;
const LONGEST_GRANT: u64 = 180 * 86_400;

/// A grant as the table holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Names it.
    pub grant_id: GrantId,
    /// The client that was allowed.
    pub client_id: ClientId,
    /// The user who allowed it.
    pub user_id: UserId,
    /// The audience of its tokens.
    pub aud: String,
    /// The scope values that were allowed: no token of it has more.
    pub scope: Vec<String>,
    /// When the user allowed it.
    pub created_at: Timestamp,
    /// From when on it is dead, whatever is refreshed.
    pub expires_at: Timestamp,
    /// Random bits of this grant alone: with a refresh token they make the next one.
    salt: String,
    /// Where it stands.
    pub phase: Phase,
    /// Rises with every change.
    pub version: u64,
}

/// Where a grant stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// A code was given out and not used.
    CodeIssued {
        /// The code.
        #[serde(rename = "code")]
        code: CodeOfGrant,
    },
    /// The code was used.
    Active {
        /// The code, by which a replay is known.
        #[serde(rename = "code")]
        code: CodeOfGrant,
        /// The refresh tokens, if the client gets any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refresh: Option<RefreshFamily>,
    },
    /// All that it gave is dead.
    Revoked {
        /// Since when.
        at: Timestamp,
    },
}

/// An authorization code and what its redemption must match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeOfGrant {
    digest: Digest,
    challenge: CodeChallenge,
    redirect_uri: String,
    expires_at: Timestamp,
}

/// The refresh tokens of a grant: one is good, the one before it for a moment, and all earlier ones betray whoever uses them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshFamily {
    current: Digest,
    /// How many there have been.
    generation: u32,
    /// The token before, and when it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<(Digest, Timestamp)>,
    /// From when on the current one is dead if nobody uses it.
    expires_at: Timestamp,
}

/// What a user allows: the grant to be.
#[derive(Debug)]
pub struct Allowed<'a> {
    /// The client.
    pub client_id: &'a ClientId,
    /// The user.
    pub user_id: &'a UserId,
    /// The audience.
    pub aud: &'a str,
    /// The scope values.
    pub scope: Vec<String>,
    /// Where the code goes.
    pub redirect_uri: &'a str,
    /// PKCE.
    pub challenge: CodeChallenge,
    /// What the user granted before this is dead: this grant is not.
    pub not_before: Timestamp,
}

/// What the redemption of a code presents.
#[derive(Debug)]
pub struct Redemption<'a> {
    /// The code.
    pub code: &'a GrantToken,
    /// The authenticated client.
    pub client_id: &'a ClientId,
    /// The `redirect_uri` of the token request.
    pub redirect_uri: Option<&'a str>,
    /// The `code_verifier`.
    pub verifier: &'a CodeVerifier,
    /// How long a refresh token lives that goes with it, in seconds; `None`: there is none.
    pub refresh_life: Option<u64>,
}

/// Why a code or refresh token gives nothing. The wire says `invalid_grant` to all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantFault {
    /// No such grant, or another secret: a guess.
    Unknown,
    /// Another client's.
    OtherClient,
    /// Past its time.
    Expired,
    /// Used before.
    Replayed,
    /// The `redirect_uri` is not the one that the code was sent to.
    RedirectMismatch,
    /// The verifier is not the challenge's.
    VerifierMismatch,
    /// The grant was revoked.
    Revoked,
}

/// What becomes of the grant, and what the client gets: the two are independent, a replay changes the grant *and* is refused.
#[derive(Debug)]
#[must_use]
pub struct Change {
    /// The grant as it is to be; `None`: as it is.
    pub grant: Option<Grant>,
    /// The refresh token, if there is one.
    pub answer: Result<Option<GrantToken>, GrantFault>,
}

impl Change {
    fn refused(fault: GrantFault) -> Self {
        Self { grant: None, answer: Err(fault) }
    }
}

impl Grant {
    /// A new grant and its code. The grant's id is the request's: a request is allowed once.
    pub fn allow(grant_id: GrantId, allowed: Allowed<'_>, fresh: &Fresh) -> (Self, GrantToken) {
        let code = GrantToken { kind: Kind::Code, grant_id: grant_id.clone(), secret: fresh.bits("authorization_code") };
        let of_grant = CodeOfGrant {
            digest: code.digest(),
            challenge: allowed.challenge,
            redirect_uri: allowed.redirect_uri.to_owned(),
            expires_at: fresh.now.plus(CODE_LIFE),
        };
        let grant = Self {
            grant_id,
            client_id: allowed.client_id.clone(),
            user_id: allowed.user_id.clone(),
            aud: allowed.aud.to_owned(),
            scope: allowed.scope,
            created_at: fresh.now.max(allowed.not_before),
            expires_at: fresh.now.plus(LONGEST_GRANT),
            salt: fresh.text("grant_salt"),
            phase: Phase::CodeIssued { code: of_grant },
            version: 1,
        };
        (grant, code)
    }

    /// Whether what it gave may still be used.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        matches!(self.phase, Phase::Active { .. }) && now < self.expires_at
    }

    /// Redeems the code (RFC 6749 §4.1.3). `raced`: this request saw the code unused, and another was faster.
    pub fn redeem(&self, redemption: &Redemption<'_>, raced: bool, fresh: &Fresh) -> Change {
        let (Phase::CodeIssued { code } | Phase::Active { code, .. }) = &self.phase else { return Change::refused(GrantFault::Revoked) };
        // A guess changes nothing, and neither does somebody else's code.
        if !code.digest.is_of(redemption.code) {
            return Change::refused(GrantFault::Unknown);
        }
        if self.client_id != *redemption.client_id {
            return Change::refused(GrantFault::OtherClient);
        }
        //= https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2
        //# If an authorization code is used more than once, the authorization server MUST deny the request and SHOULD revoke (when
        //# possible) all tokens previously issued based on that authorization code.
        if matches!(self.phase, Phase::Active { .. }) {
            let grant = (!raced).then(|| self.revoked(fresh.now));
            return Change { grant, answer: Err(GrantFault::Replayed) };
        }
        if fresh.now >= code.expires_at {
            return Change::refused(GrantFault::Expired);
        }
        //= https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3
        //# ensure that the "redirect_uri" parameter is present if the "redirect_uri" parameter was included in the initial authorization
        //# request as described in Section 4.1.1, and if included ensure that their values are identical.
        if redemption.redirect_uri != Some(code.redirect_uri.as_str()) {
            return Change::refused(GrantFault::RedirectMismatch);
        }
        // Who has the code and not its verifier has stolen it: there is no second try (TE-22).
        if !code.challenge.matches(redemption.verifier) {
            return Change { grant: Some(self.revoked(fresh.now)), answer: Err(GrantFault::VerifierMismatch) };
        }
        let first = GrantToken { kind: Kind::Refresh, grant_id: self.grant_id.clone(), secret: fresh.bits("refresh_token") };
        let family = redemption.refresh_life.map(|life| RefreshFamily {
            current: first.digest(),
            generation: 0,
            previous: None,
            expires_at: fresh.now.plus(life).min(self.expires_at),
        });
        let answer = Ok(family.is_some().then_some(first));
        // Without refresh tokens it need not outlive the access token, but it must tell a replay for as long.
        let grant = Self { phase: Phase::Active { code: code.clone(), refresh: family }, ..self.clone() };
        Change { grant: Some(grant), answer }
    }

    /// Uses a refresh token (RFC 6749 §6; RFC 9700 §4.14.2: rotation). `life` is that of the next one, in seconds.
    pub fn refresh(&self, token: &GrantToken, client_id: &ClientId, life: u64, fresh: &Fresh) -> Change {
        let Phase::Active { code, refresh: Some(family) } = &self.phase else { return Change::refused(GrantFault::Revoked) };
        let standing = self.standing(token, family);
        if standing == Standing::Unknown {
            return Change::refused(GrantFault::Unknown);
        }
        if self.client_id != *client_id {
            return Change::refused(GrantFault::OtherClient);
        }
        let next = token.successor(&self.salt);
        match (standing, &family.previous) {
            // The honest retry of the very last refresh: the same successor once more, so that the family has one branch.
            (Standing::Previous, Some((_, used_at))) if fresh.now.since(*used_at) <= REFRESH_GRACE && fresh.now < family.expires_at => {
                Change { grant: None, answer: Ok(Some(next)) }
            }
            //= https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2
            //# If a refresh token is compromised and subsequently used by both the attacker and the legitimate client, one of them will
            //# present an invalidated refresh token, which will inform the authorization server of the breach.
            (Standing::Previous | Standing::Earlier, _) => Change { grant: Some(self.revoked(fresh.now)), answer: Err(GrantFault::Replayed) },
            (Standing::Current | Standing::Unknown, _) if fresh.now >= family.expires_at => Change::refused(GrantFault::Expired),
            (Standing::Current | Standing::Unknown, _) => {
                let family = RefreshFamily {
                    current: next.digest(),
                    generation: family.generation + 1,
                    previous: Some((token.digest(), fresh.now)),
                    expires_at: fresh.now.plus(life).min(self.expires_at),
                };
                let grant = Self { phase: Phase::Active { code: code.clone(), refresh: Some(family) }, ..self.clone() };
                Change { grant: Some(grant), answer: Ok(Some(next)) }
            }
        }
    }

    /// The grant after somebody who holds one of its refresh tokens gave it back (RFC 7009 §2.1); `None` where it is none of them.
    pub fn given_back(&self, token: &GrantToken, now: Timestamp) -> Option<Self> {
        let Phase::Active { refresh: Some(family), .. } = &self.phase else { return None };
        (self.standing(token, family) != Standing::Unknown).then(|| self.revoked(now))
    }

    /// The grant as the table holds it after the next change.
    pub fn next_version(&self) -> Self {
        Self { version: self.version + 1, ..self.clone() }
    }

    /// The grant, revoked.
    pub fn revoked(&self, now: Timestamp) -> Self {
        Self { phase: Phase::Revoked { at: now }, ..self.clone() }
    }

    /// Which refresh token of the family this is. An earlier one is known by its descendants: no list of them is kept.
    fn standing(&self, token: &GrantToken, family: &RefreshFamily) -> Standing {
        if family.current.is_of(token) {
            return Standing::Current;
        }
        if family.previous.as_ref().is_some_and(|(previous, _)| previous.is_of(token)) {
            return Standing::Previous;
        }
        let mut descendant = token.successor(&self.salt);
        for _ in 1..family.generation {
            descendant = descendant.successor(&self.salt);
            if family.current.is_of(&descendant) {
                return Standing::Earlier;
            }
        }
        Standing::Unknown
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Current,
    Previous,
    Earlier,
    Unknown,
}

impl GrantFault {
    /// What happened, for the operator's log.
    pub fn fault(self) -> &'static str {
        match self {
            Self::Unknown => "grant_unknown",
            Self::OtherClient => "grant_of_another_client",
            Self::Expired => "grant_expired",
            Self::Replayed => "grant_replayed",
            Self::RedirectMismatch => "redirect_uri_mismatch",
            Self::VerifierMismatch => "code_verifier_mismatch",
            Self::Revoked => "grant_revoked",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::user::fixture::user;
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CALLBACK: &str = "https://app.example/cb";

    fn fresh(now: u64) -> Fresh {
        Fresh::new(Timestamp::from_unix(now), [u8::try_from(now % 251).unwrap(); 32])
    }

    fn client(id: &str) -> ClientId {
        ClientId::parse(id).unwrap()
    }

    fn granted() -> (Grant, GrantToken) {
        let (user, client_id) = (user(serde_json::json!({})), client("c1"));
        let challenge = CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        let scope = vec!["read".to_owned()];
        let allowed = Allowed {
            client_id: &client_id,
            user_id: &user.user_id,
            aud: "https://orders.example/",
            scope,
            redirect_uri: CALLBACK,
            challenge,
            not_before: Timestamp::default(),
        };
        Grant::allow(GrantId::parse(&fresh(1).id("g")).unwrap(), allowed, &fresh(1_000))
    }

    fn redeem(grant: &Grant, code: &GrantToken, change: impl Fn(&mut Redemption<'_>), now: u64) -> Change {
        let (client_id, verifier) = (client("c1"), CodeVerifier::parse(VERIFIER).unwrap());
        let mut redemption =
            Redemption { code, client_id: &client_id, redirect_uri: Some(CALLBACK), verifier: &verifier, refresh_life: Some(REFRESH_LIFE) };
        change(&mut redemption);
        grant.redeem(&redemption, false, &fresh(now))
    }

    /// An active grant and its first refresh token.
    fn active() -> (Grant, GrantToken) {
        let (grant, code) = granted();
        let change = redeem(&grant, &code, |_| {}, 1_010);
        (change.grant.unwrap(), change.answer.unwrap().unwrap())
    }

    fn refresh(grant: &Grant, token: &GrantToken, now: u64) -> Change {
        grant.refresh(token, &client("c1"), REFRESH_LIFE, &fresh(now))
    }

    #[test]
    fn a_code_is_good_once_and_a_replay_revokes_the_grant() {
        // TE-17, TE-20, TE-21, O-08, 5.6 #4
        let (grant, code) = granted();
        let first = redeem(&grant, &code, |_| {}, 1_059);
        let active = first.grant.unwrap();
        assert!(first.answer.unwrap().is_some() && active.is_alive(Timestamp::from_unix(1_059)));
        let replay = redeem(&active, &code, |_| {}, 1_060);
        assert_eq!(replay.answer.unwrap_err(), GrantFault::Replayed);
        assert!(matches!(replay.grant.unwrap().phase, Phase::Revoked { .. }));
        let (client_id, verifier) = (client("c1"), CodeVerifier::parse(VERIFIER).unwrap());
        let redemption = Redemption { code: &code, client_id: &client_id, redirect_uri: Some(CALLBACK), verifier: &verifier, refresh_life: None };
        let raced = active.redeem(&redemption, true, &fresh(1_060));
        assert!(raced.grant.is_none() && raced.answer.is_err(), "the loser of a race harms nobody");
    }

    #[test]
    fn a_code_is_bound_to_client_redirect_uri_verifier_and_time() {
        // TE-18, TE-19, TE-22, TE-23, TE-24, PK-06
        let (grant, code) = granted();
        let other = client("c2");
        let fault = |change: Change| (change.answer.unwrap_err(), change.grant.is_some());
        assert_eq!(
            fault(grant.redeem(
                &Redemption {
                    code: &code,
                    client_id: &other,
                    redirect_uri: Some(CALLBACK),
                    verifier: &CodeVerifier::parse(VERIFIER).unwrap(),
                    refresh_life: None
                },
                false,
                &fresh(1_001)
            )),
            (GrantFault::OtherClient, false)
        );
        for uri in [None, Some("https://app.example/cb/"), Some("https://APP.example/cb"), Some("https://app.example:443/cb"), Some("")] {
            assert_eq!(fault(redeem(&grant, &code, |redemption| redemption.redirect_uri = uri, 1_001)), (GrantFault::RedirectMismatch, false));
        }
        assert_eq!(fault(redeem(&grant, &code, |_| {}, 1_060)), (GrantFault::Expired, false));
        let wrong = CodeVerifier::parse(&"a".repeat(43)).unwrap();
        let client_id = client("c1");
        let guessed = Redemption { code: &code, client_id: &client_id, redirect_uri: Some(CALLBACK), verifier: &wrong, refresh_life: None };
        assert_eq!(fault(grant.redeem(&guessed, false, &fresh(1_001))), (GrantFault::VerifierMismatch, true), "burnt");
        let guess = GrantToken { kind: Kind::Code, grant_id: grant.grant_id.clone(), secret: [9; 32] };
        assert_eq!(fault(redeem(&grant, &guess, |_| {}, 1_001)), (GrantFault::Unknown, false), "a guess changes nothing");
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

    #[test]
    fn the_stored_form_has_no_token_in_it() {
        // SE-02, PK-12
        let (grant, code) = granted();
        let (active, refresh) = active();
        let json = format!("{}{}", serde_json::to_string(&grant).unwrap(), serde_json::to_string(&active).unwrap());
        let secret = |token: &GrantToken| token.expose().split_once('.').unwrap().1.to_owned();
        assert!(!json.contains(&secret(&code)) && !json.contains(&secret(&refresh)) && !json.contains(VERIFIER));
        let read: Grant = serde_json::from_str(&serde_json::to_string(&active).unwrap()).unwrap();
        assert_eq!(read, active);
    }
}

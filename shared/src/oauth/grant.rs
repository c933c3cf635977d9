//! A grant: what a user allowed a client, as one aggregate. Authorization code and refresh tokens are phases of it, not objects of their
//! own: so the second of two racing requests finds what the first has left, and one write ends a whole family.

use serde::{Deserialize, Serialize};

use super::api::LONGEST_TOKEN_LIFE;
use super::error::TokenError;
use super::fresh::Fresh;
use super::grant_token::Digest;
pub use super::grant_token::{GrantId, GrantToken, Kind};
use super::ids::ClientId;
use super::pkce::{CodeChallenge, CodeVerifier};
use super::refresh_family::{RefreshFamily, Standing};
use super::time::Timestamp;
use super::user::{Epoch, UserId};

/// How long a code is good, in seconds.
pub const CODE_LIFE: u64 = 60;

/// How long after a refresh its retry gets the same answer, in seconds: a client whose connection broke has not lost its user.
pub const REFRESH_GRACE: u64 = 10;

/// How long a refresh token is good unless the client says less, in seconds: 30 days after it was given out, and in all 180 days after the
/// user has allowed it.
pub const REFRESH_LIFE: u64 = 30 * 86_400;
pub(super) const LONGEST_GRANT: u64 = 180 * 86_400;

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
    /// What it stands on.
    pub epoch: Epoch,
    /// When the user allowed it.
    pub created_at: Timestamp,
    /// From when on it is dead, whatever is refreshed; of a code that was not used, when that ends.
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
    /// What the grant stands on.
    pub epoch: Epoch,
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
        let of_grant = CodeOfGrant { digest: code.digest(), challenge: allowed.challenge, redirect_uri: allowed.redirect_uri.to_owned() };
        let grant = Self {
            grant_id,
            client_id: allowed.client_id.clone(),
            user_id: allowed.user_id.clone(),
            aud: allowed.aud.to_owned(),
            scope: allowed.scope,
            epoch: allowed.epoch,
            created_at: fresh.now,
            expires_at: fresh.now.plus(CODE_LIFE),
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

    /// Whether its code was not used yet.
    pub fn is_unused(&self) -> bool {
        matches!(self.phase, Phase::CodeIssued { .. })
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
        if fresh.now >= self.expires_at {
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
        // Without refresh tokens it tells a replay of the code for as long as an access token of it can live.
        let expires_at = if redemption.refresh_life.is_some() { self.created_at.plus(LONGEST_GRANT) } else { fresh.now.plus(LONGEST_TOKEN_LIFE) };
        let family = redemption.refresh_life.map(|life| RefreshFamily::begin(&first, fresh.now.plus(life).min(expires_at)));
        let answer = Ok(family.is_some().then_some(first));
        let grant = Self { phase: Phase::Active { code: code.clone(), refresh: family }, expires_at, ..self.clone() };
        Change { grant: Some(grant), answer }
    }

    /// Uses a refresh token (RFC 6749 §6; RFC 9700 §4.14.2: rotation). `life` is that of the next one, in seconds.
    pub fn refresh(&self, token: &GrantToken, client_id: &ClientId, life: u64, fresh: &Fresh) -> Change {
        let Phase::Active { code, refresh: Some(family) } = &self.phase else { return Change::refused(GrantFault::Revoked) };
        let Some(standing) = family.standing(token, &self.salt) else { return Change::refused(GrantFault::Unknown) };
        if self.client_id != *client_id {
            return Change::refused(GrantFault::OtherClient);
        }
        let next = token.successor(&self.salt);
        let is_over = fresh.now >= family.expires_at;
        match standing {
            Standing::Current if is_over => Change::refused(GrantFault::Expired),
            Standing::Current => {
                let family = family.turned(token, &next, fresh.now, fresh.now.plus(life).min(self.expires_at));
                let grant = Self { phase: Phase::Active { code: code.clone(), refresh: Some(family) }, ..self.clone() };
                Change { grant: Some(grant), answer: Ok(Some(next)) }
            }
            // The honest retry of the very last refresh: the same successor once more, so that the family has one branch.
            Standing::Previous { used_at } if fresh.now.since(used_at) <= REFRESH_GRACE && !is_over => Change { grant: None, answer: Ok(Some(next)) },
            //= https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2
            //# If a refresh token is compromised and subsequently used by both the attacker and the legitimate client, one of them will
            //# present an invalidated refresh token, which will inform the authorization server of the breach.
            Standing::Previous { .. } | Standing::Earlier => Change { grant: Some(self.revoked(fresh.now)), answer: Err(GrantFault::Replayed) },
        }
    }

    /// The grant after somebody who holds one of its refresh tokens gave it back (RFC 7009 §2.1); `None` where it is none of them.
    pub fn given_back(&self, token: &GrantToken, now: Timestamp) -> Option<Self> {
        let Phase::Active { refresh: Some(family), .. } = &self.phase else { return None };
        family.standing(token, &self.salt).map(|_| self.revoked(now))
    }

    /// The grant as the table holds it after the next change.
    pub fn next_version(&self) -> Self {
        Self { version: self.version + 1, ..self.clone() }
    }

    /// The grant, revoked.
    pub fn revoked(&self, now: Timestamp) -> Self {
        Self { phase: Phase::Revoked { at: now }, ..self.clone() }
    }
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

impl From<GrantFault> for TokenError {
    fn from(fault: GrantFault) -> Self {
        Self::InvalidGrant(fault.fault())
    }
}

#[cfg(test)]
pub(super) mod fixture {
    use super::super::user::fixture::user;
    use super::*;

    pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    pub(crate) const CALLBACK: &str = "https://app.example/cb";

    pub(crate) fn fresh(now: u64) -> Fresh {
        Fresh::new(Timestamp::from_unix(now), [u8::try_from(now % 251).unwrap(); 32])
    }

    pub(crate) fn client(id: &str) -> ClientId {
        ClientId::parse(id).unwrap()
    }

    pub(crate) fn granted() -> (Grant, GrantToken) {
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
            epoch: Epoch::of(&user),
        };
        Grant::allow(GrantId::parse(&fresh(1).id("g")).unwrap(), allowed, &fresh(1_000))
    }

    pub(crate) fn redeem(grant: &Grant, code: &GrantToken, change: impl Fn(&mut Redemption<'_>), now: u64) -> Change {
        let (client_id, verifier) = (client("c1"), CodeVerifier::parse(VERIFIER).unwrap());
        let mut redemption =
            Redemption { code, client_id: &client_id, redirect_uri: Some(CALLBACK), verifier: &verifier, refresh_life: Some(REFRESH_LIFE) };
        change(&mut redemption);
        grant.redeem(&redemption, false, &fresh(now))
    }

    /// An active grant and its first refresh token.
    pub(crate) fn active() -> (Grant, GrantToken) {
        let (grant, code) = granted();
        let change = redeem(&grant, &code, |_| {}, 1_010);
        (change.grant.unwrap(), change.answer.unwrap().unwrap())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use super::fixture::*;

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

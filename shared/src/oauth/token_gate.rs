//! The *token gate*: is this genuine token good, now?

use super::access_token::{Claims, SubjectType, TokenRecord};
use super::api::Apis;
use super::client::Client;
use super::grant::Grant;
use super::time::{CLOCK_SKEW, Timestamp};
use super::user::Person;

/// What the table knows of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// Nothing.
    Absent,
    /// It was issued.
    Live,
    /// It was revoked.
    Revoked,
}

impl Recorded {
    /// What a token's record, if there is one, says.
    pub fn of(record: Option<&TokenRecord>) -> Self {
        match record {
            None => Self::Absent,
            Some(record) if record.revoked_at.is_some() => Self::Revoked,
            Some(_) => Self::Live,
        }
    }
}

/// Why a token is not good. The wire says `invalid_token` to all of them; diagnosis and the log name the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFault {
    /// Not a token of ours.
    Malformed,
    /// The signature part is empty.
    SignatureAbsent,
    /// The signature is not the key's.
    BadSignature,
    /// No published key has this `kid`.
    UnknownKey,
    /// Another issuer's token.
    WrongIssuer,
    /// Past its `exp`.
    Expired,
    /// From further ahead than clocks may differ.
    NotYetValid,
    /// There is no record of it.
    Unknown,
    /// Revoked, itself or with all its client's.
    Revoked,
    /// Its client is deactivated or deleted.
    ClientInactive,
    /// Its user is deactivated, deleted, or of another realm than the client's.
    UserInactive,
    /// Its user is not assigned to its client, which enforces that.
    UserNotAssigned,
    /// Meant for another audience.
    AudienceMismatch,
}

impl TokenFault {
    /// The code that diagnosis and the log give it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed | Self::Unknown => "malformed",
            Self::SignatureAbsent => "signature_absent",
            Self::BadSignature => "bad_signature",
            Self::UnknownKey => "unknown_key",
            Self::WrongIssuer => "wrong_issuer",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Revoked => "revoked",
            Self::ClientInactive => "client_inactive",
            Self::UserInactive => "user_inactive",
            Self::UserNotAssigned => "user_not_assigned",
            Self::AudienceMismatch => "audience_mismatch",
        }
    }
}

/// Whom a token is about, as the table has them now.
#[derive(Debug, Clone, Copy)]
pub struct Parties<'a> {
    /// The client that it was issued to, if it exists.
    pub client: Option<&'a Client>,
    /// The user that it speaks for, if it speaks for one who exists.
    pub person: Option<&'a Person>,
    /// The grant that it comes from, if that exists.
    pub grant: Option<&'a Grant>,
}

impl<'a> Parties<'a> {
    /// Of a token that speaks for its client.
    pub fn of_client(client: Option<&'a Client>) -> Self {
        Self { client, person: None, grant: None }
    }
}

/// The token gate: whether a genuine token is good at `now`, given what the table says of it and of those whom it is about.
///
/// # Errors
/// The first reason why not.
pub fn alive(claims: &Claims, recorded: Recorded, parties: Parties<'_>, apis: &Apis, now: Timestamp) -> Result<(), TokenFault> {
    // Expiry is decided from the time, never from an item's absence: the table deletes late.
    if now >= claims.exp {
        return Err(TokenFault::Expired);
    }
    if claims.iat > now.plus(CLOCK_SKEW) {
        return Err(TokenFault::NotYetValid);
    }
    let Some(client) = parties.client.filter(|client| client.metadata.active && client.client_id == claims.client_id) else {
        return Err(TokenFault::ClientInactive);
    };
    if claims.iat < client.tokens_valid_from || recorded == Recorded::Revoked {
        return Err(TokenFault::Revoked);
    }
    if claims.sub_type == SubjectType::User {
        let Some(person) = parties.person.filter(|person| person.user.user_id.as_str() == claims.sub && person.is_of(client)) else {
            return Err(TokenFault::UserInactive);
        };
        // One write ends a grant, and everything that it gave with it.
        let of_this = |grant: &&Grant| Some(&grant.grant_id) == claims.grant_id.as_ref() && grant.user_id == person.user.user_id;
        let is_good = match claims.grant_id {
            Some(_) => parties.grant.filter(of_this).is_some_and(|grant| grant.is_alive(now) && grant.epoch == person.epoch),
            None => claims.iat >= person.valid_from(),
        };
        if !is_good {
            return Err(TokenFault::Revoked);
        }
        if !person.may_use(client) {
            return Err(TokenFault::UserNotAssigned);
        }
    }
    let Some(api) = apis.of_audience(&claims.aud) else {
        return Err(TokenFault::AudienceMismatch);
    };
    // An Api made again with an audience that was deleted does not inherit the tokens of the earlier one.
    if claims.iat.plus(CLOCK_SKEW) < api.created_at {
        return Err(TokenFault::AudienceMismatch);
    }
    let must_be_recorded = api.records_since.is_some_and(|since| claims.iat >= since);
    if must_be_recorded && recorded == Recorded::Absent {
        return Err(TokenFault::Unknown);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::access_token::fixture::claims;
    use super::super::api::fixture::api;
    use super::super::client::AccessTokenFormat;
    use super::super::client::fixture::client;
    use super::*;

    #[test]
    fn the_token_gate_names_the_first_reason() {
        // 5.4, IN-09, JW-14, 5.6 #11, SF-10
        let (live_client, _) = client(serde_json::json!({}));
        let mut orders = api("orders", "https://orders.example/", &["read"]);
        orders.records_since = Some(Timestamp::from_unix(1_500));
        let apis = Apis::new(vec![orders], 1);
        let record = |revoked: Option<u64>| TokenRecord {
            claims: claims(2_000, 3_000),
            format: AccessTokenFormat::Jwt,
            revoked_at: revoked.map(Timestamp::from_unix),
        };
        let gate = |claims: &Claims, record: Option<&TokenRecord>, client: Option<&Client>, now: u64| {
            alive(claims, Recorded::of(record), Parties::of_client(client), &apis, Timestamp::from_unix(now))
        };
        let token = claims(2_000, 3_000);
        assert_eq!(gate(&token, Some(&record(None)), Some(&live_client), 2_999), Ok(()));
        assert_eq!(gate(&token, Some(&record(None)), Some(&live_client), 3_000), Err(TokenFault::Expired));
        assert_eq!(gate(&token, Some(&record(None)), Some(&live_client), 1_940), Ok(()), "a clock 60 s behind");
        assert_eq!(gate(&token, Some(&record(None)), Some(&live_client), 1_939), Err(TokenFault::NotYetValid));
        assert_eq!(gate(&token, Some(&record(Some(2_100))), Some(&live_client), 2_100), Err(TokenFault::Revoked));
        assert_eq!(gate(&token, None, Some(&live_client), 2_100), Err(TokenFault::Unknown), "recorded Apis know all their tokens");
        assert_eq!(gate(&claims(1_400, 3_000), None, Some(&live_client), 2_100), Ok(()), "issued before records were kept");
        assert_eq!(gate(&token, Some(&record(None)), None, 2_100), Err(TokenFault::ClientInactive));
        let (inactive, _) = client(serde_json::json!({"active": false}));
        assert_eq!(gate(&token, Some(&record(None)), Some(&inactive), 2_100), Err(TokenFault::ClientInactive));
        let revoked_all = live_client.clone().with_tokens_revoked(Timestamp::from_unix(2_000));
        assert_eq!(gate(&token, Some(&record(None)), Some(&revoked_all), 2_100), Err(TokenFault::Revoked), "issued in the very second");
        let mut made_again = api("orders", "https://orders.example/", &["read"]);
        made_again.created_at = Timestamp::from_unix(2_100);
        let verdict =
            alive(&token, Recorded::Live, Parties::of_client(Some(&live_client)), &Apis::new(vec![made_again], 1), Timestamp::from_unix(2_200));
        assert_eq!(verdict, Err(TokenFault::AudienceMismatch), "an Api of the same audience was deleted meanwhile");
        let elsewhere = Claims { aud: "https://gone.example/".to_owned(), ..token };
        assert_eq!(gate(&elsewhere, Some(&record(None)), Some(&live_client), 2_100), Err(TokenFault::AudienceMismatch));
    }
}

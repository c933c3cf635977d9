//! What the token gate found, in words.

use super::super::time::Timestamp;
use super::super::token_gate::TokenFault;
use super::super::user::Epoch;
use super::Circumstances;

const ANOTHER: &str = "request a new token at the token endpoint";

impl Circumstances<'_> {
    pub(super) fn of_token(&self, fault: TokenFault) -> (String, String) {
        let own = self.issuer.as_str();
        match fault {
            TokenFault::Malformed => ("this is no access token of this server".to_owned(), format!("{ANOTHER} and send it as it is")),
            TokenFault::Unknown => ("this server has no record of the token".to_owned(), ANOTHER.to_owned()),
            TokenFault::SignatureAbsent => (
                "the token's signature was cut off: its claims can be read, but the token is not usable".to_owned(),
                "send the whole token, signature included, or request a new one".to_owned(),
            ),
            TokenFault::BadSignature => (
                "the token's signature does not fit its content: it was altered or cut, and is not usable".to_owned(),
                "send the token exactly as the token endpoint gave it, signature included".to_owned(),
            ),
            TokenFault::UnknownKey => (
                "the token's signature is by a key that is not, or no longer, in this server's key set: it is not usable".to_owned(),
                format!("{ANOTHER}: keys are replaced, and old ones retired"),
            ),
            TokenFault::WrongIssuer => {
                let theirs = self.token_issuer.unwrap_or("another issuer");
                (
                    format!("the token is from the issuer {theirs}, this server is {own}"),
                    format!("request the token from {own}, or call the API of {theirs}"),
                )
            }
            TokenFault::Expired => {
                let at = self.claims.map(|claims| claims.exp.rfc3339()).unwrap_or_default();
                (format!("the token expired at {at}, and it is {} now", self.now.rfc3339()), ANOTHER.to_owned())
            }
            TokenFault::NotYetValid => {
                let at = self.claims.map(|claims| claims.iat.rfc3339()).unwrap_or_default();
                (format!("the token is from the future: it was issued at {at}, and it is {} now", self.now.rfc3339()), "set the clocks".to_owned())
            }
            TokenFault::Revoked => self.of_revocation(),
            TokenFault::ClientInactive => {
                let whose = self.claims.map(|claims| claims.client_id.as_str()).unwrap_or_default();
                match self.parties.client {
                    Some(_) => (format!("the client {whose} is deactivated"), "activate the client: set `active` to true".to_owned()),
                    None => (format!("the client {whose} was deleted"), "register a client, activate it and request a new token".to_owned()),
                }
            }
            TokenFault::UserInactive => match self.parties.person {
                Some(_) => ("the user is deactivated, or of another realm than the client's".to_owned(), "activate the user".to_owned()),
                None => ("the user was deleted".to_owned(), "sign in as a user who exists".to_owned()),
            },
            TokenFault::UserNotAssigned => {
                let (user, client) = self.claims.map(|claims| (claims.sub.as_str(), claims.client_id.as_str())).unwrap_or_default();
                (format!("the user {user} is not assigned to the client {client}"), "assign the user, or a group of theirs, to the client".to_owned())
            }
            TokenFault::AudienceMismatch => self.of_audience(),
        }
    }

    /// What revoked the token: itself, its client's tokens, its user's, or the grant that it came from.
    pub(super) fn of_revocation(&self) -> (String, String) {
        if let Some(at) = self.record.and_then(|record| record.revoked_at) {
            return (format!("the token was revoked at {}", at.rfc3339()), ANOTHER.to_owned());
        }
        let issued_at = self.claims.map(|claims| claims.iat).unwrap_or_default();
        if let Some(from) = self.parties.client.map(|client| client.tokens_valid_from).filter(|from| issued_at < *from) {
            let detail = format!("the token was revoked with all tokens of its client that were issued before {}", from.rfc3339());
            return (detail, ANOTHER.to_owned());
        }
        let withdrawn = |at: Timestamp| format!("the user withdrew at {} what they had allowed the client", at.rfc3339());
        let detail = match (self.parties.person.map(|person| person.epoch), self.parties.grant.map(|grant| grant.epoch)) {
            (Some(Epoch { withdrawn: Some(at), .. }), Some(then)) if then.withdrawn != Some(at) => withdrawn(at),
            (Some(now), Some(then)) if now.password != then.password => "the user has another password since".to_owned(),
            (Some(Epoch { withdrawn: Some(at), password }), None) if at > password => withdrawn(at),
            (Some(_), None) => "the user has another password since".to_owned(),
            _ => "what the user allowed the client has ended: it was revoked, or a code or refresh token of it was used twice".to_owned(),
        };
        (detail, "let the user sign in again".to_owned())
    }

    pub(super) fn of_audience(&self) -> (String, String) {
        let has = self.claims.map(|claims| claims.aud.as_str()).unwrap_or_default();
        let Some(protection) = self.protection.filter(|protection| protection.api.metadata.audience != has) else {
            // Its audience may be another Api's by now: see `token_gate::alive`.
            return (
                format!("the token is for an api that is no more, of the audience {has}"),
                "request a new token, for an api that exists".to_owned(),
            );
        };
        let api = &protection.api.metadata;
        let asked = protection.privilege().and_then(|privilege| privilege.scopes.first());
        let scope = asked.or(api.scopes.first().map(|scope| &scope.value)).map(String::as_str).unwrap_or_default();
        (
            format!("the token is for the audience {has}, the route wants {}", api.audience),
            format!("request a token with the scope {}{scope}", api.audience),
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::access_token::TokenRecord;
    use super::super::super::access_token::fixture::claims;
    use super::super::super::client::AccessTokenFormat;
    use super::super::super::client::fixture::client;
    use super::super::super::gates::Closed;
    use super::super::super::grant::Grant;
    use super::super::super::grant::fixture::granted;
    use super::super::super::user::Person;
    use super::super::super::user::fixture::user;
    use super::super::fixture::*;
    use super::*;

    fn person(password: u64, withdrawn: Option<u64>) -> Person {
        let epoch = Epoch { password: Timestamp::from_unix(password), withdrawn: withdrawn.map(Timestamp::from_unix) };
        Person { epoch, ..Person::new(user(json!({})), &[], true) }
    }

    /// A grant of the user's first password.
    fn grant() -> Grant {
        granted().0
    }

    #[test]
    fn the_token_gate_is_explained() {
        // 5.5 token_missing to revoked
        plainly(
            Closed::NoToken,
            "token token_missing: the route asks for a token, and the call has none. send the header `Authorization: Bearer <token>`.",
            &["Authorization: Bearer <token>"],
        );
        plainly(
            Closed::NotBearer,
            "token not_bearer: what was sent is no bearer token. \
             spell the scheme `Bearer`, then one space, then the token, without colon, comma or quotes.",
            &["spell the scheme `Bearer`"],
        );
        plainly(
            Closed::NoKey,
            "token key_missing: the route asks for an anonymous key or a token, and the call has neither. \
             send the header `Authorization: Basic base64(client_id:key)` and the client's id in `Oracle-Mobile-Backend-Id` or `X-Client-Id`.",
            &["Basic base64(client_id:key)"],
        );
        plainly(
            Closed::WrongKey,
            "token key_wrong: the anonymous key is not a live key of the client that the call names. \
             send a key of an active client, and that client's id in exactly one of `Oracle-Mobile-Backend-Id` and `X-Client-Id`.",
            &["exactly one"],
        );
        let token = |fault, expected: &str, mentions: &[&str]| plainly(Closed::Token(fault), expected, mentions);
        token(
            TokenFault::Malformed,
            "token malformed: this is no access token of this server. request a new token at the token endpoint and send it as it is.",
            &["request a new token"],
        );
        token(
            TokenFault::Unknown,
            "token malformed: this server has no record of the token. request a new token at the token endpoint.",
            &["request a new token"],
        );
        token(
            TokenFault::SignatureAbsent,
            "token signature_absent: the token's signature was cut off: its claims can be read, but the token is not usable. \
             send the whole token, signature included, or request a new one.",
            &["signature", "token is not usable"],
        );
        token(
            TokenFault::BadSignature,
            "token bad_signature: the token's signature does not fit its content: it was altered or cut, and is not usable. \
             send the token exactly as the token endpoint gave it, signature included.",
            &["signature", "is not usable"],
        );
        token(
            TokenFault::UnknownKey,
            "token unknown_key: the token's signature is by a key that is not, or no longer, in this server's key set: it is not usable. \
             request a new token at the token endpoint: keys are replaced, and old ones retired.",
            &["signature", "is not usable"],
        );
        token(
            TokenFault::WrongIssuer,
            "token wrong_issuer: the token is from the issuer https://other.example, this server is https://as.example. \
             request the token from https://as.example, or call the API of https://other.example.",
            &["https://as.example", "https://other.example"],
        );
        token(
            TokenFault::Expired,
            "token expired: the token expired at 1970-01-01T00:50:00Z, and it is 1970-01-01T01:00:00Z now. request a new token at the token endpoint.",
            &["00:50:00", "01:00:00"],
        );
        token(
            TokenFault::NotYetValid,
            "token not_yet_valid: the token is from the future: it was issued at 1970-01-01T00:33:20Z, and it is 1970-01-01T01:00:00Z now. set the clocks.",
            &["00:33:20", "01:00:00"],
        );
    }

    #[test]
    fn a_dead_token_is_told_when_and_with_whom_it_died() {
        // 5.5 revoked, client_inactive
        let record = |at| TokenRecord { claims: claims(2_000, 3_000), format: AccessTokenFormat::Jwt, revoked_at: Some(Timestamp::from_unix(at)) };
        let revoked = Closed::Token(TokenFault::Revoked);
        pin(
            &said(revoked, None, |known| known.record = Some(record(2_500))),
            "token revoked: the token was revoked at 1970-01-01T00:41:40Z. request a new token at the token endpoint.",
            &["00:41:40"],
        );
        pin(
            &said(revoked, None, |known| known.client = Some(client(json!({})).0.with_tokens_revoked(Timestamp::from_unix(2_500)))),
            "token revoked: the token was revoked with all tokens of its client that were issued before 1970-01-01T00:41:41Z. \
             request a new token at the token endpoint.",
            &["00:41:41"],
        );
        pin(
            &said(revoked, None, |known| known.person = Some(person(2_500, None))),
            "token revoked: the user has another password since. let the user sign in again.",
            &["another password"],
        );
        pin(
            &said(revoked, None, |known| (known.person, known.grant) = (Some(person(2_500, None)), Some(grant()))),
            "token revoked: the user has another password since. let the user sign in again.",
            &["another password"],
        );
        for of_grant in [None, Some(grant())] {
            pin(
                &said(revoked, None, |known| (known.person, known.grant) = (Some(person(0, Some(2_500))), of_grant)),
                "token revoked: the user withdrew at 1970-01-01T00:41:40Z what they had allowed the client. let the user sign in again.",
                &["00:41:40"],
            );
        }
        pin(
            &said(revoked, None, |known| (known.person, known.grant) = (Some(person(0, None)), Some(grant()))),
            "token revoked: what the user allowed the client has ended: it was revoked, or a code or refresh token of it was used twice. \
             let the user sign in again.",
            &["used twice"],
        );
        plainly(
            Closed::Token(TokenFault::ClientInactive),
            "token client_inactive: the client c1 is deactivated. activate the client: set `active` to true.",
            &["activate"],
        );
        pin(
            &said(Closed::Token(TokenFault::ClientInactive), None, |known| known.client = None),
            "token client_inactive: the client c1 was deleted. register a client, activate it and request a new token.",
            &["activate"],
        );
    }

    #[test]
    fn a_token_for_elsewhere_is_told_what_to_request() {
        // 5.5 audience_mismatch
        for (closed, changes, scope) in [
            (Closed::OtherApi, None, "read"),
            (Closed::OtherApi, Some(json!({"scopes": ["write", "read"]})), "write"),
            (Closed::Token(TokenFault::AudienceMismatch), None, "read"),
        ] {
            pin(
                &said(closed, changes, |known| known.claims.aud = "https://billing.example/".to_owned()),
                &format!(
                    "token audience_mismatch: the token is for the audience https://billing.example/, the route wants https://soda.example/. \
                     request a token with the scope https://soda.example/{scope}."
                ),
                &["https://billing.example/", "https://soda.example/", &format!("https://soda.example/{scope}")],
            );
        }
        // The Api is gone, and the route is no Api's; or it was made again.
        for nowhere in [true, false] {
            pin(
                &said(Closed::Token(TokenFault::AudienceMismatch), None, |known| known.is_on_soda = !nowhere),
                "token audience_mismatch: the token is for an api that is no more, of the audience https://soda.example/. \
                 request a new token, for an api that exists.",
                &["https://soda.example/"],
            );
        }
    }
}

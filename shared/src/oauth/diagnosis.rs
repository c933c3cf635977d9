//! Diagnosis: which gate closed on a call, in words that say what to do. It decides nothing: it tells what [`super::gates::judge`] decided.

use super::access_token::{Claims, SubjectType, TokenRecord};
use super::gates::Closed;
use super::ids::{Issuer, Name};
use super::privilege::ScopesMatch;
use super::route::{Principal, Protection, RouteFault};
use super::time::Timestamp;
use super::token_gate::{Parties, TokenFault};
use super::user::Epoch;

/// What is known of a call that was refused.
#[derive(Debug)]
pub struct Circumstances<'a> {
    /// This server.
    pub issuer: &'a Issuer,
    /// The issuer that the token names, unproven.
    pub token_issuer: Option<&'a str>,
    /// What a genuine token says.
    pub claims: Option<&'a Claims>,
    /// The record of it.
    pub record: Option<&'a TokenRecord>,
    /// Whom it is about.
    pub parties: Parties<'a>,
    /// What the route asks for; `None`: no Api has it.
    pub protection: Option<&'a Protection<'a>>,
    /// When.
    pub now: Timestamp,
}

/// Why a call was refused, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// What happened.
    pub detail: String,
    /// What to do about it.
    pub remedy: String,
}

impl Closed {
    /// The gate that closed.
    pub fn gate(self) -> &'static str {
        match self {
            Self::Token(TokenFault::UserNotAssigned) => "issuance",
            Self::NoToken | Self::NoKey | Self::NotBearer | Self::WrongKey | Self::Token(_) | Self::OtherApi => "token",
            Self::Route(_) => "route",
        }
    }

    /// Explains a refusal to whoever owns the token, or administers.
    pub fn explain(self, circumstances: &Circumstances<'_>) -> Diagnosis {
        let (detail, remedy) = match self {
            Self::NoToken => {
                ("the route asks for a token, and the call has none".to_owned(), "send the header `Authorization: Bearer <token>`".to_owned())
            }
            Self::NoKey => (
                "the route asks for an anonymous key or a token, and the call has neither".to_owned(),
                "send the header `Authorization: Basic base64(client_id:key)` and the client's id in `Oracle-Mobile-Backend-Id` or `X-Client-Id`"
                    .to_owned(),
            ),
            Self::WrongKey => (
                "the anonymous key is not a live key of the client that the call names".to_owned(),
                "send a key of an active client, and that client's id in exactly one of `Oracle-Mobile-Backend-Id` and `X-Client-Id`".to_owned(),
            ),
            Self::NotBearer => (
                "what was sent is no bearer token".to_owned(),
                "spell the scheme `Bearer`, then one space, then the token, without colon, comma or quotes".to_owned(),
            ),
            Self::Token(fault) => circumstances.of_token(fault),
            Self::OtherApi => circumstances.of_audience(),
            Self::Route(fault) => circumstances.of_route(fault),
        };
        Diagnosis { detail, remedy }
    }
}

const ANOTHER: &str = "request a new token at the token endpoint";

impl Circumstances<'_> {
    fn of_token(&self, fault: TokenFault) -> (String, String) {
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
    fn of_revocation(&self) -> (String, String) {
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

    fn of_audience(&self) -> (String, String) {
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

    fn of_route(&self, fault: RouteFault) -> (String, String) {
        let whose = self.claims.map(|claims| claims.client_id.as_str()).unwrap_or_default();
        let api = self.protection.map(|protection| &protection.api.metadata);
        let name = api.map(|api| api.name.as_str()).unwrap_or_default();
        let privilege = self.protection.and_then(|protection| protection.privilege());
        let asks = |what: &str| format!("the privilege {} asks for {what}", privilege.map(|privilege| privilege.name.as_str()).unwrap_or_default());
        match fault {
            RouteFault::PathAmbiguous => (
                "the path can be read in more than one way".to_owned(),
                "send the path without dot segments, empty segments, wildcards, encoded slashes and needless percent-encoding".to_owned(),
            ),
            RouteFault::BackendMismatch => (
                format!("the call names another backend than the token's, which is {whose}"),
                format!("leave the backend header out, or send {whose} in it"),
            ),
            RouteFault::Denied => match api {
                Some(_) => (
                    format!("no privilege names the route, and the api {name} is closed where none does"),
                    "name the route in a privilege, or set the api's `access`".to_owned(),
                ),
                None => ("no api has this path".to_owned(), "check path and gateway, or register an api whose base_path covers it".to_owned()),
            },
            RouteFault::ApiNotInBackend => (
                format!("the client {whose} has no scope of the api {name} any more"),
                format!("attach the api {name} to the client: give it one of the api's scopes"),
            ),
            RouteFault::SubjectType => {
                let is_client = self.claims.is_some_and(|claims| claims.sub_type == SubjectType::Client);
                match is_client {
                    true => (asks("a token that speaks for a user, and this one speaks for a client"), "use the authorization_code grant".to_owned()),
                    false => {
                        (asks("a token that speaks for a client, and this one speaks for a user"), "use the client_credentials grant".to_owned())
                    }
                }
            }
            RouteFault::ScopeMissing => {
                let wanted = privilege.map(|privilege| privilege.scopes.join(" ")).unwrap_or_default();
                let how = if privilege.is_some_and(|privilege| privilege.scopes_match == ScopesMatch::All) { "all" } else { "any" };
                let granted = self.claims.map(|claims| claims.scope.as_str()).unwrap_or_default();
                let audience = api.map(|api| api.audience.as_str()).unwrap_or_default();
                let full: Vec<String> = wanted.split(' ').map(|value| format!("{audience}{value}")).collect();
                (
                    asks(&format!("{how} of the scopes `{wanted}`, the token was granted `{granted}`")),
                    format!("request a token with {how} of {}; the client must be allowed it", full.join(" ")),
                )
            }
            RouteFault::RoleMissing => {
                let names = |roles: &[Name]| roles.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
                let enough = privilege.map(|privilege| names(&privilege.roles)).unwrap_or_default();
                let has = self
                    .claims
                    .zip(self.parties.client)
                    .map(|(claims, client)| names(Principal { claims, client, person: self.parties.person }.roles()));
                let has = has.filter(|roles| !roles.is_empty()).unwrap_or_else(|| "no role".to_owned());
                let sub = self.claims.map(|claims| claims.sub.as_str()).unwrap_or_default();
                (
                    asks(&format!("one of the roles {enough}, {sub} has {has}")),
                    format!("give {sub} one of the roles {enough}; the same token works then"),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::access_token::fixture::claims;
    use super::super::api::fixture::api;
    use super::super::client::fixture::client;
    use super::super::client::{AccessTokenFormat, Client};
    use super::super::grant::Grant;
    use super::super::grant::fixture::granted;
    use super::super::path::CanonicalPath;
    use super::super::privilege::fixture::privilege;
    use super::super::route_table::RouteTable;
    use super::super::user::Person;
    use super::super::user::fixture::user;
    use super::*;

    /// What is known of a call on a route of the Api `soda`: a token of the client `c1` for it, unless a test says otherwise.
    struct Known {
        claims: Claims,
        record: Option<TokenRecord>,
        client: Option<Client>,
        person: Option<Person>,
        grant: Option<Grant>,
        is_on_soda: bool,
    }

    /// Gate, code, detail and remedy; `changes` are those of the privilege `staff`, if one decides.
    fn said(closed: Closed, changes: Option<Value>, alter: impl FnOnce(&mut Known)) -> String {
        let (client, _) = client(json!({"roles": ["dev", "ops"]}));
        let claims = Claims { aud: "https://soda.example/".to_owned(), ..claims(2_000, 3_000) };
        let mut known = Known { claims, record: None, client: Some(client), person: None, grant: None, is_on_soda: true };
        alter(&mut known);
        let soda = api("soda", "https://soda.example/", &["read", "write"]);
        let table = RouteTable::new("/soda", changes.map(|changes| privilege("staff", changes)).into_iter().collect());
        let protection = Protection::of(&soda, Some(&table), "GET", &CanonicalPath::parse("/soda/a").unwrap());
        let circumstances = Circumstances {
            parties: Parties { client: known.client.as_ref(), person: known.person.as_ref(), grant: known.grant.as_ref() },
            issuer: &Issuer::parse("https://as.example").unwrap(),
            token_issuer: Some("https://other.example"),
            claims: Some(&known.claims),
            record: known.record.as_ref(),
            protection: known.is_on_soda.then_some(&protection),
            now: Timestamp::from_unix(3_600),
        };
        let Diagnosis { detail, remedy } = closed.explain(&circumstances);
        format!("{} {}: {detail}. {remedy}.", closed.gate(), closed.code())
    }

    fn person(password: u64, withdrawn: Option<u64>) -> Person {
        let epoch = Epoch { password: Timestamp::from_unix(password), withdrawn: withdrawn.map(Timestamp::from_unix) };
        Person { epoch, ..Person::new(user(json!({})), &[], true) }
    }

    /// A grant of the user's first password.
    fn grant() -> Grant {
        granted().0
    }

    /// Pins what is said, and that it mentions what it must.
    fn pin(said: &str, expected: &str, mentions: &[&str]) {
        assert_eq!(said, expected);
        for mention in mentions {
            assert!(said.contains(mention), "{mention} in {said}");
        }
    }

    fn plainly(closed: Closed, expected: &str, mentions: &[&str]) {
        pin(&said(closed, None, |_| {}), expected, mentions);
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

    #[test]
    fn the_route_gate_is_explained() {
        // 5.5 scope_missing to api_not_in_backend
        let route =
            |fault, changes: Option<Value>, expected: &str, mentions: &[&str]| pin(&said(Closed::Route(fault), changes, |_| {}), expected, mentions);
        for (how, mention) in [("any", "any of https://soda.example/write https://soda.example/read"), ("all", "all of https://soda.example/write")] {
            route(
                RouteFault::ScopeMissing,
                Some(json!({"scopes": ["write", "read"], "scopes_match": how})),
                &format!(
                    "route scope_missing: the privilege staff asks for {how} of the scopes `write read`, the token was granted `read`. \
                     request a token with {how} of https://soda.example/write https://soda.example/read; the client must be allowed it."
                ),
                &[mention, "granted `read`"],
            );
        }
        let roles = Some(json!({"roles": ["emp", "mgr"]}));
        route(
            RouteFault::RoleMissing,
            roles.clone(),
            "route role_missing: the privilege staff asks for one of the roles emp, mgr, c1 has dev, ops. \
             give c1 one of the roles emp, mgr; the same token works then.",
            &["one of the roles emp, mgr"],
        );
        assert!(said(Closed::Route(RouteFault::RoleMissing), roles, |known| known.client = Some(client(json!({})).0)).contains("c1 has no role."));
        route(
            RouteFault::SubjectType,
            Some(json!({"subjects": ["user"]})),
            "route subject_type: the privilege staff asks for a token that speaks for a user, and this one speaks for a client. \
             use the authorization_code grant.",
            &["authorization_code grant"],
        );
        pin(
            &said(Closed::Route(RouteFault::SubjectType), Some(json!({"subjects": ["client"]})), |known| known.claims.sub_type = SubjectType::User),
            "route subject_type: the privilege staff asks for a token that speaks for a client, and this one speaks for a user. \
             use the client_credentials grant.",
            &["client_credentials grant"],
        );
        route(
            RouteFault::BackendMismatch,
            None,
            "route backend_mismatch: the call names another backend than the token's, which is c1. \
             leave the backend header out, or send c1 in it.",
            &["backend than the token's, which is c1"],
        );
        route(
            RouteFault::ApiNotInBackend,
            None,
            "route api_not_in_backend: the client c1 has no scope of the api soda any more. \
             attach the api soda to the client: give it one of the api's scopes.",
            &["attach the api"],
        );
        route(
            RouteFault::PathAmbiguous,
            None,
            "route path_ambiguous: the path can be read in more than one way. \
             send the path without dot segments, empty segments, wildcards, encoded slashes and needless percent-encoding.",
            &[],
        );
        route(
            RouteFault::Denied,
            None,
            "route route_denied: no privilege names the route, and the api soda is closed where none does. \
             name the route in a privilege, or set the api's `access`.",
            &[],
        );
        pin(
            &said(Closed::Route(RouteFault::Denied), None, |known| known.is_on_soda = false),
            "route route_denied: no api has this path. check path and gateway, or register an api whose base_path covers it.",
            &[],
        );
    }
}

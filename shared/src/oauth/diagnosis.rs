//! Diagnosis: which gate closed on a call, in words that say what to do. It decides nothing: it tells what [`super::gates::judge`] decided.

use super::access_token::{Claims, SubjectType, TokenRecord};
use super::client::Client;
use super::gates::Closed;
use super::ids::{Issuer, Name};
use super::privilege::ScopesMatch;
use super::route::{Principal, Protection, RouteFault};
use super::time::Timestamp;
use super::token_gate::TokenFault;
use super::user::Person;

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
    /// Its client.
    pub client: Option<&'a Client>,
    /// Its user.
    pub person: Option<&'a Person>,
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
            Self::NoToken | Self::NotBearer | Self::Token(_) | Self::OtherApi => "token",
            Self::Route(_) => "route",
        }
    }

    /// Explains a refusal to whoever owns the token, or administers.
    pub fn explain(self, circumstances: &Circumstances<'_>) -> Diagnosis {
        let (detail, remedy) = match self {
            Self::NoToken => {
                ("the route asks for a token, and the call has none".to_owned(), "send the header `Authorization: Bearer <token>`".to_owned())
            }
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

impl Circumstances<'_> {
    fn of_token(&self, fault: TokenFault) -> (String, String) {
        const ANOTHER: &str = "request a new token at the token endpoint";
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
            TokenFault::Revoked => {
                let itself = self.record.and_then(|record| record.revoked_at).map(|at| format!("the token was revoked at {}", at.rfc3339()));
                let with_all = || {
                    let before = self.client.map(|client| client.tokens_valid_from.rfc3339()).unwrap_or_default();
                    format!("the token was revoked with all tokens of its client that were issued before {before}")
                };
                (itself.unwrap_or_else(with_all), ANOTHER.to_owned())
            }
            TokenFault::ClientInactive => {
                let whose = self.claims.map(|claims| claims.client_id.as_str()).unwrap_or_default();
                match self.client {
                    Some(_) => (format!("the client {whose} is deactivated"), "activate the client: set `active` to true".to_owned()),
                    None => (format!("the client {whose} was deleted"), "register a client, activate it and request a new token".to_owned()),
                }
            }
            TokenFault::UserInactive => match self.person {
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

    fn of_audience(&self) -> (String, String) {
        let has = self.claims.map(|claims| claims.aud.as_str()).unwrap_or_default();
        let Some(protection) = self.protection.filter(|protection| protection.api.metadata.audience != has) else {
            return (format!("the token is for the audience {has}, which no api has any more"), "request a token for an api that exists".to_owned());
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
                let has = self.claims.zip(self.client).map(|(claims, client)| names(Principal { claims, client, person: self.person }.roles()));
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

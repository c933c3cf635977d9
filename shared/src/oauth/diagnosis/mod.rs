//! Diagnosis: which gate closed on a call, in words that say what to do. It decides nothing: it tells what [`super::gates::judge`] decided.

use super::access_token::{Claims, TokenRecord};
use super::gates::Closed;
use super::ids::Issuer;
use super::route::Protection;
use super::time::Timestamp;
use super::token_gate::{Parties, TokenFault};

mod of_route;
mod of_token;

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

#[cfg(test)]
mod fixture {
    use serde_json::{Value, json};

    use super::super::access_token::fixture::claims;
    use super::super::api::fixture::api;
    use super::super::client::Client;
    use super::super::client::fixture::client;
    use super::super::grant::Grant;
    use super::super::path::CanonicalPath;
    use super::super::privilege::fixture::privilege;
    use super::super::route_table::RouteTable;
    use super::super::user::Person;
    use super::*;

    /// What is known of a call on a route of the Api `soda`: a token of the client `c1` for it, unless a test says otherwise.
    pub(crate) struct Known {
        pub claims: Claims,
        pub record: Option<TokenRecord>,
        pub client: Option<Client>,
        pub person: Option<Person>,
        pub grant: Option<Grant>,
        pub is_on_soda: bool,
    }

    /// Gate, code, detail and remedy; `changes` are those of the privilege `staff`, if one decides.
    pub(crate) fn said(closed: Closed, changes: Option<Value>, alter: impl FnOnce(&mut Known)) -> String {
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

    /// Pins what is said, and that it mentions what it must.
    pub(crate) fn pin(said: &str, expected: &str, mentions: &[&str]) {
        assert_eq!(said, expected);
        for mention in mentions {
            assert!(said.contains(mention), "{mention} in {said}");
        }
    }

    pub(crate) fn plainly(closed: Closed, expected: &str, mentions: &[&str]) {
        pin(&said(closed, None, |_| {}), expected, mentions);
    }
}

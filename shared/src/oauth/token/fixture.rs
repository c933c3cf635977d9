//! What the tests of the grants begin with: a server, a client, a user and what is decided of their requests.

use serde_json::{Value, json};

use super::super::api::fixture::api;
use super::super::client::fixture::client;
use super::super::client_auth::{Credentials, authenticate};
use super::super::grant::fixture::fresh;
use super::super::time::Timestamp;
use super::super::user::fixture::user;
use super::super::user::{Epoch, User, UserId};
use super::*;

/// When the requests come: while the code of `grant::fixture` is good.
pub(super) const NOW: u64 = 1_020;

/// alice, changed, assigned to the client.
pub(super) fn alice(changes: Value) -> Person {
    Person::new(user(changes), &[], true)
}

/// What is decided of a request to a server with the Api `orders`, whose scopes `read` and `write` the client may both have unless it
/// is changed.
pub(super) fn decided(form: &str, changes: Value, grant: Option<&Grant>, person: Option<&Person>) -> Decision {
    let apis = Apis::new(vec![api("orders", "https://orders.example/", &["read", "write"])], 1);
    decided_with(&apis, form, changes, grant, person)
}

/// The same for other Apis.
pub(super) fn decided_with(apis: &Apis, form: &str, changes: Value, grant: Option<&Grant>, person: Option<&Person>) -> Decision {
    let mut body = json!({"grant_types": ["authorization_code", "refresh_token", "password"], "token_endpoint_auth_method": "client_secret_post",
        "scopes": ["https://orders.example/read", "https://orders.example/write"]});
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let (client, secret) = client(body);
    let form = Form::parse(format!("client_id=c1&client_secret={}&{form}", secret.expose()).as_bytes()).unwrap();
    let client = authenticate(&Credentials::parse(&[], &form).unwrap(), Some(client), Timestamp::from_unix(NOW)).unwrap();
    let facts = Facts { client: &client, apis, grant, person, raced: false };
    decide(&TokenRequest::parse(&form, true).unwrap(), &facts, &fresh(NOW))
}

/// The scope that is given, or the fault of a refusal, which leaves the grant as it is.
pub(super) fn given(decision: Decision) -> Result<String, &'static str> {
    assert_eq!(decision.change.is_some(), decision.answer.is_ok());
    decision.answer.map(|issued| issued.claims.scope).map_err(|error| error.fault())
}

/// Why a user of a grant gets nothing any more, whichever the grant type: the person, or the client's change, and the fault.
pub(super) fn ends_of_a_user() -> Vec<(Option<Person>, Value, &'static str)> {
    let other = Person { user: User { user_id: UserId::parse("u-ffffffffffffffffffffffff").unwrap(), ..user(json!({})) }, ..alice(json!({})) };
    let again = Epoch { password: Timestamp::from_unix(1), withdrawn: None };
    let withdrawn = Epoch { withdrawn: Some(Timestamp::from_unix(1)), ..Epoch::of(&user(json!({}))) };
    vec![
        (None, json!({}), "user_inactive"),
        (Some(alice(json!({"active": false}))), json!({}), "user_inactive"),
        (Some(alice(json!({}))), json!({"realm": "staff"}), "user_inactive"),
        (Some(other), json!({}), "user_inactive"),
        (Some(Person { epoch: again, ..alice(json!({})) }), json!({}), "grant_revoked"),
        (Some(Person { epoch: withdrawn, ..alice(json!({})) }), json!({}), "grant_revoked"),
        (Some(Person { is_assigned: false, ..alice(json!({})) }), json!({}), "user_not_assigned"),
        (Some(alice(json!({}))), json!({"scopes": ["https://billing.example/read"]}), "scopes_gone"),
        (Some(alice(json!({}))), json!({"scopes": ["https://orders.example/write"]}), "scopes_gone"),
    ]
}

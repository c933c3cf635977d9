//! Who may give away what the admin scopes open: neither an assignment nor a user's client is a way around them.

use expect_test::expect;
use serde_json::{Value, json};

use crate::browser::{CALLBACK, People};
use crate::http::outcome;
use crate::support::{Server, json_of, shown};

#[tokio::test]
async fn nobody_is_assigned_to_a_client_by_somebody_who_may_do_less_than_it() {
    // A-12
    let server = Server::start().await;
    server.fixtures().await;
    let people = Box::pin(People::of(&server)).await;
    let limited = server.client("limited", json!({"scopes": ["urn:gatewright:admin:clients.write"]})).await;
    let token = server.token(&limited, "").await;
    server.client("strong", json!({"scopes": ["urn:gatewright:admin:keys.write"], "realm": "staff"})).await;
    let call = async |method: &str, path: &str| {
        let headers = [("authorization", &*format!("Bearer {token}")), ("content-type", "application/json")];
        server.send(method, &format!("/admin/v1{path}"), &headers, "").await
    };
    let assignments = async |client: &str| {
        let listed = server.admin("GET", &format!("/clients/{client}/assignments"), Value::Null).await;
        json_of(&listed)["items"].clone()
    };
    for assignee in [format!("users/{}", people.alice), "groups/clerks".to_owned()] {
        let (strong, weak) = (format!("/clients/strong/assignments/{assignee}"), format!("/clients/c_code/assignments/{assignee}"));
        assert_eq!(call("PUT", &strong).await.status(), 403, "{assignee}");
        assert_eq!(assignments("strong").await, json!([]), "it did not happen");
        assert_eq!(server.admin("PUT", &strong, Value::Null).await.status(), 204);
        let before = assignments("strong").await;
        assert_eq!(call("DELETE", &strong).await.status(), 403, "{assignee}");
        assert_eq!(assignments("strong").await, before, "it did not happen");
        assert_eq!(server.admin("DELETE", &strong, Value::Null).await.status(), 204);
        // To a client without admin scopes they may.
        assert_eq!((call("PUT", &weak).await.status().as_u16(), call("DELETE", &weak).await.status().as_u16()), (204, 204), "{assignee}");
    }
    expect![[r#"
        403 Forbidden
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        www-authenticate: Bearer realm="gatewright", error="insufficient_scope", scope="urn:gatewright:admin:keys.write", resource_metadata="https://auth.example/.well-known/oauth-protected-resource/admin/v1"
        x-content-type-options: nosniff

        {"detail":"the client has or would have the scope urn:gatewright:admin:keys.write, which the access token lacks","status":403,"title":"Forbidden","type":"about:blank"}"#]].assert_eq(&shown(&call("PUT", "/clients/strong/assignments/groups/clerks").await));
}

#[tokio::test]
async fn no_client_has_admin_scopes_and_users() {
    let server = Server::with(&[("GATEWRIGHT_PASSWORD_GRANT", "on")]).await;
    server.fixtures().await;
    let scopes = json!(["https://orders.example/read", "urn:gatewright:admin:users.read"]);
    for grant in ["authorization_code", "password"] {
        let body = json!({"client_name": "console", "grant_types": [grant, "client_credentials"], "redirect_uris": [CALLBACK], "scopes": scopes});
        let refused = server.admin("POST", "/clients", body).await;
        assert_eq!(json_of(&refused)["errors"][0]["pointer"], "/scopes/1", "{grant}: {}", shown(&refused));
    }
    // Neither later, by its grants or by its scopes.
    server.client("robot", json!({"scopes": scopes})).await;
    server.client("app", json!({"grant_types": ["authorization_code"], "redirect_uris": [CALLBACK]})).await;
    let users = json!({"grant_types": ["authorization_code"], "redirect_uris": [CALLBACK]});
    for (path, patch) in [("/clients/robot", users), ("/clients/app", json!({"scopes": scopes}))] {
        assert_eq!(outcome(&server.admin("PATCH", path, patch).await), "400", "{path}");
        assert_eq!(json_of(&server.admin("GET", path, Value::Null).await)["version"], 1, "{path}");
    }
    expect![[r#"
        400 Bad Request
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        x-content-type-options: nosniff

        {"detail":"the request has faults, see errors","errors":[{"detail":"is an admin scope, which is for clients that act for themselves: make another client with client_credentials for it","pointer":"/scopes/1"}],"status":400,"title":"Bad Request","type":"about:blank"}"#]].assert_eq(&shown(&server.admin("PATCH", "/clients/app", json!({"scopes": scopes})).await));
}

//! What people cost: the calls of the table that docs/performance.md lists.

use expect_test::expect;
use serde_json::json;

use crate::browser::{CALLBACK, PASSWORD, People, location, parameter, password_client};
use crate::support::{Server, encoded, is_active, json_of};

const ORIGIN: &str = "https://spa.example";

/// The calls of the table, a line for each request.
#[derive(Default)]
struct Costs(String);

impl Costs {
    /// What was asked of the table since the last time.
    fn note(&mut self, server: &Server, what: &str) {
        self.0.push_str(&format!("{what}: {}\n", server.proxy.calls()));
    }
}

#[tokio::test]
async fn what_people_cost_is_known() {
    // G10
    let server = Server::with(&[("GATEWRIGHT_PASSWORD_GRANT", "on")]).await;
    server.fixtures().await;
    let people = Box::pin(People::of(&server)).await;
    let ropc = password_client(&server, json!({"enforce_assignments": false})).await;
    // The first use of a secret on a day is a write of its own.
    Box::pin(people.granted(&server)).await;
    let by_password = format!("grant_type=password&username=alice&password={}", encoded(PASSWORD));
    assert_eq!(server.post("/oauth2/token", &ropc, &by_password).await.status(), 200);
    assert_eq!(server.admin("DELETE", &format!("/users/{}/grants/c_code", people.alice), json!(null)).await.status(), 204);
    people.browser.cookies.borrow_mut().remove("__Host-gatewright_session");
    server.proxy.calls();
    let mut costs = Costs::default();
    let url = People::url(&[]);
    let page = people.browser.open(&server, &url).await;
    costs.note(&server, "the sign-in page");
    let fields = [("username", "alice"), ("password", "wrong password")];
    people.browser.press(&server, &page, "sign_in", &fields).await;
    costs.note(&server, "a wrong password");
    location(&people.browser.press(&server, &page, "sign_in", &[("username", "alice"), ("password", PASSWORD)]).await);
    costs.note(&server, "a right one");
    let page = people.browser.open(&server, &url).await;
    costs.note(&server, "the consent page");
    let back = location(&people.browser.press(&server, &page, "approve", &[("allow", "read")]).await);
    costs.note(&server, "approval");
    let tokens = json_of(&people.redeem(&server, &parameter(&back, "code").unwrap()).await);
    costs.note(&server, "redemption");
    let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    assert_eq!(server.post("/oauth2/token", &people.client, &form).await.status(), 200);
    costs.note(&server, "refresh");
    location(&people.browser.open(&server, &url).await);
    costs.note(&server, "a page that needs no consent");
    let page = people.browser.open(&server, &People::url(&[("scope", "https://orders.example/write")])).await;
    server.proxy.calls();
    location(&people.browser.press(&server, &page, "deny", &[]).await);
    costs.note(&server, "denial");
    assert_eq!(server.post("/oauth2/token", &ropc, &by_password).await.status(), 200);
    costs.note(&server, "password grant");
    assert!(is_active(&server, &people.client, access).await);
    costs.note(&server, "introspection of a user's token");
    assert_eq!(server.get("/orders/1", access).await.status(), 200);
    costs.note(&server, "authorizer, first token of all, with what is remembered from then on");
    let second = Box::pin(people.granted(&server)).await.access_token;
    server.proxy.calls();
    assert_eq!(server.get("/orders/1", &second).await.status(), 200);
    costs.note(&server, "authorizer, another token of the same user and client");
    assert_eq!(server.get("/orders/1", &second).await.status(), 200);
    costs.note(&server, "authorizer, seen");
    assert_eq!(server.post("/oauth2/revoke", &people.client, &format!("token={access}")).await.status(), 200);
    costs.note(&server, "revocation of a user's token");
    assert_eq!(server.post("/oauth2/revoke", &people.client, &format!("token={refresh}")).await.status(), 200);
    costs.note(&server, "revocation of a grant");
    expect![[r#"
        the sign-in page: BatchGetItem 1
        a wrong password: BatchGetItem 3, TransactWriteItems 1
        a right one: BatchGetItem 3, TransactWriteItems 3
        the consent page: BatchGetItem 3
        approval: BatchGetItem 3, TransactWriteItems 1
        redemption: BatchGetItem 3, TransactWriteItems 1
        refresh: BatchGetItem 3, TransactWriteItems 1
        a page that needs no consent: BatchGetItem 3, TransactWriteItems 1
        denial: BatchGetItem 2, TransactWriteItems 1
        password grant: BatchGetItem 4, TransactWriteItems 4
        introspection of a user's token: BatchGetItem 2
        authorizer, first token of all, with what is remembered from then on: BatchGetItem 3
        authorizer, another token of the same user and client: BatchGetItem 1
        authorizer, seen: 
        revocation of a user's token: BatchGetItem 2, TransactWriteItems 1
        revocation of a grant: BatchGetItem 1, TransactWriteItems 1
    "#]]
    .assert_eq(&costs.0);
}

#[tokio::test]
async fn what_a_page_of_another_origin_costs_is_known() {
    // G10
    let server = Server::start().await;
    server.fixtures().await;
    let app = json!({"client_type": "public", "grant_types": ["authorization_code"], "redirect_uris": [CALLBACK], "allowed_origins": [ORIGIN]});
    server.client("spa", app).await;
    server.proxy.calls();
    let mut costs = Costs::default();
    let question = [("origin", ORIGIN), ("access-control-request-method", "POST")];
    assert_eq!(server.send("OPTIONS", "/oauth2/token", &question, "").await.status(), 204);
    costs.note(&server, "a preflight");
    let headers = [("origin", ORIGIN), ("content-type", "application/x-www-form-urlencoded")];
    server.send("POST", "/oauth2/revoke", &headers, "client_id=spa&token=x").await;
    costs.note(&server, "a revocation by a page");
    server.post("/oauth2/revoke", "", "client_id=spa&token=x").await;
    costs.note(&server, "the same by no page");
    expect![[r#"
        a preflight: GetItem 1
        a revocation by a page: BatchGetItem 1, GetItem 1
        the same by no page: BatchGetItem 1
    "#]]
    .assert_eq(&costs.0);
}

//! The table fails under what users need: pages, codes, refresh tokens, passwords, and the objects that administrators keep of them.

mod written;

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CACHE_CONTROL, LOCATION, RETRY_AFTER, SET_COOKIE};
use serde_json::{Value, json};
use shared::endpoints::Response;

use super::FAULTS;
use crate::browser::{Browser, CALLBACK, People, VERIFIER, location, password_client, user};
use crate::support::{Fault, Server, encoded, shown};

/// A request that reads or writes something of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    /// A browser without a session asks for a code.
    Begin,
    /// One with a session, where there is something to allow.
    BeginSignedIn,
    /// One with a session, where all was allowed before.
    BeginAllowed,
    SignIn,
    /// In a browser with a session, which ends by it.
    SignInAgain,
    WrongPassword,
    Approve,
    Deny,
    SignOut,
    Code,
    Refresh,
    Password,
    GiveBack,
    Introspect,
    Diagnose,
    /// A user's token that the authorizer has not seen.
    Route,
    Basic,
    CreateUser,
    ChangeUser,
    ChangePassword,
    ShowUser,
    FindUser,
    ListUsers,
    DeleteUser,
    CreateGroup,
    ChangeGroup,
    ListGroups,
    DeleteGroup,
    AddMember,
    RemoveMember,
    AssignUser,
    AssignGroup,
    Unassign,
    ListAssignments,
    ListGrants,
    Withdraw,
    ListTokens,
    Audit,
}

const PAGES: [Call; 9] = [
    Call::Begin,
    Call::BeginSignedIn,
    Call::BeginAllowed,
    Call::SignIn,
    Call::SignInAgain,
    Call::WrongPassword,
    Call::Approve,
    Call::Deny,
    Call::SignOut,
];

const TOKENS: [Call; 8] = [Call::Code, Call::Refresh, Call::Password, Call::GiveBack, Call::Introspect, Call::Diagnose, Call::Route, Call::Basic];

const ADMIN: [Call; 21] = [
    Call::CreateUser,
    Call::ChangeUser,
    Call::ChangePassword,
    Call::ShowUser,
    Call::FindUser,
    Call::ListUsers,
    Call::DeleteUser,
    Call::CreateGroup,
    Call::ChangeGroup,
    Call::ListGroups,
    Call::DeleteGroup,
    Call::AddMember,
    Call::RemoveMember,
    Call::AssignUser,
    Call::AssignGroup,
    Call::Unassign,
    Call::ListAssignments,
    Call::ListGrants,
    Call::Withdraw,
    Call::ListTokens,
    Call::Audit,
];

/// The password `password` by Argon2id with 32 kiB, as in the test of `oauth/password.rs`.
const CHEAP: &str = r#"{"memory":32,"passes":3,"lanes":4,"salt":"c29tZXNhbHRzb21lc2FsdA","digest":"8lBI7EgxGoBOqe3XTgjDB2WqD41HwqW1pglyQ83y5c4"}"#;

/// Gives a user a password that costs nothing to try: hundreds of sign-ins are about the table here, not about guessing.
async fn cheapen(server: &Server, user_id: &str) {
    let key = json!({"pk": {"S": format!("user#{user_id}")}, "sk": {"S": "user"}});
    let get = json!({"TableName": server.table(), "Key": key, "ConsistentRead": true});
    let item: Value = serde_json::from_str(&server.proxy.ask("GetItem", &get.to_string()).await).unwrap();
    let mut user: Value = serde_json::from_str(item["Item"]["doc"]["S"].as_str().unwrap()).unwrap();
    user["password"] = serde_json::from_str(CHEAP).unwrap();
    let update = json!({"TableName": server.table(), "Key": key, "UpdateExpression": "SET doc = :doc",
        "ExpressionAttributeValues": {":doc": {"S": user.to_string()}}});
    server.proxy.ask("UpdateItem", &update.to_string()).await;
}

/// A server, its people, and the clients that they use.
struct Scene {
    server: Server,
    people: People,
    with_password: String,
    admin: String,
}

/// What one call needs, made while all is well.
#[derive(Default)]
struct Prepared {
    /// A token, an id or a name.
    text: String,
    browser: Browser,
    page: Option<Response>,
    /// A node of its own, which remembers nothing.
    node: Option<Server>,
}

impl Scene {
    async fn start() -> Self {
        let server = Server::with(&[("GATEWRIGHT_PASSWORD_GRANT", "on")]).await;
        server.fixtures().await;
        assert_eq!(server.admin("PATCH", "/apis/orders", json!({"basic_auth": true})).await.status(), 200);
        let people = Box::pin(People::of(&server)).await;
        // A public client asks its user each time.
        let public = json!({"client_type": "public", "grant_types": ["authorization_code"], "redirect_uris": [CALLBACK], "realm": "staff"});
        server.client("p1", public).await;
        let with_password = password_client(&server, json!({})).await;
        for client in ["p1", "c_ropc"] {
            let path = format!("/clients/{client}/assignments/users/{}", people.alice);
            assert_eq!(server.admin("PUT", &path, Value::Null).await.status(), 204);
        }
        // Alice allows once, and each client has used its secret today.
        Box::pin(people.granted(&server)).await;
        cheapen(&server, &people.alice).await;
        let admin = server.admin_token().await;
        let scene = Self { server, people, with_password, admin };
        assert_eq!(scene.send(Call::Password, &Prepared::default()).await.status(), 200);
        scene
    }

    /// A page of the public client, in this browser.
    async fn page(&self, browser: &Browser) -> Response {
        browser.open(&self.server, &People::url(&[("client_id", "p1")])).await
    }

    /// A browser in which alice is signed in, and its consent page.
    async fn signed_in(&self) -> Prepared {
        let browser = Browser::default();
        let page = self.page(&browser).await;
        let fields = [("username", "alice"), ("password", "password")];
        location(&browser.press(&self.server, &page, "sign_in", &fields).await);
        let page = self.page(&browser).await;
        Prepared { page: Some(page), browser, ..Prepared::default() }
    }

    async fn prepare(&self, call: Call) -> Prepared {
        let Self { server, people, .. } = self;
        let text = |text: String| Prepared { text, ..Prepared::default() };
        let name = || server.fresh().hex_id("name");
        match call {
            Call::SignIn | Call::WrongPassword => {
                let browser = Browser::default();
                let page = self.page(&browser).await;
                Prepared { page: Some(page), browser, ..text(name()) }
            }
            Call::SignInAgain | Call::SignOut => self.signed_in().await,
            Call::Approve | Call::Deny => {
                let page = self.page(&people.browser).await;
                let cookies = people.browser.cookies.clone();
                Prepared { page: Some(page), browser: Browser { cookies }, ..Prepared::default() }
            }
            Call::Code => text(people.code(server).await),
            Call::Refresh | Call::GiveBack => text(people.granted(server).await.refresh_token),
            Call::Introspect | Call::Diagnose => text(people.granted(server).await.access_token),
            Call::Route | Call::Basic => {
                let node = server.another().await;
                node.warm().await;
                Prepared { node: Some(node), ..text(people.granted(server).await.access_token) }
            }
            Call::ChangeUser | Call::ChangePassword | Call::ShowUser | Call::DeleteUser | Call::AddMember | Call::AssignUser => {
                text(server.create("/users", json!({"realm": "staff", "username": name()})).await["user_id"].as_str().unwrap().to_owned())
            }
            Call::RemoveMember => text(user(server, &name(), json!({"groups": ["clerks"]})).await),
            Call::Unassign => {
                let prepared = text(user(server, &name(), json!({})).await);
                assert_eq!(self.send(Call::AssignUser, &prepared).await.status(), 204);
                prepared
            }
            Call::ChangeGroup | Call::DeleteGroup | Call::AssignGroup => {
                let name = name();
                server.create("/groups", json!({"name": name, "realm": "staff"})).await;
                text(name)
            }
            Call::Withdraw => {
                people.granted(server).await;
                Prepared::default()
            }
            _ => text(name()),
        }
    }

    /// The server that a call goes to.
    fn node<'a>(&'a self, prepared: &'a Prepared) -> &'a Server {
        prepared.node.as_ref().unwrap_or(&self.server)
    }

    async fn send(&self, call: Call, prepared: &Prepared) -> Response {
        let Self { server, people, with_password, .. } = self;
        let Prepared { text, browser, page, .. } = prepared;
        let alice = &people.alice;
        let press = async |action: &str, fields: &[(&str, &str)]| browser.press(server, page.as_ref().unwrap(), action, fields).await;
        let admin = async |method: &str, path: &str, body: Value| {
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let authorization = format!("Bearer {}", self.admin);
            let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
            server.send(method, &format!("/admin/v1{path}"), &headers, body).await
        };
        match call {
            Call::Begin => Browser::default().open(server, &People::url(&[])).await,
            Call::BeginSignedIn => people.browser.open(server, &People::url(&[("client_id", "p1")])).await,
            Call::BeginAllowed => people.browser.open(server, &People::url(&[])).await,
            Call::SignIn | Call::SignInAgain => press("sign_in", &[("username", "alice"), ("password", "password")]).await,
            Call::WrongPassword => press("sign_in", &[("username", text), ("password", "wrong")]).await,
            Call::Approve => press("approve", &[("allow", "read")]).await,
            Call::Deny => press("deny", &[]).await,
            Call::SignOut => press("sign_out", &[]).await,
            Call::Code => {
                let form = format!("grant_type=authorization_code&code={text}&redirect_uri={}&code_verifier={VERIFIER}", encoded(CALLBACK));
                server.post("/oauth2/token", &people.client, &form).await
            }
            Call::Refresh => server.post("/oauth2/token", &people.client, &format!("grant_type=refresh_token&refresh_token={text}")).await,
            Call::Password => {
                let form = format!("grant_type=password&username=alice&password=password&scope={}", encoded("https://orders.example/read"));
                server.post("/oauth2/token", with_password, &form).await
            }
            Call::GiveBack => server.post("/oauth2/revoke", &people.client, &format!("token={text}")).await,
            Call::Introspect => server.post("/oauth2/introspect", &people.client, &format!("token={text}")).await,
            Call::Diagnose => {
                let body = json!({"token": text, "method": "GET", "path": "/orders/1"}).to_string();
                let headers = [("authorization", people.client.as_str()), ("content-type", "application/json")];
                server.send("POST", "/oauth2/diagnose", &headers, body).await
            }
            Call::Route => self.node(prepared).get("/orders/1", text).await,
            Call::Basic => {
                let authorization = format!("Basic {}", STANDARD.encode("alice:password"));
                let headers = [("authorization", authorization.as_str()), ("x-client-id", "c_ropc")];
                self.node(prepared).send("GET", "/orders/1", &headers, "").await
            }
            Call::CreateUser => admin("POST", "/users", json!({"realm": "staff", "username": text, "groups": ["clerks"]})).await,
            Call::ChangeUser => admin("PATCH", &format!("/users/{text}"), json!({"roles": ["manager"]})).await,
            Call::ChangePassword => admin("PATCH", &format!("/users/{text}"), json!({"password": "another password"})).await,
            Call::ShowUser => admin("GET", &format!("/users/{text}"), Value::Null).await,
            Call::FindUser => admin("GET", "/users?realm=staff&username=alice", Value::Null).await,
            Call::ListUsers => admin("GET", "/users", Value::Null).await,
            Call::DeleteUser => admin("DELETE", &format!("/users/{text}"), Value::Null).await,
            Call::CreateGroup => admin("POST", "/groups", json!({"name": text, "realm": "staff", "roles": ["clerk"]})).await,
            Call::ChangeGroup => admin("PATCH", &format!("/groups/{text}"), json!({"roles": ["manager"]})).await,
            Call::ListGroups => admin("GET", "/groups", Value::Null).await,
            Call::DeleteGroup => admin("DELETE", &format!("/groups/{text}"), Value::Null).await,
            Call::AddMember => admin("PUT", &format!("/groups/clerks/members/{text}"), Value::Null).await,
            Call::RemoveMember => admin("DELETE", &format!("/groups/clerks/members/{text}"), Value::Null).await,
            Call::AssignUser => admin("PUT", &format!("/clients/c_code/assignments/users/{text}"), Value::Null).await,
            Call::AssignGroup => admin("PUT", &format!("/clients/c_code/assignments/groups/{text}"), Value::Null).await,
            Call::Unassign => admin("DELETE", &format!("/clients/c_code/assignments/users/{text}"), Value::Null).await,
            Call::ListAssignments => admin("GET", "/clients/c_code/assignments", Value::Null).await,
            Call::ListGrants => admin("GET", &format!("/users/{alice}/grants"), Value::Null).await,
            Call::Withdraw => admin("DELETE", &format!("/users/{alice}/grants/c_code"), Value::Null).await,
            Call::ListTokens => admin("GET", &format!("/tokens?user_id={alice}"), Value::Null).await,
            Call::Audit => admin("GET", &format!("/audit?user_id={alice}"), Value::Null).await,
        }
    }

    /// The operations that `call` makes when nothing is wrong, and how many of each.
    async fn operations(&self, call: Call) -> Vec<(&'static str, usize)> {
        let prepared = self.prepare(call).await;
        let proxy = &self.node(&prepared).proxy;
        proxy.calls();
        let response = self.send(call, &prepared).await;
        assert_eq!(response.status(), good(call), "{call:?}: {}", shown(&response));
        let calls = proxy.calls();
        let known = ["BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query", "TransactWriteItems"];
        let made = calls.split(", ").filter_map(|call| call.split_once(' '));
        // In one process, a report first writes what was counted; whether that works is not the report's matter.
        let made = made.filter(|(name, _)| call != Call::Audit || !matches!(*name, "BatchWriteItem" | "UpdateItem"));
        made.map(|(name, count)| (*known.iter().find(|known| *known == &name).unwrap(), count.parse().unwrap())).collect()
    }
}

/// What the call answers when nothing is wrong.
fn good(call: Call) -> u16 {
    match call {
        Call::BeginAllowed | Call::SignIn | Call::SignInAgain | Call::Approve | Call::Deny | Call::SignOut => 303,
        Call::CreateUser | Call::CreateGroup => 201,
        Call::DeleteUser | Call::DeleteGroup | Call::AddMember | Call::RemoveMember => 204,
        Call::AssignUser | Call::AssignGroup | Call::Unassign | Call::Withdraw => 204,
        _ => 200,
    }
}

/// What the call must answer while the table does not: nothing that opens anything, and nothing that is not known.
fn assert_closed(call: Call, response: &Response, context: &str) {
    let text = shown(response);
    let is_call = matches!(call, Call::Route | Call::Basic);
    assert_eq!(response.status(), if is_call { 500 } else { 503 }, "{context}: {text}");
    let headers = response.headers();
    assert!(!headers.contains_key(SET_COOKIE) && !headers.contains_key(LOCATION), "{context}: {text}");
    if !is_call {
        assert_eq!((&headers[RETRY_AFTER], &headers[CACHE_CONTROL]), (&"1".parse().unwrap(), &"no-store".parse().unwrap()), "{context}: {text}");
    }
    if PAGES.contains(&call) {
        assert!(text.contains("Not available right now") && !text.contains("<form") && !text.contains("wrong"), "{context}: {text}");
    }
    for leak in ["access_token\"", "refresh_token\"", "\"active\"", "\"verdict\"", "user_id", "principal", "dynamodb", "127.0.0.1", "injected", "gw_"]
    {
        assert!(!text.contains(leak), "{context} says {leak}: {text}");
    }
}

/// Each of these calls, each call to the table that it makes, each kind of fault: what then `holds` of the answer, and of the scene.
async fn each_fault(calls: &[Call], times: usize, holds: impl AsyncFn(&Scene, Call, Fault, &Prepared, &Response, &str)) -> usize {
    let scene = Box::pin(Scene::start()).await;
    let mut cases = 0;
    for &call in calls {
        for (operation, count) in Box::pin(scene.operations(call)).await {
            let faults = || FAULTS.into_iter().chain((times > 1).then_some(Fault::AccessDenied));
            for (place, fault) in (0..count).flat_map(|place| faults().map(move |fault| (place, fault))) {
                let context = format!("{call:?}, {operation} {place}, {fault:?}");
                let prepared = Box::pin(scene.prepare(call)).await;
                let proxy = &scene.node(&prepared).proxy;
                proxy.inject_after(place, fault, operation, times);
                let begun = Instant::now();
                let response = Box::pin(scene.send(call, &prepared)).await;
                assert!(begun.elapsed() < Duration::from_secs(3), "{context}: {:?}", begun.elapsed());
                proxy.heal();
                holds(&scene, call, fault, &prepared, &response, &context).await;
                cases += 1;
            }
        }
    }
    cases
}

async fn passes(calls: &[Call]) -> usize {
    let holds = async |_: &Scene, call: Call, fault: Fault, _: &Prepared, response: &Response, context: &str| match fault {
        // As for the other endpoints: what cannot be read may be the service's last word, and then it is a failure, never a fact.
        Fault::Garbage if response.status() != good(call) => assert_closed(call, response, context),
        _ => assert_eq!(response.status(), good(call), "{context}: {}", shown(response)),
    };
    Box::pin(each_fault(calls, 1, holds)).await
}

async fn lasts(calls: &[Call]) -> usize {
    let holds = async |scene: &Scene, call: Call, fault: Fault, prepared: &Prepared, response: &Response, context: &str| {
        assert_closed(call, response, context);
        let answer = scene.send(call, prepared).await;
        // What was written although the answer was lost is there: a name is taken, a code or a page was used, a thing is gone.
        let may_exist = matches!(fault, Fault::AnswerLost | Fault::Garbage);
        let said = match call {
            Call::CreateUser | Call::CreateGroup => 409,
            Call::DeleteUser | Call::DeleteGroup | Call::Withdraw => 404,
            Call::Code | Call::Approve | Call::Deny => 400,
            _ => good(call),
        };
        let again = answer.status();
        assert!(again == good(call) || (may_exist && again == said), "{context}: then {}", shown(&answer));
    };
    Box::pin(each_fault(calls, usize::MAX, holds)).await
}

#[tokio::test]
async fn a_fault_that_passes_is_not_noticed_on_a_page() {
    // SF-01, CC-08, SF-05
    let cases = passes(&PAGES).await;
    assert!(cases > 100, "{cases}");
}

#[tokio::test]
async fn a_fault_that_passes_is_not_noticed_by_what_a_user_gave() {
    // SF-01, CC-08, SF-05, SF-06
    let cases = passes(&TOKENS).await;
    assert!(cases > 100, "{cases}");
}

#[tokio::test]
async fn a_fault_that_passes_is_not_noticed_by_administrators_of_people() {
    // SF-01, CC-08
    let cases = passes(&ADMIN).await;
    assert!(cases > 100, "{cases}");
}

#[tokio::test]
async fn a_fault_that_lasts_is_a_page_and_then_the_same_page_works() {
    // SF-02, SF-03, SF-05, SF-12: before trust and after it, and no cookie, no code, no redirect
    let cases = lasts(&PAGES).await;
    assert!(cases > 100, "{cases}");
}

#[tokio::test]
async fn a_fault_that_lasts_gives_nothing_for_a_code_a_refresh_token_or_a_password() {
    // SF-02, SF-03, SF-05, SF-06, SF-07, SF-12, RV-09
    let cases = lasts(&TOKENS).await;
    assert!(cases > 100, "{cases}");
}

#[tokio::test]
async fn a_fault_that_lasts_is_said_to_administrators_of_people() {
    // SF-02, SF-03, T-26
    let cases = lasts(&ADMIN).await;
    assert!(cases > 100, "{cases}");
}

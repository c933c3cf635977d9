//! A browser as far as the pages need one: it keeps cookies, reads a form's fields and presses its buttons.

use std::cell::RefCell;
use std::collections::BTreeMap;

use http::header::{CONTENT_SECURITY_POLICY, LOCATION, SET_COOKIE};
use serde_json::{Value, json};
use shared::endpoints::Response;

use crate::support::{Server, encoded, json_of, shown};

pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const CALLBACK: &str = "https://app.example/cb";
pub const PASSWORD: &str = "correct horse: battery stäple";

/// The page that ends a session.
pub const SIGN_OUT: &str = "/oauth2/authorize/sign-out";

/// One browser.
#[derive(Default)]
pub struct Browser {
    pub cookies: RefCell<BTreeMap<String, String>>,
}

impl Browser {
    /// Presses the one button of the sign-out page, with this proof.
    pub async fn sign_out(&self, server: &Server, proof: &str) -> Response {
        self.send(server, "POST", SIGN_OUT, format!("proof={}", encoded(proof))).await
    }

    /// Opens a URL of the server.
    pub async fn open(&self, server: &Server, target: &str) -> Response {
        self.send(server, "GET", target, String::new()).await
    }

    /// The same request by POST (OpenID Connect Core §3.1.2.1).
    pub async fn post(&self, server: &Server, target: &str) -> Response {
        let (path, form) = target.split_once('?').unwrap();
        self.send(server, "POST", path, form.to_owned()).await
    }

    /// Presses the button `action` of the form on `page`, with these fields filled in.
    pub async fn press(&self, server: &Server, page: &Response, action: &str, fields: &[(&str, &str)]) -> Response {
        let mut form: Vec<(String, String)> = ["request", "proof"].iter().map(|name| ((*name).to_owned(), field(page, name))).collect();
        form.push(("action".to_owned(), action.to_owned()));
        form.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let body = form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&");
        self.send(server, "POST", "/oauth2/authorize", body).await
    }

    async fn send(&self, server: &Server, method: &str, target: &str, body: String) -> Response {
        let cookies = self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        let response = server.send(method, target, &headers, body).await;
        for cookie in response.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            // LO-08
            assert!(
                cookie.starts_with("__Host-gatewright_") && cookie.ends_with("; HttpOnly; SameSite=Lax; Secure") && cookie.contains("; Path=/;"),
                "{cookie}"
            );
            assert!(!cookie.to_lowercase().contains("domain"), "{cookie}");
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }
}

/// What every answer to a browser has, the redirects too (AZ-22, AZ-30), and that only a redirect leads anywhere (PAGE: no `Location`).
pub fn check_headers(response: &Response) {
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("strict-transport-security", "max-age=31536000"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(header(name), value, "{name}: {response:?}");
    }
    assert_eq!(response.headers().contains_key(LOCATION), response.status() == 303, "{response:?}");
}

/// What every page has (G-15, AZ-21, AZ-22, AZ-30).
pub fn check(response: &Response) {
    let policy = response.headers().get(CONTENT_SECURITY_POLICY).map(|value| value.to_str().unwrap()).unwrap_or_default();
    assert!(policy.starts_with("default-src 'none'; style-src 'nonce-") && policy.ends_with("base-uri 'none'; frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let html = std::str::from_utf8(response.body()).unwrap();
    assert!(!html.contains("<script") && !html.contains("style=") && html.contains("<html lang="), "{html}");
    assert!(!html.contains("src=\"http") && !html.contains("url(") && !html.contains("@import"), "nothing is loaded from elsewhere: {html}");
}

/// The value of a hidden field.
pub fn field(page: &Response, name: &str) -> String {
    let html = String::from_utf8(page.body().to_vec()).unwrap();
    let start = format!("name=\"{name}\" value=\"");
    let after = html.split(&start).nth(1).unwrap_or_else(|| panic!("no field {name}: {}", shown(page)));
    after.split('"').next().unwrap().to_owned()
}

/// Where an answer sends the browser.
pub fn location(response: &Response) -> String {
    assert_eq!(response.status(), 303, "{}", shown(response));
    response.headers()[LOCATION].to_str().unwrap().to_owned()
}

/// A parameter of a URL's query, decoded once.
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let query = url.split_once('?')?.1;
    let pairs = shared::runtime::decoded_query(query).unwrap();
    let mut values = pairs.into_iter().filter(|(own, _)| own == name).map(|(_, value)| value);
    let value = values.next();
    assert_eq!(values.next(), None, "{name} is repeated: {url}");
    value
}

/// The user alice, the client `c_code` that she is assigned to, and what it takes to get a code.
#[derive(Default)]
pub struct People {
    pub alice: String,
    /// The client's Basic `Authorization`.
    pub client: String,
    pub browser: Browser,
}

/// What a code was redeemed for.
pub struct Granted {
    pub access_token: String,
    pub refresh_token: String,
}

impl People {
    /// The specification's fixtures: the realm `staff`, alice in the group `clerks` (role `clerk`), bob, and dave, who is deactivated.
    pub async fn of(server: &Server) -> Self {
        server.roles(&["clerk", "manager"]).await;
        server.create("/groups", json!({"name": "clerks", "realm": "staff", "roles": ["clerk"]})).await;
        let alice = user(server, "alice", json!({"groups": ["clerks"]})).await;
        user(server, "bob", json!({})).await;
        user(server, "dave", json!({"active": false})).await;
        let client = server
            .client(
                "c_code",
                json!({"client_name": "The shop's app", "grant_types": ["authorization_code", "refresh_token"], "redirect_uris": [CALLBACK], "realm": "staff",
                    "scopes": ["https://orders.example/read", "https://orders.example/write"]}),
            )
            .await;
        assert_eq!(server.admin("PUT", &format!("/clients/c_code/assignments/users/{alice}"), Value::Null).await.status(), 204);
        Self { alice, client, browser: Browser::default() }
    }

    /// The authorization request of `c_code`, changed.
    pub fn url(changes: &[(&str, &str)]) -> String {
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", "c_code"),
            ("redirect_uri", CALLBACK),
            ("scope", "https://orders.example/read"),
            ("state", "xyz"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        pairs.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        pairs.extend(changes.iter().filter(|(_, value)| !value.is_empty()).copied());
        let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        format!("/oauth2/authorize?{}", query.join("&"))
    }

    /// Signs in and gives the page that follows.
    pub async fn sign_in(&self, server: &Server, url: &str, username: &str, password: &str) -> Response {
        let page = self.browser.open(server, url).await;
        let answer = self.browser.press(server, &page, "sign_in", &[("username", username), ("password", password)]).await;
        if answer.status() != 303 {
            return answer;
        }
        let next = location(&answer);
        self.browser.open(server, next.strip_prefix(crate::support::ISSUER).unwrap()).await
    }

    /// A code for alice, allowed.
    pub async fn code(&self, server: &Server) -> String {
        self.code_of(server, &[]).await
    }

    /// A code of a changed request.
    pub async fn code_of(&self, server: &Server, changes: &[(&str, &str)]) -> String {
        let url = Self::url(changes);
        let mut page = self.browser.open(server, &url).await;
        if page.status() == 200 && String::from_utf8_lossy(page.body()).contains("id=\"sign-in\"") {
            page = self.sign_in(server, &url, "alice", PASSWORD).await;
        }
        if page.status() == 200 {
            page = self.browser.press(server, &page, "approve", &[("allow", "read"), ("allow", "write")]).await;
        }
        parameter(&location(&page), "code").unwrap()
    }

    /// The token request for a code.
    pub async fn redeem(&self, server: &Server, code: &str) -> Response {
        let form = format!("grant_type=authorization_code&code={code}&redirect_uri={}&code_verifier={VERIFIER}", encoded(CALLBACK));
        server.post("/oauth2/token", &self.client, &form).await
    }

    /// The tokens of a new grant of alice.
    pub async fn granted(&self, server: &Server) -> Granted {
        let answer = self.redeem(server, &self.code(server).await).await;
        assert_eq!(answer.status(), 200, "{}", shown(&answer));
        let tokens = json_of(&answer);
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        Granted { access_token: text("access_token"), refresh_token: text("refresh_token") }
    }

    /// One sign-in that fails.
    pub async fn wrong_password(&self, server: &Server) {
        let browser = Browser::default();
        let page = browser.open(server, &Self::url(&[])).await;
        assert_eq!(browser.press(server, &page, "sign_in", &[("username", "bob"), ("password", "wrong")]).await.status(), 200);
    }
}

/// Makes a user of the realm `staff`; gives the id.
pub async fn user(server: &Server, username: &str, changes: Value) -> String {
    let mut body = json!({"realm": "staff", "username": username, "password": PASSWORD});
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    server.create("/users", body).await["user_id"].as_str().unwrap().to_owned()
}

/// A client that may use the password grant.
pub async fn password_client(server: &Server, changes: Value) -> String {
    let mut body = json!({"grant_types": ["password"], "realm": "staff", "scopes": ["https://orders.example/read", "https://orders.example/write"]});
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    server.client("c_ropc", body).await
}

//! `POST /oauth2/token`: what it gives, what it refuses, what it costs.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use expect_test::expect;
use serde_json::{Value, json};
use shared::oauth::secret::{ClientSecret, OpaqueToken};

use crate::http::{assert_nothing_written, outcome, pinned};
use crate::support::{Server, basic, claims, encoded, json_of, redacted, shown};

const GRANT: &str = "grant_type=client_credentials";

#[tokio::test]
async fn a_client_gets_a_token() {
    // TE-01, TE-02, TE-03, A-05, I-10, I-17, O-07, G-01
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let response = server.post("/oauth2/token", &client, GRANT).await;
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"access_token":"[jwt]","token_type":"Bearer","expires_in":3600,"scope":"read"}"#]]
    .assert_eq(&shown(&response));
    let token = json_of(&response)["access_token"].as_str().unwrap().to_owned();
    assert_eq!(claims(&token)["aud"], json!(["https://orders.example/"]));
}

#[tokio::test]
async fn the_token_says_what_the_server_knows_whatever_the_client_is_called() {
    // I-19, I-21, TE-31, TE-32: nothing that an administrator types becomes a claim but roles, which stand in a list.
    let server = Server::start().await;
    server.fixtures().await;
    let words = json!(["iss", "sub", "aud", "exp", "client_id", "scope", "cnf", "act"]);
    let client =
        server.client("c_cc", json!({"roles": words, "tags": words, "description": "\"iss\":\"https://evil.example\"", "owner": "exp"})).await;
    let response = json_of(&server.post("/oauth2/token", &client, GRANT).await);
    let token = response["access_token"].as_str().unwrap();
    let mut header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    assert_eq!(header["kid"].as_str().unwrap().len(), 24);
    header["kid"] = "[kid]".into();
    let mut said = claims(token);
    assert_eq!(said["jti"].as_str().unwrap().len(), 22);
    said["jti"] = "[jti]".into();
    expect![[r#"
        {"alg":"ES256","kid":"[kid]","typ":"at+jwt"}
        {"aud":["https://orders.example/"],"client_id":"c_cc","exp":1795201200,"iat":1795197600,"iss":"https://auth.example","jti":"[jti]","roles":["iss","sub","aud","exp","client_id","scope","cnf","act"],"scope":"read","sub":"c_cc","sub_type":"client"}"#]].assert_eq(&format!("{header}\n{said}"));
    // TE-31: one life, wherever it is told.
    let told = json_of(&server.post("/oauth2/introspect", &client, &format!("token={token}")).await);
    let life = |of: &Value| of["exp"].as_u64().unwrap() - of["iat"].as_u64().unwrap();
    assert_eq!((response["expires_in"].as_u64().unwrap(), life(&said), life(&told)), (3_600, 3_600, 3_600));
}

#[tokio::test]
async fn only_post_gets_a_token() {
    // TE-04, O-16, T-01: "make a GET request in the Access Token URL"
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    server.proxy.calls();
    let target = format!("/oauth2/token?{GRANT}");
    let get = server.send("GET", &target, &[("authorization", &client)], "").await;
    expect![[r#"
        405 Method Not Allowed
        allow: POST
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"error":"invalid_request","error_description":"use POST"}"#]]
    .assert_eq(&shown(&get));
    for method in ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let headers = [("authorization", client.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        assert_eq!(shown(&server.send(method, &target, &headers, GRANT).await), shown(&get), "{method}");
    }
    assert_eq!(server.proxy.calls(), "", "nothing was even read");
}

#[tokio::test]
async fn the_form_is_read_by_the_letter() {
    // TE-05..TE-10, TE-13, TE-28, TE-29, I-07
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    server.token(&client, "").await;
    server.proxy.calls();
    let mut answers = String::new();
    for body in [
        "",
        "scope=a",
        "grant_type=",
        "grant_type",
        "grant_type=foo",
        "grant_type=password&username=a&password=b",
        "grant_type=implicit",
        "grant_type=authorization_code&code=x",
        "grant_type=refresh_token&refresh_token=x",
        "grant_type=Authorization_Code",
        "grant_type=Client_Credentials",
        "grant_type=client_credentials%20",
        "grant_type=+client_credentials",
        "grant_type=client_credentials%00",
        "grant_type=client_credentials&grant_type=client_credentials",
        "grant_type=client_credentials&grant_type=password",
        "grant_type=client_credentials&scope=x&scope=x",
        "grant_type=client_credentials&scope=&scope=x",
        "grant_type=client_credentials&code=1&code=2",
        "grant_type=client_credentials&client_id=c_cc&client_id=c_cc",
        "grant_type=client_credentials&foo=bar&foo=baz",
        "grant_type=client_credentials&%67rant_type=client_credentials",
    ] {
        answers.push_str(&format!("{body}: {}\n", outcome(&server.post("/oauth2/token", &client, body).await)));
    }
    expect![[r#"
        : 400 invalid_request
        scope=a: 400 invalid_request
        grant_type=: 400 invalid_request
        grant_type: 400 invalid_request
        grant_type=foo: 400 unsupported_grant_type
        grant_type=password&username=a&password=b: 400 unsupported_grant_type
        grant_type=implicit: 400 unsupported_grant_type
        grant_type=authorization_code&code=x: 400 invalid_request
        grant_type=refresh_token&refresh_token=x: 400 unauthorized_client
        grant_type=Authorization_Code: 400 unsupported_grant_type
        grant_type=Client_Credentials: 400 unsupported_grant_type
        grant_type=client_credentials%20: 400 unsupported_grant_type
        grant_type=+client_credentials: 400 unsupported_grant_type
        grant_type=client_credentials%00: 400 unsupported_grant_type
        grant_type=client_credentials&grant_type=client_credentials: 400 invalid_request
        grant_type=client_credentials&grant_type=password: 400 invalid_request
        grant_type=client_credentials&scope=x&scope=x: 400 invalid_request
        grant_type=client_credentials&scope=&scope=x: 400 invalid_request
        grant_type=client_credentials&code=1&code=2: 400 invalid_request
        grant_type=client_credentials&client_id=c_cc&client_id=c_cc: 400 invalid_request
        grant_type=client_credentials&foo=bar&foo=baz: 400 invalid_request
        grant_type=client_credentials&%67rant_type=client_credentials: 400 invalid_request
    "#]]
    .assert_eq(&answers);
    // TE-13: parameters in the query are not parameters.
    let query = server.post(&format!("/oauth2/token?{GRANT}"), &client, "").await;
    expect![[r#"
        400 Bad Request
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"error":"invalid_request","error_description":"the parameter grant_type is missing"}"#]]
    .assert_eq(&shown(&query));
    assert_nothing_written(&server);
    // TE-09, TE-10: what is unknown or empty is not there.
    for body in ["grant_type=client_credentials&scope=", "grant_type=client_credentials&foo=bar&x[]=1&foo2=", "&&grant_type=client_credentials&"] {
        assert_eq!(outcome(&server.post("/oauth2/token", &client, body).await), "200", "{body}");
    }
}

#[tokio::test]
async fn the_body_must_be_a_form() {
    // TE-11, TE-12, I-16
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    server.proxy.calls();
    let part = "--x\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nclient_credentials\r\n--x--\r\n";
    let wrong = [
        ("application/json", "{\"grant_type\":\"client_credentials\"}"),
        ("multipart/form-data; boundary=x", part),
        ("text/plain", GRANT),
        ("", GRANT),
        ("application/x-www-form-urlencodedx", GRANT),
        ("text/plain; application/x-www-form-urlencoded", GRANT),
    ];
    for (content_type, body) in wrong {
        let response = server.send("POST", "/oauth2/token", &[("authorization", &client), ("content-type", content_type)], body).await;
        assert_eq!(outcome(&response), "400 invalid_request", "{content_type}");
    }
    expect![[r#"
        400 Bad Request
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"error":"invalid_request","error_description":"the body must be application/x-www-form-urlencoded"}"#]]
    .assert_eq(&shown(&server.send("POST", "/oauth2/token", &[("authorization", &client)], GRANT).await));
    assert_eq!(server.proxy.calls(), "");
    for right in [
        "Application/X-WWW-Form-Urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded;charset=utf-8",
        "application/x-www-form-urlencoded ;a=b",
    ] {
        let response = server.send("POST", "/oauth2/token", &[("authorization", &client), ("content-type", right)], GRANT).await;
        assert_eq!(outcome(&response), "200", "{right}");
    }
}

#[tokio::test]
async fn scopes_are_resolved_as_the_table_says() {
    // seeds 5.2 #1..#13, #15..#17; TE-14, TE-15, TE-16, I-08, I-22, T-08
    let server = Server::start().await;
    server.fixtures().await;
    server.create("/apis", json!({"name": "consumer", "audience": "urn:opc:resource:consumer:", "scopes": [{"value": ":all"}]})).await;
    let all =
        json!(["https://orders.example/read", "https://orders.example/write", "https://billing.example/read", "urn:opc:resource:consumer::all"]);
    let wide = server.client("wide", json!({"scopes": all})).await;
    let narrow = server.client("narrow", json!({})).await;
    let defaulted = server.client("defaulted", json!({"scopes": all, "default_scopes": ["https://billing.example/read"]})).await;
    let both = server.client("both", json!({"scopes": ["https://orders.example/read", "https://orders.example/write"]})).await;
    let none = server.client("none", json!({"scopes": []})).await;
    let (read, write, billing) = ("https://orders.example/read", "https://orders.example/write", "https://billing.example/read");
    let full = encoded(read);
    let asked = [
        (&wide, "1", format!("scope={full}")),
        (&wide, "2", format!("scope={read}+{write}")),
        (&wide, "3", "scope=read".to_owned()),
        (&wide, "4", "resource=https://orders.example/&scope=read".to_owned()),
        (&wide, "4 full", format!("resource=https://orders.example/&scope={read}")),
        (&wide, "5", format!("resource=https://orders.example/&scope={billing}")),
        (&wide, "6", format!("scope={read}+{billing}")),
        (&wide, "6 resources", format!("resource=https://orders.example/&resource=https://billing.example/&scope={read}")),
        (&narrow, "7", format!("scope={write}")),
        (&narrow, "8", format!("scope={read}+{write}")),
        (&narrow, "9 all of one", String::new()),
        (&both, "9 all of one", String::new()),
        (&defaulted, "9 default", String::new()),
        (&defaulted, "9 other resource", "resource=https://orders.example/".to_owned()),
        (&wide, "9 several", String::new()),
        (&none, "9 none", String::new()),
        (&wide, "10", "scope=urn:opc:resource:consumer:all".to_owned()),
        (&wide, "10 right", "scope=urn:opc:resource:consumer::all".to_owned()),
        (&narrow, "10 of another client", "scope=urn:opc:resource:consumer:all".to_owned()),
        (&wide, "11 comma", "scope=read,write".to_owned()),
        (&wide, "11 plus", format!("scope={read}%2B{write}")),
        (&wide, "12", format!("scope={write}+{read}+{write}++{read}")),
        (&wide, "13 quote", "scope=a%22b".to_owned()),
        (&wide, "13 backslash", "scope=a%5Cb".to_owned()),
        (&wide, "13 tab", format!("scope={read}%09{write}")),
        (&wide, "13 newline", format!("scope={read}%0A{write}")),
        (&wide, "13 not ASCII", "scope=%C3%A9".to_owned()),
        (&wide, "13 only spaces", "scope=++".to_owned()),
        (&wide, "15 fragment", format!("resource=https://orders.example/%23a&scope={read}")),
        (&wide, "15 relative", format!("resource=/orders&scope={read}")),
        (&narrow, "15 not this client's", "resource=https://billing.example/&scope=read".to_owned()),
        (&wide, "15 near", "resource=https://orders.example.evil/&scope=read".to_owned()),
        (&wide, "16", "scope=urn:opc:idm:__myscopes__".to_owned()),
        (&wide, "17", "scope=openid".to_owned()),
        (&wide, "TE-14", "scope=not-registered".to_owned()),
        (&wide, "TE-16 case", "scope=https://orders.example/READ".to_owned()),
    ];
    server.proxy.calls();
    let mut answers = String::new();
    for (client, row, form) in asked {
        let response = server.post("/oauth2/token", client, &format!("{GRANT}&{form}")).await;
        let body = json_of(&response);
        let said = match body["access_token"].as_str() {
            Some(token) => format!("{} aud={}", body["scope"], claims(token)["aud"]),
            None => {
                assert_nothing_written(&server);
                body["error_description"].as_str().unwrap().to_owned()
            }
        };
        server.proxy.calls();
        answers.push_str(&format!("#{row}: {} {said}\n", outcome(&response)));
    }
    expect![[r##"
        #1: 200 "read" aud=["https://orders.example/"]
        #2: 200 "read write" aud=["https://orders.example/"]
        #3: 400 invalid_scope the scope is a bare value, give the full scope (audience and value) or name the resource
        #4: 200 "read" aud=["https://orders.example/"]
        #4 full: 200 "read" aud=["https://orders.example/"]
        #5: 400 invalid_target the scopes belong to more than one audience, ask for one token each
        #6: 400 invalid_target the scopes belong to more than one audience, ask for one token each
        #6 resources: 400 invalid_target a token has one audience, name one resource
        #7: 400 invalid_scope the scope https://orders.example/write is not allowed for this client
        #8: 400 invalid_scope the scope https://orders.example/write is not allowed for this client
        #9 all of one: 200 "read" aud=["https://orders.example/"]
        #9 all of one: 200 "read write" aud=["https://orders.example/"]
        #9 default: 200 "read" aud=["https://billing.example/"]
        #9 other resource: 200 "read write" aud=["https://orders.example/"]
        #9 several: 400 invalid_scope this client has scopes of several audiences, say which scope
        #9 none: 400 invalid_scope this client has no scope to be given
        #10: 400 invalid_scope the scope is unknown, did you mean urn:opc:resource:consumer::all ?
        #10 right: 200 ":all" aud=["urn:opc:resource:consumer:"]
        #10 of another client: 400 invalid_scope the scope is unknown
        #11 comma: 400 invalid_scope the scope is unknown
        #11 plus: 400 invalid_scope the scope is unknown
        #12: 200 "write read" aud=["https://orders.example/"]
        #13 quote: 400 invalid_scope the scope has a character that RFC 6749 section 3.3 does not allow
        #13 backslash: 400 invalid_scope the scope has a character that RFC 6749 section 3.3 does not allow
        #13 tab: 400 invalid_scope the scope has a character that RFC 6749 section 3.3 does not allow
        #13 newline: 400 invalid_scope the scope has a character that RFC 6749 section 3.3 does not allow
        #13 not ASCII: 400 invalid_scope the scope has a character that RFC 6749 section 3.3 does not allow
        #13 only spaces: 400 invalid_scope the scope is empty
        #15 fragment: 400 invalid_target resource must be an absolute URI without a fragment
        #15 relative: 400 invalid_target resource must be an absolute URI without a fragment
        #15 not this client's: 400 invalid_target the resource is unknown or not allowed for this client
        #15 near: 400 invalid_target the resource is unknown or not allowed for this client
        #16: 400 invalid_scope the scope is unknown
        #17: 400 invalid_scope the scope is unknown
        #TE-14: 400 invalid_scope the scope is unknown
        #TE-16 case: 400 invalid_scope the scope is unknown
    "##]]
    .assert_eq(&answers);
}

#[tokio::test]
async fn a_full_scope_belongs_to_one_api_and_the_shorter_life_wins() {
    // seeds 5.2 #14, #18; O-21; I-02
    let server = Server::start().await;
    server.fixtures().await;
    let split = server.admin("POST", "/apis", json!({"name": "exa", "audience": "https://orders.exa", "scopes": [{"value": "mple/read"}]})).await;
    expect![[r#"
        409 Conflict
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        x-content-type-options: nosniff

        {"detail":"the full scope https://orders.example/read would belong to two apis","status":409,"title":"Conflict","type":"about:blank"}"#]]
    .assert_eq(&shown(&split));
    server
        .create("/apis", json!({"name": "short", "audience": "https://short.example/", "scopes": [{"value": "read"}], "access_token_ttl": 600}))
        .await;
    let mut lives = Vec::new();
    for (client, scopes, ttl) in [
        ("a", "https://short.example/read", json!(3_600)),
        ("b", "https://short.example/read", json!(120)),
        ("c", "https://orders.example/read", json!(120)),
        ("d", "https://orders.example/read", json!(null)),
        ("e", "https://orders.example/read", json!(86_400)),
    ] {
        let authorization = server.client(client, json!({"scopes": [scopes], "access_token_ttl": ttl})).await;
        lives.push(json_of(&server.post("/oauth2/token", &authorization, GRANT).await)["expires_in"].as_u64().unwrap());
    }
    assert_eq!(lives, [600, 120, 120, 3_600, 3_600]);
    let above =
        server.admin("POST", "/clients", json!({"client_name": "x", "grant_types": ["client_credentials"], "access_token_ttl": 86_401})).await;
    expect![[r#"
        400 Bad Request
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        x-content-type-options: nosniff

        {"detail":"the request has faults, see errors","errors":[{"detail":"must be null or 1 to 86400 seconds","pointer":"/access_token_ttl"}],"status":400,"title":"Bad Request","type":"about:blank"}"#]].assert_eq(&shown(&above));
}

#[tokio::test]
async fn every_refusal_has_its_code() {
    // seeds 3.2, TE-03, T-23. "Too many attempts" (429) is in users/passwords.rs and client_auth.rs.
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let off = server.client("c_off", json!({"active": false})).await;
    let code = server.client("c_code", json!({"grant_types": ["password", "refresh_token"]})).await;
    let mut answers = String::new();
    for (situation, authorization, form) in [
        ("missing grant_type", client.as_str(), "scope=x"),
        ("repeated parameter", &client, "grant_type=client_credentials&grant_type=client_credentials"),
        ("two methods", &client, "grant_type=client_credentials&client_secret=x"),
        ("unknown client", &basic("nobody", "x"), GRANT),
        ("wrong secret", &basic("c_cc", "x"), GRANT),
        ("inactive client", &off, GRANT),
        ("no authentication", "", "grant_type=client_credentials&client_id=c_cc"),
        ("no client at all", "", GRANT),
        ("grant the server does not have", &client, "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("grant switched off", &code, "grant_type=password&username=a&password=b"),
        ("grant of others", &code, GRANT),
        ("unknown scope", &client, "grant_type=client_credentials&scope=x"),
        ("unknown resource", &client, "grant_type=client_credentials&resource=https://x.example/"),
    ] {
        answers.push_str(&format!("--- {situation}\n{}\n", shown(&server.post("/oauth2/token", authorization, form).await)));
    }
    expect![[r#"
        --- missing grant_type
        400 Bad Request
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"error":"invalid_request","error_description":"the parameter grant_type is missing"}
        --- repeated parameter
        400 Bad Request
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"error":"invalid_request","error_description":"a parameter is repeated"}
        --- two methods
        400 Bad Request
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"error":"invalid_request","error_description":"the request uses more than one client authentication method"}
        --- unknown client
        401 Unauthorized
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        www-authenticate: Basic realm="gatewright"
        x-content-type-options: nosniff

        {"error":"invalid_client","error_description":"client authentication failed"}
        --- wrong secret
        401 Unauthorized
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        www-authenticate: Basic realm="gatewright"
        x-content-type-options: nosniff

        {"error":"invalid_client","error_description":"client authentication failed"}
        --- inactive client
        401 Unauthorized
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        www-authenticate: Basic realm="gatewright"
        x-content-type-options: nosniff

        {"error":"invalid_client","error_description":"client authentication failed"}
        --- no authentication
        401 Unauthorized
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        www-authenticate: Basic realm="gatewright"
        x-content-type-options: nosniff

        {"error":"invalid_client","error_description":"client authentication failed"}
        --- no client at all
        401 Unauthorized
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        www-authenticate: Basic realm="gatewright"
        x-content-type-options: nosniff

        {"error":"invalid_client","error_description":"client authentication failed"}
        --- grant the server does not have
        400 Bad Request
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"error":"unsupported_grant_type","error_description":"this server does not offer this grant type"}
        --- grant switched off
        400 Bad Request
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"error":"unsupported_grant_type","error_description":"this server does not offer this grant type"}
        --- grant of others
        400 Bad Request
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"error":"unauthorized_client","error_description":"this client may not use this grant type"}
        --- unknown scope
        400 Bad Request
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"error":"invalid_scope","error_description":"the scope is unknown"}
        --- unknown resource
        400 Bad Request
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"error":"invalid_target","error_description":"the resource is unknown or not allowed for this client"}
    "#]]
    .assert_eq(&answers);
}

#[tokio::test]
async fn generated_values_have_256_bits() {
    // TE-25, SE-03: no repeats, no common prefix beyond the tag, and at each place every character about as often as every other.
    let fresh = || shared::runtime::fresh().unwrap();
    let secrets = (0..10_000).map(|_| ClientSecret::generate(&fresh()).expose().to_owned()).collect::<Vec<_>>();
    let tokens = (0..10_000).map(|_| OpaqueToken::generate(&fresh()).expose().to_owned()).collect::<Vec<_>>();
    for (tag, generated) in [("gw_cs_", secrets), ("gw_at_", tokens)] {
        let values: Vec<&str> = generated.iter().map(|value| value.strip_prefix(tag).unwrap()).collect();
        assert_eq!(values.iter().collect::<BTreeSet<_>>().len(), 10_000);
        assert!(values.iter().all(|value| URL_SAFE_NO_PAD.decode(value).unwrap().len() == 32));
        for place in 0..42 {
            let mut counts = [0_u32; 128];
            values.iter().for_each(|value| counts[usize::from(value.as_bytes()[place])] += 1);
            let seen: Vec<u32> = counts.into_iter().filter(|count| *count > 0).collect();
            // 10,000 / 64 = 156, with a deviation of 12.4: seven deviations either way.
            assert!(seen.len() == 64 && seen.iter().all(|count| (70..=245).contains(count)), "{tag} {place} {seen:?}");
        }
    }
}

#[tokio::test]
async fn values_of_one_kind_are_none_of_another() {
    // TE-26 for the kinds that exist, and the values still work for what they are.
    let server = Server::start().await;
    server.fixtures().await;
    let created = server
        .create(
            "/clients",
            json!({"client_id": "c_cc", "client_name": "c_cc", "grant_types": ["client_credentials", "authorization_code", "refresh_token"],
        "redirect_uris": ["https://app.example/cb"], "scopes": ["https://orders.example/read"], "access_token_format": "opaque"}),
        )
        .await;
    let secret = created["client_secret"].as_str().unwrap();
    let client = basic("c_cc", secret);
    let opaque = server.token(&client, "").await;
    let admin = server.admin_token().await;
    let records = json_of(&server.admin("GET", "/tokens?client_id=c_cc", Value::Null).await);
    let jti = records["items"][0]["jti"].as_str().unwrap();
    let keys = json_of(&server.admin("GET", "/keys", Value::Null).await);
    let kid = keys["items"][0]["kid"].as_str().unwrap();
    for other in [opaque.as_str(), &admin, created["secret_id"].as_str().unwrap(), jti, kid] {
        assert_eq!(outcome(&server.post("/oauth2/token", &basic("c_cc", other), GRANT).await), "401 invalid_client", "{other}");
    }
    for other in [secret, created["secret_id"].as_str().unwrap(), jti, kid, "c_cc"] {
        let told = server.post("/oauth2/introspect", &client, &format!("token={}", encoded(other))).await;
        assert_eq!(json_of(&told), json!({"active": false}), "{other}");
        assert_eq!(outcome(&server.post("/oauth2/revoke", &client, &format!("token={}", encoded(other))).await), "200", "{other}");
        assert_eq!(server.get("/admin/v1/clients", other).await.status(), 401, "{other}");
    }
    for token in [&opaque, &admin] {
        let verifier = "A".repeat(43);
        for (grant, expected) in [
            (format!("authorization_code&code_verifier={verifier}&code"), "400 invalid_grant"),
            ("refresh_token&refresh_token".to_owned(), "400 invalid_grant"),
            ("urn:ietf:params:oauth:grant-type:device_code&device_code".to_owned(), "400 unsupported_grant_type"),
        ] {
            assert_eq!(outcome(&server.post("/oauth2/token", &client, &format!("grant_type={grant}={token}")).await), expected, "{grant}");
        }
    }
    assert_eq!(json_of(&server.post("/oauth2/introspect", &client, &format!("token={opaque}")).await)["active"], true);
    assert_eq!(outcome(&server.post("/oauth2/token", &client, GRANT).await), "200");
}

#[tokio::test]
async fn altered_tokens_are_refused() {
    // TE-27, A-09: each place of a JWT and of an opaque token, changed to its neighbour.
    let server = Server::start().await;
    server.fixtures().await;
    let jwt_client = server.client("c_jwt", json!({})).await;
    let opaque_client = server.client("c_opaque", json!({"access_token_format": "opaque"})).await;
    for client in [&jwt_client, &opaque_client] {
        let token = server.token(client, "").await;
        assert!(token.len() < 4_096 && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~+/-".contains(&byte)), "{token}");
        let mut altered: Vec<String> = (0..token.len())
            .map(|place| {
                let mut bytes = token.clone().into_bytes();
                bytes[place] = match bytes[place] {
                    b'A' => b'B',
                    b'.' => b'_',
                    byte if byte == b'z' || byte == b'Z' || byte == b'9' => byte - 1,
                    byte if byte.is_ascii_alphanumeric() => byte + 1,
                    _ => b'A',
                };
                String::from_utf8(bytes).unwrap()
            })
            .collect();
        let swapped: String =
            token.chars().map(|letter| if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }).collect();
        let escaped: String = token.bytes().map(|byte| format!("%{byte:02x}")).collect();
        altered.extend([
            token[..token.len() - 1].to_owned(),
            format!("{token}A"),
            format!("{token}="),
            format!("{token}=="),
            format!(" {token}"),
            format!("{token} "),
            format!("{token}\n"),
            format!("\"{token}\""),
            format!("{token}."),
            format!("{token}\0"),
            swapped,
            escaped,
            format!("{token}{token}"),
        ]);
        for wrong in altered {
            let response = server.post("/oauth2/introspect", client, &format!("token={}", encoded(&wrong))).await;
            assert_eq!(redacted(std::str::from_utf8(response.body()).unwrap()), "{\"active\":false}", "{wrong}\n{token}");
        }
        assert_eq!(json_of(&server.post("/oauth2/introspect", client, &format!("token={token}")).await)["active"], true);
    }
}

#[tokio::test]
async fn a_short_lived_token_dies_in_time_though_its_record_is_still_there() {
    // A-11, X-05
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({"access_token_ttl": 2})).await;
    let token = server.token(&client, "").await;
    let active = async || json_of(&server.post("/oauth2/introspect", &client, &format!("token={token}")).await)["active"].clone();
    server.pass(1);
    assert_eq!((active().await, server.get("/orders/1", &token).await.status().as_u16()), (json!(true), 200));
    server.pass(1);
    assert_eq!((active().await, server.get("/orders/1", &token).await.status().as_u16()), (json!(false), 401));
    let jti = claims(&token)["jti"].as_str().unwrap().to_owned();
    assert!(server.dump().await.contains(&jti), "the record is still in the table");
}

#[tokio::test]
async fn an_inactive_client_gets_nothing_until_it_is_activated() {
    // I-15, AD-10, G-17
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({"active": false})).await;
    assert_eq!(outcome(&server.post("/oauth2/token", &client, GRANT).await), "401 invalid_client");
    server.admin("PATCH", "/clients/c_cc", json!({"active": true})).await;
    let token = server.token(&client, "").await;
    server.admin("PATCH", "/clients/c_cc", json!({"active": false})).await;
    assert_eq!(outcome(&server.post("/oauth2/token", &client, GRANT).await), "401 invalid_client");
    let root = basic(crate::support::ADMIN, crate::support::ADMIN_SECRET);
    server.admin("PATCH", "/clients/root", json!({"introspect": true})).await;
    let told = server.post("/oauth2/introspect", &root, &format!("token={token}")).await;
    assert_eq!(json_of(&told), json!({"active": false}));
    assert_eq!(server.get("/orders/1", &token).await.status(), 401);
    assert_eq!(json_of(&server.admin("GET", "/clients/c_cc", Value::Null).await)["active"], false);
}

#[tokio::test]
async fn a_browser_gets_no_permission_to_ask() {
    // O-18, CO-02: `Server::send` finds any Access-Control header; this asks as a browser would.
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let headers = [("authorization", client.as_str()), ("content-type", "application/x-www-form-urlencoded"), ("origin", "https://spa.example")];
    let response = server.send("POST", "/oauth2/token", &headers, GRANT).await;
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        vary: Origin
        x-content-type-options: nosniff

        {"access_token":"[jwt]","token_type":"Bearer","expires_in":3600,"scope":"read"}"#]]
    .assert_eq(&shown(&response));
    let preflight = [("origin", "https://spa.example"), ("access-control-request-method", "POST")];
    expect![[r#"
        204 No Content
        cache-control: no-store
        pragma: no-cache
        vary: Origin
        x-content-type-options: nosniff

    "#]]
    .assert_eq(&shown(&server.send("OPTIONS", "/oauth2/token", &preflight, "").await));
    assert_eq!(outcome(&server.send("OPTIONS", "/oauth2/token", &preflight[..1], "").await), "405 invalid_request", "no question of a browser's");
}

#[tokio::test]
async fn an_opaque_token_looks_like_one() {
    // TE-01, A-09
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({"access_token_format": "opaque"})).await;
    let response = server.post("/oauth2/token", &client, GRANT).await;
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"access_token":"[gw_at]","token_type":"Bearer","expires_in":3600,"scope":"read"}"#]]
    .assert_eq(&pinned(&response, &[]));
}

#[tokio::test]
async fn a_token_costs_one_read_and_one_write() {
    // G10
    let server = Server::start().await;
    server.fixtures().await;
    server
        .create(
            "/apis",
            json!({"name": "light", "audience": "https://light.example/", "scopes": [{"value": "read"}], "token_records": "revocations"}),
        )
        .await;
    let full = server.client("full", json!({})).await;
    let opaque = server.client("opaque", json!({"access_token_format": "opaque"})).await;
    let light = server.client("light", json!({"scopes": ["https://light.example/read"]})).await;
    let mut costs = String::new();
    for (name, client) in [("full", &full), ("opaque", &opaque), ("light", &light)] {
        for moment in ["first of the secret on the day", "again", "when the keys are old", "the next day", "again"] {
            server.pass(match moment {
                "when the keys are old" => 30,
                "the next day" => 86_400,
                _ => 0,
            });
            server.proxy.calls();
            server.token(client, "").await;
            // Counts go to the table once a minute, with the request that finds them due.
            costs.push_str(&format!("{name}, {moment}: {}\n", server.proxy.calls()));
        }
    }
    expect![[r#"
        full, first of the secret on the day: BatchGetItem 1, PutItem 1, TransactWriteItems 1
        full, again: BatchGetItem 1, PutItem 1
        full, when the keys are old: BatchGetItem 1, PutItem 1
        full, the next day: BatchGetItem 1, BatchWriteItem 1, PutItem 1, TransactWriteItems 1, UpdateItem 5
        full, again: BatchGetItem 1, PutItem 1
        opaque, first of the secret on the day: BatchGetItem 1, PutItem 1, TransactWriteItems 1
        opaque, again: BatchGetItem 1, PutItem 1
        opaque, when the keys are old: BatchGetItem 1, PutItem 1
        opaque, the next day: BatchGetItem 1, BatchWriteItem 1, PutItem 1, TransactWriteItems 1, UpdateItem 5
        opaque, again: BatchGetItem 1, PutItem 1
        light, first of the secret on the day: BatchGetItem 1, TransactWriteItems 1
        light, again: BatchGetItem 1
        light, when the keys are old: BatchGetItem 1
        light, the next day: BatchGetItem 1, BatchWriteItem 1, TransactWriteItems 1, UpdateItem 5
        light, again: BatchGetItem 1
    "#]]
    .assert_eq(&costs);
}

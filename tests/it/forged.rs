//! Forged, altered and ill-formed tokens through one warm authorizer: none passes, and none makes it read.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::forge::Forge;
use crate::support::{ISSUER, START, Server, claims, json_of};

/// A warm server, its key, and a good token of it.
async fn warm() -> (Server, Forge, String) {
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let token = server.token(&client, "").await;
    assert_eq!(server.get("/orders/1", &token).await.status(), 200);
    let forge = Forge::of(&server).await;
    server.proxy.calls();
    (server, forge, token)
}

/// Each of these is refused, without a look at the table.
async fn refused(server: &Server, tokens: Vec<(String, String)>) {
    refused_after_all(server, tokens).await;
    assert_eq!(server.proxy.calls(), "");
}

/// Each of these is refused; those that are genuine may be looked up.
async fn refused_after_all(server: &Server, tokens: Vec<(String, String)>) {
    for (what, token) in tokens {
        let event = json!({"type": "TOKEN", "authorizationToken": format!("Bearer {token}"), "methodArn": "arn:aws:execute-api:local:000000000000:local/local/GET/orders/1"});
        let answer = server.node().authorize(serde_json::from_value(event).unwrap(), server.fresh()).await;
        let failure = answer.map(|_| ()).expect_err(&format!("{what}: {token}"));
        assert_eq!(failure.to_string(), "Unauthorized", "{what}");
    }
}

/// `object` with one member changed; taken out where the value is `None`.
fn with(object: &Value, member: &str, value: Option<Value>) -> Value {
    let mut changed = object.clone();
    match value {
        Some(value) => drop(changed.as_object_mut().unwrap().insert(member.to_owned(), value)),
        None => drop(changed.as_object_mut().unwrap().remove(member)),
    }
    changed
}

#[tokio::test]
async fn the_forge_itself_makes_good_tokens() {
    // Without this, every refusal below could be the forge's fault. JW-12, JW-16: what is accepted.
    let (server, forge, token) = warm().await;
    let good = claims(&token);
    let long_type = with(&forge.header(), "typ", Some(json!("application/at+jwt")));
    let text_audience = with(&good, "aud", Some(json!("https://orders.example/")));
    let skewed = with(&good, "iat", Some(json!(START + 60)));
    let unknown_members = with(&with(&good, "nonce", Some(json!({"a": [1]}))), "Exp", Some(json!(1)));
    for (header, payload) in [
        (forge.header(), good.clone()),
        (long_type, good),
        (forge.header(), text_audience),
        (forge.header(), skewed),
        (forge.header(), unknown_members),
    ] {
        assert_eq!(server.get("/orders/1", &forge.token(&header, &payload)).await.status(), 200, "{header} {payload}");
    }
}

#[tokio::test]
async fn no_algorithm_but_the_keys_own_is_believed() {
    // JW-06, JW-07, JW-08, AU-24
    let (server, forge, token) = warm().await;
    let payload = claims(&token).to_string();
    let signature = token.rsplit('.').next().unwrap();
    let mut tokens = Vec::new();
    let algorithms = ["none", "None", "NONE", "nOnE", "", "RS256", "PS256", "ES384", "ES512", "es256", "ES256K", "EdDSA", "HS256", "HS384", "ES256 "];
    let algorithms =
        algorithms.map(|alg| Some(json!(alg))).into_iter().chain([None, Some(Value::Null), Some(json!(1)), Some(json!(["ES256"])), Some(json!({}))]);
    for alg in algorithms {
        let header = with(&forge.header(), "alg", alg.clone());
        let signed = forge.signed(header.to_string().as_bytes(), payload.as_bytes());
        let message = signed.rsplit_once('.').unwrap().0;
        tokens.push((format!("{alg:?}, no signature"), format!("{message}.")));
        tokens.push((format!("{alg:?}, another token's signature"), format!("{message}.{signature}")));
        tokens.push((format!("{alg:?}, a good ES256 signature"), signed.clone()));
    }
    let jwk = json_of(&server.send("GET", "/.well-known/jwks.json", &[], "").await)["keys"][0].clone();
    let point = forge.public();
    let der =
        [b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00".as_slice(), &point].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", STANDARD.encode(&der));
    let secrets = [
        ("PEM", pem.clone().into_bytes()),
        ("PEM and newline", format!("{pem}\n").into_bytes()),
        ("DER", der),
        ("point", point),
        ("JWK", jwk.to_string().into_bytes()),
        ("x", jwk["x"].as_str().unwrap().as_bytes().to_vec()),
        ("nothing", Vec::new()),
        ("zero", vec![0]),
    ];
    server.proxy.calls();
    for (name, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
        for (what, secret) in &secrets {
            let header = with(&forge.header(), "alg", Some(json!(name))).to_string();
            let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(&payload));
            let tag = hmac::sign(&hmac::Key::new(algorithm, secret), message.as_bytes());
            tokens.push((format!("{name} with {what}"), format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))));
        }
    }
    refused(&server, tokens).await;
}

#[tokio::test]
async fn the_header_names_a_key_of_ours_and_brings_none() {
    // JW-09, JW-10, JW-11, JW-12, JW-21, JW-23, JW-26, CVE-2018-0114
    let (server, forge, token) = warm().await;
    let payload = claims(&token);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let mut tokens = Vec::new();
    let kids = [
        json!("unknown"),
        json!("../../dev/null"),
        json!("' OR 1=1 --"),
        json!("{\"S\":\"keys\"}"),
        json!("k".repeat(100_000)),
        json!(1),
        json!([]),
        json!([forge.kid]),
        Value::Null,
        json!(""),
    ];
    for kid in kids.into_iter().map(Some).chain([None]) {
        let what = kid.as_ref().map_or("none".to_owned(), |kid| kid.to_string().chars().take(30).collect());
        tokens.push((format!("kid {what}"), forge.token(&with(&forge.header(), "kid", kid), &payload)));
    }
    // Another issuer's key under our key's name, and brought along in the header.
    let stranger = Forge::stranger(&forge.kid);
    tokens.push(("a stranger's key".to_owned(), stranger.token(&stranger.header(), &payload)));
    let unknown = Forge::stranger("theirs");
    tokens.push(("an unknown key".to_owned(), unknown.token(&unknown.header(), &payload)));
    let point = stranger.public();
    let jwk =
        json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..]), "kid": forge.kid});
    for (member, value) in [("jwk", jwk), ("jku", json!(url)), ("x5u", json!(url)), ("x5c", json!([STANDARD.encode(&point)]))] {
        let header = with(&stranger.header(), member, Some(value));
        tokens.push((format!("{member} by a stranger"), stranger.token(&header, &payload)));
        tokens.push((format!("{member} by our key"), forge.token(&header, &payload)));
    }
    for (member, value) in [
        ("crit", json!(["x"])),
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("crit", json!("x")),
        ("crit", Value::Null),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
        ("enc", json!("A256GCM")),
        ("ALG", json!("none")),
    ] {
        tokens.push((format!("{member} {value}"), forge.token(&with(&forge.header(), member, Some(value.clone())), &payload)));
    }
    for typ in ["JWT", "jwt", "at+JWT", "AT+JWT", "dpop+jwt", "logout+jwt", "token-introspection+jwt", "id_token", "application/jwt", ""]
        .map(|typ| Some(json!(typ)))
        .into_iter()
        .chain([None, Some(Value::Null), Some(json!(1))])
    {
        tokens.push((format!("typ {typ:?}"), forge.token(&with(&forge.header(), "typ", typ), &payload)));
    }
    refused(&server, tokens).await;
    let nobody = tokio::time::timeout(std::time::Duration::from_millis(100), listener.accept()).await;
    assert!(nobody.is_err(), "somebody fetched a key");
}

#[tokio::test]
async fn a_claim_of_the_wrong_type_or_value_is_refused() {
    // JW-13, JW-14, JW-15, JW-16, JW-19, AU-24, CVE-2026-25537
    let (server, forge, token) = warm().await;
    let good = claims(&token);
    let mut tokens = Vec::new();
    let mut payload =
        |claim: &str, value: Option<Value>| tokens.push((format!("{claim} {value:?}"), forge.token(&forge.header(), &with(&good, claim, value))));
    let wrong = [json!("1795201200"), json!(1.5), json!(-1), json!(true), json!([1_795_201_200]), json!({}), Value::Null, json!(1e20)];
    for claim in ["exp", "iat", "nbf"] {
        wrong.iter().for_each(|value| payload(claim, Some(value.clone())));
    }
    for claim in ["exp", "iat", "iss", "aud", "sub", "sub_type", "client_id", "scope", "jti"] {
        payload(claim, None);
        payload(claim, Some(Value::Null));
        payload(claim, Some(json!({})));
    }
    for claim in ["iss", "sub", "client_id", "scope", "jti"] {
        payload(claim, Some(json!(1)));
        payload(claim, Some(json!([good[claim]])));
    }
    for (claim, value) in [("exp", START), ("exp", START - 1), ("exp", 0), ("iat", START + 61), ("nbf", START + 1)] {
        payload(claim, Some(json!(value)));
    }
    let issuers = [
        format!("{ISSUER}/"),
        format!("{ISSUER}.evil"),
        "https://AUTH.example".to_owned(),
        "https://auth.exampl".to_owned(),
        "http://auth.example".to_owned(),
        String::new(),
    ];
    issuers.iter().for_each(|issuer| payload("iss", Some(json!(issuer))));
    for audience in [
        json!([]),
        json!([null]),
        json!([["https://orders.example/"]]),
        json!(1),
        json!(["https://billing.example/"]),
        json!("https://billing.example/"),
        json!("https://orders.example"),
        json!("https://orders.example/x"),
        json!("https://orders.example.evil/"),
        json!(["https://orders.example/", "https://billing.example/"]),
        json!(["https://billing.example/", "https://orders.example/"]),
    ] {
        payload("aud", Some(audience));
    }
    for (claim, value) in [("sub_type", json!("user ")), ("sub_type", json!("admin")), ("client_id", json!("a b")), ("client_id", json!(""))] {
        payload(claim, Some(value));
    }
    // Of two spellings of a member, neither counts; letter case is no spelling of it.
    let text = good.to_string();
    let twice = |member: &str| text.replacen('{', &format!("{{\"{member}\":{},", good[member]), 1);
    for member in ["exp", "iss", "aud", "scope", "jti", "sub"] {
        tokens.push((format!("{member} twice"), forge.signed(forge.header().to_string().as_bytes(), twice(member).as_bytes())));
    }
    let renamed = text.replace("\"exp\"", "\"Exp\"");
    tokens.push(("Exp".to_owned(), forge.signed(forge.header().to_string().as_bytes(), renamed.as_bytes())));
    let header = format!("{{\"typ\":\"at+jwt\",\"alg\":\"none\",\"alg\":\"ES256\",\"kid\":\"{}\"}}", forge.kid);
    tokens.push(("alg twice".to_owned(), forge.signed(header.as_bytes(), text.as_bytes())));
    let huge = text.replacen(&format!("\"exp\":{}", good["exp"]), "\"exp\":1e400", 1);
    assert_ne!(huge, text);
    tokens.push(("exp 1e400".to_owned(), forge.signed(forge.header().to_string().as_bytes(), huge.as_bytes())));
    refused_after_all(&server, tokens).await;
}

#[tokio::test]
async fn a_token_that_was_altered_anywhere_is_refused() {
    // JW-17, JW-18, JW-19, TE-27, CVE-2022-21449
    let (server, _, token) = warm().await;
    let mut tokens = Vec::new();
    for (at, character) in token.char_indices() {
        for other in ['A', 'Z', '9', '_', '.', '='] {
            if other != character {
                let altered = format!("{}{other}{}", &token[..at], &token[at + 1..]);
                tokens.push((format!("{other} at {at}"), altered));
            }
        }
        tokens.push((format!("cut at {at}"), token[..at].to_owned()));
    }
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    for (what, altered) in [
        ("one segment", header.to_owned()),
        ("two", message.to_owned()),
        ("four", format!("{token}.{signature}")),
        ("five, as a JWE", format!("{header}.{payload}.{signature}.{payload}.{signature}")),
        ("detached", format!("{header}..{signature}")),
        ("padded", format!("{token}=")),
        ("padded twice", format!("{token}==")),
        ("padded payload", format!("{header}.{}.{signature}", URL_SAFE.encode(URL_SAFE_NO_PAD.decode(payload).unwrap()))),
        ("space within", format!("{header} .{payload}.{signature}")),
        ("dots", ".".repeat(3)),
        ("many dots", ".".repeat(100_000)),
        ("JSON", json!({"protected": header, "payload": payload, "signature": signature}).to_string()),
        ("lower case", token.to_lowercase()),
        ("twice", format!("{token}{token}")),
    ] {
        if altered != token {
            tokens.push((what.to_owned(), altered));
        }
    }
    // Trailing bits that base64 does not use.
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = alphabet.find(signature.chars().last().unwrap()).unwrap();
    for bits in 1..16 {
        let other = &alphabet[last + bits..=last + bits];
        tokens.push((format!("trailing bits {bits}"), format!("{}{other}", &token[..token.len() - 1])));
    }
    let order = b"\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";
    let der = [b"\x30\x44\x02\x20".as_slice(), &bytes[..32], b"\x02\x20", &bytes[32..]].concat();
    for (what, signature) in [
        ("zeros", vec![0; 64]),
        ("r zero", [&[0; 32], &bytes[32..]].concat()),
        ("s zero", [&bytes[..32], &[0; 32]].concat()),
        ("r the order", [order.as_slice(), &bytes[32..]].concat()),
        ("s the order", [&bytes[..32], order].concat()),
        ("DER", der),
        ("63 bytes", bytes[..63].to_vec()),
        ("65 bytes", [&bytes, [0].as_slice()].concat()),
        ("r and s exchanged", [&bytes[32..], &bytes[..32]].concat()),
    ] {
        tokens.push((what.to_owned(), format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))));
    }
    for bit in 0..512 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        tokens.push((format!("bit {bit}"), format!("{message}.{}", URL_SAFE_NO_PAD.encode(flipped))));
    }
    refused(&server, tokens).await;
}

#[tokio::test]
async fn huge_deep_and_broken_text_is_refused_at_once() {
    // JW-20, JW-22
    let (server, forge, token) = warm().await;
    let (header, payload) = (forge.header().to_string(), claims(&token).to_string());
    let member = |value: &[u8]| [b"{\"x\":".as_slice(), value, b",".as_slice(), &payload.as_bytes()[1..]].concat();
    let broken =
        [("invalid UTF-8", b"\"\xff\xfe\"".to_vec()), ("an encoded surrogate", b"\"\xed\xa0\x80\"".to_vec()), ("a raw NUL", b"\"\0\"".to_vec())];
    let mut tokens: Vec<_> = broken.iter().map(|(what, value)| ((*what).to_owned(), forge.signed(header.as_bytes(), &member(value)))).collect();
    let marked = |text: &str| [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let nested = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    for (what, value) in [("a lone surrogate", "\"\\ud800\""), ("a NUL", "\"a\\u0000\""), ("an array of arrays", nested.as_str())] {
        for claim in ["client_id", "exp", "roles"] {
            let payload = payload.replacen('{', &format!("{{\"{claim}\":{value},"), 1);
            tokens.push((format!("{what} in {claim}"), forge.signed(header.as_bytes(), payload.as_bytes())));
        }
    }
    tokens.push(("a mark before the payload".to_owned(), forge.signed(header.as_bytes(), &marked(&payload))));
    tokens.push(("a mark before the header".to_owned(), forge.signed(&marked(&header), payload.as_bytes())));
    tokens.push(("text after the payload".to_owned(), forge.signed(header.as_bytes(), format!("{payload}{{}}").as_bytes())));
    tokens.push(("text after the header".to_owned(), forge.signed(format!("{header}{{}}").as_bytes(), payload.as_bytes())));
    tokens.push(("6 MB of header".to_owned(), forge.signed(&vec![b' '; 6_000_000], payload.as_bytes())));
    tokens.push(("6 MB of payload".to_owned(), forge.signed(header.as_bytes(), &member(&vec![b' '; 6_000_000]))));
    for text in ["null", "[]", "1", "\"x\"", "", "{", "{}"] {
        tokens.push((format!("payload {text}"), forge.signed(header.as_bytes(), text.as_bytes())));
        tokens.push((format!("header {text}"), forge.signed(text.as_bytes(), payload.as_bytes())));
    }
    let begun = std::time::Instant::now();
    refused(&server, tokens).await;
    assert!(begun.elapsed().as_millis() < 2_000, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_forged_token_with_a_living_tokens_claims_reads_nothing_even_when_nothing_is_known() {
    // JW-23: on a cold node the signature is checked before anything that the token says is looked up.
    let (server, forge, token) = warm().await;
    let cold = server.another().await;
    let stranger = Forge::stranger(&forge.kid);
    assert_eq!(cold.send("GET", "/orders/1", &[], "").await.status(), 401);
    cold.proxy.calls();
    assert_eq!(cold.get("/orders/1", &stranger.token(&stranger.header(), &claims(&token))).await.status(), 401);
    assert_eq!(cold.proxy.calls(), "");
    assert_eq!(cold.get("/orders/1", &token).await.status(), 200);
    assert_eq!(cold.proxy.calls(), "BatchGetItem 1");
}

#[tokio::test]
async fn unknown_key_names_do_not_make_the_authorizer_read_again_and_again() {
    // JW-09: "bounded JWKS refresh"
    let (server, _, token) = warm().await;
    for seconds in [200, 5] {
        server.pass(seconds);
        assert_eq!(server.get("/orders/1", &token).await.status(), 200);
    }
    server.proxy.calls();
    for number in 0..20 {
        let stranger = Forge::stranger(&format!("k{number}"));
        assert_eq!(server.get("/orders/1", &stranger.token(&stranger.header(), &claims(&token))).await.status(), 401);
    }
    assert_eq!(server.proxy.calls(), "BatchGetItem 1");
}

#[tokio::test]
async fn a_thousand_tokens_through_one_warm_authorizer_get_their_own_answers() {
    // JW-24, AU-18
    let server = Server::start().await;
    for name in ["orders", "billing"] {
        let api = json!({"name": name, "audience": format!("https://{name}.example/"), "scopes": [{"value": "read"}, {"value": "write"}],
            "access": "authenticated", "token_records": "revocations"});
        server.create("/apis", api).await;
    }
    let clients = ["c", "c1", "c11", "d"];
    for client in clients {
        server.client(client, json!({"scopes": ["https://orders.example/read", "https://billing.example/read"]})).await;
    }
    let forge = Forge::of(&server).await;
    server.warm().await;
    let tokens: Vec<(Value, String)> = (0..1_000)
        .map(|number: usize| {
            let api = ["orders", "billing"][number % 2];
            let client = clients[number / 2 % 4];
            let scope = ["read", "write", "read write"][number % 3];
            let claims = json!({"iss": ISSUER, "sub": client, "sub_type": "client", "aud": [format!("https://{api}.example/")], "client_id": client,
                "scope": scope, "iat": START, "exp": START + 3_600, "jti": format!("{}{number}", "j".repeat(number % 5))});
            let token = forge.token(&forge.header(), &claims);
            (claims, token)
        })
        .collect();
    for round in 0..2 {
        server.proxy.calls();
        for (claims, token) in &tokens {
            let (own, other) = if claims["aud"][0] == "https://orders.example/" { ("/orders/1", "/billing/1") } else { ("/billing/1", "/orders/1") };
            let principal = json_of(&server.get(own, token).await)["principal"].clone();
            for member in ["jti", "sub", "client_id", "scope"] {
                assert_eq!(principal[member], claims[member], "round {round} {claims}");
            }
            assert_eq!(principal["aud"], claims["aud"][0]);
            assert_eq!(server.get(other, token).await.status(), 401);
        }
        assert_eq!(server.proxy.calls(), if round == 0 { "BatchGetItem 1000" } else { "" });
    }
}

//! Those who verify tokens by the documents alone: what AWS documents of its own verifiers, as models, and key rotation against
//! everybody's caches. `docs/verifiers.md` is held to what comes out here; `make interop` has the libraries.

mod caches;
mod documented;

use serde_json::{Value, json};
use shared::oauth::api::SigningAlg;
use shared::oauth::keys::{KeySet, PUBLISH_AHEAD};
use shared::oauth::time::Timestamp;

use crate::support::{Server, claims, json_of};
use caches::{CACHES, History, Stretch, UnknownKid, refuses_an_honest_token, wrong_for};
use documented::{Configured, DOCUMENTED};

const DOCUMENT: &str = include_str!("../../docs/verifiers.md");

const BOTH: [SigningAlg; 2] = [SigningAlg::ES256, SigningAlg::RS256];
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// When the histories begin.
const BEGIN: u64 = 1_000 * DAY;

/// How long what lies between may keep the key set, by its `Cache-Control`.
const MAX_AGE: u64 = 300;

/// How old a document may be that a verifier is given: that, and a node's view of the keys (`GATEWRIGHT_FEED_SECONDS`).
const LAG: u64 = MAX_AGE + 5;

/// Holds the document to these rows of its tables, or beginnings of rows.
fn is_documented(rows: &[String]) {
    let missing: Vec<&str> = rows.iter().map(String::as_str).filter(|row| !DOCUMENT.lines().any(|line| line.starts_with(row))).collect();
    assert!(missing.is_empty(), "docs/verifiers.md does not say:\n{}", missing.join("\n"));
}

/// A history of `days` days in which the schedule looks every hour, and when it wrote.
fn scheduled(days: u64) -> (History, Vec<u64>) {
    let mut history = History::default();
    history.change(BEGIN, &BOTH, KeySet::with_next);
    let mut changes = Vec::new();
    for at in (BEGIN..BEGIN + days * DAY).step_by(3_600) {
        let due = history.set(at).due(Timestamp::from_unix(at));
        if !due.is_empty() {
            history.change(at, &due, KeySet::with_next);
            changes.push(at);
        }
    }
    (history, changes)
}

#[test]
fn no_verifier_refuses_an_honest_token_through_any_rotation() {
    // MD-15: minutes from before the publication of the next keys until after the last token of the old ones.
    let (history, changes) = scheduled(2 * 91);
    assert_eq!(changes.len(), 2);
    for at in changes {
        assert_eq!(size(&history, at + PUBLISH_AHEAD + DAY + HOUR).0, 2, "the old keys are gone before the end");
        for lag in [0, LAG] {
            let stretch = Stretch::of(&history, at - 4 * HOUR, at + PUBLISH_AHEAD + DAY + 4 * HOUR, 60, lag);
            for cache in &CACHES {
                for is_busy in [true, false] {
                    assert_eq!(refuses_an_honest_token(cache, &stretch, is_busy), None, "{} {lag} {is_busy}", cache.name);
                }
            }
        }
    }
}

#[test]
fn the_simulation_sees_a_key_that_is_published_too_late() {
    // A next key that signs after two hours, not after 2 h 15 min: too late for a set that is kept so long and was old when it came.
    let mut history = History::default();
    history.change(BEGIN, &BOTH, KeySet::with_next);
    let hasty = |mut set: KeySet, jwk, now: Timestamp| {
        set = set.with_next(jwk, now);
        set.keys.last_mut().unwrap().active_from = now.plus(7_200);
        set
    };
    history.change(BEGIN + DAY, &BOTH, hasty);
    let refused = |lag| {
        let stretch = Stretch::of(&history, BEGIN + DAY - HOUR, BEGIN + DAY + 4 * HOUR, 60, lag);
        CACHES.iter().filter(|cache| refuses_an_honest_token(cache, &stretch, true).is_some()).map(|cache| cache.name).collect::<Vec<_>>()
    };
    assert_eq!(refused(0), [""; 0]);
    assert_eq!(refused(LAG), ["HTTP API JWT authorizer", "ALB, Verified Permissions, AgentCore"]);
}

/// Seconds as the document has them.
fn spelled(seconds: Option<u64>) -> String {
    match seconds {
        None => "no end".to_owned(),
        Some(0) => "at once".to_owned(),
        Some(seconds) if seconds % 60 == 0 => format!("{} min", seconds / 60),
        Some(seconds) => format!("{seconds} s"),
    }
}

#[test]
fn how_long_each_cache_is_wrong_after_an_emergency_is_what_the_document_says() {
    // MD-16: ten seconds a step, from the withdrawal on; the old key is the first bit, the new one the second.
    let mut emergency = History::default();
    emergency.change(BEGIN, &[SigningAlg::ES256], KeySet::with_next);
    emergency.change(BEGIN + DAY, &[SigningAlg::ES256], KeySet::with_emergency);
    // The first key of an algorithm signs at once, too, and nothing is withdrawn.
    let mut first = History::default();
    first.change(BEGIN, &[SigningAlg::ES256], KeySet::with_next);
    first.change(BEGIN + DAY, &[SigningAlg::RS256], KeySet::with_next);
    let stretches = |history: &History| [0, LAG].map(|lag| Stretch::of(history, BEGIN + DAY, BEGIN + DAY + 130 * 60, 10, lag));
    let (emergency, first) = (stretches(&emergency), stretches(&first));
    let mut rows = Vec::new();
    for cache in &CACHES {
        let kept = cache.lifetime.map_or("for ever".to_owned(), |lifetime| spelled(Some(lifetime)));
        let unknown = match cache.unknown_kid {
            UnknownKid::Refused => "refuses".to_owned(),
            UnknownKid::FetchedAfter(0) => "fetches".to_owned(),
            UnknownKid::FetchedAfter(cooldown) => format!("fetches, {cooldown} s after the last fetch"),
            UnknownKid::FetchedUnlessInVain(penalty) => format!("fetches, {penalty} s after one in vain"),
        };
        // With tokens of the new key and of no key, and with those of the new key only.
        let crowds = |stretch| [true, false].map(|is_busy| wrong_for(cache, stretch, 1, 2, is_busy));
        let refused = |stretch| spelled(crowds(stretch).into_iter().map(|(_, refused)| refused.unwrap()).max());
        let believed = emergency.each_ref().map(|stretch| match wrong_for(cache, stretch, 1, 0, false).0 {
            // Nothing but a token of another key makes it look.
            None => format!("no end ({})", spelled(crowds(stretch).into_iter().map(|(believed, _)| believed.unwrap()).max())),
            alone => spelled(alone),
        });
        let refused = [emergency.each_ref().map(refused), first.each_ref().map(refused)];
        assert_eq!(refused[0], refused[1], "{}", cache.name);
        let [direct, behind] = believed;
        rows.push(format!("| {} | {kept} | {unknown} | {direct} / {behind} | {} / {} |", cache.name, refused[0][0], refused[0][1]));
    }
    is_documented(&rows);
}

/// How many keys the document lists at `at`, and its bytes.
fn size(history: &History, at: u64) -> (usize, usize) {
    let text = serde_json::to_string(&history.set(at).document(Timestamp::from_unix(at))).unwrap();
    (serde_json::from_str::<Value>(&text).unwrap()["keys"].as_array().unwrap().len(), text.len())
}

/// The most keys and bytes of any hour of `days` days.
fn largest(history: &History, days: u64) -> (usize, usize) {
    (BEGIN..BEGIN + days * DAY).step_by(900).map(|at| size(history, at)).fold((0, 0), |(keys, bytes), (k, b)| (keys.max(k), bytes.max(b)))
}

#[test]
fn the_key_set_stays_small_by_itself_and_by_hand_in_what_a_load_balancer_takes() {
    // MD-12, MD-15: an Application Load Balancer takes 10 keys and 150 kB, an HTTP API 150,000 bytes.
    let (history, _) = scheduled(2 * 91);
    assert_eq!(largest(&history, 2 * 91), (4, 1_248));

    // An emergency takes a key out of the document for each that it adds.
    let mut history = History::default();
    history.change(BEGIN, &BOTH, KeySet::with_next);
    history.change(BEGIN + HOUR, &BOTH, KeySet::with_next);
    for hour in 4..28 {
        history.change(BEGIN + hour * HOUR, &BOTH, KeySet::with_emergency);
    }
    assert_eq!(largest(&history, 3), (4, 1_248));

    // By hand, as often as the admin API takes it: the old keys stay for a day, each with its tokens.
    let mut history = History::default();
    history.change(BEGIN, &BOTH, KeySet::with_next);
    let mut counts = Vec::new();
    for rotation in 0..14 {
        let at = BEGIN + rotation * PUBLISH_AHEAD;
        if history.set(at).takes_more(Timestamp::from_unix(at)) {
            history.change(at, &BOTH, KeySet::with_next);
        }
        counts.push(size(&history, at).0);
    }
    assert_eq!(counts, [4, 6, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8]);
}

#[test]
fn an_emergency_does_not_reach_a_retired_key() {
    // MD-16: what the document says of a leak of a key that signs no more.
    let mut history = History::default();
    history.change(BEGIN, &BOTH, KeySet::with_next);
    history.change(BEGIN + HOUR, &BOTH, KeySet::with_next);
    let at = BEGIN + HOUR + PUBLISH_AHEAD;
    assert_eq!(size(&history, at).0, 4, "two retired, two active");
    history.change(at, &BOTH, KeySet::with_emergency);
    history.change(at + 1, &BOTH, KeySet::with_emergency);
    assert_eq!((size(&history, at + DAY).0, size(&history, at + DAY + HOUR).0), (4, 2));
}

/// The token with another `sub`, under the old signature.
fn altered(token: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut parts = token.split('.');
    let (header, _, signature) = (parts.next().unwrap(), parts.next(), parts.next().unwrap());
    let mut claims = claims(token);
    claims["sub"] = json!("somebody-else");
    format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

#[tokio::test]
async fn what_aws_documents_of_its_verifiers_fits_the_tokens_and_the_documents() {
    // MD-01, MD-12, MD-17, I-19: each cell of the matrix; docs/verifiers.md has the same table.
    let server = Server::start().await;
    server.fixtures().await;
    let other_server = Server::with(&[("GATEWRIGHT_ISSUER", "https://other.example")]).await;
    for server in [&server, &other_server] {
        let api = json!({"name": "ledger", "audience": "https://ledger.example/", "scopes": [{"value": "read"}], "signing_alg": "RS256"});
        server.create("/apis", api).await;
    }
    let audiences = ["https://orders.example/", "https://ledger.example/"];
    let discovery = json_of(&server.send("GET", "/.well-known/openid-configuration", &[], "").await);
    let jwks = server.send("GET", "/.well-known/jwks.json", &[], "").await;
    assert_eq!(jwks.headers()["cache-control"], format!("public, max-age={MAX_AGE}"));
    assert_eq!(jwks.headers()["content-type"], "application/json");
    let jwks = std::str::from_utf8(jwks.body()).unwrap();
    let issuer = discovery["issuer"].as_str().unwrap().to_owned();
    assert!(issuer.starts_with("https://") && !issuer.contains(['?', '#']) && !issuer.ends_with('/'));
    assert_eq!(discovery["jwks_uri"], format!("{issuer}/.well-known/jwks.json"));

    let mut cells = DOCUMENTED.each_ref().map(|verifier| vec![verifier.name.to_owned()]);
    for (client_id, audience) in ["c_es", "c_rs"].into_iter().zip(audiences) {
        let changes = json!({"scopes": [format!("{audience}read")]});
        let client = server.client(client_id, changes.clone()).await;
        let token = server.token(&client, "").await;
        let configured = Configured { issuer: issuer.clone(), audience: audience.to_owned() };
        let elsewhere = Configured { issuer: "https://other.example".to_owned(), ..configured.clone() };
        let for_others = Configured { audience: "https://billing.example/".to_owned(), ..configured.clone() };
        let by_client_id = Configured { audience: client_id.to_owned(), ..configured.clone() };
        // Somebody else's token, of the same audience, which the other server signed.
        let foreign =
            if client_id == "c_rs" { other_server.token(&other_server.client(client_id, changes).await, "").await } else { altered(&token) };
        let (now, exp) = (server.now(), claims(&token)["exp"].as_u64().unwrap());
        for (verifier, cells) in DOCUMENTED.iter().zip(&mut cells) {
            let say = |token: &str, configured: &Configured, now| verifier.answer(token, configured, &discovery, jwks, now);
            let answers = [
                say(&token, &configured, now),
                say(&token, &configured, exp - 1),
                say(&token, &configured, exp),
                say(&token, &for_others, now),
                say(&token, &by_client_id, now),
                say(&token, &elsewhere, now),
                say(&altered(&token), &configured, now),
            ];
            if client_id == "c_es" && verifier.es256 == documented::Es256::Refused {
                assert_eq!(answers, ["alg"; 7], "{}", verifier.name);
                cells.push("refuses: RSA only".to_owned());
                continue;
            }
            assert_eq!(answers, ["ok", "ok", "exp", "aud", "aud", "iss", "signature"], "{} {client_id}", verifier.name);
            let foreign_key = if client_id == "c_rs" { "kid" } else { "signature" };
            assert_eq!(say(&foreign, &configured, now), foreign_key, "{} {client_id}", verifier.name);
            cells.push(match verifier.es256 {
                _ if client_id == "c_rs" => "takes".to_owned(),
                documented::Es256::AsConfigured => "if ES256 can be among its algorithms".to_owned(),
                _ => "not documented".to_owned(),
            });
        }
    }
    is_documented(&cells.map(|cells| format!("| {} |", cells.join(" | "))));
}

#[tokio::test]
async fn a_load_balancer_takes_the_key_set_however_often_an_administrator_rotates() {
    // MD-12: with keys of both algorithms, as often as a next key has come to sign; the fourth time within a day is refused.
    let server = Server::start().await;
    server
        .create("/apis", json!({"name": "ledger", "audience": "https://ledger.example/", "scopes": [{"value": "read"}], "signing_alg": "RS256"}))
        .await;
    let client = server.client("c_rs", json!({"scopes": ["https://ledger.example/read"]})).await;
    let discovery = json_of(&server.send("GET", "/.well-known/openid-configuration", &[], "").await);
    let configured = Configured { issuer: discovery["issuer"].as_str().unwrap().to_owned(), audience: "https://ledger.example/".to_owned() };
    let verifier = DOCUMENTED.iter().find(|verifier| verifier.name == "Application Load Balancer").unwrap();
    let mut answers = Vec::new();
    for _ in 0..5 {
        let rotated = server.admin("POST", "/keys/rotate", Value::Null).await.status().as_u16();
        server.pass(5);
        let jwks = server.send("GET", "/.well-known/jwks.json", &[], "").await;
        let token = server.token(&client, "").await;
        answers.push((rotated, verifier.answer(&token, &configured, &discovery, std::str::from_utf8(jwks.body()).unwrap(), server.now())));
        server.pass(PUBLISH_AHEAD);
    }
    assert_eq!(answers, [(202, "ok"), (202, "ok"), (202, "ok"), (409, "ok"), (409, "ok")]);
}

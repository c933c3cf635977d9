//! The functions that seal and open signing keys, with a model of KMS that refuses when the test asks for it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Response, StatusCode};
use local::engine::Engine;
use local::runtime_api::Function;
use serde_json::{Value, json};
use shared::endpoints::bootstrap::{Given, bootstrap};
use shared::oauth::ids::ClientId;
use shared::oauth::secret::ClientSecret;
use shared::runtime::{Endpoints, fresh};
use shared::store::Store;
use tokio::net::TcpListener;

use crate::binaries::{built, invoke, printed};
use crate::metadata::kid;
use crate::permissions::{access_key, see};
use crate::shapes::{Sent, rest};
use crate::support::{ADMIN, ADMIN_SECRET, ISSUER, Proxy, basic};

const KEY_ID: &str = "arn:aws:kms:eu-central-1:123456789012:key/0b6c1a7f";
const TABLE: &str = "sealed-by-kms";

/// What KMS says to credentials that ended, to a role that may not, to credentials of elsewhere, and to too many calls.
const REFUSALS: [&str; 4] = ["ExpiredTokenException", "AccessDeniedException", "UnrecognizedClientException", "ThrottlingException"];

/// `Encrypt` and `Decrypt`, bound to the context as KMS does it.
#[derive(Default)]
struct Kms {
    refusal: Mutex<Option<&'static str>>,
}

impl Kms {
    async fn start() -> (Arc<Self>, String) {
        let kms = Arc::new(Self::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = Arc::clone(&kms);
        let router = axum::Router::new().fallback(move |request: axum::extract::Request| {
            let kms = Arc::clone(&serving);
            async move { kms.answer(request).await }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        (kms, url)
    }

    fn refuse(&self, refusal: Option<&'static str>) {
        *self.refusal.lock().unwrap() = refusal;
    }

    async fn answer(&self, request: axum::extract::Request) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let operation = parts.headers["x-amz-target"].to_str().unwrap().strip_prefix("TrentService.").unwrap().to_owned();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        see(&parts.headers, &operation, &body);
        let asked: Value = serde_json::from_slice(&body).unwrap();
        let answer = |status: StatusCode, body: Value| {
            Response::builder().status(status).header("content-type", "application/x-amz-json-1.1").body(Body::from(body.to_string())).unwrap()
        };
        let refused = |kind: &str| answer(StatusCode::BAD_REQUEST, json!({"__type": kind, "message": "injected"}));
        if let Some(refusal) = *self.refusal.lock().unwrap() {
            return refused(refusal);
        }
        // The policies of the functions allow the key for their own issuer only.
        assert_eq!((&asked["KeyId"], &asked["EncryptionContext"]["issuer"]), (&json!(KEY_ID), &json!(ISSUER)));
        match operation.as_str() {
            "Encrypt" => {
                let sealed = json!([asked["EncryptionContext"], asked["Plaintext"]]);
                answer(StatusCode::OK, json!({"KeyId": KEY_ID, "CiphertextBlob": STANDARD.encode(sealed.to_string())}))
            }
            "Decrypt" => {
                let sealed: Value = serde_json::from_slice(&STANDARD.decode(asked["CiphertextBlob"].as_str().unwrap()).unwrap()).unwrap();
                if sealed[0] != asked["EncryptionContext"] {
                    return refused("InvalidCiphertextException");
                }
                answer(StatusCode::OK, json!({"KeyId": KEY_ID, "Plaintext": sealed[1]}))
            }
            _ => panic!("{operation}"),
        }
    }
}

async fn token(function: &Function) -> Value {
    let client = basic(ADMIN, ADMIN_SECRET);
    let sent = Sent { authorization: &client, form: "grant_type=client_credentials", ..Sent::post("/oauth2/token") };
    invoke(function, &rest(&sent)).await.unwrap()
}

/// The access token that was given.
fn given(answer: &Value) -> String {
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    body["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test]
async fn a_kms_that_refuses_closes_what_needs_it_and_nobody_has_to_restart_anything() {
    // SF-12, HT-30, AD-12: at the first key, at a cold start, at a rotation, and for a warm function that has to open a new key.
    let engine = Engine::start(None, 0).await.unwrap();
    let proxy = Proxy::start(engine.url()).await;
    let (kms, url) = Kms::start().await;
    let store = Store::new(Endpoints::local(engine.url()).dynamodb(), TABLE.to_owned());
    store.create_table().await.unwrap();
    let start = async |name: &str| {
        let variables = [
            ("GATEWRIGHT_ISSUER", ISSUER),
            ("GATEWRIGHT_TABLE", TABLE),
            ("GATEWRIGHT_KMS_KEY_ID", KEY_ID),
            ("GATEWRIGHT_FEED_SECONDS", "1"),
            ("AWS_ENDPOINT_URL_DYNAMODB", proxy.url()),
            ("AWS_ENDPOINT_URL_KMS", &url),
            ("AWS_ACCESS_KEY_ID", &access_key(name)),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Function::start(name, &built().join(name), &variables, 1).await.unwrap()
    };

    // No first key: the schedule's run fails, nothing is written, and its next run makes the key.
    let rotate = start("rotate-keys").await;
    for refusal in REFUSALS {
        kms.refuse(Some(refusal));
        let error = invoke(&rotate, &json!({})).await.unwrap_err();
        assert_eq!((error.error_type.as_str(), error.error_message.as_str()), ("Unavailable", "the keys were not rotated, see the log"), "{refusal}");
        let sentence = format!("the signing key could not be sealed or opened: {refusal}");
        assert!(printed(&rotate, &sentence).await.contains(&sentence), "{refusal}");
    }
    assert!(!proxy.scan(TABLE).await.contains("key#"));
    kms.refuse(None);
    let pids = rotate.pids();
    assert_eq!(invoke(&rotate, &json!({})).await.unwrap(), json!({"rotated": ["ES256"]}));
    assert_eq!(rotate.pids(), pids);
    let first = Given { client_id: ClientId::parse(ADMIN), client_secret: Some(ClientSecret::new(ADMIN_SECRET.to_owned())) };
    bootstrap(&store, first, false, &fresh().unwrap()).await.unwrap().unwrap();

    // A cold start that cannot open the key ends, as Lambda wants it, and the next event starts the function again.
    let signs = start("token").await;
    for refusal in REFUSALS {
        kms.refuse(Some(refusal));
        assert_eq!(invoke(&signs, &json!({})).await.unwrap_err().error_type, "Runtime.ExitError", "{refusal}");
    }
    kms.refuse(None);
    let first = given(&token(&signs).await);
    let (old, bearer) = (kid(&first), format!("Bearer {first}"));

    // An emergency for which no key can be sealed withdraws none.
    let admin = start("admin").await;
    let emergency = rest(&Sent {
        authorization: &bearer,
        content_type: "application/json",
        form: r#"{"emergency":true}"#,
        ..Sent::post("/admin/v1/keys/rotate")
    });
    for refusal in REFUSALS {
        kms.refuse(Some(refusal));
        let answer = invoke(&admin, &emergency).await.unwrap();
        assert_eq!((&answer["statusCode"], &answer["headers"]["retry-after"]), (&json!(503), &json!("1")), "{refusal}");
    }
    assert_eq!(kid(&given(&token(&signs).await)), old, "a key that is open is not asked for again");
    kms.refuse(None);
    assert_eq!(invoke(&admin, &emergency).await.unwrap()["statusCode"], 202);

    // The warm function meets the new key: it signs with it or not at all, never with the withdrawn one.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let pids = signs.pids();
    for refusal in REFUSALS {
        kms.refuse(Some(refusal));
        let answer = token(&signs).await;
        assert_eq!((&answer["statusCode"], &answer["headers"]["retry-after"]), (&json!(503), &json!("1")), "{refusal}");
        assert!(!answer.to_string().contains("eyJ") && !answer.to_string().contains(refusal), "{answer}");
    }
    kms.refuse(None);
    assert_ne!(kid(&given(&token(&signs).await)), old);
    assert_eq!(signs.pids(), pids);
}

//! A proxy between the SDK and the engine: it counts the calls by operation, and does to them what the test asks for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::permissions;

/// What happens to calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// HTTP 500 without asking the engine.
    Error,
    /// DynamoDB's throttling answer without asking the engine.
    Throttle,
    /// DynamoDB's answer to a transaction whose first try is still under way.
    InProgress,
    /// DynamoDB's answer to a transaction with the token of another one.
    Mismatch,
    /// What an instance is told whose credentials have expired, without asking the engine.
    ExpiredToken,
    /// What a function is told that may not do what it does, without asking the engine.
    AccessDenied,
    /// What is answered to credentials that this region does not know, without asking the engine.
    UnrecognizedClient,
    /// Nothing is answered for longer than anybody waits.
    Silence,
    /// The engine does it, and the answer is lost.
    AnswerLost,
    /// The engine's answer is cut in the middle.
    Garbage,
    /// The engine does it at once, and the answer comes half a second late.
    Late,
    /// The engine does it at once, and the answer comes when the test lets it (`while_held`).
    Held,
}

/// A running proxy.
pub struct Proxy {
    url: String,
    engine: String,
    keeps_expired_items: bool,
    client: Client<HttpConnector, Full<Bytes>>,
    calls: Mutex<BTreeMap<String, usize>>,
    fault: Mutex<Option<(Fault, &'static str, usize)>>,
    /// How many calls the fault lets pass first.
    spared: AtomicUsize,
    lags: AtomicBool,
    pages: AtomicBool,
    held: Notify,
    released: Notify,
    /// Which call is held, and what its answer is: if the SDK does not wait so long and repeats the call, that is still the answer.
    held_answer: Mutex<Option<(HeaderValue, StatusCode, Bytes)>>,
}

impl Proxy {
    pub async fn start(engine: &str) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            engine: engine.to_owned(),
            keeps_expired_items: std::env::var_os("GATEWRIGHT_TEST_DYNAMODB").is_some(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            calls: Mutex::default(),
            fault: Mutex::default(),
            spared: AtomicUsize::default(),
            lags: AtomicBool::default(),
            pages: AtomicBool::default(),
            held: Notify::new(),
            released: Notify::new(),
            held_answer: Mutex::default(),
        });
        let serving = Arc::clone(&proxy);
        let router = axum::Router::new().fallback(move |request: axum::extract::Request| {
            let proxy = Arc::clone(&serving);
            async move { proxy.pass(request).await }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        proxy
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the engine itself is.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// Does `fault` to the next `times` calls of `operation` (`""`: of any).
    pub fn inject(&self, fault: Fault, operation: &'static str, times: usize) {
        self.inject_after(0, fault, operation, times);
    }

    /// The same, after the next `spared` calls of it.
    pub fn inject_after(&self, spared: usize, fault: Fault, operation: &'static str, times: usize) {
        self.spared.store(spared, Ordering::Relaxed);
        *self.fault.lock().unwrap() = Some((fault, operation, times));
    }

    /// Stops injecting.
    pub fn heal(&self) {
        *self.fault.lock().unwrap() = None;
    }

    /// Returns once an answer is held.
    pub async fn holding(&self) {
        tokio::time::timeout(Duration::from_secs(10), self.held.notified()).await.expect("an answer is held");
    }

    /// Does `meanwhile` once an answer is held, and lets that go.
    pub async fn while_held<T>(&self, meanwhile: impl Future<Output = T>) -> T {
        self.holding().await;
        let done = meanwhile.await;
        self.released.notify_one();
        done
    }

    /// From now on, a read that does not ask for consistency, and every list, sees the oldest image there is: nothing is written yet.
    pub fn lag(&self) {
        self.lags.store(true, Ordering::Relaxed);
    }

    /// From now on, a query gives an empty page first, and then pages of one item.
    pub fn page(&self) {
        self.pages.store(true, Ordering::Relaxed);
    }

    /// The calls since the last time this was asked, by operation: `BatchGetItem 1, PutItem 1`.
    pub fn calls(&self) -> String {
        let calls = std::mem::take(&mut *self.calls.lock().unwrap());
        calls.iter().map(|(operation, count)| format!("{operation} {count}")).collect::<Vec<_>>().join(", ")
    }

    /// Everything in a table.
    pub async fn scan(&self, table: &str) -> String {
        let text = self.ask("Scan", &format!("{{\"TableName\":\"{table}\",\"ConsistentRead\":true}}")).await;
        assert!(text.contains("\"Items\""), "{text}");
        text
    }

    /// The engine's answer to an operation, past the proxy.
    pub async fn ask(&self, operation: &str, body: &str) -> String {
        let request = Request::post(&self.engine)
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-date", "20261120T180000Z")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=local/20261120/local/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        let answer = self.client.request(request).await.unwrap().into_body().collect().await.unwrap();
        String::from_utf8(answer.to_bytes().to_vec()).unwrap()
    }

    fn take_fault(&self, operation: &str) -> Option<Fault> {
        let mut fault = self.fault.lock().unwrap();
        match &mut *fault {
            Some((kind, wanted, times)) if *times > 0 && (wanted.is_empty() || *wanted == operation) => {
                if self.spared.load(Ordering::Relaxed) > 0 {
                    self.spared.fetch_sub(1, Ordering::Relaxed);
                    return None;
                }
                *times -= 1;
                Some(*kind)
            }
            _ => None,
        }
    }

    async fn pass(&self, request: axum::extract::Request) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let invocation = parts.headers.get("amz-sdk-invocation-id").cloned();
        let held = self.held_answer.lock().unwrap().clone();
        if let Some((_, status, body)) = held.filter(|(held, ..)| invocation.as_ref() == Some(held)) {
            self.released.notified().await;
            return Response::builder().status(status).header("content-type", "application/x-amz-json-1.0").body(Body::from(body)).unwrap();
        }
        let target = parts.headers.get("x-amz-target").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        *self.calls.lock().unwrap().entry(operation.clone()).or_default() += 1;
        let mut body = to_bytes(body, usize::MAX).await.unwrap();
        permissions::see(&parts.headers, &operation, &body);
        let fault = self.take_fault(&operation);
        let failed = |status: StatusCode, kind: &str| {
            let body = format!("{{\"__type\":\"com.amazonaws.dynamodb.v20120810#{kind}\",\"message\":\"injected\"}}");
            Response::builder().status(status).header("content-type", "application/x-amz-json-1.0").body(Body::from(body)).unwrap()
        };
        match fault {
            Some(Fault::Error) => return failed(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"),
            Some(Fault::Throttle) => return failed(StatusCode::BAD_REQUEST, "ProvisionedThroughputExceededException"),
            Some(Fault::InProgress) => return failed(StatusCode::BAD_REQUEST, "TransactionInProgressException"),
            Some(Fault::Mismatch) => return failed(StatusCode::BAD_REQUEST, "IdempotentParameterMismatchException"),
            Some(Fault::ExpiredToken) => return failed(StatusCode::BAD_REQUEST, "ExpiredTokenException"),
            Some(Fault::AccessDenied) => return failed(StatusCode::BAD_REQUEST, "AccessDeniedException"),
            Some(Fault::UnrecognizedClient) => return failed(StatusCode::BAD_REQUEST, "UnrecognizedClientException"),
            Some(Fault::Silence) => {
                tokio::time::sleep(Duration::from_secs(30)).await;
                return failed(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError");
            }
            Some(Fault::AnswerLost | Fault::Garbage | Fault::Late | Fault::Held) | None => {}
        }
        // An engine that deletes by its own clock would delete what the test's clock, which stands in the past, keeps alive.
        if operation == "UpdateTimeToLive" && self.keeps_expired_items {
            return Response::new(Body::from(r#"{"TimeToLiveSpecification":{"AttributeName":"ttl","Enabled":true}}"#));
        }
        if self.lags.load(Ordering::Relaxed)
            && let Some(image) = oldest_image(&operation, &serde_json::from_slice(&body).unwrap())
        {
            return Response::builder().header("content-type", "application/x-amz-json-1.0").body(Body::from(image.to_string())).unwrap();
        }
        if self.pages.load(Ordering::Relaxed) && operation == "Query" {
            let mut query: Value = serde_json::from_slice(&body).unwrap();
            if query.get("ExclusiveStartKey").is_none() && query.get("IndexName").is_none() {
                // Where the range begins there is no item.
                let start = |one: &str, other: &str| {
                    query["ExpressionAttributeValues"].get(one).unwrap_or(&query["ExpressionAttributeValues"][other]).clone()
                };
                let last = json!({"pk": start(":pk", ":p"), "sk": start(":from", ":start")});
                let image = json!({"Items": [], "Count": 0, "ScannedCount": 5, "LastEvaluatedKey": last});
                return Response::builder().header("content-type", "application/x-amz-json-1.0").body(Body::from(image.to_string())).unwrap();
            }
            query["Limit"] = json!(1);
            body = query.to_string().into();
            parts.headers.insert(http::header::CONTENT_LENGTH, body.len().into());
        }
        parts.uri = self.engine.parse().unwrap();
        let answer = self.client.request(Request::from_parts(parts, Full::new(body))).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        if fault == Some(Fault::Late) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        if fault == Some(Fault::Held) {
            *self.held_answer.lock().unwrap() = invocation.map(|invocation| (invocation, parts.status, body.clone()));
            self.held.notify_one();
            self.released.notified().await;
        }
        match fault {
            Some(Fault::AnswerLost) => failed(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"),
            Some(Fault::Garbage) => Response::new(Body::from(body.slice(..body.len() / 2))),
            _ => Response::from_parts(parts, Body::from(body)),
        }
    }
}

/// What a replica that has seen no write answers to a read that it may answer; `None`: it may not, or it is no read.
fn oldest_image(operation: &str, body: &Value) -> Option<Value> {
    let is_consistent = |request: &Value| request["ConsistentRead"] == true;
    match operation {
        "GetItem" => (!is_consistent(body)).then(|| json!({})),
        "Query" => (!is_consistent(body)).then(|| json!({"Items": [], "Count": 0, "ScannedCount": 0})),
        "BatchGetItem" => {
            let tables = body["RequestItems"].as_object().unwrap();
            (!tables.values().all(is_consistent)).then(|| json!({"Responses": {}, "UnprocessedKeys": {}}))
        }
        _ => None,
    }
}

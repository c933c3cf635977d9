//! The floors that the functions are measured against: the least a Rust function does that answers an event, and that
//! also calls DynamoDB through the SDK. No OAuth, no configuration, no logs.

use std::env;
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, IdentityCache, Region, StalledStreamProtectionConfig};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::{Client, Config, primitives::Blob};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::IgnoredAny;

/// The table of the floors; the bench makes it and puts one item in it.
pub const TABLE: &str = "floor";

/// The same small answer for every event.
#[derive(Serialize)]
pub struct Answer {
    #[serde(rename = "statusCode")]
    status_code: u16,
    body: &'static str,
}

/// The only [`Answer`].
pub const ANSWER: Answer = Answer { status_code: 200, body: "{}" };

/// Calls `handle` for every event, and answers with [`ANSWER`].
///
/// # Errors
/// If the Runtime API fails.
pub async fn serve<F, Fut>(handle: F) -> Result<(), Error>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<(), Error>>,
{
    lambda_runtime::run(service_fn(|_: LambdaEvent<IgnoredAny>| async {
        handle().await?;
        Ok::<_, Error>(ANSWER)
    }))
    .await
}

/// The SDK's client with nothing that a function does not need, its connection opened by a first read.
///
/// # Errors
/// If a variable is missing or the table does not answer.
pub async fn client() -> Result<Client, Error> {
    let roots = tls::TrustStore::empty().with_pem_certificate(&include_bytes!("amazon-roots.pem")[..]);
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(tls::TlsContext::builder().with_trust_store(roots).build()?)
        .build_https();
    let (key, secret) = (env::var("AWS_ACCESS_KEY_ID")?, env::var("AWS_SECRET_ACCESS_KEY")?);
    let token = env::var("AWS_SESSION_TOKEN").ok();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(env::var("AWS_REGION")?))
        .credentials_provider(Credentials::new(key, secret, token, None, "env"))
        .identity_cache(IdentityCache::no_cache())
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(25)))
        .timeout_config(
            TimeoutConfig::builder().connect_timeout(Duration::from_secs(1)).operation_attempt_timeout(Duration::from_millis(1500)).build(),
        )
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(http)
        .endpoint_url(env::var("AWS_ENDPOINT_URL_DYNAMODB")?);
    let client = Client::from_conf(config.build());
    get(&client).await?;
    Ok(client)
}

/// One consistent read of an item about as large as a client's record.
///
/// # Errors
/// If the table does not answer or has no such item.
pub async fn get(client: &Client) -> Result<(), Error> {
    let read = client.get_item().table_name(TABLE).consistent_read(true);
    let answer = read.key("pk", text("client#floor")).key("sk", text("client")).send().await?;
    answer.item.ok_or("the floor's item is missing")?;
    Ok(())
}

/// One write of an item about as large as a token's record.
///
/// # Errors
/// If the table does not answer.
pub async fn put(client: &Client) -> Result<(), Error> {
    client
        .put_item()
        .table_name(TABLE)
        .item("pk", text("token#floor"))
        .item("sk", text("token"))
        .item("client_id", text("floor"))
        .item("scope", text("https://orders.example/read"))
        .item("digest", AttributeValue::B(Blob::new([7; 32])))
        .item("expires_at", AttributeValue::N("1800000000".to_owned()))
        .send()
        .await?;
    Ok(())
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

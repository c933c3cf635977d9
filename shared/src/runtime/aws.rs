//! The way to AWS: one HTTP client with the roots that AWS's endpoints use, credentials from the environment, bounded retries.
//!
//! `aws-config` and the machine's certificate store are left out on purpose: they cost more at a cold start than everything else
//! together (docs/performance.md).

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, Endpoint, EndpointFuture, Params, ResolveEndpoint};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, IdentityCache, Region, SharedHttpClient, StalledStreamProtectionConfig};
use aws_smithy_http_client::tls;

use super::Error;
use super::config::ConfigError;

/// Amazon Root CA 1 to 4 and Starfield Services Root G2: what AWS's public endpoints are certified by.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// Where DynamoDB and KMS are, and how to reach them.
#[derive(Debug, Clone)]
pub struct Endpoints {
    http: SharedHttpClient,
    region: Region,
    credentials: Credentials,
    dynamodb_url: Option<String>,
    kms_url: Option<String>,
}

impl Endpoints {
    /// Reads the variables that Lambda sets, through `get`.
    ///
    /// # Errors
    /// Where one is missing, or where the certificates of `AWS_CA_BUNDLE` cannot be used.
    pub fn from_environment(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let required = |name: &'static str| get(name).ok_or_else(|| ConfigError::new(name, "must be set, as Lambda does"));
        let url = |name: &str| get(name).or_else(|| get("AWS_ENDPOINT_URL"));
        let credentials =
            Credentials::new(required("AWS_ACCESS_KEY_ID")?, required("AWS_SECRET_ACCESS_KEY")?, get("AWS_SESSION_TOKEN"), None, "environment");
        let dynamodb_url = url("AWS_ENDPOINT_URL_DYNAMODB");
        let kms_url = url("AWS_ENDPOINT_URL_KMS");
        let is_plain = |url: &Option<String>| url.as_deref().is_some_and(|url| url.starts_with("http://"));
        let http = if is_plain(&dynamodb_url) && (kms_url.is_none() || is_plain(&kms_url)) {
            aws_smithy_http_client::Builder::new().build_http()
        } else {
            https(get("AWS_CA_BUNDLE"))?
        };
        Ok(Self { http, region: Region::new(required("AWS_REGION")?), credentials, dynamodb_url, kms_url })
    }

    /// A local engine of DynamoDB at `url`, which takes any credentials.
    pub fn local(url: &str) -> Self {
        Self {
            http: aws_smithy_http_client::Builder::new().build_http(),
            region: Region::new("local"),
            credentials: Credentials::new("local", "local", None, None, "local"),
            dynamodb_url: Some(url.to_owned()),
            kms_url: None,
        }
    }

    /// A client of DynamoDB.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let mut config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(self.region.clone())
            .credentials_provider(self.credentials.clone())
            .identity_cache(IdentityCache::no_cache())
            .retry_config(retries())
            .timeout_config(timeouts())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .endpoint_resolver(RememberingResolver::default())
            .http_client(self.http.clone());
        if let Some(url) = &self.dynamodb_url {
            config = config.endpoint_url(url);
        }
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// A client of KMS.
    pub fn kms(&self) -> aws_sdk_kms::Client {
        let mut config = aws_sdk_kms::Config::builder()
            .behavior_version(aws_sdk_kms::config::BehaviorVersion::v2026_01_12())
            .region(self.region.clone())
            .credentials_provider(self.credentials.clone())
            .identity_cache(IdentityCache::no_cache())
            .retry_config(retries())
            .timeout_config(timeouts())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(self.http.clone());
        if let Some(url) = &self.kms_url {
            config = config.endpoint_url(url);
        }
        aws_sdk_kms::Client::from_conf(config.build())
    }
}

/// The SDK's own endpoint rules, asked once for each kind of parameters.
///
/// The SDK remembers only the last answer, and the parameters of a batch read differ from those of a write: a function that does both in
/// turn would go through the rules with each call, which costs as much as the call (docs/performance.md).
#[derive(Debug, Default)]
struct RememberingResolver {
    rules: DefaultResolver,
    known: RwLock<Vec<(Params, Endpoint)>>,
}

/// More kinds of parameters than our operations on one table have.
const MOST_KNOWN: usize = 16;

impl ResolveEndpoint for RememberingResolver {
    fn resolve_endpoint<'a>(&'a self, params: &'a Params) -> EndpointFuture<'a> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, endpoint)) = known.iter().find(|(known, _)| known == params) {
            return EndpointFuture::ready(Ok(endpoint.clone()));
        }
        drop(known);
        EndpointFuture::new(async move {
            let endpoint = ResolveEndpoint::resolve_endpoint(&self.rules, params).await?;
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            if known.len() < MOST_KNOWN {
                known.push((params.clone(), endpoint.clone()));
            }
            Ok(endpoint)
        })
    }
}

fn https(bundle: Option<String>) -> Result<SharedHttpClient, Error> {
    let roots = match bundle {
        None => AMAZON_ROOTS.to_vec(),
        Some(path) => std::fs::read(&path).map_err(|error| ConfigError::new("AWS_CA_BUNDLE", format!("{path} cannot be read: {error}")))?,
    };
    let store = tls::TrustStore::empty().with_pem_certificate(roots);
    let context = tls::TlsContext::builder().with_trust_store(store).build().map_err(|error| Error::new(error.to_string()))?;
    let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
    Ok(aws_smithy_http_client::Builder::new().tls_provider(provider).tls_context(context).build_https())
}

/// Three tries within three seconds, so that a caller hears of an outage before its own patience ends (SF-03, SF-14).
fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(25)).with_max_backoff(Duration::from_millis(200))
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(800))
        .operation_attempt_timeout(Duration::from_millis(900))
        .operation_timeout(Duration::from_millis(2_800))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_amazon_roots_can_be_used() {
        assert_eq!(AMAZON_ROOTS.windows(27).filter(|window| window == b"-----BEGIN CERTIFICATE-----").count(), 5);
        https(None).unwrap();
    }

    #[test]
    fn a_missing_variable_is_named() {
        assert_eq!(Endpoints::from_environment(&|_| None).unwrap_err().to_string(), "AWS_ACCESS_KEY_ID must be set, as Lambda does");
    }
}

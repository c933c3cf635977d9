//! AD-12: the `rotate-keys` and `token` binaries behind a Lambda Runtime API, with an emulated KMS: private keys are sealed by KMS, and
//! a sealed key opens only for the issuer and under the name that it was sealed with.

use std::path::PathBuf;
use std::process::ExitCode;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use interop::{Outcome, Report, expect, variable};
use local::engine::Engine;
use local::processes::{event, response};
use local::runtime_api::Function;
use serde_json::Value;
use shared::endpoints::Request;
use shared::endpoints::bootstrap::{Given, bootstrap};
use shared::oauth::ids::{ClientId, Issuer};
use shared::oauth::secret::ClientSecret;
use shared::runtime::{Endpoints, fresh};
use shared::store::{Key, Sealer, Store};

const ISSUER: &str = "https://auth.example";
/// `root:a-secret-of-32-characters-or-more`
const BASIC: &str = "Basic cm9vdDphLXNlY3JldC1vZi0zMi1jaGFyYWN0ZXJzLW9yLW1vcmU=";
const SECRET: &str = "a-secret-of-32-characters-or-more";

#[tokio::main]
async fn main() -> ExitCode {
    let mut report = Report::default();
    let deployment = match Deployment::start().await {
        Ok(deployment) => deployment,
        Err(fault) => {
            report.note("the deployment on the emulated KMS starts", &Err(fault));
            return report.end();
        }
    };
    report.note("KMS: rotate-keys seals the first key with KMS", &deployment.rotates().await);
    report.note("KMS: the sealed key opens only with its issuer and its name", &deployment.opens_only_in_its_context().await);
    report.note("KMS: the token function opens the key and signs", &deployment.signs().await);
    report.note("KMS: a token function of another issuer does not start with this key", &deployment.other_issuers_cannot_open().await);
    report.end()
}

struct Deployment {
    engine: Engine,
    store: Store,
    aws: Endpoints,
    key_id: String,
}

impl Deployment {
    async fn start() -> Result<Self, String> {
        let engine = Engine::start(None, 0).await.map_err(text)?;
        let url = engine.url().to_owned();
        let kms_url = variable("KMS_URL")?;
        let get = |name: &str| match name {
            "AWS_REGION" => Some("eu-central-1".to_owned()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("test".to_owned()),
            "AWS_ENDPOINT_URL_KMS" => Some(kms_url.clone()),
            "AWS_ENDPOINT_URL_DYNAMODB" => Some(url.clone()),
            _ => None,
        };
        let aws = Endpoints::from_environment(&get).map_err(text)?;
        let created = aws.kms().create_key().send().await.map_err(text)?;
        let key_id = created.key_metadata.ok_or("KMS made no key")?.key_id;
        let store = Store::new(aws.dynamodb(), "gatewright".to_owned());
        store.create_table().await.map_err(text)?;
        let given = Given { client_id: ClientId::parse("root"), client_secret: Some(ClientSecret::new(SECRET.to_owned())) };
        bootstrap(&store, given, false, &fresh().map_err(text)?).await.map_err(text)?;
        Ok(Self { engine, store, aws, key_id })
    }

    async fn function(&self, name: &str, issuer: &str) -> Result<Function, String> {
        let variables = [
            ("GATEWRIGHT_ISSUER", issuer),
            ("GATEWRIGHT_KMS_KEY_ID", &self.key_id),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ENDPOINT_URL_KMS", &variable("KMS_URL")?),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.engine.url()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let binary = PathBuf::from(variable("FUNCTIONS")?).join(name);
        Function::start(name, &binary, &variables, 1).await.map_err(text)
    }

    async fn rotates(&self) -> Outcome {
        let function = self.function("rotate-keys", ISSUER).await?;
        let answer = function.invoke(Bytes::from_static(b"{}")).await.map_err(text)?;
        let log = function.output();
        function.stop().await;
        expect(&answer[..] == br#"{"rotated":["ES256"]}"#, format!("{} {log}", String::from_utf8_lossy(&answer)))?;
        let (kid, sealed) = self.sealed().await?;
        // A P-256 key in PKCS #8 names its curve; what is sealed does not.
        let curve = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
        expect(!sealed.windows(curve.len()).any(|window| window == curve), "the key lies open in the table")?;
        let private = self.sealer().open(&issuer(ISSUER)?, &kid, sealed).await.map_err(text)?;
        expect(private.windows(curve.len()).any(|window| window == curve), "KMS opens something else than the key")
    }

    async fn opens_only_in_its_context(&self) -> Outcome {
        let (kid, sealed) = self.sealed().await?;
        for (issuer, kid) in [(issuer("https://other.example")?, kid.as_str()), (issuer(ISSUER)?, "another-name")] {
            let opened = self.sealer().open(&issuer, kid, sealed.clone()).await;
            expect(opened.is_err(), format!("the key opened for {} as {kid}", issuer.as_str()))?;
        }
        Ok(())
    }

    async fn signs(&self) -> Outcome {
        let function = self.function("token", ISSUER).await?;
        let answer = function.invoke(Bytes::from(event(&token_request()).to_string())).await;
        let log = function.output();
        function.stop().await;
        let answer = response(&answer.map_err(text)?).ok_or("no answer of a proxy integration")?;
        let body: Value = serde_json::from_slice(answer.body()).map_err(text)?;
        let token = body.get("access_token").and_then(Value::as_str).unwrap_or_default();
        expect(answer.status() == 200 && token.split('.').count() == 3, format!("{} {body} {log}", answer.status()))
    }

    async fn other_issuers_cannot_open(&self) -> Outcome {
        let function = self.function("token", "https://other.example").await?;
        let answer = function.invoke(Bytes::from(event(&token_request()).to_string())).await;
        let log = function.output();
        function.stop().await;
        let said = "the signing key could not be sealed or opened";
        expect(answer.is_err() && log.contains(said), format!("{answer:?} {log}"))
    }

    /// The name of the one key, and its sealed half.
    async fn sealed(&self) -> Result<(String, Vec<u8>), String> {
        let found = self.store.batch().with(Key::Keys).read().await.map_err(text)?;
        let keys = found.keys().map_err(text)?.ok_or("there is no key set")?;
        let kid = keys.keys.first().ok_or("there is no key")?.jwk.kid.clone();
        let sealed = self.store.sealed_key(&kid).await.map_err(text)?.ok_or("there is no sealed key")?;
        Ok((kid, sealed))
    }

    fn sealer(&self) -> Sealer {
        Sealer::Kms { client: self.aws.kms(), key_id: self.key_id.clone() }
    }
}

fn token_request() -> Request {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static(BASIC));
    headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    let body = Bytes::from_static(b"grant_type=client_credentials");
    Request { method: Method::POST, path: "/oauth2/token".to_owned(), query: Vec::new(), headers, body, source: None }
}

fn issuer(url: &str) -> Result<Issuer, String> {
    Issuer::parse(url).map_err(str::to_owned)
}

fn text(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

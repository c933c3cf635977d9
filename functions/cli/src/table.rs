//! Straight to the table, under IAM: the admin endpoint in this process.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;
use shared::endpoints::admin::{Caller, Endpoint};
use shared::endpoints::diagnose::diagnose_for_operator;
use shared::endpoints::evidence::Evidence;
use shared::endpoints::{Keyring, Request, rotate};
use shared::oauth::ids::Issuer;
use shared::runtime::{Config, Endpoints, decoded_query, file_sealer, fresh, now};
use shared::store::{Sealer, Store};

use crate::fault::Fault;
use crate::http_client::Answer;
use crate::place::Get;

/// An admin endpoint on the table.
pub struct Table {
    /// The table.
    pub store: Store,
    /// Makes keys.
    pub rotate: Arc<rotate::Endpoint>,
    issuer: Issuer,
    endpoint: Endpoint,
    can_seal: bool,
}

impl Table {
    /// Reaches the table that the environment names.
    ///
    /// # Errors
    /// Where a variable is missing or wrong, or the table does not answer.
    pub async fn open(get: Get<'_>) -> Result<Self, Fault> {
        let region = |name: &str| if name == "AWS_REGION" { get(name).or_else(|| get("AWS_DEFAULT_REGION")) } else { get(name) };
        let config = Config::from_environment(get)?;
        let aws = Endpoints::from_environment(&region)?;
        let sealer = match (&config.kms_key_id, get("GATEWRIGHT_DATA")) {
            (Some(key_id), _) => Some(Sealer::Kms { client: aws.kms(), key_id: key_id.clone() }),
            (None, Some(directory)) => Some(file_sealer(Path::new(&directory))?),
            (None, None) => None,
        };
        let can_seal = sealer.is_some();
        let store = Store::new(aws.dynamodb(), config.table);
        let keyring = Arc::new(Keyring::new(store.clone(), sealer, config.issuer.clone()));
        // What is wrong with the table or the credentials is told here, in the operator's words.
        keyring.read(now()).await?;
        let rotate = Arc::new(rotate::Endpoint { store: store.clone(), keyring: Arc::clone(&keyring) });
        let evidence = Evidence { store: store.clone(), keyring };
        let endpoint = Endpoint { evidence, rotate: Arc::clone(&rotate), enabled: true };
        Ok(Self { store, rotate, issuer: config.issuer, endpoint, can_seal })
    }

    /// Makes sure that a signing key could be made.
    ///
    /// # Errors
    /// Where nothing is named that seals it.
    pub fn must_seal(&self) -> Result<(), Fault> {
        if self.can_seal { Ok(()) } else { Err(Fault::new("GATEWRIGHT_KMS_KEY_ID must name the KMS key that seals the signing keys")) }
    }

    /// The endpoint's answer to the operator.
    ///
    /// # Errors
    /// Where the request cannot be made.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Fault> {
        if method == Method::POST && path == "/apis" {
            // An Api may need the first key of its algorithm.
            self.must_seal()?;
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let request = Request {
            method,
            path: format!("{}/admin/v1{path}", self.issuer.path()),
            query: decoded_query(query).unwrap_or_default(),
            headers: HeaderMap::new(),
            source: None,
            body: body.map(|body| Bytes::from(body.to_string())).unwrap_or_default(),
        };
        let response = self.endpoint.handle_for(&Caller::operator(), request, fresh()?).await;
        Ok((response.status(), response.into_body().to_vec()))
    }

    /// The diagnosis of a call.
    ///
    /// # Errors
    /// Where there is no randomness.
    pub async fn diagnose(&self, question: &Value) -> Result<Answer, Fault> {
        let response = diagnose_for_operator(&self.endpoint.evidence, question.to_string().as_bytes(), &fresh()?).await;
        Ok((response.status(), response.into_body().to_vec()))
    }
}

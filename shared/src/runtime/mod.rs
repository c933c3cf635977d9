//! The glue between Lambda and the endpoints: configuration, cold start, events, logging. Everything that the first answer needs is
//! done before the first event is asked for.

mod aws;
mod config;
mod events;
mod log;
mod metric;
mod serve;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use aws::Endpoints;
pub use config::{Config, ConfigError};
pub use events::{ProxyEvent, ProxyResponse, decoded_query};
pub use log::start_logging;
pub use serve::{serve, serve_authorizer, serve_schedule};

use crate::endpoints::evidence::Evidence;
use crate::endpoints::{Keyring, KeyringError};
use crate::oauth::fresh::Fresh;
use crate::oauth::time::Timestamp;
use crate::store::{Sealer, Store, StoreError};

/// The name of the key file in `GATEWRIGHT_DATA` that stands in for KMS on the developer's machine.
pub const KEY_FILE: &str = "signing-key-seal";

/// A function that is starting: its configuration and its way to AWS.
pub struct Runtime {
    /// The configuration.
    pub config: Config,
    aws: Endpoints,
}

/// Why a function does not start: a sentence for the operator, also where a `main` ends with it.
pub struct Error(String);

impl Error {
    /// The sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self(error.to_string())
    }
}

impl From<KeyringError> for Error {
    fn from(error: KeyringError) -> Self {
        Self(error.to_string())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl Runtime {
    /// Reads the environment, once. Nothing reads it later.
    ///
    /// # Errors
    /// Where a variable is missing or wrong; the sentence names it.
    pub fn start() -> Result<Self, Error> {
        let config = Config::from_environment(&|name| std::env::var(name).ok())?;
        start_logging(config.log);
        let aws = Endpoints::from_environment(&|name| std::env::var(name).ok())?;
        Ok(Self { config, aws })
    }

    /// The table.
    pub fn store(&self) -> Store {
        Store::new(self.aws.dynamodb(), self.config.table.clone())
    }

    /// A keyring that verifies and, with a sealer, signs; the key set is read, which opens the connection to the table.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn keyring(&self, sealer: Option<Sealer>) -> Result<Arc<Keyring>, Error> {
        let keyring = Keyring::new(self.store(), sealer, self.config.issuer.clone());
        keyring.read(now()).await?;
        Ok(Arc::new(keyring))
    }

    /// A keyring that verifies, for a function that reads the key set together with what else it needs.
    pub fn unread_keyring(&self) -> Arc<Keyring> {
        Arc::new(Keyring::new(self.store(), None, self.config.issuer.clone()))
    }

    /// What is known of tokens, by a function that cannot sign.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn evidence(&self) -> Result<Evidence, Error> {
        Ok(Evidence { store: self.store(), keyring: self.keyring(None).await? })
    }

    /// What opens and seals private keys.
    ///
    /// # Errors
    /// Where neither a KMS key nor a key file is configured.
    pub fn sealer(&self) -> Result<Sealer, Error> {
        match (&self.config.kms_key_id, std::env::var_os("GATEWRIGHT_DATA")) {
            (Some(key_id), _) => Ok(Sealer::Kms { client: self.aws.kms(), key_id: key_id.clone() }),
            (None, Some(directory)) => file_sealer(Path::new(&directory)),
            (None, None) => Err(Error::new("GATEWRIGHT_KMS_KEY_ID must name the KMS key that seals the signing keys")),
        }
    }
}

/// A sealer under the key file in `directory`.
///
/// # Errors
/// Where there is no such file, or it is none.
pub fn file_sealer(directory: &Path) -> Result<Sealer, Error> {
    let path = directory.join(KEY_FILE);
    let bytes = std::fs::read(&path).map_err(|error| Error::new(format!("the key file {} cannot be read: {error}", path.display())))?;
    let key: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| Error::new(format!("the key file {} must have 32 bytes", path.display())))?;
    Sealer::file(key).map_err(|error| Error::new(error.to_string()))
}

/// The time.
pub fn now() -> Timestamp {
    Timestamp::from_unix(since_1970().as_secs())
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The time and the randomness of one request.
///
/// # Errors
/// Where the crypto library has no randomness: then nothing can be decided.
#[expect(clippy::disallowed_methods, reason = "the one place that draws randomness")]
pub fn fresh() -> Result<Fresh, Error> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed).map_err(|_| Error::new("the operating system gave no randomness"))?;
    Ok(Fresh::new(now(), seed))
}

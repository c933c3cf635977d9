//! What the local runner is told by the environment, beside what the functions are.

use std::path::{Path, PathBuf};

use shared::endpoints::bootstrap::Given;
use shared::oauth::ids::ClientId;
use shared::oauth::secret::ClientSecret;
use shared::runtime::{Config, ConfigError, Error, KEY_FILE, file_sealer, fresh};
use shared::store::Sealer;

/// The settings of a local run.
pub struct Settings {
    /// What the functions are configured with.
    pub config: Config,
    /// `PORT`.
    pub port: u16,
    /// `GATEWRIGHT_DATA`; `None` for `:memory:`.
    pub data: Option<PathBuf>,
    /// `GATEWRIGHT_DYNAMODB_PORT`, 0 where any will do.
    pub dynamodb_port: u16,
    /// `GATEWRIGHT_DYNAMODB_ENDPOINT`: an engine that runs already.
    pub dynamodb_endpoint: Option<String>,
    /// `GATEWRIGHT_ADMIN_CLIENT_ID` and `GATEWRIGHT_ADMIN_CLIENT_SECRET`.
    pub admin: Given,
}

impl Settings {
    /// Reads the variables through `get`.
    ///
    /// # Errors
    /// The first variable that is wrong.
    pub fn from_environment(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let port = port("PORT", get("PORT"), 8080)?;
        let issuer = get("GATEWRIGHT_ISSUER").unwrap_or_else(|| format!("http://127.0.0.1:{port}"));
        let config = Config::from_environment(&|name| if name == "GATEWRIGHT_ISSUER" { Some(issuer.clone()) } else { get(name) })?;
        let data = get("GATEWRIGHT_DATA").unwrap_or_else(|| ".gatewright".to_owned());
        let admin_id = get("GATEWRIGHT_ADMIN_CLIENT_ID").map(|id| ClientId::parse(&id).ok_or(()));
        let wrong_id = |()| ConfigError::new("GATEWRIGHT_ADMIN_CLIENT_ID", "must be 1 to 64 of the characters A-Z a-z 0-9 . _ ~ -");
        let secret = get("GATEWRIGHT_ADMIN_CLIENT_SECRET");
        if secret.as_ref().is_some_and(|secret| secret.chars().count() < 32) {
            return Err(ConfigError::new("GATEWRIGHT_ADMIN_CLIENT_SECRET", "must have 32 characters or more"));
        }
        Ok(Self {
            config,
            port,
            data: (data != ":memory:").then(|| PathBuf::from(data)),
            dynamodb_port: self::port("GATEWRIGHT_DYNAMODB_PORT", get("GATEWRIGHT_DYNAMODB_PORT"), 0)?,
            dynamodb_endpoint: get("GATEWRIGHT_DYNAMODB_ENDPOINT"),
            admin: Given { client_id: admin_id.transpose().map_err(wrong_id)?, client_secret: secret.map(ClientSecret::new) },
        })
    }
}

fn port(variable: &'static str, value: Option<String>, default: u16) -> Result<u16, ConfigError> {
    value.map_or(Ok(default), |value| value.parse().map_err(|_| ConfigError::new(variable, "must be a port number, 0 to 65535")))
}

/// The sealer under the key file in `directory`, which is made where it is missing, readable by its owner only.
///
/// # Errors
/// Where the file cannot be written or read.
pub fn sealer(directory: &Path) -> Result<Sealer, Error> {
    let path = directory.join(KEY_FILE);
    if !path.exists() {
        write_private(&path, &fresh()?.bits("key file"))?;
    }
    file_sealer(directory)
}

/// Writes a file that only its owner can read; an existing file stays as it is.
///
/// # Errors
/// Where it cannot be written.
pub fn write_private(path: &Path, contents: &[u8]) -> Result<(), Error> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let cannot = |error: std::io::Error| Error::new(format!("{} cannot be written: {error}", path.display()));
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(cannot)?;
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(cannot)?;
    file.write_all(contents).map_err(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(name: &'static str, value: &'static str) -> String {
        match Settings::from_environment(&move |asked| (asked == name).then(|| value.to_owned())) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_wrong_variable_stops_the_start_with_a_sentence() {
        assert_eq!(fault("PORT", "http"), "PORT must be a port number, 0 to 65535");
        assert_eq!(fault("GATEWRIGHT_ADMIN_CLIENT_ID", "a b"), "GATEWRIGHT_ADMIN_CLIENT_ID must be 1 to 64 of the characters A-Z a-z 0-9 . _ ~ -");
        assert_eq!(fault("GATEWRIGHT_ADMIN_CLIENT_SECRET", "short"), "GATEWRIGHT_ADMIN_CLIENT_SECRET must have 32 characters or more");
        assert_eq!(fault("GATEWRIGHT_DYNAMODB_PORT", "-1"), "GATEWRIGHT_DYNAMODB_PORT must be a port number, 0 to 65535");
        assert_eq!(fault("PORT", "9000"), "");
    }
}

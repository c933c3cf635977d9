//! The embedded DynamoDB, behind a loopback port so that the real SDK talks to it.

use std::path::Path;

use shared::runtime::Error;
use tokio::net::TcpListener;

/// An embedded engine; it ends with the process.
pub struct Engine {
    url: String,
    database: dynoxide::Database,
}

impl Engine {
    /// Starts an engine on `port` (0: any), with its data in `directory`, or in memory only.
    ///
    /// # Errors
    /// Where the port is taken or the file cannot be opened.
    pub async fn start(directory: Option<&Path>, port: u16) -> Result<Self, Error> {
        let database = match directory {
            None => dynoxide::Database::memory(),
            Some(directory) => dynoxide::Database::new(&directory.join("table.sqlite").to_string_lossy()),
        };
        let database = database.map_err(|error| Error::new(format!("the embedded table cannot be opened: {error}")))?;
        let listener = TcpListener::bind(("127.0.0.1", port)).await;
        let listener = listener.map_err(|error| Error::new(format!("GATEWRIGHT_DYNAMODB_PORT {port} cannot be used: {error}")))?;
        let address = listener.local_addr().map_err(|error| Error::new(error.to_string()))?;
        tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database.clone(), std::future::pending()));
        Ok(Self { url: format!("http://{address}"), database })
    }

    /// Where the engine is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Deletes what is past its TTL, which AWS does within days and this engine only when it is told to.
    pub fn sweep_ttl(&self) {
        if let Err(error) = self.database.sweep_ttl() {
            log::warn!(reason = error.to_string(); "expired items were not deleted");
        }
    }
}

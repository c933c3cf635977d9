//! The admin API, reached either way: one implementation of its rules, one way to read its answers.

use http::Method;
use serde_json::Value;
use shared::oauth::api::ADMIN_AUDIENCE;

use crate::fault::Fault;
use crate::http_client::HttpClient;
use crate::place::{LocalRun, Place, variable};
use crate::reasons;
use crate::table::Table;

/// An admin API that answers.
pub enum Server {
    /// In this process, on the table, under IAM.
    Table(Box<Table>),
    /// A running one, with an access token for it.
    Running(Box<HttpClient>, String),
}

impl Server {
    /// Reaches the server that is meant.
    ///
    /// # Errors
    /// Where none is named or it cannot be reached.
    pub async fn reach(url: Option<&str>) -> Result<Self, Fault> {
        match Place::find(url, &variable, LocalRun::find(&variable))? {
            Place::Table => Ok(Self::Table(Box::new(Table::open(&variable).await?))),
            Place::Server(issuer, credentials) => {
                let http = HttpClient::new(issuer);
                let answer = http.token(&credentials, &[("resource", ADMIN_AUDIENCE)])?;
                let token = answer.get("access_token").and_then(Value::as_str).unwrap_or_default().to_owned();
                Ok(Self::Running(Box::new(http), token))
            }
        }
    }

    /// The answer to a request; the path begins after `/admin/v1`.
    ///
    /// # Errors
    /// What the server says where it refuses.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Fault> {
        let (status, answer) = match self {
            Self::Table(table) => table.ask(method, path, body).await?,
            Self::Running(http, token) => http.admin(token, method, path, body)?,
        };
        if status.is_success() {
            return Ok(serde_json::from_slice(&answer).unwrap_or_default());
        }
        let fault = Fault::of_answer(status, &answer);
        match (self, reasons::last()) {
            (Self::Table(_), Some(reason)) if status.is_server_error() => Err(fault.because(&reason)),
            _ => Err(fault),
        }
    }
}

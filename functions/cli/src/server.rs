//! The admin API, reached either way: one implementation of its rules, one way to read its answers.

use http::{Method, StatusCode};
use serde_json::{Value, json};
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

    /// Every page of a list as one; the values of its filters need no encoding.
    ///
    /// # Errors
    /// What the server says where it refuses.
    pub async fn list(&self, path: &str, filters: &[(&str, &str)]) -> Result<Value, Fault> {
        let filters: String = filters.iter().map(|(name, value)| format!("&{name}={value}")).collect();
        let mut items = Vec::new();
        let mut cursor = None;
        loop {
            let query = cursor.map_or_else(|| format!("limit=100{filters}"), |cursor| format!("limit=100{filters}&cursor={cursor}"));
            let page = self.ask(Method::GET, &format!("{path}?{query}"), None).await?;
            items.extend(page.get("items").and_then(Value::as_array).cloned().unwrap_or_default());
            cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                return Ok(json!({"items": items, "next_cursor": null}));
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
            Self::Running(http, token) => http.ask(token, method, &format!("/admin/v1{path}"), body)?,
        };
        self.read(status, &answer)
    }

    /// The diagnosis of a call.
    ///
    /// # Errors
    /// What the server says where it refuses to answer.
    pub async fn diagnose(&self, question: &Value) -> Result<Value, Fault> {
        let (status, answer) = match self {
            Self::Table(table) => table.diagnose(question).await?,
            Self::Running(http, token) => http.ask(token, Method::POST, "/oauth2/diagnose", Some(question))?,
        };
        self.read(status, &answer)
    }

    fn read(&self, status: StatusCode, answer: &[u8]) -> Result<Value, Fault> {
        if status.is_success() {
            return Ok(serde_json::from_slice(answer).unwrap_or_default());
        }
        let fault = Fault::of_answer(status, answer);
        match (self, reasons::last()) {
            (Self::Table(_), Some(reason)) if status.is_server_error() => Err(fault.because(&reason)),
            _ => Err(fault),
        }
    }
}

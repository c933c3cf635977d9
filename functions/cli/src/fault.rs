//! Why a command did not do what it was asked to: a sentence, and where the server listed faults, those.

use std::fmt;

use http::StatusCode;
use serde_json::Value;

use crate::output::plain;

/// A sentence for the person at the terminal.
#[derive(Debug)]
pub struct Fault {
    sentence: String,
    details: Vec<String>,
}

impl Fault {
    /// A fault that one sentence tells.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), details: Vec::new() }
    }

    /// What an answer of the admin API (RFC 9457) or of the token endpoint (RFC 6749 §5.2) says.
    pub fn of_answer(status: StatusCode, body: &[u8]) -> Self {
        let said: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &Value, member: &str| value.get(member).and_then(Value::as_str).map(plain);
        let sentence = match (text(&said, "error"), text(&said, "detail").or_else(|| text(&said, "error_description"))) {
            (Some(code), Some(description)) => format!("{code}: {description}"),
            (None, Some(sentence)) | (Some(sentence), None) => sentence,
            (None, None) => format!("the server answered {status} and nothing that can be read"),
        };
        let errors = said.get("errors").and_then(Value::as_array).into_iter().flatten();
        let details = errors.map(|fault| format!("{} {}", text(fault, "pointer").unwrap_or_default(), text(fault, "detail").unwrap_or_default()));
        Self { sentence, details: details.collect() }
    }

    /// The same, with what the server tells its callers put as the command line has it.
    pub fn in_place_of(mut self, theirs: &str, ours: &str) -> Self {
        self.sentence = self.sentence.replace(theirs, ours);
        self
    }

    /// The same, because of this.
    pub fn because(mut self, reason: &str) -> Self {
        self.sentence = format!("{} ({})", self.sentence, plain(reason));
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)?;
        self.details.iter().try_for_each(|detail| write!(f, "\n  {}", detail.trim()))
    }
}

impl From<shared::runtime::Error> for Fault {
    fn from(error: shared::runtime::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<shared::runtime::ConfigError> for Fault {
    fn from(error: shared::runtime::ConfigError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<shared::store::StoreError> for Fault {
    fn from(error: shared::store::StoreError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<shared::endpoints::KeyringError> for Fault {
    fn from(error: shared::endpoints::KeyringError) -> Self {
        Self::new(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, body: &str) -> String {
        Fault::of_answer(StatusCode::from_u16(status).unwrap(), body.as_bytes()).to_string()
    }

    #[test]
    fn a_problem_is_told_with_its_faults() {
        let body = r#"{"title":"Bad Request","status":400,"detail":"the request has faults, see errors","errors":[{"pointer":"/scopes/0","detail":"is none"},{"pointer":"","detail":"must be a JSON object"}]}"#;
        assert_eq!(told(400, body), "the request has faults, see errors\n  /scopes/0 is none\n  must be a JSON object");
    }

    #[test]
    fn an_oauth_error_is_told_with_its_code() {
        assert_eq!(told(401, r#"{"error":"invalid_client","error_description":"no"}"#), "invalid_client: no");
        assert_eq!(told(400, r#"{"error":"invalid_grant"}"#), "invalid_grant");
    }

    #[test]
    fn what_is_no_json_is_not_printed() {
        assert_eq!(told(502, "<html>\u{1b}[31m"), "the server answered 502 Bad Gateway and nothing that can be read");
        assert_eq!(told(400, r#"{"detail":"a\u001b[31mb"}"#), "a\u{fffd}[31mb");
    }
}

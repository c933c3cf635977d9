//! HTTP to a running server: no redirects, a bound on time, the machine's own certificates (or those of `SSL_CERT_FILE`).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use serde_json::Value;
use shared::oauth::ids::Issuer;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::fault::Fault;
use crate::place::Credentials;

/// An answer: its status and its body.
pub type Answer = (StatusCode, Vec<u8>);

/// A way to one server.
pub struct HttpClient {
    agent: Agent,
    issuer: Issuer,
}

impl HttpClient {
    /// A client of this server.
    pub fn new(issuer: Issuer) -> Self {
        let mut config = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(30)))
            // A redirect would carry credentials to a place that nobody named.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("gatewright/", env!("CARGO_PKG_VERSION")));
        if issuer.as_str().starts_with("https:") {
            // A certificate that cannot be read is one that nothing is trusted by.
            let certificates = rustls_native_certs::load_native_certs().certs;
            let roots = certificates.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
            let tls = TlsConfig::builder()
                .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .root_certs(RootCerts::Specific(Arc::new(roots)));
            config = config.tls_config(tls.build());
        }
        Self { agent: config.build().new_agent(), issuer }
    }

    /// An access token by client credentials: the whole answer.
    ///
    /// # Errors
    /// Where the server cannot be reached or refuses.
    pub fn token(&self, credentials: &Credentials, parameters: &[(&str, &str)]) -> Result<Value, Fault> {
        let mut form = "grant_type=client_credentials".to_owned();
        for (name, value) in parameters {
            form.push_str(&format!("&{name}={}", encoded(value)));
        }
        let pair = format!("{}:{}", encoded(&credentials.client_id), encoded(&credentials.client_secret));
        let request = Request::post(format!("{}/oauth2/token", self.issuer.as_str()))
            .header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let (status, body) = self.send(request, Some(form))?;
        let answer: Option<Value> = serde_json::from_slice(&body).ok();
        let is_token = |answer: &Value| answer.get("access_token").is_some_and(Value::is_string);
        answer.filter(|answer| status == StatusCode::OK && is_token(answer)).ok_or_else(|| Fault::of_answer(status, &body))
    }

    /// The server's answer to an administrator; the path begins after the issuer.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub fn ask(&self, token: &str, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Fault> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.issuer.as_str()))
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json");
        self.send(request, body.map(Value::to_string))
    }

    fn send(&self, request: http::request::Builder, body: Option<String>) -> Result<Answer, Fault> {
        let unusable = |error: http::Error| Fault::new(error.to_string());
        let sent = match body {
            Some(body) => self.agent.run(request.body(body).map_err(unusable)?),
            None => self.agent.run(request.body(()).map_err(unusable)?),
        };
        let unreachable = |error: ureq::Error| Fault::new(format!("{} does not answer: {error}", self.issuer.as_str()));
        let mut response = sent.map_err(unreachable)?;
        let body = response.body_mut().read_to_vec().map_err(unreachable)?;
        Ok((response.status(), body))
    }
}

/// A value as it stands in a form or in a query.
pub fn encoded(value: &str) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    value.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_before_they_are_joined() {
        //= https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
        //= type=test
        //# The client identifier is encoded using the "application/x-www-form-urlencoded" encoding algorithm per Appendix B
        assert_eq!(encoded("a:b %+é~"), "a%3Ab%20%25%2B%C3%A9~");
    }

    #[test]
    fn the_machine_has_certificates_for_https() {
        HttpClient::new(Issuer::parse("https://as.example").unwrap());
    }
}

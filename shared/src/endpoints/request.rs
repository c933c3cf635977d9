//! A request as an endpoint sees it, whichever way it came: every event shape of Lambda and the local server make the same value.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Method};

use super::respond::Refusal;
use crate::oauth::error::TokenError;
use crate::oauth::form::Form;
use crate::oauth::ids::Issuer;

/// The longest body that is read, in bytes.
pub const LONGEST_BODY: usize = 64 * 1024;

/// An HTTP request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path as it was sent, without the query and without the gateway's stage.
    pub path: String,
    /// The decoded query parameters, in order.
    pub query: Vec<(String, String)>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decoded where the gateway had encoded it.
    pub body: Bytes,
    /// Where it came from, as the gateway says; no header is believed (LO-05, HT-13).
    pub source: Option<IpAddr>,
}

impl Request {
    /// The path under the issuer: what follows the issuer's own path, where the gateway has kept that (a base path mapping, a stage).
    pub fn path_under<'a>(&'a self, issuer: &Issuer) -> &'a str {
        let rest = self.path.strip_prefix(issuer.path()).filter(|rest| rest.starts_with('/'));
        rest.unwrap_or(&self.path)
    }

    /// Every `Authorization` header.
    pub fn authorization(&self) -> Vec<&[u8]> {
        self.headers.get_all(AUTHORIZATION).iter().map(http::HeaderValue::as_bytes).collect()
    }

    /// The one value of the query parameter `name`; `None` where it is absent, empty or repeated.
    pub fn query(&self, name: &str) -> Option<&str> {
        let mut values = self.query.iter().filter(|(key, _)| key == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) if !value.is_empty() => Some(value),
            _ => None,
        }
    }

    /// The form in the body of a POST to `path`, and nothing else.
    pub(super) fn form(&self, issuer: &Issuer, path: &str) -> Result<Form, Refusal> {
        Ok(Form::parse(self.form_body(issuer, path)?)?)
    }

    /// The form of a page, in the body of a POST to `path`.
    pub(super) fn form_of_page(&self, issuer: &Issuer, path: &str) -> Result<Form, Refusal> {
        Ok(Form::with_repeats(self.form_body(issuer, path)?)?)
    }

    fn form_body(&self, issuer: &Issuer, path: &str) -> Result<&[u8], Refusal> {
        if self.path_under(issuer) != path {
            return Err(Refusal::NotFound);
        }
        //= https://www.rfc-editor.org/rfc/rfc6749#section-3.2
        //# The client MUST use the HTTP "POST" method when making access token requests.
        if self.method != Method::POST {
            return Err(Refusal::MethodNotAllowed("POST"));
        }
        self.small_and_plain()?;
        let content_type = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(TokenError::invalid_request("the body must be application/x-www-form-urlencoded").into());
        }
        Ok(&self.body)
    }

    /// Refuses a body that is too long to be read or compressed.
    pub(super) fn small_and_plain(&self) -> Result<(), Refusal> {
        if self.body.len() > LONGEST_BODY {
            return Err(Refusal::TooLarge);
        }
        match self.headers.get(CONTENT_ENCODING) {
            Some(coding) if coding != "identity" => Err(Refusal::Compressed),
            _ => Ok(()),
        }
    }
}

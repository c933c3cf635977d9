//! Identifiers: text that has been read once and is then known to be well formed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A client identifier (RFC 6749 §2.2): 1 to 64 of `A-Z a-z 0-9 . _ ~ -`, compared byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientId(String);

impl ClientId {
    /// Reads a client identifier; `None` where a character or the length is not allowed.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        (is_bounded(text, 64) && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    /// The identifier as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ClientId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a client id has 1 to 64 of the characters A-Z a-z 0-9 . _ ~ -")
    }
}

impl From<ClientId> for String {
    fn from(id: ClientId) -> Self {
        id.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an Api, a role or a realm: 1 to 64 of `A-Z a-z 0-9 . _ -`, so that lists of names never need quoting.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// Reads a name; `None` where a character or the length is not allowed.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        (is_bounded(text, 64) && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    /// A name that stands in the source, so that it needs no reading.
    pub(crate) fn constant(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a name has 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The issuer identifier (RFC 8414 §2): `https`, or `http` on a loopback address; no query, no fragment, no trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    url: String,
    path_at: usize,
}

impl Issuer {
    /// Reads the issuer. The error says what is wrong with it.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        let rest = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => rest,
            (_, Some(rest)) if is_loopback(rest) => rest,
            (_, Some(_)) => return Err("must be https (http only on a loopback address)"),
            _ => return Err("must be an absolute https URL"),
        };
        if rest.is_empty() || rest.starts_with('/') {
            return Err("must name a host");
        }
        if url.ends_with('/') {
            return Err("must not end in a slash");
        }
        if !url.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"\\<>".contains(&byte)) {
            return Err("must have no query, no fragment and no spaces");
        }
        let path_at = url.len() - rest.find('/').map_or(0, |at| rest.len() - at);
        Ok(Self { url: url.to_owned(), path_at })
    }

    /// The issuer, byte for byte as configured.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The path component, empty where there is none (`/prod` for `https://host/prod`).
    pub fn path(&self) -> &str {
        self.url.get(self.path_at..).unwrap_or_default()
    }

    /// Scheme, host and port, without the path.
    pub fn origin(&self) -> &str {
        self.url.get(..self.path_at).unwrap_or_default()
    }
}

fn is_loopback(authority_and_path: &str) -> bool {
    let authority = authority_and_path.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    matches!(host, "127.0.0.1" | "[::1]" | "localhost")
}

fn is_bounded(text: &str, longest: usize) -> bool {
    !text.is_empty() && text.len() <= longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_is_exact_and_of_one_alphabet() {
        // CA-16: nothing that merely looks like the id is the id.
        for wrong in ["", " a", "a ", "a\0", "ａ", "é", "a/b", "a#b", &"a".repeat(65)] {
            assert_eq!(ClientId::parse(wrong), None, "{wrong:?}");
        }
        assert_eq!(ClientId::parse("A.b_c~d-9").unwrap().as_str(), "A.b_c~d-9");
    }

    #[test]
    fn an_issuer_is_https_or_loopback_and_keeps_its_bytes() {
        // MD-02
        let issuer = Issuer::parse("https://as.example/prod").unwrap();
        assert_eq!((issuer.origin(), issuer.path()), ("https://as.example", "/prod"));
        assert_eq!(Issuer::parse("http://127.0.0.1:8080").unwrap().path(), "");
        for wrong in ["http://as.example", "http://127.0.0.1.evil.example", "https://", "https://a/", "https://a?b", "https://a#b", "a"] {
            assert!(Issuer::parse(wrong).is_err(), "{wrong}");
        }
    }
}

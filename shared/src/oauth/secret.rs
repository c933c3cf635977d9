//! Values that open something: they redact themselves, are compared in constant time and are stored as digests only.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::fresh::Fresh;
use super::time::Timestamp;

/// A client secret (RFC 6749 §2.3.1), as presented by a client or as just generated.
///
/// It cannot be printed or serialised by accident:
/// ```compile_fail
/// fn print(secret: shared::oauth::secret::ClientSecret) -> String { format!("{secret}") }
/// ```
/// ```compile_fail
/// fn json(secret: shared::oauth::secret::ClientSecret) -> String { serde_json::to_string(&secret).unwrap() }
/// ```
pub struct ClientSecret(String);

impl ClientSecret {
    /// A secret that somebody presented or chose.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// A new secret of 256 bits: `gw_cs_` and 43 characters.
    pub fn generate(fresh: &Fresh) -> Self {
        Self(format!("gw_cs_{}", fresh.text("client_secret")))
    }

    /// The secret itself, for the one answer that shows it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}

/// An anonymous key: it says which client's app calls, and proves nothing. It is shipped with apps, so it opens nothing that is not public.
#[cfg_attr(test, derive(PartialEq, Eq))]
pub struct AnonymousKey(String);

impl AnonymousKey {
    /// How every key begins, and no password that is tried.
    pub const PREFIX: &str = "gw_ak_";

    /// A new key of 256 bits: `gw_ak_` and 43 characters.
    pub fn generate(fresh: &Fresh) -> Self {
        Self(format!("{}{}", Self::PREFIX, fresh.text("anonymous_key")))
    }

    /// Reads a presented key; `None` where it does not have the shape of one.
    pub fn parse(text: &str) -> Option<Self> {
        has_256_bits(text.strip_prefix(Self::PREFIX)?).then(|| Self(text.to_owned()))
    }

    /// The key itself, for the one answer that shows it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AnonymousKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnonymousKey(…)")
    }
}

/// One of the (at most two) live secrets or anonymous keys of a client, as the table holds it: a salted digest and its dates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSecret {
    /// Names it in the admin API; opens nothing.
    pub secret_id: String,
    /// A salt of this one alone, base64url.
    pub salt: String,
    /// HMAC-SHA-256 of it under the salt, base64url.
    pub digest: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The UTC day it was last used on (`2026-11-20`); not noted of a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_on: Option<String>,
}

impl StoredSecret {
    /// The stored form of `secret`, made at `fresh.now`, good until `expires_at`.
    pub fn of(secret: &ClientSecret, expires_at: Option<Timestamp>, fresh: &Fresh) -> Self {
        Self::new(&secret.0, expires_at, fresh)
    }

    /// The same of an anonymous key.
    pub fn of_key(key: &AnonymousKey, expires_at: Option<Timestamp>, fresh: &Fresh) -> Self {
        Self::new(&key.0, expires_at, fresh)
    }

    fn new(text: &str, expires_at: Option<Timestamp>, fresh: &Fresh) -> Self {
        let salt = fresh.id("client_secret_salt");
        Self {
            digest: URL_SAFE_NO_PAD.encode(salted(&salt, text)),
            salt,
            secret_id: fresh.hex_id("secret_id"),
            created_at: fresh.now,
            expires_at,
            last_used_on: None,
        }
    }

    /// Whether `secret` is this one, in time that does not depend on how much of it is right.
    pub fn matches(&self, secret: &ClientSecret) -> bool {
        self.is(&secret.0)
    }

    /// The same of an anonymous key.
    pub fn matches_key(&self, key: &AnonymousKey) -> bool {
        self.is(&key.0)
    }

    fn is(&self, text: &str) -> bool {
        let presented = URL_SAFE_NO_PAD.encode(salted(&self.salt, text));
        verify_slices_are_equal(presented.as_bytes(), self.digest.as_bytes()).is_ok()
    }

    /// Whether it may still be used at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

fn salted(salt: &str, text: &str) -> hmac::Tag {
    #[cfg(test)]
    DIGESTS.set(DIGESTS.get() + 1);
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt.as_bytes()), text.as_bytes())
}

/// Whether `text` spells 256 bits. Decoding refuses other alphabets, padding and stray trailing bits: one value has exactly one spelling
/// (TE-27).
fn has_256_bits(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bits| bits.len() == 32)
}

#[cfg(test)]
thread_local!(static DIGESTS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) });

/// How many digests of secrets this thread has made.
#[cfg(test)]
pub(crate) fn digests_made() -> usize {
    DIGESTS.get()
}

/// An opaque access token: `gw_at_` and 43 characters, 256 bits, with no structure.
pub struct OpaqueToken(String);

impl OpaqueToken {
    const PREFIX: &str = "gw_at_";

    /// A new token.
    pub fn generate(fresh: &Fresh) -> Self {
        Self(format!("{}{}", Self::PREFIX, fresh.text("access_token")))
    }

    /// Reads a presented token; `None` where it does not have the shape of one.
    pub fn parse(text: &str) -> Option<Self> {
        has_256_bits(text.strip_prefix(Self::PREFIX)?).then(|| Self(text.to_owned()))
    }

    /// The token itself, for the one answer that shows it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the table knows the token by, and its `jti`: SHA-256 over its kind and value, base64url.
    pub fn digest(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, format!("opaque access token\n{}", self.0).as_bytes()))
    }
}

impl fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpaqueToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(seed: u8) -> Fresh {
        Fresh::new(Timestamp::from_unix(1_000), [seed; 32])
    }

    #[test]
    fn a_secret_matches_only_itself_and_is_not_in_its_stored_form() {
        // SE-01, SE-03, O-14
        let secret = ClientSecret::generate(&fresh(1));
        let stored = StoredSecret::of(&secret, None, &fresh(1));
        assert!(stored.matches(&secret));
        assert!(!stored.matches(&ClientSecret::new(format!("{}x", secret.expose()))));
        assert!(!stored.matches(&ClientSecret::new(String::new())));
        let json = serde_json::to_string(&stored).unwrap();
        let plain = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, secret.expose().as_bytes()));
        assert!(!json.contains(secret.expose()) && !json.contains(&plain));
        assert_eq!(secret.expose().len(), "gw_cs_".len() + 43);
    }

    #[test]
    fn a_secret_expires() {
        // CA-30
        let stored = StoredSecret::of(&ClientSecret::generate(&fresh(1)), Some(Timestamp::from_unix(2_000)), &fresh(1));
        assert!(stored.is_live(Timestamp::from_unix(1_999)));
        assert!(!stored.is_live(Timestamp::from_unix(2_000)));
    }

    #[test]
    fn debug_is_redacted() {
        let secret = ClientSecret::generate(&fresh(1));
        let token = OpaqueToken::generate(&fresh(1));
        let key = AnonymousKey::generate(&fresh(1));
        assert_eq!(format!("{secret:?} {token:?} {key:?}"), "ClientSecret(…) OpaqueToken(…) AnonymousKey(…)");
    }

    #[test]
    fn an_opaque_token_has_one_spelling() {
        // TE-27
        let token = OpaqueToken::generate(&fresh(1)).expose().to_owned();
        assert!(OpaqueToken::parse(&token).is_some());
        let shortened = &token[..token.len() - 1];
        for altered in [shortened.to_owned(), format!("{token}A"), format!("{token}="), format!(" {token}"), token.replace("gw_at_", "gw_rt_")] {
            assert!(OpaqueToken::parse(&altered).is_none(), "{altered}");
        }
    }

    #[test]
    fn an_anonymous_key_is_told_by_its_shape_and_matches_only_itself() {
        // M-05, SE-01
        let key = AnonymousKey::generate(&fresh(1));
        let text = key.expose();
        assert_eq!((text.len(), AnonymousKey::parse(text).is_some()), ("gw_ak_".len() + 43, true));
        for altered in [text[..text.len() - 1].to_owned(), format!("{text}A"), text.replace("gw_ak_", "gw_cs_"), text.replace("gw_ak_", "")] {
            assert!(AnonymousKey::parse(&altered).is_none(), "{altered}");
        }
        let stored = StoredSecret::of_key(&key, None, &fresh(1));
        assert!(stored.matches_key(&key) && !stored.matches_key(&AnonymousKey::generate(&fresh(2))));
        assert!(!serde_json::to_string(&stored).unwrap().contains(&text["gw_ak_".len()..]));
    }
}

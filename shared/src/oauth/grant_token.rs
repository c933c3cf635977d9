//! Authorization codes and refresh tokens as they are shown and as the table knows them.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// Names a grant; opens nothing by itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GrantId(String);

impl GrantId {
    /// Reads an identifier: 22 characters of base64url.
    pub fn parse(text: &str) -> Option<Self> {
        (URL_SAFE_NO_PAD.decode(text).ok()?.len() == 16).then(|| Self(text.to_owned()))
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for GrantId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a grant id is 22 characters of base64url")
    }
}

impl From<GrantId> for String {
    fn from(id: GrantId) -> Self {
        id.0
    }
}

/// An authorization code or a refresh token: which grant it belongs to, and 256 bits that open it. On the wire `gw_ac_` or `gw_rt_`, the
/// grant, a dot, the secret. The kinds cannot be taken for each other (CVE-2026-4282).
pub struct GrantToken {
    pub(super) kind: Kind,
    /// Which grant.
    pub grant_id: GrantId,
    pub(super) secret: [u8; 32],
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An authorization code.
    Code,
    /// A refresh token.
    Refresh,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Code => "gw_ac_",
            Self::Refresh => "gw_rt_",
        }
    }
}

impl GrantToken {
    /// Reads a presented token of this kind; `None` where it does not have the shape of one. It has one spelling (TE-27).
    pub fn parse(kind: Kind, text: &str) -> Option<Self> {
        let (grant_id, secret) = text.strip_prefix(kind.prefix())?.split_once('.')?;
        let secret = URL_SAFE_NO_PAD.decode(secret).ok()?;
        Some(Self { kind, grant_id: GrantId::parse(grant_id)?, secret: secret.try_into().ok()? })
    }

    /// The token itself, for the one answer that shows it.
    pub fn expose(&self) -> String {
        format!("{}{}.{}", self.kind.prefix(), self.grant_id.as_str(), URL_SAFE_NO_PAD.encode(self.secret))
    }

    /// What the table knows it by.
    pub(super) fn digest(&self) -> Digest {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(self.kind.prefix().as_bytes());
        context.update(&self.secret);
        Digest(URL_SAFE_NO_PAD.encode(context.finish()))
    }

    /// The refresh token that follows this one in its family: who has the grant's own bits and this token can make it, nobody else.
    pub(super) fn successor(&self, salt: &str) -> Self {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt.as_bytes()), &self.secret);
        let mut secret = [0; 32];
        secret.copy_from_slice(tag.as_ref());
        Self { kind: Kind::Refresh, grant_id: self.grant_id.clone(), secret }
    }
}

impl fmt::Debug for GrantToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantToken({:?} …)", self.kind)
    }
}

/// What the table knows a code or refresh token by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest(String);

impl Digest {
    /// Whether it is this token's, in time that does not depend on how much of it is right.
    pub(super) fn is_of(&self, token: &GrantToken) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), token.digest().0.as_bytes()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_no_refresh_token_and_both_have_one_spelling() {
        // TE-26, TE-27
        let grant_id = GrantId::parse("7LVJjTqI1piln9HuHup8MA").unwrap();
        let code = GrantToken { kind: Kind::Code, grant_id, secret: [7; 32] };
        let text = code.expose();
        assert!(GrantToken::parse(Kind::Code, &text).is_some() && GrantToken::parse(Kind::Refresh, &text).is_none());
        assert!(GrantToken::parse(Kind::Refresh, &text.replace("gw_ac_", "gw_rt_")).unwrap().digest() != code.digest());
        let altered = [text[..text.len() - 1].to_owned(), format!("{text}A"), format!("{text}="), format!(" {text}"), text.replace('.', "")];
        for wrong in altered {
            assert!(GrantToken::parse(Kind::Code, &wrong).is_none(), "{wrong}");
        }
        assert_eq!(format!("{code:?}"), "GrantToken(Code …)");
    }
}

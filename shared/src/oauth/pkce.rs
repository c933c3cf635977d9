//! Proof Key for Code Exchange (RFC 7636), with `S256` and nothing else.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// What a client says of its verifier before it shows it (RFC 7636 §4.2): 43 characters of base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CodeChallenge(String);

impl CodeChallenge {
    /// Reads a challenge; `None` where it is not SHA-256 in base64url.
    pub fn parse(text: &str) -> Option<Self> {
        let bits = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bits.len() == 32).then(|| Self(text.to_owned()))
    }

    /// Whether `verifier` is the one that the challenge was made of.
    pub fn matches(&self, verifier: &CodeVerifier) -> bool {
        //= https://www.rfc-editor.org/rfc/rfc7636#section-4.6
        //# If the "code_challenge_method" from Section 4.3 was "S256", the received "code_verifier" is hashed by SHA-256,
        //# base64url-encoded, and then compared to the "code_challenge"
        let made = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.0.as_bytes()));
        verify_slices_are_equal(made.as_bytes(), self.0.as_bytes()).is_ok()
    }
}

impl TryFrom<String> for CodeChallenge {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a code challenge is 43 characters of base64url")
    }
}

impl From<CodeChallenge> for String {
    fn from(challenge: CodeChallenge) -> Self {
        challenge.0
    }
}

/// A code verifier (RFC 7636 §4.1): 43 to 128 unreserved characters.
pub struct CodeVerifier(String);

impl CodeVerifier {
    /// Reads a verifier; `None` where a character or the length is not allowed.
    pub fn parse(text: &str) -> Option<Self> {
        //= https://www.rfc-editor.org/rfc/rfc7636#section-4.1
        //# code-verifier = 43*128unreserved
        let is_one = (43..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        is_one.then(|| Self(text.to_owned()))
    }
}

impl std::fmt::Debug for CodeVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeVerifier(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        // PK-01
        //= https://www.rfc-editor.org/rfc/rfc7636#appendix-B
        //= type=test
        //# E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM
        let challenge = CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        let verifier = |text| CodeVerifier::parse(text).unwrap();
        assert!(challenge.matches(&verifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")));
        // PK-06
        assert!(!challenge.matches(&verifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK")));
        assert!(!challenge.matches(&verifier("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")));
    }

    #[test]
    fn challenges_and_verifiers_are_exact() {
        // PK-04, PK-05
        let good = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        for wrong in [&good[..42], &format!("{good}A"), &format!("{good}="), "", &good.replace('-', "+"), &"A".repeat(128)] {
            assert!(CodeChallenge::parse(wrong).is_none(), "{wrong}");
        }
        for wrong in
            [&"a".repeat(42), &"a".repeat(129), &format!("{} ", "a".repeat(43)), &format!("{}!", "a".repeat(43)), &format!("{}\n", "a".repeat(43))]
        {
            assert!(CodeVerifier::parse(wrong).is_none(), "{wrong}");
        }
        assert!(CodeVerifier::parse(&"a".repeat(128)).is_some());
    }
}

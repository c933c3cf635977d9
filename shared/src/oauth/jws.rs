//! The compact JWS of our own access tokens (RFC 7515 §3.1), read as strictly as only an issuer can that is its own audience.
//!
//! We write three header members, so three are read and any other is refused: `crit`, `jwk`, `jku`, `x5c`, `zip`, `b64` have no meaning
//! here that could be got wrong. The algorithm comes from the key that `kid` names, never from the token (RFC 8725 §3.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{Deserialize, Serialize};

use super::api::SigningAlg;

/// Longer than any token that we issue; a longer text is not looked at (A-09, JW-20).
const LONGEST_TOKEN: usize = 8_192;

const TYP: &str = "at+jwt";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    typ: &'a str,
    alg: SigningAlg,
    kid: &'a str,
}

/// A token taken apart; nothing of it is proven yet.
#[derive(Debug)]
pub struct UnverifiedJws<'a> {
    kid: String,
    alg: SigningAlg,
    message: &'a str,
    payload: Vec<u8>,
    signature: &'a str,
}

/// The payload of a token whose signature was verified.
#[derive(Debug)]
pub struct VerifiedPayload(Vec<u8>);

impl VerifiedPayload {
    /// The JSON that was signed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<'a> UnverifiedJws<'a> {
    /// Takes a token apart; `None` where it is not a compact JWS of ours.
    pub fn parse(token: &'a str) -> Option<Self> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let (message, signature) = token.rsplit_once('.')?;
        // Cut off with its dot, a signature is as absent as without it.
        let (message, signature) = if message.contains('.') { (message, signature) } else { (token, "") };
        let (header, payload) = message.split_once('.')?;
        // base64 without padding, canonical trailing bits only: one token has one spelling. A further dot is no base64.
        let header = URL_SAFE_NO_PAD.decode(header).ok()?;
        let Header { typ, alg, kid } = serde_json::from_slice(&header).ok()?;
        //= https://www.rfc-editor.org/rfc/rfc9068#section-4
        //# The resource server MUST verify that the "typ" header value is "at+jwt" or "application/at+jwt" and reject tokens
        //# carrying any other value.
        if typ != TYP && typ != "application/at+jwt" {
            return None;
        }
        let kid = kid.to_owned();
        Some(Self { kid, alg, message, payload: URL_SAFE_NO_PAD.decode(payload).ok()?, signature })
    }

    /// The key that the token says it was signed with.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Whether nothing stands where the signature belongs.
    pub fn is_unsigned(&self) -> bool {
        self.signature.is_empty()
    }

    /// The payload, if `key` signed it.
    pub fn verify(self, key: &VerificationKey) -> Option<VerifiedPayload> {
        let algorithm = match key.alg {
            SigningAlg::ES256 => Algorithm::ES256,
            SigningAlg::RS256 => Algorithm::RS256,
        };
        //= https://www.rfc-editor.org/rfc/rfc8725#section-3.1
        //# each key MUST be used with exactly one algorithm, and this MUST be checked when the cryptographic operation is performed
        let is_signed = self.kid == key.kid
            && self.alg == key.alg
            && jsonwebtoken::crypto::verify(self.signature, self.message.as_bytes(), &key.key, algorithm).unwrap_or(false);
        is_signed.then_some(VerifiedPayload(self.payload))
    }
}

/// What a token says, unproven and however it ends: for diagnosis only.
pub fn unverified_claims(token: &str) -> Option<serde_json::Value> {
    let payload = token.split('.').nth(1).filter(|_| token.len() <= LONGEST_TOKEN)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// A public key, prepared once for any number of verifications.
#[derive(Debug, Clone)]
pub struct VerificationKey {
    pub(crate) kid: String,
    pub(crate) alg: SigningAlg,
    pub(crate) key: DecodingKey,
}

impl VerificationKey {
    /// The key's name.
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

/// `BASE64URL(header) . BASE64URL(payload)`, ready to be signed by the key `kid` (RFC 7515 §5.1).
pub fn signing_input(kid: &str, alg: SigningAlg, payload: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut input = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&Header { typ: TYP, alg, kid })?);
    input.push('.');
    URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(payload)?, &mut input);
    Ok(input)
}

/// The whole token: `input` and the signature over it.
pub fn compact(mut input: String, signature: &[u8]) -> String {
    input.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut input);
    input
}

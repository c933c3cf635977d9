//! What AWS documents of its own verifiers: models, made of the pages that docs/verifiers.md names, and no more than these say.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

/// A verifier, as far as it is documented.
pub struct Documented {
    pub name: &'static str,
    pub es256: Es256,
    keys: KeysBy,
    audience: AudienceBy,
    most_keys: usize,
    most_bytes: usize,
}

/// What the pages say of ES256.
#[derive(PartialEq)]
pub enum Es256 {
    Refused,
    /// Takes the algorithms that it is told; which it can be told we could not read.
    AsConfigured,
    NotSaid,
}

/// Where a verifier finds the key set.
enum KeysBy {
    /// By the `jwks_uri` of `<issuer>/.well-known/openid-configuration`.
    Discovery,
    /// By a URL that it is given, no longer than 256 characters, as the issuer.
    Url,
}

/// Which claim a verifier compares with the audiences that it was given.
enum AudienceBy {
    /// `aud`; `client_id` only where there is no `aud`.
    AudOrClientId,
    Aud,
}

/// What an administrator tells a verifier.
#[derive(Clone)]
pub struct Configured {
    pub issuer: String,
    pub audience: String,
}

pub const DOCUMENTED: [Documented; 5] = [
    Documented {
        name: "HTTP API JWT authorizer",
        es256: Es256::Refused,
        keys: KeysBy::Discovery,
        audience: AudienceBy::AudOrClientId,
        most_keys: usize::MAX,
        most_bytes: 150_000,
    },
    Documented {
        name: "REST API JWT authorizer",
        es256: Es256::AsConfigured,
        keys: KeysBy::Discovery,
        audience: AudienceBy::Aud,
        most_keys: usize::MAX,
        most_bytes: usize::MAX,
    },
    // Compares `aud` only where it is told to, by an additional claim; here it is.
    Documented {
        name: "Application Load Balancer",
        es256: Es256::Refused,
        keys: KeysBy::Url,
        audience: AudienceBy::Aud,
        most_keys: 10,
        most_bytes: 150_000,
    },
    Documented {
        name: "Verified Permissions",
        es256: Es256::NotSaid,
        keys: KeysBy::Discovery,
        audience: AudienceBy::Aud,
        most_keys: usize::MAX,
        most_bytes: usize::MAX,
    },
    Documented {
        name: "AgentCore",
        es256: Es256::NotSaid,
        keys: KeysBy::Discovery,
        audience: AudienceBy::Aud,
        most_keys: usize::MAX,
        most_bytes: usize::MAX,
    },
];

impl Documented {
    /// What the verifier says at `now` to a token, with these two documents of the issuer: `ok`, or what it stumbles over.
    pub fn answer(&self, token: &str, configured: &Configured, discovery: &Value, jwks: &str, now: u64) -> &'static str {
        let jwks_uri = discovery["jwks_uri"].as_str().unwrap_or_default();
        let is_found = match self.keys {
            KeysBy::Discovery => jwks_uri.starts_with("https://"),
            KeysBy::Url => jwks_uri.starts_with("https://") && jwks_uri.len() <= 256 && configured.issuer.len() <= 256,
        };
        let set: JwkSet = serde_json::from_str(jwks).unwrap();
        if !is_found || set.keys.len() > self.most_keys || jwks.len() > self.most_bytes {
            return "key set";
        }
        let mut parts = token.split('.');
        let (header, payload, signature) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let json = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        let algorithm = match json(header)["alg"].as_str() {
            Some("RS256") => Algorithm::RS256,
            Some("ES256") if self.es256 != Es256::Refused => Algorithm::ES256,
            _ => return "alg",
        };
        let Some(jwk) = json(header)["kid"].as_str().and_then(|kid| set.find(kid)) else { return "kid" };
        if !signed(signature, &format!("{header}.{payload}"), jwk, algorithm) {
            return "signature";
        }
        let claims = json(payload);
        if claims["iss"] != configured.issuer {
            return "iss";
        }
        let audience = match self.audience {
            AudienceBy::AudOrClientId if claims["aud"].is_null() => &claims["client_id"],
            AudienceBy::AudOrClientId | AudienceBy::Aud => &claims["aud"],
        };
        if *audience != configured.audience && !audience.as_array().is_some_and(|list| list.iter().any(|one| *one == configured.audience)) {
            return "aud";
        }
        // `nbf` and `iat` count where they are there; `exp` has to be.
        let is_past = |claim: &str| claims[claim].is_null() || claims[claim].as_u64().is_some_and(|at| at <= now);
        if claims["exp"].as_u64().is_none_or(|exp| exp <= now) {
            return "exp";
        }
        if is_past("nbf") && is_past("iat") { "ok" } else { "nbf or iat" }
    }
}

fn signed(signature: &str, message: &str, jwk: &Jwk, algorithm: Algorithm) -> bool {
    let key = DecodingKey::from_jwk(jwk).unwrap();
    jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, algorithm).unwrap_or(false)
}

//! Access tokens: their claims (RFC 9068 §2.2) and the record of them in the table.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::client::AccessTokenFormat;
use super::grant_token::GrantId;
use super::ids::{ClientId, Issuer, Name};
use super::jws::VerifiedPayload;
use super::time::Timestamp;
use super::token_gate::TokenFault;
use super::user::UserId;

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Names the token.
    pub jti: String,
    /// The client that it was issued to.
    pub client_id: ClientId,
    /// Whom it speaks for: a user's identifier, or the client's own.
    pub sub: String,
    /// Which of the two `sub` is (RFC 9700 §4.15: a client must not pass for a user).
    pub sub_type: SubjectType,
    /// The one audience.
    pub aud: String,
    /// The scope values, separated by spaces.
    pub scope: String,
    /// When it was issued.
    pub iat: Timestamp,
    /// From when on it is dead.
    pub exp: Timestamp,
    /// The subject's roles at issuance, for information (RFC 9068 §2.2.3.1): decisions read the table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Name>,
    /// The grant that it comes from, and dies with; `None`: it comes from none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<GrantId>,
    /// What else an administrator has it say of the user; for information.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub of_user: Map<String, Value>,
}

/// Whether a token speaks for a person or for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectType {
    /// A person.
    User,
    /// The client itself.
    Client,
}

impl SubjectType {
    /// The value of `sub_type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Client => "client",
        }
    }
}

/// A token's record in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// What the token says.
    pub claims: Claims,
    /// Its form.
    pub format: AccessTokenFormat,
    /// Since when it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// The claims as they are signed.
#[derive(Serialize)]
pub struct JwtClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    sub_type: SubjectType,
    aud: [&'a str; 1],
    client_id: &'a str,
    scope: &'a str,
    iat: Timestamp,
    exp: Timestamp,
    jti: &'a str,
    #[serde(skip_serializing_if = "<[Name]>::is_empty")]
    roles: &'a [Name],
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_id: Option<&'a GrantId>,
    #[serde(flatten)]
    of_user: &'a Map<String, Value>,
}

impl Claims {
    /// The user that the token speaks for, if it speaks for one.
    pub fn user_id(&self) -> Option<UserId> {
        UserId::parse(&self.sub).filter(|_| self.sub_type == SubjectType::User)
    }

    /// The claims set of the JWT (RFC 9068 §2.2).
    pub fn to_jwt<'a>(&'a self, issuer: &'a Issuer) -> JwtClaims<'a> {
        JwtClaims {
            iss: issuer.as_str(),
            sub: &self.sub,
            sub_type: self.sub_type,
            aud: [&self.aud],
            client_id: self.client_id.as_str(),
            scope: &self.scope,
            iat: self.iat,
            exp: self.exp,
            jti: &self.jti,
            roles: &self.roles,
            grant_id: self.grant_id.as_ref(),
            of_user: &self.of_user,
        }
    }

    /// Reads the claims of a JWT whose signature was verified.
    ///
    /// # Errors
    /// `Malformed` where a claim is missing or of the wrong JSON type, `WrongIssuer` where another issuer made it.
    pub fn from_jwt(payload: &VerifiedPayload, issuer: &Issuer) -> Result<Self, TokenFault> {
        // Checked first: the parser does not look into members that it passes over (RFC 8725 §3.7).
        let text = std::str::from_utf8(payload.as_bytes()).map_err(|_| TokenFault::Malformed)?;
        let presented: PresentedClaims = serde_json::from_str(text).map_err(|_| TokenFault::Malformed)?;
        if presented.iss != issuer.as_str() {
            return Err(TokenFault::WrongIssuer);
        }
        if presented.nbf.is_some_and(|nbf| nbf > presented.iat) {
            return Err(TokenFault::Malformed); // We never write one that is later; nothing of ours would wait for it.
        }
        let aud = match presented.aud {
            Audience::One(aud) => aud,
            Audience::List([aud]) => aud,
        };
        Ok(Self {
            jti: presented.jti,
            client_id: presented.client_id,
            sub: presented.sub,
            sub_type: presented.sub_type,
            aud,
            scope: presented.scope,
            iat: presented.iat,
            exp: presented.exp,
            roles: presented.roles,
            grant_id: presented.grant_id,
            of_user: Map::new(),
        })
    }
}

/// The claims as they are read: every type is demanded, nothing wrong passes for absent (CVE-2026-25537).
#[derive(Deserialize)]
struct PresentedClaims {
    iss: String,
    sub: String,
    sub_type: SubjectType,
    aud: Audience,
    client_id: ClientId,
    scope: String,
    iat: Timestamp,
    exp: Timestamp,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<Timestamp>,
    jti: String,
    #[serde(default)]
    roles: Vec<Name>,
    #[serde(default)]
    grant_id: Option<GrantId>,
}

/// `aud` as a string, or as a list of exactly one (RFC 7519 §4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    List([String; 1]),
}

/// A claim that may be absent, but not null.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Timestamp::deserialize(deserializer).map(Some)
}

#[cfg(test)]
pub(crate) mod fixture {
    use super::*;

    pub(crate) fn claims(iat: u64, exp: u64) -> Claims {
        Claims {
            jti: "j1".to_owned(),
            client_id: ClientId::parse("c1").unwrap(),
            sub: "c1".to_owned(),
            sub_type: SubjectType::Client,
            aud: "https://orders.example/".to_owned(),
            scope: "read".to_owned(),
            iat: Timestamp::from_unix(iat),
            exp: Timestamp::from_unix(exp),
            roles: Vec::new(),
            grant_id: None,
            of_user: Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::super::api::SigningAlg;
    use super::super::jws::UnverifiedJws;
    use super::super::keys::{KeySet, SigningKey};
    use super::fixture::claims;
    use super::*;

    fn issuer() -> Issuer {
        Issuer::parse("https://as.example").unwrap()
    }

    fn key() -> SigningKey {
        SigningKey::generate("k1".to_owned(), SigningAlg::ES256).unwrap().0
    }

    fn read(token: &str, key: &SigningKey) -> Result<Claims, TokenFault> {
        let set = KeySet::default().with_next(key.jwk().unwrap(), Timestamp::default());
        let jws = UnverifiedJws::parse(token).ok_or(TokenFault::Malformed)?;
        let payload = jws.verify(&set.verification_keys()[0]).ok_or(TokenFault::BadSignature)?;
        Claims::from_jwt(&payload, &issuer())
    }

    #[test]
    fn a_token_has_the_header_and_claims_of_rfc_9068() {
        // JW-01, JW-02, JW-03, I-19, I-20
        let key = key();
        let token = key.sign(&claims(1_000, 2_000).to_jwt(&issuer())).unwrap();
        let part =
            |n: usize| -> serde_json::Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(n).unwrap()).unwrap()).unwrap() };
        assert_eq!(part(0), serde_json::json!({"typ": "at+jwt", "alg": "ES256", "kid": "k1"}));
        assert_eq!(
            part(1),
            serde_json::json!({"iss": "https://as.example", "sub": "c1", "sub_type": "client", "aud": ["https://orders.example/"], "client_id": "c1",
                "scope": "read", "iat": 1_000, "exp": 2_000, "jti": "j1"})
        );
        assert_eq!(read(&token, &key), Ok(claims(1_000, 2_000)));
    }

    #[test]
    fn forged_headers_are_refused() {
        // JW-06, JW-07, JW-08, JW-09, JW-10, JW-11, JW-12, JW-19, JW-21, JW-22
        let key = key();
        let token = key.sign(&claims(1_000, 2_000).to_jwt(&issuer())).unwrap();
        let (_, rest) = token.split_once('.').unwrap();
        for header in [
            r#"{"typ":"at+jwt","alg":"none","kid":"k1"}"#,
            r#"{"typ":"at+jwt","alg":"nOnE","kid":"k1"}"#,
            r#"{"typ":"at+jwt","alg":"HS256","kid":"k1"}"#,
            r#"{"typ":"at+jwt","alg":"RS256","kid":"k1"}"#,
            r#"{"typ":"at+jwt","alg":null,"kid":"k1"}"#,
            r#"{"typ":"at+jwt","alg":1,"kid":"k1"}"#,
            r#"{"typ":"at+jwt","kid":"k1"}"#,
            r#"{"typ":"at+jwt","alg":"ES256"}"#,
            r#"{"alg":"ES256","kid":"k1"}"#,
            r#"{"typ":"JWT","alg":"ES256","kid":"k1"}"#,
            r#"{"typ":"AT+JWT","alg":"ES256","kid":"k1"}"#,
            r#"{"typ":"dpop+jwt","alg":"ES256","kid":"k1"}"#,
            r#"{"typ":"at+jwt","alg":"ES256","kid":"../../dev/null"}"#,
            r#"{"typ":"at+jwt","alg":"ES256","kid":["k1"]}"#,
            r#"{"typ":"at+jwt","alg":"ES256","kid":null}"#,
            r#"{"typ":"at+jwt","alg":"ES256","kid":"k1","crit":["x"]}"#,
            r#"{"typ":"at+jwt","alg":"ES256","kid":"k1","crit":[]}"#,
            r#"{"typ":"at+jwt","alg":"ES256","kid":"k1","b64":false}"#,
            r#"{"typ":"at+jwt","alg":"ES256","kid":"k1","zip":"DEF"}"#,
            r#"{"typ":"at+jwt","alg":"ES256","kid":"k1","jwk":{"kty":"EC"}}"#,
            r#"{"typ":"at+jwt","alg":"ES256","kid":"k1","jku":"https://evil.example"}"#,
            r#"{"typ":"at+jwt","alg":"ES256","kid":"k1","x5c":[]}"#,
            r#"{"alg":"none","typ":"at+jwt","alg":"ES256","kid":"k1"}"#,
            r#"{"typ":"at+jwt","ALG":"ES256","kid":"k1"}"#,
            "\u{feff}{}",
            "[]",
            "null",
            "",
        ] {
            assert!(read(&format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header)), &key).is_err(), "{header}");
        }
        let not_utf8 = URL_SAFE_NO_PAD.encode(b"{\"typ\":\"at+jwt\",\"alg\":\"ES256\",\"kid\":\"k\xff\"}");
        assert!(read(&format!("{not_utf8}.{rest}"), &key).is_err());
    }

    #[test]
    fn every_other_spelling_of_a_token_is_refused() {
        // JW-17, TE-27
        let key = key();
        let token = key.sign(&claims(1_000, 2_000).to_jwt(&issuer())).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        for other in [
            format!("{token}="),
            format!("{token}."),
            format!("{token}.x"),
            format!(".{token}"),
            format!(" {token}"),
            format!("{token}\n"),
            token.replace('.', ".."),
            format!("{}.{}", parts[0], parts[1]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}..{}", parts[0], parts[2]),
            "..".to_owned(),
            String::new(),
            format!("{}.{}.{}", parts[0], parts[1], STANDARD.encode(URL_SAFE_NO_PAD.decode(parts[2]).unwrap())),
            ".".repeat(100_000),
            "A".repeat(6_000_000),
        ] {
            assert!(read(&other, &key).is_err());
        }
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(flipped) = String::from_utf8(bytes) {
                assert!(read(&flipped, &key).is_err(), "bit of character {at}");
            }
        }
        // JW-18: r = 0, s = 0, a DER signature, a wrong length.
        for signature in [vec![0; 64], vec![0xff; 64], vec![0x30, 0x06, 2, 1, 1, 2, 1, 1], vec![1; 63], vec![1; 65]] {
            assert!(read(&format!("{}.{}.{}", parts[0], parts[1], URL_SAFE_NO_PAD.encode(signature)), &key).is_err());
        }
    }

    #[test]
    fn wrong_types_are_failures_not_absences() {
        // JW-13, JW-15, JW-16, JW-19
        let key = key();
        let good =
            r#"{"iss":"https://as.example","sub":"c1","sub_type":"client","aud":["a:b"],"client_id":"c1","scope":"read","iat":1,"exp":2,"jti":"j"}"#;
        let sign = |json: &str| key.sign(&serde_json::value::RawValue::from_string(json.to_owned()).unwrap()).unwrap();
        assert!(read(&sign(good), &key).is_ok());
        assert!(read(&sign(&good.replace(r#"["a:b"]"#, r#""a:b""#)), &key).is_ok());
        assert!(read(&sign(&good.replace(r#""iat":1"#, r#""nbf":1,"iat":1"#)), &key).is_ok());
        for (from, to) in [
            (r#""exp":2"#, r#""exp":"2""#),
            (r#""exp":2"#, r#""exp":2.5"#),
            (r#""exp":2"#, r#""exp":-2"#),
            (r#""exp":2"#, r#""exp":1e400"#),
            (r#""exp":2"#, r#""exp":true"#),
            (r#""exp":2"#, r#""exp":[2]"#),
            (r#""exp":2"#, r#""exp":null"#),
            (r#""exp":2,"#, ""),
            (r#""exp":2"#, r#""exp":2,"exp":3"#),
            (r#""exp":2"#, r#""Exp":2"#),
            (r#""iat":1"#, r#""iat":"1""#),
            (r#""iat":1"#, r#""nbf":null,"iat":1"#),
            (r#""iat":1"#, r#""nbf":"1","iat":1"#),
            (r#""iat":1"#, r#""nbf":9,"iat":1"#),
            (r#"["a:b"]"#, "1"),
            (r#"["a:b"]"#, "[]"),
            (r#"["a:b"]"#, "[null]"),
            (r#"["a:b"]"#, r#"[["a:b"]]"#),
            (r#"["a:b"]"#, r#"["a:b","c:d"]"#),
            (r#""aud":["a:b"],"#, ""),
            (r#""https://as.example""#, r#"["https://as.example"]"#),
            (r#""https://as.example""#, r#""https://as.example/""#),
            (r#""https://as.example""#, r#""https://as.exampl""#),
            (r#""https://as.example""#, r#""HTTPS://as.example""#),
            (r#""sub":"c1""#, r#""sub":1"#),
            (r#""jti":"j""#, r#""jti":null"#),
        ] {
            assert!(good.contains(from));
            assert!(read(&sign(&good.replace(from, to)), &key).is_err(), "{to}");
        }
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(read(&sign(&good.replace(r#""jti":"j""#, &format!(r#""jti":"j","x":{deep}"#))), &key).is_err(), "JW-20");
    }
}

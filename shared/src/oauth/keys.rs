//! Signing keys and their life: published before they sign, and published until the last token they signed has expired.
//!
//! A key's phase is a function of the clock and of the times in the key set, so that all nodes change over together without asking anybody.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};

use super::api::{LONGEST_TOKEN_LIFE, SigningAlg};
use super::jws::VerificationKey;
use super::time::Timestamp;

/// How long a key is published before it signs, in seconds: longer than the 2 hours that AWS's own verifiers cache a key set.
pub const PUBLISH_AHEAD: u64 = 8_100;

/// How long a key signs before the schedule replaces it, in seconds: 90 days.
pub const KEY_LIFE: u64 = 90 * 86_400;

/// How long a retired key stays published after its successor took over: the longest token life and the tolerated clock skew.
const AFTERLIFE: u64 = LONGEST_TOKEN_LIFE + 300;

/// How many keys may be published when an administrator asks for more: a load balancer of AWS takes a key set of at most 10, and the schedule
/// may add one of each algorithm.
const MOST_BY_HAND: usize = 8;

/// The public half of a signing key and its dates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedKey {
    /// The public key as it stands in the key set document.
    pub jwk: Jwk,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub active_from: Timestamp,
    /// When it was withdrawn in an emergency: from then on nothing that it signed is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<Timestamp>,
}

/// A public JSON Web Key (RFC 7517 §4); it has no member for anything private.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// The key's name.
    pub kid: String,
    /// The one algorithm that the key is used with.
    pub alg: SigningAlg,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: String,
    /// The public numbers.
    #[serde(flatten)]
    pub numbers: PublicNumbers,
}

/// The numbers of a public key (RFC 7518 §6.2.1, §6.3.1), base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kty")]
pub enum PublicNumbers {
    /// A point on P-256.
    #[serde(rename = "EC")]
    Ec {
        /// Always `P-256`.
        crv: String,
        /// Its first coordinate.
        x: String,
        /// Its second coordinate.
        y: String,
    },
    /// An RSA modulus and exponent.
    #[serde(rename = "RSA")]
    Rsa {
        /// The modulus.
        n: String,
        /// The exponent.
        e: String,
    },
}

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Published, signs nothing yet.
    Next,
    /// Signs.
    Active,
    /// Signs no more, published until its last token has expired.
    Retired,
    /// Withdrawn in an emergency: trusted by nobody.
    Withdrawn,
    /// Its last token has expired.
    Gone,
}

/// All keys of the server: one aggregate, one item, one conditional write.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeySet {
    /// The keys, oldest first.
    pub keys: Vec<PublishedKey>,
    /// Rises with every change.
    pub version: u64,
}

/// The key set document (RFC 7517 §5).
#[derive(Debug, Serialize)]
pub struct JwkSet<'a> {
    keys: Vec<&'a Jwk>,
}

impl KeySet {
    /// The phase of `key` at `now`.
    pub fn phase(&self, key: &PublishedKey, now: Timestamp) -> Phase {
        if key.withdrawn_at.is_some() {
            return Phase::Withdrawn;
        }
        if now < key.active_from {
            return Phase::Next;
        }
        // Also one that was withdrawn since: that it took over stays true, and a key that is gone does not come back.
        let is_successor = |other: &&PublishedKey| other.jwk.alg == key.jwk.alg && other.active_from > key.active_from && other.active_from <= now;
        match self.keys.iter().filter(is_successor).map(|successor| successor.active_from).min() {
            None => Phase::Active,
            Some(replaced_at) if now < replaced_at.plus(AFTERLIFE) => Phase::Retired,
            Some(_) => Phase::Gone,
        }
    }

    /// The key that signs with `alg` at `now`.
    pub fn active(&self, alg: SigningAlg, now: Timestamp) -> Option<&PublishedKey> {
        self.keys.iter().find(|key| key.jwk.alg == alg && self.phase(key, now) == Phase::Active)
    }

    /// For how many seconds the oldest key that signs has done so; 0 where none does.
    pub fn age(&self, now: Timestamp) -> u64 {
        let active = self.keys.iter().filter(|key| self.phase(key, now) == Phase::Active);
        active.map(|key| now.since(key.active_from)).max().unwrap_or_default()
    }

    /// Whether tokens signed by `kid` are to be believed at `now`. A next key is too: a node whose clock is ahead may sign with it.
    pub fn trusts(&self, kid: &str, now: Timestamp) -> bool {
        let is_alive = |key: &PublishedKey| matches!(self.phase(key, now), Phase::Next | Phase::Active | Phase::Retired);
        self.keys.iter().any(|key| key.jwk.kid == kid && is_alive(key))
    }

    /// The key set document at `now`.
    pub fn document(&self, now: Timestamp) -> JwkSet<'_> {
        JwkSet { keys: self.keys.iter().filter(|key| self.trusts(&key.jwk.kid, now)).map(|key| &key.jwk).collect() }
    }

    /// The public keys, prepared for verification.
    pub fn verification_keys(&self) -> Vec<VerificationKey> {
        self.keys.iter().filter_map(|key| key.jwk.verification_key()).collect()
    }

    /// The algorithms whose key the schedule has to replace now: their active key is old and no next key is waiting.
    pub fn due(&self, now: Timestamp) -> Vec<SigningAlg> {
        let replace = |alg: &SigningAlg| match self.active(*alg, now) {
            Some(active) => now.since(active.active_from) + PUBLISH_AHEAD >= KEY_LIFE && self.next(*alg, now).is_none(),
            None => self.next(*alg, now).is_none(),
        };
        self.algorithms().into_iter().filter(replace).collect()
    }

    /// ES256, which every server has, and RS256 where a key of it was ever made.
    pub fn algorithms(&self) -> Vec<SigningAlg> {
        let has_rsa = self.keys.iter().any(|key| key.jwk.alg == SigningAlg::RS256);
        if has_rsa { vec![SigningAlg::ES256, SigningAlg::RS256] } else { vec![SigningAlg::ES256] }
    }

    /// Whether a next key of `alg` waits for its turn.
    pub fn has_next(&self, alg: SigningAlg, now: Timestamp) -> bool {
        self.next(alg, now).is_some()
    }

    /// Whether a next key of each algorithm may be published by hand. Each stays for a day after its use, so rotations within a day add up.
    pub fn takes_more(&self, now: Timestamp) -> bool {
        let new = self.algorithms().into_iter().filter(|alg| !self.has_next(*alg, now)).count();
        self.document(now).keys.len() + new <= MOST_BY_HAND
    }

    fn next(&self, alg: SigningAlg, now: Timestamp) -> Option<&PublishedKey> {
        self.keys.iter().find(|key| key.jwk.alg == alg && self.phase(key, now) == Phase::Next)
    }

    /// The set with `jwk` as the next key of its algorithm; it signs at once where nothing else does.
    pub fn with_next(mut self, jwk: Jwk, now: Timestamp) -> Self {
        let ahead = if self.active(jwk.alg, now).is_some() { PUBLISH_AHEAD } else { 0 };
        self.keys.push(PublishedKey { jwk, created_at: now, active_from: now.plus(ahead), withdrawn_at: None });
        self.tidied(now)
    }

    /// The set after an emergency: the active key of `jwk`'s algorithm is withdrawn, and a waiting next key, or else `jwk`, signs at once.
    pub fn with_emergency(mut self, jwk: Jwk, now: Timestamp) -> Self {
        let alg = jwk.alg;
        let active = self.active(alg, now).map(|key| key.jwk.kid.clone());
        let waiting = self.next(alg, now).map(|key| key.jwk.kid.clone());
        for key in &mut self.keys {
            if Some(&key.jwk.kid) == active.as_ref() {
                key.withdrawn_at = Some(now);
            }
            if Some(&key.jwk.kid) == waiting.as_ref() {
                key.active_from = now;
            }
        }
        if waiting.is_none() {
            self.keys.push(PublishedKey { jwk, created_at: now, active_from: now, withdrawn_at: None });
        }
        self.tidied(now)
    }

    /// Drops what no token can refer to any more and counts the change.
    fn tidied(mut self, now: Timestamp) -> Self {
        let before = self.clone();
        self.keys.retain(|key| before.phase(key, now) != Phase::Gone && key.withdrawn_at.is_none_or(|at| now.since(at) < AFTERLIFE));
        self.version += 1;
        self
    }
}

impl Jwk {
    fn verification_key(&self) -> Option<VerificationKey> {
        let key = match &self.numbers {
            PublicNumbers::Ec { x, y, .. } => DecodingKey::from_ec_components(x, y),
            PublicNumbers::Rsa { n, e } => DecodingKey::from_rsa_components(n, e),
        };
        Some(VerificationKey { kid: self.kid.clone(), alg: self.alg, key: key.ok()? })
    }
}

/// A private key, prepared once for any number of signatures.
///
/// `jsonwebtoken` would parse the key again for each signature (docs/adr/0003), so the pair is kept here.
#[derive(Debug)]
pub struct SigningKey {
    kid: String,
    alg: SigningAlg,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// A key could not be made, read or used; there is nothing more to say that would not speak of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyError;

impl SigningKey {
    /// A new key of `alg` called `kid`, and its PKCS#8 form for sealing. The crypto library draws the randomness.
    ///
    /// # Errors
    /// Where the library fails.
    pub fn generate(kid: String, alg: SigningAlg) -> Result<(Self, Vec<u8>), KeyError> {
        let pkcs8 = match alg {
            SigningAlg::ES256 => {
                let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).map_err(|_| KeyError)?;
                document.as_ref().to_vec()
            }
            SigningAlg::RS256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError)?;
                pair.as_der().map_err(|_| KeyError)?.as_ref().to_vec()
            }
        };
        Ok((Self::from_pkcs8(kid, alg, &pkcs8)?, pkcs8))
    }

    /// The key in `pkcs8`.
    ///
    /// # Errors
    /// Where it is not a private key of `alg`.
    pub fn from_pkcs8(kid: String, alg: SigningAlg, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair = match alg {
            SigningAlg::ES256 => Pair::Ecdsa(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(|_| KeyError)?),
            SigningAlg::RS256 => Pair::Rsa(Box::new(RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError)?)),
        };
        Ok(Self { kid, alg, pair })
    }

    /// The key's name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half.
    ///
    /// # Errors
    /// Where the library shows a public key of another form than the algorithm has.
    pub fn jwk(&self) -> Result<Jwk, KeyError> {
        let numbers = match &self.pair {
            Pair::Ecdsa(pair) => {
                // An uncompressed point: 4, x, y (SEC 1 §2.3.3).
                let (x, y) = match pair.public_key().as_ref().split_first_chunk() {
                    Some((&[4], point)) if point.len() == 64 => point.split_at(32),
                    _ => return Err(KeyError),
                };
                PublicNumbers::Ec { crv: "P-256".to_owned(), x: URL_SAFE_NO_PAD.encode(x), y: URL_SAFE_NO_PAD.encode(y) }
            }
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                PublicNumbers::Rsa {
                    n: URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
                    e: URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
                }
            }
        };
        Ok(Jwk { kid: self.kid.clone(), alg: self.alg, usage: "sig".to_owned(), numbers })
    }

    /// The signed, compact form of `payload` (RFC 7515 §3.1).
    ///
    /// # Errors
    /// Where the library fails.
    pub fn sign(&self, payload: &impl Serialize) -> Result<String, KeyError> {
        let input = super::jws::signing_input(&self.kid, self.alg, payload).map_err(|_| KeyError)?;
        let signature = match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&SystemRandom::new(), input.as_bytes()).map_err(|_| KeyError)?.as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).map_err(|_| KeyError)?;
                signature
            }
        };
        Ok(super::jws::compact(input, &signature))
    }
}

#[cfg(test)]
mod tests {
    use super::super::jws::UnverifiedJws;
    use super::*;

    const DAY: u64 = 86_400;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix(1_000_000 + seconds)
    }

    fn jwk(kid: &str) -> Jwk {
        SigningKey::generate(kid.to_owned(), SigningAlg::ES256).unwrap().0.jwk().unwrap()
    }

    fn active(set: &KeySet, now: Timestamp) -> &str {
        set.active(SigningAlg::ES256, now).map_or("-", |key| key.jwk.kid.as_str())
    }

    #[test]
    fn the_first_key_signs_at_once_and_a_next_key_is_published_ahead() {
        // MD-15
        let set = KeySet::default().with_next(jwk("a"), at(0)).with_next(jwk("b"), at(DAY));
        assert_eq!(active(&set, at(0)), "a");
        assert_eq!(active(&set, at(DAY + PUBLISH_AHEAD - 1)), "a");
        assert_eq!(active(&set, at(DAY + PUBLISH_AHEAD)), "b");
        assert!(set.trusts("b", at(DAY)), "published before it signs");
        assert!(set.trusts("a", at(DAY + PUBLISH_AHEAD + LONGEST_TOKEN_LIFE)), "until the last token has expired");
        assert!(!set.trusts("a", at(DAY + PUBLISH_AHEAD + AFTERLIFE)));
        assert!(!set.trusts("c", at(0)));
        let ages = [DAY + PUBLISH_AHEAD - 1, DAY + PUBLISH_AHEAD].map(|seconds| set.age(at(seconds)));
        assert_eq!(ages, [DAY + PUBLISH_AHEAD - 1, 0], "the age of what signs");
    }

    #[test]
    fn the_schedule_replaces_old_keys_once() {
        let set = KeySet::default();
        assert_eq!(set.due(at(0)), [SigningAlg::ES256], "an empty table needs its first key");
        let set = set.with_next(jwk("a"), at(0));
        assert_eq!(set.due(at(KEY_LIFE - PUBLISH_AHEAD - 1)), []);
        assert_eq!(set.due(at(KEY_LIFE - PUBLISH_AHEAD)), [SigningAlg::ES256]);
        let set = set.with_next(jwk("b"), at(KEY_LIFE - PUBLISH_AHEAD));
        assert_eq!(set.due(at(KEY_LIFE - PUBLISH_AHEAD)), []);
        let much_later = set.with_next(jwk("c"), at(KEY_LIFE + 10 * DAY));
        assert_eq!(much_later.keys.iter().map(|key| key.jwk.kid.as_str()).collect::<Vec<_>>(), ["b", "c"], "the gone key is dropped");
    }

    #[test]
    fn an_emergency_withdraws_the_active_key_and_never_leaves_the_server_without_one() {
        // MD-16
        let set = KeySet::default().with_next(jwk("a"), at(0)).with_emergency(jwk("b"), at(10));
        assert_eq!((active(&set, at(10)), set.trusts("a", at(10))), ("b", false));
        let gone = KeySet::default().with_next(jwk("a"), at(0)).with_next(jwk("b"), at(0)).with_emergency(jwk("c"), at(10 * DAY));
        assert_eq!((active(&gone, at(10 * DAY)), gone.trusts("a", at(10 * DAY)), gone.trusts("b", at(10 * DAY))), ("c", false, false));
        let waiting = KeySet::default().with_next(jwk("a"), at(0)).with_next(jwk("b"), at(5)).with_emergency(jwk("c"), at(10));
        assert_eq!((active(&waiting, at(10)), waiting.keys.len()), ("b", 2), "the published next key is taken first");
    }

    #[test]
    fn the_document_has_nothing_private() {
        // MD-12, MD-13, MD-14
        let (rsa, _) = SigningKey::generate("r".to_owned(), SigningAlg::RS256).unwrap();
        let set = KeySet::default().with_next(jwk("a"), at(0)).with_next(rsa.jwk().unwrap(), at(0));
        let document = serde_json::to_value(set.document(at(0))).unwrap();
        let members: Vec<Vec<&String>> = document["keys"].as_array().unwrap().iter().map(|key| key.as_object().unwrap().keys().collect()).collect();
        assert_eq!(members, [vec!["alg", "crv", "kid", "kty", "use", "x", "y"], vec!["alg", "e", "kid", "kty", "n", "use"]]);
        assert_eq!(document["keys"][1]["n"].as_str().unwrap().len(), 342, "2048 bits");
    }

    #[test]
    fn a_signature_verifies_with_its_own_key_only() {
        for alg in [SigningAlg::ES256, SigningAlg::RS256] {
            let (key, pkcs8) = SigningKey::generate("a".to_owned(), alg).unwrap();
            let (other, _) = SigningKey::generate("a".to_owned(), alg).unwrap();
            let token = SigningKey::from_pkcs8("a".to_owned(), alg, &pkcs8).unwrap().sign(&serde_json::json!({"a": 1})).unwrap();
            let verify = |key: &SigningKey| UnverifiedJws::parse(&token).unwrap().verify(&key.jwk().unwrap().verification_key().unwrap());
            assert_eq!(verify(&key).unwrap().as_bytes(), br#"{"a":1}"#);
            assert!(verify(&other).is_none());
        }
    }
}

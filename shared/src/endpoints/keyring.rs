//! The signing keys of this instance: verification keys prepared once, private halves opened once, when they are first needed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::oauth::access_token::Claims;
use crate::oauth::api::SigningAlg;
use crate::oauth::fresh::Fresh;
use crate::oauth::ids::Issuer;
use crate::oauth::jws::{UnverifiedJws, VerificationKey};
use crate::oauth::keys::{Jwk, KeySet, SigningKey};
use crate::oauth::time::Timestamp;
use crate::oauth::token_gate::TokenFault;
use crate::store::{Key, SealError, Sealer, Store, StoreError};

/// How often at most, in seconds, a token with an unknown key makes this instance read the key set again.
const REREAD_AFTER: u64 = 5;

/// The key set as this instance knows it, and what was prepared from it.
pub struct Keyring {
    store: Store,
    sealer: Option<Sealer>,
    issuer: Issuer,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    set: Arc<KeySet>,
    verification: HashMap<String, VerificationKey>,
    signing: HashMap<String, Arc<SigningKey>>,
    read_at: Timestamp,
}

/// A token could not be signed, or the keys could not be read.
#[derive(Debug)]
pub enum KeyringError {
    /// The table did not answer.
    Store(StoreError),
    /// A private key could not be opened or sealed.
    Seal(SealError),
    /// There is no active key, or it is unusable; the text is for the operator.
    Key(&'static str),
}

impl fmt::Display for KeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Seal(error) => error.fmt(f),
            Self::Key(detail) => f.write_str(detail),
        }
    }
}

impl std::error::Error for KeyringError {}

impl From<StoreError> for KeyringError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<SealError> for KeyringError {
    fn from(error: SealError) -> Self {
        Self::Seal(error)
    }
}

impl Keyring {
    /// An empty keyring. Without a `sealer` it verifies and cannot sign.
    pub fn new(store: Store, sealer: Option<Sealer>, issuer: Issuer) -> Self {
        Self { store, sealer, issuer, known: RwLock::default() }
    }

    /// The issuer whose keys these are.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The key set as last read.
    pub fn set(&self) -> Arc<KeySet> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner).set)
    }

    /// Whether the key set was read so long ago that the next read should include it.
    pub fn is_older_than(&self, seconds: u64, now: Timestamp) -> bool {
        let read_at = self.known.read().unwrap_or_else(PoisonError::into_inner).read_at;
        now.since(read_at) >= seconds
    }

    /// Takes over a key set that was read from the table at `now`.
    pub fn take(&self, set: Option<KeySet>, now: Timestamp) {
        let Some(set) = set else { return };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.read_at = now;
        // A slower read must not bring back an older set.
        if set.version > known.set.version {
            known.verification = set.verification_keys().into_iter().map(|key| (key.kid().to_owned(), key)).collect();
            known.signing.retain(|kid, _| set.keys.iter().any(|key| key.jwk.kid == *kid));
            known.set = Arc::new(set);
        }
    }

    /// Reads the key set from the table.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn read(&self, now: Timestamp) -> Result<(), StoreError> {
        let found = self.store.batch().with(Key::Keys).read().await?;
        self.take(found.keys()?, now);
        Ok(())
    }

    /// The claims of a JWT that one of our keys signed, and the key's name.
    ///
    /// # Errors
    /// The outer one where the table did not answer, the inner one where the token is not genuine.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Result<(Claims, String), TokenFault>, StoreError> {
        let Some(jws) = UnverifiedJws::parse(token) else { return Ok(Err(TokenFault::Malformed)) };
        if jws.is_unsigned() {
            return Ok(Err(TokenFault::SignatureAbsent));
        }
        let mut key = self.verification_key(jws.kid());
        if key.is_none() && self.is_older_than(REREAD_AFTER, now) {
            Box::pin(self.read(now)).await?;
            key = self.verification_key(jws.kid());
        }
        let Some(key) = key else { return Ok(Err(TokenFault::UnknownKey)) };
        Ok(match jws.verify(&key) {
            Some(payload) => Claims::from_jwt(&payload, &self.issuer).map(|claims| (claims, key.kid().to_owned())),
            None => Err(TokenFault::BadSignature),
        })
    }

    fn verification_key(&self, kid: &str) -> Option<VerificationKey> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).verification.get(kid).cloned()
    }

    /// The active key of `alg`, opened.
    ///
    /// # Errors
    /// Where there is none, or where it cannot be read or opened.
    pub async fn signer(&self, alg: SigningAlg, now: Timestamp) -> Result<Arc<SigningKey>, KeyringError> {
        let open = |active: &str| self.known.read().unwrap_or_else(PoisonError::into_inner).signing.get(active).map(Arc::clone);
        match self.set().active(alg, now).and_then(|key| open(&key.jwk.kid)) {
            Some(key) => Ok(key),
            None => Box::pin(self.open(alg, now)).await,
        }
    }

    async fn open(&self, alg: SigningAlg, now: Timestamp) -> Result<Arc<SigningKey>, KeyringError> {
        let mut active = self.set().active(alg, now).map(|key| key.jwk.kid.clone());
        if active.is_none() {
            self.read(now).await?;
            active = self.set().active(alg, now).map(|key| key.jwk.kid.clone());
        }
        let kid = active.ok_or(KeyringError::Key("there is no active signing key, run rotate-keys or bootstrap"))?;
        if let Some(key) = self.known.read().unwrap_or_else(PoisonError::into_inner).signing.get(&kid) {
            return Ok(Arc::clone(key));
        }
        let sealer = self.sealer.as_ref().ok_or(KeyringError::Key("this function has no access to private keys"))?;
        let sealed = self.store.sealed_key(&kid).await?.ok_or(KeyringError::Key("the private half of the active key is missing"))?;
        let pkcs8 = sealer.open(&self.issuer, &kid, sealed).await?;
        let key = SigningKey::from_pkcs8(kid.clone(), alg, &pkcs8).map_err(|_| KeyringError::Key("the active key cannot be used"))?;
        let key = Arc::new(key);
        self.known.write().unwrap_or_else(PoisonError::into_inner).signing.insert(kid, Arc::clone(&key));
        Ok(key)
    }

    /// A new key of `alg`: its public half, and its private half sealed for the table.
    ///
    /// # Errors
    /// Where it cannot be made or sealed.
    pub async fn generate(&self, alg: SigningAlg, fresh: &Fresh) -> Result<(Jwk, Vec<u8>), KeyringError> {
        const UNUSABLE: KeyringError = KeyringError::Key("the crypto library could not make a key");
        let sealer = self.sealer.as_ref().ok_or(KeyringError::Key("this function has no access to private keys"))?;
        let kid = fresh.hex_id(&format!("kid {alg:?}"));
        let (key, pkcs8) = SigningKey::generate(kid.clone(), alg).map_err(|_| UNUSABLE)?;
        let jwk = key.jwk().map_err(|_| UNUSABLE)?;
        Ok((jwk, sealer.seal(&self.issuer, &kid, pkcs8, fresh).await?))
    }
}

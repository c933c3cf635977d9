//! Sealing private signing keys before they go into the table: by KMS in the cloud, by a key file on the developer's machine.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_sdk_kms::primitives::Blob;

use crate::oauth::fresh::Fresh;
use crate::oauth::ids::Issuer;

/// What seals: the table never sees a private key in the clear.
pub enum Sealer {
    /// AWS KMS, with the issuer and the key's name as encryption context, so that a sealed key opens as nothing else.
    Kms {
        /// The SDK's client.
        client: aws_sdk_kms::Client,
        /// The KMS key's id or ARN.
        key_id: String,
    },
    /// AES-256-GCM under a key file, the same two as associated data.
    File(LessSafeKey),
}

/// Sealing or opening failed; the text is for the operator.
#[derive(Debug)]
pub struct SealError(String);

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the signing key could not be sealed or opened: {}", self.0)
    }
}

impl std::error::Error for SealError {}

const NONCE: usize = 12;

impl Sealer {
    /// A sealer under the 256 bits of a key file.
    ///
    /// # Errors
    /// Where the crypto library refuses the key.
    pub fn file(key: &[u8; 32]) -> Result<Self, SealError> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| SealError("the key file is unusable".to_owned()))?;
        Ok(Self::File(LessSafeKey::new(key)))
    }

    /// Seals the private half of the key `kid`.
    ///
    /// # Errors
    /// Where KMS or the crypto library refuses.
    pub async fn seal(&self, issuer: &Issuer, kid: &str, private: Vec<u8>, fresh: &Fresh) -> Result<Vec<u8>, SealError> {
        match self {
            Self::Kms { client, key_id } => {
                let request = client.encrypt().key_id(key_id).plaintext(Blob::new(private));
                let request = request.encryption_context("issuer", issuer.as_str()).encryption_context("kid", kid);
                let answer = request.send().await.map_err(|error| SealError(kms_error(&error)))?;
                answer.ciphertext_blob.map(Blob::into_inner).ok_or_else(|| SealError("KMS answered nothing".to_owned()))
            }
            Self::File(key) => {
                // Fresh 256 bits are drawn for each key, so a nonce is never met again.
                let bits = fresh.bits(&format!("nonce {kid}"));
                let nonce = *bits.first_chunk::<NONCE>().unwrap_or(&[0; NONCE]);
                let mut sealed = private;
                key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context(issuer, kid)), &mut sealed)
                    .map_err(|_| SealError("the crypto library failed".to_owned()))?;
                Ok([nonce.as_slice(), &sealed].concat())
            }
        }
    }

    /// Opens the private half of the key `kid`.
    ///
    /// # Errors
    /// Where it was sealed by another key, for another issuer or under another name.
    pub async fn open(&self, issuer: &Issuer, kid: &str, sealed: Vec<u8>) -> Result<Vec<u8>, SealError> {
        match self {
            Self::Kms { client, key_id } => {
                let request = client.decrypt().key_id(key_id).ciphertext_blob(Blob::new(sealed));
                let request = request.encryption_context("issuer", issuer.as_str()).encryption_context("kid", kid);
                let answer = request.send().await.map_err(|error| SealError(kms_error(&error)))?;
                answer.plaintext.map(Blob::into_inner).ok_or_else(|| SealError("KMS answered nothing".to_owned()))
            }
            Self::File(key) => {
                let wrong = || SealError("it was sealed with another key file or for another issuer".to_owned());
                let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or_else(wrong)?;
                let mut opened = sealed.to_vec();
                let nonce = Nonce::assume_unique_for_key(*nonce);
                let length = key.open_in_place(nonce, Aad::from(context(issuer, kid)), &mut opened).map_err(|_| wrong())?.len();
                opened.truncate(length);
                Ok(opened)
            }
        }
    }
}

fn context(issuer: &Issuer, kid: &str) -> Vec<u8> {
    format!("{}\n{kid}", issuer.as_str()).into_bytes()
}

fn kms_error<E, R>(error: &aws_sdk_kms::error::SdkError<E, R>) -> String
where
    E: aws_sdk_kms::error::ProvideErrorMetadata,
{
    let service = error.as_service_error();
    service.and_then(aws_sdk_kms::error::ProvideErrorMetadata::code).unwrap_or("KMS did not answer").to_owned()
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kms { .. } => "Sealer::Kms",
            Self::File(_) => "Sealer::File(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::time::Timestamp;

    #[tokio::test]
    async fn a_sealed_key_opens_only_under_its_own_name_and_issuer() {
        // AD-12
        let fresh = Fresh::new(Timestamp::default(), [1; 32]);
        let issuer = Issuer::parse("https://as.example").unwrap();
        let other = Issuer::parse("https://other.example").unwrap();
        let sealer = Sealer::file(&[9; 32]).unwrap();
        let sealed = sealer.seal(&issuer, "k1", b"private".to_vec(), &fresh).await.unwrap();
        assert!(!sealed.windows(7).any(|window| window == b"private"));
        assert_eq!(sealer.open(&issuer, "k1", sealed.clone()).await.unwrap(), b"private");
        assert!(sealer.open(&issuer, "k2", sealed.clone()).await.is_err());
        assert!(sealer.open(&other, "k1", sealed.clone()).await.is_err());
        assert!(Sealer::file(&[8; 32]).unwrap().open(&issuer, "k1", sealed).await.is_err());
        assert!(sealer.open(&issuer, "k1", vec![1, 2, 3]).await.is_err());
    }
}

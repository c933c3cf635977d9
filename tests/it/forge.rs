//! Tokens of any shape, signed by the server's own key or by a stranger's.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use shared::oauth::api::SigningAlg;
use shared::oauth::time::Timestamp;
use shared::store::{Key, Sealer};

use crate::support::Server;

/// A key on P-256 and the name that it goes by.
pub struct Forge {
    pair: EcdsaKeyPair,
    pub kid: String,
}

impl Forge {
    /// The server's own active key, out of its table.
    pub async fn of(server: &Server) -> Self {
        let node = server.node();
        let keys = node.store.batch().with(Key::Keys).read().await.unwrap().keys().unwrap().unwrap();
        let kid = keys.active(SigningAlg::ES256, Timestamp::from_unix(server.now())).unwrap().jwk.kid.clone();
        let sealed = node.store.sealed_key(&kid).await.unwrap().unwrap();
        let pkcs8 = Sealer::file(&[7; 32]).unwrap().open(&node.config().issuer, &kid, sealed).await.unwrap();
        Self { pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).unwrap(), kid }
    }

    /// A key that no server knows, under this name.
    pub fn stranger(kid: &str) -> Self {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        Self { pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap(), kid: kid.to_owned() }
    }

    /// The header of a good token.
    pub fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": "ES256", "kid": self.kid})
    }

    /// A token with this header and payload, properly signed.
    pub fn token(&self, header: &Value, payload: &Value) -> String {
        self.signed(header.to_string().as_bytes(), payload.to_string().as_bytes())
    }

    /// The same of any bytes.
    pub fn signed(&self, header: &[u8], payload: &[u8]) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.sign(&message);
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// `r` and `s` over `message`.
    pub fn sign(&self, message: &str) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec()
    }

    /// The public point, uncompressed.
    pub fn public(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }
}

//! What is not a function of the input: the clock and the dice, drawn once per request by the shell and handed in.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::time::Timestamp;

/// The time of a request and the randomness that it may spend.
///
/// One 256-bit seed is drawn per request; every value is derived from it by HMAC-SHA-256 under its own label, so that values
/// are independent and a test that fixes the seed is deterministic.
pub struct Fresh {
    /// When the request is decided.
    pub now: Timestamp,
    seed: [u8; 32],
}

impl Fresh {
    /// A request's time and its 256 bits from a cryptographic generator.
    pub fn new(now: Timestamp, seed: [u8; 32]) -> Self {
        Self { now, seed }
    }

    /// 256 bits for the purpose `label`: the same label gives the same bits again.
    pub fn bits(&self, label: &str) -> [u8; 32] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.seed), label.as_bytes());
        let mut bits = [0; 32];
        bits.copy_from_slice(tag.as_ref());
        bits
    }

    /// 256 bits for the purpose `label`, as 43 characters of base64url.
    pub fn text(&self, label: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.bits(label))
    }

    /// 128 bits for the purpose `label`, as 22 characters of base64url: for values that identify and open nothing.
    pub fn id(&self, label: &str) -> String {
        let bits = self.bits(label);
        URL_SAFE_NO_PAD.encode(bits.first_chunk::<16>().unwrap_or(&[0; 16]))
    }

    /// 96 bits for the purpose `label`, as 24 lower-case hexadecimal digits: for identifiers that people type.
    pub fn hex_id(&self, label: &str) -> String {
        self.bits(label).iter().take(12).map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_seeds_give_independent_values() {
        let fresh = Fresh::new(Timestamp::default(), [1; 32]);
        assert_eq!(fresh.text("a"), fresh.text("a"));
        assert_ne!(fresh.text("a"), fresh.text("b"));
        assert_ne!(fresh.text("a"), Fresh::new(Timestamp::default(), [2; 32]).text("a"));
        assert_eq!((fresh.text("a").len(), fresh.id("a").len(), fresh.hex_id("a").len()), (43, 22, 24));
    }
}

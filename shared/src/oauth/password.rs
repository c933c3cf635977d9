//! Passwords of people: stored as Argon2id digests (RFC 9106), compared in constant time, never shown.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use super::fresh::Fresh;

/// Memory in kiB, passes and lanes of new digests: the second of the two options that RFC 9106 §4 recommends. 64 MiB fit a Lambda of
/// 512 MB beside everything else; `docs/users.md` has what it costs.
const COST: (u32, u32, u32) = (65_536, 3, 4);

/// A password as somebody typed it.
pub struct Password(String);

impl Password {
    /// A password that somebody presented; `None` where no password is that long, so that nothing is hashed for it (LO-12).
    pub fn presented(text: &str) -> Option<Self> {
        (!text.is_empty() && text.len() <= 1_024).then(|| Self(text.to_owned()))
    }

    /// A password that somebody chose.
    ///
    /// # Errors
    /// What it lacks. NIST SP 800-63B §3.1.1: length, and no rules of composition.
    pub fn chosen(text: &str) -> Result<Self, &'static str> {
        let long_enough = (8..=256).contains(&text.chars().count());
        let password = Self::presented(text).filter(|_| long_enough && !text.contains('\0'));
        password.ok_or("must be 8 to 256 characters")
    }

    /// The bytes that are hashed, and by which a proof of it is known (never stored).
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// The digest of a password, with all that is needed to compute it again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPassword {
    /// Memory in kiB.
    memory: u32,
    /// Passes.
    passes: u32,
    /// Lanes.
    lanes: u32,
    /// 128 random bits of this digest alone, base64.
    salt: String,
    /// 256 bits, base64.
    digest: String,
}

impl fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredPassword(…)")
    }
}

impl StoredPassword {
    /// The stored form of `password`: some 120 ms of work.
    pub fn of(password: &Password, fresh: &Fresh) -> Option<Self> {
        let salt = fresh.bits("password_salt");
        let salt = salt.first_chunk::<16>()?;
        let (memory, passes, lanes) = COST;
        let digest = digest(password, salt, COST)?;
        Some(Self { memory, passes, lanes, salt: STANDARD_NO_PAD.encode(salt), digest: STANDARD_NO_PAD.encode(digest) })
    }

    /// Whether `password` is this one: as much work as it took to make it.
    pub fn matches(&self, password: &Password) -> bool {
        let cost = (self.memory, self.passes, self.lanes);
        let salt = STANDARD_NO_PAD.decode(&self.salt).unwrap_or_default();
        let stored = STANDARD_NO_PAD.decode(&self.digest).unwrap_or_default();
        digest(password, &salt, cost).is_some_and(|digest| verify_slices_are_equal(&digest, &stored).is_ok())
    }
}

/// The work of a comparison, for somebody who does not exist or has no password: whoever guesses names learns nothing from the clock (LO-06).
pub fn nobodys_work(password: &Password) {
    let _ = digest(password, b"nobody's own salt", COST);
}

fn digest(password: &Password, salt: &[u8], (memory, passes, lanes): (u32, u32, u32)) -> Option<[u8; 32]> {
    let params = Params::new(memory, passes, lanes, Some(32)).ok()?;
    let mut digest = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(password.as_bytes(), salt, &mut digest).ok()?;
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::super::time::Timestamp;
    use super::*;

    #[test]
    fn a_password_matches_only_itself_and_is_not_in_its_stored_form() {
        // SE-01, M-11
        let fresh = |seed| Fresh::new(Timestamp::default(), [seed; 32]);
        let password = Password::chosen("pässword: with : colons").unwrap();
        let stored = StoredPassword::of(&password, &fresh(1)).unwrap();
        assert!(stored.matches(&password));
        assert!(!stored.matches(&Password::presented("password: with : colons").unwrap()));
        assert_ne!(StoredPassword::of(&password, &fresh(2)).unwrap(), stored);
        let json = serde_json::to_string(&stored).unwrap();
        assert!(!json.contains("colons") && json.contains("65536"));
        assert_eq!(format!("{password:?} {stored:?}"), "Password(…) StoredPassword(…)");
    }

    #[test]
    fn the_digest_is_rfc_9106s() {
        // The expected value is another implementation's (argon2-cffi, which is the reference code).
        let digest = digest(&Password::presented("password").unwrap(), b"somesaltsomesalt", (32, 3, 4)).unwrap();
        let expected = "f25048ec48311a804ea9edd74e08c30765aa0f8d47c2a5b5a6097243cdf2e5ce";
        assert_eq!(digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), expected);
    }

    #[test]
    fn passwords_are_bounded() {
        // LO-12
        assert!(Password::chosen("1234567").is_err() && Password::chosen("12345678").is_ok());
        assert!(Password::chosen("äöüßäöüß").is_ok());
        assert!(Password::chosen(&"a".repeat(257)).is_err() && Password::chosen("a\0bcdefgh").is_err());
        assert!(Password::presented("").is_none() && Password::presented(&"a".repeat(1_025)).is_none());
    }
}

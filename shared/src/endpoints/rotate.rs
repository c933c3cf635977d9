//! Key rotation: by the schedule, by an administrator, or in an emergency. One conditional write, so that two rotations make one key.

use std::sync::Arc;

use super::keyring::{Keyring, KeyringError};
use crate::oauth::api::SigningAlg;
use crate::oauth::change::AuditEvent;
use crate::oauth::fresh::Fresh;
use crate::oauth::keys::KeySet;
use crate::store::{Commit, KeyChange, Store};

/// The endpoint and what it needs: the key set (read, conditional write), sealed keys (write), the seal.
pub struct Endpoint {
    /// The table.
    pub store: Store,
    /// The keys.
    pub keyring: Arc<Keyring>,
}

/// What to rotate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// What is due by its age, and the very first key.
    Due,
    /// Every algorithm, by publishing a next key now, where none waits already and verifiers take as many keys.
    Now,
    /// Every algorithm, withdrawing the active key at once.
    Emergency,
    /// A first key of this algorithm, where there is none.
    First(SigningAlg),
}

impl Endpoint {
    /// Rotates, and reports the algorithms that got a new key. Another node's rotation at the same moment counts as this one.
    ///
    /// # Errors
    /// Where keys cannot be made, sealed or stored; the old keys then go on.
    pub async fn rotate(&self, rotation: Rotation, actor: &str, fresh: &Fresh) -> Result<Vec<SigningAlg>, KeyringError> {
        self.keyring.read(fresh.now).await?;
        let before = self.keyring.set();
        let algorithms = match rotation {
            Rotation::Due => before.due(fresh.now),
            Rotation::Now if !before.takes_more(fresh.now) => Vec::new(),
            // Two rotations at the same moment are one, also where one is a little later (AD-11).
            Rotation::Now => before.algorithms().into_iter().filter(|alg| !before.has_next(*alg, fresh.now)).collect(),
            Rotation::Emergency => before.algorithms(),
            Rotation::First(alg) => [alg].into_iter().filter(|alg| before.active(*alg, fresh.now).is_none()).collect(),
        };
        if algorithms.is_empty() {
            return Ok(algorithms);
        }
        let mut after = KeySet::clone(&before);
        let mut sealed = Vec::new();
        for alg in &algorithms {
            let (jwk, private) = self.keyring.generate(*alg, fresh).await?;
            sealed.push((jwk.kid.clone(), private));
            after = if rotation == Rotation::Emergency { after.with_emergency(jwk, fresh.now) } else { after.with_next(jwk, fresh.now) };
        }
        let is_kept = |kid: &String| after.keys.iter().any(|key| key.jwk.kid == *kid);
        sealed.retain(|(kid, _)| is_kept(kid));
        let gone = before.keys.iter().map(|key| key.jwk.kid.clone()).filter(|kid| !is_kept(kid)).collect();
        let new: Vec<&str> = sealed.iter().map(|(kid, _)| kid.as_str()).collect();
        let audit = audit(rotation, actor, new.join(" "), fresh);
        after.version = before.version + 1;
        if self.store.change_keys(KeyChange { keys: &after, sealed, gone }, &audit, fresh).await? == Commit::Done {
            self.keyring.take(Some(after), fresh.now);
            log::info!(endpoint = "rotate-keys", actor = actor; "signing keys rotated");
        } else {
            self.keyring.read(fresh.now).await?;
        }
        Ok(algorithms)
    }
}

fn audit(rotation: Rotation, actor: &str, new: String, fresh: &Fresh) -> AuditEvent {
    let event = if rotation == Rotation::Emergency { "keys.withdrawn" } else { "keys.rotated" };
    AuditEvent { object: Some(new).filter(|new| !new.is_empty()), ..AuditEvent::done(fresh.now, event, actor) }
}

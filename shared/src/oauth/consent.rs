//! What a user has allowed a client, and what they need not be asked again (RFC 6749 §4.1.1).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::client::{Client, ClientType};
use super::ids::ClientId;
use super::time::Timestamp;
use super::user::settled;

/// What a user has allowed a client: full scopes, and when the client was made that they were allowed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The client.
    pub client_id: ClientId,
    /// When that client was made: one made again by the same id has to ask again.
    pub client_since: Timestamp,
    /// The full scopes.
    pub scopes: BTreeSet<String>,
    /// When it was last given.
    pub at: Timestamp,
    /// When it was last withdrawn, and all that came of it with it; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_before: Option<Timestamp>,
    /// Rises with every change.
    pub version: u64,
}

/// Whether the user need not be asked whether `client` may have this scope.
pub fn is_remembered(earlier: Option<&Consent>, client: &Client, full: &str) -> bool {
    // A public client cannot prove that it is the one that was allowed (RFC 8252 §8.6).
    let is_provable = client.metadata.client_type == ClientType::Confidential;
    is_provable && earlier.is_some_and(|earlier| earlier.client_since == client.created_at && earlier.scopes.contains(full))
}

impl Consent {
    /// The consent after the user allowed `client` these scopes as well.
    pub fn given(earlier: Option<&Self>, client: &Client, scopes: impl Iterator<Item = String>, now: Timestamp) -> Self {
        let of_client = earlier.filter(|earlier| earlier.client_since == client.created_at);
        let mut all = of_client.map(|earlier| earlier.scopes.clone()).unwrap_or_default();
        all.extend(scopes);
        Self {
            client_id: client.client_id.clone(),
            client_since: client.created_at,
            scopes: all,
            at: now,
            // What was withdrawn from an earlier client of this id is withdrawn for good.
            withdrawn_before: earlier.and_then(|earlier| earlier.withdrawn_before),
            version: earlier.map_or(0, |earlier| earlier.version),
        }
    }

    /// The consent after the user withdrew all that they had allowed this client, if it was anything.
    pub fn withdrawn(earlier: Option<Self>, client_id: &ClientId, now: Timestamp) -> Self {
        let none = || Self { client_id: client_id.clone(), client_since: now, scopes: BTreeSet::new(), at: now, withdrawn_before: None, version: 0 };
        let earlier = earlier.unwrap_or_else(none);
        let withdrawn = settled(earlier.withdrawn_before.unwrap_or_default(), now);
        Self { scopes: BTreeSet::new(), withdrawn_before: Some(withdrawn), ..earlier }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::client::fixture::client;
    use super::*;

    #[test]
    fn what_was_allowed_is_remembered_of_this_client_and_until_it_is_withdrawn() {
        // G-19, AZ-19
        let (client, _) = client(json!({}));
        let at = Timestamp::from_unix;
        let given = |earlier, scope: &str| Consent::given(earlier, &client, std::iter::once(scope.to_owned()), at(2_000));
        let (read, write) = ("https://orders.example/read", "https://orders.example/write");
        let one = given(None, read);
        assert!(is_remembered(Some(&one), &client, read) && !is_remembered(Some(&one), &client, write) && !is_remembered(None, &client, read));
        let both = given(Some(&one), write);
        assert!(is_remembered(Some(&both), &client, read) && is_remembered(Some(&both), &client, write));
        let again = Client { created_at: at(3_000), ..client.clone() };
        assert!(!is_remembered(Some(&both), &again, read), "a client made again by the same id");
        let mut public = client.clone();
        public.metadata.client_type = ClientType::Public;
        assert!(!is_remembered(Some(&both), &public, read));
        let withdrawn = |earlier| Consent::withdrawn(earlier, &client.client_id, at(2_000));
        let gone = withdrawn(Some(both));
        assert!(!is_remembered(Some(&gone), &client, read) && gone.withdrawn_before == Some(at(2_005)));
        // A second withdrawal in the same second is another one, and consent given again does not undo it.
        let twice = withdrawn(Some(given(Some(&gone), read)));
        assert_eq!((twice.withdrawn_before, withdrawn(None).withdrawn_before), (Some(at(2_006)), Some(at(2_005))));
        assert_eq!(Consent::given(Some(&twice), &again, std::iter::empty(), at(4_000)).withdrawn_before, Some(at(2_006)));
    }
}

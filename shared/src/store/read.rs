//! Consistent reads by primary key: everything that a decision needs, in one round trip.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};

use super::item::{Item, StoredApis, doc, number, text, token_record};
use super::key::Key;
use super::{Store, StoreError, unavailable};
use crate::oauth::access_token::TokenRecord;
use crate::oauth::api::Apis;
use crate::oauth::client::Client;
use crate::oauth::consent::Consent;
use crate::oauth::grant::{Grant, GrantId};
use crate::oauth::ids::{ClientId, Name};
use crate::oauth::keys::KeySet;
use crate::oauth::privilege::{Privilege, Role};
use crate::oauth::sign_in::{Attempts, Session};
use crate::oauth::user::{Group, User, UserId};

/// How often keys that DynamoDB left unprocessed are asked for again.
const ATTEMPTS: u32 = 4;

/// A set of keys to be read in one round trip.
pub struct Batch<'s> {
    store: &'s Store,
    keys: Vec<(String, String)>,
}

/// What a batch found: an absent item was not there.
#[derive(Debug, Default)]
pub struct Found(HashMap<(String, String), Item>);

impl Store {
    /// An empty batch.
    pub fn batch(&self) -> Batch<'_> {
        Batch { store: self, keys: Vec::with_capacity(5) }
    }

    /// One item.
    pub(crate) async fn item(&self, key: Key<'_>) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).set_key(Some(key.attributes())).consistent_read(true);
        Ok(request.send().await.map_err(unavailable)?.item)
    }
}

impl Batch<'_> {
    /// Adds a key; a key that is already there is read once.
    pub fn with(mut self, key: Key<'_>) -> Self {
        let pair = (key.partition(), key.sort());
        if !self.keys.contains(&pair) {
            self.keys.push(pair);
        }
        self
    }

    /// Adds a key if there is one.
    pub fn with_some(self, key: Option<Key<'_>>) -> Self {
        match key {
            Some(key) => self.with(key),
            None => self,
        }
    }

    /// Reads all of them, consistently, in one round trip (more only where DynamoDB leaves some unprocessed).
    ///
    /// # Errors
    /// Where the table did not answer for all of them.
    pub async fn read(self) -> Result<Found, StoreError> {
        let mut found = Found::default();
        if self.keys.is_empty() {
            return Ok(found);
        }
        let attributes =
            self.keys.into_iter().map(|(pk, sk)| HashMap::from([("pk".to_owned(), AttributeValue::S(pk)), ("sk".to_owned(), AttributeValue::S(sk))]));
        let mut keys: Vec<_> = attributes.collect();
        let Store { client, table } = self.store;
        for attempt in 0..ATTEMPTS {
            let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
            let wanted = wanted.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            let answer = client.batch_get_item().request_items(table, wanted).send().await.map_err(unavailable)?;
            for item in answer.responses.unwrap_or_default().remove(table).unwrap_or_default() {
                if let (Some(partition), Some(sort)) = (text(&item, "pk"), text(&item, "sk")) {
                    found.0.insert((partition.to_owned(), sort.to_owned()), item);
                }
            }
            match answer.unprocessed_keys.unwrap_or_default().remove(table) {
                Some(left) if !left.keys.is_empty() => keys = left.keys,
                _ => return Ok(found),
            }
            tokio::time::sleep(Duration::from_millis(25 << attempt)).await;
        }
        Err(StoreError::Unavailable("keys were left unprocessed".to_owned()))
    }
}

impl Found {
    fn get(&self, key: &Key<'_>) -> Option<&Item> {
        self.0.get(&(key.partition(), key.sort()))
    }

    /// The client of this id, if it was asked for and is there.
    ///
    /// # Errors
    /// Where the item cannot be read.
    pub fn client(&self, client_id: &ClientId) -> Result<Option<Client>, StoreError> {
        self.get(&Key::Client(client_id)).map(doc).transpose()
    }

    /// All Apis; none but the admin API where nobody made one yet.
    ///
    /// # Errors
    /// Where the item cannot be read.
    pub fn apis(&self) -> Result<Apis, StoreError> {
        let stored = self.get(&Key::Apis).map(doc::<StoredApis>).transpose()?;
        Ok(stored.unwrap_or(StoredApis { apis: Vec::new(), version: 0 }).into())
    }

    /// The key set, if it was asked for and is there.
    ///
    /// # Errors
    /// Where the item cannot be read.
    pub fn keys(&self) -> Result<Option<KeySet>, StoreError> {
        self.get(&Key::Keys).map(doc).transpose()
    }

    /// The record of this token, if it was asked for and is there.
    ///
    /// # Errors
    /// Where the item cannot be read.
    pub fn token(&self, jti: &str) -> Result<Option<TokenRecord>, StoreError> {
        self.get(&Key::Token(jti)).map(token_record).transpose()
    }

    /// The role of this name, if it was asked for and is there.
    ///
    /// # Errors
    /// Where the item cannot be read.
    pub fn role(&self, name: &str) -> Result<Option<Role>, StoreError> {
        self.get(&Key::Role(name)).map(doc).transpose()
    }

    /// The name of the Api that the privilege of this name belongs to, if it was asked for and is there.
    pub fn api_of_privilege(&self, name: &str) -> Option<Name> {
        self.text(&Key::PrivilegeName(name), "api").and_then(Name::parse)
    }

    /// The privilege of this name and Api, if it was asked for and is there.
    ///
    /// # Errors
    /// Where the item cannot be read.
    pub fn privilege(&self, api: &str, name: &str) -> Result<Option<Privilege>, StoreError> {
        self.get(&Key::Privilege { api, name }).map(doc).transpose()
    }

    /// Whose this username is, if it was asked for and is anybody's.
    pub fn user_id_of(&self, realm: &str, canonical: &str) -> Option<UserId> {
        self.text(&Key::Username { realm, canonical }, "user_id").and_then(UserId::parse)
    }

    /// The user of this id, if it was asked for and is there.
    ///
    /// # Errors
    /// Where the item cannot be read.
    pub fn user(&self, user_id: &UserId) -> Result<Option<User>, StoreError> {
        self.get(&Key::User(user_id)).map(doc).transpose()
    }

    /// The group of this name, if it was asked for and is there.
    ///
    /// # Errors
    /// Where the item cannot be read.
    pub fn group(&self, name: &str) -> Result<Option<Group>, StoreError> {
        self.get(&Key::Group(name)).map(doc).transpose()
    }

    /// The grant of this id, if it was asked for and is there.
    ///
    /// # Errors
    /// Where the item cannot be read.
    pub fn grant(&self, grant_id: &GrantId) -> Result<Option<Grant>, StoreError> {
        self.get(&Key::Grant(grant_id)).map(doc).transpose()
    }

    /// The session of this cookie's digest, if it was asked for and is there.
    ///
    /// # Errors
    /// Where the item cannot be read.
    pub fn session(&self, digest: &str) -> Result<Option<Session>, StoreError> {
        self.get(&Key::Session(digest)).map(doc).transpose()
    }

    /// What this user allowed this client before, if it was asked for and is there.
    ///
    /// # Errors
    /// Where the item cannot be read.
    pub fn consent(&self, user_id: &UserId, client: &ClientId) -> Result<Option<Consent>, StoreError> {
        self.get(&Key::Consent { user_id, client }).map(doc).transpose()
    }

    /// The failed sign-ins of this account or source, if they were asked for and there were any.
    ///
    /// # Errors
    /// Where the item cannot be read.
    pub fn attempts(&self, whose: &str) -> Result<Option<Attempts>, StoreError> {
        self.get(&Key::Attempts(whose)).map(doc).transpose()
    }

    /// The number attribute `name` of an item, if both are there.
    pub(crate) fn number(&self, key: &Key<'_>, name: &str) -> Option<u64> {
        self.get(key).and_then(|item| number(item, name))
    }

    /// Whether an item is there.
    pub(crate) fn has(&self, key: &Key<'_>) -> bool {
        self.get(key).is_some()
    }

    /// The text attribute `name` of an item, if both are there.
    pub(crate) fn text(&self, key: &Key<'_>, name: &str) -> Option<&str> {
        self.get(key).and_then(|item| text(item, name))
    }

    /// Takes over what another read found.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

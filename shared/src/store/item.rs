//! Items: an aggregate is one item, its content one JSON document in `doc`, beside it only what DynamoDB itself must see.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;
use super::key::Key;
use crate::oauth::access_token::TokenRecord;
use crate::oauth::api::{Api, Apis};
use crate::oauth::change::{AuditEvent, Changed};
use crate::oauth::client::Client;
use crate::oauth::consent::Consent;
use crate::oauth::grant::Grant;
use crate::oauth::keys::KeySet;
use crate::oauth::privilege::{Privilege, Role};
use crate::oauth::sign_in::{Attempts, Session};
use crate::oauth::time::Timestamp;
use crate::oauth::user::{Group, User};

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The stored form of all Apis.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct StoredApis {
    pub apis: Vec<Api>,
    pub version: u64,
}

impl From<StoredApis> for Apis {
    fn from(stored: StoredApis) -> Self {
        Self::new(stored.apis, stored.version)
    }
}

/// An item under construction.
pub(crate) struct ItemBuilder(Item);

impl ItemBuilder {
    pub(crate) fn new(key: Key<'_>) -> Self {
        Self(key.attributes())
    }

    pub(crate) fn doc(self, doc: &impl Serialize) -> Result<Self, StoreError> {
        let json = serde_json::to_string(doc).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(self.text("doc", json))
    }

    /// Counts the changes of an aggregate; the condition of its writes.
    pub(crate) fn version(self, version: u64) -> Self {
        self.number("v", version)
    }

    /// When DynamoDB may delete the item: garbage collection only, never the basis of a decision.
    pub(crate) fn ttl(self, at: Timestamp) -> Self {
        self.number("ttl", at.unix())
    }

    /// The item's place in a list of the index, for administrators.
    pub(crate) fn listed(self, list: String, place: String) -> Self {
        self.text("list", list).text("place", place)
    }

    pub(crate) fn text(mut self, name: &str, value: String) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::S(value));
        self
    }

    pub(crate) fn number(mut self, name: &str, value: u64) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::N(value.to_string()));
        self
    }

    pub(crate) fn bytes(mut self, name: &str, value: Vec<u8>) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(value)));
        self
    }

    pub(crate) fn build(self) -> Item {
        self.0
    }
}

pub(crate) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
}

pub(crate) fn number(item: &Item, name: &str) -> Option<u64> {
    item.get(name).and_then(|value| value.as_n().ok()).and_then(|digits| digits.parse().ok())
}

/// The content of an item.
pub(crate) fn doc<T: DeserializeOwned>(item: &Item) -> Result<T, StoreError> {
    let malformed = |detail: String| StoreError::Malformed { key: text(item, "pk").unwrap_or_default().to_owned(), detail };
    let json = text(item, "doc").ok_or_else(|| malformed("the attribute doc is missing".to_owned()))?;
    serde_json::from_str(json).map_err(|error| malformed(error.to_string()))
}

/// A token record: the content, and beside it the one attribute that a revocation sets.
pub(crate) fn token_record(item: &Item) -> Result<TokenRecord, StoreError> {
    let record: TokenRecord = doc(item)?;
    Ok(TokenRecord { revoked_at: number(item, "revoked_at").map(Timestamp::from_unix), ..record })
}

/// An item of `docs/storage-schema.md`, read as the kind that its key says it is.
#[derive(Debug)]
pub enum SchemaItem {
    /// A client.
    Client(Box<Client>),
    /// All Apis.
    Apis(Apis),
    /// A role.
    Role(Role),
    /// A privilege.
    Privilege(Box<Privilege>),
    /// A user.
    User(Box<User>),
    /// A group.
    Group(Group),
    /// A grant.
    Grant(Box<Grant>),
    /// A session.
    Session(Session),
    /// What a user has allowed a client.
    Consent(Consent),
    /// Failed sign-ins.
    Attempts(Attempts),
    /// The key set.
    Keys(KeySet),
    /// A token's record.
    Token(Box<TokenRecord>),
    /// An entry of the change feed.
    Feed(Changed),
    /// An entry of the audit trail.
    Audit(AuditEvent),
    /// An item whose content is in its attributes: names, origins, tombstones, sealed keys, counts, the bootstrap marker.
    Attributes,
}

/// Reads an example of `docs/storage-schema.md` (strings, numbers and sets of strings in plain JSON), so that the page cannot go stale.
///
/// # Errors
/// Where the item is not what its key says.
pub fn load_example(example: &serde_json::Value) -> Result<SchemaItem, StoreError> {
    let malformed = |detail: &str| StoreError::Malformed { key: example.to_string(), detail: detail.to_owned() };
    let members = example.as_object().ok_or_else(|| malformed("an example is an object"))?;
    let attribute = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => AttributeValue::S(text.clone()),
        serde_json::Value::Number(number) => AttributeValue::N(number.to_string()),
        serde_json::Value::Array(members) => AttributeValue::Ss(members.iter().filter_map(serde_json::Value::as_str).map(str::to_owned).collect()),
        document => AttributeValue::S(document.to_string()),
    };
    let item: Item = members.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
    let partition = text(&item, "pk").ok_or_else(|| malformed("pk is missing"))?;
    text(&item, "sk").ok_or_else(|| malformed("sk is missing"))?;
    Ok(match partition.split('#').next().unwrap_or_default() {
        "client" => SchemaItem::Client(Box::new(doc(&item)?)),
        "apis" => SchemaItem::Apis(doc::<StoredApis>(&item)?.into()),
        "role" => SchemaItem::Role(doc(&item)?),
        "privileges" => SchemaItem::Privilege(Box::new(doc(&item)?)),
        "user" => SchemaItem::User(Box::new(doc(&item)?)),
        "group" => SchemaItem::Group(doc(&item)?),
        "grant" => SchemaItem::Grant(Box::new(doc(&item)?)),
        "session" => SchemaItem::Session(doc(&item)?),
        "consent" => SchemaItem::Consent(doc(&item)?),
        "attempts" => SchemaItem::Attempts(doc(&item)?),
        "keys" => SchemaItem::Keys(doc(&item)?),
        "token" => SchemaItem::Token(Box::new(token_record(&item)?)),
        "feed" => SchemaItem::Feed(doc(&item)?),
        "audit" | "user-audit" => SchemaItem::Audit(doc(&item)?),
        "client-name" | "origin" | "user-token" | "privilege-name" | "username" | "assignments" | "deleted-client" | "key" | "usage" | "stats"
        | "bootstrap" => SchemaItem::Attributes,
        _ => return Err(malformed("no kind of item has this key")),
    })
}

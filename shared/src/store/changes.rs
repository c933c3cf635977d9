//! The changes that the table takes, each one transaction with its entries in the change feed and in the audit trail.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::{AttributeValue, Update};

use super::item::{Item, ItemBuilder, StoredApis, doc, number, text};
use super::key::{CLIENTS_LIST, FEED_BUCKET, Key, audit_list, feed_partition, moment, token_list, token_list_of};
use super::write::{Commit, Expect, Transaction};
use super::{Store, StoreError, unavailable};
use crate::oauth::access_token::TokenRecord;
use crate::oauth::api::{Apis, LONGEST_TOKEN_LIFE};
use crate::oauth::change::{AuditEvent, Changed};
use crate::oauth::client::Client;
use crate::oauth::fresh::Fresh;
use crate::oauth::ids::ClientId;
use crate::oauth::keys::KeySet;
use crate::oauth::time::Timestamp;

/// How far back, in seconds, a reader of the feed reads again what it has read: writers' clocks may be this far behind.
pub const FEED_OVERLAP: u64 = 90;

/// How long the audit trail is kept, in seconds: 400 days.
const AUDIT_LIFE: u64 = 400 * 86_400;

/// How long a feed entry is kept, in seconds: longer than any token that it could be about.
const FEED_LIFE: u64 = LONGEST_TOKEN_LIFE + 3_600;

/// What is left of a deleted client for as long as one of its tokens could live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tombstone {
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// The version that it had; a client made again goes on from there, so that nobody takes it for the earlier one.
    pub version: u64,
}

/// A change of one client.
#[derive(Debug)]
pub enum ClientChange<'a> {
    /// A new one, and what is left of an earlier one of its id.
    Create(&'a Client, Option<Tombstone>),
    /// The client as it is to be, and as it was.
    Replace {
        /// As it is to be; its version is the one that was read.
        client: &'a Client,
        /// As it was.
        was: &'a Client,
    },
    /// No such client any more.
    Delete(&'a Client),
}

impl<'a> ClientChange<'a> {
    /// The origins that the client listed, and those that it is to list.
    fn origins(&self) -> (&'a [String], &'a [String]) {
        match self {
            Self::Create(client, _) => (&[], &client.metadata.allowed_origins),
            Self::Replace { client, was } => (&was.metadata.allowed_origins, &client.metadata.allowed_origins),
            Self::Delete(client) => (&client.metadata.allowed_origins, &[]),
        }
    }
}

/// A change of the key set.
#[derive(Debug)]
pub struct KeyChange<'a> {
    /// The keys as they are to be.
    pub keys: &'a KeySet,
    /// The sealed private halves of the new ones, by name.
    pub sealed: Vec<(String, Vec<u8>)>,
    /// The names of those that are no longer among them.
    pub gone: Vec<String>,
}

impl Store {
    /// Creates, changes or deletes a client.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn change_client(&self, change: ClientChange<'_>, audit: &AuditEvent, fresh: &Fresh) -> Result<Commit, StoreError> {
        let table = self.table.as_str();
        let name_item =
            |client: &Client| ItemBuilder::new(Key::ClientName(&client.metadata.client_name)).text("client_id", client.client_id.to_string()).build();
        let origins = change.origins();
        let (transaction, client, roles) = match change {
            ClientChange::Create(client, tombstone) => {
                let as_read = tombstone.map_or(Expect::Absent, |tombstone| Expect::Version(tombstone.version));
                let transaction = Transaction::default()
                    .put(table, client_item(client)?, Expect::Absent)?
                    .put(table, name_item(client), Expect::Absent)?
                    .delete(table, Key::ClientTombstone(&client.client_id), as_read)?;
                (transaction, client, (&[][..], &client.metadata.roles[..]))
            }
            ClientChange::Replace { client, was } => {
                let old_name = was.metadata.client_name.as_str();
                let next = Client { version: client.version + 1, ..client.clone() };
                let mut transaction = Transaction::default().put(table, client_item(&next)?, Expect::Version(client.version))?;
                if old_name != client.metadata.client_name {
                    transaction =
                        transaction.put(table, name_item(client), Expect::Absent)?.delete(table, Key::ClientName(old_name), Expect::Anything)?;
                }
                (transaction, client, (&was.metadata.roles[..], &client.metadata.roles[..]))
            }
            ClientChange::Delete(client) => {
                // A client of the same id may be made again, but no token of this one may come back to life with it.
                let tombstone = ItemBuilder::new(Key::ClientTombstone(&client.client_id))
                    .number("deleted_at", fresh.now.unix())
                    .version(client.version)
                    .ttl(fresh.now.plus(FEED_LIFE))
                    .build();
                let transaction = Transaction::default()
                    .delete(table, Key::Client(&client.client_id), Expect::Version(client.version))?
                    .delete(table, Key::ClientName(&client.metadata.client_name), Expect::Anything)?
                    .put(table, tombstone, Expect::Anything)?;
                (transaction, client, (&client.metadata.roles[..], &[][..]))
            }
        };
        let transaction = self.counting_uses(transaction, roles)?.listing(table, &client.client_id, origins)?;
        let changed = Changed::Client { client_id: client.client_id.clone() };
        self.transact(self.noted(transaction, Some(&changed), audit, fresh)?).await
    }

    /// What is left of a client called `client_id`, if there was one lately.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn tombstone(&self, client_id: &ClientId) -> Result<Option<Tombstone>, StoreError> {
        let Some(item) = self.item(Key::ClientTombstone(client_id)).await? else { return Ok(None) };
        let (deleted_at, version) = number(&item, "deleted_at").zip(number(&item, "v")).ok_or_else(|| StoreError::Malformed {
            key: Key::ClientTombstone(client_id).partition(),
            detail: "deleted_at or v is missing".to_owned(),
        })?;
        Ok(Some(Tombstone { deleted_at: Timestamp::from_unix(deleted_at), version }))
    }

    /// Makes the first admin client, once; `force` makes another.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn bootstrap(&self, client: &Client, force: bool, audit: &AuditEvent, fresh: &Fresh) -> Result<Commit, StoreError> {
        let table = self.table.as_str();
        let marker = ItemBuilder::new(Key::Bootstrap).number("at", fresh.now.unix()).text("client_id", client.client_id.to_string()).build();
        let name = ItemBuilder::new(Key::ClientName(&client.metadata.client_name)).text("client_id", client.client_id.to_string()).build();
        let transaction = Transaction::default()
            .put(table, marker, if force { Expect::Anything } else { Expect::Absent })?
            .put(table, client_item(client)?, Expect::Absent)?
            .put(table, name, Expect::Absent)?;
        let changed = Changed::Client { client_id: client.client_id.clone() };
        self.transact(self.noted(transaction, Some(&changed), audit, fresh)?).await
    }

    /// The client that the bootstrap made, if there was one.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn bootstrapped(&self) -> Result<Option<ClientId>, StoreError> {
        let marker = self.item(Key::Bootstrap).await?;
        Ok(marker.and_then(|item| text(&item, "client_id").and_then(ClientId::parse)))
    }

    /// Replaces the Apis, if they are still the version before. `opened` is the audit entry of a route that became public by it.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn change_apis(&self, apis: &Apis, (audit, opened): (&AuditEvent, Option<&AuditEvent>), fresh: &Fresh) -> Result<Commit, StoreError> {
        let transaction = Transaction::default().put(&self.table, apis_item(apis)?, Expect::Version(apis.version - 1))?;
        let transaction = self.noting_opened(transaction, opened, fresh)?;
        self.transact(self.noted(transaction, Some(&Changed::Apis), audit, fresh)?).await
    }

    /// Replaces the key set, if it is still the version before; stores the sealed private halves of new keys and deletes those of gone ones.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn change_keys(&self, change: KeyChange<'_>, audit: &AuditEvent, fresh: &Fresh) -> Result<Commit, StoreError> {
        let KeyChange { keys, sealed, gone } = change;
        let item = ItemBuilder::new(Key::Keys).doc(keys)?.version(keys.version).build();
        let mut transaction = Transaction::default().put(&self.table, item, Expect::Version(keys.version - 1))?;
        for (kid, sealed) in sealed {
            let item = ItemBuilder::new(Key::SealedKey(&kid)).bytes("sealed", sealed).build();
            transaction = transaction.put(&self.table, item, Expect::Absent)?;
        }
        for kid in gone {
            transaction = transaction.delete(&self.table, Key::SealedKey(&kid), Expect::Anything)?;
        }
        self.transact(self.noted(transaction, Some(&Changed::Keys), audit, fresh)?).await
    }

    /// The sealed private half of a key.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn sealed_key(&self, kid: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let item = self.item(Key::SealedKey(kid)).await?;
        Ok(item.and_then(|item| item.get("sealed").and_then(|value| value.as_b().ok()).map(|blob| blob.as_ref().to_vec())))
    }

    /// Writes the record of a token that is about to be shown. Its key is fresh, so a retry overwrites only itself.
    ///
    /// # Errors
    /// Where the table did not answer: then the token must not be shown.
    pub async fn put_token(&self, record: &TokenRecord) -> Result<(), StoreError> {
        let Some(of_user) = token_of_user_item(record) else { return self.put(token_item(record)?).await };
        let transaction = Transaction::default().put(&self.table, token_item(record)?, Expect::Anything)?;
        self.transact_in_any_case(transaction.put(&self.table, of_user, Expect::Anything)?).await
    }

    /// Revokes a token. The write is the same however often it is made, so it needs no condition.
    ///
    /// # Errors
    /// Where the table did not answer: then the token lives on.
    pub async fn revoke_token(&self, record: &TokenRecord, audit: &AuditEvent, fresh: &Fresh) -> Result<(), StoreError> {
        let key = Key::Token(&record.claims.jti);
        let mut update = Update::builder().table_name(&self.table).set_key(Some(key.attributes()));
        let mut sets = vec!["revoked_at = if_not_exists(revoked_at, :now)".to_owned()];
        update = update.expression_attribute_values(":now", AttributeValue::N(fresh.now.unix().to_string()));
        // Where only revocations are recorded, this write is the record.
        for (place, (name, value)) in token_item(record)?.into_iter().filter(|(name, _)| name != "pk" && name != "sk").enumerate() {
            sets.push(format!("#{place} = if_not_exists(#{place}, :{place})"));
            update = update.expression_attribute_names(format!("#{place}"), name).expression_attribute_values(format!(":{place}"), value);
        }
        let update = update.update_expression(format!("SET {}", sets.join(", "))).build();
        let update = update.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let changed = Changed::Token { jti: record.claims.jti.clone() };
        let transaction = self.noted(Transaction::default().update(update), Some(&changed), audit, fresh)?;
        self.transact_in_any_case(transaction).await
    }

    /// Notes that a secret was used on this UTC day, unless the client was changed since it was read: then the next use notes it.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn note_secret_use(&self, client: &Client, secret_id: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut noted = client.clone();
        for secret in noted.secrets.iter_mut().filter(|secret| secret.secret_id == secret_id) {
            secret.last_used_on = Some(now.day());
        }
        // The same version: what is noted here is nobody's decision, and an administrator's write must not lose to it.
        let transaction = Transaction::default().put(&self.table, client_item(&noted)?, Expect::Version(client.version))?;
        self.transact(transaction).await.map(|_| ())
    }

    /// The entries of the feed written since `from`; the caller may have seen some of them. In the order of the writers' clocks.
    ///
    /// # Errors
    /// Where the table did not answer for the whole time.
    pub async fn feed_since(&self, from: Timestamp, now: Timestamp, seen: &HashSet<String>) -> Result<Vec<(String, Changed)>, StoreError> {
        let start = moment(from.minus(FEED_OVERLAP), "");
        // A writer's clock may also be ahead, and then across the border of the next partition.
        let buckets = from.minus(FEED_OVERLAP).unix() / FEED_BUCKET..=now.plus(FEED_OVERLAP).unix() / FEED_BUCKET;
        let mut entries = Vec::new();
        for bucket in buckets {
            let mut pages = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression("pk = :pk AND sk >= :from")
                .expression_attribute_values(":pk", AttributeValue::S(feed_partition(bucket)))
                .expression_attribute_values(":from", AttributeValue::S(start.clone()))
                .into_paginator()
                .items()
                .send();
            while let Some(item) = pages.next().await {
                let item: Item = item.map_err(unavailable)?;
                let place = text(&item, "sk").unwrap_or_default();
                if !seen.contains(place) {
                    entries.push((place.to_owned(), doc(&item)?));
                }
            }
        }
        Ok(entries)
    }

    /// `transaction` with its entries in the feed and in the audit trail.
    pub(crate) fn noted(
        &self,
        transaction: Transaction,
        changed: Option<&Changed>,
        audit: &AuditEvent,
        fresh: &Fresh,
    ) -> Result<Transaction, StoreError> {
        let mut transaction = transaction;
        if let Some(changed) = changed {
            let item = ItemBuilder::new(Key::Feed { at: fresh.now, id: &fresh.id("feed") }).doc(changed)?.ttl(fresh.now.plus(FEED_LIFE)).build();
            transaction = transaction.put(&self.table, item, Expect::Anything)?;
        }
        self.audited(transaction, audit, &fresh.id("audit"))
    }

    /// `transaction` with an entry of the audit trail, and the same among those about its user. The index makes one list of an item, so that
    /// an entry about a client and a user would be found by only one of them.
    fn audited(&self, transaction: Transaction, audit: &AuditEvent, id: &str) -> Result<Transaction, StoreError> {
        let transaction = transaction.put(&self.table, audit_item(audit, id)?, Expect::Anything)?;
        match user_audit_item(audit, id)? {
            Some(item) => transaction.put(&self.table, item, Expect::Anything),
            None => Ok(transaction),
        }
    }

    /// `transaction` with the entry in the audit trail of a route that becomes public by it.
    pub(crate) fn noting_opened(&self, transaction: Transaction, opened: Option<&AuditEvent>, fresh: &Fresh) -> Result<Transaction, StoreError> {
        match opened {
            Some(opened) => transaction.put(&self.table, audit_item(opened, &fresh.id("audit opened"))?, Expect::Anything),
            None => Ok(transaction),
        }
    }

    /// Writes an entry of the audit trail that goes with no change.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn put_audit(&self, audit: &AuditEvent, id: &str) -> Result<(), StoreError> {
        if audit.user_id.is_none() {
            return self.put(audit_item(audit, id)?).await;
        }
        Box::pin(self.transact_in_any_case(self.audited(Transaction::default(), audit, id)?)).await
    }

    /// Writes entries of the audit trail that go with no change, each with its id: many in one round trip.
    ///
    /// # Errors
    /// Where the table did not answer: then some may be written.
    pub async fn put_audits(&self, audits: &[(AuditEvent, String)]) -> Result<(), StoreError> {
        let mut items = Vec::new();
        for (audit, id) in audits {
            items.push(audit_item(audit, id)?);
            items.extend(user_audit_item(audit, id)?);
        }
        self.put_all(items).await
    }
}

pub(crate) fn apis_item(apis: &Apis) -> Result<Item, StoreError> {
    let stored = StoredApis { apis: apis.stored().cloned().collect(), version: apis.version };
    Ok(ItemBuilder::new(Key::Apis).doc(&stored)?.version(apis.version).build())
}

fn client_item(client: &Client) -> Result<Item, StoreError> {
    let builder = ItemBuilder::new(Key::Client(&client.client_id)).doc(client)?.version(client.version);
    Ok(builder.listed(CLIENTS_LIST.to_owned(), client.client_id.to_string()).build())
}

/// The entry of a user's token in the list of theirs.
pub(crate) fn token_of_user_item(record: &TokenRecord) -> Option<Item> {
    let claims = &record.claims;
    let user_id = claims.user_id()?;
    let list = token_list(user_id.as_str(), token_list_of(&claims.jti));
    let builder = ItemBuilder::new(Key::TokenOfUser(&claims.jti)).ttl(claims.exp.plus(3_600));
    Some(builder.listed(list, moment(claims.iat, &claims.jti)).build())
}

pub(crate) fn token_item(record: &TokenRecord) -> Result<Item, StoreError> {
    let claims = &record.claims;
    let list = token_list(claims.client_id.as_str(), token_list_of(&claims.jti));
    let builder = ItemBuilder::new(Key::Token(&claims.jti)).doc(record)?.ttl(claims.exp.plus(3_600));
    Ok(builder.listed(list, moment(claims.iat, &claims.jti)).build())
}

fn audit_item(audit: &AuditEvent, id: &str) -> Result<Item, StoreError> {
    let builder = ItemBuilder::new(Key::Audit { at: audit.time, id }).doc(audit)?.ttl(audit.time.plus(AUDIT_LIFE));
    Ok(match &audit.client_id {
        Some(client_id) => builder.listed(audit_list(client_id), moment(audit.time, id)).build(),
        None => builder.build(),
    })
}

/// The entry as it stands among those about its user, if it is about one.
fn user_audit_item(audit: &AuditEvent, id: &str) -> Result<Option<Item>, StoreError> {
    let Some(user_id) = &audit.user_id else { return Ok(None) };
    let key = Key::UserAudit { user_id, at: audit.time, id };
    Ok(Some(ItemBuilder::new(key).doc(audit)?.ttl(audit.time.plus(AUDIT_LIFE)).build()))
}

//! Conditional writes: the condition is in the write, and its failure is a fact to decide on, not an error.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, PutRequest, TransactWriteItem, Update, WriteRequest};

use super::item::Item;
use super::key::Key;
use super::{Store, StoreError, unavailable};
use crate::oauth::ids::Name;

/// How a conditional write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Commit {
    /// It is done.
    Done,
    /// Somebody else was first: nothing was written; read again and decide again.
    Stale,
    /// What was to be new exists already: nothing was written.
    Exists,
}

/// What must be true of an item for its write to happen.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expect {
    Anything,
    /// It does not exist.
    Absent,
    /// It has this version; zero: it does not exist yet.
    Version(u64),
}

/// The writes of one transaction, each with what becomes of the commit if its condition fails.
#[derive(Default)]
pub(crate) struct Transaction {
    writes: Vec<TransactWriteItem>,
    on_failure: Vec<Commit>,
}

/// How often a transaction that met another one is tried again, and what DynamoDB left unprocessed of a batch.
const ATTEMPTS: u32 = 4;

/// How many items DynamoDB takes in one batch.
const BATCH: usize = 25;

impl Transaction {
    pub(crate) fn put(mut self, table: &str, item: Item, expect: Expect) -> Result<Self, StoreError> {
        let put = Put::builder().table_name(table).set_item(Some(item));
        let put = match expect {
            Expect::Anything => put,
            Expect::Absent | Expect::Version(0) => put.condition_expression("attribute_not_exists(pk)"),
            Expect::Version(version) => {
                put.condition_expression("v = :read").expression_attribute_values(":read", AttributeValue::N(version.to_string()))
            }
        };
        let put = put.build().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        self.push(TransactWriteItem::builder().put(put).build(), expect);
        Ok(self)
    }

    pub(crate) fn delete(mut self, table: &str, key: Key<'_>, expect: Expect) -> Result<Self, StoreError> {
        let delete = Delete::builder().table_name(table).set_key(Some(key.attributes()));
        let delete = match expect {
            Expect::Version(version) => {
                delete.condition_expression("v = :read").expression_attribute_values(":read", AttributeValue::N(version.to_string()))
            }
            Expect::Absent => delete.condition_expression("attribute_not_exists(pk)"),
            Expect::Anything => delete,
        };
        let delete = delete.build().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        self.writes.push(TransactWriteItem::builder().delete(delete).build());
        self.on_failure.push(Commit::Stale);
        Ok(self)
    }

    /// Replaces the content of an item that has this version, and leaves alone what is counted beside it.
    pub(crate) fn replace_doc(self, table: &str, key: Key<'_>, content: &impl serde::Serialize, version: u64) -> Result<Self, StoreError> {
        let unavailable = |error: String| StoreError::Unavailable(error);
        let content = serde_json::to_string(content).map_err(|error| unavailable(error.to_string()))?;
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(key.attributes()))
            .update_expression("SET doc = :doc, v = :next")
            .condition_expression("v = :read")
            .expression_attribute_values(":doc", AttributeValue::S(content))
            .expression_attribute_values(":next", AttributeValue::N((version + 1).to_string()))
            .expression_attribute_values(":read", AttributeValue::N(version.to_string()));
        Ok(self.update(update.build().map_err(|error| unavailable(error.to_string()))?))
    }

    /// Counts one use less of what `was` names and `is` does not, and one more of what is new: what is named must exist.
    pub(crate) fn counting(self, table: &str, key: impl Fn(&str) -> Key<'_>, (was, is): (&[Name], &[Name])) -> Result<Self, StoreError> {
        let gone = was.iter().filter(|name| !is.contains(name)).map(|name| (name, "-1"));
        let new = is.iter().filter(|name| !was.contains(name)).map(|name| (name, "1"));
        gone.chain(new).try_fold(self, |transaction, (name, by)| {
            let update = Update::builder()
                .table_name(table)
                .set_key(Some(key(name.as_str()).attributes()))
                .update_expression("ADD uses :by")
                .condition_expression("attribute_exists(pk)")
                .expression_attribute_values(":by", AttributeValue::N(by.to_owned()));
            Ok(transaction.update(update.build().map_err(|error| StoreError::Unavailable(error.to_string()))?))
        })
    }

    /// Deletes what has this version and counts no uses.
    pub(crate) fn delete_unused(mut self, table: &str, key: Key<'_>, version: u64) -> Result<Self, StoreError> {
        let delete = Delete::builder()
            .table_name(table)
            .set_key(Some(key.attributes()))
            .condition_expression("v = :read AND (attribute_not_exists(uses) OR uses = :none)")
            .expression_attribute_values(":read", AttributeValue::N(version.to_string()))
            .expression_attribute_values(":none", AttributeValue::N("0".to_owned()));
        let delete = delete.build().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        self.writes.push(TransactWriteItem::builder().delete(delete).build());
        self.on_failure.push(Commit::Stale);
        Ok(self)
    }

    pub(crate) fn update(mut self, update: Update) -> Self {
        self.push(TransactWriteItem::builder().update(update).build(), Expect::Anything);
        self
    }

    fn push(&mut self, write: TransactWriteItem, expect: Expect) {
        self.writes.push(write);
        self.on_failure.push(if matches!(expect, Expect::Absent) { Commit::Exists } else { Commit::Stale });
    }
}

impl Store {
    /// Writes all or nothing.
    ///
    /// The SDK gives the request a token of its own and repeats it with each of its retries, so a first try whose answer was lost is
    /// recognised by DynamoDB and not taken for somebody else's write.
    pub(crate) async fn transact(&self, transaction: Transaction) -> Result<Commit, StoreError> {
        self.transact_meeting(ATTEMPTS, transaction).await
    }

    /// The same for a caller that reads again and decides again anyway: `Stale` once it has met another transaction so many times.
    pub(crate) async fn transact_meeting(&self, most: u32, transaction: Transaction) -> Result<Commit, StoreError> {
        let Transaction { writes, on_failure } = transaction;
        let mut attempt = 0;
        loop {
            let request = self.client.transact_write_items().set_transact_items(Some(writes.clone()));
            let error = match request.send().await {
                Ok(_) => return Ok(Commit::Done),
                Err(error) => error,
            };
            attempt += 1;
            match refusal(&error, &on_failure) {
                Some(Refusal::Condition(commit)) => return Ok(commit),
                // Whoever kept being first has changed what this write was decided on.
                Some(Refusal::Conflict) if attempt >= most => return Ok(Commit::Stale),
                Some(Refusal::Conflict | Refusal::Throttling) if attempt < ATTEMPTS => {
                    tokio::time::sleep(Duration::from_millis(10 << attempt)).await;
                }
                _ => return Err(unavailable(error)),
            }
        }
    }

    /// Writes all or nothing, where no write has a condition that could fail.
    pub(crate) async fn transact_in_any_case(&self, transaction: Transaction) -> Result<(), StoreError> {
        match self.transact(transaction).await? {
            Commit::Done => Ok(()),
            Commit::Stale | Commit::Exists => Err(StoreError::Unavailable("a write without a condition failed one".to_owned())),
        }
    }

    /// Writes one item, whatever was there.
    pub(crate) async fn put(&self, item: Item) -> Result<(), StoreError> {
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await.map_err(unavailable)?;
        Ok(())
    }

    /// Writes items, whatever was there, in as few round trips as there can be; where one fails, the others may be written.
    pub(crate) async fn put_all(&self, items: Vec<Item>) -> Result<(), StoreError> {
        let mut writes = Vec::with_capacity(items.len());
        for item in items {
            let put = PutRequest::builder().set_item(Some(item)).build().map_err(|error| StoreError::Unavailable(error.to_string()))?;
            writes.push(WriteRequest::builder().put_request(put).build());
        }
        for batch in writes.chunks(BATCH) {
            self.put_batch(batch.to_vec()).await?;
        }
        Ok(())
    }

    async fn put_batch(&self, mut writes: Vec<WriteRequest>) -> Result<(), StoreError> {
        for attempt in 0..ATTEMPTS {
            let answer = self.client.batch_write_item().request_items(&self.table, writes).send().await.map_err(unavailable)?;
            match answer.unprocessed_items.unwrap_or_default().remove(&self.table) {
                Some(left) if !left.is_empty() => writes = left,
                _ => return Ok(()),
            }
            tokio::time::sleep(Duration::from_millis(25 << attempt)).await;
        }
        Err(StoreError::Unavailable("items were left unprocessed".to_owned()))
    }
}

enum Refusal {
    Condition(Commit),
    Conflict,
    Throttling,
}

/// Why a transaction was cancelled, if it was: a failed condition counts before a conflict with another transaction, and that before everything
/// else.
fn refusal<R>(error: &SdkError<TransactWriteItemsError, R>, on_failure: &[Commit]) -> Option<Refusal> {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else { return None };
    let reasons = cancelled.cancellation_reasons();
    let failed = reasons.iter().zip(on_failure).find(|(reason, _)| reason.code() == Some("ConditionalCheckFailed"));
    if let Some((_, commit)) = failed {
        return Some(Refusal::Condition(*commit));
    }
    let has = |codes: &[&str]| reasons.iter().any(|reason| reason.code().is_some_and(|code| codes.contains(&code)));
    match (has(&["TransactionConflict"]), has(&["ThrottlingError", "ProvisionedThroughputExceeded"])) {
        (true, _) => Some(Refusal::Conflict),
        (_, true) => Some(Refusal::Throttling),
        _ => None,
    }
}

//! The table: one DynamoDB table, one method per access pattern, typed keys. Only this directory names `aws_sdk_dynamodb`.
//!
//! Decisions read by primary key and consistently; an index is never the basis of one. A change is one conditional transaction together
//! with its entries in the change feed and in the audit trail. `docs/storage-schema.md` has the key grammar and an example of each item.

mod access;
mod changes;
mod definition;
mod grants;
mod item;
mod key;
mod listing;
mod origins;
mod people;
mod read;
mod seal;
mod usage;
mod write;

use std::fmt;

pub use access::{PrivilegeChange, RoleChange};
pub use changes::{ClientChange, FEED_OVERLAP, KeyChange, Tombstone};
pub use item::{SchemaItem, load_example};
pub use key::Key;
pub use listing::Page;
pub use people::{Assignee, GroupChange, UserChange};
pub use read::{Batch, Found};
pub use seal::{SealError, Sealer};
pub use usage::{Count, DayCounts, OF_USERS};
pub use write::Commit;

/// The table, reached through the SDK's client.
#[derive(Debug, Clone)]
pub struct Store {
    client: aws_sdk_dynamodb::Client,
    table: String,
}

impl Store {
    /// The table called `table`.
    pub fn new(client: aws_sdk_dynamodb::Client, table: String) -> Self {
        Self { client, table }
    }
}

/// The table could not answer, or holds what cannot be read. The callers of the endpoints learn only that it is unavailable.
#[derive(Debug)]
pub enum StoreError {
    /// The table did not answer, or refused; the text is for the operator.
    Unavailable(String),
    /// An item is not what its key says it is.
    Malformed {
        /// The partition key of the item.
        key: String,
        /// What is wrong with it.
        detail: String,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(detail) => write!(f, "the table did not answer: {detail}"),
            Self::Malformed { key, detail } => write!(f, "the item {key} cannot be read: {detail}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// What the operator needs to know of an SDK error: its code and text, no request and no item.
fn unavailable<E, R>(error: aws_sdk_dynamodb::error::SdkError<E, R>) -> StoreError
where
    E: aws_sdk_dynamodb::error::ProvideErrorMetadata + std::error::Error + 'static,
    R: fmt::Debug,
{
    use aws_sdk_dynamodb::error::{DisplayErrorContext, SdkError};
    StoreError::Unavailable(match &error {
        SdkError::ServiceError(service) => {
            format!("{}: {}", service.err().code().unwrap_or("service error"), service.err().message().unwrap_or_default())
        }
        SdkError::TimeoutError(_) => "timed out".to_owned(),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(connector) => format!("{}", DisplayErrorContext(connector)),
            None => "dispatch failed".to_owned(),
        },
        _ => "the answer could not be read".to_owned(),
    })
}

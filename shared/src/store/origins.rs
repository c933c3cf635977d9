//! Origins: one item per origin with the set of the clients that list it, so that a browser's request costs one read. The set is added to
//! and taken from in the transaction that changes the client; both can be repeated without harm, and nothing is counted.

use aws_sdk_dynamodb::types::{AttributeValue, Update};

use super::key::Key;
use super::write::Transaction;
use super::{Store, StoreError};
use crate::oauth::ids::ClientId;
use crate::oauth::origin::Origin;

impl Store {
    /// The clients that list this origin, consistently.
    ///
    /// # Errors
    /// Where the table did not answer, or the item cannot be read.
    pub async fn clients_of_origin(&self, origin: &Origin) -> Result<Vec<ClientId>, StoreError> {
        let key = Key::Origin(origin.as_str());
        let malformed = || StoreError::Malformed { key: key.partition(), detail: "clients is no set of client ids".to_owned() };
        let item = self.item(key).await?;
        // DynamoDB has no empty set: with its last member the attribute goes.
        let Some(clients) = item.as_ref().and_then(|item| item.get("clients")) else { return Ok(Vec::new()) };
        let ids = clients.as_ss().map_err(|_| malformed())?;
        ids.iter().map(|id| ClientId::parse(id).ok_or_else(malformed)).collect()
    }
}

impl Transaction {
    /// Takes the client from the origins that `is` no longer names, and adds it to those that `was` did not.
    pub(crate) fn listing(self, table: &str, client_id: &ClientId, (was, is): (&[String], &[String])) -> Result<Self, StoreError> {
        let gone = was.iter().filter(|origin| !is.contains(origin)).map(|origin| (origin, "DELETE clients :client"));
        let new = is.iter().filter(|origin| !was.contains(origin)).map(|origin| (origin, "ADD clients :client"));
        gone.chain(new).try_fold(self, |transaction, (origin, expression)| {
            let update = Update::builder()
                .table_name(table)
                .set_key(Some(Key::Origin(origin).attributes()))
                .update_expression(expression)
                .expression_attribute_values(":client", AttributeValue::Ss(vec![client_id.to_string()]));
            Ok(transaction.update(update.build().map_err(|error| StoreError::Unavailable(error.to_string()))?))
        })
    }
}

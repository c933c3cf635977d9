//! The table's definition, for engines on the developer's machine; in the cloud the templates say the same (a test compares them).

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
    TimeToLiveSpecification,
};

use super::{Store, StoreError, unavailable};

/// The one index: lists for administrators.
pub(crate) const INDEX: &str = "lists";

impl Store {
    /// Creates the table where it is missing.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn create_table(&self) -> Result<(), StoreError> {
        let refused = |error: aws_sdk_dynamodb::error::BuildError| StoreError::Unavailable(error.to_string());
        if self.client.describe_table().table_name(&self.table).send().await.is_ok() {
            return Ok(());
        }
        let key = |name: &str, kind: KeyType| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        let index = GlobalSecondaryIndex::builder()
            .index_name(INDEX)
            .key_schema(key("list", KeyType::Hash).map_err(refused)?)
            .key_schema(key("place", KeyType::Range).map_err(refused)?)
            .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
            .build()
            .map_err(refused)?;
        let mut create = self
            .client
            .create_table()
            .table_name(&self.table)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key("pk", KeyType::Hash).map_err(refused)?)
            .key_schema(key("sk", KeyType::Range).map_err(refused)?)
            .global_secondary_indexes(index);
        for name in ["pk", "sk", "list", "place"] {
            let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build();
            create = create.attribute_definitions(attribute.map_err(refused)?);
        }
        match create.send().await {
            Ok(_) => {}
            // Two nodes may start at once.
            Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) => return Ok(()),
            Err(error) => return Err(unavailable(error)),
        }
        let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name("ttl").build().map_err(refused)?;
        self.client.update_time_to_live().table_name(&self.table).time_to_live_specification(ttl).send().await.map_err(unavailable)?;
        Ok(())
    }
}

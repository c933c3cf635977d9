//! The table as the engine holds it.

use serde_json::Value;
use shared::runtime::Endpoints;
use shared::store::Store;

use crate::support::Server;

#[tokio::test]
async fn the_table_has_its_key_its_list_and_its_ttl() {
    // Made on the engine itself: `make test-engines` shows that DynamoDB takes the definition, and making it twice changes nothing.
    let server = Server::start().await;
    let name = format!("{}-made", server.table());
    let store = Store::new(Endpoints::local(server.proxy.engine()).dynamodb(), name.clone());
    store.create_table().await.unwrap();
    store.create_table().await.unwrap();
    let ask =
        async |operation| -> Value { serde_json::from_str(&server.proxy.ask(operation, &format!("{{\"TableName\":\"{name}\"}}")).await).unwrap() };
    let table = ask("DescribeTable").await["Table"].clone();
    assert_eq!((&table["KeySchema"][0]["AttributeName"], &table["KeySchema"][1]["AttributeName"]), (&"pk".into(), &"sk".into()));
    let index = &table["GlobalSecondaryIndexes"][0];
    assert_eq!((&index["IndexName"], &index["Projection"]["ProjectionType"]), (&"lists".into(), &"KEYS_ONLY".into()));
    let ttl = ask("DescribeTimeToLive").await["TimeToLiveDescription"].clone();
    assert_eq!((&ttl["AttributeName"], &ttl["TimeToLiveStatus"]), (&"ttl".into(), &"ENABLED".into()));
}

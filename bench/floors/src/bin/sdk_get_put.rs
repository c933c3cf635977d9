//! Reads one item and writes one per event.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let client = floors::client().await?;
    floors::serve(async || {
        floors::get(&client).await?;
        floors::put(&client).await
    })
    .await
}

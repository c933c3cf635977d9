//! Reads one item per event.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let client = floors::client().await?;
    floors::serve(|| floors::get(&client)).await
}

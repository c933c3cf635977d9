//! Answers every event with a constant.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    floors::serve(async || Ok(())).await
}

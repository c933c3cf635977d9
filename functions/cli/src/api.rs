//! `gatewright api ...`: Apis.

use http::Method;

use crate::arguments::ApiCommand;
use crate::fault::Fault;
use crate::output::Output;
use crate::server::Server;

/// Runs the command.
///
/// # Errors
/// Where the server refuses.
pub async fn run(command: ApiCommand, server: &Server, output: &Output) -> Result<(), Fault> {
    match command {
        ApiCommand::Create(api) => output.object(&server.ask(Method::POST, "/apis", Some(&api.body())).await?),
        ApiCommand::List => output.list(&server.list("/apis", &[]).await?, &["name", "audience", "base_path", "access", "scopes"]),
    }
}

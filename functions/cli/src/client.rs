//! `gatewright client`: clients and their secrets.

use http::Method;
use serde_json::json;

use crate::access;
use crate::arguments::{ClientCommand, SecretArguments};
use crate::fault::Fault;
use crate::output::Output;
use crate::server::Server;

/// Runs `client`.
///
/// # Errors
/// What the server says where it refuses.
pub async fn run(command: ClientCommand, server: &Server, output: &Output) -> Result<(), Fault> {
    match command {
        ClientCommand::Create(client) => output.object(&server.ask(Method::POST, "/clients", Some(&client.body())).await?),
        ClientCommand::List => {
            let clients = server.list("/clients", &[]).await?;
            output.list(&clients, &["client_id", "client_name", "grant_types", "active"])
        }
        ClientCommand::Show { id } => show(&id, server, output).await,
        ClientCommand::Secret(wanted) => secret(&wanted, server, output).await,
        ClientCommand::Role { client, role, take } => access::client_role(&client, &role, take, server, output).await,
    }
}

/// A client; for people also what is known of its secrets.
async fn show(id: &str, server: &Server, output: &Output) -> Result<(), Fault> {
    let client = server.ask(Method::GET, &format!("/clients/{id}"), None).await?;
    output.object(&client)?;
    if output.json || client.get("client_type").is_some_and(|kind| kind == "public") {
        return Ok(());
    }
    let secrets = server.list(&format!("/clients/{id}/secrets"), &[]).await?;
    output.line("")?;
    output.list(&secrets, &SECRET_COLUMNS)
}

const SECRET_COLUMNS: [&str; 4] = ["secret_id", "created_at", "expires_at", "last_used_at"];

async fn secret(wanted: &SecretArguments, server: &Server, output: &Output) -> Result<(), Fault> {
    let path = format!("/clients/{}/secrets", wanted.id);
    if wanted.list {
        return output.list(&server.list(&path, &[]).await?, &SECRET_COLUMNS);
    }
    if let Some(secret_id) = &wanted.delete {
        server.ask(Method::DELETE, &format!("{path}/{secret_id}"), None).await?;
        return output.done("the secret is refused from now on");
    }
    let body = wanted.expires_in.map_or_else(|| json!({}), |life| json!({"expires_in": life}));
    output.object(&server.ask(Method::POST, &path, Some(&body)).await?)
}

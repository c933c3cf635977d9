//! `gatewright`: administers a deployment under IAM, straight to its table, or a running server by its admin API.
//!
//! Needs: for the table what the admin function needs; for a running server an admin client's credentials.

mod access;
mod arguments;
mod bootstrap;
mod explain;
mod fault;
mod http_client;
mod output;
mod place;
mod reasons;
mod server;
mod table;
mod token;

use std::process::ExitCode;

use clap::Parser;
use http::Method;
use serde_json::{Value, json};

use arguments::{ApiCommand, Arguments, ClientCommand, Command, SecretArguments};
use fault::Fault;
use output::Output;
use server::Server;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    reasons::listen();
    let ran = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(arguments)),
        Err(error) => Err(Fault::new(error.to_string())),
    };
    match ran {
        Ok(code) => code,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode, Fault> {
    let output = Output { json: arguments.json };
    let url = arguments.url.as_deref();
    match arguments.command {
        Command::Bootstrap(wanted) => bootstrap::run(wanted, url, &output).await?,
        Command::Token(wanted) => token::run(&wanted, url, &output)?,
        Command::Explain(wanted) => return explain::run(&wanted, url, &output).await,
        Command::Role(command) => access::role(command, &Server::reach(url).await?, &output).await?,
        Command::Privilege(command) => access::privilege(command, &Server::reach(url).await?, &output).await?,
        Command::Client(ClientCommand::Role { client, role, take }) => {
            access::client_role(&client, &role, take, &Server::reach(url).await?, &output).await?;
        }
        Command::Client(ClientCommand::Create(client)) => {
            let created = Server::reach(url).await?.ask(Method::POST, "/clients", Some(&client.body())).await?;
            output.object(&created)?;
        }
        Command::Client(ClientCommand::List) => {
            let clients = list(&Server::reach(url).await?, "/clients", &[]).await?;
            output.list(&clients, &["client_id", "client_name", "grant_types", "active"])?;
        }
        Command::Client(ClientCommand::Show { id }) => show_client(&id, &Server::reach(url).await?, &output).await?,
        Command::Client(ClientCommand::Secret(wanted)) => secret(&wanted, &Server::reach(url).await?, &output).await?,
        Command::Api(ApiCommand::Create(api)) => {
            let created = Server::reach(url).await?.ask(Method::POST, "/apis", Some(&api.body())).await?;
            output.object(&created)?;
        }
        Command::Api(ApiCommand::List) => {
            let apis = list(&Server::reach(url).await?, "/apis", &[]).await?;
            output.list(&apis, &["name", "audience", "base_path", "access", "scopes"])?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A client; for people also what is known of its secrets.
async fn show_client(id: &str, server: &Server, output: &Output) -> Result<(), Fault> {
    let client = server.ask(Method::GET, &format!("/clients/{id}"), None).await?;
    output.object(&client)?;
    if output.json || client.get("client_type").is_some_and(|kind| kind == "public") {
        return Ok(());
    }
    let secrets = list(server, &format!("/clients/{id}/secrets"), &[]).await?;
    output.line("")?;
    output.list(&secrets, &SECRET_COLUMNS)
}

const SECRET_COLUMNS: [&str; 4] = ["secret_id", "created_at", "expires_at", "last_used_at"];

async fn secret(wanted: &SecretArguments, server: &Server, output: &Output) -> Result<(), Fault> {
    let path = format!("/clients/{}/secrets", wanted.id);
    if wanted.list {
        return output.list(&list(server, &path, &[]).await?, &SECRET_COLUMNS);
    }
    if let Some(secret_id) = &wanted.delete {
        server.ask(Method::DELETE, &format!("{path}/{secret_id}"), None).await?;
        return output.done("the secret is refused from now on");
    }
    let body = wanted.expires_in.map_or_else(|| json!({}), |life| json!({"expires_in": life}));
    output.object(&server.ask(Method::POST, &path, Some(&body)).await?)
}

/// Every page of a list as one; the values of its filters need no encoding.
async fn list(server: &Server, path: &str, filters: &[(&str, &str)]) -> Result<Value, Fault> {
    let filters: String = filters.iter().map(|(name, value)| format!("&{name}={value}")).collect();
    let mut items = Vec::new();
    let mut cursor = None;
    loop {
        let query = cursor.map_or_else(|| format!("limit=100{filters}"), |cursor| format!("limit=100{filters}&cursor={cursor}"));
        let page = server.ask(Method::GET, &format!("{path}?{query}"), None).await?;
        items.extend(page.get("items").and_then(Value::as_array).cloned().unwrap_or_default());
        cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            return Ok(json!({"items": items, "next_cursor": null}));
        }
    }
}

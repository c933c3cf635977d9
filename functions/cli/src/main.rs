//! `gatewright`: administers a deployment under IAM, straight to its table, or a running server by its admin API.
//!
//! Needs: for the table what the admin function needs; for a running server an admin client's credentials.

mod access;
mod api;
mod arguments;
mod bootstrap;
mod client;
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

use arguments::{Arguments, Command};
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
        Command::Client(command) => client::run(command, &Server::reach(url).await?, &output).await?,
        Command::Api(command) => api::run(command, &Server::reach(url).await?, &output).await?,
    }
    Ok(ExitCode::SUCCESS)
}

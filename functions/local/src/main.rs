//! `make run`: everything in one process. With `--functions DIR`, the deployed binaries in DIR as processes behind the same front.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use local::engine::Engine;
use local::front::{Functions, serve};
use local::greeting::greet;
use local::node::Node;
use local::processes::Processes;
use local::settings::{Settings, sealer};
use shared::endpoints::bootstrap::bootstrap;
use shared::runtime::{Config, Endpoints, Error, fresh, start_logging};
use shared::store::Store;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Error> {
    let settings = Settings::from_environment(&|name| std::env::var(name).ok())?;
    start_logging(settings.config.log);
    let listener = TcpListener::bind(("127.0.0.1", settings.port)).await;
    let listener = listener.map_err(|error| Error::new(format!("PORT {} cannot be used: {error}", settings.port)))?;
    // Without a data directory the key file still has to be somewhere that the functions' processes can read.
    let data = settings.data.clone().unwrap_or_else(|| std::env::temp_dir().join(format!("gatewright-{}", std::process::id())));
    std::fs::create_dir_all(&data).map_err(|error| Error::new(format!("GATEWRIGHT_DATA {} cannot be made: {error}", data.display())))?;

    let engine = match settings.dynamodb_endpoint {
        Some(_) => None,
        None => Some(Engine::start(settings.data.as_deref(), settings.dynamodb_port).await?),
    };
    let url = settings.dynamodb_endpoint.as_deref().or(engine.as_ref().map(Engine::url)).unwrap_or_default().to_owned();
    let config = settings.config;
    let store = Store::new(Endpoints::local(&url).dynamodb(), config.table.clone());
    let node = Node::new(config.clone(), store.clone(), sealer(&data)?);
    node.prepare(&fresh()?).await?;
    let first = bootstrap(&node.store, settings.admin, false, &fresh()?).await?;

    let directory = functions_directory();
    let functions = match &directory {
        None => Functions::Here(Box::new(node)),
        Some(directory) => {
            let processes = Processes::start(directory, config.issuer.clone(), &variables(&config, &data, &url), 2, store).await?;
            processes.print_output();
            Functions::Processes(processes)
        }
    };
    greet(&config.issuer, settings.data.as_deref(), first.as_ref(), directory.as_deref())?;

    let functions = Arc::new(functions);
    serve(listener, Arc::clone(&functions), stopped()?).await?;
    if let Functions::Here(node) = &*functions {
        node.flush(&fresh()?).await;
    }
    if let Some(engine) = engine {
        engine.sweep_ttl();
    }
    if settings.data.is_none() {
        // What is left of it is in the directory for temporary files anyway.
        let _ = std::fs::remove_dir_all(&data);
    }
    Ok(())
}

/// The directory after `--functions`.
fn functions_directory() -> Option<PathBuf> {
    std::env::args_os().skip_while(|argument| argument != "--functions").nth(1).map(PathBuf::from)
}

/// What the functions' processes are started with: what Lambda and the templates would set.
fn variables(config: &Config, data: &Path, dynamodb_url: &str) -> Vec<(String, String)> {
    let mut variables = vec![
        ("GATEWRIGHT_ISSUER".to_owned(), config.issuer.as_str().to_owned()),
        ("GATEWRIGHT_DATA".to_owned(), data.to_string_lossy().into_owned()),
        ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), dynamodb_url.to_owned()),
    ];
    let own = |(name, _): &(String, String)| name.starts_with("GATEWRIGHT_") && variables.iter().all(|(known, _)| known != name);
    let rest: Vec<_> = std::env::vars().filter(own).collect();
    variables.extend(rest);
    variables
}

/// Resolves when the process is asked to end.
fn stopped() -> Result<impl Future<Output = ()> + Send + 'static, Error> {
    let cannot = |error: std::io::Error| Error::new(error.to_string());
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

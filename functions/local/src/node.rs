//! All functions in one process: one of each endpoint, as the functions' `main.rs` make them.

use std::sync::Arc;

use shared::endpoints::evidence::Evidence;
use shared::endpoints::{Keyring, Request, Response, Tally, admin, authorize, authorizer, introspect, metadata, revoke, rotate, token};
use shared::oauth::fresh::Fresh;
use shared::routes::{Function, function_of};
use shared::runtime::{Config, Error};
use shared::store::{Sealer, Store};

tokio::task_local! {
    static FUNCTION: &'static str;
}

/// Does `work` as the function whose directory is called `function`.
pub fn working_as<T>(function: &'static str, work: impl Future<Output = T>) -> impl Future<Output = T> {
    // On the heap: a debug build's stack of 2 MiB does not hold all endpoints' futures inside another one.
    FUNCTION.scope(function, Box::pin(work))
}

/// The function that is at work in this task, as its directory is called; `None` where the process does something for itself.
pub fn function_at_work() -> Option<&'static str> {
    FUNCTION.try_with(|function| *function).ok()
}

/// One of each endpoint on one table.
pub struct Node {
    /// The table.
    pub store: Store,
    /// The authorizer.
    pub authorizer: authorizer::Endpoint,
    /// Key rotation.
    pub rotate: Arc<rotate::Endpoint>,
    /// The admin API.
    pub admin: admin::Endpoint,
    token: token::Endpoint,
    authorize: authorize::Endpoint,
    introspect: introspect::Endpoint,
    revoke: revoke::Endpoint,
    metadata: metadata::Endpoint,
    config: Config,
}

impl Node {
    /// The endpoints, configured.
    pub fn new(config: Config, store: Store, sealer: Sealer) -> Self {
        let keyring = Arc::new(Keyring::new(store.clone(), Some(sealer), config.issuer.clone()));
        let evidence = || Evidence { store: store.clone(), keyring: Arc::clone(&keyring) };
        let rotate = Arc::new(rotate::Endpoint { store: store.clone(), keyring: Arc::clone(&keyring) });
        let feed_seconds = config.feed_seconds;
        Self {
            token: token::Endpoint {
                store: store.clone(),
                keyring: Arc::clone(&keyring),
                feed_seconds,
                password_grant: config.password_grant,
                tally: Tally::default(),
            },
            authorize: authorize::Endpoint { store: store.clone(), issuer: config.issuer.clone(), brand: config.brand.clone() },
            introspect: introspect::Endpoint { evidence: evidence(), tokeninfo: config.tokeninfo, tally: Tally::default() },
            revoke: revoke::Endpoint { evidence: evidence(), tally: Tally::default() },
            metadata: metadata::Endpoint { store: store.clone(), keyring: Arc::clone(&keyring), feed_seconds, password_grant: config.password_grant },
            admin: admin::Endpoint { evidence: evidence(), rotate: Arc::clone(&rotate), enabled: config.admin_api },
            // The authorizer's keys are its own, as they are when it is deployed: what it knows comes by its feed.
            authorizer: authorizer::Endpoint::new(
                store.clone(),
                Arc::new(Keyring::new(store.clone(), None, config.issuer.clone())),
                config.authorizer_response,
                feed_seconds,
            ),
            rotate,
            store,
            config,
        }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Creates the table where it is missing, and the first signing key.
    ///
    /// # Errors
    /// Where the engine or the seal refuses.
    pub async fn prepare(&self, fresh: &Fresh) -> Result<(), Error> {
        self.store.create_table().await?;
        working_as("rotate-keys", self.rotate.rotate(rotate::Rotation::Due, "schedule", fresh)).await?;
        Ok(())
    }

    /// The answer of the function that serves the path; `None` where none does.
    pub async fn answer(&self, request: Request, fresh: Fresh) -> Option<Response> {
        let function = function_of(request.path_under(&self.config.issuer))?;
        // Here the functions share a process, so a report need not wait for the next minute.
        if function == Function::Admin && ["audit", "usage", "stats"].iter().any(|report| request.path.contains(report)) {
            self.flush(&fresh).await;
        }
        let answer = async {
            match function {
                Function::Token => self.token.handle(request, fresh).await,
                Function::Authorize => self.authorize.handle(request, fresh).await,
                Function::Introspect => self.introspect.handle(request, fresh).await,
                Function::Revoke => self.revoke.handle(request, fresh).await,
                Function::Metadata => self.metadata.handle(request, fresh).await,
                Function::Admin => self.admin.handle(request, fresh).await,
            }
        };
        Some(working_as(function.name(), answer).await)
    }

    /// What the authorizer says to an event.
    ///
    /// # Errors
    /// As the authorizer's own.
    pub async fn authorize(&self, event: authorizer::Event, fresh: Fresh) -> Result<authorizer::Answer, authorizer::Failure> {
        working_as("authorizer", self.authorizer.handle(event, fresh)).await
    }

    /// Writes what was counted and not yet written.
    pub async fn flush(&self, fresh: &Fresh) {
        for (function, tally) in [
            ("token", &self.token.tally),
            ("introspect", &self.introspect.tally),
            ("revoke", &self.revoke.tally),
            ("authorizer", &self.authorizer.tally),
        ] {
            working_as(function, tally.flush(&self.store, fresh)).await;
        }
    }
}

//! The HTTP server: the authorization server's own paths go to its functions, every other path to the model of the gateway.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use http::StatusCode;
use serde_json::Value;
use shared::endpoints::{Request, Response, respond_not_found, respond_unavailable, respond_unreadable};
use shared::oauth::api::Api;
use shared::oauth::fresh::Fresh;
use shared::oauth::ids::Issuer;
use shared::oauth::path::CanonicalPath;
use shared::routes::is_ours;
use shared::runtime::{self, Error};
use shared::store::Key;
use tokio::net::TcpListener;

use crate::gateway::{self, Authorization};
use crate::node::Node;
use crate::processes::Processes;

/// More than any endpoint reads; they refuse what is longer than their own bound.
const LONGEST_BODY: usize = 1 << 20;

/// Who answers: the endpoints in this process, or the deployed binaries.
pub enum Functions {
    /// In this process.
    Here(Box<Node>),
    /// As processes behind a Lambda Runtime API.
    Processes(Processes),
}

impl Functions {
    /// The answer to a request to the authorization server or to an API behind the gateway.
    pub async fn answer(&self, request: Request, fresh: Fresh) -> Response {
        if !is_ours(request.path_under(self.issuer())) {
            let authorization = self.authorize(gateway::event(&request), fresh).await;
            let takes_basic = authorization.is_err() && self.takes_basic(&request).await;
            return gateway::answer(&request, authorization, takes_basic);
        }
        let answer = match self {
            Self::Here(node) => node.answer(request, fresh).await,
            Self::Processes(processes) => processes.answer(&request).await,
        };
        answer.unwrap_or_else(respond_not_found)
    }

    async fn authorize(&self, event: Value, fresh: Fresh) -> Authorization {
        match self {
            Self::Processes(processes) => processes.authorize(&event).await,
            Self::Here(node) => {
                let event = serde_json::from_value(event).map_err(|error| error.to_string())?;
                let answer = node.authorize(event, fresh).await.map_err(|failure| failure.to_string())?;
                serde_json::to_value(answer).map_err(|error| error.to_string())
            }
        }
    }

    /// Whether the call's Api takes passwords or anonymous keys. On AWS that stands in the template of its gateway.
    async fn takes_basic(&self, request: &Request) -> bool {
        let apis = match self {
            // What the authorizer has just decided from: nothing is read for it.
            Self::Here(node) => node.authorizer.memory.apis(),
            Self::Processes(processes) => {
                let found = processes.store().batch().with(Key::Apis).read().await;
                found.and_then(|found| found.apis()).ok().map(Arc::new)
            }
        };
        let path = CanonicalPath::parse(&request.path);
        apis.zip(path).is_some_and(|(apis, path)| apis.at(gateway::GATEWAY, &path).is_some_and(Api::takes_basic))
    }

    fn issuer(&self) -> &Issuer {
        match self {
            Self::Here(node) => &node.config().issuer,
            Self::Processes(processes) => processes.issuer(),
        }
    }
}

/// Serves HTTP on `listener` until `stop` resolves.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(listener: TcpListener, functions: Arc<Functions>, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    let router = axum::Router::new().fallback(move |request: axum::extract::Request| {
        let functions = Arc::clone(&functions);
        async move { respond(&functions, request).await }
    });
    axum::serve(listener, router).with_graceful_shutdown(stop).await.map_err(|error| Error::new(error.to_string()))
}

async fn respond(functions: &Functions, request: axum::extract::Request) -> http::Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LONGEST_BODY).await else {
        let mut response = respond_unreadable("the body is longer than 64 kB");
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return response.map(Body::from);
    };
    let Some(query) = runtime::decoded_query(parts.uri.query().unwrap_or_default()) else {
        return respond_unreadable("the query is not valid UTF-8 or its percent-encoding is malformed").map(Body::from);
    };
    let path = parts.uri.path().to_owned();
    let request = Request { method: parts.method, path, query, headers: parts.headers, body, source: Some(std::net::Ipv4Addr::LOCALHOST.into()) };
    match runtime::fresh() {
        Ok(fresh) => functions.answer(request, fresh).await.map(Body::from),
        Err(_) => respond_unavailable().map(Body::from),
    }
}

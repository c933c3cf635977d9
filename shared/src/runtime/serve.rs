//! The loops: ask the Lambda Runtime API for an event, hand it to the endpoint, give the answer back.

use std::time::Duration;

use http::StatusCode;
use lambda_runtime::{Context, Diagnostic, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::events::{ProxyEvent, ProxyResponse, Unreadable};
use super::{Error, fresh, metric, since_1970};
use crate::endpoints::authorizer::{self, Answer, Failure};
use crate::endpoints::rotate::{self, Rotation};
use crate::endpoints::{Request, Response, respond_unavailable, respond_unreadable};
use crate::oauth::fresh::Fresh;

/// How long before Lambda's deadline an answer is given up, so that the caller still gets one.
const MARGIN: Duration = Duration::from_millis(100);

/// Serves HTTP calls until Lambda ends the process.
///
/// # Errors
/// Where the Runtime API cannot be reached.
pub async fn serve<F>(handle: impl Fn(Request, Fresh) -> F) -> Result<(), Error>
where
    F: Future<Output = Response>,
{
    let handle = &handle;
    let service = service_fn(async move |event: LambdaEvent<Box<RawValue>>| {
        let (request, shape) = match read::<ProxyEvent>(&event.payload).map(ProxyEvent::into_request) {
            Some(Ok(request)) => request,
            Some(Err(Unreadable::Http(shape, what))) => return Ok(ProxyResponse::new(&respond_unreadable(what), shape)),
            Some(Err(Unreadable::NotHttp)) | None => {
                return Err(diagnostic("UnsupportedEvent", "the event is no HTTP call of API Gateway, ALB or a function URL"));
            }
        };
        let fresh = fresh().map_err(|error| diagnostic("Unavailable", &error.to_string()))?;
        let mut response = match tokio::time::timeout(time_left(&event.context), handle(request, fresh)).await {
            Ok(response) => response,
            Err(_) => respond_unavailable(),
        };
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            log::warn!(request_id = event.context.request_id.as_str(); "answered 503");
        }
        if let Ok(request_id) = event.context.request_id.parse() {
            response.headers_mut().insert("x-request-id", request_id);
        }
        Ok(ProxyResponse::new(&response, shape))
    });
    lambda_runtime::Runtime::new(service).run().await.map_err(|error| Error::new(error.to_string()))
}

/// Serves authorizer events until Lambda ends the process, and tells once a minute how old its view of the `table` is.
///
/// # Errors
/// Where the Runtime API cannot be reached.
pub async fn serve_authorizer(endpoint: authorizer::Endpoint, table: &str) -> Result<(), Error> {
    let endpoint = &endpoint;
    let service = service_fn(async move |event: LambdaEvent<Box<RawValue>>| -> Result<Answer, Diagnostic> {
        let unsupported = || diagnostic("UnsupportedEvent", "the event is none of API Gateway's to an authorizer");
        let call = read::<authorizer::Event>(&event.payload).ok_or_else(unsupported)?;
        let fresh = fresh().map_err(|error| diagnostic("Unavailable", &error.to_string()))?;
        let now = fresh.now;
        let answer = tokio::time::timeout(time_left(&event.context), endpoint.handle(call, fresh)).await;
        if let Some(age) = endpoint.memory.age_to_tell(now) {
            metric::seconds(table, "FeedAge", age, now);
        }
        answer.unwrap_or_else(|_| Err(Failure::Unavailable("out of time".to_owned()))).map_err(|failure| {
            if let Failure::Unavailable(reason) = &failure {
                log::error!(endpoint = "authorizer", reason = reason.as_str(); "the call could not be decided");
            }
            let kind = if failure == Failure::Unauthorized { "Unauthorized" } else { "Unavailable" };
            diagnostic(kind, &failure.to_string())
        })
    });
    lambda_runtime::Runtime::new(service).run().await.map_err(|error| Error::new(error.to_string()))
}

/// Serves the schedule of key rotation until Lambda ends the process, and tells each time how old the signing keys in the `table` are; what the
/// event says does not matter.
///
/// # Errors
/// Where the Runtime API cannot be reached.
pub async fn serve_schedule(endpoint: rotate::Endpoint, table: &str) -> Result<(), Error> {
    let endpoint = &endpoint;
    let service = service_fn(async move |_: LambdaEvent<serde_json::Value>| -> Result<serde_json::Value, Diagnostic> {
        let fresh = fresh().map_err(|error| diagnostic("Unavailable", &error.to_string()))?;
        match endpoint.rotate(Rotation::Due, "schedule", &fresh).await {
            Ok(rotated) => {
                metric::seconds(table, "KeyAge", endpoint.keyring.set().age(fresh.now), fresh.now);
                Ok(serde_json::json!({"rotated": rotated}))
            }
            Err(error) => {
                log::error!(endpoint = "rotate-keys", reason = error.to_string(); "the keys were not rotated");
                Err(diagnostic("Unavailable", "the keys were not rotated, see the log"))
            }
        }
    });
    lambda_runtime::Runtime::new(service).run().await.map_err(|error| Error::new(error.to_string()))
}

/// Reads an event; `None` where it has another form. The runtime would read it itself, but more slowly, and its error would repeat what
/// the event holds (SE-06).
fn read<'a, T: Deserialize<'a>>(event: &'a RawValue) -> Option<T> {
    serde_json::from_str(event.get()).ok()
}

fn time_left(context: &Context) -> Duration {
    Duration::from_millis(context.deadline).saturating_sub(since_1970()).saturating_sub(MARGIN)
}

fn diagnostic(error_type: &str, error_message: &str) -> Diagnostic {
    Diagnostic { error_type: error_type.to_owned(), error_message: error_message.to_owned() }
}

//! A Lambda Runtime API on loopback, and the `bootstrap` processes behind it.
//!
//! What AWS puts between API Gateway and a function, small enough for a test. Every process has a Runtime API of its own,
//! as every execution environment has; it is handed one event at a time, and is started again by the next event after it
//! ended. Nothing outlives its process: a new process gets a new port and new channels, so no event can reach a dead one.

mod process;

use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;

use process::{Launch, Output, Process, TIMEOUT};

/// One function's `bootstrap` as processes behind a Lambda Runtime API on loopback ports.
pub struct Function {
    queue: mpsc::UnboundedSender<Invocation>,
    pids: Vec<Arc<AtomicU32>>,
    output: Arc<Output>,
    instances: JoinSet<()>,
}

/// What went wrong in place of an answer: what the function posted to `/invocation/{id}/error` or `/init/error`, or that
/// its process ended or took too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    /// The name of the error, such as `Runtime.ExitError`.
    pub error_type: String,
    /// The sentence that belongs to it.
    pub error_message: String,
}

struct Invocation {
    event: Bytes,
    timeout: Duration,
    reply: oneshot::Sender<Result<Bytes, FunctionError>>,
}

impl Function {
    /// Starts `instances` processes of `binary`, with exactly `env` and what Lambda sets for every function (where both
    /// name a variable, `env` counts).
    ///
    /// # Errors
    /// If a port cannot be had or the binary cannot be executed.
    pub async fn start(name: &str, binary: &Path, env: &[(String, String)], instances: usize) -> io::Result<Self> {
        let output = Arc::new(Output::default());
        let launch = Arc::new(Launch::new(name, binary, env, Arc::clone(&output)));
        let (queue, invocations) = mpsc::unbounded_channel();
        let invocations = Arc::new(Mutex::new(invocations));

        let mut function = Self { queue, pids: Vec::new(), output, instances: JoinSet::new() };
        for _ in 0..instances {
            let process = Process::start(&launch).await?;
            let pid = Arc::new(AtomicU32::new(process.pid()));
            function.pids.push(Arc::clone(&pid));
            function.instances.spawn(run_instance(Arc::clone(&launch), process, pid, Arc::clone(&invocations)));
        }
        Ok(function)
    }

    /// Hands `event` to the next free process and waits for its answer.
    ///
    /// # Errors
    /// If the function answers with an error, ends, or takes longer than 29 seconds.
    pub async fn invoke(&self, event: Bytes) -> Result<Bytes, FunctionError> {
        self.invoke_within(TIMEOUT, event).await
    }

    /// The same for a function that is configured with another timeout, which it learns of as its deadline.
    ///
    /// # Errors
    /// If the function answers with an error, ends, or takes longer.
    pub async fn invoke_within(&self, timeout: Duration, event: Bytes) -> Result<Bytes, FunctionError> {
        let (reply, answer) = oneshot::channel();
        // A failed send drops `reply`, which the next line meets as well.
        let _ = self.queue.send(Invocation { event, timeout, reply });
        answer.await.unwrap_or_else(|_| Err(FunctionError::new("Runtime.Stopped", "the function was stopped")))
    }

    /// The process of each instance, the last one where it has ended.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.pids.iter().map(|pid| pid.load(Ordering::Relaxed)).collect()
    }

    /// What the processes have written to stdout and stderr since the start.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.kept()
    }

    /// From now on, print what the processes write to this process's stderr, and keep none of it.
    pub fn print_output(&self) {
        self.output.print();
    }

    /// Kills the processes. Dropping does the same without waiting.
    pub async fn stop(mut self) {
        self.instances.shutdown().await;
    }
}

impl FunctionError {
    fn new(error_type: &str, error_message: impl Into<String>) -> Self {
        Self { error_type: error_type.to_owned(), error_message: error_message.into() }
    }

    /// Reads the `{"errorType","errorMessage"}` that a runtime posts.
    fn parse(body: &[u8]) -> Self {
        let posted: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |member: &str| posted.get(member).and_then(serde_json::Value::as_str).map(str::to_owned);
        Self {
            error_type: text("errorType").unwrap_or_else(|| "Unknown".to_owned()),
            error_message: text("errorMessage").unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()),
        }
    }

    fn ended(status: io::Result<ExitStatus>) -> Self {
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        Self::new("Runtime.ExitError", format!("the process ended without an answer: {how}"))
    }
}

impl std::fmt::Display for FunctionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.error_type, self.error_message)
    }
}

impl std::error::Error for FunctionError {}

/// Feeds one process at a time. Like Lambda, it replaces an ended process when there is work for a new one, so that a
/// function that cannot start does not spin.
async fn run_instance(launch: Arc<Launch>, mut process: Process, pid: Arc<AtomicU32>, invocations: Arc<Mutex<mpsc::UnboundedReceiver<Invocation>>>) {
    loop {
        let next = invocations.lock().await.recv().await;
        let Some(Invocation { event, timeout, reply }) = next else { return };
        if !process.is_running() {
            match Process::start(&launch).await {
                Ok(started) => process = started,
                Err(error) => {
                    let _ = reply.send(Err(FunctionError::new("Runtime.InvalidEntrypoint", error.to_string())));
                    continue;
                }
            }
            pid.store(process.pid(), Ordering::Relaxed);
        }
        let request_id = launch.next_request_id();
        // The caller may have given up by now; the function cannot know, on AWS neither.
        let _ = reply.send(process.exchange(request_id, event, timeout).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_that_ends_is_an_error_and_is_replaced_by_the_next_event() {
        let function = Function::start("ends", Path::new("/bin/false"), &[], 1).await.unwrap();
        let first = function.pids();
        for _ in 0..2 {
            let error = function.invoke(Bytes::from_static(b"{}")).await.unwrap_err();
            assert_eq!(error.error_type, "Runtime.ExitError");
            assert_eq!(error.error_message, "the process ended without an answer: exit status: 1");
        }
        assert_ne!(function.pids(), first);
    }

    #[tokio::test]
    async fn a_process_has_the_given_variables_and_lambdas_and_no_others() {
        let env = [("GIVEN".to_owned(), "1".to_owned()), ("AWS_REGION".to_owned(), "eu-west-1".to_owned())];
        let function = Function::start("vars", Path::new("/usr/bin/env"), &env, 1).await.unwrap();
        // `env` prints and ends.
        function.invoke(Bytes::new()).await.unwrap_err();
        let output = function.output();
        for line in ["GIVEN=1", "AWS_REGION=eu-west-1", "AWS_LAMBDA_FUNCTION_NAME=vars", "AWS_ACCESS_KEY_ID=local"] {
            assert!(output.lines().any(|printed| printed == line), "{line} is missing in\n{output}");
        }
        assert!(!output.contains("PATH="), "{output}");
    }

    #[test]
    fn an_error_is_read_as_it_was_posted() {
        let posted = FunctionError::parse(br#"{"errorType":"T","errorMessage":"m","stackTrace":[]}"#);
        assert_eq!(posted, FunctionError::new("T", "m"));
        assert_eq!(FunctionError::parse(b"no JSON"), FunctionError::new("Unknown", "no JSON"));
    }
}

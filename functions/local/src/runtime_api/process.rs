//! One process of a function, and the Runtime API it talks to.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path as UrlPath, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::FunctionError;

/// How long one event may take. API Gateway gives up after 29 seconds, so a longer one has no reader.
pub(super) const TIMEOUT: Duration = Duration::from_secs(29);
/// Lambda's limit for an answer.
const ANSWER_LIMIT: usize = 6 * 1024 * 1024;
/// Where the functions believe to run.
const REGION: &str = "eu-central-1";

/// How a process of this function is started.
pub(super) struct Launch {
    name: String,
    binary: PathBuf,
    env: Vec<(OsString, OsString)>,
    output: Arc<Output>,
    requests: AtomicU64,
}

impl Launch {
    pub(super) fn new(name: &str, binary: &Path, env: &[(String, String)], output: Arc<Output>) -> Self {
        let log_group = format!("/aws/lambda/{name}");
        let set_by_lambda = [
            ("_HANDLER", "bootstrap"),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_SESSION_TOKEN", "local"),
            ("AWS_LAMBDA_FUNCTION_NAME", name),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", &log_group),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "local"),
        ];
        let set_by_lambda = set_by_lambda.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let given = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Self { name: name.to_owned(), binary: binary.to_owned(), env: set_by_lambda.chain(given).collect(), output, requests: AtomicU64::new(0) }
    }

    pub(super) fn next_request_id(&self) -> String {
        format!("00000000-0000-4000-8000-{:012x}", self.requests.fetch_add(1, Ordering::Relaxed))
    }
}

/// A running `bootstrap` and the Runtime API it talks to.
pub(super) struct Process {
    child: Child,
    events: mpsc::UnboundedSender<Event>,
    answers: mpsc::UnboundedReceiver<Answer>,
    readers: JoinSet<()>,
    _server: JoinSet<()>,
}

struct Event {
    request_id: String,
    body: Bytes,
    timeout: Duration,
}

struct Answer {
    /// None for `/init/error`, which answers whatever is asked.
    request_id: Option<String>,
    result: Result<Bytes, FunctionError>,
}

impl Process {
    pub(super) async fn start(launch: &Launch) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let mut child = Command::new(&launch.binary)
            .env_clear()
            .envs(launch.env.iter().map(|(name, value)| (name, value)))
            .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;

        let (events, next) = mpsc::unbounded_channel();
        let (answered, answers) = mpsc::unbounded_channel();
        let arn = format!("arn:aws:lambda:{REGION}:123456789012:function:{}", launch.name);
        let port = Port { next: tokio::sync::Mutex::new(next), answered, arn };
        let (mut readers, mut server) = (JoinSet::new(), JoinSet::new());
        server.spawn(serve(listener, Arc::new(port)));
        if let Some(stdout) = child.stdout.take() {
            readers.spawn(collect(stdout, launch.name.clone(), Arc::clone(&launch.output)));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.spawn(collect(stderr, launch.name.clone(), Arc::clone(&launch.output)));
        }
        Ok(Self { child, events, answers, readers, _server: server })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub(super) async fn exchange(&mut self, request_id: String, body: Bytes, timeout: Duration) -> Result<Bytes, FunctionError> {
        // Never refused: the receiver is dropped with `self`.
        let _ = self.events.send(Event { request_id: request_id.clone(), body, timeout });
        let answer = async {
            loop {
                tokio::select! {
                    // An answer counts even if the process ended right after posting it.
                    biased;
                    Some(answer) = self.answers.recv() => {
                        if answer.request_id.is_none_or(|id| id == request_id) {
                            return answer.result;
                        }
                    }
                    status = self.child.wait() => {
                        self.read_to_the_end().await;
                        return Err(FunctionError::ended(status));
                    }
                }
            }
        };
        if let Ok(result) = tokio::time::timeout(timeout, answer).await {
            return result;
        }
        // Like Lambda: what is left of a timed out process serves nobody.
        let _ = self.child.kill().await;
        Err(FunctionError::new("Sandbox.Timedout", format!("no answer after {timeout:?}")))
    }

    /// A process may be gone before its last words are read, and whoever learns of its end looks for them. A child of its own could
    /// hold the pipes open, so the wait has an end.
    async fn read_to_the_end(&mut self) {
        let all = async { while self.readers.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), all).await;
    }
}

/// The Runtime API's side of a process.
struct Port {
    next: tokio::sync::Mutex<mpsc::UnboundedReceiver<Event>>,
    answered: mpsc::UnboundedSender<Answer>,
    arn: String,
}

async fn serve(listener: TcpListener, port: Arc<Port>) {
    let router = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .layer(DefaultBodyLimit::max(ANSWER_LIMIT))
        .with_state(port);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    // Ends by being dropped with its process.
    let _ = axum::serve(listener, router).await;
}

async fn next(State(port): State<Arc<Port>>) -> Response {
    let Some(event) = port.next.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    #[expect(clippy::disallowed_methods, reason = "this is AWS's side, not a rule's")]
    let deadline = SystemTime::now() + event.timeout;
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let headers = [
        ("Lambda-Runtime-Aws-Request-Id", event.request_id),
        ("Lambda-Runtime-Deadline-Ms", deadline.to_string()),
        ("Lambda-Runtime-Invoked-Function-Arn", port.arn.clone()),
        ("Content-Type", "application/json".to_owned()),
    ];
    (headers, event.body).into_response()
}

async fn response(State(port): State<Arc<Port>>, UrlPath(id): UrlPath<String>, body: Bytes) -> StatusCode {
    port.answer(Some(id), Ok(body))
}

async fn error(State(port): State<Arc<Port>>, UrlPath(id): UrlPath<String>, body: Bytes) -> StatusCode {
    port.answer(Some(id), Err(FunctionError::parse(&body)))
}

async fn init_error(State(port): State<Arc<Port>>, body: Bytes) -> StatusCode {
    port.answer(None, Err(FunctionError::parse(&body)))
}

impl Port {
    fn answer(&self, request_id: Option<String>, result: Result<Bytes, FunctionError>) -> StatusCode {
        match self.answered.send(Answer { request_id, result }) {
            Ok(()) => StatusCode::ACCEPTED,
            Err(_) => StatusCode::GONE,
        }
    }
}

/// What a function's processes have written.
#[derive(Default)]
pub(super) struct Output {
    kept: Mutex<String>,
    print: AtomicBool,
}

impl Output {
    pub(super) fn kept(&self) -> String {
        self.text().clone()
    }

    pub(super) fn print(&self) {
        self.print.store(true, Ordering::Relaxed);
    }

    fn text(&self) -> MutexGuard<'_, String> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn collect(stream: impl AsyncRead + Unpin, name: String, output: Arc<Output>) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while let Ok(1..) = stream.read_until(b'\n', &mut line).await {
        let text = String::from_utf8_lossy(&line);
        if output.print.load(Ordering::Relaxed) {
            eprint!("{name}: {text}");
        } else {
            output.text().push_str(&text);
        }
        line.clear();
    }
}

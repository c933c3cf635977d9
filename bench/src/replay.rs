//! A stand-in for DynamoDB that answers at once: the engine's own answers, replayed byte for byte.
//!
//! The functions need real data, and the embedded engine gives it; but while the engine works, the function's process sleeps and its
//! caches go cold, and that would be booked on the function. So each read is put to the engine once, and of each kind of write one.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Error;

type Answers = Rc<RefCell<HashMap<Vec<u8>, Vec<u8>>>>;

/// Serves on a port of its own, on this thread, until the run ends; returns the endpoint.
pub async fn start(engine: &str) -> Result<String, Error> {
    let engine = engine.strip_prefix("http://").ok_or("the engine's endpoint is http")?.to_owned();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    tokio::task::spawn_local(async move {
        let answers = Answers::default();
        while let Ok((stream, _)) = listener.accept().await {
            let (answers, engine) = (Rc::clone(&answers), engine.clone());
            // A connection ends with the function that made it.
            tokio::task::spawn_local(async move { drop(serve(stream, &engine, &answers).await) });
        }
    });
    Ok(endpoint)
}

async fn serve(mut stream: TcpStream, engine: &str, answers: &Answers) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    while let Some(request) = message(&mut stream).await? {
        let key = key(&request)?;
        let known = answers.borrow().get(&key).cloned();
        let answer = match known {
            Some(answer) => answer,
            None => {
                let answer = ask(engine, &request).await?;
                // An error is not worth repeating.
                if answer.starts_with(b"HTTP/1.1 200") {
                    answers.borrow_mut().insert(key, answer.clone());
                }
                answer
            }
        };
        stream.write_all(&answer).await?;
    }
    Ok(())
}

/// What an answer depends on: a read's operation and body, a write's operation alone. The feed moves on with the time and is always asked.
fn key(request: &[u8]) -> Result<Vec<u8>, Error> {
    let (head, body) = split(request).ok_or("a request has a head")?;
    let operation = header(head, "x-amz-target").ok_or("a request names its operation")?;
    let is_write = ["PutItem", "UpdateItem", "BatchWriteItem", "TransactWriteItems"].iter().any(|write| operation.ends_with(write));
    Ok([operation.as_bytes(), if is_write { b"" } else { body }].concat())
}

async fn ask(engine: &str, request: &[u8]) -> Result<Vec<u8>, Error> {
    let mut stream = TcpStream::connect(engine).await?;
    stream.write_all(request).await?;
    message(&mut stream).await?.ok_or_else(|| "the engine answered nothing".into())
}

/// One HTTP message with a `Content-Length`; `None` at the end of the stream.
pub async fn message(stream: &mut TcpStream) -> Result<Option<Vec<u8>>, Error> {
    let mut message = Vec::with_capacity(4096);
    loop {
        if let Some((head, body)) = split(&message) {
            let length: usize = header(head, "content-length").unwrap_or("0").parse()?;
            if body.len() >= length {
                return Ok(Some(message));
            }
        }
        if stream.read_buf(&mut message).await? == 0 {
            return Ok(None);
        }
    }
}

fn split(message: &[u8]) -> Option<(&str, &[u8])> {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = message.split_at(end + 4);
    Some((std::str::from_utf8(head).ok()?, body))
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
}

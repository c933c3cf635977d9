//! The same question from outside: a release build of the local run, one connection, one request at a time.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::process::Command;

use super::{Order, Plan, Row};
use crate::function::binary;
use crate::seed::{ADMIN, post, text, wait_until_ready};
use crate::timing::welch::Samples;
use crate::{Error, replay};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// How many different requests a class has.
const POOL: usize = 64;

/// Requests of two classes, all to one path, and what the answer to each of them contains.
struct Requests {
    name: &'static str,
    classes: [&'static str; 2],
    pools: [Vec<String>; 2],
    expect: &'static str,
}

pub async fn measure(plan: &Plan) -> Result<Vec<Row>, Error> {
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let mut server = Command::new(binary("local")?)
        .env("PORT", port.to_string())
        .env("GATEWRIGHT_DATA", ":memory:")
        .env("GATEWRIGHT_LOG", "off")
        .env("GATEWRIGHT_ADMIN_CLIENT_ID", ADMIN.0)
        .env("GATEWRIGHT_ADMIN_CLIENT_SECRET", ADMIN.1)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let requests = requests(port).await?;
    let mut rows = Vec::new();
    for requests in requests {
        rows.push(compare(port, plan.requests, requests).await?);
    }
    server.kill().await?;
    Ok(rows)
}

async fn requests(port: u16) -> Result<Vec<Requests>, Error> {
    wait_until_ready(port).await?;
    let admin = post(port, "/oauth2/token", &basic(ADMIN.0, ADMIN.1), FORM, "grant_type=client_credentials").await?;
    let bearer = format!("Bearer {}", text(&admin, "access_token")?);
    let api = json!({"name": "orders", "audience": "https://orders.example/", "scopes": [{"value": "read"}]});
    post(port, "/admin/v1/apis", &bearer, JSON, &api.to_string()).await?;
    let mut secrets = Vec::new();
    for (client_id, format) in [("asker", "jwt"), ("owner", "jwt"), ("opaque", "opaque")] {
        let client = json!({"client_id": client_id, "client_name": client_id, "grant_types": ["client_credentials"],
            "scopes": ["https://orders.example/read"], "access_token_format": format});
        secrets.push(text(&post(port, "/admin/v1/clients", &bearer, JSON, &client.to_string()).await?, "client_secret")?);
    }
    let [asker, owner, opaque] = secrets.as_slice() else { return Err("there are three clients".into()) };
    let (mut jwts, mut opaques) = (Vec::new(), Vec::new());
    for _ in 0..POOL {
        for (pool, id, secret) in [(&mut jwts, "owner", owner), (&mut opaques, "opaque", opaque)] {
            let issued = post(port, "/oauth2/token", &basic(id, secret), FORM, "grant_type=client_credentials").await?;
            pool.push(text(&issued, "access_token")?);
        }
    }
    // The asker's secret is used once, so that its use today is noted.
    post(port, "/oauth2/token", &basic("asker", asker), FORM, "grant_type=client_credentials").await?;
    let wrong = |id: &str| -> Vec<String> {
        // As long as a right one, and another each time.
        let secret = |at: usize| format!("{}{at:03}", asker.get(..asker.len() - 3).unwrap_or_default());
        (0..POOL).map(|at| request(port, "/oauth2/token", &basic(id, &secret(at)), "grant_type=client_credentials")).collect()
    };
    let asked = |token: &str| request(port, "/oauth2/introspect", &basic("asker", asker), &format!("token={token}"));
    Ok(vec![
        Requests {
            name: "token endpoint",
            classes: ["unknown client", "wrong secret"],
            pools: [wrong("askex"), wrong("asker")],
            expect: "invalid_client",
        },
        Requests {
            name: "introspection, opaque",
            classes: ["unknown token", "another client's"],
            pools: [opaques.iter().map(|token| asked(&altered(token))).collect(), opaques.iter().map(|token| asked(token)).collect()],
            expect: r#"{"active":false}"#,
        },
        Requests {
            name: "introspection, JWT",
            classes: ["forged", "another client's"],
            pools: [jwts.iter().map(|token| asked(&altered(token))).collect(), jwts.iter().map(|token| asked(token)).collect()],
            expect: r#"{"active":false}"#,
        },
    ])
}

/// A token that is none: another character before the last four.
fn altered(token: &str) -> String {
    let (start, end) = token.split_at(token.len().saturating_sub(5));
    let other = if end.starts_with('A') { 'B' } else { 'A' };
    format!("{start}{other}{}", end.get(1..).unwrap_or_default())
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
}

fn request(port: u16, path: &str, authorization: &str, form: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {authorization}\r\nContent-Type: {FORM}\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )
}

async fn compare(port: u16, number: usize, requests: Requests) -> Result<Row, Error> {
    let Requests { name, classes, pools, expect } = requests;
    eprintln!("{name} ...");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let mut order = Order::new();
    let mut samples = Samples::with_capacity(number);
    let warm_up = number / 20;
    for at in 0..number + warm_up {
        let class = order.next(2);
        let sent = pools.get(class).and_then(|pool| pool.get(order.next(POOL))).ok_or("a class has its requests")?;
        let (taken, answer) = asked(&mut stream, sent).await?;
        if !answer.contains(expect) {
            return Err(format!("{name}: {answer}").into());
        }
        if at >= warm_up {
            samples.add(class, taken);
        }
    }
    Ok(Row { name, classes, samples })
}

async fn asked(stream: &mut TcpStream, request: &str) -> Result<(Duration, String), Error> {
    let begun = Instant::now();
    stream.write_all(request.as_bytes()).await?;
    let answer = replay::message(stream).await?.ok_or("the connection was closed")?;
    Ok((begun.elapsed(), String::from_utf8_lossy(&answer).into_owned()))
}

//! `bench cold`: how long the files of `make build` take from their start to their first answer, at the CPU share that Lambda gives
//! each memory size.
//!
//! The share is a quota of a cgroup (version 1) in periods of 20 ms, as Lambda's is. All of the start is under the quota here, while Lambda
//! is said to lend an initialisation more: these are upper bounds. There is no TLS to the table, which AWS adds.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use local::runtime_api::Function;
use serde_json::{Value, json};

use crate::function::{binary, percentile};
use crate::seed::{self, ADMIN, Setup};
use crate::{Error, cpu, replay, store, subject};

/// Memory sizes in MB. The last has a whole CPU.
const MEMORY: [u64; 5] = [128, 256, 512, 1024, WHOLE];
const WHOLE: u64 = 1769;
const PERIOD_US: u64 = 20_000;
/// The largest weight: other work on the machine should not be measured.
const BEFORE_OTHERS: u64 = 262_144;
/// Fresh processes of each function and size.
const STARTS: usize = 15;

/// A function's first event, and what its answer contains.
struct First {
    function: &'static str,
    event: Bytes,
    expect: &'static str,
}

/// Measures, prints the table and writes `target/cold.json`.
pub async fn run() -> Result<(), Error> {
    let engine = store::start().await?;
    let setup = seed::seed(&engine, &replay::start(&engine).await?, 1).await?;
    let mut rows = Vec::new();
    let shares: Vec<Share> = MEMORY.into_iter().map(Share::of).collect::<Result<_, _>>()?;
    println!("{:<14}{:>10}     ms to the first answer at", "function", "CPU ms");
    println!("{:<24}{}", "", MEMORY.map(|size| format!("{size:>8} MB")).concat());
    for first in firsts(&setup).await? {
        let bootstrap = bootstrap(first.function)?;
        let (mut booked, mut medians) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            booked.push(once(&first, &bootstrap, &setup).await?.1);
        }
        for share in &shares {
            let start = share.start_of(&bootstrap)?;
            let mut walls = Vec::new();
            for _ in 0..STARTS {
                walls.push(once(&first, &start, &setup).await?.0);
            }
            medians.push(ms(percentile(&mut walls, 50)?));
        }
        let booked = ms(percentile(&mut booked, 50)?);
        println!("{:<14}{booked:>10.2}{}", first.function, medians.iter().map(|wall| format!("{wall:>11.1}")).collect::<String>());
        let by_size: Value = MEMORY.iter().zip(&medians).map(|(size, wall)| (size.to_string(), json!(wall))).collect();
        rows.push((first.function.to_owned(), json!({"cpu_ms": booked, "wall_ms": by_size})));
    }
    fs::write(binary("../cold.json")?, format!("{:#}\n", rows.into_iter().collect::<Value>()))?;
    Ok(())
}

/// From the start of a process to its first answer, and the CPU it took.
async fn once(first: &First, start: &Path, setup: &Setup) -> Result<(Duration, Duration), Error> {
    let begun = Instant::now();
    let function = Function::start(first.function, start, &setup.env, 1).await?;
    let answer = function.invoke(first.event.clone()).await;
    let wall = begun.elapsed();
    let answer = answer.map_or_else(|error| error.to_string(), |answer| String::from_utf8_lossy(&answer).into_owned());
    if !answer.contains(first.expect) {
        return Err(format!("{}: {answer}\n{}", first.function, function.output()).into());
    }
    // Until it waits for its second event.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let cpu = cpu::of_process(*function.pids().first().ok_or("no process")?)?;
    function.stop().await;
    Ok((wall, cpu))
}

async fn firsts(setup: &Setup) -> Result<Vec<First>, Error> {
    let token = setup.tokens.first().ok_or("no token")?;
    let form = |path, form: &[(&str, &str)]| subject::form_event(path, &setup.client_id, &setup.client_secret, form);
    let admin = format!("Bearer {}", admin_token(setup).await?);
    let first = |function, expect, event| First { function, event, expect };
    Ok(vec![
        first("token", "access_token", form("/oauth2/token", &[("grant_type", "client_credentials"), ("scope", subject::ORDERS)])),
        first("introspect", r#"\"active\":true"#, form("/oauth2/introspect", &[("token", token)])),
        first("revoke", r#""statusCode":200"#, form("/oauth2/revoke", &[("token", "nobody's")])),
        // The page that says that the client is unknown: the same read as for one that is known.
        first("authorize", r#""statusCode":400"#, subject::get_event("/oauth2/authorize", "")),
        first("metadata", "ES256", subject::get_event("/.well-known/jwks.json", "")),
        first("authorizer", r#""Effect":"Allow""#, subject::authorizer_event("/orders/1", token)),
        first("admin", r#""statusCode":200"#, subject::get_event("/admin/v1/apis", &admin)),
        first("rotate-keys", "rotated", Bytes::from_static(br#"{"source":"aws.events"}"#)),
    ])
}

async fn admin_token(setup: &Setup) -> Result<String, Error> {
    let function = Function::start("token", &bootstrap("token")?, &setup.env, 1).await.map_err(|error| format!("make build comes first: {error}"))?;
    let answer = function.invoke(subject::token_event(ADMIN.0, ADMIN.1, "urn:gatewright:admin:apis.read")).await?;
    function.stop().await;
    let answer: Value = serde_json::from_slice(&answer)?;
    seed::text(&serde_json::from_str(&seed::text(&answer, "body")?)?, "access_token")
}

/// The file that `make build` made for this machine's architecture.
fn bootstrap(function: &str) -> Result<PathBuf, Error> {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    binary(&format!("../lambda/{architecture}/{function}/bootstrap"))
}

/// A part of one CPU: a cgroup. Gone when it is dropped.
struct Share {
    group: PathBuf,
}

impl Share {
    fn of(size: u64) -> Result<Self, Error> {
        let group = PathBuf::from(format!("/sys/fs/cgroup/cpu/gatewright-bench-{}-{size}", std::process::id()));
        let made = fs::create_dir(&group);
        made.map_err(|error| format!("`{}` cannot be made, bench cold needs cgroups of version 1 and root: {error}", group.display()))?;
        let share = Self { group };
        for (file, value) in [("cpu.cfs_period_us", PERIOD_US), ("cpu.cfs_quota_us", PERIOD_US * size / WHOLE), ("cpu.shares", BEFORE_OTHERS)] {
            fs::write(share.group.join(file), value.to_string())?;
        }
        Ok(share)
    }

    /// What to start in place of the bootstrap, so that it is under the quota from its first instruction. The shell before it takes a
    /// millisecond, of which some is.
    fn start_of(&self, bootstrap: &Path) -> Result<PathBuf, Error> {
        let script = binary("../bench-data/under-quota")?;
        fs::write(&script, format!("#!/bin/sh\necho $$ >{}/cgroup.procs\nexec {}\n", self.group.display(), bootstrap.display()))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        Ok(script)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // Its last process may have ended a moment ago.
        for _ in 0..50 {
            if fs::remove_dir(&self.group).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}

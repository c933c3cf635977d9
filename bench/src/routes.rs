//! The route gate alone, in this process: what a match costs with many privileges on one Api, what the table costs to compile, and
//! what it costs to write down everything that a principal may call.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::oauth::access_token::Claims;
use shared::oauth::api::{Api, Apis};
use shared::oauth::client::Client;
use shared::oauth::gates::Call;
use shared::oauth::path::CanonicalPath;
use shared::oauth::privilege::Privilege;
use shared::oauth::rights::rights;
use shared::oauth::route::Principal;
use shared::oauth::route_table::RouteTable;

use crate::function::percentile;
use crate::{Error, cpu, raw};

/// How many privileges the Api has.
const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
const BASE: &str = "/shop";
const STAGE: &str = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/prod/";
/// About what an authorizer's answer has room for.
const MOST_BYTES: usize = 6_700;

/// CPU time with so many privileges on one Api.
pub struct Figures {
    pub privileges: usize,
    /// Compiling the table.
    pub compile: Duration,
    /// Finding the winner: of a call that a privilege names, of one that none does, of one 32 segments deep.
    pub hit: Duration,
    pub miss: Duration,
    pub deep: Duration,
    /// A miss with every place of the tree on its way: as many privileges, chosen by an enemy.
    pub worst: Duration,
    /// The whole route gate of the hit: path, Api, winner, subject, scope, role.
    pub gate: Duration,
    /// Writing what a principal may call, of privileges that a policy could list.
    pub rights: Duration,
    /// Whether the policy lists it. Otherwise it was found not to fit.
    pub listed: bool,
}

/// `turn` is how long a batch takes, about.
pub fn measure(turn: Duration) -> Result<Vec<Figures>, Error> {
    eprintln!("routes ...");
    SIZES.into_iter().map(|size| of_size(size, turn)).collect()
}

fn of_size(size: usize, turn: Duration) -> Result<Figures, Error> {
    let mixed = privileges(size, mixed)?;
    let table = RouteTable::new(BASE, mixed.clone());
    // One that ends in a parameter, in the middle of all.
    let wanted = size / 2 / 4 * 4 + 1;
    let name = format!("p{wanted}");
    let hit = path(&format!("{BASE}/k{wanted}/7"))?;
    let won = |path: &CanonicalPath| table.winner("GET", path.segments()).map(|won| won.privilege.metadata.name.to_string());
    if won(&hit).as_deref() != Some(name.as_str()) {
        return Err(format!("{} of {size} privileges is won by {:?}, not by {name}", hit.as_str(), won(&hit)).into());
    }
    let miss = path(&format!("{BASE}/none/7"))?;
    let deep = path(&format!("{BASE}/k{}{}", wanted + 1, "/a".repeat(30)))?;
    if won(&miss).is_some() || won(&deep).is_none() {
        return Err(format!("{} hits or {} misses", miss.as_str(), deep.as_str()).into());
    }
    let depth = size.ilog2();
    let enemy = RouteTable::new(BASE, privileges(1 << depth, |at| doubling(at, depth))?);
    let dead_end = path(&format!("{BASE}{}/none", "/a".repeat(usize::try_from(depth)?)))?;

    let winner = |table: &RouteTable, path: &CanonicalPath| per_match(turn, || table.winner("GET", black_box(path).segments()));
    let caller = Caller::new()?;
    let listable = RouteTable::new(BASE, privileges(size, listable)?);
    let write = || rights(&caller.principal(), "a1b2c3d4e5/prod", STAGE, &caller.apis, Some(&listable), MOST_BYTES);
    Ok(Figures {
        privileges: size,
        compile: compiling(&mixed, turn)?,
        hit: winner(&table, &hit)?,
        miss: winner(&table, &miss)?,
        deep: winner(&table, &deep)?,
        worst: winner(&enemy, &dead_end)?,
        gate: per_match(turn, || caller.passes(black_box(hit.as_str()), &table))?,
        rights: per_match(turn, write)?,
        listed: write().is_some(),
    })
}

/// Compiles as many tables as fit a turn, without what it costs to copy the privileges or to drop the tables.
fn compiling(privileges: &[Privilege], turn: Duration) -> Result<Duration, Error> {
    let begun = Instant::now();
    drop(RouteTable::new(BASE, privileges.to_vec()));
    let tables = times(turn, begun.elapsed());
    let mut batches = Vec::new();
    for _ in 0..11 {
        let copies: Vec<_> = (0..tables).map(|_| privileges.to_vec()).collect();
        let mut made = Vec::with_capacity(copies.len());
        let before = cpu::of_this_thread()?;
        made.extend(copies.into_iter().map(|copy| RouteTable::new(BASE, copy)));
        batches.push((cpu::of_this_thread()? - before) / tables);
        drop(black_box(made));
    }
    percentile(&mut batches, 50)
}

fn per_match<T>(turn: Duration, mut operation: impl FnMut() -> T) -> Result<Duration, Error> {
    let begun = Instant::now();
    for _ in 0..10 {
        black_box(operation());
    }
    let batch = times(turn, begun.elapsed() / 10);
    raw::per_call(batch, || {
        black_box(operation());
        Ok(())
    })
}

/// How often something that takes so long goes into a turn.
fn times(turn: Duration, takes: Duration) -> u32 {
    let times = turn.as_nanos() / takes.as_nanos().max(1);
    u32::try_from(times).unwrap_or(u32::MAX).max(1)
}

/// Every kind of pattern there is.
fn mixed(at: usize) -> Value {
    match at % 4 {
        0 => json!({"methods": ["GET"], "path": format!("{BASE}/k{at}")}),
        1 => json!({"methods": ["GET"], "path": format!("{BASE}/k{at}/{{id}}")}),
        2 => json!({"path": format!("{BASE}/k{at}/*")}),
        _ => json!({"methods": ["GET"], "path": format!("{BASE}/{{id}}/k{at}/{{part}}")}),
    }
}

/// Paths, and paths with everything below: what the resources of a policy can say.
fn listable(at: usize) -> Value {
    let rest = if at.is_multiple_of(2) { "" } else { "/*" };
    json!({"methods": ["GET"], "path": format!("{BASE}/k{at}{rest}")})
}

/// At each of `depth` segments either a literal or a parameter, so that one path leads to all of them, and then an end of its own.
fn doubling(at: usize, depth: u32) -> Value {
    let way: String = (0..depth).map(|bit| if at >> bit & 1 == 0 { "/a" } else { "/{x}" }).collect();
    json!({"methods": ["GET"], "path": format!("{BASE}{way}/end{at}")})
}

fn privileges(size: usize, route: impl Fn(usize) -> Value) -> Result<Vec<Privilege>, Error> {
    let privilege = |at| {
        let metadata = json!({"name": format!("p{at}"), "api": "shop", "routes": [route(at)], "roles": ["clerk"], "scopes": ["read"]});
        Ok(serde_json::from_value(json!({"metadata": metadata, "created_at": 0, "updated_at": 0, "version": 1}))?)
    };
    (0..size).map(privilege).collect()
}

fn path(text: &str) -> Result<CanonicalPath, Error> {
    CanonicalPath::parse(text).ok_or_else(|| format!("{text} is no canonical path").into())
}

/// A client that has the scope and the role.
struct Caller {
    claims: Claims,
    client: Client,
    apis: Apis,
}

impl Caller {
    fn new() -> Result<Self, Error> {
        let audience = "https://shop.example/";
        let metadata =
            json!({"client_name": "bench", "grant_types": ["client_credentials"], "scopes": [format!("{audience}read")], "roles": ["clerk"]});
        let client = json!({"client_id": "bench", "metadata": metadata, "tokens_valid_from": 0, "created_at": 0, "updated_at": 0, "version": 1});
        let metadata = json!({"name": "shop", "audience": audience, "base_path": BASE, "scopes": [{"value": "read"}]});
        let api: Api = serde_json::from_value(json!({"metadata": metadata, "created_at": 0, "updated_at": 0, "privileges": 1, "version": 1}))?;
        let claims =
            json!({"jti": "t", "client_id": "bench", "sub": "bench", "sub_type": "client", "aud": audience, "scope": "read", "iat": 0, "exp": 0});
        Ok(Self { claims: serde_json::from_value(claims)?, client: serde_json::from_value(client)?, apis: Apis::new(vec![api], 1) })
    }

    fn principal(&self) -> Principal<'_> {
        Principal { claims: &self.claims, client: &self.client, person: None }
    }

    fn passes(&self, path: &str, table: &RouteTable) -> bool {
        let call = Call { gateway: String::new(), method: "GET".to_owned(), path: CanonicalPath::parse(path), backends: Vec::new() };
        let protection = call.protection(&self.apis, Some(table));
        protection.is_some_and(|protection| protection.admits(&self.principal()).is_ok())
    }
}

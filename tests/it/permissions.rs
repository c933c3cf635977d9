//! What each function may do (`infra/cdk/functions.json`), held to what it is seen to do while all other tests run.
//!
//! Who makes a call is known as AWS knows it, by the access key that signed it. [`Caller`] gives the functions of this process theirs,
//! `Deployment` gives the real binaries theirs, and what the tests do for themselves is signed by nobody's. `make test` names a file in
//! `GATEWRIGHT_TEST_CALLS`: what is seen is added there, and the last test of this file, which runs on its own after the others, reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Mutex;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use http::HeaderMap;
use local::node::function_at_work;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::routes::ROUTES;

use crate::layers::root;

/// What is deployed, in the order of `functions.json`.
pub const DEPLOYED: [&str; 8] = ["token", "introspect", "revoke", "authorize", "metadata", "authorizer", "admin", "rotate-keys"];

/// The file that what is seen is added to.
const SEEN: &str = "GATEWRIGHT_TEST_CALLS";

/// Signs as the function that is at work.
#[derive(Debug)]
pub struct Caller;

impl ProvideCredentials for Caller {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let key = function_at_work().map_or_else(|| "test".to_owned(), access_key);
        future::ProvideCredentials::ready(Ok(Credentials::new(key, "test", None, None, "test")))
    }
}

/// The access key of a function: DynamoDB Local takes letters and digits only.
pub fn access_key(function: &str) -> String {
    format!("function{}", function.replace('-', ""))
}

/// The function whose access key signed a request.
fn caller(headers: &HeaderMap) -> Option<&'static str> {
    let (_, credential) = headers.get("authorization")?.to_str().ok()?.split_once("Credential=")?;
    let (key, _) = credential.split_once('/')?;
    DEPLOYED.into_iter().find(|function| access_key(function) == key)
}

/// Something that a function does, or may do: of the `table`, of its `index`, or of the `seal`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Permission {
    resource: String,
    action: String,
    /// The partition keys that it is done to; empty for the seal.
    keys: String,
}

impl Permission {
    fn new(resource: &str, action: &str, keys: &str) -> Self {
        Self { resource: resource.to_owned(), action: action.to_owned(), keys: keys.to_owned() }
    }
}

/// Adds what a call to DynamoDB or KMS needs to what was seen, if a function makes it.
pub fn see(headers: &HeaderMap, operation: &str, body: &[u8]) {
    static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let (Some(function), Some(file)) = (caller(headers), std::env::var_os(SEEN)) else { return };
    for Permission { resource, action, keys } in needed(operation, &serde_json::from_slice(body).unwrap()) {
        let line = format!("{function}\t{resource}\t{action}\t{keys}\n");
        if KNOWN.lock().unwrap().insert(line.clone()) {
            let mut file = std::fs::File::options().create(true).append(true).open(&file).unwrap();
            file.write_all(line.as_bytes()).unwrap();
        }
    }
}

/// What IAM asks for: a batch is an action of its own, a transaction is the single actions that it is made of.
fn needed(operation: &str, body: &Value) -> Vec<Permission> {
    let table = |action: &str, key: &Value| Permission::new("table", action, &pattern(key));
    match operation {
        // Only the tests of `kms.rs` have a KMS. Elsewhere a key file seals; that a sealed key is read or written is seen there, too.
        "Encrypt" | "Decrypt" => vec![Permission::new("seal", operation, "")],
        "Query" => {
            // `pk = :pk AND …`
            let name = body["KeyConditionExpression"].as_str().unwrap().split(' ').nth(2).unwrap();
            let resource = if body.get("IndexName").is_some() { "index" } else { "table" };
            vec![Permission::new(resource, operation, &pattern(&body["ExpressionAttributeValues"][name]["S"]))]
        }
        "TransactWriteItems" | "TransactGetItems" => {
            let items = body["TransactItems"].as_array().unwrap().iter().flat_map(|item| item.as_object().unwrap());
            let action = |kind: &str| if kind == "ConditionCheck" { "ConditionCheckItem".to_owned() } else { format!("{kind}Item") };
            items.flat_map(|(kind, item)| partitions(item).into_iter().map(|key| table(&action(kind), key)).collect::<Vec<_>>()).collect()
        }
        _ => match partitions(body) {
            // A scan, and what else goes to no partition: no function is granted all of the table.
            keys if keys.is_empty() => vec![Permission::new("table", operation, "*")],
            keys => keys.into_iter().map(|key| table(operation, key)).collect(),
        },
    }
}

/// Every partition key in a request: each is the member `pk` of a key or of an item.
fn partitions(of: &Value) -> Vec<&Value> {
    match of {
        Value::Object(members) => {
            let own = members.get("pk").and_then(|key| key.get("S"));
            own.into_iter().chain(members.iter().filter(|(name, _)| *name != "pk").flat_map(|(_, member)| partitions(member))).collect()
        }
        Value::Array(elements) => elements.iter().flat_map(partitions).collect(),
        _ => Vec::new(),
    }
}

/// All partition keys of the same kind (`shared/src/store/key.rs`).
fn pattern(key: &Value) -> String {
    let key = key.as_str().unwrap();
    key.split_once('#').map_or_else(|| key.to_owned(), |(kind, _)| format!("{kind}#*"))
}

/// What `functions.json` says of a function.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deployed {
    routes: Vec<String>,
    memory: u32,
    timeout: u32,
    #[serde(default)]
    table: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    index: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    seal: Vec<String>,
}

impl Deployed {
    fn permissions(&self) -> Vec<Permission> {
        let of = |resource: &'static str, actions: &BTreeMap<String, Vec<String>>| {
            let pairs = actions.iter().flat_map(|(action, keys)| keys.iter().map(move |keys| (action.clone(), keys.clone())));
            pairs.map(|(action, keys)| Permission::new(resource, &action, &keys)).collect::<Vec<_>>()
        };
        let seal = self.seal.iter().map(|action| Permission::new("seal", action, ""));
        of("table", &self.table).into_iter().chain(of("index", &self.index)).chain(seal).collect()
    }
}

fn functions_json() -> String {
    std::fs::read_to_string(root().join("infra/cdk/functions.json")).unwrap()
}

fn deployed() -> BTreeMap<String, Deployed> {
    serde_json::from_str(&functions_json()).unwrap()
}

#[test]
fn what_is_deployed_is_every_function_with_the_routes_of_the_code() {
    // Issue 5, items 2 and 4
    let directories = std::fs::read_dir(root().join("functions")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let directories: BTreeSet<String> = directories.filter(|name| !["local", "cli"].contains(&name.as_str())).collect();
    assert_eq!(directories, DEPLOYED.map(str::to_owned).into());
    let functions = deployed();
    assert_eq!(functions.keys().cloned().collect::<BTreeSet<_>>(), directories);
    let text = functions_json();
    let places = DEPLOYED.map(|name| text.find(&format!("\n  \"{name}\": {{")).unwrap());
    assert!(places.is_sorted(), "the functions are not in their order");
    for (name, function) in &functions {
        let own: Vec<&str> = ROUTES.iter().filter(|(_, serves)| serves.name() == name).map(|(path, _)| *path).collect();
        assert_eq!(function.routes, own, "{name}");
        assert_eq!(own.is_empty(), ["authorizer", "rotate-keys"].contains(&name.as_str()), "{name}");
        // A front waits 29 seconds for an answer; what is decided is decided within three of a table's silence (SF-04).
        assert!((3..=60).contains(&function.timeout) && (128..=2048).contains(&function.memory), "{name}");
        let permissions = function.permissions();
        assert_eq!(permissions.len(), permissions.iter().collect::<BTreeSet<_>>().len(), "{name} is granted something twice");
        for Permission { action, keys, .. } in &permissions {
            assert!(!action.contains('*') && keys != "*" && keys.trim_end_matches("#*").find(['*', '?']).is_none(), "{name}: {action} {keys}");
        }
    }
}

#[test]
fn a_call_needs_what_iam_asks_for() {
    let plain = |operation: &str, body: Value| {
        let needed = needed(operation, &body);
        needed.into_iter().map(|Permission { resource, action, keys }| format!("{resource} {action} {keys}")).collect::<Vec<_>>().join(", ")
    };
    let key = |pk: &str| json!({"pk": {"S": pk}, "sk": {"S": "x"}});
    assert_eq!(plain("GetItem", json!({"TableName": "t", "Key": key("apis")})), "table GetItem apis");
    let batch = json!({"RequestItems": {"t": {"Keys": [key("client#a"), key("username#r#a"), key("keys")]}}});
    assert_eq!(plain("BatchGetItem", batch), "table BatchGetItem client#*, table BatchGetItem username#*, table BatchGetItem keys");
    let batch = json!({"RequestItems": {"t": [{"PutRequest": {"Item": key("audit#2026-11-20")}}]}});
    assert_eq!(plain("BatchWriteItem", batch), "table BatchWriteItem audit#*");
    let writes = [("Put", "Item", "feed#1"), ("Update", "Key", "role#a"), ("Delete", "Key", "key#a"), ("ConditionCheck", "Key", "apis")];
    let writes = writes.map(|(kind, member, pk)| json!({kind: {member: key(pk)}}));
    let transaction = json!({"TransactItems": writes});
    assert_eq!(
        plain("TransactWriteItems", transaction),
        "table PutItem feed#*, table UpdateItem role#*, table DeleteItem key#*, table ConditionCheckItem apis"
    );
    let values = json!({":from": {"S": "x"}, ":p": {"S": "tokens#a#1"}});
    let query = json!({"KeyConditionExpression": "#p = :p AND #s > :from", "ExpressionAttributeValues": values});
    assert_eq!(plain("Query", query.clone()), "table Query tokens#*");
    let mut of_index = query;
    of_index["IndexName"] = "lists".into();
    assert_eq!(plain("Query", of_index), "index Query tokens#*");
    let reads = json!({"TransactItems": [{"Get": {"Key": key("apis")}}]});
    assert_eq!(plain("TransactGetItems", reads), "table GetItem apis");
    assert_eq!(plain("Scan", json!({"TableName": "t"})), "table Scan *");
    assert_eq!(plain("Decrypt", json!({"CiphertextBlob": ""})), "seal Decrypt ");
}

#[test]
#[ignore = "holds what all other tests were seen to do, so it runs after them and by itself: make test does that"]
fn every_function_may_do_what_it_was_seen_to_do_and_nothing_else() {
    // Issue 5, item 4
    let file = std::env::var_os(SEEN).unwrap_or_else(|| panic!("{SEEN} must name the file that the other tests recorded their calls in"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("nothing was recorded in {}: {error}", file.display()));
    let mut seen: BTreeMap<&str, BTreeSet<Permission>> = BTreeMap::new();
    for line in text.lines() {
        let [function, resource, action, keys] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        seen.entry(function).or_default().insert(Permission::new(resource, action, keys));
    }
    let mut faults = Vec::new();
    for (name, function) in deployed() {
        let granted: BTreeSet<Permission> = function.permissions().into_iter().collect();
        let used = seen.remove(name.as_str()).unwrap_or_default();
        for (permissions, fault) in [(used.difference(&granted), "does, and may not"), (granted.difference(&used), "may do, and was not seen to")] {
            faults.extend(permissions.map(|Permission { resource, action, keys }| format!("{name} {fault}: {action} {keys} ({resource})")));
        }
    }
    assert!(faults.is_empty(), "infra/cdk/functions.json is not what the functions do:\n{}", faults.join("\n"));
}

//! The built binary, against a table in this process and against a running local server.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

use std::process::{Output, Stdio};
use std::sync::Arc;

use local::engine::Engine;
use local::front::{Functions, serve};
use local::node::Node;
use local::settings::sealer;
use serde_json::Value;
use shared::endpoints::bootstrap::{Given, bootstrap};
use shared::oauth::ids::ClientId;
use shared::oauth::secret::ClientSecret;
use shared::runtime::{Config, Endpoints, fresh};
use shared::store::{Sealer, Store};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;

const SECRET: &str = "it's 32 characters, %+& and more";

/// What a command answered.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// Makes sure that it did what it was asked to.
    fn succeeded(&self) {
        assert_eq!(self.code, 0, "{}", self.err);
    }

    /// What it says on standard error, having failed and printed nothing else.
    fn refusal(&self) -> &str {
        assert_eq!((self.code, self.out.as_str()), (1, ""), "{}", self.err);
        self.err.trim_end()
    }
}

/// Runs the binary in an empty directory with these variables and no others.
async fn run(variables: &[(&str, &str)], arguments: &[&str], input: &str) -> Ran {
    let directory = Directory::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
    command.args(arguments).env_clear().envs(variables.iter().copied()).current_dir(&directory.0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut process = command.spawn().unwrap();
    // A process that reads nothing may have ended by now.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes()).await;
    let Output { status, stdout, stderr } = process.wait_with_output().await.unwrap();
    Ran { code: status.code().unwrap(), out: String::from_utf8(stdout).unwrap(), err: String::from_utf8(stderr).unwrap() }
}

/// A directory of a test's own.
struct Directory(std::path::PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let name = format!("gatewright-cli-{}-{}", std::process::id(), NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An empty table with the environment that reaches it, as an operator under IAM has it.
struct Deployment {
    engine: Engine,
    data: Directory,
}

impl Deployment {
    async fn start() -> Self {
        let engine = Engine::start(None, 0).await.unwrap();
        Store::new(Endpoints::local(engine.url()).dynamodb(), "gatewright".to_owned()).create_table().await.unwrap();
        let data = Directory::new();
        sealer(&data.0).unwrap();
        Self { engine, data }
    }

    async fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(&[], arguments).await
    }

    async fn run_with(&self, more: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let data = self.data.0.to_string_lossy();
        let mut variables = vec![
            ("GATEWRIGHT_ISSUER", "https://auth.example"),
            ("GATEWRIGHT_TABLE", "gatewright"),
            ("GATEWRIGHT_DATA", &data),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.engine.url()),
        ];
        variables.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        variables.extend(more);
        run(&variables, arguments, "").await
    }
}

/// A local server that listens, with the admin client `root`, and the environment that reaches it.
async fn running() -> (String, Vec<(&'static str, &'static str)>) {
    let engine = Engine::start(None, 0).await.unwrap();
    let url = serve_on(&engine, Sealer::file(&[7; 32]).unwrap()).await;
    tokio::spawn(async move {
        let _engine = engine;
        std::future::pending::<()>().await;
    });
    (url, ADMIN.to_vec())
}

const ADMIN: [(&str, &str); 2] = [("GATEWRIGHT_ADMIN_CLIENT_ID", "root"), ("GATEWRIGHT_ADMIN_CLIENT_SECRET", SECRET)];

/// Serves what is in the engine, with the admin client `root`; returns the URL.
async fn serve_on(engine: &Engine, sealer: Sealer) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let config = Config::from_environment(&|name| (name == "GATEWRIGHT_ISSUER").then(|| url.clone())).unwrap();
    let store = Store::new(Endpoints::local(engine.url()).dynamodb(), config.table.clone());
    let node = Node::new(config, store, sealer);
    node.prepare(&fresh().unwrap()).await.unwrap();
    let given = Given { client_id: ClientId::parse("root"), client_secret: Some(ClientSecret::new(SECRET.to_owned())) };
    bootstrap(&node.store, given, false, &fresh().unwrap()).await.unwrap().unwrap();
    tokio::spawn(serve(listener, Arc::new(Functions::Here(Box::new(node))), std::future::pending()));
    url
}

#[tokio::test]
async fn the_bootstrap_makes_one_admin_client_and_the_first_key() {
    // O-21
    let deployment = Deployment::start().await;
    let made = deployment.run(&["bootstrap", "--client-id", "root", "--json"]).await.json();
    assert_eq!(made["client_id"], "root");
    assert!(made["client_secret"].as_str().unwrap().starts_with("gw_cs_"));
    assert_eq!(deployment.run(&["bootstrap"]).await.refusal(), "the first admin client was made already, it is `root`; --force makes another");
    assert_eq!(
        deployment.run(&["bootstrap", "--force", "--client-id", "root"]).await.refusal(),
        "a client `root` exists already, give another --client-id"
    );
    let forced = deployment.run(&["bootstrap", "--force"]).await;
    assert!(forced.out.starts_with("client_id      admin-"), "{}{}", forced.out, forced.err);
    assert!(forced.err.contains("shown this once"), "{}", forced.err);
    let listed = deployment.run(&["client", "list", "--json"]).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_refused_bootstrap_leaves_nothing() {
    let deployment = Deployment::start().await;
    let ran = deployment.run_with(&[("GATEWRIGHT_DATA", "")], &["bootstrap"]).await;
    assert_eq!(ran.refusal(), "GATEWRIGHT_KMS_KEY_ID must name the KMS key that seals the signing keys");
    assert_eq!(deployment.run(&["bootstrap", "--url", "https://auth.example"]).await.code, 1);
    assert_eq!(deployment.run(&["client", "list"]).await.err, "There are none.\n");
}

#[tokio::test]
async fn an_operator_works_straight_on_the_table() {
    let deployment = Deployment::start().await;
    let api =
        ["api", "create", "orders", "--audience", "https://orders.example/", "--scope", "read", "--scope", "write", "--access", "authenticated"];
    let made = deployment.run(&api).await;
    assert!(
        made.out.starts_with("name              orders\naudience          https://orders.example/\nscopes            read write\n"),
        "{}",
        made.out
    );
    assert_eq!(deployment.run(&api).await.refusal(), "an api of this name exists");
    let shop = ["client", "create", "The shop", "--id", "shop", "--scope", "https://orders.example/read", "--json"];
    let made = deployment.run(&shop).await.json();
    assert_eq!((&made["client_id"], &made["grant_types"][0]), (&"shop".into(), &"client_credentials".into()));
    let shown = deployment.run(&["client", "show", "shop"]).await;
    assert!(shown.out.contains("client_name") && shown.out.contains("\nSECRET ID") && !shown.out.contains("gw_cs_"), "{}", shown.out);
    let listed = deployment.run(&["client", "list"]).await;
    assert_eq!(listed.out, "CLIENT ID  CLIENT NAME  GRANT TYPES         ACTIVE\nshop       The shop     client_credentials  true\n");
    let apis = deployment.run(&["api", "list"]).await;
    assert_eq!(
        apis.out,
        "NAME    AUDIENCE                 BASE PATH  ACCESS         SCOPES\norders  https://orders.example/  /orders    authenticated  read write\n"
    );
}

#[tokio::test]
async fn a_client_has_two_secrets_at_most_and_loses_one_at_once() {
    let deployment = Deployment::start().await;
    let first = deployment.run(&["client", "create", "a", "--id", "a", "--json"]).await.json();
    let second = deployment.run(&["client", "secret", "a", "--expires-in", "60", "--json"]).await.json();
    assert!(second["expires_at"].is_string());
    assert_eq!(deployment.run(&["client", "secret", "a"]).await.refusal(), "the client has two live secrets, delete one first");
    let ended = deployment.run(&["client", "secret", "a", "--delete", first["secret_id"].as_str().unwrap()]).await;
    assert_eq!(ended.out, "the secret is refused from now on\n");
    let left = deployment.run(&["client", "secret", "a", "--list", "--json"]).await.json();
    assert_eq!(left["items"].as_array().unwrap().len(), 1);
    assert_eq!(left["items"][0]["secret_id"], second["secret_id"]);
}

#[tokio::test]
async fn faults_are_sentences_and_exit_code_1() {
    let deployment = Deployment::start().await;
    let wrong = deployment.run(&["client", "create", "b", "--scope", "https://nobody.example/read", "--token-ttl", "0"]).await;
    assert_eq!(
        wrong.refusal(),
        "the request has faults, see errors\n  /scopes/0 is no full scope (audience and value) of any api\n  /access_token_ttl must be null or 1 to 86400 seconds"
    );
    assert_eq!(deployment.run(&["client", "show", "nobody"]).await.refusal(), "there is nothing at this path");
    let elsewhere = deployment.run_with(&[("GATEWRIGHT_TABLE", "other")], &["client", "list"]).await;
    assert!(elsewhere.refusal().starts_with("the table did not answer: ResourceNotFoundException"), "{}", elsewhere.err);
    let unset = deployment.run_with(&[("AWS_REGION", "")], &["client", "list"]).await;
    assert_eq!(unset.refusal(), "AWS_REGION must be set, as Lambda does");
    assert!(run(&[], &["client", "list"], "").await.refusal().starts_with("no server is named"));
    // A path is not what an identifier can be.
    assert_eq!(run(&[], &["client", "show", "../apis"], "").await.code, 2);
    assert_eq!(run(&[], &["client", "show", ".."], "").await.code, 2);
}

#[tokio::test]
async fn a_reason_that_callers_do_not_learn_is_told_to_the_operator() {
    let deployment = Deployment::start().await;
    let other = Directory::new();
    sealer(&other.0).unwrap();
    let more = [("GATEWRIGHT_KMS_KEY_ID", "alias/none"), ("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1")];
    let ran = deployment.run_with(&more, &["api", "create", "x", "--audience", "https://x.example/", "--scope", "read"]).await;
    let sentence = "the server cannot answer now, try again (the signing key could not be sealed or opened: KMS did not answer)";
    assert_eq!(ran.refusal(), sentence);
}

#[tokio::test]
async fn a_running_server_is_administered_by_its_admin_client() {
    let (url, admin) = running().await;
    let api = ["--url", &url, "api", "create", "orders", "--audience", "https://orders.example/", "--scope", "read", "--json"];
    assert_eq!(run(&admin, &api, "").await.json()["base_path"], "/orders");
    let client = ["client", "create", "The shop", "--id", "shop", "--scope", "https://orders.example/read", "--json", "--url", &url];
    let made = run(&admin, &client, "").await.json();
    let secret = made["client_secret"].as_str().unwrap();

    // By the environment, by standard input; the token alone, or the whole answer.
    let token = run(&[("GATEWRIGHT_CLIENT_SECRET", secret), ("GATEWRIGHT_ISSUER", &url)], &["token", "--client-id", "shop"], "").await;
    assert!(token.code == 0 && token.out.starts_with("eyJ") && token.out.lines().count() == 1, "{}{}", token.out, token.err);
    let piped = ["token", "--client-id", "shop", "--scope", "read", "--resource", "https://orders.example/", "--json", "--url", &url];
    assert_eq!(run(&[], &piped, &format!("{secret}\n")).await.json()["scope"], "read");
    assert_eq!(
        run(&[], &["token", "--client-id", "shop", "--url", &url], "").await.refusal(),
        "the client's secret is missing: set GATEWRIGHT_CLIENT_SECRET or pipe it to standard input"
    );
    let wrong = run(&[], &["token", "--client-id", "shop", "--url", &url], "wrong").await;
    assert!(wrong.refusal().starts_with("invalid_client: "), "{}", wrong.err);

    let ended = run(&admin, &["client", "secret", "shop", "--delete", made["secret_id"].as_str().unwrap(), "--url", &url], "").await;
    assert_eq!(ended.out, "the secret is refused from now on\n");
    let gone = run(&[], &["token", "--client-id", "shop", "--url", &url], secret).await;
    assert!(gone.refusal().starts_with("invalid_client: "), "{}", gone.err);

    let stranger = [("GATEWRIGHT_ADMIN_CLIENT_ID", "root"), ("GATEWRIGHT_ADMIN_CLIENT_SECRET", "wrong")];
    assert!(run(&stranger, &["client", "list", "--url", &url], "").await.refusal().starts_with("invalid_client: "));
    let nobody = run(&admin, &["client", "list", "--url", "http://127.0.0.1:1"], "").await;
    assert!(nobody.refusal().starts_with("http://127.0.0.1:1 does not answer: "), "{}", nobody.err);
}

#[tokio::test]
async fn a_local_run_is_found_by_what_it_wrote_down() {
    let (url, _) = running().await;
    let data = Directory::new();
    let secret = SECRET.replace('\'', "'\\''");
    std::fs::write(data.0.join("admin.env"), format!("B='{url}'\nADMIN_CLIENT_ID='root'\nADMIN_CLIENT_SECRET='{secret}'\n")).unwrap();
    let found = [("GATEWRIGHT_DATA", &*data.0.to_string_lossy())];
    let listed = run(&found, &["client", "list", "--json"], "").await.json();
    assert_eq!(listed["items"][0]["client_id"], "root");
}

#[tokio::test]
async fn roles_and_privileges_are_made_listed_and_deleted() {
    let deployment = Deployment::start().await;
    deployment.run(&["api", "create", "orders", "--audience", "https://orders.example/", "--scope", "read", "--scope", "write"]).await.succeeded();
    assert_eq!(deployment.run(&["role", "list"]).await.err, "There are none.\n");
    let made = deployment.run(&["role", "create", "clerk", "--description", "At the counter"]).await;
    assert!(made.out.starts_with("name         clerk\ndescription  At the counter\n"), "{}{}", made.out, made.err);
    assert_eq!(deployment.run(&["role", "create", "clerk"]).await.refusal(), "a role of this name exists");
    assert_eq!(deployment.run(&["role", "list"]).await.out, "NAME   DESCRIPTION\nclerk  At the counter\n");

    let read = ["privilege", "create", "read", "--api", "orders", "--route", "GET,POST /orders/{id}", "--route", "/orders/x/*", "--role", "clerk"];
    let read = [&read[..], &["--scope", "read", "--scope", "write", "--scopes-match", "all", "--subject", "client"]].concat();
    let made = deployment.run(&read).await;
    let expected = "name          read\napi           orders\nroutes        GET,POST /orders/{id}, /orders/x/*\nscopes        read write\n\
        access        protected\nroles         clerk\nscopes_match  all\nsubjects      client\n";
    assert!(made.out.starts_with(expected), "{}{}", made.out, made.err);
    let whole = deployment.run(&["privilege", "create", "whole", "--api", "orders", "--public", "--json"]).await.json();
    assert_eq!((&whole["access"], whole.get("routes")), (&"public".into(), None));
    let listed = deployment.run(&["privilege", "list", "--api", "orders"]).await;
    assert_eq!(
        listed.out,
        "NAME   API     ROUTES                              ROLES  SCOPES      ACCESS\n\
         read   orders  GET,POST /orders/{id}, /orders/x/*  clerk  read write  protected\n\
         whole  orders  the whole api                       -      -           public\n"
    );
    assert_eq!(deployment.run(&["privilege", "list", "--api", "stock"]).await.err, "There are none.\n");
    let wrong = ["privilege", "create", "wrong", "--api", "orders", "--route", "get /orders", "--role", "nobody"];
    let sentence = "the request has faults, see errors\n  /routes/0/methods/0 a method is GET, POST, PUT, PATCH, DELETE or OPTIONS; \
        without methods a route takes any";
    assert_eq!(deployment.run(&wrong).await.refusal(), sentence);
    assert_eq!(deployment.run(&["privilege", "create", "wrong", "--api", "orders", "--route", "GET POST /orders"]).await.code, 2);

    deployment.run(&["client", "create", "shop", "--id", "shop", "--scope", "https://orders.example/read"]).await.succeeded();
    let given = deployment.run(&["client", "role", "shop", "clerk"]).await;
    assert_eq!(given.out, "shop has the role clerk, and so have its tokens\n", "{}", given.err);
    assert_eq!(deployment.run(&["client", "show", "shop", "--json"]).await.code, 0);
    let used = "the role is used 2 times: take it from the clients, users, groups and privileges that name it first";
    assert_eq!(deployment.run(&["role", "delete", "clerk"]).await.refusal(), used);
    let taken = deployment.run(&["client", "role", "shop", "clerk", "--take"]).await;
    assert_eq!(taken.out, "shop no longer has the role clerk, nor have its tokens\n", "{}", taken.err);

    // What protected a route of an open Api goes only when that is said.
    let opens = "a route would become public by this; say --make-public if it should";
    assert_eq!(deployment.run(&["privilege", "delete", "read"]).await.refusal(), opens);
    assert_eq!(deployment.run(&["privilege", "delete", "read", "--make-public"]).await.out, "the privilege is gone\n");
    assert_eq!(deployment.run(&["privilege", "show", "read"]).await.refusal(), "there is nothing at this path");
    assert_eq!(deployment.run(&["role", "delete", "clerk"]).await.out, "the role is gone\n");
}

#[tokio::test]
async fn a_call_is_explained_gate_by_gate_from_the_table_and_by_a_running_server() {
    // I-23, I-24, I-25
    let deployment = Deployment::start().await;
    let url = serve_on(&deployment.engine, sealer(&deployment.data.0).unwrap()).await;
    let to = |token: &str| vec![("GATEWRIGHT_ISSUER", url.clone()), ("GATEWRIGHT_TOKEN", token.to_owned())];
    for (name, arguments) in [
        ("an api", &["api", "create", "orders", "--audience", "https://orders.example/", "--scope", "read"][..]),
        ("a role", &["role", "create", "clerk"]),
        ("a role", &["role", "create", "boss"]),
        ("all", &["privilege", "create", "all", "--api", "orders", "--route", "/orders/*", "--role", "boss", "--subject", "user"]),
        (
            "one",
            &["privilege", "create", "one", "--api", "orders", "--route", "GET /orders/{id}", "--role", "clerk", "--role", "boss", "--scope", "read"],
        ),
    ] {
        let ran = deployment.run_with(&[("GATEWRIGHT_ISSUER", &url)], arguments).await;
        assert_eq!(ran.code, 0, "{name}: {}", ran.err);
    }
    let client = ["client", "create", "shop", "--id", "shop", "--scope", "https://orders.example/read", "--json"];
    let secret = deployment.run_with(&[("GATEWRIGHT_ISSUER", &url)], &client).await.json()["client_secret"].as_str().unwrap().to_owned();
    let token = run(&[("GATEWRIGHT_CLIENT_SECRET", &secret)], &["token", "--client-id", "shop", "--url", &url], "").await.out.trim_end().to_owned();

    // The answer is the same from both places.
    let explain = async |token: &str, arguments: &[&str]| {
        let variables = to(token);
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let arguments = [&["explain"], arguments].concat();
        let here = deployment.run_with(&variables, &arguments).await;
        let there = [&ADMIN[..], &[("GATEWRIGHT_TOKEN", token)]].concat();
        let there = run(&there, &[&arguments[..], &["--url", &url]].concat(), "").await;
        assert_eq!((&here.code, &here.out, &here.err), (&there.code, &there.out, &there.err));
        (here.code, times_removed(&here.out), here.err)
    };

    assert_eq!(
        explain("", &["GET", "/orders/1?x=1"]).await.1,
        "GET /orders/1 is on the api orders\n\n  \
           wins   one  GET /orders/{id}\n  \
           loses  all  /orders/*         ends in /*, and the winner does not\n\n\
         The privilege one asks for a token for https://orders.example/, the scope read and the role clerk or boss\n"
    );
    assert_eq!(explain("", &["GET", "/elsewhere"]).await.1, "GET /elsewhere is on no api's path\n");
    let (code, out, err) = explain("", &["GET", "/orders/../x"]).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(err, "the request has faults, see errors\n  ?path is not in the canonical spelling, no call of it passes\n");
    assert_eq!(explain("", &["GET", "/orders/1", "--as", "shop"]).await.0, 1);

    let issuance = "issuance  open    to shop at TIME, scope `read` of https://orders.example/";
    let alive = "token     open    genuine and alive until TIME";
    let (code, out, _) = explain(&token, &["GET", "/orders/1"]).await;
    assert_eq!(code, 1);
    assert_eq!(
        out,
        format!(
            "GET /orders/1 does not pass: role_missing\n\n  {issuance}\n  {alive}\n  \
             route     CLOSED  the privilege one asks for one of the roles clerk, boss, shop has no role\n\n\
             To do: give shop one of the roles clerk, boss; the same token works then\n"
        )
    );
    assert_eq!(deployment.run(&["client", "role", "shop", "clerk"]).await.code, 0);
    let asks = "the privilege one asks for a token for https://orders.example/, the scope read and the role clerk or boss";
    let passes = format!("GET /orders/1 passes\n\n  {issuance}\n  {alive}\n  route     open    {asks}\n");
    assert_eq!(explain(&token, &["GET", "/orders/1"]).await, (0, passes.clone(), String::new()));
    assert_eq!(explain(&format!("Bearer {token}"), &["GET", "/orders/1"]).await.1, passes);
    let (code, json, _) = explain(&token, &["GET", "/orders/1", "--json"]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["verdict"], &json["code"], &json["token"]["sub"]), (0, &"accepted".into(), &"ok".into(), &"shop".into()));
    assert_eq!(explain(&token, &["GET", "/orders/1", "--as", "other", "--json"]).await.0, 1);
    assert!(explain(&token, &["GET", "/orders/1", "--as", "other"]).await.1.starts_with("GET /orders/1 does not pass: backend_mismatch\n"));
    assert!(explain(&token, &["POST", "/orders/1"]).await.1.starts_with("POST /orders/1 does not pass: subject_type\n"));

    // A token that proves nothing is said to prove nothing.
    let cut = format!("{}.", token.rsplit_once('.').unwrap().0);
    let expected = format!(
        "GET /orders/1 does not pass: signature_absent\n\n  \
         issuance  ?       unproven: to shop at TIME, scope `read` of https://orders.example/\n  \
         token     CLOSED  the token's signature was cut off: its claims can be read, but the token is not usable\n  \
         route     -       not reached; {asks}\n\n\
         To do: send the whole token, signature included, or request a new one\n"
    );
    assert_eq!(explain(&cut, &["GET", "/orders/1"]).await, (1, expected, String::new()));
    assert!(explain("Bearer:x", &["GET", "/orders/1"]).await.1.contains("issuance  ?       nothing in it says who it was issued to\n"));

    // By standard input, too.
    let piped = run(&ADMIN, &["explain", "GET", "/orders/1", "--url", &url], &format!("{token}\n")).await;
    assert_eq!(times_removed(&piped.out), passes, "{}", piped.err);
}

/// The text with `TIME` for each time in it.
fn times_removed(text: &str) -> String {
    let is_time = |word: &str| word.len() == 20 && word.ends_with('Z') && word.starts_with("20");
    let part = |part: &str| {
        let word = part.trim_end_matches([' ', '\n', ',']);
        if is_time(word) { part.replace(word, "TIME") } else { part.to_owned() }
    };
    text.split_inclusive([' ', '\n']).map(part).collect()
}

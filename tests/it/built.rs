//! What `make build` made: those very files answer behind the Runtime API, on this machine's architecture and, by qemu, on the other.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use local::runtime_api::{Function, FunctionError};
use serde_json::{Value, json};

use crate::binaries::{Deployment, Directory, invoke};
use crate::permissions::DEPLOYED;
use crate::shapes::{Sent, v2};

/// Name of an architecture at AWS, as readelf says it, at qemu and Debian.
const ARCHITECTURES: [(&str, &str, &str); 2] = [("arm64", "AArch64", "aarch64"), ("x86_64", "Advanced Micro Devices X86-64", "x86_64")];
/// Amazon Linux 2023's.
const GLIBC: (u32, u32) = (2, 34);

fn lambda() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(target).join("lambda").canonicalize().expect("make build comes first")
}

/// The architectures that were built.
fn built() -> Vec<(&'static str, &'static str, &'static str)> {
    let built: Vec<_> = ARCHITECTURES.into_iter().filter(|(architecture, ..)| lambda().join(architecture).is_dir()).collect();
    assert!(!built.is_empty(), "make build comes first");
    built
}

fn readelf(arguments: &[&str], file: &Path) -> String {
    let output = Command::new("readelf").args(arguments).arg(file).output().expect("readelf is in Debian's binutils");
    assert!(output.status.success(), "{}", file.display());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs make build; make test-build runs it"]
fn every_bootstrap_is_of_its_architecture_and_needs_no_newer_glibc_than_amazon_linux_2023() {
    // Item 5 of issue 5
    for (architecture, machine, _) in built() {
        for function in DEPLOYED {
            let file = lambda().join(architecture).join(function).join("bootstrap");
            let header = readelf(&["--file-header", "--wide"], &file);
            assert!(header.contains(machine), "{}: {header}", file.display());
            let versions = readelf(&["--version-info", "--wide"], &file);
            let needed: Vec<(u32, u32)> = versions.split("GLIBC_").skip(1).filter_map(version).collect();
            assert!(needed.len() > 3, "{}: {versions}", file.display());
            let newest = needed.into_iter().max().unwrap();
            assert!(newest <= GLIBC, "{}: GLIBC_{}.{}", file.display(), newest.0, newest.1);
        }
    }
}

/// The `2.34` at the start of what follows `GLIBC_`.
fn version(text: &str) -> Option<(u32, u32)> {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let mut numbers = text[..end].split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[test]
#[ignore = "needs make build; make test-build runs it"]
fn what_the_templates_deploy_is_what_was_built() {
    for function in DEPLOYED {
        let deployed = std::fs::read(lambda().join(function).join("bootstrap")).unwrap();
        let same = |(architecture, ..): &(&str, &str, &str)| {
            std::fs::read(lambda().join(architecture).join(function).join("bootstrap")).unwrap() == deployed
        };
        assert!(built().iter().any(same), "{function} is none of target/lambda/<architecture>");
    }
}

#[tokio::test]
#[ignore = "needs make build; make test-build runs it"]
async fn the_very_files_walk_from_a_token_to_its_end() {
    // Item 5 of issue 5; 5.6 rows 1, 2, 6 with the deployed files as nodes
    for (architecture, _, machine) in built() {
        let deployment = Deployment::start(&[("GATEWRIGHT_FEED_SECONDS", "1")]).await;
        let files = Files::new(architecture, machine);
        walk(&deployment, &files).await;
        for name in ["authorize", "metadata", "admin", "rotate-keys"] {
            answers(&deployment, &files, name).await;
        }
    }
}

/// How the files of one architecture are started here.
struct Files {
    directory: Directory,
    architecture: &'static str,
    machine: &'static str,
}

impl Files {
    fn new(architecture: &'static str, machine: &'static str) -> Self {
        Self { directory: Directory::new(), architecture, machine }
    }

    async fn start(&self, deployment: &Deployment, name: &str) -> Function {
        let bootstrap = lambda().join(self.architecture).join(name).join("bootstrap");
        deployment.started(name, &self.here(name, bootstrap)).await
    }

    /// The file itself, or a script that has qemu run it: the Runtime API takes one path and gives no arguments.
    fn here(&self, name: &str, bootstrap: PathBuf) -> PathBuf {
        if self.machine == std::env::consts::ARCH {
            return bootstrap;
        }
        let (machine, script) = (self.machine, self.directory.0.join(name));
        let (qemu, libraries) = (format!("/usr/bin/qemu-{machine}-static"), format!("/usr/{machine}-linux-gnu"));
        assert!(Path::new(&qemu).exists() && Path::new(&libraries).exists(), "{qemu} and {libraries} are missing; .ci/run names Debian's packages");
        std::fs::write(&script, format!("#!/bin/sh\nexec {qemu} -L {libraries} {}\n", bootstrap.display())).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        script
    }
}

/// A call as the front of the templates brings it.
fn http_api(sent: &Sent<'_>) -> Value {
    v2(sent, true, "$default")
}

/// Token, 401, 403, 200, introspect, revoke, 401.
async fn walk(deployment: &Deployment, files: &Files) {
    let here = files.architecture;
    let client = deployment.server.client("c_cc", json!({})).await;
    deployment.server.roles(&["clerk"]).await;
    let closed = json!({"name": "closed", "api": "orders", "routes": [{"path": "/orders/closed"}], "roles": ["clerk"]});
    deployment.server.create("/privileges", closed).await;
    let (token, introspect) = (files.start(deployment, "token").await, files.start(deployment, "introspect").await);
    let (revoke, authorizer) = (files.start(deployment, "revoke").await, files.start(deployment, "authorizer").await);
    let form = "grant_type=client_credentials";
    let answer = invoke(&token, &http_api(&Sent { authorization: &client, form, ..Sent::post("/oauth2/token") })).await.unwrap();
    assert_eq!(answer["statusCode"], 200, "{here}: {answer}");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    let jwt = body["access_token"].as_str().unwrap();

    let call = async |authorization: &str, path: &str| decided(invoke(&authorizer, &authorizer_event(authorization, path)).await);
    let (bearer, cut) = (format!("Bearer {jwt}"), format!("Bearer {}", &jwt[..jwt.len() - 4]));
    assert_eq!(call(&cut, "orders/1").await, 401, "{here}");
    assert_eq!(call(&bearer, "orders/closed").await, 403, "{here}");
    assert_eq!(call(&bearer, "orders/1").await, 200, "{here}");

    let form = format!("token={jwt}");
    let about = |path| http_api(&Sent { authorization: &client, form: &form, ..Sent::post(path) });
    let seen = async || invoke(&introspect, &about("/oauth2/introspect")).await.unwrap()["body"].as_str().unwrap().to_owned();
    assert!(seen().await.starts_with("{\"active\":true,"), "{here}");
    assert_eq!(invoke(&revoke, &about("/oauth2/revoke")).await.unwrap()["statusCode"], 200, "{here}");
    assert_eq!(seen().await, "{\"active\":false}", "{here}");
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(call(&bearer, "orders/1").await, 401, "{here}");
}

/// A function that the walk does not meet.
async fn answers(deployment: &Deployment, files: &Files, name: &str) {
    let function = files.start(deployment, name).await;
    let here = files.architecture;
    if name == "rotate-keys" {
        // The table has its key already.
        assert_eq!(invoke(&function, &json!({"source": "aws.events"})).await.unwrap(), json!({"rotated": []}), "{here}");
        return;
    }
    let admin = format!("Bearer {}", deployment.server.admin_token().await);
    let (sent, status, within) = match name {
        // It knows no client of this name, and says so on a page.
        "authorize" => (Sent { query: "client_id=nobody&response_type=code", ..Sent::get("/oauth2/authorize") }, 400, "<html"),
        "metadata" => (Sent::get("/.well-known/jwks.json"), 200, "\"ES256\""),
        _ => (Sent { authorization: &admin, ..Sent::get("/admin/v1/clients/c_cc") }, 200, "\"c_cc\""),
    };
    let answer = invoke(&function, &http_api(&sent)).await.unwrap();
    assert_eq!(answer["statusCode"], status, "{here} {name}: {answer}");
    assert!(answer["body"].as_str().unwrap().contains(within), "{here} {name}: {answer}");
}

fn authorizer_event(authorization: &str, path: &str) -> Value {
    json!({"type": "TOKEN", "authorizationToken": authorization, "methodArn": format!("arn:aws:execute-api:eu-central-1:123456789012:abc/prod/GET/{path}")})
}

/// The status that API Gateway makes of an authorizer's answer.
fn decided(answer: Result<Value, FunctionError>) -> u16 {
    match answer {
        Ok(answer) if answer["policyDocument"]["Statement"][0]["Effect"] == "Allow" => 200,
        Ok(_) => 403,
        Err(error) if error.error_message == "Unauthorized" => 401,
        Err(error) => panic!("{error}"),
    }
}

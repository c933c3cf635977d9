//! The layers of the sources (STYLE 2.4), read from the sources themselves.

use std::path::{Path, PathBuf};

use local::front::Functions;
use shared::routes::{Function, ROUTES, function_of, is_ours};

use crate::support::Server;

/// A source file: its path from the project's root, and its lines without comments, tests left out.
struct Source {
    path: String,
    lines: Vec<String>,
}

/// The project's directory.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(directory: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut left = vec![root().join(directory)];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap();
                let lines = code.lines().map(|line| line.split("//").next().unwrap().to_owned()).collect();
                found.push(Source { path: path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(), lines });
            }
        }
    }
    assert!(!found.is_empty(), "{directory}");
    found
}

/// Whether `line` names `word` as a word of its own.
fn names(line: &str, word: &str) -> bool {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(is_part))
}

/// Only files under `allowed` name any of `words`; and one of them does, or the rule has lost its object.
fn only(directories: &[&str], words: &[&str], allowed: &[&str]) {
    let mut is_used = false;
    for source in directories.iter().flat_map(|directory| sources(directory)) {
        let may = allowed.iter().any(|start| source.path.starts_with(start));
        for line in &source.lines {
            if let Some(word) = words.iter().find(|word| names(line, word)) {
                assert!(may, "{} names {word}: {line}", source.path);
                is_used = true;
            }
        }
    }
    assert!(is_used, "nobody names {words:?}");
}

#[test]
fn only_the_store_and_the_runtime_know_aws() {
    only(&["shared/src", "functions"], &["aws_sdk_", "aws_smithy"], &["shared/src/store/", "shared/src/runtime/"]);
}

#[test]
fn only_the_runtime_knows_lambda() {
    only(&["shared/src"], &["lambda_runtime", "lambda_http"], &["shared/src/runtime/"]);
}

#[test]
fn only_endpoints_runtime_and_what_is_never_deployed_know_http() {
    only(
        &["shared/src", "functions"],
        &["http::", "bytes::"],
        &["shared/src/endpoints/", "shared/src/runtime/", "functions/local/", "functions/cli/"],
    );
}

#[test]
fn the_rules_neither_wait_nor_look_at_the_clock_nor_throw_dice() {
    for source in sources("shared/src/oauth") {
        for line in &source.lines {
            for word in [
                "tokio",
                "async",
                "await",
                "SystemTime",
                "Instant",
                "rand::fill",
                "std::env",
                "std::fs",
                "std::net",
                "aws_sdk_",
                "http::",
                "crate::store",
                "crate::endpoints",
                "crate::runtime",
            ] {
                assert!(!names(line, word), "{} names {word}: {line}", source.path);
            }
        }
    }
}

#[test]
fn layers_look_down_only() {
    for (directory, above) in [("shared/src/store", ["crate::endpoints", "crate::runtime"].as_slice()), ("shared/src/endpoints", &["crate::runtime"])]
    {
        for source in sources(directory) {
            for line in &source.lines {
                assert!(!above.iter().any(|word| names(line, word)), "{} looks up: {line}", source.path);
            }
        }
    }
}

#[test]
fn nothing_is_called_after_nothing() {
    for source in sources("shared/src").iter().chain(&sources("functions")) {
        for part in source.path.trim_end_matches(".rs").split('/') {
            assert!(!["util", "utils", "common", "helper", "helpers", "manager", "service", "types", "misc"].contains(&part), "{}", source.path);
        }
    }
}

#[test]
fn a_functions_main_says_what_it_needs_and_no_more() {
    let named = [Function::Token, Function::Introspect, Function::Revoke, Function::Authorize, Function::Metadata, Function::Admin];
    let functions = named.map(Function::name);
    for name in functions.iter().chain(&["authorizer", "rotate-keys"]) {
        let text = std::fs::read_to_string(root().join(format!("functions/{name}/src/main.rs"))).unwrap();
        assert!(text.lines().count() <= 40, "{name}: {} lines", text.lines().count());
        assert!(text.contains("//! Needs: "), "{name} does not say what it needs");
    }
    for (_, function) in ROUTES {
        assert!(functions.contains(&function.name()), "{function:?}");
    }
}

#[tokio::test]
async fn the_local_front_serves_every_route_and_leaves_the_rest_to_the_gateway() {
    let server = Server::start().await;
    for (route, function) in ROUTES {
        let path = route.replace('*', "x");
        assert!(is_ours(&path), "{route}");
        assert_eq!(function_of(&path), Some(function), "{route}");
        // Whatever it says, it is the function that says it: the gateway's answers have a `message`.
        let text = crate::support::shown(&server.send("GET", &path, &[], "").await);
        assert!(!text.contains("\"message\""), "{route}: {text}");
    }
    for path in ["/oauth2", "/oauth2/", "/oauth2/token/", "/oauth2/x", "/admin", "/.well-known", "/healthz/x"] {
        assert!(is_ours(path) && function_of(path).is_none(), "{path}");
        assert_eq!(server.send("POST", path, &[], "").await.status(), 404, "{path}");
    }
    for path in ["/", "/oauth2x", "/administrator", "/health", "/orders/oauth2/token"] {
        assert!(!is_ours(path), "{path}");
        assert_eq!(crate::support::json_of(&server.send("GET", path, &[], "").await)["message"], "Unauthorized", "{path}");
    }
    assert!(matches!(server.functions, Functions::Here(_)));
}

#[test]
fn every_dependency_comes_from_crates_io_with_its_checksum() {
    // SE-09; licences and advisories: make supply-chain
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let mut dependencies = 0;
    for package in lock.split("[[package]]").skip(1) {
        let value = |member: &str| package.lines().find_map(|line| line.strip_prefix(member)?.strip_prefix(" = ")).map(|text| text.trim_matches('"'));
        let (name, Some(source)) = (value("name").unwrap(), value("source")) else { continue };
        assert_eq!(source, "registry+https://github.com/rust-lang/crates.io-index", "{name}");
        assert_eq!(value("checksum").map(str::len), Some(64), "{name}");
        // The second HTTP client and the second TLS that the SDK's default features bring.
        let version = value("version").unwrap();
        assert!(
            !(name == "hyper" && version.starts_with("0.14.") || name == "rustls" && version.starts_with("0.21.") || name == "openssl-sys"),
            "{name} {version}"
        );
        dependencies += 1;
    }
    assert!(dependencies > 200, "{dependencies}");
}

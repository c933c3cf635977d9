//! Which server is meant: the table, or a running server and the credentials for its admin API.

use std::path::{Path, PathBuf};

use shared::oauth::ids::Issuer;

use crate::fault::Fault;

/// Reads a variable.
pub type Get<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A variable of the environment; an empty one counts as unset.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The server that is meant.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// The table, under IAM.
    Table,
    /// A running server.
    Server(Issuer, Credentials),
}

/// An admin client's credentials.
#[derive(PartialEq, Eq)]
pub struct Credentials {
    /// Its identifier.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// What a local run wrote down about itself (`.gatewright/admin.env`).
#[derive(Debug)]
pub struct LocalRun {
    issuer: Issuer,
    credentials: Credentials,
}

impl Place {
    /// Finds the server: `--url`, else the table that the environment names, else the local run of this directory.
    ///
    /// # Errors
    /// Where no server is named, or its credentials are missing.
    pub fn find(url: Option<&str>, get: Get<'_>, local: Option<LocalRun>) -> Result<Self, Fault> {
        if let Some(url) = url {
            let issuer = issuer(url)?;
            let credentials = given_credentials(get)?;
            // What a local run wrote down is for that run and is sent nowhere else.
            let own = local.filter(|local| local.issuer == issuer).map(|local| local.credentials);
            let none = || Fault::new("GATEWRIGHT_ADMIN_CLIENT_ID and GATEWRIGHT_ADMIN_CLIENT_SECRET must be an admin client's credentials");
            return Ok(Self::Server(issuer, credentials.or(own).ok_or_else(none)?));
        }
        match local {
            _ if get("GATEWRIGHT_TABLE").is_some() => Ok(Self::Table),
            Some(local) => Ok(Self::Server(local.issuer, local.credentials)),
            None if get("GATEWRIGHT_ISSUER").is_some() && get("AWS_ACCESS_KEY_ID").is_some() => Ok(Self::Table),
            None => {
                Err(Fault::new("no server is named: give --url, or GATEWRIGHT_TABLE and AWS credentials, or start a local run in this directory"))
            }
        }
    }
}

/// The issuer of a running server that needs no credentials of an administrator.
///
/// # Errors
/// Where none is named.
pub fn find_issuer(url: Option<&str>, get: Get<'_>, local: Option<LocalRun>) -> Result<Issuer, Fault> {
    match (url.map(str::to_owned).or_else(|| get("GATEWRIGHT_ISSUER")), local) {
        (Some(url), _) => issuer(&url),
        (None, Some(local)) => Ok(local.issuer),
        (None, None) => Err(Fault::new("no server is named: give --url or GATEWRIGHT_ISSUER, or start a local run in this directory")),
    }
}

impl LocalRun {
    /// Finds what the local run of this directory wrote down.
    pub fn find(get: Get<'_>) -> Option<Self> {
        let directory = get("GATEWRIGHT_DATA").map_or_else(|| PathBuf::from(".gatewright"), PathBuf::from);
        Self::parse(&std::fs::read_to_string(Path::new(&directory).join("admin.env")).ok()?)
    }

    fn parse(shell: &str) -> Option<Self> {
        let value = |name: &str| shell.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(unquoted);
        Some(Self {
            issuer: Issuer::parse(&value("B")?).ok()?,
            credentials: Credentials { client_id: value("ADMIN_CLIENT_ID")?, client_secret: value("ADMIN_CLIENT_SECRET")? },
        })
    }
}

/// A value between single quotes, as a shell reads it.
fn unquoted(value: &str) -> String {
    let inner = value.trim_end().strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    inner.unwrap_or(value).replace("'\\''", "'")
}

fn issuer(url: &str) -> Result<Issuer, Fault> {
    Issuer::parse(url.strip_suffix('/').unwrap_or(url)).map_err(|fault| Fault::new(format!("the server's URL `{url}` {fault}")))
}

fn given_credentials(get: Get<'_>) -> Result<Option<Credentials>, Fault> {
    match (get("GATEWRIGHT_ADMIN_CLIENT_ID"), get("GATEWRIGHT_ADMIN_CLIENT_SECRET")) {
        (Some(client_id), Some(client_secret)) => Ok(Some(Credentials { client_id, client_secret })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Fault::new("GATEWRIGHT_ADMIN_CLIENT_SECRET must be set together with GATEWRIGHT_ADMIN_CLIENT_ID")),
        (None, Some(_)) => Err(Fault::new("GATEWRIGHT_ADMIN_CLIENT_ID must be set together with GATEWRIGHT_ADMIN_CLIENT_SECRET")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "B='http://127.0.0.1:8080'\nADMIN_CLIENT_ID='root'\nADMIN_CLIENT_SECRET='it'\\''s'\n";

    fn find(url: Option<&str>, variables: &[(&str, &str)], local: &str) -> Result<Place, String> {
        let get = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Place::find(url, &get, LocalRun::parse(local)).map_err(|fault| fault.to_string())
    }

    fn server(url: &str, client_id: &str, client_secret: &str) -> Result<Place, String> {
        let credentials = Credentials { client_id: client_id.to_owned(), client_secret: client_secret.to_owned() };
        Ok(Place::Server(Issuer::parse(url).unwrap(), credentials))
    }

    #[test]
    fn a_local_run_is_found_by_itself() {
        assert_eq!(find(None, &[], LOCAL), server("http://127.0.0.1:8080", "root", "it's"));
    }

    #[test]
    fn the_environment_names_the_table() {
        assert_eq!(find(None, &[("GATEWRIGHT_TABLE", "gatewright")], LOCAL), Ok(Place::Table));
        assert_eq!(find(None, &[("GATEWRIGHT_ISSUER", "https://as.example"), ("AWS_ACCESS_KEY_ID", "x")], ""), Ok(Place::Table));
        assert!(find(None, &[], "").unwrap_err().starts_with("no server is named"));
    }

    #[test]
    fn a_local_runs_credentials_are_sent_nowhere_else() {
        assert_eq!(find(Some("http://127.0.0.1:8080/"), &[], LOCAL), server("http://127.0.0.1:8080", "root", "it's"));
        assert!(find(Some("https://as.example"), &[], LOCAL).unwrap_err().starts_with("GATEWRIGHT_ADMIN_CLIENT_ID and"));
        let given = [("GATEWRIGHT_ADMIN_CLIENT_ID", "a"), ("GATEWRIGHT_ADMIN_CLIENT_SECRET", "b")];
        assert_eq!(find(Some("https://as.example"), &given, LOCAL), server("https://as.example", "a", "b"));
    }

    #[test]
    fn credentials_do_not_travel_in_the_clear() {
        assert_eq!(
            find(Some("http://as.example"), &[], "").unwrap_err(),
            "the server's URL `http://as.example` must be https (http only on a loopback address)"
        );
    }
}

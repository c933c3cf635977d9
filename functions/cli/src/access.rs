//! `gatewright role` and `gatewright privilege`: which roles and scopes open which routes.

use clap::{Args, Subcommand};
use http::Method;
use serde::Serialize;
use serde_json::{Value, json};

use crate::arguments::segment;
use crate::fault::Fault;
use crate::output::Output;
use crate::server::Server;

/// `role`.
#[derive(Debug, Subcommand)]
pub enum RoleCommand {
    /// Make a role
    Create(NewRole),
    /// List the roles
    List,
    /// Delete a role that nothing names any more
    Delete {
        /// The role
        #[arg(value_parser = segment)]
        name: String,
    },
}

/// `role create`.
#[derive(Debug, Args, Serialize)]
pub struct NewRole {
    /// The name, unique
    name: String,
    /// For people
    #[arg(long, value_name = "TEXT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

/// `privilege`.
#[derive(Debug, Subcommand)]
pub enum PrivilegeCommand {
    /// Protect routes of an Api, or open them
    Create(Box<NewPrivilege>),
    /// List the privileges
    List {
        /// Only those of this Api
        #[arg(long, value_name = "NAME", value_parser = segment)]
        api: Option<String>,
    },
    /// Show a privilege
    Show {
        /// The privilege
        #[arg(value_parser = segment)]
        name: String,
    },
    /// Delete a privilege: its routes are then what others, or the Api, say
    Delete {
        /// The privilege
        #[arg(value_parser = segment)]
        name: String,
        /// Although a route becomes public by it
        #[arg(long)]
        make_public: bool,
    },
}

/// `privilege create`.
#[derive(Debug, Args, Serialize)]
pub struct NewPrivilege {
    /// The name, unique
    name: String,
    /// The Api whose routes these are
    #[arg(long, value_name = "NAME")]
    api: String,
    /// A route: "GET,POST /orders/{id}", or for any method /orders/* [default: the whole Api]
    #[arg(long = "route", value_name = "ROUTE", value_parser = route)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Value>,
    /// A role that opens the routes; of several any
    #[arg(long = "role", value_name = "ROLE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    /// A scope value that the token must have (the value alone, without the audience)
    #[arg(long = "scope", value_name = "VALUE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<String>,
    /// How many of the scopes: any or all [default: any]
    #[arg(long, value_name = "HOW")]
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes_match: Option<String>,
    /// Who may pass: user or client [default: both]
    #[arg(long = "subject", value_name = "KIND")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subjects: Vec<String>,
    /// Nobody is asked for a token
    #[arg(long)]
    #[serde(skip)]
    public: bool,
}

impl NewPrivilege {
    /// The request body.
    pub fn body(&self) -> Value {
        let mut body = json!(self);
        if let Some(members) = body.as_object_mut().filter(|_| self.public) {
            members.insert("access".to_owned(), "public".into());
        }
        body
    }
}

/// Runs `role`.
///
/// # Errors
/// What the server says where it refuses.
pub async fn role(command: RoleCommand, server: &Server, output: &Output) -> Result<(), Fault> {
    match command {
        RoleCommand::Create(role) => output.object(&server.ask(Method::POST, "/roles", Some(&json!(role))).await?),
        RoleCommand::List => output.list(&server.list("/roles", &[]).await?, &["name", "description"]),
        RoleCommand::Delete { name } => {
            server.ask(Method::DELETE, &format!("/roles/{name}"), None).await?;
            output.done("the role is gone")
        }
    }
}

/// Runs `privilege`.
///
/// # Errors
/// What the server says where it refuses.
pub async fn privilege(command: PrivilegeCommand, server: &Server, output: &Output) -> Result<(), Fault> {
    match command {
        PrivilegeCommand::Create(privilege) => {
            let created = server.ask(Method::POST, "/privileges", Some(&privilege.body())).await?;
            output.object(&in_words(created, output))
        }
        PrivilegeCommand::List { api } => {
            let of_api: Vec<(&str, &str)> = api.iter().map(|api| ("api", api.as_str())).collect();
            let mut privileges = server.list("/privileges", &of_api).await?;
            for privilege in privileges.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
                *privilege = in_words(privilege.take(), output);
            }
            output.list(&privileges, &["name", "api", "routes", "roles", "scopes", "access"])
        }
        PrivilegeCommand::Show { name } => {
            let privilege = server.ask(Method::GET, &format!("/privileges/{name}"), None).await?;
            output.object(&in_words(privilege, output))
        }
        PrivilegeCommand::Delete { name, make_public } => {
            let query = if make_public { "?make_public=true" } else { "" };
            let deleted = server.ask(Method::DELETE, &format!("/privileges/{name}{query}"), None).await;
            deleted.map_err(|fault| fault.in_place_of("say make_public=true in the query if it should", "say --make-public if it should"))?;
            output.done("the privilege is gone")
        }
    }
}

/// Gives a client a role, or takes it.
///
/// # Errors
/// What the server says where it refuses.
pub async fn client_role(client: &str, role: &str, take: bool, server: &Server, output: &Output) -> Result<(), Fault> {
    let (method, sentence) = match take {
        true => (Method::DELETE, format!("{client} no longer has the role {role}, nor have its tokens")),
        false => (Method::PUT, format!("{client} has the role {role}, and so have its tokens")),
    };
    server.ask(method, &format!("/clients/{client}/roles/{role}"), None).await?;
    output.done(&sentence)
}

/// A privilege as people read it: routes as they are given, the whole Api said, and of several scopes how many are needed.
fn in_words(mut privilege: Value, output: &Output) -> Value {
    let Some(members) = privilege.as_object_mut().filter(|_| !output.json) else { return privilege };
    let routes = members.get("routes").and_then(Value::as_array);
    let routes = routes.map(|routes| routes.iter().map(route_in_words).collect::<Vec<_>>().join(", "));
    members.insert("routes".to_owned(), routes.unwrap_or_else(|| "the whole api".to_owned()).into());
    let several = members.get("scopes").and_then(Value::as_array).is_some_and(|scopes| scopes.len() > 1);
    if !several {
        members.remove("scopes_match");
    }
    privilege
}

/// A route as it is given on the command line.
pub fn route_in_words(route: &Value) -> String {
    let path = route.get("path").and_then(Value::as_str).unwrap_or_default();
    let methods = route.get("methods").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let methods: Vec<&str> = methods.collect();
    if methods.is_empty() { path.to_owned() } else { format!("{} {path}", methods.join(",")) }
}

/// A route as the admin API takes it.
fn route(text: &str) -> Result<Value, &'static str> {
    match text.split_whitespace().collect::<Vec<_>>().as_slice() {
        [path] if path.starts_with('/') => Ok(json!({"path": path})),
        [methods, path] => Ok(json!({"methods": methods.split(',').collect::<Vec<_>>(), "path": path})),
        _ => Err("a route is a path, or methods and a path: \"GET,POST /orders/{id}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_a_path_with_or_without_methods() {
        for (given, read) in
            [("/orders/*", json!({"path": "/orders/*"})), ("GET,POST /orders/{id}", json!({"methods": ["GET", "POST"], "path": "/orders/{id}"}))]
        {
            assert_eq!(route(given), Ok(read.clone()));
            assert_eq!(route_in_words(&read), given);
        }
        for wrong in ["", "GET", "GET POST /orders", "orders"] {
            assert!(route(wrong).is_err(), "{wrong}");
        }
    }
}

//! What the command line takes. The fields of `NewClient` and `NewApi` are the admin API's own members.

use clap::{Args, Parser, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};
use shared::oauth::ids::ClientId;

use crate::access::{PrivilegeCommand, RoleCommand};

const HELP: &str = "\
It goes straight to the table with --url absent and GATEWRIGHT_TABLE set, under IAM: GATEWRIGHT_ISSUER, AWS_REGION,
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), and where a signing key is made, GATEWRIGHT_KMS_KEY_ID.
Otherwise it uses the admin API of a running server: the one of --url with GATEWRIGHT_ADMIN_CLIENT_ID and
GATEWRIGHT_ADMIN_CLIENT_SECRET, or the local run whose .gatewright/admin.env it finds.";

/// Administers Gatewright, an OAuth 2.0 authorization server.
#[derive(Debug, Parser)]
#[command(name = "gatewright", version, after_help = HELP, subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    /// The issuer's URL of a running server
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// Print the server's own JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the first admin client of a deployment, and its first signing key; once
    Bootstrap(BootstrapArguments),
    /// Clients and their secrets
    #[command(subcommand)]
    Client(ClientCommand),
    /// Apis: audiences, their scopes, where their routes are
    #[command(subcommand)]
    Api(ApiCommand),
    /// Roles: what clients have and privileges ask for
    #[command(subcommand)]
    Role(RoleCommand),
    /// Privileges: which roles and scopes open which routes
    #[command(subcommand)]
    Privilege(PrivilegeCommand),
    /// Fetch an access token by client credentials, and print it
    Token(TokenArguments),
    /// Say why a call passes or does not, and what to do; without a token, what the route asks for
    Explain(ExplainArguments),
}

/// `bootstrap`.
#[derive(Debug, Args)]
pub struct BootstrapArguments {
    /// The client's identifier [default: generated]
    #[arg(long, value_name = "ID", value_parser = client_id)]
    pub client_id: Option<ClientId>,
    /// Make another one although there was a first
    #[arg(long)]
    pub force: bool,
}

/// `client`.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Register a client; its secret is shown this once
    Create(Box<NewClient>),
    /// List the clients
    List,
    /// Show a client
    Show {
        /// The client's identifier
        #[arg(value_parser = segment)]
        id: String,
    },
    /// Make a new secret (a client has two at most), list them, or end one
    Secret(SecretArguments),
    /// Give a client a role that it has when it acts for itself, or take it
    Role {
        /// The client's identifier
        #[arg(value_parser = segment)]
        client: String,
        /// The role
        #[arg(value_parser = segment)]
        role: String,
        /// Take the role instead
        #[arg(long)]
        take: bool,
    },
}

/// `client create`.
#[derive(Debug, Args, Serialize)]
pub struct NewClient {
    /// The name for people, unique
    #[arg(value_name = "NAME")]
    client_name: String,
    /// Its identifier [default: generated]
    #[arg(long = "id", value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// A grant type that it may use [default: client_credentials; with --public authorization_code]
    #[arg(long = "grant", value_name = "GRANT_TYPE")]
    #[serde(skip)]
    grant_types: Vec<String>,
    /// It cannot keep a secret, and gets none
    #[arg(long)]
    #[serde(skip)]
    public: bool,
    /// How it authenticates: client_secret_basic or client_secret_post
    #[arg(long = "auth-method", value_name = "METHOD")]
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint_auth_method: Option<String>,
    /// A full scope (audience and value) that it may have
    #[arg(long = "scope", value_name = "SCOPE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<String>,
    /// A full scope that it gets when it asks for none
    #[arg(long = "default-scope", value_name = "SCOPE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    default_scopes: Vec<String>,
    /// A role that it has when it acts for itself
    #[arg(long = "role", value_name = "ROLE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    /// Where users may be sent back to
    #[arg(long = "redirect-uri", value_name = "URI")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    redirect_uris: Vec<String>,
    /// An origin whose pages may fetch its tokens
    #[arg(long = "allowed-origin", value_name = "ORIGIN")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_origins: Vec<String>,
    /// The realm of its users
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    realm: Option<String>,
    /// It may introspect tokens of any audience
    #[arg(long)]
    #[serde(skip_serializing_if = "is_unset")]
    introspect: bool,
    /// The form of its access tokens: jwt or opaque
    #[arg(long = "token-format", value_name = "FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token_format: Option<String>,
    /// The life of its access tokens, where it is shorter than the Api's
    #[arg(long = "token-ttl", value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token_ttl: Option<u64>,
    /// The life of its refresh tokens
    #[arg(long = "refresh-ttl", value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token_ttl: Option<u64>,
    /// For people
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Who answers for it
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// An e-mail address
    #[arg(long = "contact", value_name = "E-MAIL")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    contacts: Vec<String>,
    /// For sorting and finding
    #[arg(long = "tag", value_name = "TAG")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
}

impl NewClient {
    /// The request body.
    pub fn body(&self) -> Value {
        let usual = if self.public { "authorization_code" } else { "client_credentials" };
        let mut body = json!(self);
        if let Some(members) = body.as_object_mut() {
            let grant_types = if self.grant_types.is_empty() { json!([usual]) } else { json!(self.grant_types) };
            members.insert("grant_types".to_owned(), grant_types);
            if self.public {
                members.insert("client_type".to_owned(), "public".into());
            }
        }
        body
    }
}

/// `client secret`.
#[derive(Debug, Args)]
pub struct SecretArguments {
    /// The client's identifier
    #[arg(value_parser = segment)]
    pub id: String,
    /// How long the new secret is good [default: until it is deleted]
    #[arg(long, value_name = "SECONDS")]
    pub expires_in: Option<u64>,
    /// End this secret, at once
    #[arg(long, value_name = "SECRET_ID", value_parser = segment, conflicts_with = "expires_in")]
    pub delete: Option<String>,
    /// List the secrets, without what opens anything
    #[arg(long, conflicts_with_all = ["expires_in", "delete"])]
    pub list: bool,
}

/// `api`.
#[derive(Debug, Subcommand)]
pub enum ApiCommand {
    /// Register an Api
    Create(Box<NewApi>),
    /// List the Apis
    List,
}

/// `api create`.
#[derive(Debug, Args, Serialize)]
pub struct NewApi {
    /// Names it in the admin API, unique
    name: String,
    /// The audience of its tokens: an absolute URI or URN
    #[arg(long, value_name = "URI")]
    audience: String,
    /// A scope value
    #[arg(long = "scope", value_name = "VALUE")]
    #[serde(skip)]
    scopes: Vec<String>,
    /// What routes ask for that no privilege names: deny, authenticated or public
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<String>,
    /// Where its routes begin [default: /NAME]
    #[arg(long, value_name = "PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    base_path: Option<String>,
    /// The API Gateway stage that its routes are on [default: any]
    #[arg(long, value_name = "API_ID/STAGE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<String>,
    /// What its public routes ask of a call without a token: open or keyed [default: open]
    #[arg(long, value_name = "WHAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymous: Option<String>,
    /// Its routes also take HTTP Basic
    #[arg(long)]
    #[serde(skip_serializing_if = "is_unset")]
    basic_auth: bool,
    /// The life of its access tokens, 86400 at most
    #[arg(long = "token-ttl", value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token_ttl: Option<u64>,
    /// What signs its tokens: ES256 or RS256
    #[arg(long, value_name = "ALG")]
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_alg: Option<String>,
    /// Which tokens have a record: full or revocations
    #[arg(long, value_name = "WHICH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    token_records: Option<String>,
    /// The client that may introspect tokens of this audience
    #[arg(long = "resource-server", value_name = "CLIENT_ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_server_client_id: Option<String>,
    /// For sorting and finding
    #[arg(long = "tag", value_name = "TAG")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
}

impl NewApi {
    /// The request body.
    pub fn body(&self) -> Value {
        let mut body = json!(self);
        if let Some(members) = body.as_object_mut() {
            members.insert("scopes".to_owned(), self.scopes.iter().map(|value| json!({"value": value})).collect());
        }
        body
    }
}

/// `explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
The call's token comes from GATEWRIGHT_TOKEN, or from standard input where that is no terminal, never from an argument; the value of a
whole Authorization header will do. The exit code is 0 for a call that passes and 1 for one that does not.")]
pub struct ExplainArguments {
    /// The call's method
    pub method: String,
    /// The call's path, from the root of the gateway's stage
    pub path: String,
    /// The API Gateway stage that the call is on
    #[arg(long, value_name = "API_ID/STAGE")]
    pub gateway: Option<String>,
    /// The client that the call names in its backend header
    #[arg(long = "as", value_name = "CLIENT_ID", value_parser = segment)]
    pub backend: Option<String>,
}

/// `token`.
#[derive(Debug, Args)]
#[command(after_help = "The client's secret comes from GATEWRIGHT_CLIENT_SECRET or from standard input, never from an argument.")]
pub struct TokenArguments {
    /// The client's identifier
    #[arg(long, value_name = "ID")]
    pub client_id: String,
    /// A scope to ask for [default: the client's own]
    #[arg(long = "scope", value_name = "SCOPE")]
    pub scopes: Vec<String>,
    /// The audience to ask for
    #[arg(long, value_name = "URI")]
    pub resource: Option<String>,
}

fn is_unset(flag: &bool) -> bool {
    !flag
}

fn client_id(text: &str) -> Result<ClientId, &'static str> {
    ClientId::try_from(text.to_owned())
}

/// An identifier that is one segment of a path as it stands.
pub fn segment(text: &str) -> Result<String, &'static str> {
    match text {
        "." | ".." => Err("an identifier is not made of dots"),
        _ => client_id(text).map(String::from),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}

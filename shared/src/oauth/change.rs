//! What other nodes and people must learn of: the change feed for authorizers, the audit trail for operators.

use serde::{Deserialize, Serialize};

use super::ids::{ClientId, Name};
use super::time::Timestamp;

/// An entry of the change feed: something that an authorizer may remember is no longer true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "changed", rename_all = "snake_case")]
pub enum Changed {
    /// A client: active, roles, secrets, tokens revoked, or gone.
    Client {
        /// Which.
        client_id: ClientId,
    },
    /// A token was revoked.
    Token {
        /// Which.
        jti: String,
    },
    /// An Api.
    Apis,
    /// The privileges of one Api.
    Privileges {
        /// Which.
        api: Name,
    },
    /// The signing keys.
    Keys,
}

/// An entry of the audit trail: who did what, when, and how it ended. It never holds a secret or a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// When.
    pub time: Timestamp,
    /// What: `client.created`, `token.revoked`, ...
    pub event: String,
    /// Who: a client id, or `cli` for the command line under IAM, or `schedule`.
    pub actor: String,
    /// The client that it happened to, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// What else it happened to: an Api's name, a key's, a token's `jti`, a secret's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// `done` or `refused`.
    pub outcome: String,
    /// Why, where it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How often within the minute or so up to `time`, where the entry stands for more than one event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

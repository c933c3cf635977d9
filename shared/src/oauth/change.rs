//! What other nodes and people must learn of: the change feed for authorizers, the audit trail for operators.

use serde::{Deserialize, Serialize};

use super::access_token::SubjectType;
use super::grant::GrantId;
use super::ids::{ClientId, Name};
use super::time::Timestamp;
use super::user::UserId;

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
    /// A user: active, roles, groups, password, assignments, or gone.
    User {
        /// Which.
        user_id: UserId,
    },
    /// A group: its roles, its assignments, or gone.
    Group {
        /// Which.
        name: Name,
    },
    /// A grant was revoked.
    Grant {
        /// Which.
        grant_id: GrantId,
    },
    /// The signing keys.
    Keys,
}

impl AuditEvent {
    /// That `actor` did `event` at `time`.
    pub fn done(time: Timestamp, event: &str, actor: &str) -> Self {
        Self {
            time,
            event: event.to_owned(),
            actor: actor.to_owned(),
            client_id: None,
            user_id: None,
            sub: None,
            sub_type: None,
            object: None,
            outcome: "done".to_owned(),
            reason: None,
            count: None,
        }
    }
}

/// An entry of the audit trail: who did what, when, and how it ended. It never holds a secret or a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// When.
    pub time: Timestamp,
    /// What: `client.created`, `token.revoked`, ...
    pub event: String,
    /// Who: the id of a client or of a user, or `cli` for the command line under IAM, or `schedule`.
    pub actor: String,
    /// The client that it happened to, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// The user that it happened to, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Whose the token was that was issued or called with: a user's id or a client's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Which of the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_type: Option<SubjectType>,
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

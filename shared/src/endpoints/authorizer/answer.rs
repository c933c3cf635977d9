//! What an authorizer answers: an IAM policy, or for an HTTP API that was configured for it, a simple response.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::oauth::access_token::{Claims, SubjectType};
use crate::oauth::client::Client;

/// The form of the answers to HTTP API 2.0 events (`GATEWRIGHT_AUTHORIZER_RESPONSE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResponseFormat {
    /// An IAM policy.
    #[default]
    Policy,
    /// `isAuthorized` and a context.
    Simple,
}

/// An answer that API Gateway understands.
#[derive(Debug)]
pub enum Answer {
    /// An IAM policy for the caller.
    Policy {
        /// Whom the policy is for.
        principal_id: String,
        /// Whether it allows.
        allowed: bool,
        /// The one resource that it speaks of.
        resource: String,
        /// What the integration and the gateway's own answers may use.
        context: Box<Context>,
    },
    /// A simple response.
    Simple {
        /// Whether the call may pass.
        allowed: bool,
        /// What the integration may use.
        context: Box<Context>,
    },
}

/// The authorizer's context; all values are strings, and what is not known is absent (AU-16).
#[derive(Debug, Default, Serialize)]
pub struct Context {
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    realm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<String>,
    /// The OAuth error, for the gateway's 403 template.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

/// Why there is no answer. The gateway makes a 401 of exactly `Unauthorized`, and a 500 of everything else.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// Credentials are missing or bad.
    Unauthorized,
    /// The call could not be decided; the text is for the operator.
    Unavailable(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unauthorized => "Unauthorized",
            Self::Unavailable(_) => "the call could not be decided",
        })
    }
}

impl std::error::Error for Failure {}

impl Answer {
    pub(super) fn allow(arn: &str, claims: &Claims, client: &Client) -> Self {
        let roles: Vec<&str> = match claims.sub_type {
            // A client acting for itself has the roles that the table gives it now, not those of the day of issue.
            SubjectType::Client => client.metadata.roles.iter().map(|role| role.as_str()).collect(),
            SubjectType::User => claims.roles.iter().map(|role| role.as_str()).collect(),
        };
        let context = Context {
            sub: Some(claims.sub.clone()),
            sub_type: Some(claims.sub_type.as_str()),
            client_id: Some(claims.client_id.to_string()),
            realm: Some(client.metadata.realm.to_string()),
            scope: Some(claims.scope.clone()),
            roles: Some(roles.join(" ")),
            aud: Some(claims.aud.clone()),
            jti: Some(claims.jti.clone()),
            exp: Some(claims.exp.unix().to_string()),
            error: None,
        };
        Self::Policy { principal_id: claims.sub.clone(), allowed: true, resource: arn.to_owned(), context: Box::new(context) }
    }

    pub(super) fn anonymous(arn: &str) -> Self {
        let context = Context { sub_type: Some("anonymous"), ..Context::default() };
        Self::Policy { principal_id: "anonymous".to_owned(), allowed: true, resource: arn.to_owned(), context: Box::new(context) }
    }

    pub(super) fn deny(arn: &str, claims: Option<&Claims>) -> Self {
        let principal_id = claims.map_or_else(|| "anonymous".to_owned(), |claims| claims.sub.clone());
        let context = Context { error: Some("insufficient_scope"), ..Context::default() };
        // A wildcard character in the path makes the refusal wider, never narrower.
        Self::Policy { principal_id, allowed: false, resource: arn.to_owned(), context: Box::new(context) }
    }

    pub(super) fn denied_simply() -> Self {
        Self::Simple { allowed: false, context: Box::default() }
    }

    pub(super) fn into_simple(self) -> Self {
        match self {
            Self::Policy { allowed, context, .. } | Self::Simple { allowed, context } => Self::Simple { allowed, context },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PolicyAnswer<'a> {
    principal_id: &'a str,
    policy_document: PolicyDocument<'a>,
    context: &'a Context,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyDocument<'a> {
    version: &'static str,
    statement: [Statement<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement<'a> {
    action: &'static str,
    effect: &'static str,
    resource: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SimpleAnswer<'a> {
    is_authorized: bool,
    context: &'a Context,
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Simple { allowed, context } => SimpleAnswer { is_authorized: *allowed, context }.serialize(serializer),
            Self::Policy { principal_id, allowed, resource, context } => {
                let effect = if *allowed { "Allow" } else { "Deny" };
                let statement = [Statement { action: "execute-api:Invoke", effect, resource }];
                PolicyAnswer { principal_id, policy_document: PolicyDocument { version: "2012-10-17", statement }, context }.serialize(serializer)
            }
        }
    }
}

//! What an authorizer answers: an IAM policy, or for an HTTP API that was configured for it, a simple response.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::memory::SeenToken;
use crate::oauth::access_token::SubjectType;
use crate::oauth::client::Client;
use crate::oauth::ids::Name;

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
pub struct Answer {
    format: ResponseFormat,
    /// The one resource that a policy speaks of.
    arn: String,
    verdict: Verdict,
}

#[derive(Debug)]
enum Verdict {
    /// The call may pass, for what the token says and as what the client is.
    Allow(Arc<SeenToken>, Arc<Client>),
    /// The call may pass without credentials.
    Anonymous,
    /// The call may not pass; the token, if there was a good one.
    Deny(Option<Arc<SeenToken>>),
}

/// The authorizer's context; all values are strings, and what is not known is absent (AU-16).
#[derive(Debug, Default, Serialize)]
struct Context<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    realm: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'a str>,
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
    pub(super) fn allow(format: ResponseFormat, arn: String, seen: Arc<SeenToken>, client: Arc<Client>) -> Self {
        Self { format, arn, verdict: Verdict::Allow(seen, client) }
    }

    pub(super) fn anonymous(format: ResponseFormat, arn: String) -> Self {
        Self { format, arn, verdict: Verdict::Anonymous }
    }

    /// A refusal. A wildcard character in the path makes it wider, never narrower.
    pub(super) fn deny(format: ResponseFormat, arn: String, seen: Option<Arc<SeenToken>>) -> Self {
        Self { format, arn, verdict: Verdict::Deny(seen) }
    }

    fn is_allowed(&self) -> bool {
        !matches!(self.verdict, Verdict::Deny(_))
    }

    fn principal_id(&self) -> &str {
        match &self.verdict {
            Verdict::Allow(seen, _) | Verdict::Deny(Some(seen)) => &seen.claims.sub,
            Verdict::Anonymous | Verdict::Deny(None) => "anonymous",
        }
    }

    fn context(&self) -> Context<'_> {
        let (claims, client) = match &self.verdict {
            Verdict::Allow(seen, client) => (&seen.claims, client),
            Verdict::Anonymous => return Context { sub_type: Some("anonymous"), ..Context::default() },
            // Without a good token there was nothing to be insufficient.
            Verdict::Deny(seen) => return Context { error: seen.as_ref().map(|_| "insufficient_scope"), ..Context::default() },
        };
        let roles = match claims.sub_type {
            // A client acting for itself has the roles that the table gives it now, not those of the day of issue.
            SubjectType::Client => &client.metadata.roles,
            SubjectType::User => &claims.roles,
        };
        Context {
            sub: Some(&claims.sub),
            sub_type: Some(claims.sub_type.as_str()),
            client_id: Some(claims.client_id.as_str()),
            realm: Some(client.metadata.realm.as_str()),
            scope: Some(&claims.scope),
            roles: Some(roles.iter().map(Name::as_str).collect::<Vec<_>>().join(" ")),
            aud: Some(&claims.aud),
            jti: Some(&claims.jti),
            exp: Some(claims.exp.unix().to_string()),
            error: None,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PolicyAnswer<'a> {
    principal_id: &'a str,
    policy_document: PolicyDocument<'a>,
    context: Context<'a>,
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
    context: Context<'a>,
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (is_authorized, context) = (self.is_allowed(), self.context());
        match self.format {
            ResponseFormat::Simple => SimpleAnswer { is_authorized, context }.serialize(serializer),
            ResponseFormat::Policy => {
                let effect = if is_authorized { "Allow" } else { "Deny" };
                let statement = [Statement { action: "execute-api:Invoke", effect, resource: &self.arn }];
                let policy_document = PolicyDocument { version: "2012-10-17", statement };
                PolicyAnswer { principal_id: self.principal_id(), policy_document, context }.serialize(serializer)
            }
        }
    }
}

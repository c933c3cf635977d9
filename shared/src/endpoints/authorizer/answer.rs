//! What an authorizer answers: an IAM policy, or for an HTTP API that was configured for it, a simple response.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::memory::SeenToken;
use super::written::Resources;
use crate::oauth::client::Client;
use crate::oauth::ids::Name;
use crate::oauth::route::Principal;
use crate::oauth::scope::LONGEST_SCOPE;
use crate::oauth::user::Person;

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
    /// The one method and path that was asked about.
    arn: String,
    /// Everything that the principal may call on the stage, where a policy can say it.
    resources: Option<Arc<Resources>>,
    /// Who calls, as far as a credential says it.
    caller: Option<Caller>,
    /// The privilege that decided.
    privilege: Option<Name>,
    verdict: Verdict,
}

/// Who calls with a credential.
#[derive(Debug)]
pub(super) enum Caller {
    /// With a genuine token.
    Token { seen: Arc<SeenToken>, client: Arc<Client>, person: Option<Arc<Person>> },
    /// Anybody, in an app of this client.
    Anonymous(Arc<Client>),
}

impl Caller {
    fn client(&self) -> &Client {
        match self {
            Self::Token { client, .. } | Self::Anonymous(client) => client,
        }
    }
}

#[derive(Debug)]
enum Verdict {
    Allow,
    /// The whole challenge (RFC 6750 §3) for the gateway's 403, where a good token was not enough.
    Deny(Option<String>),
}

/// The authorizer's context; all values are strings, and what is not known is absent (AU-16).
///
/// All but the last two are of the principal and true of each of its calls; the last two are of the call that was decided.
#[derive(Debug, Default, Serialize)]
struct Context<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    privilege: Option<&'a str>,
    /// `WWW-Authenticate` for the gateway's 403, which can take a header only whole from the context.
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<&'a str>,
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
    /// The call may pass: as `caller`, or without credentials.
    pub(super) fn allow(format: ResponseFormat, arn: String, caller: Option<Caller>, privilege: Option<Name>) -> Self {
        Self { format, arn, resources: None, caller, privilege, verdict: Verdict::Allow }
    }

    /// The call may not pass; `challenge` says what a good token lacks. A wildcard character in the path makes it wider, never narrower.
    pub(super) fn deny(format: ResponseFormat, arn: String, caller: Option<Caller>, challenge: Option<String>) -> Self {
        Self { format, arn, resources: None, caller, privilege: None, verdict: Verdict::Deny(challenge) }
    }

    /// The same for this call, and for every other call of the principal what `resources` say.
    pub(super) fn with_all(self, resources: Option<Arc<Resources>>) -> Self {
        Self { resources, ..self }
    }

    fn principal_id(&self) -> &str {
        match &self.caller {
            Some(Caller::Token { seen, .. }) => &seen.claims.sub,
            Some(Caller::Anonymous(_)) | None => "anonymous",
        }
    }

    fn context(&self) -> Context<'_> {
        let (sub_type, challenge) = match &self.verdict {
            Verdict::Allow => (Some("anonymous"), None),
            Verdict::Deny(challenge) => (None, challenge.as_deref()),
        };
        let privilege = self.privilege.as_ref().map(Name::as_str);
        let anonymous = Context { sub_type, privilege, challenge, ..Context::default() };
        let (seen, client, person) = match &self.caller {
            None => return anonymous,
            Some(Caller::Anonymous(client)) => {
                let (client_id, realm) = (client.client_id.as_str(), client.metadata.realm.as_str());
                return Context { client_id: Some(client_id), realm: Some(realm), ..anonymous };
            }
            Some(Caller::Token { seen, client, person }) => (seen, client, person),
        };
        let claims = &seen.claims;
        let person = person.as_deref();
        let roles = Principal { claims, client, person }.roles().iter().map(Name::as_str).collect::<Vec<_>>().join(" ");
        Context {
            sub: Some(&claims.sub),
            sub_type: Some(claims.sub_type.as_str()),
            client_id: Some(claims.client_id.as_str()),
            username: person.map(|person| person.user.metadata.username.as_str()),
            realm: Some(client.metadata.realm.as_str()),
            scope: Some(&claims.scope),
            // As in the token itself: a list that would make the answer too long is left out, and the gate has asked for roles already.
            roles: Some(roles).filter(|roles| roles.len() + claims.scope.len() <= LONGEST_SCOPE),
            aud: Some(&claims.aud),
            // A user with a password presents no token.
            jti: Some(claims.jti.as_str()).filter(|jti| !jti.is_empty()),
            exp: Some(claims.exp.unix().to_string()).filter(|_| !claims.jti.is_empty()),
            privilege,
            challenge,
        }
    }

    /// The statement about this call comes first.
    fn statements(&self) -> Vec<Statement<'_>> {
        let this = Resource::One(&self.arn);
        let all = self.resources.as_deref();
        let allow_all = all.map(|all| Statement::new("Allow", Resource::Many(&all.allow)));
        let deny_all = all.and_then(|all| all.deny.as_deref()).map(|deny| Statement::new("Deny", Resource::Many(deny)));
        let first = match (&self.verdict, allow_all.is_some()) {
            (Verdict::Allow, true) => None,
            (Verdict::Allow, false) => Some(Statement::new("Allow", this)),
            (Verdict::Deny(_), _) => Some(Statement::new("Deny", this)),
        };
        [first, allow_all, deny_all].into_iter().flatten().collect()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PolicyAnswer<'a> {
    principal_id: &'a str,
    policy_document: PolicyDocument<'a>,
    context: Context<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_identifier_key: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyDocument<'a> {
    version: &'static str,
    statement: Vec<Statement<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement<'a> {
    action: &'static str,
    effect: &'static str,
    resource: Resource<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Resource<'a> {
    One(&'a str),
    Many(&'a RawValue),
}

impl<'a> Statement<'a> {
    fn new(effect: &'static str, resource: Resource<'a>) -> Self {
        Self { action: "execute-api:Invoke", effect, resource }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SimpleAnswer<'a> {
    is_authorized: bool,
    context: Context<'a>,
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let context = self.context();
        match self.format {
            ResponseFormat::Simple => SimpleAnswer { is_authorized: matches!(self.verdict, Verdict::Allow), context }.serialize(serializer),
            ResponseFormat::Policy => {
                let policy_document = PolicyDocument { version: "2012-10-17", statement: self.statements() };
                let usage_identifier_key = self.caller.as_ref().and_then(|caller| caller.client().metadata.usage_identifier_key.as_deref());
                PolicyAnswer { principal_id: self.principal_id(), policy_document, context, usage_identifier_key }.serialize(serializer)
            }
        }
    }
}

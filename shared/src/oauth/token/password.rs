//! The resource owner password credentials grant (RFC 6749 §4.3): deprecated (RFC 9700 §2.4), behind a switch of the server and one of the
//! client, for those who have to move from a system that knows nothing else.

use super::super::authorize::without_offline_access;
use super::super::error::TokenError;
use super::super::form::Form;
use super::super::fresh::Fresh;
use super::super::password::Password;
use super::super::scope;
use super::{Facts, Issued, issue_for};

/// The parameters of the grant.
#[derive(Debug)]
pub struct Request {
    /// Who.
    pub username: String,
    /// Their password; `None`: it is longer than any.
    pub password: Option<Password>,
    scope: Option<String>,
    resources: Vec<String>,
}

impl Request {
    /// Reads the parameters.
    ///
    /// # Errors
    /// `invalid_request` without username and password.
    pub fn parse(form: &Form) -> Result<Self, TokenError> {
        Ok(Self {
            username: form.required("username")?.to_owned(),
            password: Password::presented(form.required("password")?),
            scope: form.get("scope").map(without_offline_access).filter(|scope| !scope.is_empty()),
            resources: form.all("resource").map(str::to_owned).collect(),
        })
    }
}

/// Decides the request of somebody whose password was right (`facts.person`). There is no refresh token: whoever has the password needs none.
///
/// # Errors
/// `invalid_grant` without such a person or where they may not use the client, `invalid_scope` or `invalid_target`.
pub fn decide(request: &Request, facts: &Facts<'_>, fresh: &Fresh) -> Result<Issued, TokenError> {
    let person = facts.person.filter(|person| person.is_of(facts.client)).ok_or(TokenError::InvalidGrant("password_wrong"))?;
    if !person.may_use(facts.client) {
        return Err(TokenError::UserNotAssigned);
    }
    let resources: Vec<&str> = request.resources.iter().map(String::as_str).collect();
    let granted = scope::resolve(request.scope.as_deref(), &resources, facts.client.allowed(), facts.apis)?;
    Ok(issue_for(person, (granted.api, granted.scope()), None, facts.client, fresh))
}

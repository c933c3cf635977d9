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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::access_token::SubjectType;
    use super::super::super::user::Person;
    use super::super::fixture::{alice, decided};

    #[test]
    fn who_knows_the_password_gets_a_token_of_the_user_and_no_refresh_token() {
        // M-17, I-16, RT-12
        let issued =
            |more: &str| decided(&format!("grant_type=password&username=alice&password=x{more}"), json!({}), None, Some(&alice(json!({})))).answer;
        let one = issued("&scope=read&resource=https%3A%2F%2Forders.example%2F").unwrap();
        assert!(one.refresh_token.is_none() && one.claims.grant_id.is_none());
        assert_eq!(
            (one.claims.sub.as_str(), one.claims.sub_type, one.claims.scope.as_str()),
            ("u-0123456789abcdef01234567", SubjectType::User, "read")
        );
        assert_eq!(issued("&scope=offline_access").unwrap().claims.scope, "read write");
        assert_eq!(issued("&scope=admin").unwrap_err().code(), "invalid_scope");
    }

    #[test]
    fn who_may_not_use_the_client_gets_nothing() {
        // I-11, I-13, TE-28
        let asked = |client, person: Option<Person>| {
            decided("grant_type=password&username=alice&password=x", client, None, person.as_ref()).answer.map(|_| ()).map_err(|error| error.fault())
        };
        let stranger = || Person { is_assigned: false, ..alice(json!({})) };
        for (client, person, expected) in [
            (json!({}), None, Err("password_wrong")),
            (json!({}), Some(alice(json!({"active": false}))), Err("password_wrong")),
            (json!({"realm": "staff"}), Some(alice(json!({}))), Err("password_wrong")),
            (json!({}), Some(stranger()), Err("user_not_assigned")),
            (json!({"enforce_assignments": false}), Some(stranger()), Ok(())),
            (json!({"grant_types": ["authorization_code"]}), Some(alice(json!({}))), Err("unauthorized_client")),
        ] {
            assert_eq!(asked(client.clone(), person), expected, "{client}");
        }
    }
}

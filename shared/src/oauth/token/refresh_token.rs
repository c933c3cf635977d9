//! Refreshing an access token (RFC 6749 §6), with rotation (RFC 9700 §4.14.2).

use super::super::api::Api;
use super::super::authorize::without_offline_access;
use super::super::error::TokenError;
use super::super::form::Form;
use super::super::fresh::Fresh;
use super::super::grant::{Grant, GrantFault, GrantToken, Kind, REFRESH_LIFE};
use super::super::scope::is_scope_token;
use super::{Decision, Facts, Issued, issue_for, remaining, user_of};

/// The parameters of the grant.
#[derive(Debug)]
pub struct Request {
    /// The refresh token; `None`: it has not the shape of one.
    pub token: Option<GrantToken>,
    scope: Option<String>,
    resources: Vec<String>,
}

impl Request {
    /// Reads the parameters.
    ///
    /// # Errors
    /// `invalid_request` without a refresh token.
    pub fn parse(form: &Form) -> Result<Self, TokenError> {
        Ok(Self {
            token: GrantToken::parse(Kind::Refresh, form.required("refresh_token")?),
            scope: form.get("scope").map(without_offline_access).filter(|scope| !scope.is_empty()),
            resources: form.all("resource").map(str::to_owned).collect(),
        })
    }
}

/// Decides the request. A request that is refused for what it asks leaves the refresh token as it is.
pub fn decide(request: &Request, facts: &Facts<'_>, fresh: &Fresh) -> Decision {
    let Some((token, grant)) = request.token.as_ref().zip(facts.grant) else { return Err(GrantFault::Unknown.into()).into() };
    let life = facts.client.metadata.refresh_token_ttl.unwrap_or(REFRESH_LIFE);
    let change = grant.refresh(token, &facts.client.client_id, life, fresh);
    let refresh_token = match change.answer {
        Ok(refresh_token) => refresh_token,
        Err(fault) => return Decision { change: change.grant, answer: Err(fault.into()) },
    };
    let issued = user_of(grant, facts).and_then(|person| {
        let api = facts.apis.of_audience(&grant.aud).ok_or(TokenError::InvalidGrant("api_gone"))?;
        let scope = narrowed(request, grant, api, facts)?;
        Ok(issue_for(person, (api, scope), Some(&grant.grant_id), facts.client, fresh))
    });
    match issued {
        Ok(issued) => Decision { change: change.grant, answer: Ok(Issued { refresh_token, ..issued }) },
        Err(error) => Err(error).into(),
    }
}

/// The scope of the new token: what is asked for of what was granted, or all of it; never what the client may not have any more.
fn narrowed(request: &Request, grant: &Grant, api: &Api, facts: &Facts<'_>) -> Result<String, TokenError> {
    //= https://www.rfc-editor.org/rfc/rfc6749#section-6
    //# The requested scope MUST NOT include any scope not originally granted by the resource owner, and if omitted is treated as equal to
    //# the scope originally granted by the resource owner.
    let audience = api.metadata.audience.as_str();
    if request.resources.iter().any(|resource| resource != audience) {
        return Err(TokenError::InvalidTarget("the grant is for another resource".into()));
    }
    let left = remaining(grant, api, facts.client)?;
    let Some(scope) = &request.scope else { return Ok(left.join(" ")) };
    // A full scope or a bare value: the audience is known.
    let mut values: Vec<&str> = scope.split(' ').map(|value| value.strip_prefix(audience).unwrap_or(value)).collect();
    if !values.iter().all(|value| is_scope_token(value)) {
        return Err(TokenError::InvalidScope("the scope has a character that RFC 6749 section 3.3 does not allow".into()));
    }
    // A value that is asked for twice is granted once (TE-16).
    let mut seen = std::collections::HashSet::new();
    values.retain(|value| seen.insert(*value));
    match values.iter().find(|value| !left.contains(value)) {
        Some(value) => Err(TokenError::InvalidScope(format!("the scope {value} was not granted").into())),
        None => Ok(values.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::api::Apis;
    use super::super::super::grant::fixture::active;
    use super::super::fixture::{alice, decided, decided_with, ends_of_a_user, given};
    use super::*;

    fn form(token: &GrantToken, more: &str) -> String {
        format!("grant_type=refresh_token&refresh_token={}{more}", token.expose())
    }

    #[test]
    fn the_scope_is_of_what_was_granted_whatever_the_client_may_have() {
        // RT-08, G-16: the client may have both
        let (grant, token) = active();
        let asked = |grant: &Grant, more: &str, client| given(decided(&form(&token, more), client, Some(grant), Some(&alice(json!({})))));
        for (more, expected) in [
            ("", Ok("read")),
            ("&scope=read", Ok("read")),
            ("&scope=https%3A%2F%2Forders.example%2Fread+offline_access", Ok("read")),
            ("&scope=write", Err("invalid_scope")),
            ("&scope=read+write", Err("invalid_scope")),
            ("&scope=https%3A%2F%2Forders.example%2Fwrite", Err("invalid_scope")),
            ("&resource=https%3A%2F%2Fbilling.example%2F", Err("invalid_target")),
        ] {
            assert_eq!(asked(&grant, more, json!({})), expected.map(str::to_owned), "{more}");
        }
        let mut both = grant;
        both.scope.push("write".to_owned());
        let less = json!({"scopes": ["https://orders.example/write"]});
        for (more, client, expected) in [
            ("", json!({}), Ok("read write")),
            ("&scope=write", json!({}), Ok("write")),
            ("", less.clone(), Ok("write")),
            ("&scope=read", less, Err("invalid_scope")),
        ] {
            assert_eq!(asked(&both, more, client), expected.map(str::to_owned), "{more}");
        }
    }

    #[test]
    fn a_grant_is_only_as_good_as_its_user_and_its_client() {
        // RT-10, RT-16, I-13
        let (grant, token) = active();
        for (person, client, expected) in ends_of_a_user() {
            assert_eq!(given(decided(&form(&token, ""), client, Some(&grant), person.as_ref())), Err(expected));
        }
        let gone = decided_with(&Apis::new(Vec::new(), 1), &form(&token, ""), json!({}), Some(&grant), Some(&alice(json!({}))));
        assert_eq!(given(gone), Err("api_gone"));
        assert_eq!(given(decided(&form(&token, ""), json!({}), None, None)), Err("grant_unknown"));
    }
}

//! The authorization code grant at the token endpoint (RFC 6749 §4.1.3, RFC 7636 §4.5).

use super::super::error::TokenError;
use super::super::form::Form;
use super::super::fresh::Fresh;
use super::super::grant::{GrantFault, GrantToken, Kind, Redemption};
use super::super::pkce::CodeVerifier;
use super::{Decision, Facts, issue_for, refresh_life, remaining, user_of};

/// The parameters of the grant.
#[derive(Debug)]
pub struct Request {
    /// The code; `None`: it has not the shape of one.
    pub code: Option<GrantToken>,
    redirect_uri: Option<String>,
    verifier: CodeVerifier,
}

impl Request {
    /// Reads the parameters.
    ///
    /// # Errors
    /// `invalid_request` where one is missing, `invalid_grant` for a verifier that none can be.
    pub fn parse(form: &Form) -> Result<Self, TokenError> {
        let code = GrantToken::parse(Kind::Code, form.required("code")?);
        let verifier = form.required("code_verifier")?;
        let verifier = CodeVerifier::parse(verifier).ok_or(TokenError::InvalidGrant("code_verifier_malformed"))?;
        Ok(Self { code, redirect_uri: form.get("redirect_uri").map(str::to_owned), verifier })
    }
}

/// Decides the request.
pub fn decide(request: &Request, facts: &Facts<'_>, fresh: &Fresh) -> Decision {
    let Some((code, grant)) = request.code.as_ref().zip(facts.grant) else { return Err(GrantFault::Unknown.into()).into() };
    let redemption = Redemption {
        code,
        client_id: &facts.client.client_id,
        redirect_uri: request.redirect_uri.as_deref(),
        verifier: &request.verifier,
        refresh_life: refresh_life(facts.client),
    };
    let change = grant.redeem(&redemption, facts.raced, fresh);
    let refresh_token = match change.answer {
        Ok(refresh_token) => refresh_token,
        Err(fault) => return Decision { change: change.grant, answer: Err(fault.into()) },
    };
    // What stood in the way of the user when the code was made may have come up since.
    let issued = user_of(grant, facts).and_then(|person| {
        let api = facts.apis.of_audience(&grant.aud).ok_or(TokenError::InvalidGrant("api_gone"))?;
        let scope = remaining(grant, api, facts.client)?.join(" ");
        Ok(issue_for(person, (api, scope), Some(&grant.grant_id), facts.client, fresh))
    });
    match issued {
        Ok(issued) => Decision { change: change.grant, answer: Ok(super::Issued { refresh_token, ..issued }) },
        Err(error) => Err(error).into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::api::Apis;
    use super::super::super::grant::fixture::{CALLBACK, VERIFIER, granted};
    use super::super::fixture::{alice, decided, decided_with, ends_of_a_user, given};
    use super::*;

    fn form(code: &GrantToken) -> String {
        format!("grant_type=authorization_code&code={}&redirect_uri={CALLBACK}&code_verifier={VERIFIER}", code.expose())
    }

    #[test]
    fn a_code_gives_what_was_allowed_and_the_client_may_still_have() {
        // TE-17, RT-08, RT-12
        let (grant, code) = granted();
        let mut both = grant.clone();
        both.scope.push("write".to_owned());
        for (grant, client, expected) in
            [(&grant, json!({}), "read"), (&both, json!({}), "read write"), (&both, json!({"scopes": ["https://orders.example/write"]}), "write")]
        {
            assert_eq!(given(decided(&form(&code), client, Some(grant), Some(&alice(json!({}))))).as_deref(), Ok(expected));
        }
        for (grants, expected) in [(json!(["authorization_code"]), false), (json!(["authorization_code", "refresh_token"]), true)] {
            let issued = decided(&form(&code), json!({"grant_types": grants}), Some(&grant), Some(&alice(json!({})))).answer.unwrap();
            assert_eq!((issued.refresh_token.is_some(), issued.claims.grant_id), (expected, Some(grant.grant_id.clone())));
        }
    }

    #[test]
    fn what_has_come_between_the_user_and_the_code_is_seen_and_leaves_it_as_it_is() {
        // TE-30, RT-16, I-13
        let (grant, code) = granted();
        for (person, client, expected) in ends_of_a_user() {
            assert_eq!(given(decided(&form(&code), client, Some(&grant), person.as_ref())), Err(expected));
        }
        let gone = decided_with(&Apis::new(Vec::new(), 1), &form(&code), json!({}), Some(&grant), Some(&alice(json!({}))));
        assert_eq!(given(gone), Err("api_gone"));
        assert_eq!(given(decided(&form(&code), json!({}), None, None)), Err("grant_unknown"));
    }
}

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

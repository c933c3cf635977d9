//! Token revocation (RFC 7009): a client gives back what it was issued.

use super::access_token::Claims;
use super::client::Client;
use super::error::TokenError;
use super::grant::{Grant, GrantToken};
use super::time::Timestamp;

/// Whether `caller` may revoke the genuine token that says `claims`.
///
/// # Errors
/// [`TokenError::ForeignToken`] for another client's token, which stays as it is.
pub fn decide(caller: &Client, claims: &Claims) -> Result<(), TokenError> {
    //= https://www.rfc-editor.org/rfc/rfc7009#section-2.1
    //# The authorization server first validates the client credentials [...] and then verifies whether the token was issued to the
    //# client making the revocation request. If this validation fails, the request is refused and the client is informed of the error
    if caller.client_id == claims.client_id { Ok(()) } else { Err(TokenError::ForeignToken) }
}

/// What becomes of the grant whose refresh token `caller` gives back; `None`: it stays as it is, because the token is none of its, or it is
/// dead already.
///
/// # Errors
/// [`TokenError::ForeignToken`] for another client's token, which stays as it is.
pub fn give_back(caller: &Client, token: &GrantToken, grant: Option<&Grant>, now: Timestamp) -> Result<Option<Grant>, TokenError> {
    //= https://www.rfc-editor.org/rfc/rfc7009#section-2.1
    //# If the particular token is a refresh token and the authorization server supports the revocation of access tokens, then the
    //# authorization server SHOULD also invalidate all access tokens based on the same authorization grant
    let Some((grant, revoked)) = grant.filter(|grant| grant.is_alive(now)).and_then(|grant| Some((grant, grant.given_back(token, now)?))) else {
        return Ok(None);
    };
    if caller.client_id == grant.client_id { Ok(Some(revoked)) } else { Err(TokenError::ForeignToken) }
}

#[cfg(test)]
mod tests {
    use super::super::access_token::fixture::claims;
    use super::super::client::fixture::client;
    use super::super::ids::ClientId;
    use super::*;

    #[test]
    fn only_the_owner_revokes() {
        // RV-05
        let (owner, _) = client(serde_json::json!({}));
        let other = Client { client_id: ClientId::parse("c2").unwrap(), ..owner.clone() };
        assert_eq!(decide(&owner, &claims(0, 1)), Ok(()));
        assert_eq!(decide(&other, &claims(0, 1)), Err(TokenError::ForeignToken));
    }
}

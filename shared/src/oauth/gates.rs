//! The token gate and the route gate, one after the other: what the authorizer decides, and what diagnosis explains.

use super::access_token::Claims;
use super::api::{Api, Apis};
use super::path::CanonicalPath;
use super::route::{Principal, Protection, RouteFault};
use super::route_table::RouteTable;
use super::time::Timestamp;
use super::token_gate::{Parties, Recorded, TokenFault, alive};

/// A call on a route behind the gateway.
#[derive(Debug, Clone)]
pub struct Call {
    /// The gateway stage, `apiId/stage`.
    pub gateway: String,
    /// The method.
    pub method: String,
    /// The path; `None` where it could be read in two ways or would be more than one resource in a policy.
    pub path: Option<CanonicalPath>,
    /// The clients (backends) that the call says it is for.
    pub backends: Vec<String>,
}

/// What a call presents.
#[derive(Debug, Clone, Copy)]
pub enum Presented<'a> {
    /// Nothing.
    Nothing,
    /// Something that is no bearer token.
    Unusable,
    /// A token that is not genuine.
    Forged(TokenFault),
    /// A genuine token: whether it is good is still to be seen.
    Token {
        /// What it says.
        claims: &'a Claims,
        /// What the table knew of it.
        recorded: Recorded,
        /// Whether the key that signed it is trusted now.
        key_is_trusted: bool,
        /// Whom it is about.
        parties: Parties<'a>,
    },
}

/// Who passes.
#[derive(Debug, Clone, Copy)]
pub enum Passed<'a> {
    /// Anybody, without credentials.
    Anonymous,
    /// The principal of a good token.
    Principal(Principal<'a>),
}

/// Which gate closed, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Nothing was presented where a token is asked for: 401.
    NoToken,
    /// What was presented is no bearer token: 401.
    NotBearer,
    /// The token gate closed: 401.
    Token(TokenFault),
    /// The token is good, but for another Api than the one that the call is on: 401.
    OtherApi,
    /// The route gate closed: 403.
    Route(RouteFault),
}

impl Closed {
    /// The code that diagnosis and the log give it (`spec` of diagnosis: `docs/access-rules.md`).
    pub fn code(self) -> &'static str {
        match self {
            Self::NoToken => "token_missing",
            Self::NotBearer => "not_bearer",
            Self::Token(fault) => fault.code(),
            Self::OtherApi => TokenFault::AudienceMismatch.code(),
            Self::Route(fault) => fault.code(),
        }
    }
}

impl Call {
    /// The Api that the call is on.
    pub fn api<'a>(&self, apis: &'a Apis) -> Option<&'a Api> {
        self.path.as_ref().and_then(|path| apis.at(&self.gateway, path))
    }

    /// What the route asks for; `table` has the privileges of the call's Api. `None`: it is no Api's.
    pub fn protection<'a>(&self, apis: &'a Apis, table: Option<&'a RouteTable>) -> Option<Protection<'a>> {
        let path = self.path.as_ref()?;
        Some(Protection::of(self.api(apis)?, table, &self.method, path))
    }
}

/// Decides a call: the token gate, then the route gate.
///
/// # Errors
/// Which gate closed.
pub fn judge<'a>(
    call: &Call,
    presented: Presented<'a>,
    apis: &Apis,
    protection: Option<&Protection<'_>>,
    now: Timestamp,
) -> Result<Passed<'a>, Closed> {
    let (claims, parties) = match presented {
        // Nobody is refused for saying nothing where nothing is asked.
        Presented::Nothing if protection.is_some_and(Protection::is_public) => return Ok(Passed::Anonymous),
        Presented::Nothing => return Err(Closed::NoToken),
        // A bad credential is never ignored, not even where none is asked for (5.1 rule 5).
        Presented::Unusable => return Err(Closed::NotBearer),
        Presented::Forged(fault) => return Err(Closed::Token(fault)),
        Presented::Token { key_is_trusted: false, .. } => return Err(Closed::Token(TokenFault::UnknownKey)),
        Presented::Token { claims, recorded, parties, .. } => {
            alive(claims, recorded, parties, apis, now).map_err(Closed::Token)?;
            (claims, parties)
        }
    };
    //= https://www.rfc-editor.org/rfc/rfc9068#section-4
    //# The resource server MUST validate that the "aud" claim contains a resource indicator value corresponding to an
    //# identifier the resource server expects for itself.
    if protection.is_some_and(|protection| protection.api.metadata.audience != claims.aud) {
        return Err(Closed::OtherApi);
    }
    let client = parties.client.ok_or(Closed::Token(TokenFault::ClientInactive))?;
    let principal = Principal { claims, client, person: parties.person };
    if call.path.is_none() {
        return Err(Closed::Route(RouteFault::PathAmbiguous));
    }
    if call.backends.iter().any(|backend| backend != claims.client_id.as_str()) {
        return Err(Closed::Route(RouteFault::BackendMismatch));
    }
    let protection = protection.ok_or(Closed::Route(RouteFault::Denied))?;
    protection.admits(&principal).map_err(Closed::Route)?;
    Ok(Passed::Principal(principal))
}

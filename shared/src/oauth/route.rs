//! The *route gate*: what the route of a call asks for, and whether a principal has it.

use super::access_token::{Claims, SubjectType};
use super::api::{ADMIN_AUDIENCE, Access, Api, Apis};
use super::client::Client;
use super::ids::Name;
use super::path::CanonicalPath;
use super::privilege::{PrivilegeAccess, PrivilegeMetadata, ScopesMatch};
use super::route_table::{Matched, RouteTable};
use super::user::Person;

impl Apis {
    /// The Api whose routes a call is on: on this gateway stage rather than on any, then the longest base path.
    pub fn at(&self, gateway: &str, path: &CanonicalPath) -> Option<&Api> {
        self.on(gateway).filter(|api| path.is_within(&api.metadata.base_path)).max_by_key(|api| precedence(api))
    }

    /// The Apis that have routes on this gateway stage.
    pub(super) fn on(&self, gateway: &str) -> impl Iterator<Item = &Api> {
        self.iter().filter(move |api| api.metadata.audience != ADMIN_AUDIENCE && api.metadata.gateway.as_deref().is_none_or(|own| own == gateway))
    }
}

fn precedence(api: &Api) -> (usize, bool) {
    (api.metadata.base_path.len(), api.metadata.gateway.is_some())
}

/// What a route asks for.
#[derive(Debug, Clone, Copy)]
pub struct Protection<'a> {
    /// The Api that the route is of.
    pub api: &'a Api,
    /// The most specific route that a privilege names, if any does: it alone counts.
    pub winner: Option<Matched<'a>>,
}

/// Somebody who calls with a good token.
#[derive(Debug, Clone, Copy)]
pub struct Principal<'a> {
    /// What the token says.
    pub claims: &'a Claims,
    /// The client that it was issued to, as the table has it now.
    pub client: &'a Client,
    /// The user that it speaks for, as the table has them now; `None`: it speaks for the client.
    pub person: Option<&'a Person>,
}

/// Why a good token does not open a route. The wire says `insufficient_scope` to all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteFault {
    /// The path could be read in two ways, or names no one resource.
    PathAmbiguous,
    /// The call names another client (backend) than the token's.
    BackendMismatch,
    /// No privilege names the route, and its Api is closed; or it is no Api's.
    Denied,
    /// The client has no scope of the Api any more.
    ApiNotInBackend,
    /// The route is not for this kind of subject.
    SubjectType,
    /// The token lacks a scope.
    ScopeMissing,
    /// The principal has none of the roles.
    RoleMissing,
}

impl RouteFault {
    /// The code that diagnosis and the log give it.
    pub fn code(self) -> &'static str {
        match self {
            Self::PathAmbiguous => "path_ambiguous",
            Self::BackendMismatch => "backend_mismatch",
            Self::Denied => "route_denied",
            Self::ApiNotInBackend => "api_not_in_backend",
            Self::SubjectType => "subject_type",
            Self::ScopeMissing => "scope_missing",
            Self::RoleMissing => "role_missing",
        }
    }
}

impl<'a> Principal<'a> {
    /// The roles that it has now: those that the table gives the client or the user, not those of the day of issue.
    pub fn roles(&self) -> &'a [Name] {
        match (self.claims.sub_type, self.person) {
            (SubjectType::Client, _) => &self.client.metadata.roles,
            (SubjectType::User, Some(person)) => &person.roles,
            (SubjectType::User, None) => &[],
        }
    }

    fn has_scope(&self, value: &str) -> bool {
        self.claims.scope.split(' ').any(|own| own == value)
    }
}

impl<'a> Protection<'a> {
    /// What the route of a call on `api` asks for; `table` has the privileges of that Api, if there are any.
    pub fn of(api: &'a Api, table: Option<&'a RouteTable>, method: &str, path: &CanonicalPath) -> Self {
        Self { api, winner: table.and_then(|table| table.winner(method, path.segments())) }
    }

    /// The privilege that decides, if one does.
    pub fn privilege(&self) -> Option<&'a PrivilegeMetadata> {
        self.winner.map(|winner| &winner.privilege.metadata)
    }

    /// Whether nobody is asked for a token.
    pub fn is_public(&self) -> bool {
        match self.privilege() {
            Some(privilege) => privilege.access == PrivilegeAccess::Public,
            None => self.api.metadata.access == Access::Public,
        }
    }

    /// The route gate.
    ///
    /// # Errors
    /// The first reason why the principal may not pass.
    pub fn admits(&self, principal: &Principal<'_>) -> Result<(), RouteFault> {
        if !principal.client.metadata.scopes.iter().any(|full| self.api.value_of(full).is_some()) {
            return Err(RouteFault::ApiNotInBackend);
        }
        let Some(privilege) = self.privilege() else {
            return if self.api.metadata.access == Access::Deny { Err(RouteFault::Denied) } else { Ok(()) };
        };
        if privilege.access == PrivilegeAccess::Public {
            return Ok(());
        }
        if !privilege.subjects.contains(&principal.claims.sub_type) {
            return Err(RouteFault::SubjectType);
        }
        let mut scopes = privilege.scopes.iter();
        let has_scopes = match privilege.scopes_match {
            _ if privilege.scopes.is_empty() => true,
            ScopesMatch::Any => scopes.any(|scope| principal.has_scope(scope)),
            ScopesMatch::All => scopes.all(|scope| principal.has_scope(scope)),
        };
        if !has_scopes {
            return Err(RouteFault::ScopeMissing);
        }
        let has_role = privilege.roles.is_empty() || principal.roles().iter().any(|role| privilege.roles.contains(role));
        if has_role { Ok(()) } else { Err(RouteFault::RoleMissing) }
    }
}

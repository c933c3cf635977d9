//! What a route asks for, as explanation and diagnosis show it.

use serde::Serialize;

use crate::oauth::access_token::SubjectType;
use crate::oauth::api::{Access, Anonymous};
use crate::oauth::ids::Name;
use crate::oauth::privilege::{Method, PrivilegeAccess, ScopesMatch};
use crate::oauth::route::Protection;

/// What a route asks for.
#[derive(Debug, Serialize)]
pub(super) struct RouteView<'a> {
    api: &'a Name,
    /// The privilege that decides; null: the Api's own `access` does.
    privilege: Option<&'a Name>,
    /// The route's path as the privilege writes it.
    pattern: Option<String>,
    methods: Option<&'a [Method]>,
    access: &'static str,
    /// What a public route asks of a call without a token; null: it is not public.
    anonymous: Option<Anonymous>,
    audience: &'a str,
    roles_any_of: &'a [Name],
    scopes: &'a [String],
    scopes_match: ScopesMatch,
    subjects: &'a [SubjectType],
}

impl<'a> RouteView<'a> {
    pub(super) fn of(protection: &Protection<'a>) -> Self {
        let (api, privilege) = (&protection.api.metadata, protection.privilege());
        let route = protection.winner.and_then(|winner| winner.route);
        Self {
            api: &api.name,
            privilege: privilege.map(|privilege| &privilege.name),
            pattern: protection
                .winner
                .map(|_| route.map_or_else(|| format!("{}/*", api.base_path.trim_end_matches('/')), |route| route.path.to_string())),
            methods: route.and_then(|route| route.methods.as_deref()),
            access: match (privilege.map(|privilege| privilege.access), api.access) {
                (Some(PrivilegeAccess::Protected), _) => "protected",
                (Some(PrivilegeAccess::Public), _) | (None, Access::Public) => "public",
                (None, Access::Authenticated) => "authenticated",
                (None, Access::Deny) => "deny",
            },
            anonymous: protection.anonymous(),
            audience: &api.audience,
            roles_any_of: privilege.map(|privilege| privilege.roles.as_slice()).unwrap_or_default(),
            scopes: privilege.map(|privilege| privilege.scopes.as_slice()).unwrap_or_default(),
            scopes_match: privilege.map(|privilege| privilege.scopes_match).unwrap_or_default(),
            subjects: privilege.map(|privilege| privilege.subjects.as_slice()).unwrap_or_default(),
        }
    }
}

//! The *route gate*: what the route of a call asks for, and whether a principal has it.

use super::access_token::{Claims, SubjectType};
use super::api::{ADMIN_AUDIENCE, Access, Anonymous, Api, Apis};
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

    /// Whether calls that an Api keeps closed would be answered by a public one around it with the Apis `after`.
    pub fn opens_as(&self, after: &Self) -> bool {
        let stages: Vec<&str> = self.stored().filter_map(|api| api.metadata.gateway.as_deref()).chain([""]).collect();
        let is_opened = |api: &Api| {
            let Some(path) = CanonicalPath::parse(&api.metadata.base_path) else { return false };
            stages.iter().any(|stage| {
                let is_its = self.at(stage, &path).is_some_and(|own| own.metadata.name == api.metadata.name);
                let around = after.at(stage, &path).filter(|around| around.metadata.name != api.metadata.name);
                is_its && around.is_some_and(|around| around.metadata.access == Access::Public)
            })
        };
        self.stored().filter(|api| api.metadata.access != Access::Public).any(is_opened)
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
    /// The Api has privileges, and they are not known: nothing passes.
    is_unknown: bool,
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
        let winner = table.and_then(|table| table.winner(method, path.segments()));
        Self { api, winner, is_unknown: table.is_none() && api.privileges > 0 }
    }

    /// The privilege that decides, if one does.
    pub fn privilege(&self) -> Option<&'a PrivilegeMetadata> {
        self.winner.map(|winner| &winner.privilege.metadata)
    }

    /// Whether nobody is asked for a token.
    pub fn is_public(&self) -> bool {
        match self.privilege() {
            Some(privilege) => privilege.access == PrivilegeAccess::Public,
            None => self.api.metadata.access == Access::Public && !self.is_unknown,
        }
    }

    /// What it asks of a call without a token; `None`: such a call does not pass.
    pub fn anonymous(&self) -> Option<Anonymous> {
        self.is_public().then_some(self.api.metadata.anonymous)
    }

    /// The route gate.
    ///
    /// # Errors
    /// The first reason why the principal may not pass.
    pub fn admits(&self, principal: &Principal<'_>) -> Result<(), RouteFault> {
        if self.is_public() {
            return Ok(());
        }
        if !principal.client.metadata.scopes.iter().any(|full| self.api.value_of(full).is_some()) {
            return Err(RouteFault::ApiNotInBackend);
        }
        let Some(privilege) = self.privilege() else {
            return if self.is_unknown || self.api.metadata.access == Access::Deny { Err(RouteFault::Denied) } else { Ok(()) };
        };
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::access_token::fixture::claims;
    use super::super::api::fixture::api;
    use super::super::client::fixture::client;
    use super::super::privilege::fixture::privilege;
    use super::super::user::Person;
    use super::super::user::fixture::user;
    use super::*;

    /// What the route gate of a privilege with these `changes` says to a token: kind of subject, scopes, roles that the table has of them.
    fn asked(changes: Value) -> impl Fn(SubjectType, &str, &[&str]) -> Result<(), RouteFault> {
        let table = RouteTable::new("/soda", vec![privilege("p", changes)]);
        move |sub_type, scope, roles| {
            let (of_client, of_user): (_, &[&str]) = if sub_type == SubjectType::Client { (roles, &[]) } else { (&[][..], roles) };
            gate(&table, sub_type, scope, of_client, of_user, &[])
        }
    }

    fn names(roles: &[&str]) -> Vec<Name> {
        roles.iter().map(|role| Name::parse(role).unwrap()).collect()
    }

    fn gate(
        table: &RouteTable,
        sub_type: SubjectType,
        scope: &str,
        of_client: &[&str],
        of_user: &[&str],
        of_token: &[&str],
    ) -> Result<(), RouteFault> {
        let soda = api("soda", "https://soda.example/", &["read", "write"]);
        let (mut client, _) = client(json!({"scopes": ["https://soda.example/read"]}));
        client.metadata.roles = names(of_client);
        let person = (sub_type == SubjectType::User).then(|| Person::new(user(json!({"roles": of_user})), &[], true));
        let claims = Claims { sub_type, scope: scope.to_owned(), roles: names(of_token), ..claims(2_000, 3_000) };
        let path = CanonicalPath::parse("/soda/a").unwrap();
        Protection::of(&soda, Some(table), "GET", &path).admits(&Principal { claims: &claims, client: &client, person: person.as_ref() })
    }

    #[test]
    fn the_named_gateway_and_the_longest_base_path_win() {
        let placed = |name: &str, base_path: &str, gateway: Option<&str>| {
            let mut placed = api(name, &format!("a:{name}"), &[]);
            placed.metadata.base_path = base_path.to_owned();
            placed.metadata.gateway = gateway.map(str::to_owned);
            placed
        };
        let here = Some("abc/prod");
        let all = vec![
            placed("here", "/orders", here),
            placed("everything", "/", None),
            placed("orders", "/orders", None),
            placed("deep", "/orders/x", None),
        ];
        for apis in [Apis::new(all.clone(), 1), Apis::new(all.into_iter().rev().collect(), 1)] {
            let at = |gateway, path| apis.at(gateway, &CanonicalPath::parse(path).unwrap()).map(|api| api.metadata.name.as_str());
            assert_eq!(at("abc/prod", "/orders/1"), Some("here"));
            assert_eq!(at("abc/prod", "/orders/"), Some("here"));
            assert_eq!(at("abc/prod", "/orders/x"), Some("deep"), "the longer base path before the named gateway");
            assert_eq!(at("abc/test", "/orders/1"), Some("orders"));
            assert_eq!(at("abc/prod2", "/orders/1"), Some("orders"));
            assert_eq!(at("abc/test", "/ordersX"), Some("everything"));
            assert_eq!(at("abc/test", "/"), Some("everything"));
        }
        let elsewhere = Apis::new(vec![placed("here", "/orders", here)], 1);
        assert!(elsewhere.at("abc/test", &CanonicalPath::parse("/orders").unwrap()).is_none());
        // The admin API guards itself; its empty base path is no Api's at the gateway.
        assert!(Apis::new(Vec::new(), 1).at("abc/prod", &CanonicalPath::parse("/admin/v1/apis").unwrap()).is_none());
    }

    #[test]
    fn one_of_the_roles_suffices_and_none_is_asked_for_where_none_is_named() {
        // 5.1 rule 5, #19, O-06
        use SubjectType::{Client, User};
        let gate = asked(json!({"roles": ["emp", "mgr"]}));
        for kind in [Client, User] {
            assert_eq!(gate(kind, "", &[]), Err(RouteFault::RoleMissing));
            assert_eq!(gate(kind, "", &["dev", "emP", "em", "employee"]), Err(RouteFault::RoleMissing));
            assert_eq!(gate(kind, "", &["dev", "mgr"]), Ok(()));
            assert_eq!(asked(json!({}))(kind, "", &[]), Ok(()));
        }
    }

    #[test]
    fn roles_are_those_of_the_table_and_not_those_of_the_day_of_issue() {
        // O-12
        use SubjectType::{Client, User};
        let table = RouteTable::new("/soda", vec![privilege("p", json!({"roles": ["emp"]}))]);
        let (emp, missing) = (&["emp"][..], Err(RouteFault::RoleMissing));
        assert_eq!(gate(&table, Client, "", emp, &[], &[]), Ok(()));
        assert_eq!(gate(&table, User, "", &[], emp, &[]), Ok(()));
        assert_eq!(gate(&table, Client, "", &[], &[], emp), missing);
        assert_eq!(gate(&table, User, "", &[], &[], emp), missing);
        assert_eq!(gate(&table, User, "", emp, &[], &[]), missing, "the client's roles are not the user's");
    }

    #[test]
    fn any_of_the_scopes_suffices_or_all_are_needed() {
        // G-18
        let ask =
            |scopes: &[&str], how: &str, granted: &str| asked(json!({"scopes": scopes, "scopes_match": how}))(SubjectType::Client, granted, &[]);
        let missing = Err(RouteFault::ScopeMissing);
        for (granted, any, all) in [
            ("read", Ok(()), missing),
            ("write", Ok(()), missing),
            ("write read", Ok(()), Ok(())),
            ("read write extra", Ok(()), Ok(())),
            ("", missing, missing),
            ("rea", missing, missing),
            ("read.all Read", missing, missing),
        ] {
            assert_eq!((ask(&["read", "write"], "any", granted), ask(&["read", "write"], "all", granted)), (any, all), "{granted:?}");
            assert_eq!((ask(&[], "any", granted), ask(&[], "all", granted)), (Ok(()), Ok(())), "{granted:?}");
        }
    }

    #[test]
    fn role_and_scope_are_two_things_and_both_are_needed() {
        // O-13
        let gate = asked(json!({"scopes": ["read"], "roles": ["emp"]}));
        assert_eq!(gate(SubjectType::Client, "write", &["emp"]), Err(RouteFault::ScopeMissing));
        assert_eq!(gate(SubjectType::Client, "read", &["dev"]), Err(RouteFault::RoleMissing));
        assert_eq!(gate(SubjectType::Client, "write", &["dev"]), Err(RouteFault::ScopeMissing), "the scope is told first");
        assert_eq!(gate(SubjectType::Client, "read", &["emp"]), Ok(()));
    }

    #[test]
    fn a_route_may_be_for_one_kind_of_subject() {
        // I-21
        use SubjectType::{Client, User};
        let wrong = Err(RouteFault::SubjectType);
        for (subjects, user, client) in
            [(json!(["user"]), Ok(()), wrong), (json!(["client"]), wrong, Ok(())), (json!(["client", "user"]), Ok(()), Ok(()))]
        {
            let gate = asked(json!({"subjects": subjects, "scopes": ["read"]}));
            assert_eq!((gate(User, "read", &[]), gate(Client, "read", &[])), (user, client), "{subjects}");
        }
        let for_users = asked(json!({"subjects": ["user"], "scopes": ["read"], "roles": ["emp"]}));
        assert_eq!(for_users(Client, "", &[]), wrong, "told before scopes and roles");
    }

    #[test]
    fn a_client_without_a_scope_of_the_api_is_not_of_it() {
        // M-01
        let admits = |scopes: Value, access: Access, changes: Option<Value>| {
            let mut soda = api("soda", "https://soda.example/", &["read"]);
            soda.metadata.access = access;
            let table = RouteTable::new("/soda", changes.map(|changes| privilege("p", changes)).into_iter().collect());
            let (client, _) = client(json!({"scopes": scopes}));
            let path = CanonicalPath::parse("/soda/a").unwrap();
            Protection::of(&soda, Some(&table), "GET", &path).admits(&Principal { claims: &claims(2_000, 3_000), client: &client, person: None })
        };
        let detached = Err(RouteFault::ApiNotInBackend);
        for scopes in [json!([]), json!(["https://orders.example/read"]), json!(["https://soda.example/gone"]), json!(["https://soda.example/"])] {
            assert_eq!(admits(scopes.clone(), Access::Authenticated, None), detached);
            assert_eq!(admits(scopes.clone(), Access::Deny, None), detached, "told first");
            assert_eq!(admits(scopes, Access::Deny, Some(json!({"subjects": ["user"]}))), detached, "told first");
        }
        let attached = || json!(["https://orders.example/read", "https://soda.example/read"]);
        assert_eq!(admits(attached(), Access::Authenticated, None), Ok(()));
        assert_eq!(admits(attached(), Access::Deny, None), Err(RouteFault::Denied));
        assert_eq!(admits(attached(), Access::Deny, Some(json!({}))), Ok(()));
    }

    #[test]
    fn a_route_is_public_only_by_an_explicit_word() {
        let is_public = |access: Access, changes: Value| {
            let mut soda = api("soda", "https://soda.example/", &["read"]);
            soda.metadata.access = access;
            let table = RouteTable::new("/soda", vec![privilege("p", changes)]);
            Protection::of(&soda, Some(&table), "GET", &CanonicalPath::parse("/soda/a").unwrap()).is_public()
        };
        for access in [Access::Deny, Access::Authenticated, Access::Public] {
            assert!(is_public(access, json!({"access": "public"})));
            assert!(!is_public(access, json!({})), "asking for no roles and no scopes is not public");
            assert!(!is_public(access, json!({"access": "protected", "subjects": []})));
            assert_eq!(is_public(access, json!({"routes": [{"path": "/soda/b"}]})), access == Access::Public);
        }
    }
}

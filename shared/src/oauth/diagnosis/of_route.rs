//! What the route gate found, in words.

use super::super::access_token::SubjectType;
use super::super::ids::Name;
use super::super::privilege::ScopesMatch;
use super::super::route::{Principal, RouteFault};
use super::Circumstances;

impl Circumstances<'_> {
    pub(super) fn of_route(&self, fault: RouteFault) -> (String, String) {
        let whose = self.claims.map(|claims| claims.client_id.as_str()).unwrap_or_default();
        let api = self.protection.map(|protection| &protection.api.metadata);
        let name = api.map(|api| api.name.as_str()).unwrap_or_default();
        let privilege = self.protection.and_then(|protection| protection.privilege());
        let asks = |what: &str| format!("the privilege {} asks for {what}", privilege.map(|privilege| privilege.name.as_str()).unwrap_or_default());
        match fault {
            RouteFault::PathAmbiguous => (
                "the path can be read in more than one way".to_owned(),
                "send the path without dot segments, empty segments, wildcards, encoded slashes and needless percent-encoding".to_owned(),
            ),
            RouteFault::BackendMismatch => (
                format!("the call names another backend than the token's, which is {whose}"),
                format!("leave the backend header out, or send {whose} in it"),
            ),
            RouteFault::Denied => match api {
                Some(_) => (
                    format!("no privilege names the route, and the api {name} is closed where none does"),
                    "name the route in a privilege, or set the api's `access`".to_owned(),
                ),
                None => ("no api has this path".to_owned(), "check path and gateway, or register an api whose base_path covers it".to_owned()),
            },
            RouteFault::ApiNotInBackend => (
                format!("the client {whose} has no scope of the api {name} any more"),
                format!("attach the api {name} to the client: give it one of the api's scopes"),
            ),
            RouteFault::SubjectType => {
                let is_client = self.claims.is_some_and(|claims| claims.sub_type == SubjectType::Client);
                match is_client {
                    true => (asks("a token that speaks for a user, and this one speaks for a client"), "use the authorization_code grant".to_owned()),
                    false => {
                        (asks("a token that speaks for a client, and this one speaks for a user"), "use the client_credentials grant".to_owned())
                    }
                }
            }
            RouteFault::ScopeMissing => {
                let wanted = privilege.map(|privilege| privilege.scopes.join(" ")).unwrap_or_default();
                let how = if privilege.is_some_and(|privilege| privilege.scopes_match == ScopesMatch::All) { "all" } else { "any" };
                let granted = self.claims.map(|claims| claims.scope.as_str()).unwrap_or_default();
                let audience = api.map(|api| api.audience.as_str()).unwrap_or_default();
                let full: Vec<String> = wanted.split(' ').map(|value| format!("{audience}{value}")).collect();
                (
                    asks(&format!("{how} of the scopes `{wanted}`, the token was granted `{granted}`")),
                    format!("request a token with {how} of {}; the client must be allowed it", full.join(" ")),
                )
            }
            RouteFault::RoleMissing => {
                let names = |roles: &[Name]| roles.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
                let enough = privilege.map(|privilege| names(&privilege.roles)).unwrap_or_default();
                let has = self
                    .claims
                    .zip(self.parties.client)
                    .map(|(claims, client)| names(Principal { claims, client, person: self.parties.person }.roles()));
                let has = has.filter(|roles| !roles.is_empty()).unwrap_or_else(|| "no role".to_owned());
                let sub = self.claims.map(|claims| claims.sub.as_str()).unwrap_or_default();
                (
                    asks(&format!("one of the roles {enough}, {sub} has {has}")),
                    format!("give {sub} one of the roles {enough}; the same token works then"),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::super::client::fixture::client;
    use super::super::super::gates::Closed;
    use super::super::fixture::*;
    use super::*;

    #[test]
    fn the_route_gate_is_explained() {
        // 5.5 scope_missing to api_not_in_backend
        let route =
            |fault, changes: Option<Value>, expected: &str, mentions: &[&str]| pin(&said(Closed::Route(fault), changes, |_| {}), expected, mentions);
        for (how, mention) in [("any", "any of https://soda.example/write https://soda.example/read"), ("all", "all of https://soda.example/write")] {
            route(
                RouteFault::ScopeMissing,
                Some(json!({"scopes": ["write", "read"], "scopes_match": how})),
                &format!(
                    "route scope_missing: the privilege staff asks for {how} of the scopes `write read`, the token was granted `read`. \
                     request a token with {how} of https://soda.example/write https://soda.example/read; the client must be allowed it."
                ),
                &[mention, "granted `read`"],
            );
        }
        let roles = Some(json!({"roles": ["emp", "mgr"]}));
        route(
            RouteFault::RoleMissing,
            roles.clone(),
            "route role_missing: the privilege staff asks for one of the roles emp, mgr, c1 has dev, ops. \
             give c1 one of the roles emp, mgr; the same token works then.",
            &["one of the roles emp, mgr"],
        );
        assert!(said(Closed::Route(RouteFault::RoleMissing), roles, |known| known.client = Some(client(json!({})).0)).contains("c1 has no role."));
        route(
            RouteFault::SubjectType,
            Some(json!({"subjects": ["user"]})),
            "route subject_type: the privilege staff asks for a token that speaks for a user, and this one speaks for a client. \
             use the authorization_code grant.",
            &["authorization_code grant"],
        );
        pin(
            &said(Closed::Route(RouteFault::SubjectType), Some(json!({"subjects": ["client"]})), |known| known.claims.sub_type = SubjectType::User),
            "route subject_type: the privilege staff asks for a token that speaks for a client, and this one speaks for a user. \
             use the client_credentials grant.",
            &["client_credentials grant"],
        );
        route(
            RouteFault::BackendMismatch,
            None,
            "route backend_mismatch: the call names another backend than the token's, which is c1. \
             leave the backend header out, or send c1 in it.",
            &["backend than the token's, which is c1"],
        );
        route(
            RouteFault::ApiNotInBackend,
            None,
            "route api_not_in_backend: the client c1 has no scope of the api soda any more. \
             attach the api soda to the client: give it one of the api's scopes.",
            &["attach the api"],
        );
        route(
            RouteFault::PathAmbiguous,
            None,
            "route path_ambiguous: the path can be read in more than one way. \
             send the path without dot segments, empty segments, wildcards, encoded slashes and needless percent-encoding.",
            &[],
        );
        route(
            RouteFault::Denied,
            None,
            "route route_denied: no privilege names the route, and the api soda is closed where none does. \
             name the route in a privilege, or set the api's `access`.",
            &[],
        );
        pin(
            &said(Closed::Route(RouteFault::Denied), None, |known| known.is_on_soda = false),
            "route route_denied: no api has this path. check path and gateway, or register an api whose base_path covers it.",
            &[],
        );
    }
}

//! The token gate and the route gate, one after the other: what the authorizer decides, and what diagnosis explains.

use super::access_token::Claims;
use super::api::{Anonymous, Api, Apis};
use super::client::Client;
use super::ids::ClientId;
use super::path::CanonicalPath;
use super::route::{Principal, Protection, RouteFault};
use super::route_table::RouteTable;
use super::secret::AnonymousKey;
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
    /// What has the shape of an anonymous key: whether it is one is still to be seen.
    AnonymousKey {
        /// Whose it is said to be.
        client_id: &'a ClientId,
        /// The key.
        key: &'a AnonymousKey,
        /// The client of this id, if there is one.
        client: Option<&'a Client>,
    },
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
    /// Anybody, without credentials; with a key, in an app of this client.
    Anonymous(Option<&'a Client>),
    /// The principal of a good token.
    Principal(Principal<'a>),
}

/// Which gate closed, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Nothing was presented where a token is asked for: 401.
    NoToken,
    /// Nothing was presented where an anonymous key, or a token, is asked for: 401.
    NoKey,
    /// What was presented is no bearer token: 401.
    NotBearer,
    /// The anonymous key is not a live one of the one client that the call names: 401.
    WrongKey,
    /// The token gate closed: 401.
    Token(TokenFault),
    /// The token is good, but for another Api than the one that the call is on: 401.
    OtherApi,
    /// The route gate closed: 403.
    Route(RouteFault),
}

impl Closed {
    /// The code that diagnosis and the log give it; `docs/access-rules.md` lists them all.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoToken => "token_missing",
            Self::NoKey => "key_missing",
            Self::WrongKey => "key_wrong",
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
        Presented::Nothing => {
            return match protection.and_then(Protection::anonymous) {
                // Nobody is refused for saying nothing where nothing is asked.
                Some(Anonymous::Open) => Ok(Passed::Anonymous(None)),
                Some(Anonymous::Keyed) => Err(Closed::NoKey),
                None => Err(Closed::NoToken),
            };
        }
        // A key is on its way in apps before it is asked for, and so it passes where it is not asked for; where a token is, it is none.
        Presented::AnonymousKey { .. } if !protection.is_some_and(Protection::is_public) => return Err(Closed::NotBearer),
        Presented::AnonymousKey { client_id, key, client } => {
            let is_named = matches!(call.backends.as_slice(), [backend] if backend == client_id.as_str());
            let opens = |client: &&Client| client.client_id == *client_id && client.metadata.active && client.has_live_key(key, now);
            return client.filter(opens).filter(|_| is_named).map(|client| Passed::Anonymous(Some(client))).ok_or(Closed::WrongKey);
        }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::access_token::fixture::claims;
    use super::super::api::Access;
    use super::super::api::fixture::api;
    use super::super::client::fixture::client;
    use super::super::fresh::Fresh;
    use super::super::privilege::Privilege;
    use super::super::privilege::fixture::privilege;
    use super::super::secret::StoredSecret;
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(2_100);

    /// Who calls: the one with nothing, or the client `c1` with a token of the Api `soda`, which has these roles.
    #[derive(Clone, Copy)]
    enum Caller<'a> {
        Nobody,
        Bad(Presented<'a>),
        WithRoles(&'a [&'a str]),
    }

    struct Server {
        apis: Apis,
        table: RouteTable,
    }

    impl Server {
        fn new(access: Access, privileges: Vec<Privilege>) -> Self {
            let mut soda = api("soda", "https://soda.example/", &["read", "write"]);
            soda.metadata.access = access;
            Self { apis: Apis::new(vec![soda, api("orders", "https://orders.example/", &["read"])], 1), table: RouteTable::new("/soda", privileges) }
        }

        /// Who passes, or why nobody does.
        fn judge(&self, method: &str, path: &str, caller: Caller<'_>) -> Result<&'static str, Closed> {
            let roles = if let Caller::WithRoles(roles) = caller { roles } else { &[] };
            let (client, _) = client(json!({"scopes": ["https://soda.example/read"], "roles": roles}));
            let claims = Claims { aud: "https://soda.example/".to_owned(), ..claims(2_000, 3_000) };
            let token =
                Presented::Token { claims: &claims, recorded: Recorded::Live, key_is_trusted: true, parties: Parties::of_client(Some(&client)) };
            let presented = match caller {
                Caller::Nobody => Presented::Nothing,
                Caller::Bad(presented) => presented,
                Caller::WithRoles(_) => token,
            };
            self.present(&call(method, path), presented)
        }

        fn present(&self, call: &Call, presented: Presented<'_>) -> Result<&'static str, Closed> {
            let protection =
                call.protection(&self.apis, call.api(&self.apis).filter(|api| api.metadata.name.as_str() == "soda").map(|_| &self.table));
            judge(call, presented, &self.apis, protection.as_ref(), NOW).map(|passed| match passed {
                Passed::Anonymous(None) => "anonymous",
                Passed::Anonymous(Some(_)) => "anonymous, of a client",
                Passed::Principal(_) => "principal",
            })
        }
    }

    fn call(method: &str, path: &str) -> Call {
        Call { gateway: "abc/prod".to_owned(), method: method.to_owned(), path: CanonicalPath::parse(path), backends: Vec::new() }
    }

    /// The privileges P1 to P4 of the vectors.
    fn vectors() -> Server {
        let one = |name, routes: serde_json::Value, role: &str| privilege(name, json!({"routes": [routes], "roles": [role]}));
        let employees = "/soda/latest/employees/*";
        let photo = json!({"routes": [{"path": "/soda/latest/employees/{id}/photo"}], "access": "public"});
        let privileges = vec![
            one("p1", json!({"path": "/soda/*"}), "dev"),
            one("p2", json!({"path": employees}), "emp"),
            privilege("p3", photo),
            one("p4", json!({"path": employees, "methods": ["DELETE"]}), "mgr"),
        ];
        Server::new(Access::Deny, privileges)
    }

    #[test]
    fn the_vectors_of_route_matching_hold() {
        // 5.1 #1 to #20; 401 is a `Closed` of the token gate, 403 of the route gate
        use Caller::{Bad, Nobody, WithRoles};
        let server = vectors();
        let (yes, anybody) = (Ok("principal"), Ok("anonymous"));
        let (no_role, ambiguous) = (Err(Closed::Route(RouteFault::RoleMissing)), Err(Closed::Route(RouteFault::PathAmbiguous)));
        let no_token = Err(Closed::NoToken);
        let photo = "/soda/latest/employees/7/photo";
        for (row, method, path, caller, expected) in [
            (1, "GET", "/soda/a", WithRoles(&["dev"]), yes),
            (2, "GET", "/soda/a", WithRoles(&["emp"]), no_role),
            (3, "GET", "/soda/latest/employees/7", WithRoles(&["dev"]), no_role),
            (4, "GET", "/soda/latest/employees/7", WithRoles(&["emp"]), yes),
            (5, "GET", "/soda/latest/employees", WithRoles(&["emp"]), yes),
            (5, "GET", "/soda/latest/employees", Nobody, no_token),
            (6, "GET", "/soda/latest/employees/", Nobody, no_token),
            (6, "GET", "/soda/latest/employees/", WithRoles(&["dev"]), no_role),
            (7, "GET", "/soda/latest/employeesX", WithRoles(&["emp"]), no_role),
            (7, "GET", "/soda/latest/employeesX", WithRoles(&["dev"]), yes),
            (8, "GET", photo, Nobody, anybody),
            (9, "GET", photo, Bad(Presented::Unusable), Err(Closed::NotBearer)),
            (9, "GET", photo, Bad(Presented::Forged(TokenFault::BadSignature)), Err(Closed::Token(TokenFault::BadSignature))),
            (10, "DELETE", "/soda/latest/employees/7", WithRoles(&["emp"]), no_role),
            (11, "DELETE", "/soda/latest/employees/7", WithRoles(&["mgr"]), yes),
            (12, "HEAD", "/soda/latest/employees/7", Nobody, no_token),
            (12, "HEAD", "/soda/latest/employees/7", WithRoles(&["emp"]), yes),
            (13, "OPTIONS", "/soda/latest/employees/7", Nobody, no_token),
            (14, "GET", "/soda//latest/employees/7", WithRoles(&["dev"]), ambiguous),
            (14, "GET", "/soda/./latest/employees/7", WithRoles(&["dev"]), ambiguous),
            (14, "GET", "/soda/x/../latest/employees/7", WithRoles(&["dev"]), ambiguous),
            (14, "GET", "/soda/x/../latest/employees/7", Nobody, no_token),
            (15, "GET", "/soda/latest%2Femployees/7", WithRoles(&["dev"]), ambiguous),
            (16, "GET", "/SODA/latest/employees/7", Nobody, no_token),
            (16, "GET", "/SODA/latest/employees/7", WithRoles(&["emp"]), Err(Closed::Route(RouteFault::Denied))),
            (17, "GET", "/soda/latest/employees/7?x=/public", Nobody, no_token),
            (18, "GET", "/nowhere", WithRoles(&["dev", "emp", "mgr"]), Err(Closed::Route(RouteFault::Denied))),
            (18, "GET", "/nowhere", Nobody, no_token),
            (19, "GET", "/soda/latest/employees/7", WithRoles(&["x", "emp"]), yes),
        ] {
            assert_eq!(server.judge(method, path, caller), expected, "#{row}: {method} {path}");
        }
        let named_anonymous = Server::new(Access::Deny, vec![privilege("p", json!({"roles": ["anonymous"]}))]);
        assert_eq!(named_anonymous.judge("GET", "/soda/a", Nobody), no_token, "#20");
        assert_eq!(named_anonymous.judge("GET", "/soda/a", WithRoles(&["anonymous"])), yes, "for a client it is a role like any other");
    }

    #[test]
    fn a_bad_credential_is_never_ignored() {
        // 5.1 rule 5
        let public = Server::new(Access::Public, Vec::new());
        assert_eq!(public.judge("GET", "/soda/a", Caller::Nobody), Ok("anonymous"));
        assert_eq!(public.judge("GET", "/soda/a", Caller::WithRoles(&[])), Ok("principal"), "who says who it is is known");
        let (good, _) = client(json!({"scopes": ["https://soda.example/read"]}));
        let (inactive, _) = client(json!({"active": false}));
        let own = Claims { aud: "https://soda.example/".to_owned(), ..claims(2_000, 3_000) };
        let token =
            |claims, recorded, key_is_trusted, client| Presented::Token { claims, recorded, key_is_trusted, parties: Parties::of_client(client) };
        let past = Claims { exp: NOW, ..own.clone() };
        let gone = Claims { aud: "https://gone.example/".to_owned(), ..own.clone() };
        for (presented, expected) in [
            (token(&own, Recorded::Live, true, Some(&good)), None),
            (token(&past, Recorded::Live, true, Some(&good)), Some(TokenFault::Expired)),
            (token(&own, Recorded::Revoked, true, Some(&good)), Some(TokenFault::Revoked)),
            (token(&own, Recorded::Live, false, Some(&good)), Some(TokenFault::UnknownKey)),
            (token(&own, Recorded::Live, true, Some(&inactive)), Some(TokenFault::ClientInactive)),
            (token(&own, Recorded::Live, true, None), Some(TokenFault::ClientInactive)),
            (token(&gone, Recorded::Live, true, Some(&good)), Some(TokenFault::AudienceMismatch)),
        ] {
            for (server, path) in [(&public, "/soda/a"), (&vectors(), "/soda/latest/employees/7/photo")] {
                assert_eq!(server.present(&call("GET", path), presented).err(), expected.map(Closed::Token), "{path}");
            }
        }
        // A token of another Api is good, but not here; not even where nothing is asked.
        let others = claims(2_000, 3_000);
        let other = token(&others, Recorded::Live, true, Some(&good));
        assert_eq!(public.present(&call("GET", "/soda/a"), other), Err(Closed::OtherApi));
        assert_eq!((Closed::OtherApi.code(), Closed::NoToken.code()), ("audience_mismatch", "token_missing"));
    }

    #[test]
    fn a_contradicting_backend_and_an_ambiguous_path_close_before_the_route_is_asked() {
        // M-14, T-07
        let (client, _) = client(json!({"scopes": ["https://soda.example/read"]}));
        let claims = Claims { aud: "https://soda.example/".to_owned(), ..claims(2_000, 3_000) };
        let token = Presented::Token { claims: &claims, recorded: Recorded::Live, key_is_trusted: true, parties: Parties::of_client(Some(&client)) };
        let server = Server::new(Access::Authenticated, Vec::new());
        let naming = |path: &str, backends: &[&str], presented| {
            let backends = backends.iter().map(|backend| (*backend).to_owned()).collect();
            server.present(&Call { backends, ..call("GET", path) }, presented)
        };
        let mismatch = Err(Closed::Route(RouteFault::BackendMismatch));
        assert_eq!(naming("/soda", &[], token), Ok("principal"));
        assert_eq!(naming("/soda", &["c1", "c1"], token), Ok("principal"));
        assert_eq!(naming("/soda", &["be2"], token), mismatch);
        assert_eq!(naming("/soda", &["c1", "be2"], token), mismatch);
        assert_eq!(naming("/soda", &[""], token), mismatch);
        assert_eq!(naming("/nowhere", &["be2"], token), mismatch);
        assert_eq!(naming("/soda//", &["be2"], token), Err(Closed::Route(RouteFault::PathAmbiguous)));
        assert_eq!(naming("/soda", &["be2"], Presented::Nothing), Err(Closed::NoToken));
    }

    #[test]
    fn an_anonymous_key_says_whose_app_it_is_and_opens_what_is_public() {
        // M-05, T-06, 5.1 rule 5
        let fresh = |seed| Fresh::new(Timestamp::from_unix(1_000), [seed; 32]);
        let (key, expired, other) = (AnonymousKey::generate(&fresh(1)), AnonymousKey::generate(&fresh(2)), AnonymousKey::generate(&fresh(3)));
        let holder = |changes| {
            let keys = vec![StoredSecret::of_key(&key, None, &fresh(1)), StoredSecret::of_key(&expired, Some(NOW), &fresh(2))];
            let secrets = vec![StoredSecret::of_key(&other, None, &fresh(3))];
            Client { anonymous_keys: keys, secrets, ..client(changes).0 }
        };
        let (c1, inactive) = (holder(json!({})), holder(json!({"active": false})));
        let id = |text| ClientId::parse(text).unwrap();
        let (own, be2) = (id("c1"), id("be2"));
        let keyed = |access, privileges| {
            let Server { apis, table } = Server::new(access, privileges);
            let mut soda = apis.named("soda").unwrap().clone();
            soda.metadata.anonymous = Anonymous::Keyed;
            Server { apis: apis.with(soda.clone(), Some(&soda.metadata.name)).unwrap(), table }
        };
        let photo = || vec![privilege("p", json!({"routes": [{"path": "/soda/photo"}], "access": "public"}))];
        let publics = [(keyed(Access::Public, Vec::new()), "/soda/a"), (keyed(Access::Deny, photo()), "/soda/photo")];
        let naming = |backends: &[&str], path| Call { backends: backends.iter().map(|&backend| backend.to_owned()).collect(), ..call("GET", path) };
        let with = |client_id, key, client| Presented::AnonymousKey { client_id, key, client };
        let (of_c1, wrong) = (Ok("anonymous, of a client"), Err(Closed::WrongKey));
        for (server, path) in &publics {
            let present = |backends: &[&str], presented| server.present(&naming(backends, path), presented);
            assert_eq!(present(&["c1"], with(&own, &key, Some(&c1))), of_c1);
            assert_eq!(present(&[], Presented::Nothing), Err(Closed::NoKey));
            assert_eq!(present(&["c1"], Presented::Nothing), Err(Closed::NoKey), "a name is no key");
            assert_eq!(present(&["c1"], Presented::Unusable), Err(Closed::NotBearer));
            for backends in [&[][..], &["be2"], &["c1", "be2"], &["c1", "c1"], &[""]] {
                assert_eq!(present(backends, with(&own, &key, Some(&c1))), wrong, "{backends:?}");
            }
            for (what, presented) in [
                ("expired", with(&own, &expired, Some(&c1))),
                ("a secret's twin", with(&own, &other, Some(&c1))),
                ("of an inactive client", with(&own, &key, Some(&inactive))),
                ("of no client", with(&own, &key, None)),
            ] {
                assert_eq!(present(&["c1"], presented), wrong, "{what}");
            }
            assert_eq!(present(&["be2"], with(&be2, &key, Some(&c1))), wrong, "another client's name on it");
            assert_eq!(server.judge("GET", path, Caller::WithRoles(&[])), Ok("principal"), "a good token needs no key");
        }
        // Where no key is asked for, a good one passes and a wrong one does not; where a token is, no key does.
        let present = |server: Server, path, key| server.present(&naming(&["c1"], path), with(&own, key, Some(&c1)));
        assert_eq!(present(Server::new(Access::Public, Vec::new()), "/soda/a", &key), of_c1);
        assert_eq!(present(Server::new(Access::Public, Vec::new()), "/soda/a", &other), wrong);
        for (access, path) in
            [(Access::Deny, "/soda/a"), (Access::Authenticated, "/soda/a"), (Access::Public, "/nowhere"), (Access::Public, "/soda//a")]
        {
            assert_eq!(present(keyed(access, photo()), path, &key), Err(Closed::NotBearer), "{access:?} {path}");
        }
        let emp = vec![privilege("p", json!({"roles": []}))];
        assert_eq!(present(keyed(Access::Public, emp), "/soda/a", &key), Err(Closed::NotBearer));
        assert_eq!((Closed::NoKey.code(), Closed::WrongKey.code()), ("key_missing", "key_wrong"));
    }

    #[test]
    fn nothing_is_open_that_nobody_opened() {
        // O-01, O-06, 5.1 #18, rule 6
        let denied = Err(Closed::Route(RouteFault::Denied));
        let some = || vec![privilege("p", json!({"routes": [{"path": "/soda/a"}]}))];
        for (access, anonymous, principal) in [
            (Access::Deny, Err(Closed::NoToken), denied),
            (Access::Authenticated, Err(Closed::NoToken), Ok("principal")),
            (Access::Public, Ok("anonymous"), Ok("principal")),
        ] {
            for server in [Server::new(access, Vec::new()), Server::new(access, some())] {
                assert_eq!(server.judge("GET", "/soda/b", Caller::Nobody), anonymous, "{access:?}");
                assert_eq!(server.judge("GET", "/soda/b", Caller::WithRoles(&[])), principal, "{access:?}");
                assert_eq!(server.judge("GET", "/elsewhere", Caller::Nobody), Err(Closed::NoToken), "{access:?}");
                assert_eq!(server.judge("GET", "/elsewhere", Caller::WithRoles(&[])), denied, "{access:?}");
            }
            // A privilege that asks for nothing still asks for a token.
            assert_eq!(Server::new(access, some()).judge("GET", "/soda/a", Caller::Nobody), Err(Closed::NoToken), "{access:?}");
            assert_eq!(Server::new(access, some()).judge("GET", "/soda/a", Caller::WithRoles(&[])), Ok("principal"), "{access:?}");
        }
    }
}

//! Everything that a principal may call on one gateway stage, written as resources of one policy, where that can be done exactly.
//!
//! API Gateway caches a policy under the caller's credentials and applies it to every route of the stage. So the policy must be right
//! for all of them, or name the one method and path that was decided. In a policy `*` stands for any characters, slashes included.
//! Hence a right is expressible as one path, or as a path and everything below it; one parameter in the middle is not, nor is a
//! forbidden place within an open one, which some other spelling of its name would open.

use std::collections::BTreeSet;

use super::api::Apis;
use super::path::{CanonicalPath, PathPattern};
use super::privilege::Method;
use super::route::{Principal, Protection};
use super::route_table::{ANY_OTHER, Node, RouteTable};

/// How many places of the tree are looked at before it is given up: what has more does not fit a policy.
const MOST_PLACES: usize = 256;

/// How many characters API Gateway takes of one resource.
pub const LONGEST_RESOURCE: usize = 512;

/// The ways of writing a path that are refused wherever they occur (see [`CanonicalPath::parse`]), as resources: an open place must
/// not open them. `%0` and `%1` begin control characters, `%c0` and `%c1` overlong forms of ASCII.
const REFUSED: [&str; 26] = [
    "*//*", "*/./*", "*/../*", "*/.", "*/..", "*;*", "*%3b*", "*%3B*", "*/.%*", "*/..%*", "*%2e*", "*%2E*", "*%2f*", "*%2F*", "*%5c*", "*%5C*",
    "*%25*", "*%0*", "*%1*", "*%7f*", "*%7F*", "*%c0*", "*%C0*", "*%c1*", "*%C1*", "*\\*",
];

/// What a principal may call, as resources of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// What is allowed.
    pub allow: Vec<String>,
    /// What is denied in spite of that.
    pub deny: Vec<String>,
}

/// Writes down everything that `principal` may call on `gateway`, as ARNs that begin with `stage` (`arn:…:apiId/stage/`).
///
/// `table` has the privileges of the Api that the token is for; no other Api's routes are open to it.
/// `None` where it cannot be written exactly, or not in `most_bytes` of JSON: then a policy must name the one call that was decided.
pub fn rights(principal: &Principal<'_>, gateway: &str, stage: &str, apis: &Apis, table: Option<&RouteTable>, most_bytes: usize) -> Option<Rights> {
    let mut bases = Node::default();
    for api in apis.on(gateway) {
        bases.place(&PathPattern::below(&api.metadata.base_path).ok()?);
    }
    let survey = Survey { principal, gateway, apis, table };
    let mut left = MOST_PLACES;
    let roots = std::iter::once(&bases).chain(table.map(RouteTable::root)).collect();
    let tree = survey.place(roots, &mut Vec::new(), &mut left)?;
    let mut resources = Vec::new();
    for method in Method::ALL {
        tree.write(method.bit(), "", &mut |path, with_all_below| {
            for spelling in method.spellings() {
                let base = format!("{stage}{spelling}{path}");
                match (path.is_empty(), with_all_below) {
                    (true, true) => resources.push(format!("{base}/*")),
                    (true, false) => resources.push(format!("{base}/")),
                    (false, true) => resources.extend([format!("{base}/*"), base]),
                    (false, false) => resources.extend([format!("{base}/"), base]),
                }
            }
        })?;
    }
    let opens_a_place = resources.iter().any(|resource| resource.ends_with('*'));
    let deny = if opens_a_place { REFUSED.iter().map(|spelling| format!("{stage}{spelling}")).collect() } else { Vec::new() };
    let fits = resources.iter().chain(&deny).all(|resource| resource.len() <= LONGEST_RESOURCE)
        && resources.iter().chain(&deny).map(|resource| resource.len() + 3).sum::<usize>() <= most_bytes;
    fits.then_some(Rights { allow: resources, deny })
}

struct Survey<'a> {
    principal: &'a Principal<'a>,
    gateway: &'a str,
    apis: &'a Apis,
    table: Option<&'a RouteTable>,
}

/// One place and all below it, and by which methods the principal may call there.
struct Place {
    methods: u8,
    /// Below, by segments that a pattern names.
    named: Vec<(String, Place)>,
    /// Below, by any other segment; `None`: everything below is as `below` says.
    other: Option<Box<Place>>,
    below: u8,
    /// The methods by which everything from here on may be called, and those by which nothing may.
    all: u8,
    none: u8,
}

impl Survey<'_> {
    fn place<'n>(&self, nodes: Vec<&'n Node>, path: &mut Vec<&'n str>, left: &mut usize) -> Option<Place> {
        *left = left.checked_sub(1)?;
        let methods = self.methods(path);
        path.push(ANY_OTHER);
        let below = self.methods(path);
        let onward: Vec<&Node> = nodes.iter().flat_map(|node| node.after(ANY_OTHER)).collect();
        let other = if onward.is_empty() { None } else { Some(Box::new(self.place(onward, path, left)?)) };
        path.pop();
        let segments: BTreeSet<&'n str> = nodes.iter().flat_map(|node| node.named()).take(*left + 1).collect();
        if segments.len() > *left {
            return None;
        }
        let mut named = Vec::with_capacity(segments.len());
        for segment in segments {
            let onward = nodes.iter().flat_map(|node| node.after(segment)).collect();
            path.push(segment);
            named.push((segment.to_owned(), self.place(onward, path, left)?));
            path.pop();
        }
        let mut place = Place { methods, named, other, below, all: methods & below, none: !methods & !below };
        for inner in place.named.iter().map(|(_, inner)| inner).chain(place.other.as_deref()) {
            place.all &= inner.all;
            place.none &= inner.none;
        }
        Some(place)
    }

    /// The methods by which the principal may call this path.
    fn methods(&self, path: &[&str]) -> u8 {
        let path = CanonicalPath::of_segments(path);
        let Some(api) = self.apis.at(self.gateway, &path) else { return 0 };
        if api.metadata.audience != self.principal.claims.aud {
            return 0;
        }
        let may = |method: &Method| Protection::of(api, self.table, (*method).into(), &path).admits(self.principal).is_ok();
        Method::ALL.iter().filter(|method| may(method)).fold(0, |set, method| set | method.bit())
    }
}

impl Place {
    /// Writes what may be called by the one method in `bit`; `None` where that cannot be written exactly.
    fn write(&self, bit: u8, path: &str, open: &mut impl FnMut(&str, bool)) -> Option<()> {
        if self.none & bit != 0 {
            return Some(());
        }
        if self.all & bit != 0 {
            open(path, true);
            return Some(());
        }
        // What any other segment opens cannot be told from what is closed beside it.
        if self.below & bit != 0 || self.other.as_ref().is_some_and(|other| other.none & bit == 0) {
            return None;
        }
        if self.methods & bit != 0 {
            open(path, false);
        }
        for (segment, place) in self.named.iter().filter(|(_, place)| place.none & bit == 0) {
            // A character with a second spelling has a second resource.
            let has_one_spelling = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
            has_one_spelling.then(|| place.write(bit, &format!("{path}/{segment}"), open))??;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use proptest::sample::select;
    use proptest::test_runner::{Config, TestRunner};
    use serde_json::{Value, json};

    use super::super::access_token::fixture::claims;
    use super::super::access_token::{Claims, SubjectType};
    use super::super::api::fixture::api;
    use super::super::api::{Access, Api};
    use super::super::client::Client;
    use super::super::client::fixture::client;
    use super::super::gates::{Call, Presented, judge};
    use super::super::ids::Name;
    use super::super::privilege::fixture::privilege;
    use super::super::time::Timestamp;
    use super::super::token_gate::{Parties, Recorded};
    use super::super::user::Person;
    use super::super::user::fixture::user;
    use super::*;

    const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

    /// What follows a path where the path is refused by the gates, whoever calls.
    const REFUSED_ENDS: &str =
        r"/../z /. /.. // //z /./z /%2e%2E/z /z%2e /..;/z /.;x /..%3B/z /z;x /z%3bx /.%20 /z%2f /%5Cz /\z /%252e /z%00 /%c0%ae./z /z%C1%9c /z%C0%AF";

    /// A server, and somebody with a token of its Api `soda`.
    #[derive(Debug)]
    struct World {
        apis: Apis,
        table: RouteTable,
        client: Client,
        claims: Claims,
        person: Option<Person>,
    }

    fn placed(name: &str, base_path: &str, gateway: Option<&str>, access: Access) -> Api {
        let mut placed = api(name, &format!("https://{name}.example/"), &["read", "write"]);
        placed.metadata.base_path = base_path.to_owned();
        placed.metadata.gateway = gateway.map(str::to_owned);
        placed.metadata.access = access;
        placed
    }

    impl World {
        /// Somebody with the role `r` and the scope `read`; `privileges` are routes and what they ask for.
        fn new(soda: Api, others: Vec<Api>, privileges: &[Value]) -> Self {
            let table: Vec<_> = privileges.iter().enumerate().map(|(at, changes)| privilege(&format!("p{at}"), changes.clone())).collect();
            let table = RouteTable::new(&soda.metadata.base_path, table);
            let apis = others.into_iter().fold(Apis::new(vec![soda], 1), |apis, other| apis.with(other, None).unwrap_or(apis));
            let (client, _) = client(json!({"scopes": ["https://soda.example/read", "https://o0.example/read"], "roles": ["r"]}));
            let claims = Claims { aud: "https://soda.example/".to_owned(), ..claims(2_000, 3_000) };
            Self { apis, table, client, claims, person: None }
        }

        fn rights(&self, most_bytes: usize) -> Option<Rights> {
            let principal = Principal { claims: &self.claims, client: &self.client, person: self.person.as_ref() };
            rights(&principal, "g/s", "s/", &self.apis, Some(&self.table), most_bytes)
        }

        /// What the gates say to a call with the token.
        fn judges(&self, method: &str, path: &str) -> bool {
            let call = Call { gateway: "g/s".to_owned(), method: method.to_owned(), path: CanonicalPath::parse(path), backends: Vec::new() };
            let presented = Presented::Token {
                claims: &self.claims,
                recorded: Recorded::Live,
                key_is_trusted: true,
                parties: Parties { client: Some(&self.client), person: self.person.as_ref(), grant: None },
            };
            let table = call.api(&self.apis).filter(|api| api.metadata.audience == self.claims.aud).map(|_| &self.table);
            judge(&call, presented, &self.apis, call.protection(&self.apis, table).as_ref(), Timestamp::from_unix(2_100)).is_ok()
        }
    }

    /// IAM's wildcards: `*` is any characters, slashes included.
    fn matches(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|at| matches(rest, &text[at..])),
            Some((first, rest)) => text.first() == Some(first) && matches(rest, &text[1..]),
        }
    }

    fn lists(rights: &Rights, method: &str, path: &str) -> bool {
        let arn = format!("s/{method}{path}");
        let has = |list: &[String]| list.iter().any(|pattern| matches(pattern.as_bytes(), arn.as_bytes()));
        has(&rights.allow) && !has(&rights.deny)
    }

    /// Every path of at most four segments, of names that patterns have and one that they do not; the root is empty.
    fn paths() -> Vec<String> {
        let longer = |paths: &[String]| paths.iter().flat_map(|path| ["a", "b", "x:y", "c"].map(|name| format!("{path}/{name}"))).collect::<Vec<_>>();
        std::iter::successors(Some(vec![String::new()]), |paths| Some(longer(paths))).take(5).flatten().collect()
    }

    fn worlds() -> impl Strategy<Value = World> {
        let gateway = || select(vec![None, None, Some("g/s"), Some("elsewhere/s")]);
        let access = || select(vec![Access::Deny, Access::Authenticated, Access::Public]);
        let other = (select(vec!["/", "/a", "/a/b", "/c"]), gateway(), access());
        let asks = select(vec![
            json!({}),
            json!({"roles": ["r"]}),
            json!({"roles": ["other"]}),
            json!({"scopes": ["write"]}),
            json!({"scopes": ["read", "write"]}),
            json!({"subjects": ["user"]}),
            json!({"access": "public"}),
        ]);
        let methods = select(vec![None, None, None, Some(json!(["GET"])), Some(json!(["POST", "DELETE"]))]);
        let tail = r"(/(a|b|x:y|\{p\})){0,2}(/\*)?|(/(a|b)){1,2}(/\*)?";
        let privileges = prop::collection::vec((tail, methods, asks), 0..5);
        let own = (select(vec!["/", "/a"]), select(vec![None, Some("g/s")]), access());
        let principal = (prop::bool::weighted(0.9), any::<bool>(), any::<bool>());
        (own, prop::collection::vec(other, 0..3), privileges, principal).prop_map(|(own, others, privileges, (attached, has_role, is_user))| {
            let base = own.0.trim_end_matches('/');
            let route = |(tail, methods, mut asks): (String, Option<Value>, Value)| {
                let path = if base.is_empty() && tail.is_empty() { "/".to_owned() } else { format!("{base}{tail}") };
                let route = methods.map_or(json!({"path": path}), |methods| json!({"path": path, "methods": methods}));
                asks["routes"] = json!([route]);
                asks
            };
            let privileges: Vec<Value> = privileges.into_iter().map(route).collect();
            let others = others.into_iter().enumerate().map(|(at, (base, gateway, access))| placed(&format!("o{at}"), base, gateway, access));
            let mut world = World::new(placed("soda", own.0, own.1, own.2), others.collect(), &privileges);
            let roles: Vec<Name> = has_role.then(|| Name::parse("r").unwrap()).into_iter().collect();
            world.client.metadata.scopes.retain(|scope| attached || !scope.contains("soda"));
            world.client.metadata.roles.clone_from(&roles);
            if is_user {
                let user = user(json!({"roles": roles}));
                world.claims = Claims { sub_type: SubjectType::User, sub: user.user_id.as_str().to_owned(), ..world.claims };
                world.person = Some(Person::new(user, &[], true));
            }
            world
        })
    }

    /// Whether paths and paths with all below can say what `may` says at and below `path`: where the two differ, by name and in one spelling.
    fn expressible(may: &BTreeMap<String, bool>, path: &str) -> bool {
        let is =
            |path: &str, wanted: bool| may.iter().all(|(other, may)| *may == wanted || !(other == path || other.starts_with(&format!("{path}/"))));
        let child = |name: &str| format!("{path}/{name}");
        let by_name = || ["a", "b"].iter().all(|name| expressible(may, &child(name)));
        is(path, true) || is(path, false) || (is(&child("c"), false) && is(&child("x:y"), false) && by_name())
    }

    #[test]
    fn a_policy_says_of_every_call_what_the_gates_say_and_is_missing_only_where_it_cannot() {
        // AU-12, AU-13: random Apis, privileges and principals
        let (paths, expressed) = (paths(), Cell::new((0, 0)));
        let cases = 200;
        let property = |world: World| {
            let written = world.rights(usize::MAX);
            let mut possible = true;
            for method in METHODS {
                let sent = |path: &str| if path.is_empty() { "/".to_owned() } else { path.to_owned() };
                let may: BTreeMap<String, bool> = paths.iter().map(|path| (path.clone(), world.judges(method, &sent(path)))).collect();
                possible &= expressible(&may, "");
                let Some(written) = &written else { continue };
                for (path, may) in &may {
                    prop_assert_eq!(lists(written, method, &sent(path)), *may, "{} {} {:?}", method, path, &written);
                    if path.len() < 7 {
                        let (slash, encoded) = (format!("{path}/"), path.replace(':', "%3A"));
                        prop_assert_eq!(lists(written, method, &slash), *may, "{} {}/", method, path);
                        prop_assert_eq!(lists(written, method, &sent(&encoded)), world.judges(method, &sent(&encoded)), "{} {}", method, encoded);
                        let allowed = REFUSED_ENDS.split(' ').map(|end| format!("{path}{end}")).find(|path| lists(written, method, path));
                        prop_assert_eq!(allowed, None);
                    }
                }
            }
            prop_assert_eq!(written.is_some(), possible);
            let (some, open) = expressed.get();
            expressed.set((some + u32::from(possible), open + u32::from(written.is_some_and(|rights| !rights.allow.is_empty()))));
            Ok(())
        };
        TestRunner::new(Config::with_cases(cases)).run(&worlds(), property).unwrap();
        let (some, open) = expressed.get();
        assert!(
            some > cases / 4 && open > cases / 10 && some < cases,
            "the worlds are of all kinds: {some} expressible, {open} of them open, of {cases}"
        );
    }
    /// What a policy allows by GET at `/soda`; other methods are as closed as they can be.
    fn written(access: Access, others: Vec<Api>, privileges: &[(&str, Value)]) -> Option<Vec<String>> {
        let one = |(path, asks): &(&str, Value)| {
            let mut asks = asks.clone();
            asks["routes"] = json!([{"path": path}]);
            asks
        };
        let rights = World::new(placed("soda", "/soda", None, access), others, &privileges.iter().map(one).collect::<Vec<_>>()).rights(usize::MAX)?;
        let get = |resource: &String| resource.strip_prefix("s/GET").map(str::to_owned);
        let allowed: Vec<String> = rights.allow.iter().filter_map(get).collect();
        assert_eq!(allowed.len() * METHODS.len(), rights.allow.len(), "every method is as GET is");
        assert_eq!(rights.deny.is_empty(), !allowed.iter().any(|resource| resource.ends_with('*')));
        Some(allowed)
    }

    #[test]
    fn what_can_be_said_exactly_is_said() {
        // AU-12
        use Access::{Authenticated, Deny};
        let (open, closed) = (|| json!({}), || json!({"roles": ["other"]}));
        let said = |access, privileges: &[(&str, Value)]| written(access, vec![], privileges);
        let whole: Option<Vec<String>> = Some(vec!["/soda/*".to_owned(), "/soda".to_owned()]);
        let nothing = Some(vec![]);
        assert_eq!(said(Authenticated, &[]), whole);
        assert_eq!(said(Deny, &[]), nothing);
        assert_eq!(said(Deny, &[("/soda/*", open())]), whole);
        assert_eq!(said(Authenticated, &[("/soda/*", closed())]), nothing);
        assert_eq!(said(Authenticated, &[("/soda/{id}/x", open()), ("/soda/y:z", open())]), whole, "open like its surroundings");
        assert_eq!(said(Deny, &[("/soda/{id}/x", closed()), ("/soda/y:z", closed())]), nothing, "closed like its surroundings");
        assert_eq!(said(Deny, &[("/soda/x", open())]).unwrap(), ["/soda/x/", "/soda/x"]);
        assert_eq!(said(Deny, &[("/soda", open())]).unwrap(), ["/soda/", "/soda"]);
        let both = [("/soda/x/*", open()), ("/soda/y/z", open()), ("/soda/y/*", closed())];
        assert_eq!(said(Deny, &both).unwrap(), ["/soda/x/*", "/soda/x", "/soda/y/z/", "/soda/y/z"]);
        let others = |base, gateway| vec![placed("other", base, gateway, Authenticated)];
        for (base, gateway) in [("/sodas", None), ("/", None), ("/soda/x", Some("elsewhere/s"))] {
            assert_eq!(written(Authenticated, others(base, gateway), &[]), whole, "{base} {gateway:?} is another's");
        }
        // A root has a slash of its own, and only one.
        let root = World::new(placed("soda", "/", None, Deny), vec![], &[json!({"routes": [{"path": "/", "methods": ["PUT"]}]})]);
        assert_eq!(root.rights(usize::MAX).unwrap().allow, ["s/PUT/"]);
        let root = World::new(placed("soda", "/", None, Deny), vec![], &[json!({"routes": [{"path": "/*", "methods": ["GET"]}]})]);
        assert_eq!(root.rights(usize::MAX).unwrap().allow, ["s/GET/*", "s/HEAD/*"]);
    }

    #[test]
    fn what_cannot_be_said_exactly_is_not_said() {
        // AU-12, AU-13
        use Access::{Authenticated, Deny};
        let (open, closed) = (|| json!({}), || json!({"scopes": ["write"]}));
        for (access, privileges) in [
            (Deny, vec![("/soda/{id}/x", open())]),
            (Deny, vec![("/soda/{id}", open())]),
            (Deny, vec![("/soda/{id}/*", open())]),
            (Authenticated, vec![("/soda/{id}/x", closed())]),
            (Authenticated, vec![("/soda/x", closed())]),
            (Authenticated, vec![("/soda", closed())]),
            (Deny, vec![("/soda/*", open()), ("/soda/x/*", closed())]),
            (Deny, vec![("/soda/y:z", open())]),
            (Deny, vec![("/soda/%C3%A9/*", open())]),
        ] {
            assert_eq!(written(access, vec![], &privileges), None, "{access:?} {privileges:?}");
        }
        for gateway in [None, Some("g/s")] {
            let others = vec![placed("other", "/soda/x", gateway, Authenticated)];
            assert_eq!(written(Authenticated, others, &[]), None, "another Api's routes lie within");
        }
        // One method that cannot be said is enough: the policy would be wrong for it.
        let by_method =
            [json!({"routes": [{"path": "/soda/{id}", "methods": ["POST"]}]}), json!({"routes": [{"path": "/soda/x", "methods": ["GET"]}]})];
        assert_eq!(World::new(placed("soda", "/soda", None, Deny), vec![], &by_method).rights(usize::MAX), None);
    }

    #[test]
    fn a_policy_stays_within_its_limits_or_is_missing() {
        // AU-14
        let with = |paths: Vec<String>| {
            let privileges: Vec<Value> = paths.iter().map(|path| json!({"routes": [{"path": path, "methods": ["PUT"]}]})).collect();
            World::new(placed("soda", "/soda", None, Access::Deny), vec![], &privileges)
        };
        let few = with((0..20).map(|at| format!("/soda/{at}")).collect());
        let size = few.rights(usize::MAX).unwrap().allow.iter().map(|resource| resource.len() + 3).sum();
        assert!(few.rights(size).is_some() && few.rights(size - 1).is_none());
        // With the slash that may follow it: `stage`, `PUT`, the path, `/`.
        let long = |length: usize| {
            let world = with(vec![format!("/soda/{}", "x".repeat(length - "/soda/".len()))]);
            let principal = Principal { claims: &world.claims, client: &world.client, person: None };
            let stage = "s".repeat(200);
            rights(&principal, "g/s", &stage, &world.apis, Some(&world.table), usize::MAX)
        };
        assert!(long(LONGEST_RESOURCE - 200 - 4).is_some() && long(LONGEST_RESOURCE - 200 - 3).is_none());
        assert!(with((0..200).map(|at| format!("/soda/{at}")).collect()).rights(usize::MAX).is_some());
        assert_eq!(with((0..10_000).map(|at| format!("/soda/{at}/{{id}}/x")).collect()).rights(usize::MAX), None);
    }

    #[test]
    fn every_refused_spelling_is_refused_by_the_gates_as_well() {
        // 5.1 #14 and #15, AU-19
        for end in REFUSED_ENDS.split(' ') {
            assert_eq!(CanonicalPath::parse(&format!("/soda{end}")), None, "{end}");
        }
    }
}

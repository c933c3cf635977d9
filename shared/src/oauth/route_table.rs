//! The routes that an Api's privileges name, compiled: which of them a call is on, and what lies where.

use std::collections::{BTreeSet, HashMap};

use super::api::Access;
use super::path::{PathPattern, Segment};
use super::privilege::{Method, Privilege, PrivilegeAccess, PrivilegeMetadata, Route};

/// All privileges of one Api, compiled into a tree of path segments.
#[derive(Debug, Default)]
pub struct RouteTable {
    privileges: Vec<Privilege>,
    root: Node,
}

/// A place in the tree: the patterns that lead here, and those that lead on.
#[derive(Debug, Default)]
pub(super) struct Node {
    literals: HashMap<Box<str>, Node>,
    parameter: Option<Box<Node>>,
    /// The routes that end here.
    here: Vec<Entry>,
    /// The routes that take everything from here on.
    rest: Vec<Entry>,
}

/// One route of one privilege.
#[derive(Debug, Clone, Copy)]
struct Entry {
    privilege: usize,
    /// Which of the privilege's routes; `None`: it names the whole Api.
    route: Option<usize>,
    /// The set of methods; all bits: any method.
    methods: u8,
    specificity: Specificity,
}

const ANY_METHOD: u8 = u8::MAX;

/// How specific a route is: the order of the members is the order of the rule (5.1 rule 4), and the greatest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity {
    literals: usize,
    has_no_rest: bool,
    segments: usize,
    names_methods: bool,
}

/// A route that a call is on.
#[derive(Debug, Clone, Copy)]
pub struct Matched<'t> {
    /// The privilege that names it.
    pub privilege: &'t Privilege,
    /// The route; `None`: the privilege names the whole Api.
    pub route: Option<&'t Route>,
    specificity: Specificity,
}

impl Matched<'_> {
    /// Why this route lost to `winner`, for people.
    pub fn lost_because(&self, winner: &Matched<'_>) -> &'static str {
        let (own, theirs) = (self.specificity, winner.specificity);
        if own.literals < theirs.literals {
            "has fewer literal segments than the winner"
        } else if !own.has_no_rest && theirs.has_no_rest {
            "ends in /*, and the winner does not"
        } else if own.segments < theirs.segments {
            "has fewer segments than the winner"
        } else {
            "takes any method, and the winner names its own"
        }
    }
}

impl RouteTable {
    /// Compiles the privileges of the Api whose routes begin at `base_path`.
    pub fn new(base_path: &str, privileges: Vec<Privilege>) -> Self {
        let mut root = Node::default();
        for (at, privilege) in privileges.iter().enumerate() {
            for (route, pattern, methods) in routes(&privilege.metadata, base_path) {
                root.insert(&pattern, Entry { privilege: at, route, methods, specificity: specificity(&pattern, methods) });
            }
        }
        Self { privileges, root }
    }

    /// The most specific route that a call is on. Only it counts.
    pub fn winner<'s>(&self, method: &str, segments: impl Iterator<Item = &'s str>) -> Option<Matched<'_>> {
        let mut winner: Option<Entry> = None;
        self.candidates(method, segments, &mut |entry| {
            if winner.is_none_or(|winner| winner.specificity < entry.specificity) {
                winner = Some(*entry);
            }
        });
        self.matched(&winner?)
    }

    /// Every route that a call is on, the winner first.
    pub fn matching<'s>(&self, method: &str, segments: impl Iterator<Item = &'s str>) -> Vec<Matched<'_>> {
        let mut all = Vec::new();
        self.candidates(method, segments, &mut |entry| all.extend(self.matched(entry)));
        all.sort_by_key(|matched| std::cmp::Reverse(matched.specificity));
        all
    }

    /// The privilege that names a route which `new` names as specifically, for a call that both would match: such a pair has no winner.
    pub fn tie(&self, new: &PrivilegeMetadata, base_path: &str) -> Option<&Privilege> {
        let own = routes(new, base_path);
        self.privileges.iter().filter(|other| other.metadata.name != new.name).find(|other| {
            let theirs = routes(&other.metadata, base_path);
            own.iter().any(|one| theirs.iter().any(|two| tied(one, two)))
        })
    }

    /// The privileges.
    pub fn privileges(&self) -> &[Privilege] {
        &self.privileges
    }

    /// The privileges, with `new` in the place of the one of its name, if there is one.
    pub fn with(&self, new: &Privilege) -> Vec<Privilege> {
        let mut privileges = self.without(new.metadata.name.as_str());
        privileges.push(new.clone());
        privileges
    }

    /// The privileges but for the one called `name`.
    pub fn without(&self, name: &str) -> Vec<Privilege> {
        self.privileges.iter().filter(|privilege| privilege.metadata.name.as_str() != name).cloned().collect()
    }

    /// Whether a call that a privilege of this table protects would pass without a token with the table `after`, where the routes that no
    /// privilege names have this `access`.
    pub fn opens_as(&self, after: &Self, access: Access) -> bool {
        let is_public = |table: &Self, method: &str, path: &[&str]| match table.winner(method, path.iter().copied()) {
            Some(winner) => winner.privilege.metadata.access == PrivilegeAccess::Public,
            None => access == Access::Public,
        };
        let public_at_all = access == Access::Public || after.privileges.iter().any(|privilege| privilege.metadata.access == PrivilegeAccess::Public);
        // A method that no route can name stands for all of them: a route that took any and now names its own opens those.
        let methods: Vec<&str> = Method::ALL.map(Into::into).into_iter().chain([ANY_OTHER]).collect();
        let opens = |path: &[&str]| methods.iter().any(|method| !is_public(self, method, path) && is_public(after, method, path));
        // What has more places than are looked at counts as opening: the administrator is asked once too often.
        public_at_all && any_place(vec![&self.root, &after.root], &mut Vec::new(), &mut MOST_PLACES.clone(), &opens).unwrap_or(true)
    }

    /// The root of the tree.
    pub(super) fn root(&self) -> &Node {
        &self.root
    }

    fn matched(&self, entry: &Entry) -> Option<Matched<'_>> {
        let privilege = self.privileges.get(entry.privilege)?;
        let route = entry.route.and_then(|at| privilege.metadata.routes.as_ref()?.get(at));
        Some(Matched { privilege, route, specificity: entry.specificity })
    }

    fn candidates<'s>(&self, method: &str, segments: impl Iterator<Item = &'s str>, found: &mut impl FnMut(&Entry)) {
        // A method that no route can name is matched by those of any method.
        let bit = Method::of(method).map_or(1 << 7, Method::bit);
        let segments: Vec<&str> = segments.collect();
        self.root.walk(&segments, &mut |entry| {
            if entry.methods & bit != 0 {
                found(entry);
            }
        });
    }
}

/// How many places are looked at for one that a change opens.
const MOST_PLACES: usize = 50_000;

/// A segment that no pattern names: what a parameter or a rest matches, and no literal.
pub(super) const ANY_OTHER: &str = "\u{1}";

/// Whether `test` holds for some path: one is tried for each set of paths that the routes of `nodes` do not tell apart. `None` where there
/// are more of them than `left`.
fn any_place<'n>(nodes: Vec<&'n Node>, path: &mut Vec<&'n str>, left: &mut usize, test: &impl Fn(&[&str]) -> bool) -> Option<bool> {
    *left = left.checked_sub(1)?;
    if test(path) {
        return Some(true);
    }
    let named: BTreeSet<&'n str> = nodes.iter().flat_map(|node| node.named()).collect();
    for segment in named.into_iter().chain([ANY_OTHER]) {
        let onward: Vec<&Node> = nodes.iter().flat_map(|node| node.after(segment)).collect();
        path.push(segment);
        let found = if onward.is_empty() { test(path) } else { any_place(onward, path, left, test)? };
        path.pop();
        if found {
            return Some(true);
        }
    }
    Some(false)
}

/// Whether two routes of the same privilege tie: then it names one call twice.
pub fn ties_with_itself(privilege: &PrivilegeMetadata, base_path: &str) -> bool {
    let own = routes(privilege, base_path);
    own.iter().enumerate().any(|(at, one)| own.iter().take(at).any(|two| tied(one, two)))
}

type Compiled = (Option<usize>, PathPattern, u8);

fn routes(privilege: &PrivilegeMetadata, base_path: &str) -> Vec<Compiled> {
    match &privilege.routes {
        Some(routes) => {
            let set = |route: &Route| route.methods.as_ref().map_or(ANY_METHOD, |methods| methods.iter().fold(0, |set, method| set | method.bit()));
            routes.iter().enumerate().map(|(at, route)| (Some(at), route.path.clone(), set(route))).collect()
        }
        None => PathPattern::below(base_path).map(|pattern| vec![(None, pattern, ANY_METHOD)]).unwrap_or_default(),
    }
}

fn specificity(pattern: &PathPattern, methods: u8) -> Specificity {
    Specificity {
        literals: pattern.literals(),
        has_no_rest: !pattern.takes_rest(),
        segments: pattern.segments().len(),
        names_methods: methods != ANY_METHOD,
    }
}

fn tied((_, one, one_methods): &Compiled, (_, two, two_methods): &Compiled) -> bool {
    specificity(one, *one_methods) == specificity(two, *two_methods) && one_methods & two_methods != 0 && one.overlaps(two)
}

impl Node {
    fn insert(&mut self, pattern: &PathPattern, entry: Entry) {
        let node = self.place(pattern);
        if pattern.takes_rest() { node.rest.push(entry) } else { node.here.push(entry) }
    }

    fn walk(&self, segments: &[&str], found: &mut impl FnMut(&Entry)) {
        self.rest.iter().for_each(&mut *found);
        let Some((first, rest)) = segments.split_first() else { return self.here.iter().for_each(found) };
        if let Some(node) = self.literals.get(*first) {
            node.walk(rest, found);
        }
        if let Some(node) = &self.parameter {
            node.walk(rest, found);
        }
    }

    /// The place of a pattern, made where it is new.
    pub(super) fn place(&mut self, pattern: &PathPattern) -> &mut Self {
        pattern.segments().iter().fold(self, |node, segment| match segment {
            Segment::Literal(literal) => node.literals.entry(literal.as_str().into()).or_default(),
            Segment::Parameter => node.parameter.get_or_insert_default(),
        })
    }

    /// The segments that lead on from here by name.
    pub(super) fn named(&self) -> impl Iterator<Item = &str> {
        self.literals.keys().map(AsRef::as_ref)
    }

    /// The places that a segment leads to from here.
    pub(super) fn after(&self, segment: &str) -> impl Iterator<Item = &Node> {
        self.literals.get(segment).into_iter().chain(self.parameter.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::path::CanonicalPath;
    use super::super::privilege::fixture::privilege;
    use super::*;

    /// A privilege of one route, from `/path` or `GET,POST /path`; with a `!` in front it is public.
    fn one(name: &str, text: &str) -> Privilege {
        let (access, text) = text.strip_prefix('!').map_or(("protected", text), |text| ("public", text));
        let route = match text.split_once(' ') {
            Some((methods, path)) => json!({"methods": methods.split(',').collect::<Vec<_>>(), "path": path}),
            None => json!({"path": text}),
        };
        privilege(name, json!({"routes": [route], "access": access}))
    }

    /// A table of such privileges; each is called after its place.
    fn table<T: AsRef<str>>(routes: &[T]) -> RouteTable {
        RouteTable::new("/", routes.iter().enumerate().map(|(at, text)| one(&at.to_string(), text.as_ref())).collect())
    }

    fn matching(table: &RouteTable, method: &str, path: &str) -> Vec<String> {
        let path = CanonicalPath::parse(path).unwrap();
        let all: Vec<String> =
            table.matching(method, path.segments()).iter().map(|matched| matched.privilege.metadata.name.as_str().to_owned()).collect();
        let winner = table.winner(method, path.segments()).map(|matched| matched.privilege.metadata.name.as_str());
        assert_eq!(winner, all.first().map(String::as_str), "the first of those that match is the winner");
        all
    }

    #[test]
    fn the_most_specific_route_wins_and_the_others_say_why_they_lost() {
        // 5.1 rules 2 to 4, O-05
        let table = table(&["/a/*", "/a/{x}/{y}", "/a/{x}/*", "/a/{x}/c", "GET /a/{x}/c", "/a/b/c/*"]);
        for (method, path, expected) in [
            ("GET", "/a/b/c", vec!["5", "4", "3", "1", "2", "0"]),
            ("POST", "/a/b/c", vec!["5", "3", "1", "2", "0"]),
            ("GET", "/a/z/c", vec!["4", "3", "1", "2", "0"]),
            ("HEAD", "/a/z/c", vec!["4", "3", "1", "2", "0"]),
            ("get", "/a/z/c", vec!["3", "1", "2", "0"]),
            ("GET", "/a/b/d", vec!["1", "2", "0"]),
        ] {
            assert_eq!(matching(&table, method, path), expected, "{method} {path}");
        }
        let all = table.matching("GET", ["a", "z", "c"].into_iter());
        let reasons: Vec<&str> = all.windows(2).map(|pair| pair[1].lost_because(&pair[0])).collect();
        let method = "takes any method, and the winner names its own";
        let literals = "has fewer literal segments than the winner";
        assert_eq!(reasons, [method, literals, "ends in /*, and the winner does not", "has fewer segments than the winner"]);
    }

    #[test]
    fn a_rest_takes_the_bare_path_and_ends_at_a_segment_and_the_whole_api_is_such_a_route() {
        // 5.1 rule 3
        let table = table(&["/x/*"]);
        let takes = |path: &&str| !matching(&table, "GET", path).is_empty();
        assert!(["/x", "/x/", "/x/a", "/x/a/b", "/x/a/b/"].iter().all(takes));
        assert!(!["/", "/xy", "/X", "/y/x"].iter().any(takes));
        let whole = RouteTable::new("/soda", vec![privilege("whole", json!({})), one("part", "/soda/a")]);
        assert_eq!(matching(&whole, "GET", "/soda/a/"), ["part", "whole"]);
        assert_eq!(matching(&whole, "GET", "/soda"), ["whole"]);
        assert!(matching(&whole, "GET", "/sodas").is_empty());
        assert!(whole.winner("GET", ["soda", "b"].into_iter()).unwrap().route.is_none());
    }

    #[test]
    fn two_routes_that_no_rule_tells_apart_tie() {
        // 5.1 rule 4
        let ties = |first: &str, second: &str| {
            let (mut both, new) = (one("both", first).metadata, one("new", second).metadata);
            let tie = table(&[first]).tie(&new, "/").is_some();
            both.routes.as_mut().unwrap().extend(new.routes.unwrap());
            assert_eq!(tie, ties_with_itself(&both, "/"), "whether two privileges have the two or one has both");
            tie
        };
        for (first, second, expected) in [
            ("/a/{x}/c", "/a/b/{y}", true),
            ("/a/{x}/*", "/a/:y/*", true),
            ("GET,PUT /a", "PUT /a", true),
            ("GET /a", "POST /a", false),
            ("GET /a", "/a", false),
            ("/a/{x}/c", "/a/b/d", false),
        ] {
            assert_eq!((ties(first, second), ties(second, first)), (expected, expected), "{first} {second}");
        }
        let whole = RouteTable::new("/a", vec![privilege("whole", json!({}))]);
        assert!(whole.tie(&one("new", "/a/*").metadata, "/a").is_some(), "the whole api is a route like any other");
        assert!(whole.tie(&one("whole", "/a/*").metadata, "/a").is_none(), "a privilege does not tie with what it replaces");
    }

    #[test]
    fn the_last_protection_of_a_route_is_found() {
        // O-06: route_became_public
        for (gone, others, access, expected) in [
            ("/a/*", &[][..], Access::Public, true),
            ("/a/*", &[], Access::Authenticated, false),
            ("/a/b", &["/a/*"], Access::Public, false),
            ("/a/*", &["/a/b"], Access::Public, true),
            ("/a/{x}/c", &["/a/b"], Access::Public, true),
            ("/a/{x}/c", &["/a/*"], Access::Public, false),
            ("GET /a/open", &["!/a/open"], Access::Deny, true),
            ("/a/*", &["!/a/open"], Access::Public, true),
            ("!/a/open", &["/a/*"], Access::Public, false),
        ] {
            let after = table(others);
            let before = RouteTable::new("/", after.with(&one("gone", gone)));
            assert_eq!(before.opens_as(&after, access), expected, "{gone} beside {others:?}, {access:?}");
        }
        let many = |count: usize| table(&(0..count).map(|at| format!("/a/{at}")).collect::<Vec<_>>());
        assert!(!many(1_000).opens_as(&table(&["/*"]), Access::Public));
        assert!(many(MOST_PLACES + 1).opens_as(&table(&["/*"]), Access::Public), "what cannot be searched counts as opening");
    }

    fn routes() -> impl Strategy<Value = Vec<String>> {
        let pattern = r"(/(a|b|\{x\})){0,3}(/\*)?".prop_map(|pattern| if pattern.is_empty() { "/".to_owned() } else { pattern });
        let methods = prop::sample::select(vec!["", "", "GET ", "POST ", "GET,POST,PUT,PATCH,DELETE,OPTIONS "]);
        let public = prop::sample::select(vec!["", "", "!"]);
        prop::collection::vec((public, methods, pattern).prop_map(|(public, methods, pattern)| format!("{public}{methods}{pattern}")), 0..6)
    }

    fn split(text: &str) -> Vec<&str> {
        text.split('/').filter(|segment| !segment.is_empty()).collect()
    }

    /// The rule read off the text of a pattern; the rank is (literals, no rest, segments, methods).
    fn naive(route: &str, method: &str, path: &str) -> Option<(usize, bool, usize, bool)> {
        let route = route.trim_start_matches('!');
        let (methods, pattern) = route.split_once(' ').map_or((None, route), |(methods, pattern)| (Some(methods), pattern));
        let (mut fixed, path) = (split(pattern), split(path));
        let rest = fixed.pop_if(|last| *last == "*").is_some();
        let long_enough = if rest { path.len() >= fixed.len() } else { path.len() == fixed.len() };
        let agrees = fixed.iter().zip(&path).all(|(own, other)| *own == "{x}" || own == other);
        let method = if method == "HEAD" { "GET" } else { method };
        let takes_method = methods.is_none_or(|methods| methods.split(',').any(|own| own == method));
        let literals = fixed.iter().filter(|segment| **segment != "{x}").count();
        (long_enough && agrees && takes_method).then_some((literals, !rest, fixed.len(), methods.is_some()))
    }

    /// Every path of at most four segments, of two names that patterns have and one that they do not.
    fn paths() -> Vec<String> {
        let longer = |paths: &[String]| paths.iter().flat_map(|path| ["a", "b", "c"].map(|name| format!("{path}/{name}"))).collect::<Vec<_>>();
        let by_length = std::iter::successors(Some(vec![String::new()]), |paths| Some(longer(paths)));
        by_length.take(5).flatten().map(|path| if path.is_empty() { "/".to_owned() } else { path }).collect()
    }

    const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "DELETE", "TRACE"];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_winner_is_the_one_that_a_linear_scan_finds(routes in routes()) {
            let table = table(&routes);
            let mut tied = false;
            for (method, path) in METHODS.iter().flat_map(|method| paths().into_iter().map(move |path| (*method, path))) {
                let ranks: Vec<_> = routes.iter().filter_map(|route| naive(route, method, &path)).collect();
                let best = ranks.iter().max().copied();
                tied |= ranks.iter().filter(|rank| Some(**rank) == best).count() > 1;
                let winner = |path: &str| -> Option<usize> {
                    let winner = table.winner(method, CanonicalPath::parse(path).unwrap().segments());
                    winner.map(|winner| winner.privilege.metadata.name.as_str().parse().unwrap())
                };
                let found = winner(&path);
                prop_assert_eq!(found.and_then(|at| naive(&routes[at], method, &path)), best, "{} {}", method, &path);
                prop_assert_eq!(winner(&format!("{}/", path.trim_end_matches('/'))), found, "a trailing slash");
                prop_assert_eq!(table.matching(method, split(&path).into_iter()).len(), ranks.len());
            }
            let refused = table.privileges().iter().any(|privilege| table.tie(&privilege.metadata, "/").is_some());
            prop_assert!(refused || !tied, "what has no winner is refused when it is made");
        }

        #[test]
        fn a_change_opens_a_route_exactly_if_some_call_becomes_public((before, after) in (routes(), routes()), is_public in any::<bool>()) {
            let access = if is_public { Access::Public } else { Access::Deny };
            let (old, new) = (table(&before), table(&after));
            let public = |table: &RouteTable, method, path: &str| match table.winner(method, split(path).into_iter()) {
                Some(winner) => winner.privilege.metadata.access == PrivilegeAccess::Public,
                None => is_public,
            };
            let opens = METHODS.iter().any(|method| paths().iter().any(|path| !public(&old, method, path) && public(&new, method, path)));
            prop_assert_eq!(old.opens_as(&new, access), opens);
        }
    }
}

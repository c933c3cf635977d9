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
/// not open them. `%0` and `%1` begin control characters.
const REFUSED: [&str; 21] = [
    "*//*", "*/./*", "*/../*", "*/.", "*/..", "*/.;*", "*/..;*", "*/.%*", "*/..%*", "*%2e*", "*%2E*", "*%2f*", "*%2F*", "*%5c*", "*%5C*", "*%25*",
    "*%0*", "*%1*", "*%7f*", "*%7F*", "*\\*",
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
        let segments: BTreeSet<&'n str> = nodes.iter().flat_map(|node| node.named()).collect();
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

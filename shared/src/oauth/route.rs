//! The *route gate*: which Api a call belongs to, and what its routes ask for that no privilege names.

use super::api::{ADMIN_AUDIENCE, Access, Api, Apis};

/// A path in its one canonical spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath(String);

impl CanonicalPath {
    /// Reads the path of a request: no query, percent-encoding as it was sent.
    ///
    /// Unreserved characters are decoded, dot segments resolved, repeated slashes collapsed, case kept. `None` where two readers could
    /// disagree about the path: an encoded slash, backslash, NUL or percent sign, a malformed escape, a path parameter on a dot segment,
    /// a backslash, a control or a non-ASCII character.
    pub fn parse(path: &str) -> Option<Self> {
        let decoded = decode_unreserved(path)?;
        let mut segments: Vec<&str> = Vec::new();
        for segment in decoded.strip_prefix('/')?.split('/') {
            match segment {
                "" | "." => {}
                ".." => drop(segments.pop()),
                // `..;x` is a dot segment to some servers and a name to others; a gateway that decodes makes it of `..%3B`.
                dots if [".;", "..;", ".%3B", "..%3B"].iter().any(|start| dots.starts_with(start)) => return None,
                name => segments.push(name),
            }
        }
        let ends_in_slash = !segments.is_empty() && (decoded.ends_with('/') || decoded.ends_with("/.") || decoded.ends_with("/.."));
        Some(Self(format!("/{}{}", segments.join("/"), if ends_in_slash { "/" } else { "" })))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the path is `base` or lies below it, by whole segments.
    pub fn is_within(&self, base: &str) -> bool {
        let base = base.strip_suffix('/').unwrap_or(base);
        self.0.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn decode_unreserved(path: &str) -> Option<String> {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path.chars();
    while let Some(character) = rest.next() {
        match character {
            '%' => {
                let (high, low) = (rest.next()?, rest.next()?);
                let byte = u8::try_from(high.to_digit(16)? << 4 | low.to_digit(16)?).ok()?;
                match byte {
                    b'/' | b'\\' | b'%' | 0 => return None,
                    _ if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => decoded.push(char::from(byte)),
                    _ => decoded.extend(['%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]),
                }
            }
            '\\' | '?' | '#' => return None,
            _ if character.is_ascii_graphic() => decoded.push(character),
            _ => return None,
        }
    }
    Some(decoded)
}

/// What the route gate says of a call.
#[derive(Debug, PartialEq, Eq)]
pub enum RouteDecision {
    /// Anybody may pass.
    Public,
    /// A good token of this audience may pass.
    Authenticated,
    /// Nobody may pass.
    Deny,
}

impl Apis {
    /// The Api whose routes a call is on: on this gateway stage rather than on any, then the longest base path.
    pub fn at(&self, gateway: &str, path: &CanonicalPath) -> Option<&Api> {
        let covers = |api: &&Api| {
            api.metadata.audience != ADMIN_AUDIENCE
                && api.metadata.gateway.as_deref().is_none_or(|own| own == gateway)
                && path.is_within(&api.metadata.base_path)
        };
        self.iter().filter(covers).max_by_key(|api| (api.metadata.base_path.len(), api.metadata.gateway.is_some()))
    }
}

/// What the routes of `api` ask for that no privilege names; a call on no Api passes nowhere.
pub fn decide(api: Option<&Api>) -> RouteDecision {
    match api.map(|api| api.metadata.access) {
        Some(Access::Public) => RouteDecision::Public,
        Some(Access::Authenticated) => RouteDecision::Authenticated,
        Some(Access::Deny) | None => RouteDecision::Deny,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::api::fixture::api;
    use super::*;

    fn canonical(path: &str) -> Option<String> {
        CanonicalPath::parse(path).map(|path| path.0)
    }

    #[test]
    fn a_path_has_one_spelling() {
        // 5.1 #14, HT-10, AU-19
        for (path, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//a//b", "/a/b"),
            ("/./a/./b", "/a/b"),
            ("/x/../a", "/a"),
            ("/../../a", "/a"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/%61", "/a"),
            ("/%2e%2e/a", "/a"),
            ("/x/%2E%2e/a", "/a"),
            ("/a%3ab", "/a%3Ab"),
            ("/A", "/A"),
            ("/a;b=c", "/a;b=c"),
            ("/a/...", "/a/..."),
        ] {
            assert_eq!(canonical(path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn a_path_that_readers_could_disagree_about_is_refused() {
        // 5.1 #15, HT-11, AU-19
        for path in [
            "",
            "a",
            "/a%2Fb",
            "/a%2fb",
            "/a%5Cb",
            "/a\\b",
            "/a%00",
            "/%",
            "/%4",
            "/%zz",
            "/%2561",
            "/..;/a",
            "/a/..;x/b",
            "/a/..%3Bx/b",
            "/a/%2e%3b/b",
            "/a b",
            "/é",
            "/ａ",
            "/a\0",
            "/a?b",
            "/a#b",
        ] {
            assert_eq!(canonical(path), None, "{path:?}");
        }
    }

    #[test]
    fn a_base_path_ends_at_a_segment() {
        let path = |text| CanonicalPath::parse(text).unwrap();
        assert!(path("/orders").is_within("/orders") && path("/orders/").is_within("/orders") && path("/orders/1").is_within("/orders"));
        assert!(!path("/ordersX").is_within("/orders") && !path("/").is_within("/orders"));
        assert!(path("/").is_within("/") && path("/a").is_within("/"));
    }

    #[test]
    fn the_named_gateway_and_the_longest_base_path_win() {
        let mut everything = api("everything", "a:everything", &[]);
        everything.metadata.base_path = "/".to_owned();
        let mut here = api("here", "a:here", &[]);
        here.metadata.base_path = "/orders".to_owned();
        here.metadata.gateway = Some("abc/prod".to_owned());
        let apis = Apis::new(vec![everything, api("orders", "a:orders", &[]), here], 1);
        let at = |gateway, path| apis.at(gateway, &CanonicalPath::parse(path).unwrap()).map(|api| api.metadata.name.as_str());
        assert_eq!(at("abc/prod", "/orders/1"), Some("here"));
        assert_eq!(at("abc/test", "/orders/1"), Some("orders"));
        assert_eq!(at("abc/test", "/other"), Some("everything"));
    }

    #[test]
    fn nothing_is_open_that_nobody_opened() {
        // O-01, 5.1 #18
        assert_eq!(decide(None), RouteDecision::Deny);
        assert_eq!(decide(Some(&api("orders", "a:orders", &[]))), RouteDecision::Deny);
    }

    proptest! {
        #[test]
        fn canonical_paths_stay_as_they_are(path in "/[a-zA-Z0-9%./;~_-]{0,30}") {
            if let Some(once) = canonical(&path) {
                prop_assert_eq!(canonical(&once), Some(once.clone()));
                prop_assert!(!once.contains("//") && !once.contains("/../") && !once.contains("/./"));
            }
        }
    }
}

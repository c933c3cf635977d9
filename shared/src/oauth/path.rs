//! Paths: the one spelling in which a call may name a route, and the patterns by which privileges name many.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest path that is looked at, in bytes: with what stands in front of it, an ARN has at most 512 characters (AU-14).
const LONGEST_PATH: usize = 400;

/// How many segments a pattern has at most.
const MOST_SEGMENTS: usize = 32;

/// A path in its one canonical spelling, so that whoever reads it behind the gateway reads what was decided on.
///
/// Percent-encoded characters that need no encoding in a path but may have it (RFC 3986 §3.3: sub-delims, `:` and `@`) are decoded,
/// because every reader decodes them; a trailing slash is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath(String);

impl CanonicalPath {
    /// Reads the path of a request: no query, percent-encoding as it was sent.
    ///
    /// `None` where the path is spelled in another way than the canonical one, or where two readers could disagree about it: a dot
    /// segment, an empty segment, an encoded letter, digit, `-`, `.`, `_` or `~`; an encoded slash, backslash, percent sign or control
    /// character, a malformed escape, escapes that are no UTF-8, a path parameter (`;`), a character that a path may have only
    /// encoded. `*` and `?` are refused as well: in the policy that answers the call they would be wildcards (AU-13).
    pub fn parse(path: &str) -> Option<Self> {
        let decoded = decode_allowed(path).filter(|decoded| decoded.len() <= LONGEST_PATH)?;
        let segments = decoded.strip_prefix('/')?;
        let segments = segments.strip_suffix('/').unwrap_or(segments);
        let is_name = |segment: &str| {
            let after_dots = segment.strip_prefix("..").or_else(|| segment.strip_prefix('.'));
            !segment.is_empty() && !after_dots.is_some_and(|rest| rest.is_empty() || rest.starts_with('%'))
        };
        ((segments.is_empty() && decoded == "/") || segments.split('/').all(is_name)).then_some(Self(decoded))
    }

    /// The path of these segments, which are canonical by themselves.
    pub(super) fn of_segments(segments: &[&str]) -> Self {
        Self(format!("/{}", segments.join("/")))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its segments; a trailing slash adds none, so that it never chooses another privilege.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|segment| !segment.is_empty())
    }

    /// Whether the path is `base` or lies below it, by whole segments.
    pub fn is_within(&self, base: &str) -> bool {
        let base = base.strip_suffix('/').unwrap_or(base);
        self.0.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn decode_allowed(path: &str) -> Option<String> {
    let mut decoded = String::with_capacity(path.len());
    let mut octets = Vec::with_capacity(path.len());
    let mut rest = path.chars();
    while let Some(character) = rest.next() {
        match character {
            '%' => {
                let (high, low) = (rest.next()?, rest.next()?);
                let byte = u8::try_from(high.to_digit(16)? << 4 | low.to_digit(16)?).ok()?;
                match byte {
                    b'/' | b'\\' | b'%' | b';' | 0..=0x1f | 0x7f => return None,
                    _ if is_unreserved(byte) => return None,
                    // An encoded star stays encoded: see `parse`.
                    b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'+' | b',' | b'=' | b':' | b'@' => decoded.push(char::from(byte)),
                    _ => decoded.extend(['%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]),
                }
                octets.push(byte);
            }
            // A `;` begins a parameter of the segment to some readers and is part of its name to others: `/admin;x` (RFC 3986 §3.3).
            ';' => return None,
            // What RFC 3986 §3.3 does not have in a path would be a second spelling of its escape.
            '\\' | '?' | '#' | '*' | '"' | '<' | '>' | '^' | '`' | '{' | '|' | '}' => return None,
            _ => {
                octets.push(u8::try_from(character).ok().filter(u8::is_ascii_graphic)?);
                decoded.push(character);
            }
        }
    }
    // An overlong form is a slash or a dot to some readers (HT-11).
    std::str::from_utf8(&octets).is_ok().then_some(decoded)
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// A pattern of paths: literal segments, `{name}` or `:name` for one segment, `/*` at the end for the rest (and for no rest).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern {
    text: String,
    segments: Vec<Segment>,
    takes_rest: bool,
}

/// One segment of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Exactly this one.
    Literal(String),
    /// Any one.
    Parameter,
}

impl PathPattern {
    /// Reads a pattern; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let inner = text.strip_prefix('/').ok_or("a path begins with a slash")?;
        let (inner, takes_rest) = match inner.strip_suffix('*') {
            Some("") => ("", true),
            Some(before) => (before.strip_suffix('/').ok_or("a star stands alone, at the end: /*")?, true),
            None => (inner, false),
        };
        let segments: Result<Vec<Segment>, _> = inner.split('/').filter(|_| !inner.is_empty()).map(Segment::parse).collect();
        let segments = segments?;
        if segments.len() > MOST_SEGMENTS || text.len() > LONGEST_PATH {
            return Err("a path has at most 400 characters and 32 segments");
        }
        Ok(Self { text: text.to_owned(), segments, takes_rest })
    }

    /// Everything at and below `base`.
    pub fn below(base: &str) -> Result<Self, &'static str> {
        Self::parse(&format!("{}/*", base.strip_suffix('/').unwrap_or(base)))
    }

    /// Its segments before the rest.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether it ends in `/*`.
    pub fn takes_rest(&self) -> bool {
        self.takes_rest
    }

    /// How many of its segments are literal.
    pub fn literals(&self) -> usize {
        self.segments.iter().filter(|segment| matches!(segment, Segment::Literal(_))).count()
    }

    /// Whether every path of it is at or below `base`.
    pub fn is_within(&self, base: &str) -> bool {
        let mut own = self.segments.iter();
        base.split('/').filter(|segment| !segment.is_empty()).all(|segment| own.next().is_some_and(|own| own.is_literal(segment)))
    }

    /// Whether some path is of both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let reaches = |one: &Self, two: &Self| one.segments.len() >= two.segments.len() || one.takes_rest;
        let agree = |(one, two): (&Segment, &Segment)| match (one, two) {
            (Segment::Literal(one), Segment::Literal(two)) => one == two,
            _ => true,
        };
        reaches(self, other) && reaches(other, self) && self.segments.iter().zip(&other.segments).all(agree)
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).or_else(|| text.strip_prefix(':')) {
            return match (is_name(name), name.ends_with('+')) {
                (true, _) => Ok(Self::Parameter),
                (false, true) => Err("the rest of a path is written /*"),
                (false, false) => Err("a parameter is {name} or :name, of letters, digits and _"),
            };
        }
        // A literal that no canonical path has would protect nothing.
        let canonical = CanonicalPath::parse(&format!("/{text}")).filter(|path| path.as_str().len() == text.len() + 1);
        match canonical.filter(|_| !text.is_empty()) {
            Some(_) => Ok(Self::Literal(text.to_owned())),
            None => Err("a path has no empty, dot or encoded segments, and no trailing slash (it is matched with and without)"),
        }
    }

    fn is_literal(&self, text: &str) -> bool {
        matches!(self, Self::Literal(literal) if literal == text)
    }
}

impl TryFrom<String> for PathPattern {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> Self {
        pattern.text
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(path: &str) -> Option<String> {
        CanonicalPath::parse(path).map(|path| path.0)
    }

    #[test]
    fn a_canonical_path_is_read_as_it_is() {
        // 5.1 rule 1
        for (path, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("/A", "/A"),
            ("/a%3ab", "/a:b"),
            ("/u/a%40b.example", "/u/a@b.example"),
            ("/%c3%a9", "/%C3%A9"),
            ("/a%20b", "/a%20b"),
            ("/a/...", "/a/..."),
            ("/.well-known/x", "/.well-known/x"),
            ("/a%2ab", "/a%2Ab"),
            ("/a%7cb", "/a%7Cb"),
            ("/%7bid%7D", "/%7Bid%7D"),
        ] {
            assert_eq!(canonical(path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn a_path_that_normalisation_would_change_or_readers_could_disagree_about_is_refused() {
        // 5.1 #14 and #15, HT-10, HT-11, AU-13, AU-19
        for path in [
            "",
            "a",
            "//",
            "//a",
            "/a//b",
            "/a/b//",
            "/./a",
            "/a/.",
            "/x/../a",
            "/a/..",
            "/%61",
            "/%2e%2e/a",
            "/x/%2E%2e/a",
            "/a%7E",
            "/a%2Fb",
            "/a%2fb",
            "/a%5Cb",
            "/a\\b",
            "/a%00",
            "/a%0A",
            "/a%7f",
            "/%",
            "/%4",
            "/%zz",
            "/%2561",
            "/a;b=c",
            "/a%3Bb",
            "/a/b;",
            "/..;/a",
            "/a/..;x/b",
            "/a/.;x",
            "/a/..%3Bx/b",
            "/a/..%20/b",
            "/a b",
            "/é",
            "/ａ",
            "/a\0",
            "/a?b",
            "/a#b",
            "/a*",
            "/a|b",
            "/a{b}",
            "/a^b",
            "/a`b",
            "/a\"b",
            "/<a>",
            "/%c0%ae%c0%ae/a",
            "/a%C0%AFb",
            "/a%e0%80%afb",
            "/%ff",
            "/%c3",
            "/%c3/%a9",
        ] {
            assert_eq!(canonical(path), None, "{path:?}");
        }
        assert_eq!(canonical(&format!("/{}", "a".repeat(400))), None);
    }

    #[test]
    fn a_base_path_ends_at_a_segment() {
        let path = |text| CanonicalPath::parse(text).unwrap();
        assert!(path("/orders").is_within("/orders") && path("/orders/").is_within("/orders") && path("/orders/1").is_within("/orders"));
        assert!(!path("/ordersX").is_within("/orders") && !path("/").is_within("/orders"));
        assert!(path("/").is_within("/") && path("/a").is_within("/"));
    }

    #[test]
    fn patterns_are_read_strictly() {
        // 5.1 rule 2
        let read = |text: &str| PathPattern::parse(text).map(|pattern| (pattern.segments.len(), pattern.literals(), pattern.takes_rest));
        for (text, expected) in [
            ("/", (0, 0, false)),
            ("/*", (0, 0, true)),
            ("/a", (1, 1, false)),
            ("/a/*", (1, 1, true)),
            ("/a/{id}/b", (3, 2, false)),
            ("/a/:id", (2, 1, false)),
            ("/a:b/c@d", (2, 2, false)),
            ("/%C3%A9", (1, 1, false)),
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        for wrong in [
            "",
            "a",
            "*",
            "/a/",
            "//",
            "/a//b",
            "/a*",
            "/*/a",
            "/a/*/b",
            "/{}",
            "/{a b}",
            "/{a}b",
            "/a{b}",
            "/:",
            "/{proxy+}",
            "/..",
            "/.",
            "/a/../b",
            "/%61",
            "/a%2Fb",
            "/a?b",
            "/é",
            "/a%3Ab",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(read(&"/a".repeat(33)).is_err());
    }

    #[test]
    fn patterns_know_where_they_lie_and_what_they_share() {
        let pattern = |text| PathPattern::parse(text).unwrap();
        assert!(pattern("/a/b/{id}").is_within("/a") && pattern("/a").is_within("/a") && pattern("/a").is_within("/"));
        assert!(!pattern("/{x}/b").is_within("/a") && !pattern("/ab").is_within("/a") && !pattern("/*").is_within("/a"));
        for (one, two, expected) in [
            ("/a/{x}/c", "/a/b/{y}", true),
            ("/a/{x}/c", "/a/b/d", false),
            ("/a/*", "/a", true),
            ("/a/*", "/a/b/c", true),
            ("/a/*", "/b/*", false),
            ("/a", "/a/b", false),
            ("/{x}", "/a", true),
        ] {
            assert_eq!(pattern(one).overlaps(&pattern(two)), expected, "{one} {two}");
            assert_eq!(pattern(two).overlaps(&pattern(one)), expected, "{two} {one}");
        }
    }

    proptest! {
        #[test]
        fn canonical_paths_stay_as_they_are(path in "/[a-zA-Z0-9%./;:~_-]{0,30}") {
            if let Some(once) = canonical(&path) {
                prop_assert_eq!(canonical(&once), Some(once.clone()));
                prop_assert!(!once.contains("//") && !once.contains("/../") && !once.contains("/./"));
            }
        }
    }
}

//! Scopes and audiences (RFC 6749 §3.3, RFC 8707): what a client asked for, and the one Api and the values that it may have.
//!
//! A *full scope* is an Api's audience and one of its values with nothing between (`https://orders.example/read`). All or nothing:
//! a request that names one scope too many gets no token at all.

use super::api::{Api, Apis, is_absolute_uri};
use super::error::TokenError;

/// The longest `scope` of a token, in bytes. A token that says more, and what an administrator has it say of its user, would be longer than
/// any that is read.
pub const LONGEST_SCOPE: usize = 2_500;

/// Whether `text` is a `scope-token`.
pub fn is_scope_token(text: &str) -> bool {
    //= https://www.rfc-editor.org/rfc/rfc6749#section-3.3
    //# scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

/// What a request may have: values of one Api, in the order they were asked for, each once.
#[derive(Debug, PartialEq, Eq)]
pub struct GrantedScope<'a> {
    /// The Api, whose audience becomes the token's `aud`.
    pub api: &'a Api,
    /// The values, never empty.
    pub values: Vec<String>,
}

impl GrantedScope<'_> {
    /// The `scope` of the answer and of the token.
    pub fn scope(&self) -> String {
        self.values.join(" ")
    }
}

/// What a client is registered for: its full scopes, and those it gets when it asks for none.
#[derive(Debug, Clone, Copy)]
pub struct Allowed<'a> {
    /// Every full scope that the client may have.
    pub scopes: &'a [String],
    /// The full scopes of a request without `scope`; empty: all of them, if they belong to one Api.
    pub defaults: &'a [String],
}

impl Allowed<'_> {
    fn contains(&self, api: &Api, value: &str) -> bool {
        let is_it = |full: &String| full.strip_prefix(api.metadata.audience.as_str()) == Some(value);
        self.scopes.iter().any(is_it)
    }
}

/// Decides what a request for `scope` (and `resources`, RFC 8707) gets.
///
/// # Errors
/// `invalid_scope` or `invalid_target`, with a text that says what to ask for instead.
pub fn resolve<'a>(scope: Option<&str>, resources: &[&str], allowed: Allowed<'_>, apis: &'a Apis) -> Result<GrantedScope<'a>, TokenError> {
    let target = match resources {
        [] => None,
        [resource] => Some(target(resource, allowed, apis)?),
        // RFC 9700 §2.3: one audience per token.
        _ => return Err(TokenError::InvalidTarget("a token has one audience, name one resource".into())),
    };
    let granted = match scope {
        Some(scope) => requested(scope, target, allowed, apis),
        None => unrequested(target, allowed, apis),
    }?;
    if granted.scope().len() > LONGEST_SCOPE {
        return Err(TokenError::InvalidScope("the scope is too long for one token, ask for fewer values".into()));
    }
    Ok(granted)
}

fn target<'a>(resource: &str, allowed: Allowed<'_>, apis: &'a Apis) -> Result<&'a Api, TokenError> {
    //= https://www.rfc-editor.org/rfc/rfc8707#section-2
    //# Its value MUST be an absolute URI, as specified by Section 4.3 of [RFC3986]. The URI MUST NOT include a fragment component.
    if !is_absolute_uri(resource) {
        return Err(TokenError::InvalidTarget("resource must be an absolute URI without a fragment".into()));
    }
    let may_ask_for = |api: &&Api| allowed.scopes.iter().any(|full| api.value_of(full).is_some());
    apis.of_audience(resource).filter(may_ask_for).ok_or(TokenError::InvalidTarget("the resource is unknown or not allowed for this client".into()))
}

fn requested<'a>(scope: &str, target: Option<&'a Api>, allowed: Allowed<'_>, apis: &'a Apis) -> Result<GrantedScope<'a>, TokenError> {
    let mut granted: Option<GrantedScope<'a>> = None;
    let mut other_audience = false;
    for token in scope.split(' ').filter(|token| !token.is_empty()) {
        if !is_scope_token(token) {
            return Err(TokenError::InvalidScope("the scope has a character that RFC 6749 section 3.3 does not allow".into()));
        }
        let (api, value) = named(token, target, allowed, apis)?;
        if !allowed.contains(api, value) {
            return Err(TokenError::InvalidScope(format!("the scope {}{value} is not allowed for this client", api.metadata.audience).into()));
        }
        let so_far = granted.get_or_insert_with(|| GrantedScope { api, values: Vec::new() });
        if so_far.api.metadata.audience != api.metadata.audience || target.is_some_and(|target| target.metadata.audience != api.metadata.audience) {
            other_audience = true;
        } else if !so_far.values.iter().any(|earlier| earlier == value) {
            so_far.values.push(value.to_owned());
        }
    }
    if other_audience {
        return Err(TokenError::InvalidTarget("the scopes belong to more than one audience, ask for one token each".into()));
    }
    granted.ok_or(TokenError::InvalidScope("the scope is empty".into()))
}

/// The Api and value that one token of the request names: a full scope, or a bare value of the resource asked for.
fn named<'a, 't>(token: &'t str, target: Option<&'a Api>, allowed: Allowed<'_>, apis: &'a Apis) -> Result<(&'a Api, &'t str), TokenError> {
    if let Some(named) = apis.resolve(token) {
        return Ok(named);
    }
    match target {
        Some(api) if api.has_scope(token) => Ok((api, token)),
        None if apis.iter().any(|api| allowed.contains(api, token)) => {
            Err(TokenError::InvalidScope("the scope is a bare value, give the full scope (audience and value) or name the resource".into()))
        }
        _ => Err(unknown(token, allowed)),
    }
}

/// The refusal of an unknown scope, with the nearest of this client's own scopes where one is near (never another client's).
fn unknown(token: &str, allowed: Allowed<'_>) -> TokenError {
    let near = allowed.scopes.iter().find(|full| is_near(token, full));
    TokenError::InvalidScope(match near {
        Some(full) => format!("the scope is unknown, did you mean {full} ?").into(),
        None => "the scope is unknown".into(),
    })
}

/// Whether one deletion, insertion or replacement turns one text into the other.
fn is_near(left: &str, right: &str) -> bool {
    let (short, long) = if left.len() <= right.len() { (left.as_bytes(), right.as_bytes()) } else { (right.as_bytes(), left.as_bytes()) };
    let common = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let ends = |from_short: usize| short.get(from_short..) == long.get(common + 1..);
    long.len() - short.len() <= 1 && (ends(common) || ends(common + 1))
}

fn unrequested<'a>(target: Option<&'a Api>, allowed: Allowed<'_>, apis: &'a Apis) -> Result<GrantedScope<'a>, TokenError> {
    let of_target = |full: &&String| target.is_none_or(|api| api.value_of(full).is_some());
    let mut chosen: Vec<&String> = allowed.defaults.iter().filter(of_target).collect();
    if chosen.is_empty() {
        chosen = allowed.scopes.iter().filter(of_target).collect();
    }
    let mut granted: Option<GrantedScope<'a>> = None;
    for (api, value) in chosen.into_iter().filter_map(|full| apis.resolve(full)) {
        let so_far = granted.get_or_insert_with(|| GrantedScope { api, values: Vec::new() });
        if so_far.api.metadata.audience != api.metadata.audience {
            return Err(TokenError::InvalidScope("this client has scopes of several audiences, say which scope".into()));
        }
        so_far.values.push(value.to_owned());
    }
    granted.ok_or(TokenError::InvalidScope("this client has no scope to be given".into()))
}

#[cfg(test)]
mod tests {
    use super::super::api::fixture::api;
    use super::*;

    const ORDERS: &str = "https://orders.example/";
    const READ: &str = "https://orders.example/read";
    const WRITE: &str = "https://orders.example/write";
    const BILLING: &str = "https://billing.example/read";

    fn ask(scope: Option<&str>, resources: &[&str], scopes: &[&str], defaults: &[&str]) -> Result<(String, String), String> {
        let stored = vec![
            api("orders", ORDERS, &["read", "write", "admin"]),
            api("billing", "https://billing.example/", &["read"]),
            api("consumer", "urn:opc:resource:consumer:", &[":all"]),
        ];
        let apis = Apis::new(stored, 1);
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let (scopes, defaults) = (owned(scopes), owned(defaults));
        resolve(scope, resources, Allowed { scopes: &scopes, defaults: &defaults }, &apis)
            .map(|granted| (granted.api.metadata.audience.clone(), granted.scope()))
            .map_err(|error| format!("{}: {}", error.code(), error.description()))
    }

    fn all(scope: &str) -> Result<(String, String), String> {
        ask(Some(scope), &[], &[READ, WRITE, BILLING, "urn:opc:resource:consumer::all"], &[])
    }

    fn granted(scope: &str) -> Result<(String, String), String> {
        Ok((ORDERS.to_owned(), scope.to_owned()))
    }

    fn is(result: Result<(String, String), String>, code: &str) -> bool {
        result.is_err_and(|error| error.starts_with(&format!("{code}: ")))
    }

    #[test]
    fn full_scopes_and_bare_ones_of_a_named_resource() {
        // 5.2 #1 #2 #3 #4 #12, I-10, TE-16
        assert_eq!(all(READ), granted("read"));
        assert_eq!(all(&format!("{WRITE} {READ}  {READ}")), granted("write read"));
        assert_eq!(ask(Some("read"), &[ORDERS], &[READ], &[]), granted("read"));
        assert_eq!(ask(Some(READ), &[ORDERS], &[READ], &[]), granted("read"));
        assert_eq!(
            all("read"),
            Err("invalid_scope: the scope is a bare value, give the full scope (audience and value) or name the resource".to_owned())
        );
    }

    #[test]
    fn one_audience_per_token() {
        // 5.2 #5 #6
        assert!(is(ask(Some(BILLING), &[ORDERS], &[READ, BILLING], &[]), "invalid_target"));
        assert!(is(all(&format!("{READ} {BILLING}")), "invalid_target"));
        assert!(is(ask(Some(READ), &[ORDERS, "https://billing.example/"], &[READ, BILLING], &[]), "invalid_target"), "RI-03");
    }

    #[test]
    fn nothing_is_narrowed_silently() {
        // 5.2 #7 #8, I-08, TE-15
        let refused = Err("invalid_scope: the scope https://orders.example/admin is not allowed for this client".to_owned());
        assert_eq!(all("https://orders.example/admin"), refused);
        assert_eq!(all(&format!("{READ} https://orders.example/admin")), refused);
    }

    #[test]
    fn a_request_without_scope_gets_the_defaults() {
        // 5.2 #9, G-01
        assert_eq!(ask(None, &[], &[READ, WRITE, BILLING], &[WRITE]), granted("write"));
        assert_eq!(ask(None, &[], &[READ, WRITE], &[]), granted("read write"));
        assert_eq!(ask(None, &[ORDERS], &[READ, BILLING], &[BILLING]), granted("read"));
        assert!(is(ask(None, &[], &[READ, BILLING], &[]), "invalid_scope"));
        assert!(is(ask(None, &[], &[], &[]), "invalid_scope"));
    }

    #[test]
    fn a_near_miss_is_answered_with_the_clients_own_scope() {
        // 5.2 #10, T-08
        let answer = all("urn:opc:resource:consumer:all");
        assert_eq!(answer, Err("invalid_scope: the scope is unknown, did you mean urn:opc:resource:consumer::all ?".to_owned()));
        let of_another_client = ask(Some("urn:opc:resource:consumer:all"), &[], &[READ], &[]);
        assert_eq!(of_another_client, Err("invalid_scope: the scope is unknown".to_owned()));
    }

    #[test]
    fn the_grammar_is_that_of_the_rfc() {
        // 5.2 #11 #13 #16 #17, TE-14, TE-16
        for scope in
            ["a,b", "a+b", "a\"b", "a\\b", "é", "a\tb", "a\nb", "\u{7f}", " ", "openid", "urn:opc:idm:__myscopes__", "https://ORDERS.example/read"]
        {
            assert!(is(all(scope), "invalid_scope"), "{scope:?}");
        }
    }

    #[test]
    fn a_resource_is_an_absolute_uri_of_a_known_api_of_this_client() {
        // 5.2 #15, RI-02, I-22
        for resource in ["orders", "https://orders.example/#a", "https://orders.example", "https://orders.example.evil/", "https://billing.example/"]
        {
            assert!(is(ask(None, &[resource], &[READ], &[]), "invalid_target"), "{resource}");
        }
    }

    #[test]
    fn nearness_is_one_edit() {
        for (left, right, near) in [("ab", "abc", true), ("abc", "axc", true), ("abc", "abc", true), ("abc", "xyc", false), ("a", "abc", false)] {
            assert_eq!((is_near(left, right), is_near(right, left)), (near, near), "{left} {right}");
        }
    }
}

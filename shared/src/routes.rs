//! The one list of paths: what each deployed function serves. The templates and the local front are held to it.

/// A deployed function that serves HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// `functions/token`.
    Token,
    /// `functions/introspect`.
    Introspect,
    /// `functions/revoke`.
    Revoke,
    /// `functions/authorize`.
    Authorize,
    /// `functions/metadata`.
    Metadata,
    /// `functions/admin`.
    Admin,
}

impl Function {
    /// The name of its directory and of its binary.
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Introspect => "introspect",
            Self::Revoke => "revoke",
            Self::Authorize => "authorize",
            Self::Metadata => "metadata",
            Self::Admin => "admin",
        }
    }
}

/// Each path and the function that serves it; a path that ends in `/*` stands for everything below.
pub const ROUTES: [(&str, Function); 10] = [
    ("/oauth2/token", Function::Token),
    ("/oauth2/authorize", Function::Authorize),
    ("/oauth2/authorize/sign-out", Function::Authorize),
    ("/oauth2/introspect", Function::Introspect),
    ("/oauth2/tokeninfo", Function::Introspect),
    ("/oauth2/diagnose", Function::Introspect),
    ("/oauth2/revoke", Function::Revoke),
    ("/.well-known/*", Function::Metadata),
    ("/healthz", Function::Metadata),
    ("/admin/*", Function::Admin),
];

/// The function that serves a path under the issuer.
pub fn function_of(path: &str) -> Option<Function> {
    let serves = |route: &str| match route.strip_suffix('*') {
        Some(below) => path.starts_with(below),
        None => path == route,
    };
    ROUTES.iter().find(|(route, _)| serves(route)).map(|(_, function)| *function)
}

/// Whether a path belongs to the authorization server rather than to an API behind the gateway.
pub fn is_ours(path: &str) -> bool {
    ["/oauth2", "/admin", "/.well-known", "/healthz"]
        .iter()
        .any(|own| path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

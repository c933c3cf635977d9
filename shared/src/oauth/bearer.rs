//! Bearer token use (RFC 6750): reading the `Authorization` header, and the challenge that answers a call without a good token.

/// The realm of every challenge.
pub const REALM: &str = "gatewright";

/// What the `Authorization` headers of a call hold.
#[derive(Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    /// No header.
    Nothing,
    /// A bearer token; nothing of it is proven.
    Bearer(&'a str),
    /// Something that is no bearer token: another scheme, another spelling, two headers.
    Unusable,
}

/// Reads the `Authorization` headers.
pub fn presented<'a>(authorization: &[&'a [u8]]) -> Presented<'a> {
    let header = match authorization {
        [] => return Presented::Nothing,
        [header] => header,
        _ => return Presented::Unusable,
    };
    //= https://www.rfc-editor.org/rfc/rfc6750#section-2.1
    //# credentials = "Bearer" 1*SP b64token
    let token = std::str::from_utf8(header).ok().and_then(|text| text.split_once(' ')).and_then(|(scheme, rest)| {
        let token = rest.trim_start_matches(' ');
        (scheme.eq_ignore_ascii_case("Bearer") && is_b64token(token)).then_some(token)
    });
    token.map_or(Presented::Unusable, Presented::Bearer)
}

fn is_b64token(text: &str) -> bool {
    //= https://www.rfc-editor.org/rfc/rfc6750#section-2.1
    //# b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
    let value = text.trim_end_matches('=');
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

/// What a challenge says (RFC 6750 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge<'a> {
    /// No credentials were sent; no error is named.
    MissingToken,
    /// The token is not good; which way it is not stays here.
    InvalidToken,
    /// The token is good and does not reach; `scope` says what would, if scopes are what is missing.
    InsufficientScope {
        /// The scopes that are asked for, separated by spaces.
        scope: Option<&'a str>,
    },
}

impl Challenge<'_> {
    /// The error code (RFC 6750 §3.1); empty where none is named.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingToken => "",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope { .. } => "insufficient_scope",
        }
    }

    /// The value of `WWW-Authenticate`; `resource_metadata` is the protected resource's document (RFC 9728 §5.1).
    pub fn header(&self, resource_metadata: Option<&str>) -> String {
        let mut header = format!("Bearer realm=\"{REALM}\"");
        //= https://www.rfc-editor.org/rfc/rfc6750#section-3.1
        //# If the request lacks any authentication information [...], the resource server SHOULD NOT include an error code
        match self {
            Self::MissingToken => {}
            Self::InvalidToken => header.push_str(", error=\"invalid_token\""),
            Self::InsufficientScope { scope } => {
                header.push_str(", error=\"insufficient_scope\"");
                if let Some(scope) = scope {
                    header.push_str(&format!(", scope=\"{scope}\""));
                }
            }
        }
        if let Some(url) = resource_metadata {
            header.push_str(&format!(", resource_metadata=\"{url}\""));
        }
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_and_any_case_of_the_scheme() {
        // BE-01, I-18, M-18. Pinned: two spaces are the grammar's 1*SP.
        //= https://www.rfc-editor.org/rfc/rfc6750#section-2.1
        //= type=test
        //# Authorization: Bearer mF_9.B5f-4.1JqM
        for header in ["Bearer mF_9.B5f-4.1JqM", "bearer mF_9.B5f-4.1JqM", "BEARER mF_9.B5f-4.1JqM", "Bearer  mF_9.B5f-4.1JqM"] {
            assert_eq!(presented(&[header.as_bytes()]), Presented::Bearer("mF_9.B5f-4.1JqM"), "{header}");
        }
        assert_eq!(presented(&[]), Presented::Nothing);
    }

    #[test]
    fn anything_else_is_unusable() {
        // BE-02, BE-08, AU-10, AU-26, A-04, A-10, T-20
        for header in [
            "Bearer",
            "Bearer ",
            "Bearer\ta",
            "Bearera",
            "Bearer: a",
            "Bearer a b",
            "Bearer a,b",
            "Bearer \"a\"",
            "Bearer a, Bearer b",
            "Basic YTpi",
            "Token a",
            "a",
            "",
            "Bearer =",
            "Bearer a=b",
            " Bearer a",
            "Bearer a ",
            "Bearer é",
        ] {
            assert_eq!(presented(&[header.as_bytes()]), Presented::Unusable, "{header:?}");
        }
        assert_eq!(presented(&[b"Bearer \xff"]), Presented::Unusable);
        assert_eq!(presented(&[b"Bearer a", b"Bearer b"]), Presented::Unusable);
    }

    #[test]
    fn challenges() {
        // BE-05, BE-06, BE-07, BE-09, MD-19
        assert_eq!(Challenge::MissingToken.header(None), r#"Bearer realm="gatewright""#);
        assert_eq!(Challenge::InvalidToken.header(None), r#"Bearer realm="gatewright", error="invalid_token""#);
        let insufficient = Challenge::InsufficientScope { scope: Some("read write") };
        assert_eq!(
            insufficient.header(Some("https://as.example/m")),
            r#"Bearer realm="gatewright", error="insufficient_scope", scope="read write", resource_metadata="https://as.example/m""#
        );
    }
}

//! The pages that a person sees: rendered here, without scripts, and with nothing loaded from elsewhere but the logo.

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_FRAME_OPTIONS};
use http::{Method, StatusCode};

use super::super::respond::{self, Response};
use crate::oauth::fresh::Fresh;

/// How the pages look (`GATEWRIGHT_BRAND_NAME`, `GATEWRIGHT_BRAND_LOGO_URL`, `GATEWRIGHT_BRAND_COLOR`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand {
    /// Whose pages they are.
    pub name: String,
    /// An https URL of a logo.
    pub logo_url: Option<String>,
    /// `#rrggbb`.
    pub color: String,
}

impl Default for Brand {
    fn default() -> Self {
        Self { name: "Gatewright".to_owned(), logo_url: None, color: "#1f5fbf".to_owned() }
    }
}

impl Brand {
    /// Whether black reads better on the colour than white (WCAG 2.2, relative luminance). The better of the two has a contrast of 4.58
    /// at least, whatever the colour.
    pub fn wants_black_text(&self) -> bool {
        let part = |at: usize| {
            let byte = self.color.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or_default();
            let part = f64::from(byte) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5) > 0.1791
    }
}

/// Asks for username and password.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(super) struct SignInPage<'a> {
    pub brand: &'a Brand,
    pub nonce: &'a str,
    pub action: &'a str,
    pub client_name: &'a str,
    pub request: &'a str,
    pub proof: &'a str,
    pub username: &'a str,
    pub alert: Option<&'a str>,
}

/// Asks whether the client may have what it asks for.
#[derive(Template)]
#[template(path = "consent.html")]
pub(super) struct ConsentPage<'a> {
    pub brand: &'a Brand,
    pub nonce: &'a str,
    pub action: &'a str,
    pub client_name: &'a str,
    pub redirect_origin: &'a str,
    pub request: &'a str,
    pub proof: &'a str,
    pub username: &'a str,
    pub scopes: Vec<AskedScope<'a>>,
}

/// One line of it.
pub(super) struct AskedScope<'a> {
    pub value: &'a str,
    pub title: &'a str,
    pub full: String,
}

/// Asks whether the session is to end, or says that there is none.
#[derive(Template)]
#[template(path = "sign_out.html")]
pub(super) struct SignOutPage<'a> {
    pub brand: &'a Brand,
    pub nonce: &'a str,
    pub action: &'a str,
    /// The username, and the proof of the form.
    pub signed_in: Option<&'a (String, String)>,
}

/// Says what went wrong, to a person who is sent nowhere.
#[derive(Template)]
#[template(path = "fault.html")]
pub(super) struct FaultPage<'a> {
    pub brand: &'a Brand,
    pub nonce: &'a str,
    pub title: &'a str,
    pub text: &'a str,
    pub advice: &'a str,
}

/// A value that lets this page's own style through its policy.
pub(super) fn nonce(fresh: &Fresh) -> String {
    STANDARD_NO_PAD.encode(fresh.bits("style nonce"))
}

/// A page as an answer; `form_target` is where its form may end, beside this server.
pub(super) fn page(status: StatusCode, template: &impl Template, nonce: &str, brand: &Brand, form_target: Option<&str>) -> Response {
    let Ok(html) = template.render() else { return respond::unavailable() };
    let mut response = respond::typed(status, "text/html; charset=utf-8", html.into_bytes());
    let images = brand.logo_url.as_deref().and_then(origin).unwrap_or("'none'");
    // A browser holds the redirect that answers a form to the form's policy as well.
    let target = form_target.map(|target| format!(" {}", source(target))).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; img-src {images}; form-action 'self'{target}; base-uri 'none'; frame-ancestors 'none'"
    );
    respond::set(&mut response, CONTENT_SECURITY_POLICY, &policy);
    secured(response)
}

/// The answer with the headers that every answer to a browser has.
pub(super) fn secured(mut response: Response) -> Response {
    //= https://www.rfc-editor.org/rfc/rfc9700#section-4.16
    //# authorization servers SHOULD use Content Security Policy [...] and frame busting or X-Frame-Options
    for (name, value) in [
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A redirect after which nothing is posted again (RFC 9700 §4.12).
pub(super) fn see_other(location: &str) -> Response {
    let mut response = respond::empty(StatusCode::SEE_OTHER);
    respond::set(&mut response, http::header::LOCATION, location);
    secured(response)
}

/// The same page without its body.
pub(super) fn without_body(method: &Method, mut response: Response) -> Response {
    if method == Method::HEAD {
        *response.body_mut() = bytes::Bytes::new();
        response.headers_mut().remove(CONTENT_TYPE);
    }
    response
}

/// Text for people without characters that turn its direction about (AZ-20).
pub(super) fn plain(text: &str) -> String {
    let turns = |character: char| matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|character| !turns(*character)).collect()
}

/// An origin as a policy can name it: there a host is a name or an address of IPv4 (CSP §2.3.1), everything else is named by its scheme.
fn source(origin: &str) -> &str {
    let (scheme, host) = origin.split_once(':').unwrap_or((origin, ""));
    let is_named = matches!(scheme, "https" | "http") && !host.contains('[');
    if is_named { origin } else { origin.get(..=scheme.len()).unwrap_or(origin) }
}

fn origin(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://")?;
    url.get(.."https://".len() + rest.find('/').unwrap_or(rest.len()))
}

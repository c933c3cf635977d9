//! What a browser brings along: its cookies, and the request that the page in it carries.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::super::request::Request;
use crate::oauth::grant::GrantId;
use crate::oauth::sign_in::Cookie;
use crate::oauth::time::Timestamp;

/// A request on its way through the pages.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Pending {
    /// Names it, and the grant that it may become.
    pub id: GrantId,
    /// When its page was made.
    pub at: Timestamp,
    /// Its parameters, as they came.
    pub parameters: Vec<(String, String)>,
}

/// The cookies of a browser.
pub(super) struct Browser {
    pub browser: Option<Cookie>,
    pub session: Option<Cookie>,
}

pub(super) fn cookie_name(name: &str, is_secure: bool) -> String {
    format!("{}gatewright_{name}", if is_secure { "__Host-" } else { "" })
}

impl Pending {
    /// The request for a page made at `now`.
    pub(super) fn sealed(&self, now: Timestamp) -> String {
        let shown = Self { id: self.id.clone(), at: now, parameters: self.parameters.clone() };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&shown).unwrap_or_default())
    }

    pub(super) fn open(sealed: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(sealed).ok()?).ok()
    }
}

impl Browser {
    pub(super) fn of(request: &Request, is_secure: bool) -> Self {
        let cookie = |name: &str| {
            let name = cookie_name(name, is_secure);
            let headers = request.headers.get_all(http::header::COOKIE).iter().filter_map(|value| value.to_str().ok());
            let mut pairs = headers.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
            pairs.find(|(own, _)| *own == name).and_then(|(_, value)| Cookie::parse(value))
        };
        Self { browser: cookie("browser"), session: cookie("session") }
    }

    /// Whether a page with this content was made for this browser: for its session, or before it had one.
    pub(super) fn proof_is_right(&self, content: &str, proof: &str) -> bool {
        [&self.browser, &self.session].into_iter().flatten().any(|cookie| cookie.signed(content, proof))
    }
}

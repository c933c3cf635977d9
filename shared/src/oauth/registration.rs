//! What an administrator may say of a client (RFC 7591 §2 names), and what is wrong with it.

use super::api::{ADMIN_AUDIENCE, Apis, LONGEST_TOKEN_LIFE};
use super::client::{ClientMetadata, ClientType, GrantType, TokenEndpointAuthMethod};
use super::invalid::{Invalid, repeated};
use super::origin::Origin;
use super::privilege::MOST_ROLES;
use super::scope::is_scope_token;

/// The longest life of a refresh token, in seconds: a year.
const LONGEST_REFRESH_LIFE: u64 = 31_536_000;

impl ClientMetadata {
    /// Finds what is wrong, given the Apis that its scopes must belong to.
    ///
    /// # Errors
    /// Every fault, each with a JSON pointer to its field.
    pub fn checked(mut self, apis: &Apis) -> Result<Self, Vec<Invalid>> {
        self.token_endpoint_auth_method = Some(self.auth_method());
        let mut faults = Vec::new();
        self.find_text_faults(&mut faults);
        self.find_grant_faults(&mut faults);
        self.find_scope_faults(apis, &mut faults);
        self.find_redirect_faults(&mut faults);
        self.find_origin_faults(&mut faults);
        let out_of = |life: Option<u64>, longest: u64| life.is_some_and(|seconds| !(1..=longest).contains(&seconds));
        if out_of(self.access_token_ttl, LONGEST_TOKEN_LIFE) {
            faults.push(Invalid::new("/access_token_ttl", "must be null or 1 to 86400 seconds"));
        }
        if out_of(self.refresh_token_ttl, LONGEST_REFRESH_LIFE) {
            faults.push(Invalid::new("/refresh_token_ttl", "must be null or 1 to 31536000 seconds"));
        }
        if faults.is_empty() { Ok(self) } else { Err(faults) }
    }

    fn find_text_faults(&self, faults: &mut Vec<Invalid>) {
        let is_plain = |text: &str, longest: usize| text.chars().count() <= longest && !text.chars().any(char::is_control);
        if self.client_name.trim().is_empty() || !is_plain(&self.client_name, 100) {
            faults.push(Invalid::new("/client_name", "must be 1 to 100 characters without control characters"));
        }
        if !is_plain(&self.description, 500) {
            faults.push(Invalid::new("/description", "must be at most 500 characters without control characters"));
        }
        if !is_plain(&self.owner, 100) {
            faults.push(Invalid::new("/owner", "must be at most 100 characters without control characters"));
        }
        if self.contacts.len() > 10 || !self.contacts.iter().all(|contact| is_plain(contact, 254) && contact.contains('@')) {
            faults.push(Invalid::new("/contacts", "must be at most 10 e-mail addresses"));
        }
        let is_api_key = |key: &str| (20..=128).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        if self.usage_identifier_key.as_deref().is_some_and(|key| !is_api_key(key)) {
            faults.push(Invalid::new("/usage_identifier_key", "must be null or the value of an API key, 20 to 128 characters"));
        }
        if repeated(&self.roles) {
            faults.push(Invalid::new("/roles", "names a role twice"));
        }
        for (pointer, count, most) in [("/roles", self.roles.len(), MOST_ROLES), ("/tags", self.tags.len(), 50)] {
            if count > most {
                faults.push(Invalid::new(pointer, format!("must be at most {most}")));
            }
        }
    }

    fn find_grant_faults(&self, faults: &mut Vec<Invalid>) {
        let is_public = self.client_type == ClientType::Public;
        if self.grant_types.is_empty() {
            faults.push(Invalid::new("/grant_types", "must name at least one grant type"));
        }
        for (at, grant_type) in self.grant_types.iter().enumerate() {
            //= https://www.rfc-editor.org/rfc/rfc6749#section-4.4
            //# The client credentials grant type MUST only be used by confidential clients.
            if is_public && matches!(grant_type, GrantType::ClientCredentials | GrantType::Password) {
                faults.push(Invalid::new(format!("/grant_types/{at}"), format!("a public client cannot use {}", grant_type.as_str())));
            }
            if self.grant_types.iter().take(at).any(|earlier| earlier == grant_type) {
                faults.push(Invalid::new(format!("/grant_types/{at}"), "stands in the list twice"));
            }
        }
        if is_public != (self.auth_method() == TokenEndpointAuthMethod::None) {
            faults.push(Invalid::new("/token_endpoint_auth_method", "must be none for a public client, and only for one"));
        }
        if is_public && self.introspect {
            faults.push(Invalid::new("/introspect", "a public client cannot authenticate, so it cannot introspect"));
        }
    }

    fn find_scope_faults(&self, apis: &Apis, faults: &mut Vec<Invalid>) {
        if self.scopes.len() > 100 {
            faults.push(Invalid::new("/scopes", "must be at most 100"));
        }
        // Whoever gives users passwords and groups would otherwise have every admin scope of such a client.
        let is_for_users = [GrantType::AuthorizationCode, GrantType::Password].iter().any(|grant_type| self.grant_types.contains(grant_type));
        for (at, full) in self.scopes.iter().enumerate() {
            match apis.resolve(full) {
                None => faults.push(Invalid::new(format!("/scopes/{at}"), "is no full scope (audience and value) of any api")),
                Some((api, _)) if is_for_users && api.metadata.audience == ADMIN_AUDIENCE => {
                    let detail =
                        "is an admin scope, which is for clients that act for themselves: make another client with client_credentials for it";
                    faults.push(Invalid::new(format!("/scopes/{at}"), detail));
                }
                Some(_) => {}
            }
            if self.scopes.iter().take(at).any(|earlier| earlier == full) {
                faults.push(Invalid::new(format!("/scopes/{at}"), "stands in the list twice"));
            }
        }
        for (at, full) in self.default_scopes.iter().enumerate() {
            if !self.scopes.contains(full) {
                faults.push(Invalid::new(format!("/default_scopes/{at}"), "is not among the client's scopes"));
            }
        }
        let mut audiences = self.default_scopes.iter().filter_map(|full| apis.resolve(full)).map(|(api, _)| &api.metadata.audience);
        if let Some(first) = audiences.next()
            && audiences.any(|other| other != first)
        {
            faults.push(Invalid::new("/default_scopes", "must belong to one api, because a token has one audience"));
        }
    }

    fn find_redirect_faults(&self, faults: &mut Vec<Invalid>) {
        if self.grant_types.contains(&GrantType::AuthorizationCode) && self.redirect_uris.is_empty() {
            faults.push(Invalid::new("/redirect_uris", "must name at least one, because the client uses authorization_code"));
        }
        if self.redirect_uris.len() > 20 {
            faults.push(Invalid::new("/redirect_uris", "must be at most 20"));
        }
        for (at, uri) in self.redirect_uris.iter().enumerate() {
            if !is_redirect_uri(uri) {
                let detail = "must be https, http on 127.0.0.1 or [::1], or a private-use scheme with a dot, without fragment or wildcard";
                faults.push(Invalid::new(format!("/redirect_uris/{at}"), detail));
            }
        }
    }

    fn find_origin_faults(&self, faults: &mut Vec<Invalid>) {
        // O-18: whoever has a secret keeps it on a server, and a server needs no leave to read.
        if self.client_type == ClientType::Confidential && !self.allowed_origins.is_empty() {
            faults.push(Invalid::new("/allowed_origins", "must be empty for a confidential client, because a page cannot keep its secret"));
        }
        if self.allowed_origins.len() > 10 {
            faults.push(Invalid::new("/allowed_origins", "must be at most 10"));
        }
        for (at, origin) in self.allowed_origins.iter().enumerate() {
            if Origin::parse(origin).is_none() {
                let detail = "must be an origin as browsers send it: https, or http on 127.0.0.1 or [::1], a lower-case host, a port if it is not \
                              the scheme's own, and nothing behind it";
                faults.push(Invalid::new(format!("/allowed_origins/{at}"), detail));
            }
            if self.allowed_origins.iter().take(at).any(|earlier| earlier == origin) {
                faults.push(Invalid::new(format!("/allowed_origins/{at}"), "stands in the list twice"));
            }
        }
    }
}

fn is_redirect_uri(uri: &str) -> bool {
    //= https://www.rfc-editor.org/rfc/rfc6749#section-3.1.2
    //# The endpoint URI MUST NOT include a fragment component.
    if !is_scope_token(uri) || uri.len() > 2_000 || uri.contains(['#', '*', '<', '>', '`', '{', '}', '|', '^']) {
        return false;
    }
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    // AZ-15: what the answer says is said by the server alone.
    if uri.split_once('?').is_some_and(|(_, query)| query.split('&').any(is_of_the_answer)) {
        return false;
    }
    let authority = rest.strip_prefix("//").map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    match (scheme, authority) {
        ("https", Some(authority)) => {
            !authority.is_empty() && authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
        }
        ("http", Some(authority)) => {
            let host = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
            matches!(host.map_or(authority, |(host, _)| host), "127.0.0.1" | "[::1]")
        }
        // RFC 8252 §7.1: a private-use scheme is a reversed domain name.
        (private, _) => private.contains('.') && private.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte)),
    }
}

/// Whether a pair of a query has the name of a parameter of the answer, or might have it once it is decoded.
fn is_of_the_answer(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    name.contains('%') || ["code", "state", "iss", "error", "error_description", "error_uri", "response"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::super::api::fixture::api;
    use super::*;

    fn faults(changes: serde_json::Value) -> Vec<String> {
        let apis = Apis::new(vec![api("orders", "https://orders.example/", &["read"]), api("billing", "https://billing.example/", &["read"])], 1);
        let mut json = serde_json::json!({"client_name": "a", "grant_types": ["client_credentials"]});
        json.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let metadata: ClientMetadata = serde_json::from_value(json).unwrap();
        metadata.checked(&apis).err().unwrap_or_default().into_iter().map(|fault| fault.pointer.into_owned()).collect()
    }

    #[test]
    fn a_plain_client_is_right() {
        assert_eq!(
            faults(serde_json::json!({"scopes": ["https://orders.example/read"], "default_scopes": ["https://orders.example/read"]})),
            [""; 0]
        );
    }

    #[test]
    fn a_public_client_has_no_secret_and_no_client_credentials() {
        // I-03, O-18
        let public = serde_json::json!({"client_type": "public", "token_endpoint_auth_method": "client_secret_basic", "introspect": true});
        assert_eq!(faults(public), ["/grant_types/0", "/token_endpoint_auth_method", "/introspect"]);
        assert_eq!(faults(serde_json::json!({"token_endpoint_auth_method": "none"})), ["/token_endpoint_auth_method"]);
    }

    #[test]
    fn scopes_must_exist_and_defaults_must_be_allowed_and_of_one_api() {
        let scopes = serde_json::json!({"scopes": ["https://orders.example/read", "https://orders.example/write", "https://billing.example/read"],
            "default_scopes": ["https://orders.example/read", "https://billing.example/read", "x"]});
        assert_eq!(faults(scopes), ["/scopes/1", "/default_scopes/2", "/default_scopes"]);
    }

    #[test]
    fn admin_scopes_are_for_clients_that_act_for_themselves() {
        let with = |grant_types: serde_json::Value| {
            faults(serde_json::json!({"grant_types": grant_types, "redirect_uris": ["https://app.example/cb"],
                "scopes": ["https://orders.example/read", "urn:gatewright:admin:clients.read", "urn:gatewright:admin:keys.write"]}))
        };
        assert_eq!(with(serde_json::json!(["client_credentials"])), [""; 0]);
        for people in ["authorization_code", "password"] {
            assert_eq!(with(serde_json::json!(["client_credentials", people])), ["/scopes/1", "/scopes/2"], "{people}");
        }
    }

    #[test]
    fn redirect_uris_are_exact_places() {
        // AZ-07, AZ-09
        for good in ["https://app.example/cb?a=1", "http://127.0.0.1:5000/cb", "http://[::1]/cb", "com.example.app:/cb"] {
            assert!(is_redirect_uri(good), "{good}");
        }
        for bad in [
            "https://",
            "https:///x",
            "https://u@app.example/",
            "https://app.example;x/",
            "https://app.example/?code=x",
            "https://app.example/?a=1&st%61te=x",
            "https://*.example/",
            "https://a/#f",
            "http://app.example/",
            "http://localhost/cb",
            "http://127.0.0.1.evil/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///x",
            "/cb",
            "",
        ] {
            assert!(!is_redirect_uri(bad), "{bad}");
        }
        assert_eq!(faults(serde_json::json!({"grant_types": ["authorization_code"]})), ["/redirect_uris"]);
    }

    #[test]
    fn origins_are_exact_few_and_a_public_clients() {
        // O-18, O-23
        let public = |origins: serde_json::Value| {
            faults(serde_json::json!({"client_type": "public", "grant_types": ["refresh_token"], "allowed_origins": origins}))
        };
        let ten: Vec<String> = (1..=10).map(|port| format!("https://app.example:{port}")).collect();
        assert_eq!(public(serde_json::json!(ten)), [""; 0]);
        let eleven: Vec<String> = (1..=11).map(|port| format!("https://app.example:{port}")).collect();
        assert_eq!(public(serde_json::json!(eleven)), ["/allowed_origins"]);
        let wrong = serde_json::json!(["https://app.example", "https://app.example/", "null", "https://app.example", "http://localhost:3000"]);
        assert_eq!(public(wrong), ["/allowed_origins/1", "/allowed_origins/2", "/allowed_origins/3", "/allowed_origins/4"]);
        assert_eq!(faults(serde_json::json!({"allowed_origins": ["https://app.example"]})), ["/allowed_origins"]);
    }

    #[test]
    fn implicit_is_refused_by_name() {
        // O-09, T-02
        let refused = GrantType::try_from("implicit".to_owned()).unwrap_err();
        assert!(refused.contains("disabled on this server"));
    }
}

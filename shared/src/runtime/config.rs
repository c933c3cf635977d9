//! The configuration: read from the environment once, into the types of the rules. A bad value stops the start.

use std::fmt;

use crate::endpoints::authorize::Brand;
use crate::endpoints::authorizer::ResponseFormat;
use crate::oauth::ids::Issuer;

/// What the functions are configured with.
#[derive(Debug, Clone)]
pub struct Config {
    /// `GATEWRIGHT_ISSUER`: who issues the tokens.
    pub issuer: Issuer,
    /// `GATEWRIGHT_TABLE`: the table's name.
    pub table: String,
    /// `GATEWRIGHT_KMS_KEY_ID`: what seals the private keys.
    pub kms_key_id: Option<String>,
    /// `GATEWRIGHT_PASSWORD_GRANT`: the server's switch of the password grant.
    pub password_grant: bool,
    /// `GATEWRIGHT_TOKENINFO`: whether tokeninfo is offered.
    pub tokeninfo: bool,
    /// `GATEWRIGHT_ADMIN_API`: whether the admin API exists.
    pub admin_api: bool,
    /// `GATEWRIGHT_FEED_SECONDS`: how old an authorizer's view may be.
    pub feed_seconds: u64,
    /// `GATEWRIGHT_AUTHORIZER_RESPONSE`: what the authorizer answers to HTTP APIs.
    pub authorizer_response: ResponseFormat,
    /// `GATEWRIGHT_LOG`: what is logged.
    pub log: log::LevelFilter,
    /// `GATEWRIGHT_BRAND_NAME`, `GATEWRIGHT_BRAND_LOGO_URL`, `GATEWRIGHT_BRAND_COLOR`: how the pages look.
    pub brand: Brand,
}

/// A variable that stops the start.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    variable: &'static str,
    fault: String,
}

impl ConfigError {
    /// `variable` has this fault: the end of a sentence that begins with its name.
    pub fn new(variable: &'static str, fault: impl Into<String>) -> Self {
        Self { variable, fault: fault.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.variable, self.fault)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the variables through `get`; an empty one counts as unset.
    ///
    /// # Errors
    /// The first variable that is missing or wrong.
    pub fn from_environment(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let issuer = get("GATEWRIGHT_ISSUER").ok_or_else(|| ConfigError::new("GATEWRIGHT_ISSUER", "must be set to the issuer's URL"))?;
        let table = get("GATEWRIGHT_TABLE").unwrap_or_else(|| "gatewright".to_owned());
        if !(3..=255).contains(&table.len()) || !table.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            return Err(ConfigError::new("GATEWRIGHT_TABLE", "must be 3 to 255 of the characters A-Z a-z 0-9 - _ ."));
        }
        Ok(Self {
            issuer: Issuer::parse(&issuer).map_err(|fault| ConfigError::new("GATEWRIGHT_ISSUER", fault))?,
            table,
            kms_key_id: get("GATEWRIGHT_KMS_KEY_ID"),
            password_grant: switch("GATEWRIGHT_PASSWORD_GRANT", get("GATEWRIGHT_PASSWORD_GRANT"), false)?,
            tokeninfo: switch("GATEWRIGHT_TOKENINFO", get("GATEWRIGHT_TOKENINFO"), false)?,
            admin_api: switch("GATEWRIGHT_ADMIN_API", get("GATEWRIGHT_ADMIN_API"), true)?,
            feed_seconds: feed_seconds(get("GATEWRIGHT_FEED_SECONDS"))?,
            authorizer_response: match get("GATEWRIGHT_AUTHORIZER_RESPONSE").as_deref() {
                None | Some("policy") => ResponseFormat::Policy,
                Some("simple") => ResponseFormat::Simple,
                Some(_) => return Err(ConfigError::new("GATEWRIGHT_AUTHORIZER_RESPONSE", "must be policy or simple")),
            },
            log: match get("GATEWRIGHT_LOG") {
                None => log::LevelFilter::Info,
                Some(level) => level.parse().map_err(|_| ConfigError::new("GATEWRIGHT_LOG", "must be off, error, warn, info, debug or trace"))?,
            },
            brand: brand(&get)?,
        })
    }
}

fn brand(get: &dyn Fn(&str) -> Option<String>) -> Result<Brand, ConfigError> {
    let default = Brand::default();
    let name = get("GATEWRIGHT_BRAND_NAME").unwrap_or(default.name);
    if name.chars().count() > 60 || name.chars().any(char::is_control) {
        return Err(ConfigError::new("GATEWRIGHT_BRAND_NAME", "must be at most 60 characters without control characters"));
    }
    let logo_url = get("GATEWRIGHT_BRAND_LOGO_URL");
    let is_plain = |url: &String| url.starts_with("https://") && url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>;,".contains(&byte));
    if !logo_url.as_ref().is_none_or(is_plain) {
        return Err(ConfigError::new("GATEWRIGHT_BRAND_LOGO_URL", "must be an https URL"));
    }
    let color = get("GATEWRIGHT_BRAND_COLOR").unwrap_or(default.color);
    let is_color = color.strip_prefix('#').is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if is_color { Ok(Brand { name, logo_url, color }) } else { Err(ConfigError::new("GATEWRIGHT_BRAND_COLOR", "must be #rrggbb")) }
}

fn switch(variable: &'static str, value: Option<String>, default: bool) -> Result<bool, ConfigError> {
    match value.as_deref() {
        None => Ok(default),
        Some("on") => Ok(true),
        Some("off") => Ok(false),
        Some(_) => Err(ConfigError::new(variable, "must be on or off")),
    }
}

fn feed_seconds(value: Option<String>) -> Result<u64, ConfigError> {
    match value.map(|value| value.parse::<u64>()) {
        None => Ok(5),
        Some(Ok(seconds)) if (1..=300).contains(&seconds) => Ok(seconds),
        Some(_) => Err(ConfigError::new("GATEWRIGHT_FEED_SECONDS", "must be 1 to 300")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
        let get = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Config::from_environment(&get).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_the_contracts() {
        let config = read(&[("GATEWRIGHT_ISSUER", "https://as.example")]).unwrap();
        assert_eq!(
            (config.table.as_str(), config.feed_seconds, config.tokeninfo, config.admin_api, config.password_grant),
            ("gatewright", 5, false, true, false)
        );
        assert_eq!((config.authorizer_response, config.log), (ResponseFormat::Policy, log::LevelFilter::Info));
    }

    #[test]
    fn text_on_the_brand_colour_can_be_read() {
        // The contrast of the text that is not chosen: 1.20 on #ffee00, 3.45 on ours; of #757575 and #767676 one takes black, one white.
        let wants_black_text = |color: &str| {
            let config = read(&[("GATEWRIGHT_ISSUER", "https://as.example"), ("GATEWRIGHT_BRAND_COLOR", color)]).unwrap();
            config.brand.wants_black_text()
        };
        assert!(["#ffee00", "#FFFFFF", "#ff6600", "#767676"].into_iter().all(wants_black_text));
        assert!(!["#1f5fbf", "#000000", "#0000ff", "#757575"].into_iter().any(wants_black_text));
        assert!(!Brand::default().wants_black_text());
    }

    #[test]
    fn a_bad_value_stops_the_start_with_a_sentence_that_names_the_variable() {
        // HT-30
        assert_eq!(read(&[]).unwrap_err(), "GATEWRIGHT_ISSUER must be set to the issuer's URL");
        for (name, value, sentence) in [
            ("GATEWRIGHT_ISSUER", "http://as.example", "GATEWRIGHT_ISSUER must be https (http only on a loopback address)"),
            ("GATEWRIGHT_TABLE", "a b", "GATEWRIGHT_TABLE must be 3 to 255 of the characters A-Z a-z 0-9 - _ ."),
            ("GATEWRIGHT_TOKENINFO", "yes", "GATEWRIGHT_TOKENINFO must be on or off"),
            ("GATEWRIGHT_ADMIN_API", "1", "GATEWRIGHT_ADMIN_API must be on or off"),
            ("GATEWRIGHT_PASSWORD_GRANT", "ON", "GATEWRIGHT_PASSWORD_GRANT must be on or off"),
            ("GATEWRIGHT_FEED_SECONDS", "0", "GATEWRIGHT_FEED_SECONDS must be 1 to 300"),
            ("GATEWRIGHT_AUTHORIZER_RESPONSE", "iam", "GATEWRIGHT_AUTHORIZER_RESPONSE must be policy or simple"),
            ("GATEWRIGHT_BRAND_COLOR", "red", "GATEWRIGHT_BRAND_COLOR must be #rrggbb"),
            ("GATEWRIGHT_BRAND_LOGO_URL", "http://x.example/l.png", "GATEWRIGHT_BRAND_LOGO_URL must be an https URL"),
            ("GATEWRIGHT_LOG", "loud", "GATEWRIGHT_LOG must be off, error, warn, info, debug or trace"),
        ] {
            assert_eq!(read(&[(name, value), ("GATEWRIGHT_ISSUER", "https://as.example")]).unwrap_err(), sentence);
        }
    }
}

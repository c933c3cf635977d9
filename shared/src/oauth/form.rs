//! The `application/x-www-form-urlencoded` request body (RFC 6749 §3.2 and appendix B), read strictly.

use super::error::TokenError;

/// More parameters than any request here has; a flood is refused before it is sorted.
const MOST_PARAMETERS: usize = 64;

/// The same for a page's form, which may be an authorization request with as many unknown parameters as a client likes (AZ-13).
const MOST_OF_A_PAGE: usize = 1_024;

/// The parameters of a request: none repeated, none empty.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a body. Bad percent-encoding, invalid UTF-8 and repeated parameters are `invalid_request`.
    pub fn parse(body: &[u8]) -> Result<Self, TokenError> {
        let Self(mut parameters) = Self::read(body, MOST_PARAMETERS)?;
        //= https://www.rfc-editor.org/rfc/rfc6749#section-3.2
        //# Request and response parameters MUST NOT be included more than once.
        // `resource` may be repeated (RFC 8707 §2); whether two are acceptable is the scope rule's to say.
        let is_repeated =
            |(at, (name, _)): (usize, &(String, String))| name != "resource" && parameters.iter().take(at).any(|(earlier, _)| earlier == name);
        if parameters.iter().enumerate().any(is_repeated) {
            return Err(TokenError::invalid_request("a parameter is repeated"));
        }
        //= https://www.rfc-editor.org/rfc/rfc6749#section-3.2
        //# Parameters sent without a value MUST be treated as if they were omitted from the request.
        parameters.retain(|(_, value)| !value.is_empty());
        Ok(Self(parameters))
    }

    /// Reads the body of a page's form, where a name may have several values. Bad percent-encoding and invalid UTF-8 are `invalid_request`.
    pub fn with_repeats(body: &[u8]) -> Result<Self, TokenError> {
        Self::read(body, MOST_OF_A_PAGE)
    }

    fn read(body: &[u8], most: usize) -> Result<Self, TokenError> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in body.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |&byte| byte == b'=');
            let name = decode(halves.next().unwrap_or_default()).ok_or(TokenError::invalid_request(BAD_ENCODING))?;
            let value = decode(halves.next().unwrap_or_default()).ok_or(TokenError::invalid_request(BAD_ENCODING))?;
            if parameters.len() == most {
                return Err(TokenError::invalid_request("the request has too many parameters"));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// The parameters as they came, in order.
    pub fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }

    /// The value of `name`, absent where it was not sent or was empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every value of `name`; in a request to an OAuth endpoint more than one only for `resource`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of `name`, or `invalid_request` that names it.
    pub fn required(&self, name: &'static str) -> Result<&str, TokenError> {
        self.get(name).ok_or_else(|| TokenError::invalid_request(format!("the parameter {name} is missing")))
    }
}

const BAD_ENCODING: &str = "the body is not valid application/x-www-form-urlencoded UTF-8";

/// Decodes `+` and `%XX`; `None` where an escape is malformed or the bytes are not UTF-8 (never replaced, HT-16, HT-17).
pub(crate) fn decode(encoded: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(*rest.next()?)? << 4 | hex(*rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_decoded_once() {
        //= https://www.rfc-editor.org/rfc/rfc6749#appendix-B
        //= type=test
        //# +%25%26%2B%C2%A3%E2%82%AC
        let form = Form::parse(b"a=+%25%26%2B%C2%A3%E2%82%AC&b=%252F").unwrap();
        assert_eq!(form.get("a"), Some(" %&+£€"));
        assert_eq!(form.get("b"), Some("%2F"));
    }

    #[test]
    fn an_empty_value_is_an_absent_one() {
        // TE-10
        let form = Form::parse(b"scope=&grant_type=x&flag").unwrap();
        assert_eq!((form.get("scope"), form.get("flag"), form.get("grant_type")), (None, None, Some("x")));
    }

    #[test]
    fn repeated_parameters_are_refused_even_unknown_empty_or_differently_encoded_ones() {
        // TE-08, TE-09 (pinned: a repeated unknown parameter is refused too)
        for body in ["a=1&a=1", "a=1&a=2", "a=&a=1", "a=1&%61=1"] {
            assert!(Form::parse(body.as_bytes()).is_err(), "{body}");
        }
        assert_eq!(Form::parse(b"resource=a&resource=b").unwrap().all("resource").count(), 2);
    }

    #[test]
    fn bad_encodings_are_refused_not_replaced() {
        // HT-16, HT-17
        for body in [&b"a=%"[..], b"a=%g1", b"a=%u0041", b"a=%2", b"a=\xff\xfe", b"a=%ED%A0%80", b"a=%C3"] {
            assert!(Form::parse(body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn a_flood_of_parameters_is_refused() {
        // HT-19
        let flood: String = (0..100_000).map(|n| format!("p{n}=1&")).collect();
        assert!(Form::parse(flood.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Form::parse(&body);
        }

        #[test]
        fn any_text_comes_back(value in "\\PC{1,40}") {
            let encoded: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let form = Form::parse(format!("v={encoded}").as_bytes()).unwrap();
            prop_assert_eq!(form.get("v"), Some(value.as_str()));
        }
    }
}

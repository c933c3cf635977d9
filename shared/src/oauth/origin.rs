//! The origin of a page (RFC 6454): what a browser says of whoever asks, and what a client lists.

/// A serialized origin (RFC 6454 §6.2) in the one spelling that browsers send: `https`, or `http` on a loopback literal, a lower-case host,
/// a port only where it is not the scheme's own, and nothing behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Reads an origin; `None` where it is spelled in any other way, so that equal origins are equal bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let (host, port) = match authority.strip_prefix("[::1]") {
            Some(port) => ("[::1]", port),
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        //= https://www.rfc-editor.org/rfc/rfc6454#section-6.2
        //# If the port part of the origin triple is different from the default port for the protocol given by the scheme part of the origin
        //# triple:
        let default_port = match scheme {
            "https" => "443",
            "http" if matches!(host, "127.0.0.1" | "[::1]") => "80",
            _ => return None,
        };
        let is_port = |port: &str| port != default_port && port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port);
        let is_good = (host == "[::1]" || is_host(host)) && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
        is_good.then(|| Self(text.to_owned()))
    }

    /// The origin, byte for byte.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name or an address of IPv4. Browsers take what ends in a number for an address, and write it as four numbers.
fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(allowed) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_octet = |label: &str| label.parse::<u8>().is_ok_and(|number| number.to_string() == label);
    let ends_in_number = host.rsplit('.').next().is_some_and(|last| last.starts_with(|first: char| first.is_ascii_digit()));
    if ends_in_number { host.split('.').count() == 4 && host.split('.').all(is_octet) } else { host.len() <= 253 && host.split('.').all(is_label) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [&str; 12] = [
        "https://app.example",
        "https://app.example:8443",
        "https://app.example:80",
        "https://a",
        "https://xn--bcher-kva.example",
        "https://1.a-b.c3.example",
        "https://192.0.2.1:65535",
        "https://[::1]:8443",
        "http://127.0.0.1",
        "http://127.0.0.1:5173",
        "http://127.0.0.1:443",
        "http://[::1]:3000",
    ];

    #[test]
    fn an_origin_is_read_in_the_one_spelling_that_browsers_send() {
        // O-23
        for good in GOOD {
            assert_eq!(Origin::parse(good).map(|origin| origin.as_str().to_owned()).as_deref(), Some(good));
        }
        assert!(Origin::parse(&format!("https://{}", vec!["a".repeat(63); 3].join("."))).is_some());
    }

    #[test]
    fn nothing_else_is_an_origin() {
        // CO-02
        let long_label = format!("https://{}.example", "a".repeat(64));
        let long_host = format!("https://{}", vec!["a".repeat(63); 4].join("."));
        for bad in [
            "",
            "null",
            "*",
            "https://",
            "https://*",
            "https://*.example",
            "app.example",
            "//app.example",
            "https:app.example",
            "https:/app.example",
            "https:///app.example",
            "http://app.example",
            "http://localhost",
            "http://localhost:3000",
            "http://127.0.0.2",
            "http://127.0.0.1.evil.example",
            "http://[::1].evil.example",
            "http://[::2]",
            "https://[2001:db8::1]",
            "https://[::1",
            "https://::1",
            "HTTPS://app.example",
            "https://App.example",
            "https://app.example.",
            "https://.app.example",
            "https://app..example",
            "https://-app.example",
            "https://app-.example",
            "https://app_1.example",
            "https://bücher.example",
            "https://аpp.example",
            "https://app.example/",
            "https://app.example/cb",
            "https://app.example?",
            "https://app.example#",
            "https://app.example\\",
            "https://user@app.example",
            "https://app.example@evil.example",
            "https://app.example%00",
            "https://app.example%2eevil.example",
            "https://app.example:",
            "https://app.example:443",
            "http://127.0.0.1:80",
            "http://[::1]:80",
            "https://app.example:0",
            "https://app.example:08443",
            "https://app.example:+8443",
            "https://app.example:65536",
            "https://app.example:8443:1",
            "https://app.example:8443/",
            "https://127.1",
            "https://0x7f.1",
            "https://app.1",
            "https://192.0.2.01",
            "https://192.0.2.256",
            "https://1.2.3.4.5",
            "https://app.example https://evil.example",
            "https://app.example,https://evil.example",
            "ftp://app.example",
            "file://",
            "blob:https://app.example",
            "data:text/html,x",
            "javascript://app.example",
            "com.example.app://callback",
            &long_label,
            &long_host,
            &"https://a".repeat(10_000),
        ] {
            assert_eq!(Origin::parse(bad), None, "{bad:.80}");
        }
    }

    #[test]
    fn what_is_wrapped_around_an_origin_or_put_into_it_makes_it_none() {
        // CO-02: white space, control characters, and every character that means something in a URL or in a header, at every place.
        for good in GOOD {
            for at in 0..=good.len() {
                for wrong in [" ", "\t", "\r\n", "\0", "/", "\\", "?", "#", "@", "%", "*", ",", ";", "\"", "'", "<", "_", "~", "A", "é", "\u{3002}"]
                {
                    let spelled = format!("{}{wrong}{}", &good[..at], &good[at..]);
                    assert_eq!(Origin::parse(&spelled), None, "{spelled:?}");
                }
            }
        }
    }
}

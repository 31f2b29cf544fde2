//! Grants of outgoing requests: methods, scheme, hosts, port.

use super::host::{HostPattern, host_name};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// Methods of a grant that names none.
const USUAL: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// Methods that nobody gets: one makes a tunnel, the other repeats what was sent, secrets included.
const NEVER: [&str; 2] = ["CONNECT", "TRACE"];
/// Longest method, bytes.
const METHOD_BYTES: usize = 20;

/// Where a request goes, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `GET`, ...
    pub method: String,
    /// `http` or `https`.
    pub scheme: Scheme,
    /// As [`host_name`] gives it.
    pub host: String,
    /// The scheme's own, unless the request names another.
    pub port: u16,
}

/// How it is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Within TLS.
    Https,
}

impl Scheme {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        if self == Self::Http { "http" } else { "https" }
    }

    /// The port that need not be named.
    #[must_use]
    pub fn port(self) -> u16 {
        if self == Self::Http { 80 } else { 443 }
    }
}

impl Target {
    /// Of a request: its method, scheme and authority.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn parse(method: &str, scheme: &str, authority: &str) -> Result<Self, String> {
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err("the scheme of a request is http or https".to_owned()),
        };
        let (host, port) = authority_of(authority)?;
        let host = host_name(host)?;
        Ok(Self { method: method_of(method)?, scheme, host, port: port.unwrap_or(scheme.port()) })
    }
}

impl fmt::Display for Target {
    /// As the grant that would allow it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods = BTreeSet::from([self.method.clone()]);
        let hosts = HostPattern::Exactly(self.host.clone());
        HttpGrant { methods, scheme: self.scheme, hosts, port: self.port }.fmt(f)
    }
}

/// `GET,POST https://api.example.com:8443`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpGrant {
    scheme: Scheme,
    hosts: HostPattern,
    port: u16,
    methods: BTreeSet<String>,
}

impl HttpGrant {
    /// Reads a grant.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (methods, place) = match text.trim().split_once(char::is_whitespace) {
            Some((methods, place)) => {
                (methods.split(',').map(method_of).collect::<Result<_, _>>()?, place.trim_start())
            }
            None => (USUAL.into_iter().map(str::to_owned).collect(), text.trim()),
        };
        let (scheme, authority) = match place.split_once("://") {
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(_) => return Err("a grant's scheme is http or https".to_owned()),
            None => (Scheme::Https, place),
        };
        if authority.contains(['/', '?', '#']) {
            return Err(format!("{authority:?}: a grant names hosts; leave out path and query"));
        }
        let (host, port) = authority_of(authority)?;
        Ok(Self { scheme, hosts: HostPattern::parse(host)?, port: port.unwrap_or(scheme.port()), methods })
    }

    /// Whether it allows this.
    #[must_use]
    pub fn allows(&self, target: &Target) -> bool {
        (self.scheme, self.port) == (target.scheme, target.port)
            && self.hosts.matches(&target.host)
            && self.methods.contains(&target.method)
    }

    /// Whether it means every host.
    #[must_use]
    pub fn is_any_host(&self) -> bool {
        self.hosts == HostPattern::Any
    }

    /// What both allow.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        if (self.scheme, self.port) != (other.scheme, other.port) {
            return None;
        }
        let methods: BTreeSet<String> = self.methods.intersection(&other.methods).cloned().collect();
        let hosts = self.hosts.meet(&other.hosts)?;
        (!methods.is_empty()).then_some(Self { scheme: self.scheme, hosts, port: self.port, methods })
    }
}

impl fmt::Display for HttpGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods: Vec<&str> = self.methods.iter().map(String::as_str).collect();
        if methods.len() != USUAL.len() || !USUAL.iter().all(|usual| methods.contains(usual)) {
            write!(f, "{} ", methods.join(","))?;
        }
        write!(f, "{}://{}", self.scheme.word(), self.hosts)?;
        if self.port == self.scheme.port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl TryFrom<String> for HttpGrant {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<HttpGrant> for String {
    fn from(grant: HttpGrant) -> Self {
        grant.to_string()
    }
}

fn method_of(text: &str) -> Result<String, String> {
    let is_method =
        (1..=METHOD_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    if !is_method {
        return Err(format!(
            "{:?} is no method: write it in capital letters",
            text.chars().take(40).collect::<String>()
        ));
    }
    if NEVER.contains(&text) {
        return Err(format!("the method {text} is not available to functions"));
    }
    Ok(text.to_owned())
}

/// Host and port of `host:port`. What stands before an `@` is refused: it would be sent as a header, or mistaken for the host.
fn authority_of(text: &str) -> Result<(&str, Option<u16>), String> {
    if text.contains('@') {
        return Err("leave out name and password before the host; send a header instead".to_owned());
    }
    let after_host = text.rfind(']').map_or(0, |at| at + 1);
    let Some(colon) = text.get(after_host..).and_then(|rest| rest.find(':')).map(|at| at + after_host) else {
        return Ok((text, None));
    };
    let (host, port) = (text.get(..colon).unwrap_or_default(), text.get(colon + 1..).unwrap_or_default());
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
    let port = port.parse().ok().filter(|_| digits);
    port.map(|port| (host, Some(port))).ok_or_else(|| "a port is a number from 1 to 65535".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(text: &str) -> HttpGrant {
        HttpGrant::parse(text).expect(text)
    }

    #[test]
    fn grants_are_shown_as_they_can_be_written() {
        for (text, shown) in [
            ("api.example.com", "https://api.example.com"),
            ("GET,POST  https://API.example.com:443", "GET,POST https://api.example.com"),
            ("http://*.internal:8080", "http://*.internal:8080"),
            ("POST,GET *", "GET,POST https://*"),
            ("[::1]:8443", "https://[::1]:8443"),
            ("http://127.0.0.1", "http://127.0.0.1"),
        ] {
            assert_eq!(grant(text).to_string(), shown);
            assert_eq!(grant(shown), grant(text));
        }
        for wrong in [
            "",
            "get https://a.b",
            "ftp://a.b",
            "https://a.b/",
            "https://a.b?x",
            "https://u:p@a.b",
            "https://a.b:0",
            "https://a.b:65536",
            "https://a.b:+1",
            "https://a.b:080",
            "https://a.b:",
            "CONNECT https://a.b",
            "TRACE a.b",
            "GET, a.b",
            "https://",
            "https://[::1]x",
            "https://a.b:1:2",
        ] {
            assert!(HttpGrant::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_grant_allows_what_it_names_and_nothing_else() {
        let allowed = |grant: &str, method: &str, scheme: &str, authority: &str| {
            HttpGrant::parse(grant).expect(grant).allows(&Target::parse(method, scheme, authority).expect(authority))
        };
        assert!(allowed("https://api.example.com", "GET", "https", "api.example.com:443"));
        assert!(allowed("https://api.example.com", "DELETE", "https", "API.EXAMPLE.COM."));
        assert!(!allowed("https://api.example.com", "OPTIONS", "https", "api.example.com"));
        assert!(!allowed("https://api.example.com", "GET", "http", "api.example.com"));
        assert!(!allowed("https://api.example.com", "GET", "https", "api.example.com:8443"));
        assert!(!allowed("GET https://api.example.com", "POST", "https", "api.example.com"));
        assert!(allowed("OPTIONS https://*.example.com", "OPTIONS", "https", "a.b.example.com"));
        assert!(allowed("http://[::1]", "GET", "http", "[0::1]"));
        for (method, scheme, authority) in [
            ("GET", "https", "u@a.b"),
            ("get", "https", "a.b"),
            ("GET", "file", "a.b"),
            ("GET", "https", ""),
            ("GET", "https", "a.b:"),
            ("GET", "https", "2130706433"),
            ("GET", "https", "a.b#@c.d"),
            ("CONNECT", "https", "a.b"),
        ] {
            assert!(Target::parse(method, scheme, authority).is_err(), "{method} {scheme} {authority}");
        }
        let target = Target::parse("POST", "https", "api.example.com:8443").expect("a target");
        assert_eq!(target.to_string(), "POST https://api.example.com:8443");
    }

    #[test]
    fn grants_meet_in_what_both_allow() {
        for (one, other, meet) in [
            ("https://*.a.b", "GET https://x.a.b", Some("GET https://x.a.b")),
            ("GET,POST https://a.b", "POST,PUT https://a.b", Some("POST https://a.b")),
            ("GET https://a.b", "POST https://a.b", None),
            ("http://a.b", "https://a.b", None),
            ("a.b:1", "a.b:2", None),
            ("*", "a.b", Some("a.b")),
        ] {
            assert_eq!(grant(one).meet(&grant(other)), meet.map(grant), "{one} {other}");
        }
    }
}

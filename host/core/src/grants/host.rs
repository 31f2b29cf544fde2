//! Hosts as grants name them and as requests go to them, in one strict form: lower case, without a trailing dot, internationalised names in
//! their ASCII form, addresses as the standard writes them.

use core::net::{Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name of a host, bytes (RFC 1035).
const HOST_BYTES: usize = 253;
/// Longest label of it.
const LABEL_BYTES: usize = 63;

/// Which hosts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HostPattern {
    /// Every host: only where the tenant's policy says so.
    Any,
    /// All names that end with a dot and this.
    Below(String),
    /// This one.
    Exactly(String),
}

impl HostPattern {
    /// `api.example.com`, `*.example.com` or `*`.
    ///
    /// # Errors
    /// What is wrong, for whoever wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        match text.strip_prefix("*.") {
            None => host_name(text).map(Self::Exactly),
            Some(rest) => match host_name(rest)? {
                name if is_address(&name) => Err(format!("{text:?}: an address has nothing below it")),
                name => Ok(Self::Below(name)),
            },
        }
    }

    /// Whether it is meant. The name is in the form that [`host_name`] gives.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(name) => name == host,
            Self::Below(name) => host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.')),
        }
    }

    /// The hosts that both mean; `None` if there are none.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        if self.covers(other) {
            return Some(other.clone());
        }
        other.covers(self).then(|| self.clone())
    }

    /// Whether it means all that the other means.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Any) | (Self::Exactly(_), Self::Below(_)) => false,
            (_, Self::Exactly(name)) => self.matches(name),
            (Self::Below(_), Self::Below(name)) => self == other || self.matches(name),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Exactly(name) => f.write_str(name),
        }
    }
}

impl TryFrom<String> for HostPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.to_string()
    }
}

/// A host's name or address in its one form.
///
/// # Errors
/// What is wrong with it.
pub fn host_name(text: &str) -> Result<String, String> {
    if let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address = inside.parse::<Ipv6Addr>();
        return address.map(|address| format!("[{address}]")).map_err(|_| format!("{text:?} is no IPv6 address"));
    }
    let shown = || text.chars().take(HOST_BYTES + 20).collect::<String>();
    if !text.is_ascii() {
        return Err(format!("{:?}: write an internationalised name in its ASCII form (xn--...)", shown()));
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=LABEL_BYTES).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > HOST_BYTES || !name.split('.').all(is_label) {
        return Err(format!("{:?} is not the name of a host", shown()));
    }
    // Some resolvers take 0x7f.1, 2130706433 or 0177.0.0.1 for an address: here there is one way to write one.
    if looks_like_address(&name) && name.parse::<Ipv4Addr>().is_err() {
        return Err(format!("{:?}: write an IPv4 address as four decimal numbers", shown()));
    }
    Ok(name)
}

/// Whether a name in its one form is an address.
#[must_use]
pub fn is_address(name: &str) -> bool {
    name.starts_with('[') || looks_like_address(name)
}

/// No top-level domain is a number.
fn looks_like_address(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_hex = last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    is_hex || last.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        HostPattern::parse(text).expect(text)
    }

    #[test]
    fn names_have_one_form() {
        for (text, name) in [
            ("API.Example.com.", "api.example.com"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::FFFF:127.0.0.1]", "[::ffff:127.0.0.1]"),
            ("[0:0:0:0:0:0:0:1]", "[::1]"),
            ("my_service", "my_service"),
        ] {
            assert_eq!(host_name(text).as_deref(), Ok(name));
        }
        let long = "a".repeat(64);
        let longer = format!("{}a", "ab.".repeat(90));
        for wrong in [
            "",
            ".",
            "a..b",
            "a b",
            "a/b",
            "a@b",
            "a:1",
            "bücher.example",
            "-a.b",
            "a-.b",
            "0x7f.1",
            "2130706433",
            "0177.0.0.1",
            "127.1",
            "1.2.3.256",
            "a.0x1",
            "[::1",
            "[127.0.0.1]",
            "[fe80::1%1]",
            "%61.b",
            "a\0b",
            "*",
            "a.*",
            long.as_str(),
            longer.as_str(),
        ] {
            assert!(host_name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_star_stands_for_what_is_below() {
        let below = pattern("*.example.org");
        for (host, expected) in [
            ("a.example.org", true),
            ("a.b.example.org", true),
            ("example.org", false),
            ("badexample.org", false),
            ("a.example.org.evil.com", false),
        ] {
            assert_eq!(below.matches(host), expected, "{host}");
        }
        assert!(pattern("*").matches("anything") && pattern("a.b").matches("a.b") && !pattern("a.b").matches("c.a.b"));
        for wrong in ["*.", "*.*", "*.127.0.0.1", "*.[::1]", "a*.b", "**"] {
            assert!(HostPattern::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn patterns_meet_in_the_narrower_one() {
        for (one, other, meet) in [
            ("*", "*.a.b", Some("*.a.b")),
            ("*.b", "*.a.b", Some("*.a.b")),
            ("*.a.b", "x.a.b", Some("x.a.b")),
            ("*.a.b", "a.b", None),
            ("a.b", "a.b", Some("a.b")),
            ("a.b", "a.c", None),
            ("*.a.b", "*.c.b", None),
            ("*.a.b", "*.a.b", Some("*.a.b")),
        ] {
            let expected = meet.map(pattern);
            assert_eq!(
                (pattern(one).meet(&pattern(other)), pattern(other).meet(&pattern(one))),
                (expected.clone(), expected)
            );
        }
        assert!(!pattern("*.a.b").covers(&pattern("*.b")) && pattern("*.b").covers(&pattern("a.b")));
    }
}

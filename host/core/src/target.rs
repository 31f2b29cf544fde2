//! Where an outgoing request goes: one strict reading of `host[:port]`, for whoever compares it with what is granted and for
//! whoever connects. Two readers that differ would be a hole in the wall.

use ::core::fmt;
use ::core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest name of a host (RFC 1035).
const NAME_BYTES: usize = 253;
/// Longest part of it between dots.
const LABEL_BYTES: usize = 63;
/// Characters of a wrong text that a message repeats.
const SHOWN_CHARS: usize = 80;

/// Scheme, host and port of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Whether the connection is encrypted.
    pub scheme: Scheme,
    /// To whom.
    pub host: Host,
    /// 1 to 65535.
    pub port: u16,
}

/// How to speak with the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the open.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As it stands in an address.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that is not written.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A name or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// In lower case, without a dot at the end: it has to be resolved.
    Name(String),
    /// Written as an address.
    Address(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Why a text is no target, for its author.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTarget(String);

impl Target {
    /// Reads a scheme and `host[:port]`. Addresses have one spelling each: IPv4 four decimal numbers without leading zeros, IPv6 in
    /// brackets and without a zone. What looks like a number and is not written so is refused, because libraries of C read
    /// `2130706433`, `0x7f.1` and `0177.0.0.1` as addresses.
    ///
    /// # Errors
    /// [`InvalidTarget`] says what is wrong, and how to write it.
    pub fn parse(scheme: &str, authority: &str) -> Result<Self, InvalidTarget> {
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => return Err(wrong(other, "is not http or https")),
        };
        if authority.contains('@') {
            return Err(InvalidTarget(
                "a user name in an address is not accepted: send an authorization header".to_owned(),
            ));
        }
        let (host, port) = split(authority)?;
        let port = port.map_or(Ok(scheme.port()), parse_port)?;
        Ok(Self { scheme, host: Host::parse(host)?, port })
    }

    /// `host[:port]` as a `Host` header has it: without a port that goes without saying.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == self.scheme.port() { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.authority())
    }
}

impl Host {
    /// Reads a name or an address.
    ///
    /// # Errors
    /// [`InvalidTarget`]: as [`Target::parse`].
    pub fn parse(text: &str) -> Result<Self, InvalidTarget> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address = inner.parse::<Ipv6Addr>();
            return match address {
                Ok(address) => Ok(Self::Address(IpAddr::V6(address))),
                Err(_) => Err(wrong(text, "is no IPv6 address; a zone (%eth0) is not accepted")),
            };
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(IpAddr::V4(address)));
        }
        name(text).map(Self::Name)
    }
}

fn wrong(text: &str, why: &str) -> InvalidTarget {
    InvalidTarget(format!("{:?} {why}", text.chars().take(SHOWN_CHARS).collect::<String>()))
}

/// Host and port; a colon inside of brackets is the address's own.
fn split(authority: &str) -> Result<(&str, Option<&str>), InvalidTarget> {
    let end = authority.rfind(']').map_or(0, |at| at + 1);
    let (bracketed, rest) = authority.split_at_checked(end).unwrap_or((authority, ""));
    if bracketed.is_empty() {
        return Ok(authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))));
    }
    match rest.strip_prefix(':') {
        Some(port) => Ok((bracketed, Some(port))),
        None if rest.is_empty() => Ok((bracketed, None)),
        None => Err(wrong(authority, "is not host:port")),
    }
}

fn parse_port(text: &str) -> Result<u16, InvalidTarget> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let port = if digits { text.parse().unwrap_or(0) } else { 0 };
    if port == 0 { Err(wrong(text, "is no port: 1 to 65535")) } else { Ok(port) }
}

fn name(text: &str) -> Result<String, InvalidTarget> {
    if text.is_empty() {
        return Err(InvalidTarget("there is no host".to_owned()));
    }
    if !text.is_ascii() {
        return Err(wrong(text, "has letters that a name of a host cannot have: write it in punycode (xn--...)"));
    }
    let is_label = |label: &str| {
        let letters = label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        !label.is_empty() && label.len() <= LABEL_BYTES && letters && !label.starts_with('-') && !label.ends_with('-')
    };
    if text.len() > NAME_BYTES || !text.split('.').all(is_label) {
        return Err(wrong(text, "is no name of a host: letters, digits, `-` and dots between them"));
    }
    let last = text.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|b| b.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .or(last.strip_prefix("0X"))
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    if is_number {
        return Err(wrong(text, "looks like an address, but is not written as one: four decimal numbers (10.1.2.3)"));
    }
    Ok(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(scheme: &str, authority: &str) -> String {
        Target::parse(scheme, authority).map_or_else(|error| format!("error: {error}"), |target| target.to_string())
    }

    #[test]
    fn one_spelling_of_each_target() {
        for (scheme, authority, expected) in [
            ("https", "Example.COM", "https://example.com"),
            ("https", "example.com:443", "https://example.com"),
            ("http", "example.com:443", "http://example.com:443"),
            ("http", "a_b.example:80", "http://a_b.example"),
            ("http", "localhost:8080", "http://localhost:8080"),
            ("http", "127.0.0.1", "http://127.0.0.1"),
            ("http", "[::1]:81", "http://[::1]:81"),
            ("https", "[0:0:0:0:0:FFFF:127.0.0.1]", "https://[::ffff:127.0.0.1]"),
            ("https", "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("https", "1password.com", "https://1password.com"),
            ("https", "0x7f.example", "https://0x7f.example"),
        ] {
            assert_eq!(shown(scheme, authority), expected);
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for authority in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:8 0",
            "a:80:80",
            "a..b",
            ".a",
            "a.",
            "localhost.",
            "-a.b",
            "a-.b",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "a\r\nb",
            "a\0b",
            "a%00b",
            "user@a",
            "user:p@a",
            "bücher.example",
            "１２７.0.0.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "0X7F.0.0.0x1",
            "0177.0.0.1",
            "127.1",
            "127.0.1",
            "127.0.0.01",
            "256.1.1.1",
            "1.2.3.4.5",
            "0",
            "0x",
            "::1",
            "[::1",
            "::1]",
            "[::1]x",
            "[::1]:",
            "[fe80::1%25eth0]",
            "[fe80::1%eth0]",
            "[127.0.0.1]",
            "[]",
            "[a]",
            "[::1]]",
            "[[::1]]",
            "]:80",
            "a,b",
            "*",
        ] {
            let shown = shown("http", authority);
            assert!(shown.starts_with("error: "), "{authority:?}: {shown}");
        }
        let long = format!("{}.example", "a".repeat(64));
        assert!(shown("http", &long).starts_with("error: "));
        assert!(shown("http", &"a.".repeat(127)).starts_with("error: "));
        assert!(shown("file", "a").starts_with("error: "));
        assert!(shown("HTTP", "a").starts_with("error: "));
    }

    #[test]
    fn a_message_repeats_only_the_beginning() {
        assert!(shown("http", &"!".repeat(100_000)).len() < 300);
    }
}

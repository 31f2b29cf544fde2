//! Where a request goes. It is read as whoever compares it with grants reads it: two readers that differ would be a hole in the wall.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
pub(crate) use stepwell_core::grants::Scheme;
use stepwell_core::grants::Target as Checked;

/// Scheme, host and port of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) scheme: Scheme,
    pub(crate) host: Host,
    pub(crate) port: u16,
}

/// A name or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// It has to be resolved.
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

impl Target {
    /// Reads a scheme and `host[:port]`.
    pub(crate) fn parse(scheme: &str, authority: &str) -> Result<Self, String> {
        let Checked { scheme, host, port, .. } = Checked::parse("GET", scheme, authority)?;
        let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address = match inside {
            Some(inside) => inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        };
        Ok(Self { scheme, host: address.map_or(Host::Name(host), Host::Address), port })
    }

    /// `host[:port]` as a `Host` header has it: without a port that goes without saying.
    pub(crate) fn authority(&self) -> String {
        if self.port == self.scheme.port() { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.word(), self.authority())
    }
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
            ("https", "example.com.", "https://example.com"),
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
            "a:080",
            "a:8 0",
            "a:80:80",
            "a..b",
            ".a",
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
        assert!(shown("http", &"a.".repeat(128)).starts_with("error: "));
        assert!(shown("file", "a").starts_with("error: "));
        assert!(shown("HTTP", "a").starts_with("error: "));
    }
}

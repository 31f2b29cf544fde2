//! The parts of a URL that a request needs. Whether they are good is for the host to say.

/// `scheme://authority path`
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    pub(super) is_secure: bool,
    pub(super) authority: &'a str,
    /// Path and query; begins with `/`.
    pub(super) path: String,
}

impl<'a> Url<'a> {
    /// Without its fragment, which is not sent.
    pub(super) fn parse(text: &'a str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("the URL does not begin with https:// or http://")?;
        let is_secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("the URL does not begin with https:// or http://".to_owned()),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.is_empty() {
            return Err("the URL has no host".to_owned());
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { is_secure, authority, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_urls() {
        for (text, is_secure, authority, path) in [
            ("https://a.example", true, "a.example", "/"),
            ("HTTP://a.example:81/b/c?d=e#f", false, "a.example:81", "/b/c?d=e"),
            ("http://[::1]:80?x=/", false, "[::1]:80", "/?x=/"),
            ("http://a#b/c", false, "a", "/"),
        ] {
            assert_eq!(Url::parse(text), Ok(Url { is_secure, authority, path: path.to_owned() }), "{text}");
        }
        for text in ["", "a.example", "/a", "file:///a", "http://", "http:///a", "http://?a"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}

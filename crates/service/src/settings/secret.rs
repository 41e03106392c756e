//! A value that must not be shown.

use std::fmt;

use subtle::ConstantTimeEq as _;

/// A password, token or other value that no log, error or print may hold.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What stands in for a secret.
pub const REDACTED: &str = "<redacted>";

impl Secret {
    /// Wraps `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that hands it to a client.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is `given`. The time that the answer takes tells no more than the length.
    pub fn is(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// How `value` may be shown: a password inside a URL is taken out.
pub(super) fn showable(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else {
        return value.to_owned();
    };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{REDACTED}@{host}{path}"),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_in_debug_output() {
        let shown = format!("{:?}", Some(Secret::new("hunter2")));
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_secret_is_itself_and_nothing_else() {
        let secret = Secret::new("hunter2");
        assert!(secret.is(b"hunter2"));
        for other in [&b""[..], b"hunter", b"hunter22", b"Hunter2"] {
            assert!(!secret.is(other), "{other:?}");
        }
    }

    #[test]
    fn a_password_inside_a_url_is_taken_out() {
        assert_eq!(showable("http://me:pw@host:1/a@b"), "http://<redacted>@host:1/a@b");
        assert_eq!(showable("http://host/a?mail=x@y"), "http://host/a?mail=x@y");
        assert_eq!(showable("plain"), "plain");
    }
}

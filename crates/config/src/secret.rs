//! Text that must never be shown.

use std::fmt;

/// A secret: a bearer token or a password.
///
/// Printing it, with `Display` or `Debug`, alone or as a field of something else, gives `[redacted]`. The text itself
/// is only reachable through [`Secret::expose`], so that every use can be found by searching for that name.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text. Don't log it, and don't compare tokens of requests with `==` (use a constant-time comparison).
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

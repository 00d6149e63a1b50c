//! The id of a view.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest key that is accepted, in bytes. Every edge of a view carries the key.
const MAX_LENGTH: usize = 256;

/// The key of a view's record: `incantation:abc`, `query:abc`, `_00_query:abc` and `abc` are all the view `abc`.
///
/// The key is always a string for the database, also where it consists of digits. A key may be escaped as SurrealQL
/// escapes it (`` query:`a b` ``, `query:⟨a b⟩`), and is held unescaped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, min_length = 1, examples("open-threads")))]
pub struct ViewKey(String);

/// Why a text is no view id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewKeyError {
    #[error("invalid view id `{0}`: the key is empty")]
    Empty(String),
    #[error("invalid view id `{0}`: the escaped key does not end where the id ends")]
    Unterminated(String),
    #[error("invalid view id: the key has {0} bytes, the limit is {MAX_LENGTH}")]
    TooLong(usize),
    #[error("invalid view id {0:?}: the key contains a control character")]
    ControlCharacter(String),
}

impl ViewKey {
    /// Takes a text as the key itself: nothing in it is a table or an escape.
    ///
    /// # Errors
    /// If no view can have this key.
    pub fn from_key(key: impl Into<String>) -> Result<Self, ViewKeyError> {
        let key = key.into();
        if key.is_empty() {
            return Err(ViewKeyError::Empty(key));
        }
        if key.len() > MAX_LENGTH {
            return Err(ViewKeyError::TooLong(key.len()));
        }
        if key.chars().any(char::is_control) {
            return Err(ViewKeyError::ControlCharacter(key));
        }
        Ok(ViewKey(key))
    }

    /// The key alone, unescaped.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ViewKey {
    type Err = ViewKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = text.trim();
        let key = match split_table(id) {
            Some(key) => unescape(key),
            None => unescape(id),
        };
        let key = key.ok_or_else(|| ViewKeyError::Unterminated(text.to_owned()))?;
        ViewKey::from_key(key).map_err(|error| match error {
            ViewKeyError::Empty(_) => ViewKeyError::Empty(text.to_owned()),
            other => other,
        })
    }
}

/// What follows the colon behind the table, if the id names a table.
fn split_table(id: &str) -> Option<&str> {
    let table_is_escaped = id.starts_with(['`', '⟨']);
    if table_is_escaped {
        let (close, _) = closing(id)?;
        return id.get(close..)?.strip_prefix(':');
    }
    id.split_once(':').map(|(_, key)| key)
}

/// The key without its escapes, or nothing if an escape is not closed at the end.
fn unescape(key: &str) -> Option<String> {
    if !key.starts_with(['`', '⟨']) {
        return Some(key.to_owned());
    }
    let (close, content) = closing(key)?;
    (close == key.len()).then_some(content)
}

/// Where an escaped part ends, and what it says.
fn closing(text: &str) -> Option<(usize, String)> {
    let end = if text.starts_with('⟨') { '⟩' } else { '`' };
    let mut content = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => content.push(characters.next()?.1),
            other if other == end => return Some((at + end.len_utf8(), content)),
            other => content.push(other),
        }
    }
    None
}

impl fmt::Display for ViewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ViewKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for ViewKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ViewKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_view_has_many_names() {
        for text in [
            "abc",
            "query:abc",
            "_00_query:abc",
            "incantation:abc",
            "query:`abc`",
            "query:⟨abc⟩",
            "`abc`",
            "`query`:abc",
            "⟨_00_query⟩:⟨abc⟩",
            " abc ",
        ] {
            assert_eq!(text.parse::<ViewKey>().map(|key| key.to_string()), Ok("abc".to_owned()), "{text}");
        }
    }

    #[test]
    fn the_key_may_hold_anything_printable() {
        for (text, key) in [
            ("query:a:b", "a:b"),
            ("query:123", "123"),
            ("query:`a b`", "a b"),
            ("query:`a\\`b`", "a`b"),
            ("query:⟨a\\⟩b⟩", "a⟩b"),
            ("query:`a:b`", "a:b"),
        ] {
            assert_eq!(text.parse::<ViewKey>().map(|key| key.to_string()), Ok(key.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_key_taken_as_it_is_may_look_like_an_id() {
        assert_eq!(ViewKey::from_key("a:b").unwrap().as_str(), "a:b");
        assert!(ViewKey::from_key("").is_err());
    }

    #[test]
    fn refuses_what_is_no_id() {
        let long = "x".repeat(MAX_LENGTH + 1);
        for text in ["", "  ", "query:", "query:``", "query:`abc", "query:`a`b", "a\u{0}b", long.as_str()] {
            assert!(text.parse::<ViewKey>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[`⟨⟩:\\\\a-c ]{0,12}") {
            let _ = text.parse::<ViewKey>();
        }
    }
}

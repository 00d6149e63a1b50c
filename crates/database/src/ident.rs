//! The one place where a name becomes query text.

use surrealdb::types::{ToSql, Value};

/// Writes an identifier so that SurrealQL reads it back as exactly this name, whatever it contains.
pub fn escape(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    text.push('`');
    for character in name.chars() {
        match character {
            '`' | '\\' => {
                text.push('\\');
                text.push(character);
            }
            '\0' => text.push_str("\\0"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\u{8}"),
            '\u{c}' => text.push_str("\\u{c}"),
            other => text.push(other),
        }
    }
    text.push('`');
    text
}

/// Writes a string literal. Only for definitions, which take no parameters.
pub(crate) fn literal(text: &str) -> String {
    Value::String(text.to_owned()).to_sql()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_an_identifier() {
        assert_eq!(escape("user"), "`user`");
        assert_eq!(escape("a`; REMOVE TABLE b; --"), "`a\\`; REMOVE TABLE b; --`");
        assert_eq!(escape("a\\"), "`a\\\\`");
        assert_eq!(escape("a\nb"), "`a\\nb`");
    }

    #[test]
    fn nothing_breaks_out_of_a_literal() {
        assert_eq!(literal("it's"), "\"it's\"");
        assert_eq!(literal("a'\"b"), "\"a'\\\"b\"");
    }
}

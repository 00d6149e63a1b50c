//! Values as text for people.

use circuit::Value;
use database::convert::to_sdk;
use database::text::raw;
use surrealdb::types::ToSql;

use crate::error::Error;

/// A value as SurrealQL writes it.
pub(super) fn surql(value: &Value) -> Result<String, Error> {
    Ok(to_sdk(value)?.to_sql())
}

/// A value in a cell of a table: without quotes, and without anything for what isn't there.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::None => String::new(),
        other => visible(&raw(other)),
    }
}

/// Text that can neither break the line nor command the terminal.
pub(super) fn visible(text: &str) -> String {
    let show = |character: char| match character {
        control if control.is_control() => control.escape_default().collect::<String>(),
        other => other.to_string(),
    };
    text.chars().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_cannot_command_the_terminal() {
        assert_eq!(cell(&Value::String("a\u{1b}[2Jb\nc".into())), "a\\u{1b}[2Jb\\nc");
    }
}

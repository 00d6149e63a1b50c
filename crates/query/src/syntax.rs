//! Reading SurrealQL with the parser that a SurrealDB server runs.

use std::ops::Range;

use surrealdb_expr::expr::{Expr, LogicalPlan, TopLevelExpr};
use surrealdb_syn::error::SyntaxError;
use surrealdb_syn::{ParserConfig, ParserSettings, parse_with_settings};

use crate::error::{Error, ErrorKind};
use crate::{MAX_TEXT, refusal};
use refusal::{Anchor, Refusal};

/// Reads all statements of a text.
///
/// The parser's own limits of nesting, those of a server, also bound the recursion of everything that walks the result.
pub(crate) fn statements(text: &str) -> Result<Vec<TopLevelExpr>, Error> {
    check_size(text)?;
    let parsed =
        parse_with_settings(text.as_bytes(), settings(), async |parser, stack| Ok(parser.parse_query(stack).await));
    let ast = parsed.map_err(|error| syntax_error(text, error.to_string()))?;
    Ok(LogicalPlan::from(ast.map_err(|error| locate(text, error))?).expressions)
}

/// Reads a single expression, and nothing behind it.
pub(crate) fn expression(text: &str) -> Result<Expr, Error> {
    check_size(text)?;
    let parsed = parse_with_settings(text.as_bytes(), settings(), async |parser, stack| {
        let expression = match parser.parse_expr_field(stack).await {
            Ok(expression) => parser.assert_finished().map(|()| expression),
            Err(error) => Err(error),
        };
        Ok(expression)
    });
    let expression = parsed.map_err(|error| syntax_error(text, error.to_string()))?;
    Ok(Expr::from(expression.map_err(|error| locate(text, error))?))
}

/// The only statement of a text.
pub(crate) fn only_statement(mut statements: Vec<TopLevelExpr>) -> Result<Expr, Refusal> {
    if statements.len() > 1 {
        return Err(Refusal::new("more than one statement", "can't be one view", Anchor::SecondStatement));
    }
    match statements.pop() {
        Some(TopLevelExpr::Expr(expr)) => Ok(expr),
        Some(_) => Err(not_a_select()),
        None => Err(Refusal::invalid("there is no statement", Anchor::Statement)),
    }
}

pub(crate) fn not_a_select() -> Refusal {
    Refusal::new("a statement other than SELECT", "can't be a view", Anchor::Statement)
}

fn settings() -> ParserSettings {
    ParserSettings::all_features(&ParserConfig::default())
}

fn check_size(text: &str) -> Result<(), Error> {
    let invalid = |at: usize, message: String| Err(Error::at(text, at..at, ErrorKind::Invalid { message }));
    if text.len() > MAX_TEXT {
        return invalid(MAX_TEXT, format!("the text is longer than {MAX_TEXT} bytes"));
    }
    let mut destructurings = text.match_indices('{').map(|(at, _)| at).filter(|at| may_destructure(&text[..*at]));
    if let Some(at) = destructurings.nth(MAX_DESTRUCTURINGS) {
        return invalid(at, format!("there are more than {MAX_DESTRUCTURINGS} destructurings"));
    }
    match slash_too_many(text) {
        Some(at) => invalid(at, format!("there are more than {MAX_SLASHES} slashes that may enclose patterns")),
        None => Ok(()),
    }
}

/// The most slashes from the first one on that may begin a regular expression. SurrealDB's parser compiles each of
/// these, which takes up to a tenth of a second for a few characters, so that a long text of them would take hours.
const MAX_SLASHES: usize = 64;

fn slash_too_many(text: &str) -> Option<usize> {
    let start = end_of_plain_text(text)?;
    text[start..].match_indices('/').map(|(at, _)| start + at).nth(MAX_SLASHES)
}

/// Up to where slashes are in strings and in quoted names only: the first other one, or a comment.
fn end_of_plain_text(text: &str) -> Option<usize> {
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let end = match character {
            '\'' | '"' | '`' => character,
            '⟨' => '⟩',
            '/' | '#' | '\\' => return Some(at),
            '-' if characters.peek().is_some_and(|(_, next)| *next == '-') => return Some(at),
            _ => continue,
        };
        while let Some((_, inner)) = characters.next().filter(|(_, inner)| *inner != end) {
            if inner == '\\' {
                characters.next();
            }
        }
    }
    None
}

/// The most places of a text where an object may be destructured. SurrealDB's parser limits all ways to nest but this
/// one, and would overflow the stack.
const MAX_DESTRUCTURINGS: usize = 64;

/// Whether a brace behind this text may destructure: a dot is before it, or a comment that may hide one.
fn may_destructure(before: &str) -> bool {
    let trimmed = before.trim_end();
    let comes_first_in_line = before[trimmed.len()..].contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
    trimmed.ends_with(['.', '/']) || (comes_first_in_line && has_line_comment(trimmed))
}

fn has_line_comment(text: &str) -> bool {
    let line = text.rsplit(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).next().unwrap_or_default();
    line.contains("--") || line.contains("//") || line.contains('#')
}

fn syntax_error(text: &str, message: String) -> Error {
    Error::at(text, 0..0, ErrorKind::Syntax { message })
}

/// The parser's error with the place that it points to.
fn locate(text: &str, error: SyntaxError) -> Error {
    let message = error.render_on(text).errors.join(", ");
    let mut range: Option<Range<usize>> = None;
    // The parser marks the place first, and adds spans of context in front of it.
    let _ = error.update_spans(|span| {
        let start = span.offset as usize;
        range = Some(start..start + span.len as usize);
    });
    let range = range.unwrap_or(text.len()..text.len());
    Error::at(text, range, ErrorKind::Syntax { message: message.trim_end_matches('.').to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_in_strings_are_no_patterns() {
        let urls = "'https://a.b/c', \"it's /\", 'it\\'s /', t:⟨a'/⟩, `it's /`, ".repeat(100);
        let patterns = "/a/, ".repeat(MAX_SLASHES / 2);
        for text in [urls.clone(), patterns.clone(), format!("{urls}{patterns}")] {
            assert_eq!(slash_too_many(&text), None, "{text}");
        }
        // Neither a pattern nor a comment hides what comes behind it.
        for hiding in ["", "/'/, ", "# '\n", "-- '\n", "// '\n", "/* ' */ "] {
            let text = format!("{urls}{hiding}{patterns}/a/");
            assert!(slash_too_many(&text).is_some(), "{text}");
        }
    }
}

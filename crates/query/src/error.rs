//! Why a text was refused, and where.

use std::ops::Range;

/// A refused text: the reason, and the place in the text that it is about.
///
/// Displays as `line 1, column 15: GROUP BY is not supported yet: "GROUP BY author"`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {kind}{}", quoted(.snippet))]
pub struct Error {
    pub kind: ErrorKind,
    /// Line of the offending part, from 1.
    pub line: usize,
    /// Column of the offending part in characters, from 1.
    pub column: usize,
    /// The offending part, shortened if it is long; empty at the end of the text.
    pub snippet: String,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// The text is not SurrealQL. The message is that of SurrealDB's parser.
    #[error("{message}")]
    Syntax { message: String },
    /// The text is valid SurrealQL that can't be kept up to date, or not yet.
    #[error("{what} {reason}")]
    Unsupported {
        /// The construct, such as `GROUP BY`.
        what: String,
        /// The rest of the sentence, such as `is not supported yet`.
        reason: &'static str,
    },
    /// SurrealDB itself would fail to evaluate this.
    #[error("{message}")]
    Invalid { message: String },
    /// The query uses a parameter that was not given.
    #[error("the parameter ${name} was not given")]
    UnknownParameter { name: String },
    /// A record user asks for a table of which the catalog knows nothing.
    #[error("the table {name} does not exist")]
    UnknownTable { name: String },
    /// What a record user may see can't be kept up to date. Nothing is shown then.
    #[error("the select permission of {of}, WHERE {text}, is not supported: {reason}")]
    Permission {
        /// Such as `table post` or `field secret of table post`.
        of: String,
        /// The expression behind `WHERE`.
        text: String,
        reason: String,
    },
}

impl Error {
    /// The code of this error on the wire: `UNSUPPORTED_QUERY` if the text is valid SurrealQL, else `INVALID_QUERY`.
    pub fn code(&self) -> &'static str {
        match self.kind {
            ErrorKind::Unsupported { .. } | ErrorKind::Permission { .. } => "UNSUPPORTED_QUERY",
            ErrorKind::Syntax { .. }
            | ErrorKind::Invalid { .. }
            | ErrorKind::UnknownParameter { .. }
            | ErrorKind::UnknownTable { .. } => "INVALID_QUERY",
        }
    }

    /// An error about the given bytes of the text. A range outside of it is cut to fit.
    pub(crate) fn at(text: &str, range: Range<usize>, kind: ErrorKind) -> Error {
        let start = floor_char_boundary(text, range.start);
        let end = floor_char_boundary(text, range.end.max(start));
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Error {
            kind,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            snippet: shorten(&text[start..end]),
        }
    }
}

const MAX_SNIPPET: usize = 80;

/// The first line of the text, and not too much of it.
fn shorten(text: &str) -> String {
    let text = text.trim_end();
    let line = text.lines().next().unwrap_or_default().trim_end();
    if line.len() == text.len() && line.chars().count() <= MAX_SNIPPET {
        return line.to_owned();
    }
    line.chars().take(MAX_SNIPPET - 1).chain(['…']).collect()
}

fn quoted(snippet: &str) -> String {
    if snippet.is_empty() { String::new() } else { format!(": \"{snippet}\"") }
}

fn floor_char_boundary(text: &str, index: usize) -> usize {
    let index = index.min(text.len());
    (0..=index).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0)
}

//! Changes as plain lines: `+` came, `~` changed, `-` went, then the record's id and what the query shows of it.

use std::io::{self, Write};

use super::text;
use super::view::{Changed, Kind};
use crate::error::Error;

/// Writes to standard output.
pub(super) struct Lines;

impl Lines {
    pub(super) fn show(&mut self, changed: &[Changed]) -> Result<(), Error> {
        let mut output = io::stdout().lock();
        for Changed { kind, id, shown } in changed {
            let sign = match kind {
                Kind::Added => '+',
                Kind::Updated => '~',
                Kind::Removed => '-',
            };
            let line = format!("{sign} {id} {}", text::surql(shown)?);
            writeln!(output, "{}", text::visible(&line)).map_err(ended)?;
        }
        output.flush().map_err(ended)
    }
}

/// Whoever read the lines has enough of them: the end, and a good one.
fn ended(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Error::Interrupted,
        _ => Error::Output(error),
    }
}

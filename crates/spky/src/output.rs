//! What `spky dev` tells: lines for people, or one JSON object a line for programs.

use std::io::{self, Write};

use serde::Serialize;

use crate::error::Error;

/// Where everything is, once it is all up.
#[derive(Debug, Serialize)]
pub(crate) struct Ready<'a> {
    /// Always `ready`.
    pub(crate) event: &'static str,
    /// Address of the database, for WebSocket clients.
    pub(crate) db: &'a str,
    /// Address of the sidecar.
    pub(crate) ssp: &'a str,
    /// Bearer token of the sidecar.
    pub(crate) secret: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) database: &'a str,
}

/// Something that has been reached on the way there.
#[derive(Serialize)]
struct Progress<'a> {
    event: &'static str,
    part: &'a str,
    message: &'a str,
}

/// Writes to standard output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Tells that something begins or is done.
    pub(crate) fn progress(self, part: &str, message: &str) -> Result<(), Error> {
        if self.json {
            return self.json_line(&Progress { event: "progress", part, message });
        }
        line(&format!("{part:<10} {message}"))
    }

    /// The last line of the start. A program that reads JSON can rely on it being the last.
    pub(crate) fn ready(self, ready: &Ready<'_>) -> Result<(), Error> {
        if self.json {
            return self.json_line(ready);
        }
        line(&format!(
            "\n  database   {}  (namespace {}, database {})\n  sidecar    {}\n  secret     {}\n\nready",
            ready.db, ready.namespace, ready.database, ready.ssp, ready.secret
        ))
    }

    /// A line for people only.
    pub(crate) fn hint(self, text: &str) -> Result<(), Error> {
        if self.json { Ok(()) } else { line(text) }
    }

    fn json_line(self, value: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_string(value).map_err(|error| Error::Output(error.into()))?;
        line(&text)
    }
}

/// Writes a line to standard output. Not with `println!`, which panics when nobody reads any more.
pub(crate) fn line(text: &str) -> Result<(), Error> {
    let mut output = io::stdout().lock();
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        // Whoever read it has gone, and that is no reason to stop.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.map_err(Error::Output),
    }
}

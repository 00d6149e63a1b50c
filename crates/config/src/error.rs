//! What can be wrong with a configuration, and what is right but worth a line in the log.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A command-line flag, with its dashes.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// A key of the configuration file.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line, from 1; 0 if it isn't known.
        line: u64,
        /// The key as it was written.
        key: String,
    },
    /// Nothing set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Variable(name) => f.write_str(name),
            Self::File { path, line, key } => write!(f, "{}: {key}", Place(path, *line)),
            Self::Default => f.write_str("default"),
        }
    }
}

/// `path:line`, or the path alone.
struct Place<'a>(&'a Path, u64);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            0 => write!(f, "{}", self.0.display()),
            line => write!(f, "{}:{line}", self.0.display()),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The file can't be read.
    Unreadable {
        /// The file as it was named.
        path: PathBuf,
        /// The system's error.
        reason: String,
    },
    /// The file is no YAML, or a value in it has the wrong shape.
    Malformed {
        /// The file as it was named.
        path: PathBuf,
        /// The line, from 1; 0 if it isn't known.
        line: u64,
        /// The parser's error, without an excerpt of the file (which may hold secrets).
        reason: String,
    },
    /// The file has a key that Sp00ky doesn't know.
    UnknownKey {
        /// The file as it was named.
        path: PathBuf,
        /// The line, from 1; 0 if it isn't known.
        line: u64,
        /// The key.
        key: String,
        /// The known key nearest to it, among those allowed in this place.
        nearest: &'static str,
    },
    /// Two keys of the file mean the same setting.
    GivenTwice {
        /// The file as it was named.
        path: PathBuf,
        /// The line of the second, from 1; 0 if it isn't known.
        line: u64,
        /// The second key.
        key: String,
        /// The canonical key of both.
        canonical: &'static str,
    },
    /// A value can't be used.
    BadValue {
        /// Where it came from.
        origin: Origin,
        /// What is wrong with it; doesn't repeat the value of a secret.
        reason: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, reason } => write!(f, "can't read {}: {reason}", path.display()),
            Self::Malformed { path, line, reason } => write!(f, "{}: {reason}", Place(path, *line)),
            Self::UnknownKey { path, line, key, nearest } => {
                write!(f, "{}: unknown key `{key}`, the nearest known one is `{nearest}`", Place(path, *line))
            }
            Self::GivenTwice { path, line, key, canonical } => {
                write!(f, "{}: `{key}` sets `{canonical}` a second time", Place(path, *line))
            }
            Self::BadValue { origin, reason } => write!(f, "{origin}: {reason}"),
        }
    }
}

/// A configuration that can't be used, with everything that is wrong with it: one problem a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.problems))]
pub struct Error {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

/// Something that works but should be changed. The program logs each once, as a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An older name was used.
    Deprecated {
        /// The older name.
        name: String,
        /// The name to use instead.
        instead: &'static str,
        /// True if the newer name was set as well, and so the older one has no effect.
        ignored: bool,
    },
    /// A variable that begins with `SPKY_` is unknown, and looks like a mistyped one.
    UnknownVariable {
        /// The variable.
        name: String,
        /// The known variable nearest to it.
        nearest: &'static str,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deprecated { name, instead, ignored: false } => write!(f, "{name} is deprecated, use {instead}"),
            Self::Deprecated { name, instead, ignored: true } => {
                write!(f, "{name} is deprecated, and ignored because {instead} is set")
            }
            Self::UnknownVariable { name, nearest } => write!(f, "unknown variable {name}, did you mean {nearest}?"),
        }
    }
}

/// The candidate nearest to `name`, with their similarity from 0 to 1.
pub(crate) fn nearest(name: &str, candidates: impl IntoIterator<Item = &'static str>) -> Option<(f64, &'static str)> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(name, candidate), candidate))
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
}

//! What a running `spky dev` leaves for the other subcommands of the same user, so that `spky watch` needs no options.
//!
//! A file of JSON in a directory that only this user can read, named after the sidecar's port.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// How to reach a running `spky dev`.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Session {
    pub(crate) db: String,
    pub(crate) ssp: String,
    pub(crate) secret: String,
    pub(crate) namespace: String,
    pub(crate) database: String,
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) table_prefix: String,
}

/// Removes the file when `spky dev` ends.
pub(crate) struct Published(PathBuf);

impl Drop for Published {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!(%error, file = %self.0.display(), "can't remove the session's file");
        }
    }
}

/// Writes the file of the sidecar on `port`.
pub(crate) fn publish(port: u16, session: &Session) -> Result<Published, Error> {
    let directory = directory();
    let path = file(&directory, port);
    let write = || {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&directory)?;
        if !is_private(&directory)? {
            return Err(io::Error::other("the directory is not only ours"));
        }
        // A file that a killed `spky dev` left behind goes first: its mode would stay as it is.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(&serde_json::to_vec(session)?)
    };
    match write() {
        Ok(()) => Ok(Published(path)),
        Err(source) => Err(Error::Write { path, source }),
    }
}

/// The session of the sidecar on `port`, if there is one.
pub(crate) fn find(port: u16) -> Option<Session> {
    let directory = directory();
    // Somebody else's directory could send us, with our secrets, to a server of theirs.
    if !is_private(&directory).ok()? {
        return None;
    }
    let text = fs::read(file(&directory, port)).ok()?;
    serde_json::from_slice(&text).ok()
}

fn file(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!("dev-{port}.json"))
}

fn directory() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty()) {
        Some(runtime) => Path::new(&runtime).join("sp00ky"),
        None => std::env::temp_dir().join(format!("sp00ky-{}", geteuid())),
    }
}

fn is_private(directory: &Path) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(directory)?;
    Ok(metadata.is_dir() && metadata.uid() == geteuid().as_raw() && metadata.mode() & 0o077 == 0)
}

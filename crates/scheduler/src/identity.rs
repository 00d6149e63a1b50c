//! Which log it is: the numbers of another one mean other events.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use crate::log::Error;

const FILE: &str = "identity";
const UNFINISHED: &str = "identity.new";

/// The name of the log in a directory, which it is given when it is asked for first. The directory is one that the log has
/// open.
///
/// # Errors
/// [`Error::Io`] and [`Error::Full`].
pub(crate) fn of(directory: &Path) -> Result<Uuid, Error> {
    let path = directory.join(FILE);
    let failed = |action| {
        let path = path.clone();
        move |source| Error::io(action, &path, source)
    };
    match fs::read_to_string(&path) {
        Ok(text) => Uuid::parse_str(text.trim()).map_err(|error| Error::Io {
            action: "understand the name of the log in",
            path,
            source: Arc::new(std::io::Error::new(ErrorKind::InvalidData, error)),
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let identity = Uuid::new_v4();
            let unfinished = directory.join(UNFINISHED);
            let mut file = File::create(&unfinished).map_err(failed("create"))?;
            file.write_all(identity.to_string().as_bytes()).map_err(failed("write"))?;
            file.sync_all().map_err(failed("sync"))?;
            fs::rename(&unfinished, &path).map_err(failed("name"))?;
            File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed("sync"))?;
            Ok(identity)
        }
        Err(error) => Err(failed("read")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let name = of(directory.path()).unwrap();
        assert_eq!(of(directory.path()).unwrap(), name);
        assert_ne!(of(tempfile::tempdir().unwrap().path()).unwrap(), name);
        fs::write(directory.path().join(FILE), "no name").unwrap();
        assert!(matches!(of(directory.path()), Err(Error::Io { .. })));
    }
}

//! One file a subcommand.

pub(crate) mod apply;
pub(crate) mod db;
pub(crate) mod dev;
pub(crate) mod lint;
pub(crate) mod scheduler;
pub(crate) mod ssp;
pub(crate) mod status;
pub(crate) mod verify;
pub(crate) mod watch;

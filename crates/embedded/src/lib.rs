#![recursion_limit = "512"]
//! SurrealDB's own server, inside our binary.
//!
//! The binary that wants to offer it calls [`run_command_line`] when it was started under the name [`COMMAND`], as
//! BusyBox does. [`Server`] starts such a binary a second time, under that name, as a child process: so there is one
//! file to install, and still a database that can be killed, and can't take its owner down with it.
//!
//! The engine itself is behind the feature `engine`, which only that binary needs. Without it this crate is small, so
//! that any test can start a real database:
//!
//! ```no_run
//! # async fn example() -> Result<(), embedded::Error> {
//! let mut server = embedded::Server::start(embedded::Settings::for_tests()).await?;
//! println!("{}", server.address());
//! server.stop().await
//! # }
//! ```

mod child;
#[cfg(feature = "engine")]
mod engine;
mod error;
mod port;
mod server;

#[cfg(feature = "engine")]
pub use engine::run_command_line;
pub use error::Error;
pub use port::{check_port, free_port};
pub use server::{Log, Server, Settings, Storage};

/// The name under which the binary is the database's command line.
pub const COMMAND: &str = "surreal";

/// Tells the child who started it, so that it can end with its parent.
const PARENT_VARIABLE: &str = "SPKY_EMBEDDED_PARENT";

//! `spky`, the one binary of Sp00ky. Under the name `surreal` it is the embedded database's own command line.

mod cli;
mod client;
mod commands;
mod demo;
mod error;
mod logging;
mod options;
mod output;
mod services;
mod session;
mod settings;
mod sidecar;
mod signals;
mod target;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use mimalloc::MiMalloc;

/// The engine allocates and frees a great many small values: with glibc's allocator, two fifths of the time in which it
/// loads rows or works off a batch went there.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let started_as = std::env::args_os().next().unwrap_or_default();
    if Path::new(&started_as).file_name() == Some(OsStr::new(embedded::COMMAND)) {
        return embedded::run_command_line();
    }
    cli::run()
}

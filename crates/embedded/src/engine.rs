//! The one place where SurrealDB's server is compiled in.

use std::process::ExitCode;

use crate::PARENT_VARIABLE;

/// Runs SurrealDB's command line (`start`, `import`, `export`, …) with the arguments of this process.
///
/// Not generic on purpose: whatever names the server's generic entry point compiles much of the server again.
pub fn run_command_line() -> ExitCode {
    if let Err(error) = end_with_parent() {
        eprintln!("can't tie the database to the process that started it: {error}");
        return ExitCode::FAILURE;
    }
    surrealdb_server::init(surrealdb_server::core::CommunityComposer())
}

/// Asks the kernel to stop this process when its parent is gone, if [`crate::Server`] started it.
///
/// Done here and not between `fork` and `exec`, where only unsafe code could do it. A parent that ended before is
/// noticed by its process id.
#[cfg(target_os = "linux")]
fn end_with_parent() -> Result<(), nix::Error> {
    use nix::sys::prctl::set_pdeathsig;
    use nix::sys::signal::Signal;

    let Ok(parent) = std::env::var(PARENT_VARIABLE) else { return Ok(()) };
    set_pdeathsig(Signal::SIGTERM)?;
    if nix::unistd::getppid().to_string() != parent {
        return Err(nix::Error::ESRCH);
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn end_with_parent() -> Result<(), nix::Error> {
    Ok(())
}

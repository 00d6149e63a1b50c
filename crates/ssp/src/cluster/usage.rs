//! How much of the machine this process uses.

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

/// Looks at this process.
#[derive(Debug)]
pub(crate) struct Usage {
    system: System,
    process: Option<Pid>,
    cores: f64,
}

impl Usage {
    pub(crate) fn new() -> Self {
        let system =
            System::new_with_specifics(RefreshKind::nothing().with_memory(sysinfo::MemoryRefreshKind::everything()));
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        Usage { system, process: sysinfo::get_current_pid().ok(), cores }
    }

    /// The shares of the processors since the last look and of the memory now, from 0 to 1; 0 where the system does not tell.
    pub(crate) fn look(&mut self) -> (f64, f64) {
        let Some(process) = self.process else { return (0.0, 0.0) };
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[process]), false, what);
        let Some(found) = self.system.process(process) else { return (0.0, 0.0) };
        let cpu = f64::from(found.cpu_usage()) / 100.0 / self.cores;
        let memory = found.memory() as f64 / (self.system.total_memory().max(1)) as f64;
        (cpu.clamp(0.0, 1.0), memory.clamp(0.0, 1.0))
    }
}

//! Sidecars as processes of their own, which can be killed at any moment.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::CALLBACK_TIMEOUT;
use crate::support::Backend;

/// How much of what sidecars have logged is shown when a test fails.
const LOG_LINES: usize = 60;

/// The sidecars on one database.
pub struct Sidecars {
    folder: TempDir,
    database: SocketAddr,
    sidecars: Vec<Sidecar>,
}

struct Sidecar {
    ports: [u16; 2],
    child: Option<Child>,
}

impl Sidecars {
    /// Starts some, all of which run the jobs of the tables `job` and `call`.
    pub fn start(count: usize, database: SocketAddr, backend: &Backend) -> Sidecars {
        let folder = tempfile::tempdir().expect("a folder");
        let common = format!("base_url: {}\n    retry_delay: 100ms\n    concurrency: 8", backend.url());
        let configuration = format!(
            "spi_rate_limit: 100000\njob_tables:\n  job:\n    {common}\n    timeout: 3s\n  \
             call:\n    {common}\n    mode: callback\n    timeout: {}s\n",
            CALLBACK_TIMEOUT.as_secs()
        );
        std::fs::write(folder.path().join("sp00ky.yml"), configuration).expect("a file");
        let port = || embedded::free_port().expect("a free port");
        let sidecars = (0..count).map(|_| Sidecar { ports: [port(), port()], child: None }).collect();
        let mut sidecars = Sidecars { folder, database, sidecars };
        sidecars.revive();
        sidecars
    }

    pub fn count(&self) -> usize {
        self.sidecars.len()
    }

    /// Where executors may call back.
    pub fn interfaces(&self) -> Vec<String> {
        self.sidecars.iter().map(|Sidecar { ports: [_, spi], .. }| format!("http://127.0.0.1:{spi}/spi")).collect()
    }

    /// Ends one as the kernel would.
    pub fn kill(&mut self, number: usize) {
        if let Some(mut child) = self.sidecars[number].child.take() {
            // This is SIGKILL. It may have ended by itself, without a database.
            let _ = child.kill();
            child.wait().expect("it is our child");
        }
    }

    /// Starts those again that have ended, as whoever runs services does.
    pub fn revive(&mut self) {
        for number in 0..self.sidecars.len() {
            let child = self.sidecars[number].child.as_mut();
            if child.is_none_or(|child| child.try_wait().expect("it is our child").is_some()) {
                self.sidecars[number].child = Some(self.spawn(number));
            }
        }
    }

    fn spawn(&self, number: usize) -> Child {
        let [port, spi] = self.sidecars[number].ports;
        let log = File::options().create(true).append(true).open(self.log(number)).expect("the folder is ours");
        let mut command = Command::new(embedded::Settings::for_tests().executable.expect("the binary beside the test"));
        let inherited = std::env::vars().map(|(name, _)| name);
        inherited.filter(|name| name.starts_with("SPKY_")).for_each(|name| {
            command.env_remove(name);
        });
        command
            .args(["ssp", "--insecure", "--listen", &format!("127.0.0.1:{port}")])
            .args(["--db-url", &format!("ws://{}", self.database), "--ns", "test", "--db", "test"])
            .current_dir(self.folder.path())
            .env("SPKY_SPI_LISTEN_ADDR", format!("127.0.0.1:{spi}"))
            .env("SPKY_PERSISTENCE_FILE", self.folder.path().join(format!("{number}.state")))
            .env("SPKY_LOG", "warn,jobs=info,spi::audit=off")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command.spawn().expect("the sidecar starts")
    }

    fn log(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("{number}.log"))
    }
}

impl Drop for Sidecars {
    /// None outlives the test.
    fn drop(&mut self) {
        for number in 0..self.sidecars.len() {
            self.kill(number);
            if std::thread::panicking() {
                let log = std::fs::read_to_string(self.log(number)).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                println!("sidecar {number}:\n{}", lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"));
            }
        }
    }
}

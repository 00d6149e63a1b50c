//! What the processes take, and what the sidecar says of itself.

use std::fmt;

use crate::machine::Machine;
use crate::support::SECRET;

pub struct Gauges {
    url: String,
    http: reqwest::Client,
}

/// What there is to see at a moment.
#[derive(Clone, Copy)]
pub struct Reading {
    /// Resident bytes of the processes.
    pub sidecar: u64,
    pub database: u64,
    pub views: u64,
    /// Edges written and removed.
    pub edges: u64,
    pub transactions: u64,
    /// Transactions of the sidecar that had to be tried again.
    pub retries: u64,
}

impl Gauges {
    pub fn new(url: String) -> Gauges {
        Gauges { url, http: reqwest::Client::new() }
    }

    /// Insists on both processes running: nobody has started them again.
    pub async fn read(&self, machine: &mut Machine) -> Reading {
        let Some([database, sidecar]) = machine.processes() else { panic!("a process has ended:\n{}", machine.log()) };
        let answer = self.http.get(&self.url).bearer_auth(SECRET).send().await.expect("the sidecar answers");
        let text = answer.text().await.expect("a text");
        let sum = |name: &str| -> u64 {
            let series = text.lines().filter(|line| line.strip_prefix(name).is_some_and(is_end_of_name));
            let values = series.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
            values.sum::<f64>() as u64
        };
        Reading {
            sidecar: resident(sidecar),
            database: resident(database),
            views: sum("spky_views"),
            edges: sum("spky_edges_written_total") + sum("spky_edges_removed_total"),
            transactions: sum("spky_transaction_duration_seconds_count"),
            retries: sum("spky_transaction_retries_total"),
        }
    }
}

fn is_end_of_name(rest: &str) -> bool {
    rest.starts_with([' ', '{'])
}

/// The memory that a process takes.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says what a process takes");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes << 10
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reading { sidecar, database, views, edges, transactions, retries } = *self;
        let (sidecar, database) = (sidecar >> 20, database >> 20);
        write!(
            f,
            "sidecar {sidecar} MB, database {database} MB, {views} views, {edges} edges in {transactions} transactions, \
             {retries} retries"
        )
    }
}

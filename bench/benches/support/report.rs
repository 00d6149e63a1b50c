//! Times, ratios and tables.

use std::time::{Duration, Instant};

/// What a contestant needed, by round.
#[derive(Clone, Debug, Default)]
pub struct Times {
    rounds: Vec<Vec<Duration>>,
}

impl Times {
    pub fn start_round(&mut self) {
        self.rounds.push(Vec::new());
    }

    pub fn clear(&mut self) {
        self.rounds.clear();
    }

    /// The times of the current round.
    pub fn round(&mut self) -> &mut Vec<Duration> {
        if self.rounds.is_empty() {
            self.start_round();
        }
        let last = self.rounds.len() - 1;
        &mut self.rounds[last]
    }

    pub fn total(&self) -> Duration {
        self.rounds.iter().flatten().sum()
    }

    /// The time that `share` of all changes did not exceed.
    pub fn percentile(&self, share: f64) -> Duration {
        percentile(self.rounds.iter().flatten().copied().collect(), share)
    }

    /// The median of each round.
    fn medians(&self) -> Vec<f64> {
        self.rounds.iter().map(|round| percentile(round.clone(), 0.5).as_secs_f64()).collect()
    }
}

fn percentile(mut times: Vec<Duration>, share: f64) -> Duration {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    times.get((last as f64 * share) as usize).copied().unwrap_or_default()
}

/// The times of all contestants in one case.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Or why the engine did not take part.
    pub engine: Result<Times, String>,
    pub peer: Times,
    pub floor: Times,
}

/// A case of a workload, as it went.
#[derive(Clone, Debug)]
pub struct Line {
    pub workload: &'static str,
    pub case: String,
    pub standing: Standing,
}

/// The ratio of two contestants' medians, round for round: the least, the median and the greatest.
fn ratio(slow: &Times, fast: &Times) -> String {
    let mut ratios: Vec<f64> = slow.medians().iter().zip(fast.medians()).map(|(slow, fast)| slow / fast).collect();
    ratios.sort_by(f64::total_cmp);
    match ratios.as_slice() {
        [] => String::new(),
        [first, .., last] => format!("{first:.1} / **{:.1}** / {last:.1}", ratios[ratios.len() / 2]),
        [only] => format!("**{only:.1}**"),
    }
}

/// A duration for people.
pub fn duration(duration: Duration) -> String {
    let micros = duration.as_secs_f64() * 1e6;
    match micros {
        ..100.0 => format!("{micros:.2} µs"),
        ..10_000.0 => format!("{micros:.0} µs"),
        _ => format!("{:.1} ms", micros / 1e3),
    }
}

/// Prints the cases of a run as one table in Markdown.
pub fn print(lines: &[Line]) {
    if lines.is_empty() {
        return;
    }
    let header = [
        "workload",
        "case",
        "engine p50",
        "p99",
        "dd p50",
        "p99",
        "floor p50",
        "p99",
        "dd ÷ engine",
        "engine ÷ floor",
        "dd ÷ floor",
    ];
    let mut table = Table::new(&header);
    for line in lines {
        let Standing { engine, peer, floor } = &line.standing;
        let times = |times: &Times| [duration(times.percentile(0.5)), duration(times.percentile(0.99))];
        let mut cells = vec![line.workload.to_owned(), line.case.clone()];
        match engine {
            Ok(engine) => cells.extend(times(engine)),
            Err(reason) => cells.extend([format!("refused: {reason}"), String::new()]),
        }
        cells.extend(times(peer));
        cells.extend(times(floor));
        match engine {
            Ok(engine) => cells.extend([ratio(peer, engine), ratio(engine, floor)]),
            Err(_) => cells.extend([String::new(), String::new()]),
        }
        cells.push(ratio(peer, floor));
        table.row(cells);
    }
    table.print();
    print_clock();
}

/// A table in Markdown.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(header: &[&str]) -> Self {
        Table { rows: vec![header.iter().map(|cell| cell.to_string()).collect()] }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub fn print(&self) {
        for (number, row) in self.rows.iter().enumerate() {
            println!("| {} |", row.join(" | "));
            if number == 0 {
                println!("|{}", "---|".repeat(row.len()));
            }
        }
    }
}

/// Prints by how much the last case of a workload takes longer than the first.
pub fn print_growth(lines: &[Line], workload: &str) {
    let lines: Vec<&Line> = lines.iter().filter(|line| line.workload == workload).collect();
    let [first, .., last] = lines.as_slice() else { return };
    let mut table = Table::new(&[&format!("{workload}: growth of p50"), "engine", "dd", "floor"]);
    let engine = match (&first.standing.engine, &last.standing.engine) {
        (Ok(first), Ok(last)) => ratio(last, first),
        _ => "refused".into(),
    };
    table.row(vec![
        format!("{} ÷ {}", last.case, first.case),
        engine,
        ratio(&last.standing.peer, &first.standing.peer),
        ratio(&last.standing.floor, &first.standing.floor),
    ]);
    table.print();
}

/// Prints what a measurement takes that measures nothing; it is a part of all others.
fn print_clock() {
    let mut times = Times::default();
    for _ in 0..10_000 {
        let start = Instant::now();
        times.round().push(start.elapsed());
    }
    println!("Reading the clock takes {} of each measurement.", duration(times.percentile(0.5)));
}

/// Prints what one more of what the cases of a workload count costs: the line between the first case and the last.
pub fn print_slopes(lines: &[Line], workload: &str, unit: &str, counts: &[usize]) {
    let lines: Vec<&Line> = lines.iter().filter(|line| line.workload == workload).collect();
    let (Some(first), Some(last), Some(from), Some(to)) = (lines.first(), lines.last(), counts.first(), counts.last())
    else {
        return;
    };
    let slope = |of: fn(&Standing) -> Option<&Times>| {
        let (first, last) = (of(&first.standing)?, of(&last.standing)?);
        let rise = last.percentile(0.5).as_secs_f64() - first.percentile(0.5).as_secs_f64();
        Some(format!("{:.1} ns", rise / (to - from) as f64 * 1e9))
    };
    let mut table = Table::new(&[&format!("{workload}: each further {unit}"), "engine", "dd", "floor"]);
    table.row(vec![
        format!("from {from} to {to}"),
        slope(|standing| standing.engine.as_ref().ok()).unwrap_or_else(|| "refused".into()),
        slope(|standing| Some(&standing.peer)).unwrap_or_default(),
        slope(|standing| Some(&standing.floor)).unwrap_or_default(),
    ]);
    table.print();
}

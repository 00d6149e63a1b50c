//! Changes per second, from the first write until all views show the last one: while an application writes them, and of a backlog.
//!
//! A backlog is written while the processes that are to take it in stand still, so that nothing is taken from them, and the
//! application does not set the pace. What the scheduler alone logs of it limits what any number of sidecars can be told.

use std::time::{Duration, Instant};

use database::Capture;
use nix::sys::signal::Signal;
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::Client;
use tokio::task::JoinSet;

use crate::options::Options;
use crate::stage::{Service, Stage};
use crate::statistics::{median, ratios, turns};
use crate::support::Application;
use crate::{THROTTLE, cluster};

const SURQL: &str = "SELECT * FROM thread WHERE author = $author";
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(5);
/// What is written while it is taken in.
const STEADY: usize = 0;
/// What is written before.
const BACKLOG: usize = 1;

/// Who follows the changes of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Followers {
    Nobody,
    Sidecar,
    /// A scheduler with so many sidecars.
    Cluster(usize),
}

struct Contestant {
    name: String,
    application: Application,
    clients: Vec<Surreal<Client>>,
    services: Vec<Service>,
    /// How many of them keep views; where there are none, none are looked at.
    sidecars: usize,
    /// Whether a transaction is an event of a scheduler's log. By push, a changed row is one.
    is_logged: bool,
    /// How often the rows were written.
    generation: usize,
    /// [`STEADY`] and [`BACKLOG`].
    rates: [Rates; 2],
}

/// Transactions per second, of each round.
#[derive(Default)]
struct Rates {
    written: Vec<f64>,
    logged: Vec<f64>,
    shown: Vec<f64>,
}

pub async fn run(stage: &Stage, options: &Options) {
    let mut contestants = Vec::new();
    let clusters = std::iter::once(0).chain(options.sidecars.iter().copied()).map(Followers::Cluster);
    for followers in [Followers::Nobody, Followers::Sidecar].into_iter().chain(clusters) {
        contestants.push(Contestant::new(stage, options, Capture::Feed, followers).await);
    }
    for round in 0..options.common.rounds {
        for place in turns(contestants.len(), round) {
            contestants[place].steady(options).await;
            contestants[place].backlog(options).await;
        }
    }
    introduce(options);
    table("while they are written", &contestants, STEADY);
    table("of a backlog", &contestants, BACKLOG);
}

/// As [`run`], beside a database that pushes its changes. There is no backlog then: who writes waits for who is told.
pub async fn run_pushed(stage: &Stage, options: &Options) {
    let mut contestants = Vec::new();
    for followers in [Followers::Sidecar, Followers::Cluster(1)] {
        for capture in [Capture::Feed, Capture::Push] {
            contestants.push(Contestant::new(stage, options, capture, followers).await);
        }
    }
    for round in 0..options.common.rounds {
        for place in turns(contestants.len(), round) {
            contestants[place].steady(options).await;
        }
    }
    introduce(options);
    table("while they are written", &contestants, STEADY);
}

fn introduce(options: &Options) {
    let Options { changes, batch, views, connections, .. } = options;
    let rows = changes * batch;
    println!(
        "{changes} transactions of {batch} rows each in a round, {rows} rows in {views} views, {connections} connections that \
         write.\n"
    );
}

fn table(title: &str, contestants: &[Contestant], of: usize) {
    println!("| transactions/s {title} | written | logged | shown | shown ÷ a sidecar alone |\n|---|---|---|---|---|");
    let is_alone = |contestant: &&Contestant| contestant.name == name(Capture::Feed, Followers::Sidecar);
    let alone = contestants.iter().find(is_alone).map_or(&[][..], |contestant| &contestant.rates[of].shown);
    for contestant in contestants {
        let Rates { written, logged, shown } = &contestant.rates[of];
        let [written, logged, median_shown] = [written, logged, shown].map(|rates| match &rates[..] {
            [] => "–".to_owned(),
            rates => format!("{:.0}", median(rates)),
        });
        let ratio = if shown.is_empty() { "–".to_owned() } else { ratios(shown, alone) };
        println!("| {} | {written} | {logged} | {median_shown} | {ratio} |", contestant.name);
    }
    println!();
}

fn name(capture: Capture, followers: Followers) -> String {
    let followers = match followers {
        Followers::Nobody => return "capture, nobody follows".to_owned(),
        Followers::Sidecar => "a sidecar alone".to_owned(),
        Followers::Cluster(0) => "a scheduler alone".to_owned(),
        Followers::Cluster(1) => "a scheduler and 1 sidecar".to_owned(),
        Followers::Cluster(number) => format!("a scheduler and {number} sidecars"),
    };
    match capture {
        Capture::Feed => followers,
        Capture::Push => format!("{followers}, pushed"),
    }
}

impl Contestant {
    /// Someone to follow a database of their own.
    async fn new(stage: &Stage, options: &Options, capture: Capture, followers: Followers) -> Contestant {
        let Options { changes, batch, views, .. } = options;
        let schema = format!(
            "DEFINE TABLE thread SCHEMALESS; DEFINE TABLE barrier SCHEMALESS; FOR $n IN 0..{} {{ \
             CREATE type::record('thread', $n) SET author = type::record('user', $n % {views}), title = 'a title', n = 0, \
             status = 'open', tags = ['a', 'b'], at = time::now(), text = 'some text of usual length' }};",
            changes * batch
        );
        let database = &format!("{capture:?}{followers:?}");
        let application = match capture {
            Capture::Feed => stage.captured(database, &schema).await,
            Capture::Push => stage.pushed(database, &schema).await,
        };
        let (services, sidecars) = match followers {
            Followers::Nobody => (Vec::new(), 0),
            Followers::Sidecar => (vec![stage.sidecar(database, THROTTLE).await], 1),
            Followers::Cluster(sidecars) => (cluster(stage, database, sidecars, THROTTLE).await, sidecars),
        };
        let has_scheduler = matches!(followers, Followers::Cluster(_));
        // The first ones are spread: each sidecar has one that shows how far it has come.
        for number in 0..sidecars {
            services[0].register(&format!("barrier{number}"), "SELECT * FROM barrier", "{}").await;
        }
        if has_scheduler && sidecars > 0 {
            let status = services[0].status().await;
            assert!(status.ssps.iter().all(|ssp| ssp.views == 1), "{status:#?}");
        }
        if sidecars > 0 {
            for author in 0..*views {
                services[0].register(&format!("v{author}"), SURQL, &format!("{{ author: user:{author} }}")).await;
            }
        }
        let mut clients = Vec::new();
        for _ in 0..options.connections {
            clients.push(stage.client(database).await);
        }
        Contestant {
            name: name(capture, followers),
            application,
            clients,
            services,
            sidecars,
            is_logged: has_scheduler && capture == Capture::Feed,
            generation: 0,
            rates: Default::default(),
        }
    }

    async fn steady(&mut self, options: &Options) {
        let before = self.head().await;
        let started = Instant::now();
        let (logged, written) = tokio::join!(self.logged(before, options), self.write(options, started));
        let shown = self.shown(started).await;
        self.generation += 1;
        note(&mut self.rates[STEADY], options, Some(written), logged.map(|at| at - started), shown);
    }

    async fn backlog(&mut self, options: &Options) {
        let before = self.head().await;
        self.services.iter().for_each(|service| service.signal(Signal::SIGSTOP));
        self.write(options, Instant::now()).await;
        self.generation += 1;
        let started = Instant::now();
        self.services.iter().for_each(|service| service.signal(Signal::SIGCONT));
        let logged = self.logged(before, options).await;
        let shown = self.shown(started).await;
        note(&mut self.rates[BACKLOG], options, None, logged.map(|at| at - started), shown);
    }

    /// Changes every row once, some rows a transaction, from all connections at once.
    async fn write(&self, options: &Options, started: Instant) -> Duration {
        let mut writers = JoinSet::new();
        for (writer, client) in self.clients.iter().cloned().enumerate() {
            let (connections, changes, batch, number) =
                (self.clients.len(), options.changes, options.batch, self.generation + 1);
            writers.spawn(async move {
                for change in (writer..changes).step_by(connections) {
                    let (first, end) = (change * batch, (change + 1) * batch);
                    // A range would conflict with those beside it.
                    let rows: Vec<String> = (first..end).map(|row| format!("thread:{row}")).collect();
                    let text = format!("UPDATE {} SET n = {number} RETURN NONE", rows.join(", "));
                    // An edge conflicts with a write of the record that it leads to: then the application tries again.
                    while let Err(error) = attempt(&client, &text).await {
                        assert!(error.contains("can be retried"), "{text}: {error}");
                    }
                }
            });
        }
        writers.join_all().await;
        started.elapsed()
    }

    /// The last event that the scheduler has logged, if there is one.
    async fn head(&self) -> u64 {
        if self.is_logged { self.services[0].status().await.head } else { 0 }
    }

    /// When the scheduler has logged all changes of a round.
    async fn logged(&self, before: u64, options: &Options) -> Option<Instant> {
        if !self.is_logged {
            return None;
        }
        let begun = Instant::now();
        while self.head().await < before + options.changes as u64 {
            assert!(begun.elapsed() < LIMIT, "{}: not all is logged", self.name);
            tokio::time::sleep(LOOK).await;
        }
        Some(Instant::now())
    }

    /// How long it has taken until all sidecars show what was written last.
    async fn shown(&self, started: Instant) -> Option<Duration> {
        if self.sidecars == 0 {
            return None;
        }
        self.application.run("UPSERT barrier:b SET n = rand::int() RETURN NONE").await;
        let barriers: Vec<String> =
            (0..self.sidecars).map(|number| format!("_00_query:barrier{number}->_00_list_ref.version")).collect();
        let all_shown = format!(
            "LET $wanted = _00_version:[barrier:b].version; \
             RETURN array::len(array::flatten([{}]).filter(|$version| $version = $wanted)) = {}",
            barriers.join(", "),
            self.sidecars
        );
        let begun = Instant::now();
        while self.application.run(&all_shown).await.swap_remove(1).into_json_value() != serde_json::json!(true) {
            assert!(begun.elapsed() < LIMIT, "{}: not all is shown", self.name);
            tokio::time::sleep(LOOK).await;
        }
        Some(started.elapsed())
    }
}

fn note(
    rates: &mut Rates,
    options: &Options,
    written: Option<Duration>,
    logged: Option<Duration>,
    shown: Option<Duration>,
) {
    let rate = |took: Duration| options.changes as f64 / took.as_secs_f64();
    rates.written.extend(written.map(rate));
    rates.logged.extend(logged.map(rate));
    rates.shown.extend(shown.map(rate));
}

async fn attempt(client: &Surreal<Client>, text: &str) -> Result<(), String> {
    let answer = client.query(text).await.map_err(|error| error.to_string())?;
    answer.check().map(drop).map_err(|error| error.to_string())
}

//! Jobs per second, end to end: from waiting in the database to `success`, with a backend in this process that answers
//! at once. Beside it the floor: the same claims and conclusions, written to the same database by as many writers,
//! without a backend.
//!
//! The two take turns. Both are given the same number of jobs, which are there before the clock starts.
//! `SPKY_JOBS_BENCH_JOBS` (2,000) and `SPKY_JOBS_BENCH_ROUNDS` (5) change how long it takes.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use circuit::Value;
use database::jobs::{Claim, Conclusion, Phase, Which};
use database::{Database, SchemaOptions};
use embedded::Server;
use jobs::{Backend, Mode, Runner, Settings};
use protocol::Names;
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::{Client, Ws};
use surrealdb::opt::auth::Root;
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How many jobs are under way at once.
const CONCURRENCY: [usize; 2] = [16, 64];

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let server = Server::start(embedded::Settings::for_tests()).await?;
    let outcome = run(&server).await;
    if outcome.is_err() {
        eprintln!("{}", server.last_words());
    }
    outcome
}

async fn run(server: &Server) -> Outcome<()> {
    let (jobs, rounds) = (number("SPKY_JOBS_BENCH_JOBS", 2_000), number("SPKY_JOBS_BENCH_ROUNDS", 5));
    let client = Surreal::new::<Ws>(server.address().to_string()).await?;
    client.signin(Root { username: "root".to_owned(), password: "root".to_owned() }).await?;
    client.use_ns("test").use_db("test").await?;
    let endpoint = format!("ws://{}", server.address()).parse()?;
    let settings = database::Settings::new(endpoint, "test", "test", "root", "root");
    let database = Database::connect(settings, Names::default()).await?;
    let mut options = SchemaOptions::new(Names::default(), "http://127.0.0.1:9", "secret");
    options.job_tables = vec!["job".to_owned()];
    database.apply(&options).await?;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url: url::Url = format!("http://{}", listener.local_addr()?).parse()?;
    let router = Router::new().route("/", post(|| async { "true" }));
    tokio::spawn(async move { axum::serve(listener, router).await });

    println!("{jobs} jobs a round, {rounds} rounds; jobs per second: median (least to greatest)");
    for concurrency in CONCURRENCY {
        let (mut ends, mut floors) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            for turn in 0..2 {
                fill(&client, jobs).await?;
                if (round + turn) % 2 == 0 {
                    ends.push(
                        jobs as f64 / end_to_end(&client, &database, &url, concurrency, jobs).await?.as_secs_f64(),
                    );
                } else {
                    floors.push(jobs as f64 / floor(&database, concurrency, jobs).await?.as_secs_f64());
                }
            }
        }
        println!("{concurrency:>4} at once   end to end {}   floor {}", shown(&mut ends), shown(&mut floors));
    }
    Ok(())
}

fn shown(rates: &mut [f64]) -> String {
    rates.sort_by(f64::total_cmp);
    match (rates.first(), rates.get(rates.len() / 2), rates.last()) {
        (Some(least), Some(median), Some(greatest)) => format!("{median:.0} ({least:.0} to {greatest:.0})"),
        _ => "-".to_owned(),
    }
}

async fn fill(client: &Surreal<Client>, jobs: usize) -> Outcome<()> {
    let text =
        format!("DELETE job; FOR $i IN array::range(0..{jobs}) {{ CREATE type::record('job', $i) SET path = '/' }}");
    client.query(text).await?.check()?;
    Ok(())
}

/// From the start of a runner until the last job has succeeded.
async fn end_to_end(
    client: &Surreal<Client>,
    database: &Database,
    url: &url::Url,
    concurrency: usize,
    jobs: usize,
) -> Outcome<Duration> {
    let metrics = telemetry::Metrics::new("bench", "bench", None)?;
    let backend = Backend { concurrency, ..Backend::new("job", url.clone(), Mode::Request) };
    let runner = Runner::new(Settings::new(vec![backend]), database.clone(), &metrics.meter())?;
    let stopper = runner.stopper();
    let started = Instant::now();
    let running = tokio::spawn(runner.run());
    // Asked seldom, by the index, so that asking is not what is measured.
    loop {
        let mut answer = client.query("RETURN count(SELECT 1 FROM job WHERE status = 'success')").await?;
        if answer.take::<Option<usize>>(0)? == Some(jobs) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let took = started.elapsed();
    stopper.stop();
    running.await?;
    Ok(took)
}

/// The database's part alone.
async fn floor(database: &Database, concurrency: usize, jobs: usize) -> Outcome<Duration> {
    const RUNNER: &str = "floor";
    database.keep_runner(RUNNER, Duration::from_secs(600)).await?;
    let Some(table) = database.job_table("job", false).await? else { return Err("the table is not prepared".into()) };
    let table = Arc::new(table);
    let started = Instant::now();
    let mut done = 0;
    let mut writers = JoinSet::new();
    while done < jobs {
        let claim =
            Claim { runner: RUNNER, which: Which::Due { limit: concurrency - writers.len(), at_random: false } };
        for job in database.claim_jobs(&table, claim).await?.jobs {
            let (database, table) = (database.clone(), table.clone());
            writers.spawn(async move {
                let conclusion = Conclusion::Success { result: Value::Bool(true) };
                database.conclude_job(&table, &job.attempt, Phase::Made, &conclusion).await
            });
        }
        if let Some(ended) = writers.join_next().await {
            done += usize::from(ended??);
        }
        while let Some(ended) = writers.try_join_next() {
            done += usize::from(ended??);
        }
    }
    Ok(started.elapsed())
}

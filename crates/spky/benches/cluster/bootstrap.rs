//! From the start of a sidecar until it has loaded the scheduler's replica, beside a client that only reads the rows, page by page
//! with the same statement, from the replica's proxy and from the database.

use std::time::{Duration, Instant};

use database::Paging;
use protocol::{BINARY, Names};
use reqwest::header::CONTENT_TYPE;

use crate::THROTTLE;
use crate::options::Options;
use crate::restart;
use crate::stage::{Service, Stage};
use crate::statistics::{median, ratios, spread};
use crate::support::SECRET;

const NAME: &str = "bootstrap";
/// Rows of a page, as sidecars ask for them.
const AT_ONCE: usize = 1_000;

pub async fn run(stage: &Stage, options: &Options) {
    let application = stage.bare(NAME, "DEFINE TABLE thread SCHEMALESS").await;
    let started = Instant::now();
    restart::fill(&application, options.rows).await;
    println!("{} rows with their versions written in {:.1} s", options.rows, started.elapsed().as_secs_f64());
    let scheduler = stage.scheduler(NAME).await;
    println!("the scheduler has them in its replica {:.1} s after its start\n", scheduler.took.as_secs_f64());

    let [mut source, mut proxy, mut ready] = [(); 3].map(|()| Vec::new());
    for _ in 0..options.starts {
        source.push(restart::read_all(&application.client, options.rows).await.as_secs_f64());
        proxy.push(read_replica(&scheduler, options.rows).await.as_secs_f64());
        let member = stage.member(NAME, &scheduler, 0, THROTTLE).await;
        ready.push(member.took.as_secs_f64());
        member.stop().await;
    }
    println!("| bootstrap, {} rows | seconds | median ÷ paging of the database |\n|---|---|---|", options.rows);
    for (name, seconds) in
        [("bare paging of the database", &source), ("bare paging of the replica", &proxy), ("sidecar ready", &ready)]
    {
        println!("| {name} | {} | {} |", spread(seconds), ratios(seconds, &source));
    }
    println!("\nMedians: {:.2} s, {:.2} s, {:.2} s.\n", median(&source), median(&proxy), median(&ready));
}

/// Reads all rows with their versions through the scheduler.
async fn read_replica(scheduler: &Service, rows: usize) -> Duration {
    let (http, url) = (reqwest::Client::new(), format!("http://{}/proxy/query", scheduler.address));
    let started = Instant::now();
    let (mut pages, mut after) = (0, None);
    loop {
        let mut paging = Paging::new(&Names::default(), "thread", after.as_ref(), AT_ONCE);
        while let Some(question) = paging.question().expect("a question") {
            let request = http.post(&url).bearer_auth(SECRET).header(CONTENT_TYPE, BINARY).body(question);
            let answer = request.send().await.expect("the scheduler answers").error_for_status().expect("an answer");
            paging.answered(&answer.bytes().await.expect("a body")).expect("a page");
        }
        let page = paging.finish();
        pages += 1;
        if page.is_last() {
            assert_eq!(pages, rows / AT_ONCE + 1);
            return started.elapsed();
        }
        after = page.end().expect("records");
    }
}

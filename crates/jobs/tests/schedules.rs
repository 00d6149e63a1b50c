//! Jobs that are made by the clock: once per due time, whoever is there.

mod support;

use std::time::Duration;

use jobs::Schedule;
use serde_json::json;
use support::{Backend, World, of_table};

fn every_second(backend: &Backend, cron: &str) -> jobs::Backend {
    let schedule = Schedule {
        name: "tick".to_owned(),
        cron: cron.parse().unwrap(),
        time_zone: jiff::tz::TimeZone::get("Europe/Berlin").unwrap(),
        path: "/ok".to_owned(),
        payload: Some(json!({ "a": [1] })),
        executor_type: None,
        timeout: Some(Duration::from_secs(9)),
        max_retries: Some(7),
        retry_strategy: Some("linear".to_owned()),
    };
    jobs::Backend { schedules: vec![schedule], ..of_table("job", backend) }
}

/// Whether there is a job for each second from the first due time to the last.
const IS_COMPLETE: &str = "LET $due = SELECT VALUE time::unix(run_at) FROM job; \
                           RETURN array::len($due) = array::max($due) - array::min($due) + 1";

/// Catches due times that are left out or made twice by several runners, by a crash, or while nobody was there.
#[tokio::test(flavor = "multi_thread")]
async fn a_due_time_is_one_job() {
    let world = World::start(&["job"]).await;
    let backend = Backend::start().await;
    let start = || world.runner(vec![every_second(&backend, "* * * * * *")]);
    let (one, two) = (start().await, start().await);
    world.until("RETURN count(SELECT 1 FROM job) > 3").await;
    one.crash().await;
    world.until("RETURN count(SELECT 1 FROM job) > 5").await;
    two.crash().await;
    let before = world.run("RETURN count(SELECT 1 FROM job)").await.as_u64().unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (three, four) = (start().await, start().await);
    world.until(&format!("RETURN count(SELECT 1 FROM job) > {}", before + 5)).await;
    three.stop().await;
    four.stop().await;
    assert_eq!(world.run(IS_COMPLETE).await, json!(true), "{:#}", world.run("SELECT VALUE run_at FROM job").await);
    let odd = world
        .run(
            "RETURN count(SELECT 1 FROM job WHERE schedule != 'tick' OR payload != { a: [1] } OR max_retries != 7 \
             OR retry_strategy != 'linear' OR timeout != 9s OR record::id(id) != ['tick', run_at])",
        )
        .await;
    assert_eq!(odd, json!(0));
    let five = start().await;
    world.until("RETURN count(SELECT 1 FROM job WHERE status = 'success') > 8").await;
    five.stop().await;
    let keys: Vec<String> = backend.calls().iter().map(|call| format!("{} {}", call.key(), call.attempt())).collect();
    let mut once = keys.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), keys.len(), "no attempt is made twice");
}

/// Catches jobs that come back because their records were cleared away, and a schedule that makes up for what it never
/// said.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_is_not_made_again_and_a_changed_schedule_begins_anew() {
    let world = World::start(&["job"]).await;
    let backend = Backend::start().await;
    let first = world.runner(vec![every_second(&backend, "* * * * * *")]).await;
    world.until("RETURN count(SELECT 1 FROM job) > 2").await;
    first.stop().await;
    let last = world
        .run("LET $last = (SELECT VALUE run_at FROM job ORDER BY run_at DESC LIMIT 1)[0]; DELETE job; RETURN $last")
        .await;
    let last = last.as_str().unwrap();
    // As if nobody had been there for ten hours.
    world.run("UPDATE _00_schedule SET last -= 10h").await;
    let changed = world.runner(vec![every_second(&backend, "0 0 * * * *")]).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    changed.stop().await;
    let made = world.run("RETURN count(SELECT 1 FROM job)").await.as_u64().unwrap();
    assert!(made <= 1, "{made} jobs for hours in which the schedule did not say so");
    world.run("DELETE job").await;
    let again = world.runner(vec![every_second(&backend, "* * * * * *")]).await;
    world.until("RETURN count(SELECT 1 FROM job) > 1").await;
    again.stop().await;
    let repeated = world.run(&format!("RETURN count(SELECT 1 FROM job WHERE run_at <= d'{last}')")).await;
    assert_eq!(repeated, json!(0));
}

//! More than one at a time, or one after the other: upgrades, and the end of a machine.

use std::time::{Duration, Instant};

use crate::number;
use crate::stage::Cluster;
use crate::support::Random;
use crate::workload::{SCHEMA, Workload};

/// Everything in turn, each in good order, as an upgrade does.
pub async fn restart_in_turn(cluster: &mut Cluster) {
    for number in 0..cluster.ssps.len() {
        let started = Instant::now();
        cluster.restart_ssp(number).await;
        println!("  sidecar {number} is back after {:.1} s", started.elapsed().as_secs_f64());
    }
    let started = Instant::now();
    cluster.restart_scheduler().await;
    println!("  the scheduler is back after {:.1} s", started.elapsed().as_secs_f64());
}

/// Kills some sidecars and perhaps the scheduler at once, and starts them again a little later, in an order that is drawn.
pub async fn kill_together(cluster: &mut Cluster, random: &mut Random, sidecars: &[usize], scheduler: bool) {
    if scheduler {
        cluster.scheduler.kill();
    }
    for victim in sidecars {
        cluster.ssps[*victim].kill();
    }
    tokio::time::sleep(Duration::from_millis(random.below(1_000))).await;
    let mut waiting = sidecars.to_vec();
    let mut is_scheduler_down = scheduler;
    while is_scheduler_down || !waiting.is_empty() {
        match random.below(waiting.len() as u64 + u64::from(is_scheduler_down)) as usize {
            place if place < waiting.len() => cluster.start_ssp(waiting.swap_remove(place)),
            _ => {
                cluster.start_scheduler();
                is_scheduler_down = false;
            }
        }
    }
}

/// A cluster of three with some views, and a workload.
async fn begun(seed: u64) -> (Cluster, Workload) {
    let cluster = Cluster::start(3, SCHEMA).await;
    let mut workload = Workload::new(seed);
    workload.write(&cluster.application, 50).await;
    for _ in 0..20 {
        let (id, surql, params) = workload.view();
        cluster.register(&id, &surql, &params).await;
    }
    (cluster, workload)
}

/// Catches a sidecar or a scheduler that leaves something behind which its successor does not take up, while others write.
#[tokio::test(flavor = "multi_thread")]
async fn everything_is_restarted_in_turn() {
    let (mut cluster, mut workload) = begun(number("SPKY_CLUSTER_SEED", 1)).await;
    let writer = workload.keep_writing(&cluster.application);
    restart_in_turn(&mut cluster).await;
    let (id, surql, params) = workload.view();
    cluster.register(&id, &surql, &params).await;
    writer.stop().await;
    cluster.agree(&workload.views).await;
}

/// Catches what relies on somebody being left who knows.
#[tokio::test(flavor = "multi_thread")]
async fn several_are_killed_at_once() {
    let seed = number("SPKY_CLUSTER_SEED", 1);
    let mut random = Random(seed);
    let (mut cluster, mut workload) = begun(seed).await;
    for sidecars in [&[0, 2][..], &[0, 1, 2]] {
        let writer = workload.keep_writing(&cluster.application);
        tokio::time::sleep(Duration::from_millis(300 + random.below(500))).await;
        let started = Instant::now();
        kill_together(&mut cluster, &mut random, sidecars, true).await;
        cluster.all_ready(3).await;
        println!(
            "the scheduler and {} sidecars: views are served again after {:.1} s",
            sidecars.len(),
            started.elapsed().as_secs_f64()
        );
        let (id, surql, params) = workload.view();
        cluster.register(&id, &surql, &params).await;
        writer.stop().await;
        cluster.agree(&workload.views).await;
        println!("  all {} views are right after {:.1} s", workload.views.len(), started.elapsed().as_secs_f64());
    }
}

/// Catches a sidecar that stays a member in name only: somebody else, such as a second scheduler, has ended its epoch, and the one
/// that takes its signs of life does not know.
#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_whose_epoch_is_ended_behind_its_back_joins_again() {
    let (cluster, mut workload) = begun(number("SPKY_CLUSTER_SEED", 1)).await;
    let writer = workload.keep_writing(&cluster.application);
    let mut before = Vec::new();
    for number in 0..3 {
        before.push(cluster.epoch(number).await);
    }
    cluster.application.run("UPDATE _00_ssp SET epoch += 1").await;
    let has_joined = |status: &protocol::PoolStatus| {
        let of = |number: usize| status.ssps.iter().find(|ssp| ssp.ssp_id == format!("ssp-{number}"));
        // One is that of whoever has ended the former.
        before.iter().enumerate().all(|(number, before)| of(number).is_some_and(|ssp| ssp.epoch >= before + 2))
    };
    cluster.until("all have joined again", has_joined).await;
    writer.stop().await;
    cluster.agree(&workload.views).await;
}

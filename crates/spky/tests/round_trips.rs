//! Requests on the wire: one change costs at most one round trip to the database, whatever the number of views; one
//! registration costs two. Counted where nothing can hide: in a proxy between the sidecar and the database.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use database::Capture;
use support::proxy::proxy;
use support::{World, stage};

const SCHEMA: &str = "DEFINE TABLE thread SCHEMALESS; DEFINE TABLE barrier SCHEMALESS;";
const VIEWS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn one_change_is_at_most_one_round_trip_and_one_registration_is_two() {
    let stage = stage().await;
    let (proxy, requests) = proxy(stage.server.address()).await;
    let throttle = Duration::from_millis(100);
    let world = World::start_behind(&stage, proxy, "wire", Capture::Push, throttle, SCHEMA).await;
    settle(&requests).await;

    for view in 0..VIEWS {
        let before = requests.load(Ordering::SeqCst);
        world.register(&format!("v{view}"), "SELECT * FROM thread WHERE author = $author", "{ author: user:1 }").await;
        assert_eq!(requests.load(Ordering::SeqCst) - before, 2, "view {view}");
    }
    for (change, edges) in [
        ("CREATE thread:1 SET author = user:1", 1),
        ("UPDATE thread:1 SET title = 'new'", 1),
        ("CREATE thread:2 SET author = user:2", 1),
        ("UPDATE thread:1 SET author = user:2", 0),
        ("DELETE thread:1", 0),
    ] {
        let before = settle(&requests).await;
        world.run(change).await;
        let after = settle(&requests).await;
        assert!(after - before <= 1, "{change}: {} round trips", after - before);
        for view in 0..VIEWS {
            assert_eq!(world.edges(&format!("v{view}")).await.len(), edges, "{change}");
        }
    }
    world.ssp.stop().await.expect("the sidecar stops");
}

/// Waits until nothing has been sent for some windows, and answers how many requests there have been.
async fn settle(requests: &AtomicU64) -> u64 {
    let mut last = requests.load(Ordering::SeqCst);
    loop {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let now = requests.load(Ordering::SeqCst);
        if now == last {
            return now;
        }
        last = now;
    }
}

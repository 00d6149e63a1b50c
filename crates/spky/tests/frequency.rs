//! Views that are in no hurry: they follow changes at once, every 100 ms or every 5 s.

mod support;

use std::time::{Duration, Instant};

use database::Capture;
use serde_json::json;
use support::{World, stage};

const SURQL: &str = "SELECT * FROM thread WHERE open = true";

/// Between the first change that waits and its edge, at the least.
const ANALYTICS: Duration = Duration::from_secs(5);

/// Catches a view that is told too early, too late, never, or of more than the net effect.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_follows_changes_as_often_as_it_asked_for() {
    let stage = stage().await;
    let world = World::start(&stage, "frequency", Capture::Feed, "DEFINE TABLE thread SCHEMALESS").await;
    for frequency in ["realtime", "normal", "analytics"] {
        let body = json!({ "id": frequency, "surql": SURQL, "clientId": "test", "ttl": "1h", "frequency": frequency });
        let (status, answer) = world.post("/view/register", &body).await;
        assert_eq!(status, 200, "{answer}");
    }
    let written = Instant::now();
    world
        .run("CREATE thread:1 SET open = true; CREATE thread:2 SET open = true; CREATE thread:3 SET open = true")
        .await;
    world.run("DELETE thread:2").await;
    for (frequency, most) in [("realtime", ANALYTICS), ("normal", ANALYTICS), ("analytics", 3 * ANALYTICS)] {
        while world.edges(frequency).await.len() != 2 {
            assert!(written.elapsed() < most, "{frequency} after {:?}", written.elapsed());
            // The edges of the slow view all come at once.
            let slow = world.edges("analytics").await.len();
            assert!(slow == 0 || slow == 2, "{slow} of 2 edges");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(frequency != "analytics" || written.elapsed() >= ANALYTICS, "too early");
    }
    for frequency in ["realtime", "normal", "analytics"] {
        world.compare(frequency, SURQL, "{}").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_frequency_is_refused_by_name() {
    let stage = stage().await;
    let world = World::start(&stage, "unknown_frequency", Capture::Feed, "DEFINE TABLE thread SCHEMALESS").await;
    let body = json!({ "id": "v", "surql": SURQL, "clientId": "test", "ttl": "1h", "frequency": "sometimes" });
    let (status, answer) = world.post("/view/register", &body).await;
    assert_eq!(status, 400, "{answer}");
    assert!(answer.to_string().contains("sometimes"), "{answer}");
}

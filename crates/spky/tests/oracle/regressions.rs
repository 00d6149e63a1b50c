//! Mismatches that were found once, and stay.

use database::Capture;

use crate::SCHEMA;
use crate::support::{World, stage};

/// A query, and the writes after which its view was wrong.
const CASES: &[(&str, &[&str])] = &[
    // A record that is deleted takes its edge with it; the next one of the same id needs a new edge.
    (
        "SELECT * FROM thread",
        &[
            "CREATE thread:1 SET status = 'open'",
            "DELETE thread:1",
            "CREATE thread:1 SET status = 'open'",
            "BEGIN; DELETE thread:1; CREATE thread:1 SET status = 'closed'; COMMIT",
        ],
    ),
    // The condition looks at a linked record, which changes without the row.
    (
        "SELECT * FROM thread WHERE author.status = 'open'",
        &[
            "CREATE thread:1 SET author = user:1",
            "CREATE user:1 SET status = 'open'",
            "UPDATE user:1 SET status = 'closed'",
            "UPDATE user:1 SET status = 'open'; DELETE user:1",
        ],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_wrong_once_stays_right() {
    let stage = stage().await;
    for (number, (surql, writes)) in CASES.iter().enumerate() {
        let name = format!("regression{number}");
        let world = World::start(&stage, &name, Capture::Feed, SCHEMA).await.with_barrier().await;
        world.register("q", surql, "{}").await;
        for write in *writes {
            world.run(write).await;
            world.quiet().await;
            if let Err(difference) = world.compare("q", surql, "{}").await {
                panic!("{surql} after {write}: {difference}");
            }
        }
        world.ssp.stop().await.expect("the sidecar stops");
    }
}

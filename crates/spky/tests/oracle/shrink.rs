//! From a mismatch to the fewest writes that show it.

use database::Capture;

use crate::SCHEMA;
use crate::queries::Query;
use crate::support::{Stage, World};

/// How many replays are tried.
const ATTEMPTS: usize = 60;

/// Replays parts of the log on fresh databases, and keeps what still shows the mismatch (delta debugging, Zeller 1999).
pub async fn shrink(stage: &Stage, capture: Capture, query: &Query, log: &[String]) -> String {
    let mut kept: Vec<String> = log.to_vec();
    let mut attempts = 0;
    if !fails(stage, capture, query, &kept, &mut attempts).await {
        return "the mismatch does not show when the writes are replayed one by one".to_owned();
    }
    let mut size = kept.len().div_ceil(2);
    while size > 0 && attempts < ATTEMPTS {
        let mut start = 0;
        let mut has_shrunk = false;
        while start < kept.len() && attempts < ATTEMPTS {
            let end = (start + size).min(kept.len());
            let candidate: Vec<String> = kept[..start].iter().chain(&kept[end..]).cloned().collect();
            if fails(stage, capture, query, &candidate, &mut attempts).await {
                kept = candidate;
                has_shrunk = true;
            } else {
                start = end;
            }
        }
        if size == 1 && !has_shrunk {
            break;
        }
        size = if size == 1 { usize::from(has_shrunk) } else { size.div_ceil(2) };
    }
    format!("shrunk to {} of {} writes:\n{};", kept.len(), log.len(), kept.join(";\n"))
}

async fn fails(stage: &Stage, capture: Capture, query: &Query, writes: &[String], attempts: &mut usize) -> bool {
    *attempts += 1;
    let name = format!("shrink{attempts}");
    let world = World::start(stage, &name, capture, SCHEMA).await.with_barrier().await;
    world.register("q0", &query.surql, &query.params).await;
    for write in writes {
        // Statements that fail belong to the log.
        let _ = world.client.query(write.clone()).await;
    }
    world.quiet().await;
    let is_different = crate::difference(&world, capture, std::slice::from_ref(query)).await.is_some();
    world.ssp.stop().await.expect("the sidecar stops");
    is_different
}

//! What the scheduler tells operators.

use protocol::PoolStatus;
use serde_json::json;

use crate::stage::Cluster;
use crate::workload::{SCHEMA, Workload};

/// The value of a series: its name with its one label, as it stands there.
pub fn find(text: &str, series: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    lines.find(|(name, _)| *name == series).map(|(_, value)| value.parse().expect("a number"))
}

/// Catches figures that nobody brings up to date, and series of sidecars that are gone.
#[tokio::test(flavor = "multi_thread")]
async fn the_scheduler_tells_of_its_log_its_sidecars_and_its_views() {
    let mut cluster = Cluster::start(2, SCHEMA).await;
    let get = |text: &str, series: &str| find(text, series).unwrap_or_else(|| panic!("{series} is missing in\n{text}"));
    let before = cluster.metrics().await;
    assert_eq!((get(&before, "spky_ready"), get(&before, "spky_scheduler_views{kind=\"owned\"}")), (1, 0));
    assert_eq!(get(&before, "spky_scheduler_ssps{state=\"ready\"}"), 2);
    assert!(get(&before, "spky_http_connections") >= 1);

    let mut workload = Workload::new(3);
    workload.write(&cluster.application, 20).await;
    for _ in 0..4 {
        let (id, surql, params) = workload.view();
        cluster.register(&id, &surql, &params).await;
    }
    cluster.agree(&workload.views).await;
    let after = cluster.metrics().await;
    let head = get(&after, "spky_scheduler_log_head");
    // Some writes change nothing.
    assert!(head >= get(&before, "spky_scheduler_log_head") + 10, "{after}");
    assert!((1..=head + 1).contains(&get(&after, "spky_scheduler_log_first")), "{after}");
    assert!(get(&after, "spky_scheduler_replica_position") <= head, "{after}");
    assert_eq!(get(&after, "spky_scheduler_replica_frozen"), 0);
    assert_eq!(get(&after, "spky_scheduler_views{kind=\"owned\"}"), 4);
    for ssp in ["ssp-0", "ssp-1"] {
        assert!(get(&after, &format!("spky_scheduler_ssp_behind{{ssp=\"{ssp}\"}}")) <= head, "{after}");
    }
    assert!(after.contains("spky_http_request_duration_seconds_count{"), "{after}");
    assert!(!after.contains("view1"), "{after}");

    cluster.ssps[1].kill();
    cluster.all_ready(1).await;
    let after = cluster.metrics().await;
    assert_eq!(get(&after, "spky_scheduler_ssps{state=\"ready\"}"), 1);
    assert_eq!(find(&after, "spky_scheduler_ssp_behind{ssp=\"ssp-1\"}"), None, "{after}");
    assert_eq!(get(&after, "spky_scheduler_views{kind=\"owned\"}"), 4);
}

/// Catches a view that expires at its sidecar and is kept in the scheduler's list, or is adopted again.
#[tokio::test(flavor = "multi_thread")]
async fn the_scheduler_learns_that_a_view_has_expired() {
    let cluster = Cluster::start(2, SCHEMA).await;
    let register = async |id: &str, ttl: &str| {
        let body = json!({ "id": id, "surql": "SELECT * FROM thing", "clientId": "test", "ttl": ttl });
        cluster.register_as(&body).await;
    };
    register("long", "1h").await;
    register("short", "1s").await;
    let kept = |views: u64| move |status: &PoolStatus| status.ssps.iter().map(|ssp| ssp.views).sum::<u64>() == views;
    cluster.until("one has expired", kept(1)).await;
    let stored = "SELECT VALUE record::id(id) FROM _00_query";
    assert_eq!(cluster.application.run(stored).await.swap_remove(0).into_json_value(), json!(["long"]));
    register("short", "1h").await;
    cluster.until("it is there again", kept(2)).await;
    let views = find(&cluster.metrics().await, "spky_scheduler_views{kind=\"owned\"}");
    assert_eq!(views, Some(2));
}

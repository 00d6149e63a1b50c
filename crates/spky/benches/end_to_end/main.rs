//! What a client and an application notice of Sp00ky, beside a database that runs without it.
//!
//! Real processes: a database server, and sidecars as `spky ssp`. Contestants take turns, so that whatever else the machine does
//! disturbs all of them alike; a ratio is that of two contestants within one round, and of all rounds the least, the median
//! and the greatest are shown.
//!
//! ```sh
//! cargo bench --workspace --profile dev --bench end_to_end                      # everything, with the engine that tests run
//! cargo bench --workspace --profile dev --bench end_to_end -- latency --rounds 9
//! cargo bench --workspace --profile dev --bench end_to_end -- restart --storage rocksdb --rows 1000000 --views 10000
//! ```
//!
//! In the development profile SurrealDB's server is optimised a little (`opt-level = 1`), and so are all contestants; to build it
//! in release takes half an hour more. `cargo test` runs everything once with little data, so that nothing here gets stale.

#[path = "../../tests/support/mod.rs"]
mod support;

mod arguments;
mod deletes;
mod edges;
mod latency;
mod options;
mod restart;
#[allow(dead_code, reason = "the benchmark of clusters uses the rest")]
mod stage;
mod statistics;
mod writes;

use options::{Contest, Options};
use stage::Stage;

#[tokio::main]
async fn main() {
    let Some(options) = Options::read() else { return };
    println!("{}\n", options.common);
    for contest in options.common.contests() {
        // Each has a server of its own: nothing is left of the one before.
        let stage = Stage::start(&options.common.storage).await;
        match contest {
            Contest::Latency => latency::run(&stage, &options).await,
            Contest::Edges => edges::run(&stage, &options).await,
            Contest::Writes => writes::run(&stage, &options).await,
            Contest::Restart => restart::run(&stage, &options).await,
            Contest::Deletes => deletes::run(&stage, &options).await,
        }
    }
}

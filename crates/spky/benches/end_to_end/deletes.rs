//! What the number of tables costs a deletion, in a database with nothing of Sp00ky's.
//!
//! SurrealDB 3.3.5 asks of every record that it deletes whether a field of any table may refer to it. It means to ask once a
//! transaction, but what it remembers it does not find again (two enumerations, whose hashes are to agree, have their variants in
//! different orders), so it reads the definitions of all tables for each record. A table for each user's edges is such a table.

use std::time::Instant;

use crate::options::Options;
use crate::stage::Stage;
use crate::statistics::{median, milliseconds, ratios, turns};
use crate::support::Application;

/// How many tables there are.
const TABLES: [usize; 3] = [10, 100, 500];

struct Contestant {
    tables: usize,
    application: Application,
    /// Of each round, in milliseconds.
    delete: Vec<f64>,
    update: Vec<f64>,
}

impl Contestant {
    async fn timed(&self, text: String) -> f64 {
        let started = Instant::now();
        self.application.run(&text).await;
        milliseconds(started.elapsed())
    }
}

pub async fn run(stage: &Stage, options: &Options) {
    let mut contestants = Vec::new();
    for tables in TABLES {
        // One of them has the records.
        let others: String = (1..tables).map(|number| format!("DEFINE TABLE other{number} SCHEMALESS;")).collect();
        let schema = format!("DEFINE TABLE thread SCHEMALESS; {others}");
        let application = stage.bare(&format!("of{tables}"), &schema).await;
        contestants.push(Contestant { tables, application, delete: Vec::new(), update: Vec::new() });
    }
    for _ in 0..options.common.rounds {
        let [mut delete, mut update] = [(); 2].map(|()| vec![Vec::new(); TABLES.len()]);
        for sample in 0..options.samples {
            for place in turns(TABLES.len(), sample) {
                let contestant = &contestants[place];
                contestant.timed("CREATE thread:1 SET n = 1 RETURN NONE".to_owned()).await;
                update[place].push(contestant.timed("UPDATE thread:1 SET n = 2 RETURN NONE".to_owned()).await);
                delete[place].push(contestant.timed("DELETE thread:1 RETURN NONE".to_owned()).await);
            }
        }
        for ((contestant, delete), update) in contestants.iter_mut().zip(delete).zip(update) {
            contestant.delete.push(median(&delete));
            contestant.update.push(median(&update));
        }
    }
    println!(
        "| deletions, {} samples a round | UPDATE p50 | DELETE p50 | DELETE ÷ that of {} tables |\n|---|---|---|---|",
        options.samples, TABLES[0]
    );
    let few = contestants[0].delete.clone();
    for Contestant { tables, delete, update, .. } in &contestants {
        let [update_p50, delete_p50] = [update, delete].map(|values| median(values));
        println!("| {tables} tables | {update_p50:.2} ms | {delete_p50:.2} ms | {} |", ratios(delete, &few));
    }
    println!();
}

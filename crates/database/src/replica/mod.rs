//! A replica: another SurrealDB that holds the rows of all captured tables as of one event.
//!
//! Each table has the name that it has in the database, and its rows as they are there, without what is defined on them.
//! Beside them are their versions, as the database counts them, so that a page is read by the same statement: they outlive
//! the records, and the tables. A version has the hash of its row with it, so that a change costs O(1) to keep the hash of
//! its table.
//!
//! What the replica says of itself, the number of the last event first of all, is written in the transactions that write
//! rows. So an event is taken in once, whatever fails; nobody else may write.
//!
//! **Edges.** A record with record ids in `in` and `out` is written as a graph edge, so that `->` works. The database
//! deletes the edges of a record that it deletes, and a replica does what events say and no more: records are updated
//! in place, and edges that are not to go with a record are made plain records before it is deleted.

mod batch;
mod held;
mod state;
mod write;

use std::collections::BTreeMap;

use cluster::{Event, Known};
use protocol::TableContent;
use surrealdb::types as sdk;
use surrealdb::types::Variables;
use uuid::Uuid;

use crate::connect::Database;
use crate::error::{Error, Result};
use crate::ident::{escape, literal};
use batch::Batch;
use state::State;
use write::Transaction;

const ACTION: &str = "keeping the replica up to date";
const OPENING: &str = "opening the replica";
/// The key of the one record that says where the replica is.
const STATE_KEY: &str = "state";
/// The user that may only read.
const READER: &str = "reader";

/// A replica of a database's rows. There may be only one that is written to.
#[derive(Debug)]
pub struct Replica {
    database: Database,
    state: State,
    /// Whether the state is what is stored.
    is_current: bool,
}

impl Replica {
    /// Opens the replica in a database of its own, or begins one there that takes in the events of a log. Two requests.
    ///
    /// # Errors
    /// If the database can't be reached, or what is stored is no state of a replica.
    pub async fn open(database: Database, log: Uuid) -> Result<Replica> {
        let [version, replica] = [database.names().version(), database.names().replica()].map(|name| escape(&name));
        let mut variables = Variables::new();
        variables.insert("state_id", sdk::RecordId::new(database.names().replica(), STATE_KEY));
        variables.insert("state", State::new(log).to_sdk()?);
        // Without `STRICT` a reader's write, which comes to nothing, would define its table.
        let text = format!(
            "DEFINE DATABASE OVERWRITE {} STRICT;\n\
             BEGIN;\n\
             DEFINE TABLE IF NOT EXISTS {version} TYPE NORMAL SCHEMALESS PERMISSIONS NONE;\n\
             DEFINE TABLE IF NOT EXISTS {replica} TYPE NORMAL SCHEMALESS PERMISSIONS NONE;\n\
             IF !record::exists($state_id) {{ CREATE $state_id CONTENT $state RETURN NONE }};\n\
             COMMIT;",
            escape(&database.settings().database),
        );
        database.run_retrying(OPENING, text, variables).await?;
        let mut replica = Replica { database, state: State::new(log), is_current: false };
        replica.refresh().await?;
        Ok(replica)
    }

    /// Which log its events are of.
    pub fn log(&self) -> Uuid {
        self.state.log
    }

    /// The number of the last event that it has taken in.
    pub fn position(&self) -> u64 {
        self.state.position
    }

    /// Whether a part of the next event has been taken in: then its rows are those of no event.
    pub fn is_partial(&self) -> bool {
        self.state.is_partial
    }

    /// What follows from the events, but for the records of recent transactions.
    pub fn known(&self) -> &Known {
        &self.state.known
    }

    /// The number of rows of each table, and the sum of their hashes. O(tables).
    pub fn contents(&self) -> BTreeMap<String, TableContent> {
        let there = self.state.tables.iter().filter(|(_, table)| table.is_there);
        there.map(|(name, table)| (name.clone(), table.content)).collect()
    }

    /// The connection by which it is written.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// A connection that can only read: of a user whom the database itself lets do nothing else. The one that was given out
    /// before can't sign in again.
    ///
    /// Definitions are refused with an error. A write of records succeeds and finds no records that it may write, which is
    /// how SurrealDB treats those that permissions hide.
    ///
    /// # Errors
    /// If the database can't be reached.
    pub async fn reader(&self) -> Result<Database> {
        let password = Uuid::new_v4().to_string();
        let text = format!(
            "DEFINE USER OVERWRITE {READER} ON DATABASE PASSWORD {} ROLES VIEWER DURATION FOR SESSION NONE;",
            literal(&password)
        );
        self.database.run_retrying("defining a user who may read", text, Variables::new()).await?;
        self.database.connect_as(READER, password).await
    }

    /// Reads where the replica is, which after a failure may be further than was heard of. One request.
    ///
    /// # Errors
    /// If the database can't be reached.
    pub async fn refresh(&mut self) -> Result<()> {
        let mut variables = Variables::new();
        variables.insert("state_id", sdk::RecordId::new(self.database.names().replica(), STATE_KEY));
        let answer = self.database.run(OPENING, "RETURN $state_id.*", variables).await?.take(0)?;
        let sdk::Value::Object(state) = answer else { return Err(Error::answer(OPENING, "there is no state")) };
        self.state = State::from_sdk(state)?;
        self.is_current = true;
        Ok(())
    }

    /// Takes in events, which follow each other without a gap; those that it has taken in already are left out.
    ///
    /// A transaction has some thousand records, and ends with an event if it can: one event that is larger, as the end of a
    /// large table, takes several. O(records of the events, and those of the parts of tables that they replace).
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] if events are missing. After any error some of the events may have been taken in:
    /// [`Replica::refresh`] tells, and so does the next call.
    pub async fn apply(&mut self, events: &[(u64, Event)]) -> Result<()> {
        if !self.is_current {
            self.refresh().await?;
        }
        let mut end = self.state.clone();
        let mut batch = Batch::default();
        let fresh = events.iter().skip_while(|(number, _)| *number <= self.state.position).collect::<Vec<_>>();
        for (number, event) in fresh {
            let expected = end.position.wrapping_add(1);
            if *number != expected {
                return Err(Error::OutOfOrder { expected, found: *number });
            }
            if batch.must_end_before(event) {
                self.end_batch(&mut batch, &end).await?;
            }
            batch.take_in(event)?;
            end.known.take_in(event);
            // Nobody asks a replica for these.
            end.known.recent.clear();
            end.position = *number;
            if let Event::Gone { table } = event {
                self.remove_table(table, &end).await?;
            } else if batch.is_full() {
                self.end_batch(&mut batch, &end).await?;
            }
        }
        if end.position != self.state.position {
            self.end_batch(&mut batch, &end).await?;
        }
        Ok(())
    }

    async fn end_batch(&mut self, batch: &mut Batch, end: &State) -> Result<()> {
        let batch = std::mem::take(batch);
        let counted = self.counted(&batch).await?;
        let tables: Vec<String> = batch.tables().map(str::to_owned).collect();
        let steps = self.steps(batch, counted).await?;
        self.write(steps, &tables, Some(end)).await
    }

    /// Removes a table. As long as the database takes for it, and O(rows) if it has edges.
    async fn remove_table(&mut self, table: &str, end: &State) -> Result<()> {
        if self.state.table(table).is_some_and(|table| table.has_edges) {
            // With the table would go the edges, and at their ends would stay what leads to them.
            let edges = Batch::all_of(table);
            let counted = self.counted(&edges).await?;
            let steps = self.steps(edges, counted).await?;
            self.write(steps, &[], None).await?;
        }
        let mut transaction = Transaction::new(&self.state);
        transaction.remove(table);
        transaction.ends_at(end);
        self.commit(transaction).await
    }
}

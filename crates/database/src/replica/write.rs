//! How a batch becomes transactions.

use std::collections::{BTreeMap, HashMap};

use circuit::SameRecord;
use protocol::TableContent;
use surrealdb::types as sdk;
use surrealdb::types::Variables;

use crate::convert::record_id_to_sdk;
use crate::error::Result;
use crate::ident::escape;
use crate::pages::converting;
use crate::replica::batch::{BYTES, Batch, Put, ROWS, Target};
use crate::replica::held::{Counted, CountedRecords, Ends, counter, same};
use crate::replica::state::{State, Table};
use crate::replica::{ACTION, Replica, STATE_KEY};

/// The most records of one transaction. A batch may have more than [`ROWS`] by those of one event.
const MOST_ROWS: usize = 2 * ROWS;
/// The most bytes of one transaction, as far as it is more than one record.
const MOST_BYTES: usize = 2 * BYTES;

/// What is done with a record.
#[derive(Debug)]
pub(super) struct Step {
    id: sdk::RecordId,
    version: u64,
    action: Action,
    /// The hash of what is there before.
    before: Option<u128>,
    /// Whether it has a version.
    is_counted: bool,
}

#[derive(Debug)]
enum Action {
    Delete,
    /// To be put anew.
    Displace,
    /// A record that is not there.
    Insert(Put),
    /// An edge that is not there.
    Relate(Put),
    /// A record that is there, and no edge, or an edge with the same ends: as deleting it would take its edges with it.
    Update(Put),
    /// The same of an edge that may not lead anywhere.
    Hook(Put),
    /// Only the version changes.
    Count(Put),
}

impl Step {
    fn is_deletion(&self) -> bool {
        matches!(self.action, Action::Delete | Action::Displace)
    }

    fn size(&self) -> usize {
        const ID: usize = 100;
        ID + match &self.action {
            Action::Delete | Action::Displace | Action::Count(_) => 0,
            Action::Insert(put) | Action::Relate(put) | Action::Update(put) | Action::Hook(put) => put.size,
        }
    }
}

impl Replica {
    /// What has to be done so that the replica holds what the batch says. O(batch). Deletions come first.
    pub(super) async fn steps(&self, batch: Batch, counted: CountedRecords) -> Result<Vec<Step>> {
        let records = batch.records;
        let ends = self.ends_before(&records, &counted).await?;
        let mut deletions = Vec::new();
        let mut others = Vec::with_capacity(records.len());
        for (id, Counted { version, hash: before }) in counted.iter().filter(|(id, _)| !records.contains_key(*id)) {
            if before.is_some() {
                let id = record_id_to_sdk(&id.0).map_err(converting(ACTION))?;
                let (version, before) = (*version, *before);
                deletions.push(Step { id, version, action: Action::Delete, before, is_counted: true });
            }
        }
        for (record, Target { version, put, .. }) in records {
            let known = counted.get(&record);
            let (before, is_counted) = (known.and_then(|counted| counted.hash), known.is_some());
            let id = record_id_to_sdk(&record.0).map_err(converting(ACTION))?;
            let Some(put) = put else {
                // What was never there may be counted all the same, but nobody asks for that.
                if before.is_some() {
                    deletions.push(Step { id, version, action: Action::Delete, before, is_counted });
                }
                continue;
            };
            let ends_now = match put.ends() {
                Some([from, to]) => Some([same(from)?, same(to)?]),
                None => None,
            };
            let inserted = |put| if ends_now.is_some() { Action::Relate(put) } else { Action::Insert(put) };
            let action = match before {
                None => inserted(put),
                Some(hash) if hash == put.hash && known.is_some_and(|known| known.version == version) => continue,
                Some(hash) if hash == put.hash => Action::Count(put),
                Some(_) if ends.get(&record) == ends_now.as_ref() => {
                    let is_loose = self.state.table(&record.0.table).is_some_and(|table| table.has_unhooked);
                    if is_loose && ends_now.is_some() { Action::Hook(put) } else { Action::Update(put) }
                }
                Some(_) => {
                    // An edge can't be given other ends.
                    deletions.push(Step { id: id.clone(), version, action: Action::Displace, before, is_counted });
                    others.push(Step { id, version, action: inserted(put), before: None, is_counted });
                    continue;
                }
            };
            others.push(Step { id, version, action, before, is_counted });
        }
        deletions.append(&mut others);
        Ok(deletions)
    }

    /// The ends of those records that are edges, as far as these are about to change.
    async fn ends_before(&self, records: &HashMap<SameRecord, Target>, counted: &CountedRecords) -> Result<Ends> {
        let may_be_edge = |id: &SameRecord| self.state.table(&id.0.table).is_some_and(|table| table.has_edges);
        let changes = records.iter().filter(|(id, target)| {
            let before = counted.get(*id).and_then(|counted| counted.hash);
            let now = target.put.as_ref().map(|put| put.hash);
            before.is_some() && now.is_some() && before != now && may_be_edge(id)
        });
        let ids: Vec<sdk::RecordId> =
            changes.map(|(id, _)| record_id_to_sdk(&id.0).map_err(converting(ACTION))).collect::<Result<_>>()?;
        self.ends(&ids).await
    }

    /// Writes steps, and with the last of them where the replica is then, unless that is still within an event.
    pub(super) async fn write(&mut self, steps: Vec<Step>, tables: &[String], end: Option<&State>) -> Result<()> {
        self.unhook(&steps).await?;
        let mut rest = steps.into_iter().peekable();
        loop {
            let (mut some, mut bytes) = (Vec::new(), 0);
            while let Some(step) =
                rest.next_if(|step| some.is_empty() || some.len() < MOST_ROWS && bytes + step.size() <= MOST_BYTES)
            {
                bytes += step.size();
                some.push(step);
            }
            let mut transaction = Transaction::new(&self.state);
            tables.iter().for_each(|table| transaction.define(table));
            transaction.add(&self.database.names().version(), some)?;
            let is_last = rest.peek().is_none();
            if let (true, Some(end)) = (is_last, end) {
                transaction.ends_at(end);
            }
            self.commit(transaction).await?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// Lets the edges that would go with deleted records, and are not deleted themselves, stay as records that lead nowhere.
    async fn unhook(&mut self, steps: &[Step]) -> Result<()> {
        if !self.state.tables.values().any(|table| table.has_edges) {
            return Ok(());
        }
        let deleted = steps.iter().filter(|step| step.is_deletion()).map(|step| step.id.clone());
        let deleted: Vec<sdk::RecordId> = deleted.collect();
        let mut hanging = self.hanging(&deleted).await?;
        // What hangs on others comes behind them, and has to be safe first.
        hanging.reverse();
        for some in hanging.chunks(ROWS) {
            let mut transaction = Transaction::new(&self.state);
            let ids: Vec<sdk::Value> = some.iter().filter_map(|row| row.get("id").cloned()).collect();
            for id in &ids {
                if let sdk::Value::RecordId(id) = id
                    && let Some(table) = transaction.state.tables.get_mut(id.table.as_str())
                {
                    table.has_unhooked = true;
                }
            }
            transaction.bind("unhooked", ids);
            transaction.bind("kept", some.iter().cloned().map(sdk::Value::Object).collect());
            transaction.text.push_str("DELETE $unhooked RETURN NONE;\nINSERT $kept RETURN NONE;\n");
            self.commit(transaction).await?;
        }
        Ok(())
    }

    /// Commits a transaction. When it fails nothing is known of whether it did, until the state is read again.
    pub(super) async fn commit(&mut self, mut transaction: Transaction) -> Result<()> {
        let state = &mut transaction.state;
        state.revision = state.revision.wrapping_add(1);
        let mut variables = transaction.variables;
        let id = sdk::RecordId::new(self.database.names().replica(), STATE_KEY);
        variables.insert("state_id", id);
        variables.insert("revision", self.state.revision.cast_signed());
        variables.insert("state", state.to_sdk()?);
        let text = format!(
            "BEGIN;\n\
             IF $state_id.revision != $revision {{ THROW 'the replica is written by somebody else' }};\n\
             {}{}UPDATE $state_id CONTENT $state RETURN NONE;\n\
             COMMIT;",
            transaction.definitions, transaction.text,
        );
        self.is_current = false;
        self.database.run_retrying(ACTION, text, variables).await?;
        self.state = transaction.state;
        self.is_current = true;
        Ok(())
    }
}

/// Statements that are committed together.
pub(super) struct Transaction {
    /// What the replica says of itself afterwards.
    state: State,
    definitions: String,
    text: String,
    variables: Variables,
}

impl Transaction {
    /// One that does not come to the end of an event, unless it is told so.
    pub(super) fn new(state: &State) -> Transaction {
        let state = State { is_partial: true, ..state.clone() };
        Transaction { state, definitions: String::new(), text: String::new(), variables: Variables::new() }
    }

    /// It comes to the end of an event.
    pub(super) fn ends_at(&mut self, end: &State) {
        self.state.position = end.position;
        self.state.known = end.known.clone();
        self.state.is_partial = false;
    }

    /// Makes sure that there is a table.
    pub(super) fn define(&mut self, name: &str) {
        if self.state.table(name).is_none() {
            let text = format!("DEFINE TABLE IF NOT EXISTS {} TYPE ANY SCHEMALESS PERMISSIONS NONE;\n", escape(name));
            self.definitions.push_str(&text);
            let has_gone = self.state.tables.get(name).is_some_and(|table| table.has_gone);
            let table = Table { is_there: true, era: self.state.revision, has_gone, ..Table::default() };
            self.state.tables.insert(name.to_owned(), table);
        }
    }

    /// Removes a table. What is counted of its records stays, as it does in the database.
    pub(super) fn remove(&mut self, name: &str) {
        self.text.push_str(&format!("REMOVE TABLE IF EXISTS {};\n", escape(name)));
        if let Some(table) = self.state.tables.get_mut(name) {
            *table = Table { has_gone: true, ..Table::default() };
        }
    }

    fn bind(&mut self, name: &str, values: Vec<sdk::Value>) {
        self.variables.insert(name, sdk::Value::Array(values.into()));
    }

    /// Does what steps say. O(size).
    fn add(&mut self, version_table: &str, steps: Vec<Step>) -> Result<()> {
        let mut gone = Vec::new();
        let [mut rows, mut edges] = [BTreeMap::<String, Vec<sdk::Value>>::new(), BTreeMap::new()];
        let (mut updates, mut hooks, mut counted, mut recounted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for Step { id, version, action, before, is_counted } in steps {
            let counter = counter(version_table, id.clone());
            let table = self.state.tables.entry(id.table.to_string()).or_default();
            if let Some(hash) = before {
                table.content = without(table.content, hash);
            }
            let mut count = sdk::Object::new();
            count.insert("id", counter);
            count.insert("version", version.cast_signed());
            let hash = match &action {
                Action::Displace => {
                    gone.push(sdk::Value::RecordId(id));
                    continue;
                }
                Action::Delete => None,
                Action::Insert(put) | Action::Relate(put) | Action::Update(put) => Some(put.hash),
                Action::Hook(put) | Action::Count(put) => Some(put.hash),
            };
            match hash {
                Some(hash) => {
                    table.content = with(table.content, hash);
                    count.insert("hash", sdk::Bytes::from(hash.to_be_bytes().to_vec()));
                    count.insert("era", table.era.cast_signed());
                }
                None => {
                    table.has_gone = true;
                    count.insert("gone", true);
                }
            }
            if is_counted { &mut recounted } else { &mut counted }.push(sdk::Value::Object(count));
            match action {
                Action::Delete => gone.push(sdk::Value::RecordId(id)),
                Action::Insert(put) => {
                    rows.entry(id.table.into_string()).or_default().push(sdk::Value::Object(put.row))
                }
                Action::Relate(put) => {
                    table.has_edges = true;
                    edges.entry(id.table.into_string()).or_default().push(sdk::Value::Object(put.row));
                }
                Action::Update(put) => updates.push(sdk::Value::Object(put.row)),
                Action::Hook(put) => hooks.push(sdk::Value::Object(put.row)),
                Action::Count(_) | Action::Displace => {}
            }
        }
        self.push("gone", gone, "DELETE $gone RETURN NONE;\n");
        for (kind, tables) in [("", rows), ("RELATION", edges)] {
            for (number, (table, rows)) in tables.into_iter().enumerate() {
                let name = format!("rows{kind}{number}");
                self.push(&name, rows, &format!("INSERT {kind} INTO {} ${name} RETURN NONE;\n", escape(&table)));
            }
        }
        self.push("updates", updates, UPDATES);
        self.push("hooks", hooks, HOOKS);
        self.push("counted", counted, &format!("INSERT INTO {} $counted RETURN NONE;\n", escape(version_table)));
        self.push("recounted", recounted, RECOUNTED);
        Ok(())
    }

    fn push(&mut self, name: &str, values: Vec<sdk::Value>, text: &str) {
        if !values.is_empty() {
            self.bind(name, values);
            self.text.push_str(text);
        }
    }
}

/// Twice as slow as an update.
const HOOKS: &str = "FOR $edge IN $hooks { \
    RELATE OR UPDATE ($edge.in)->($edge.id)->($edge.out) CONTENT $edge RETURN NONE; };\n";
const UPDATES: &str = "FOR $row IN $updates { UPDATE $row.id CONTENT $row RETURN NONE; };\n";
const RECOUNTED: &str = "FOR $row IN $recounted { UPDATE $row.id CONTENT $row RETURN NONE; };\n";

fn with(content: TableContent, hash: u128) -> TableContent {
    let mut sum = content.hash;
    sum += hash.into();
    TableContent { rows: content.rows.wrapping_add(1), hash: sum }
}

fn without(content: TableContent, hash: u128) -> TableContent {
    let mut sum = content.hash;
    sum -= hash.into();
    TableContent { rows: content.rows.wrapping_sub(1), hash: sum }
}

//! The rows of the view: what they are, what the query shows of them, and in which order.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use circuit::{Direction, Expr, Object, Plan, Reader, RecordId, Scope, Source, Value};
use database::Database;
use database::text::record_id;
use protocol::ResultRow;
use query::{Query, SurrealLibrary};

use super::edges::Edge;
use crate::error::Error;

/// The result as it is known now.
pub(super) struct View {
    database: Database,
    /// The query as the sidecar understands it, for its order and its fields. The sidecar is the one who decides what
    /// it accepts; without this, whole records are shown in the order of their ids.
    query: Option<Query>,
    /// By the text of the record's id.
    rows: BTreeMap<String, Row>,
}

/// A row of the result.
#[derive(Clone, Debug)]
pub(super) struct Row {
    id: RecordId,
    version: u64,
    content: Option<Object>,
    /// What the query shows of it.
    pub(super) shown: Value,
    /// What it is ordered by.
    order: Vec<Value>,
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Added,
    Updated,
    Removed,
}

/// A row that came, changed or went, as it is shown now (or was last).
#[derive(Clone, Debug)]
pub(super) struct Changed {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) shown: Value,
}

impl View {
    pub(super) fn new(database: Database, query: &str, params: &Object) -> Self {
        Self { database, query: query::compile(query, params).ok(), rows: BTreeMap::new() }
    }

    /// The rows in the query's order, with the text of their ids.
    pub(super) fn rows(&self) -> Vec<(&str, &Row)> {
        let mut rows: Vec<_> = self.rows.iter().map(|(id, row)| (id.as_str(), row)).collect();
        rows.sort_by(|a, b| self.compare(a.1, b.1));
        rows
    }

    fn compare(&self, a: &Row, b: &Row) -> Ordering {
        let keys = self.query.iter().flat_map(|query| &query.plan.template.order);
        for (key, (a, b)) in keys.zip(a.order.iter().zip(&b.order)) {
            let ordering = if key.descending { b.cmp(a) } else { a.cmp(b) };
            if ordering.is_ne() {
                return ordering;
            }
        }
        a.id.cmp(&b.id)
    }

    /// Takes over what edges say. One request for all rows that are new or have a new version.
    pub(super) async fn update(&mut self, edges: Vec<Edge>) -> Result<Vec<Changed>, Error> {
        // Only the last word about a record counts.
        let mut last = BTreeMap::new();
        for edge in edges {
            let (Edge::Holds(id, _) | Edge::Gone(id)) = &edge;
            last.insert(record_id(id), edge);
        }
        let mut held = Vec::new();
        let mut gone = Vec::new();
        for (text, edge) in last {
            match edge {
                Edge::Gone(_) => gone.push(text),
                Edge::Holds(id, version) => held.push((text, id, version)),
            }
        }
        self.take_over(held, gone).await
    }

    /// Takes over a whole result.
    pub(super) async fn reconcile(&mut self, result: Vec<ResultRow>) -> Result<Vec<Changed>, Error> {
        let mut gone: BTreeMap<&str, ()> = self.rows.keys().map(|id| (id.as_str(), ())).collect();
        let mut held = Vec::new();
        for row in &result {
            let id = query::parse_record_id(&row.id).map_err(|error| Error::Query(error.to_string()))?;
            let text = record_id(&id);
            gone.remove(text.as_str());
            held.push((text, id, row.version));
        }
        let gone = gone.into_keys().map(str::to_owned).collect();
        self.take_over(held, gone).await
    }

    async fn take_over(
        &mut self,
        held: Vec<(String, RecordId, u64)>,
        gone: Vec<String>,
    ) -> Result<Vec<Changed>, Error> {
        let mut changed = Vec::new();
        for id in gone {
            if let Some(row) = self.rows.remove(&id) {
                changed.push(Changed { kind: Kind::Removed, id, shown: row.shown });
            }
        }
        let is_news = |text: &String, version: u64| self.rows.get(text).is_none_or(|row| row.version != version);
        let news: Vec<_> = held.into_iter().filter(|(text, _, version)| is_news(text, *version)).collect();
        let ids: Vec<RecordId> = news.iter().map(|(_, id, _)| id.clone()).collect();
        let contents = read(&self.database, &ids).await?;

        let mut rows = Vec::new();
        for ((text, id, version), content) in news.into_iter().zip(contents) {
            rows.push((text, Row { id, version, content, shown: Value::None, order: Vec::new() }));
        }
        self.shape(&mut rows).await?;
        for (id, row) in rows {
            let shown = row.shown.clone();
            let kind = match self.rows.insert(id.clone(), row) {
                None => Kind::Added,
                Some(_) => Kind::Updated,
            };
            changed.push(Changed { kind, id, shown });
        }
        Ok(changed)
    }

    /// Computes what is shown, and the order. Linked records are read as they turn out to be needed.
    async fn shape(&self, rows: &mut [(String, Row)]) -> Result<(), Error> {
        // `a.b.c.d` needs the record behind `a` to know that it needs the one behind `b`, and so on.
        const DEEPEST_LINK: usize = 16;
        let mut linked = Linked::default();
        for _ in 0..DEEPEST_LINK {
            for (_, row) in rows.iter_mut() {
                let Some(content) = &row.content else { continue };
                row.shown = Value::from(content.clone());
                // What subqueries answer is with the database; the rows of such queries are shown as they are stored.
                let Some(query) = self.query.as_ref().filter(|query| reads_rows_only(&query.plan)) else { continue };
                let scope = Scope::of_row(content);
                if let Ok(shown) = query.plan.output.row(&scope, &mut linked, &SurrealLibrary) {
                    row.shown = shown;
                }
                let template = &query.plan.template;
                let columns = template.order.iter().filter_map(|key| template.columns.get(usize::from(key.column)));
                let value = |column: &Expr| column.evaluate(&scope, &mut linked, &SurrealLibrary).map(Cow::into_owned);
                row.order = columns.map(value).map(Result::unwrap_or_default).collect();
            }
            if !linked.read_missing(&self.database).await? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Whether a plan needs no more than the rows of one table, and the records that they link to.
fn reads_rows_only(plan: &Plan) -> bool {
    let template = &plan.template;
    matches!(template.source, Source::Table(_)) && template.lookups.is_empty() && template.children.is_empty()
}

/// Records that links led to.
#[derive(Default)]
struct Linked {
    known: HashMap<String, Option<Object>>,
    missing: BTreeMap<String, RecordId>,
}

impl Linked {
    /// Reads what was asked for and not known. False if there was nothing.
    async fn read_missing(&mut self, database: &Database) -> Result<bool, Error> {
        let missing = std::mem::take(&mut self.missing);
        let ids: Vec<RecordId> = missing.values().cloned().collect();
        let contents = read(database, &ids).await?;
        self.known.extend(missing.into_keys().zip(contents));
        Ok(!ids.is_empty())
    }
}

impl Reader for Linked {
    fn record(&mut self, id: &Arc<RecordId>) -> Option<Object> {
        let text = record_id(id);
        match self.known.get(&text) {
            Some(content) => content.clone(),
            None => {
                self.missing.insert(text, RecordId::clone(id));
                None
            }
        }
    }

    fn field_of(&mut self, id: &Arc<RecordId>, field: &str) -> Value {
        self.record(id).and_then(|content| content.get(field).cloned()).unwrap_or_default()
    }

    fn edges(&mut self, _: &Arc<RecordId>, _: Direction, _: Option<&str>) -> Vec<Arc<RecordId>> {
        Vec::new()
    }
}

/// The contents of records, in the order of `ids`; `None` for one that is gone already.
async fn read(database: &Database, ids: &[RecordId]) -> Result<Vec<Option<Object>>, Error> {
    let records = database.records(ids).await.map_err(Error::database("can't read the rows"))?;
    Ok(records.into_iter().map(|record| record.content).collect())
}

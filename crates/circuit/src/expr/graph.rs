//! Steps along the edges of a graph.
//!
//! SurrealDB keeps pointers at both ends of an edge and at the edge itself: a record points to the edges that leave it and
//! to those that lead to it, and an edge points to the record that it leads to as if it left the edge. A step follows
//! pointers into some tables, so `->likes->post` is a step to edges and another one to the records they lead to.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use smallvec::SmallVec;

use super::evaluate::Environment;
use super::{Constant, Expr, Failure, Scope};
use crate::expr::reader::Direction;
use crate::value::{Key, RecordId, Value};

/// One step, such as `->(likes WHERE since > 2020 LIMIT 3)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GraphStep {
    /// The directions to go, one after the other.
    pub directions: &'static [Direction],
    /// The tables into which to go, one after the other; none means into all.
    pub tables: Box<[EdgeTable]>,
    /// Which records to keep: over the record, which it binds.
    pub condition: Option<Expr>,
    /// By which values to sort them, and whether downwards: over the record, which the keys bind.
    pub order: Box<[(Expr, bool)]>,
    /// How many to skip.
    pub start: Option<Expr>,
    /// How many to take then.
    pub limit: Option<Expr>,
    /// What to answer of each record instead of its id: over the record, which it binds. Without this, and without a
    /// condition, the records are not read, and may be missing.
    pub value: Option<Expr>,
}

/// A table into which a step goes, with the keys that it looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EdgeTable {
    pub name: Arc<str>,
    pub keys: (Bound<Constant>, Bound<Constant>),
}

type Records = Vec<Arc<RecordId>>;

/// The records at the end of some steps.
pub(super) fn walk(
    value: &Value,
    steps: &[GraphStep],
    is_only: bool,
    scope: &Scope,
    environment: &mut Environment,
) -> Result<Value, Failure> {
    match value {
        Value::RecordId(_) | Value::Object(_) => {
            let mut found = vec![value.clone()];
            for step in steps {
                let mut from = Records::new();
                found.iter().for_each(|value| collect_ids(value, &mut from));
                found = step.take(from, scope, environment)?;
            }
            if !is_only {
                return Ok(Value::Array(found.into()));
            }
            let mut found = found.into_iter();
            match (found.next(), found.next()) {
                (first, None) => Ok(first.unwrap_or_default()),
                _ => Err(Failure::new("there is more than one record")),
            }
        }
        Value::Array(items) => {
            let mut results = Vec::with_capacity(items.len());
            for item in items.iter() {
                match walk(item, steps, is_only, scope, environment)? {
                    Value::Array(inner) => results.extend(inner.iter().cloned()),
                    other => results.push(other),
                }
            }
            Ok(Value::Array(results.into()))
        }
        _ => Ok(Value::None),
    }
}

/// The records that a value stands for: itself, what is in its `id`, or its items.
fn collect_ids(value: &Value, records: &mut Records) {
    match value {
        Value::RecordId(id) => records.push(id.clone()),
        Value::Object(object) => {
            if let Some(id) = object.get("id") {
                collect_ids(id, records);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_ids(item, records)),
        _ => {}
    }
}

impl GraphStep {
    /// What this step leads to from each of these records.
    fn take(&self, from: Records, scope: &Scope, environment: &mut Environment) -> Result<Vec<Value>, Failure> {
        let mut found: Vec<(Arc<RecordId>, Value)> = Vec::new();
        for id in self.reached(&from, environment)? {
            if self.condition.is_none() && self.value.is_none() {
                if environment.reader.is_found(&id) {
                    found.push((id.clone(), Value::RecordId(id)));
                }
                continue;
            }
            let Some(record) = environment.reader.record(&id) else { continue };
            let record = Value::from(record);
            let local = scope.bind(&record);
            let is_kept = match &self.condition {
                Some(condition) => condition.holds(&scope.within(&local), environment)?,
                None => true,
            };
            if is_kept {
                found.push((id, record));
            }
        }
        if !self.order.is_empty() {
            found = self.sorted(found, scope, environment)?;
        }
        let start = count(self.start.as_ref(), scope, environment)?.unwrap_or(0);
        let limit = count(self.limit.as_ref(), scope, environment)?.unwrap_or(usize::MAX);
        let mut taken = Vec::new();
        for (id, record) in found.into_iter().skip(start).take(limit) {
            taken.push(match &self.value {
                Some(value) => {
                    let local = scope.bind(&record);
                    value.value(&scope.within(&local), environment)?.into_owned()
                }
                None => Value::RecordId(id),
            });
        }
        Ok(taken)
    }

    fn reached(&self, from: &Records, environment: &mut Environment) -> Result<Records, Failure> {
        let mut reached = Records::new();
        for id in from {
            environment.spend()?;
            for direction in self.directions {
                if self.tables.is_empty() {
                    reached.extend(neighbours(id, *direction, None, environment));
                }
                for table in &self.tables {
                    let neighbours = neighbours(id, *direction, Some(&table.name), environment);
                    reached.extend(neighbours.into_iter().filter(|id| table.holds(&id.key)));
                }
            }
        }
        Ok(reached)
    }

    fn sorted(
        &self,
        found: Vec<(Arc<RecordId>, Value)>,
        scope: &Scope,
        environment: &mut Environment,
    ) -> Result<Vec<(Arc<RecordId>, Value)>, Failure> {
        let mut keyed = Vec::with_capacity(found.len());
        for (id, record) in found {
            let local = scope.bind(&record);
            let scope = scope.within(&local);
            let mut keys: SmallVec<[Value; 2]> = SmallVec::new();
            for (key, _) in &self.order {
                keys.push(key.value(&scope, environment)?.into_owned());
            }
            keyed.push((keys, id, record));
        }
        keyed.sort_by(|(a, ..), (b, ..)| {
            let keys = self.order.iter().zip(a.iter().zip(b));
            keys.fold(Ordering::Equal, |ordering, ((_, descending), (a, b))| {
                ordering.then_with(|| if *descending { b.cmp(a) } else { a.cmp(b) })
            })
        });
        Ok(keyed.into_iter().map(|(_, id, record)| (id, record)).collect())
    }
}

impl EdgeTable {
    /// All keys of a table.
    pub fn all(name: impl Into<Arc<str>>) -> Self {
        EdgeTable { name: name.into(), keys: (Bound::Unbounded, Bound::Unbounded) }
    }

    fn holds(&self, key: &Key) -> bool {
        let is_beyond = |bound: &Constant, ordering: Ordering| {
            Key::try_from(&bound.0).is_ok_and(|bound| key.compare_stored(&bound) == ordering)
        };
        let is_equal = |bound: &Constant| is_beyond(bound, Ordering::Equal);
        let after_start = match &self.keys.0 {
            Bound::Unbounded => true,
            Bound::Included(start) => is_equal(start) || is_beyond(start, Ordering::Greater),
            Bound::Excluded(start) => is_beyond(start, Ordering::Greater),
        };
        after_start
            && match &self.keys.1 {
                Bound::Unbounded => true,
                Bound::Included(end) => is_equal(end) || is_beyond(end, Ordering::Less),
                Bound::Excluded(end) => is_beyond(end, Ordering::Less),
            }
    }
}

/// The records that a record points to: its edges, and if it is an edge itself, the record at its end.
fn neighbours(id: &Arc<RecordId>, direction: Direction, table: Option<&str>, environment: &mut Environment) -> Records {
    let mut found = environment.reader.edges(id, direction, table);
    let ends = (environment.reader.end_of(id, "in"), environment.reader.end_of(id, "out"));
    if let (Value::RecordId(from), Value::RecordId(to)) = ends {
        let end = match direction {
            Direction::Out => to,
            Direction::In => from,
        };
        if table.is_none_or(|table| *table == *end.table) {
            let is_before = |other: &Arc<RecordId>| {
                other.table.cmp(&end.table).then_with(|| other.key.compare_stored(&end.key)) == Ordering::Less
            };
            let place = found.partition_point(is_before);
            if !found.get(place).is_some_and(|other| other.is_same_record(&end)) {
                found.insert(place, end);
            }
        }
    }
    found
}

/// A number of records, by SurrealDB's rules: fractions are cut off, and `NONE` and `NULL` are zero.
fn count(expr: Option<&Expr>, scope: &Scope, environment: &mut Environment) -> Result<Option<usize>, Failure> {
    let Some(expr) = expr else { return Ok(None) };
    let number = match &*expr.value(scope, environment)? {
        Value::None | Value::Null => 0,
        number => number.truncated().ok_or_else(|| Failure::new("the limit of a step is a number"))?,
    };
    usize::try_from(number).map(Some).map_err(|_| Failure::new("the limit of a step is negative"))
}

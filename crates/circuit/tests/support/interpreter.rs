//! Plans carried out in the plainest way: everything is computed anew from all records, with no index, no sharing and
//! no state. What the engine maintains must equal what this answers.
#![allow(dead_code, reason = "each test uses a part")]

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use circuit::{
    Constant, Direction, Expr, Failure, Grouping, Library, Object, OrderKey, Plan, Reader, RecordId, RowContent, Scope,
    Shape, Slot, Source, Value,
};

/// The records of all tables.
#[derive(Clone, Debug, Default)]
pub struct Records {
    tables: BTreeMap<Arc<str>, Vec<(Arc<RecordId>, Object)>>,
}

impl Records {
    /// Sets the content of a record, with its `id`; without content the record is deleted.
    pub fn set(&mut self, id: &RecordId, content: Option<Object>) {
        let table = self.tables.entry(id.table.clone()).or_default();
        table.retain(|(known, _)| !known.is_same_record(id));
        if let Some(content) = content {
            let position = table.partition_point(|(known, _)| known.compare_stored(id).is_lt());
            table.insert(position, (Arc::new(id.clone()), content));
        }
    }

    /// The records of a table in ascending order of their ids.
    pub fn of_table(&self, table: &str) -> impl Iterator<Item = &(Arc<RecordId>, Object)> {
        self.tables.get(table).into_iter().flatten()
    }

    fn get(&self, id: &RecordId) -> Option<&Object> {
        self.of_table(&id.table).find(|(known, _)| known.is_same_record(id)).map(|(_, content)| content)
    }
}

/// Reads records straight from the tables.
struct Plain<'r>(&'r Records);

impl Reader for Plain<'_> {
    fn record(&mut self, id: &Arc<RecordId>) -> Option<Object> {
        self.0.get(id).cloned()
    }

    fn field_of(&mut self, id: &Arc<RecordId>, field: &str) -> Value {
        self.0.get(id).and_then(|content| content.get(field)).cloned().unwrap_or_default()
    }

    fn edges(&mut self, id: &Arc<RecordId>, direction: Direction, table: Option<&str>) -> Vec<Arc<RecordId>> {
        let mut found = Vec::new();
        for (name, records) in &self.0.tables {
            if table.is_some_and(|table| *table != **name) {
                continue;
            }
            let leads = |content: &Object, field: &str| {
                let is_edge = ["in", "out"].iter().all(|end| matches!(content.get(end), Some(Value::RecordId(_))));
                is_edge && matches!(content.get(field), Some(Value::RecordId(end)) if end.is_same_record(id))
            };
            let fields: &[&str] = match direction {
                Direction::Out => &["in"],
                Direction::In => &["out"],
            };
            for field in fields {
                found.extend(records.iter().filter(|(_, content)| leads(content, field)).map(|(id, _)| id.clone()));
            }
        }
        found
    }
}

/// What surrounds a plan: nothing, or the row that it belongs to.
#[derive(Clone, Copy, Default)]
struct Around<'a> {
    row: Option<&'a Value>,
    slots: &'a [Option<Value>],
}

/// Carries plans out over records.
pub struct Interpreter<'r> {
    pub records: &'r Records,
    pub library: &'r dyn Library,
}

impl Interpreter<'_> {
    /// What a plan answers.
    pub fn answer(&self, plan: &Plan) -> Result<Value, Failure> {
        self.answer_of(plan, Around::default())
    }

    /// What a plan answers of each row, in order.
    pub fn rows(&self, plan: &Plan) -> Result<Vec<Value>, Failure> {
        self.rows_of(plan, Around::default())
    }

    fn answer_of(&self, plan: &Plan, around: Around) -> Result<Value, Failure> {
        plan.output.answer(self.rows_of(plan, around)?)
    }

    fn rows_of(&self, plan: &Plan, around: Around) -> Result<Vec<Value>, Failure> {
        let slots = self.slots(plan, around);
        let template = &*plan.template;
        let mut kept = Vec::new();
        for row in self.source_rows(plan, around)? {
            let inner = Around { row: Some(&row), slots: &slots };
            // A row for which the condition or a key has no value is no row of the result.
            let lookups = self.answers(&template.lookups, inner);
            let scope = scope(inner, &lookups);
            let column = |expr: Expr| in_columns(expr, &template.columns);
            if let Some(filter) = &template.filter
                && !column(filter.clone()).test(&scope, &mut Plain(self.records), self.library).unwrap_or(false)
            {
                continue;
            }
            let key = |key: &OrderKey| self.evaluate(&template.columns[usize::from(key.column)], &scope);
            let Ok(keys) = template.order.iter().map(key).collect::<Result<Vec<Value>, Failure>>() else { continue };
            kept.push((keys, row));
        }
        kept.sort_by(|(a, _), (b, _)| compare(a, b, &template.order));
        let (start, limit) =
            plan.window.map_or((0, u64::MAX), |window| (window.start, window.limit.unwrap_or(u64::MAX)));
        let kept = kept.into_iter().map(|(_, row)| row);
        let mut answers = Vec::new();
        for row in kept.skip(saturated(start)).take(saturated(limit)) {
            let inner = Around { row: Some(&row), slots: &slots };
            let children: Vec<_> = template.children.iter().map(|child| self.answer_of(&child.plan, inner)).collect();
            answers.push(plan.output.row(&scope(inner, &children), &mut Plain(self.records), self.library)?);
        }
        Ok(answers)
    }

    fn slots(&self, plan: &Plan, around: Around) -> Vec<Option<Value>> {
        let lookups = self.answers(&plan.lookups, around);
        let value = |slot: &Slot| match slot {
            Slot::Constant(Constant(value)) => Some(value.clone()),
            Slot::Computed(expr) => self.evaluate(expr, &scope(around, &lookups)).ok(),
        };
        plan.slots.iter().map(value).collect()
    }

    fn answers(&self, plans: &[Plan], around: Around) -> Vec<Result<Value, Failure>> {
        plans.iter().map(|plan| self.answer_of(plan, around)).collect()
    }

    fn evaluate(&self, expr: &Expr, scope: &Scope) -> Result<Value, Failure> {
        Ok(expr.evaluate(scope, &mut Plain(self.records), self.library)?.into_owned())
    }

    fn source_rows(&self, plan: &Plan, around: Around) -> Result<Vec<Value>, Failure> {
        let mut inputs = Vec::new();
        for input in &plan.inputs {
            inputs.extend(self.rows_of(input, around)?);
        }
        Ok(match &plan.template.source {
            Source::Table(name) => {
                self.records.of_table(name).map(|(_, content)| Value::from(content.clone())).collect()
            }
            Source::Derived(Shape::Once) => vec![Value::None],
            Source::Derived(Shape::Rows) => inputs,
            Source::Derived(Shape::Items { are_records }) => self.items(inputs, *are_records),
            Source::Derived(Shape::Split(paths)) => {
                let split =
                    |rows: Vec<Value>, path: &Vec<Arc<str>>| rows.iter().flat_map(|row| split(row, path)).collect();
                paths.iter().fold(inputs, split)
            }
            Source::Derived(Shape::Group(grouping)) => self.groups(grouping, inputs)?,
        })
    }

    /// The items of a list: records in place of links, without what is nothing.
    fn items(&self, lists: Vec<Value>, are_records: bool) -> Vec<Value> {
        let items = lists.into_iter().flat_map(|list| match list {
            Value::Array(items) => items.to_vec(),
            other => vec![other],
        });
        let row = |item: Value| match item {
            Value::None | Value::Null => None,
            Value::RecordId(id) => self.records.get(&id).cloned().map(Value::from),
            other => Some(other).filter(|_| !are_records),
        };
        items.filter_map(row).collect()
    }

    fn groups(&self, grouping: &Grouping, rows: Vec<Value>) -> Result<Vec<Value>, Failure> {
        let keys = usize::from(grouping.keys);
        let mut groups: BTreeMap<Vec<Value>, Vec<Vec<Value>>> = BTreeMap::new();
        if keys == 0 {
            groups.insert(Vec::new(), Vec::new());
        }
        for row in rows {
            let Value::Array(values) = row else { return Err(Failure::new("a row of a group is an array")) };
            groups.entry(values[..keys].to_vec()).or_default().push(values[keys..].to_vec());
        }
        let mut answers = Vec::new();
        for (key, rows) in groups {
            let mut columns: Vec<Option<Cow<'_, Value>>> =
                key.into_iter().map(|value| Some(Cow::Owned(value))).collect();
            for (number, aggregate) in grouping.aggregates.iter().enumerate() {
                let values: Vec<Value> = rows.iter().map(|row| row[number].clone()).collect();
                let extra: Vec<Value> = aggregate.extra.iter().map(|Constant(value)| value.clone()).collect();
                columns.push(Some(Cow::Owned(aggregate.function.evaluate(&values, &extra, self.library))));
            }
            let scope = Scope { columns: &columns, ..Scope::default() };
            answers.push(grouping.output.row(&scope, &mut Plain(self.records), self.library)?);
        }
        Ok(answers)
    }
}

fn scope<'a>(around: Around<'a>, subqueries: &'a [Result<Value, Failure>]) -> Scope<'a> {
    Scope { row: around.row.map(RowContent::Value), slots: around.slots, subqueries, ..Scope::default() }
}

/// The expression with columns replaced by what they are, so that one is looked at only where SurrealDB would.
fn in_columns(expr: Expr, columns: &[Expr]) -> Expr {
    if let Expr::Column(number) = expr {
        return columns[usize::from(number)].clone();
    }
    let Ok(expr) = expr.map_children::<std::convert::Infallible>(&mut |child, _| Ok(in_columns(child, columns)));
    expr
}

fn compare(a: &[Value], b: &[Value], order: &[OrderKey]) -> Ordering {
    for ((a, b), key) in a.iter().zip(b).zip(order) {
        let ordering = match (a, b) {
            (Value::RecordId(a), Value::RecordId(b)) if key.as_read => a.compare_stored(b),
            _ => a.cmp(b),
        };
        let ordering = if key.descending { ordering.reverse() } else { ordering };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    Ordering::Equal
}

fn saturated(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// One row for each item of the list at a path; a row without items there stays as it is.
fn split(row: &Value, path: &[Arc<str>]) -> Vec<Value> {
    match pick(row, path) {
        Value::Array(items) | Value::Set(items) if !items.is_empty() => {
            items.iter().map(|item| put(row, path, item)).collect()
        }
        _ => vec![row.clone()],
    }
}

fn pick(value: &Value, path: &[Arc<str>]) -> Value {
    let Some((name, rest)) = path.split_first() else { return value.clone() };
    match value {
        Value::Object(object) => object.get(name).map_or(Value::None, |inner| pick(inner, rest)),
        Value::Array(items) => items.iter().map(|item| pick(item, path)).collect(),
        Value::Set(items) => Value::set(items.iter().map(|item| pick(item, path))),
        _ => Value::None,
    }
}

fn put(value: &Value, path: &[Arc<str>], item: &Value) -> Value {
    let Some((name, rest)) = path.split_first() else { return item.clone() };
    let empty = || Value::from([].into_iter().collect::<Object>());
    match value {
        Value::Object(object) => {
            let mut fields: HashMap<Arc<str>, Value> =
                object.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            let inner = put(&fields.remove(name).unwrap_or_else(empty), rest, item);
            fields.insert(name.clone(), inner);
            Value::from(fields.into_iter().collect::<Object>())
        }
        Value::Array(items) => items.iter().map(|inner| put(inner, path, item)).collect(),
        Value::Set(items) => Value::Set(items.iter().map(|inner| put(inner, path, item)).collect()),
        Value::None | Value::Null => put(&empty(), path, item),
        other => other.clone(),
    }
}

//! Relations that are made from results: the rows of nested queries, split rows, groups.
//!
//! An operator takes the rows of its inputs as their outputs show them, and keeps rows of a derived relation. Operators
//! of the same shape share a relation, so that the templates over it are shared like those over a table; a column tells
//! which operator a row is from, and each binding looks only at its own.

use std::borrow::Cow;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::collection::shrink::Shrink;
use crate::derived::aggregate::Layout;
use crate::derived::groups::Groups;
use crate::derived::input_orders::InputOrders;
use crate::derived::items::Items;
use crate::derived::scan_key::{Place, ScanKey};
use crate::expr::Expr;
use crate::expr::library::Library;
use crate::output::{Fields, Output};
use crate::plan::{Grouping, OrderKey, Shape};
use crate::store::Store;
use crate::store::table::{TableId, Virtuals};
use crate::value::digest::{ResultId, content_version};
use crate::value::{Key, Object, RecordId, Value, identity};
use crate::work::Work;

/// The virtual column of a derived relation that holds the number of the operator.
pub(crate) const OPERATOR_COLUMN: u32 = 0;
/// The virtual column that holds the number of the input.
pub(crate) const INPUT_COLUMN: u32 = 1;
/// The first of the virtual columns by which rows of one input are ordered.
pub(crate) const FIRST_KEY_COLUMN: u32 = 2;

/// The name of the only field of a derived row that is no object.
pub const VALUE_FIELD: &str = "";

/// What makes operators one: the same shape over the same answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OperatorKey {
    pub(crate) shape: Shape,
    pub(crate) inputs: Vec<(ResultId, Arc<Output>)>,
}

/// What makes derived relations one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RelationKey {
    pub(crate) shape: Shape,
    /// How the rows of an input are ordered.
    pub(crate) order: Vec<OrderKey>,
    pub(crate) rank: u32,
}

/// One operator at work.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) key: OperatorKey,
    pub(crate) relation_key: RelationKey,
    pub(crate) relation: TableId,
    pub(crate) readers: usize,
    pub(crate) consumers: Vec<u32>,
    orders: InputOrders,
    rows: Rows,
}

/// What is kept of the derived rows, by shape.
#[derive(Debug)]
enum Rows {
    /// The only row, once it is there.
    Once(Option<u32>),
    Items(Box<Items>),
    /// By input and row, the derived rows: one, or as many as the row was split into.
    Each(HashMap<(u32, u32), Vec<u32>, foldhash::fast::FixedState>),
    Groups {
        groups: Box<Groups>,
        rows: HashMap<u32, u32, foldhash::fast::FixedState>,
    },
}

/// One row of an input, as an operator sees it.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) input: u32,
    pub(crate) row: u32,
    pub(crate) id: Arc<RecordId>,
    pub(crate) version: u64,
    /// The values of the order of the input.
    pub(crate) keys: Vec<Value>,
    pub(crate) value: Value,
}

/// A change of the derived relation.
#[derive(Debug)]
pub(crate) enum Derived {
    Put {
        row: Option<u32>,
        content: Object,
        id: Arc<RecordId>,
        version: u64,
        given: Virtuals,
        slot: Slot,
    },
    /// A row that has another place, and the same content.
    Place {
        row: u32,
        given: Virtuals,
    },
    Remove {
        row: u32,
    },
    /// An item is a link, so it has to be looked at again when the record changes.
    Watch {
        item: u32,
        id: Arc<RecordId>,
    },
    /// The item is gone that this owner of readings stands for.
    Forget {
        owner: u32,
    },
}

/// Where an operator remembers the number of a derived row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Slot {
    Part { input: u32, row: u32, part: usize },
    Item(u32),
    Group(u32),
    Once,
}

impl Operator {
    /// An operator that has seen nothing yet.
    pub(crate) fn new(key: OperatorKey, relation_key: RelationKey, relation: TableId, orders: InputOrders) -> Self {
        let rows = match &key.shape {
            Shape::Once => Rows::Once(None),
            Shape::Rows | Shape::Split(_) => Rows::Each(HashMap::default()),
            Shape::Items { are_records } => Rows::Items(Box::new(Items::new(*are_records))),
            Shape::Group(grouping) => {
                let functions = grouping.aggregates.iter().map(|aggregate| aggregate.function);
                let layout = Layout::new(functions.zip(equal_arguments(grouping, &key.inputs)));
                let extra = grouping.aggregates.iter();
                let extra = extra.map(|aggregate| aggregate.extra.iter().map(|extra| extra.0.clone()).collect());
                let groups = Groups::new(layout, extra.collect(), grouping.keys == 0);
                Rows::Groups { groups: Box::new(groups), rows: HashMap::default() }
            }
        };
        Operator { key, relation_key, relation, readers: 1, consumers: Vec::new(), orders, rows }
    }

    /// All derived rows.
    pub(crate) fn rows(&self) -> Vec<u32> {
        match &self.rows {
            Rows::Once(row) => row.iter().copied().collect(),
            Rows::Items(items) => items.rows().collect(),
            Rows::Each(rows) => rows.values().flatten().copied().collect(),
            Rows::Groups { rows, .. } => rows.values().copied().collect(),
        }
    }

    /// The owners of what is read besides the inputs.
    pub(crate) fn owners(&self) -> Vec<u32> {
        match &self.rows {
            Rows::Items(items) => items.owners().collect(),
            _ => Vec::new(),
        }
    }

    /// The rows that there are without any input.
    pub(crate) fn begin(&self, number: u32) -> Option<Derived> {
        let Rows::Once(None) = self.rows else { return None };
        let id = Arc::new(RecordId::new("", Key::Array([].into())));
        let content = content_of(&Value::None);
        Some(Derived::Put { row: None, content, id, version: 0, given: given(number, 0, []), slot: Slot::Once })
    }

    /// Takes in that a row of an input was `old` and is `new`. What changes in the derived relation is answered at once,
    /// or for groups by [`Operator::finish`]. O(parts), O(items), or O(log group).
    pub(crate) fn take(
        &mut self,
        number: u32,
        old: Option<Input>,
        new: Option<Input>,
        store: &Store,
        work: &mut Work,
    ) -> Vec<Derived> {
        match &mut self.rows {
            Rows::Once(_) => Vec::new(),
            // There is one list.
            Rows::Items(items) => {
                items.update(number, new.as_ref().map(|new| &new.value), store, &mut work.values_folded)
            }
            Rows::Groups { groups, .. } => {
                let Shape::Group(grouping) = &self.key.shape else { return Vec::new() };
                let keys = usize::from(grouping.keys);
                if let (Some(old), Some(new)) = (&old, &new)
                    && identity::are_identical(&old.value, &new.value)
                    && old.id.is_same_record(&new.id)
                    && identity::are_identical_lists(&old.keys, &new.keys)
                {
                    return Vec::new();
                }
                // The only input.
                let order = &self.orders.joined;
                if let Some(old) = old {
                    let Input { value, id, keys: place, .. } = old;
                    let values = value.as_list().unwrap_or_default();
                    let (key, arguments) = values.split_at(keys.min(values.len()));
                    groups.remove(&scan_key(id, place, order), key, arguments);
                }
                if let Some(new) = new {
                    let Input { value, id, keys: place, .. } = new;
                    let values = value.as_list().unwrap_or_default();
                    let (key, arguments) = values.split_at(keys.min(values.len()));
                    groups.insert(scan_key(id, place, order), key, arguments);
                }
                Vec::new()
            }
            Rows::Each(rows) => {
                let Some(place) = new.as_ref().or(old.as_ref()).map(|input| (input.input, input.row)) else {
                    return Vec::new();
                };
                let known = rows.get(&place).cloned().unwrap_or_default();
                let Some(new) = new else {
                    rows.remove(&place);
                    rows.shrink();
                    return known.into_iter().map(|row| Derived::Remove { row }).collect();
                };
                let parts = match &self.key.shape {
                    Shape::Split(paths) => split(&new.value, paths),
                    _ => vec![new.value.clone()],
                };
                let is_split = matches!(self.key.shape, Shape::Split(_));
                let given = given(number, new.input, self.orders.place(new.input, new.keys));
                let mut derived = Vec::with_capacity(parts.len());
                for (part, value) in parts.iter().enumerate() {
                    let id = if is_split { part_id(&new.id, part) } else { new.id.clone() };
                    let content = content_of(value);
                    // The only row of a plan without a source is always the same, whatever it shows.
                    let version = if new.version == 0 { content_version(&content) } else { new.version };
                    derived.push(Derived::Put {
                        row: known.get(part).copied(),
                        content,
                        id,
                        version,
                        given: given.clone(),
                        slot: Slot::Part { input: new.input, row: new.row, part },
                    });
                }
                derived.extend(known.iter().skip(parts.len()).map(|row| Derived::Remove { row: *row }));
                rows.insert(place, known.into_iter().take(parts.len()).collect());
                derived
            }
        }
    }

    /// Takes in that the record that an item links to has changed.
    pub(crate) fn renew(&mut self, number: u32, item: u32, store: &Store) -> Vec<Derived> {
        match &mut self.rows {
            Rows::Items(items) => items.renew(number, item, store),
            _ => Vec::new(),
        }
    }

    /// The derived rows of the groups that have changed. O(changed groups).
    pub(crate) fn finish(&mut self, number: u32, library: &dyn Library, work: &mut Work) -> Vec<Derived> {
        let Rows::Groups { groups, rows } = &mut self.rows else { return Vec::new() };
        let Shape::Group(grouping) = &self.key.shape else { return Vec::new() };
        let mut derived = Vec::new();
        for change in groups.take_changed(library, &mut work.values_folded) {
            let row = rows.get(&change.number).copied();
            let shown = change.values.and_then(|values| {
                let columns: Vec<_> = values.into_vec().into_iter().map(|value| Some(Cow::Owned(value))).collect();
                let scope = crate::expr::Scope { columns: &columns, ..Default::default() };
                let shown = grouping.output.row(&scope, &mut crate::expr::reader::NoRecords, library).ok()?;
                let keys = columns.into_iter().take(grouping.keys.into()).flatten();
                let keys: Vec<Value> = keys.map(Cow::into_owned).collect();
                Some((keys, shown))
            });
            match (shown, row) {
                (Some((keys, shown)), row) => {
                    let content = content_of(&shown);
                    derived.push(Derived::Put {
                        row,
                        version: content_version(&content),
                        content,
                        id: Arc::new(RecordId::new("", Key::Array(keys.clone().into()))),
                        given: given(number, 0, keys),
                        slot: Slot::Group(change.number),
                    });
                }
                (None, Some(row)) => {
                    rows.remove(&change.number);
                    rows.shrink();
                    derived.push(Derived::Remove { row });
                }
                (None, None) => {}
            }
        }
        derived
    }

    /// Remembers the number of a derived row.
    pub(crate) fn remember(&mut self, slot: Slot, number: u32) {
        match (&mut self.rows, slot) {
            (Rows::Each(rows), Slot::Part { input, row, part }) => {
                let parts = rows.entry((input, row)).or_default();
                match parts.get_mut(part) {
                    Some(known) => *known = number,
                    None => parts.push(number),
                }
            }
            (Rows::Groups { rows, .. }, Slot::Group(group)) => {
                rows.insert(group, number);
            }
            (Rows::Items(items), Slot::Item(item)) => items.remember_row(item, number),
            (Rows::Once(row), Slot::Once) => *row = Some(number),
            _ => {}
        }
    }

    /// Remembers who reads the record that an item links to.
    pub(crate) fn remember_owner(&mut self, item: u32, owner: Option<u32>) {
        if let Rows::Items(items) = &mut self.rows {
            items.remember_owner(item, owner);
        }
    }
}

/// For each aggregate, the first one with the same argument. The only input answers the keys and then the arguments.
fn equal_arguments(grouping: &Grouping, inputs: &[(ResultId, Arc<Output>)]) -> Vec<usize> {
    let arguments = match inputs.first().map(|(_, output)| &output.fields) {
        Some(Fields::Value(Expr::Array(items))) => items.get(grouping.keys.into()..).unwrap_or_default(),
        _ => &[],
    };
    let first = |number: usize| {
        let argument = arguments.get(number)?;
        arguments.iter().position(|other| other == argument)
    };
    (0..grouping.aggregates.len()).map(|number| first(number).unwrap_or(number)).collect()
}

/// The content of a derived row.
pub(super) fn content_of(value: &Value) -> Object {
    match value {
        Value::Object(object) => (**object).clone(),
        other => [(Arc::from(VALUE_FIELD), other.clone())].into_iter().collect(),
    }
}

pub(super) fn given(operator: u32, input: u32, keys: impl IntoIterator<Item = Value>) -> Virtuals {
    let fixed = [Value::Int(operator.into()), Value::Int(input.into())];
    fixed.into_iter().chain(keys).map(Some).collect()
}

fn scan_key(id: Arc<RecordId>, keys: Vec<Value>, order: &Arc<[OrderKey]>) -> ScanKey {
    let place = (!order.is_empty()).then(|| Arc::new(Place { keys: keys.into(), order: order.clone() }));
    ScanKey { place, id }
}

/// The id of a part of a split row: it follows that of the row, and the parts are in order.
fn part_id(id: &RecordId, part: usize) -> Arc<RecordId> {
    let key = [Value::from(id.key.clone()), Value::Int(part as i64)];
    Arc::new(RecordId::new(id.table.clone(), Key::Array(key.into_iter().collect())))
}

/// The rows that `SPLIT` makes of one: for each path in turn, one for each item of the list there.
fn split(value: &Value, paths: &[Vec<Arc<str>>]) -> Vec<Value> {
    let mut rows = vec![value.clone()];
    for path in paths {
        let mut parts = Vec::with_capacity(rows.len());
        for row in rows {
            match at(&row, path).as_list() {
                Some(items) if !items.is_empty() => parts.extend(items.iter().map(|item| put(&row, path, item))),
                _ => parts.push(row),
            }
        }
        rows = parts;
    }
    rows
}

fn at(value: &Value, path: &[Arc<str>]) -> Value {
    path.iter().fold(value.clone(), |value, name| match &value {
        Value::Object(object) => object.get(name).cloned().unwrap_or_default(),
        _ => Value::None,
    })
}

fn put(value: &Value, path: &[Arc<str>], item: &Value) -> Value {
    let Some((name, rest)) = path.split_first() else { return item.clone() };
    let empty = Object::from_iter([]);
    let object = if let Value::Object(object) = value { object } else { &empty };
    let inner = object.get(name).cloned().unwrap_or_default();
    let fields = object.iter().map(|(name, value)| (name.clone(), value.clone()));
    fields.chain([(name.clone(), put(&inner, rest, item))]).collect::<Object>().into()
}

//! Paths through values of any kind, part by part, as SurrealDB's executor walks them.

use std::borrow::Cow;
use std::ops::Bound;
use std::sync::Arc;

use super::evaluate::{Environment, Evaluated};
use super::graph::{self, GraphStep};
use super::{Expr, Failure, RowContent, Scope};
use crate::expr::path::{Path, field};
use crate::value::{Key, Object, Range, Value};

/// One part of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// `.name`: a field of an object, of each item of an array, or of the record that a link points to.
    Field(Arc<str>),
    /// `[index]`: an item of a list by its number, a slice of an array by a range, a field of an object by its name.
    Index(Expr),
    /// `.*` and `[*]`: the record that a link points to, or those that the items of an array point to.
    All,
    /// `...`: arrays in an array are merged into it.
    Flatten,
    First,
    /// `[$]`.
    Last,
    /// `[WHERE ..]`: the items for which the condition holds. Binds the item.
    Where(Expr),
    /// `.{ .. }`: an object of some of the fields, of an object, of each item of an array, or of the record that a link
    /// points to.
    Destructure(Box<[Pick]>),
    /// `.?`: a value that is `NONE` or `NULL` ends the path.
    Optional,
    /// `.name(..)` and the like: the value of an expression that binds the value.
    Then(Expr),
    /// As [`Part::Field`], with everything behind it taken from each item of a list, sets and lists of lists included, and
    /// with the path ending where a geometry has no such field: so closures look up fields.
    ItemField(Arc<str>),
    /// `->likes->post`: the records at the end of some steps along the edges of a graph, which start at a record, at the
    /// `id` of an object, or at each item of an array. The flag stands for `ONLY`: there is at most one record, and it is
    /// the value.
    Graph(Box<[GraphStep]>, bool),
}

/// One field that destructuring makes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pick {
    /// `name`
    Field(Arc<str>),
    /// `name.*`: the object in this field, or the record that it links to; nothing if there is none.
    All(Arc<str>),
    /// `name: ..`: the value at the end of the parts, which start at the expression. Both bind the value that is
    /// destructured.
    Path(Arc<str>, Expr, Box<[Part]>),
    /// `name.{ .. }`
    Nested(Arc<str>, Box<[Pick]>),
}

impl Part {
    /// Whether the part is applied to each item of an array, and takes along those behind it: `a.b[0]` is the first `b`
    /// of each `a`.
    fn maps_items(&self) -> bool {
        matches!(self, Part::Field(_) | Part::All | Part::Destructure(_))
    }
}

/// The value at the end of a path. If it begins at one start, a list there is not taken apart for the graph.
pub(super) fn walk<'a>(
    mut value: Cow<'a, Value>,
    parts: &'a [Part],
    is_one_start: bool,
    scope: &Scope<'a>,
    environment: &mut Environment,
) -> Evaluated<'a> {
    let mut rest = parts;
    let mut comes_from_graph = false;
    let mut is_behind_graph = is_one_start;
    while let Some((part, behind)) = rest.split_first() {
        if let (Value::Array(items), true, false) = (&*value, part.maps_items(), behind.is_empty()) {
            let mut results = Vec::with_capacity(items.len());
            for item in items.iter() {
                let skips = *part == Part::All && !matches!(item, Value::RecordId(_));
                let parts = if skips { behind } else { rest };
                results.push(follow(Cow::Borrowed(item), parts, scope, environment)?.into_owned());
            }
            return Ok(Cow::Owned(Value::Array(results.into())));
        }
        if let (Part::ItemField(_), Some(items)) = (part, value.as_list()) {
            let mut results = Vec::with_capacity(items.len());
            for item in items {
                results.push(walk(Cow::Borrowed(item), rest, false, scope, environment)?.into_owned());
            }
            let is_set = matches!(*value, Value::Set(_));
            return Ok(Cow::Owned(if is_set { Value::set(results) } else { Value::Array(results.into()) }));
        }
        if let (Part::ItemField(name), Value::Geometry(geometry)) = (part, &*value)
            && !geometry.has_field(name)
        {
            return Ok(Cow::Owned(Value::None));
        }
        // A graph step behind a list that did not just come from the graph is taken from each item, with all behind it.
        if let (Value::Array(items), Part::Graph(steps, _), false) = (&*value, part, is_behind_graph)
            && (!behind.is_empty() || steps.len() > 1)
        {
            let mut results = Vec::with_capacity(items.len());
            for item in items.iter() {
                results.push(follow(Cow::Borrowed(item), rest, scope, environment)?.into_owned());
            }
            return Ok(Cow::Owned(if comes_from_graph { flattened(&results) } else { Value::Array(results.into()) }));
        }
        if *part == Part::Optional {
            return if value.is_nullish() { Ok(value) } else { follow(value, behind, scope, environment) };
        }
        value = step(value, part, scope, environment)?;
        is_behind_graph = matches!(part, Part::Graph(..) | Part::Flatten);
        comes_from_graph = match part {
            Part::Graph(..) | Part::Flatten => comes_from_graph || matches!(*value, Value::Array(_)),
            Part::Where(_) => comes_from_graph,
            _ => false,
        };
        rest = behind;
    }
    Ok(value)
}

/// The value at the end of a path that starts in a row which is an array.
pub(super) fn walk_items<'a>(
    items: &[Value],
    path: &Path,
    parts: &[Part],
    scope: &Scope,
    environment: &mut Environment,
) -> Evaluated<'a> {
    let mut results = Vec::with_capacity(items.len());
    for item in items {
        let start = path.get(RowContent::Value(item), environment.reader);
        results.push(follow(start, parts, scope, environment)?.into_owned());
    }
    Ok(Cow::Owned(Value::Array(results.into())))
}

/// The value at the end of some parts, each applied to the whole value before it.
fn follow<'a>(
    mut value: Cow<'a, Value>,
    parts: &[Part],
    scope: &Scope,
    environment: &mut Environment,
) -> Evaluated<'a> {
    for part in parts {
        if *part == Part::Optional && value.is_nullish() {
            return Ok(value);
        }
        value = step(value, part, scope, environment)?;
    }
    Ok(value)
}

fn step<'a>(value: Cow<'a, Value>, part: &Part, scope: &Scope, environment: &mut Environment) -> Evaluated<'a> {
    Ok(match part {
        Part::Field(name) | Part::ItemField(name) => match value {
            Cow::Borrowed(Value::Object(object)) => object.get(name).map_or(Cow::Owned(Value::None), Cow::Borrowed),
            other => Cow::Owned(field(&other, name, environment.reader)),
        },
        Part::Index(index) => {
            let index = index.value(scope, environment)?;
            Cow::Owned(item(&value, &index)?)
        }
        Part::All => all(value, environment),
        Part::Flatten => match &*value {
            Value::Array(items) => Cow::Owned(flattened(items)),
            _ => value,
        },
        Part::First => end(value, <[Value]>::first),
        Part::Last => end(value, <[Value]>::last),
        Part::Where(condition) => Cow::Owned(filtered(&value, condition, scope, environment)?),
        Part::Destructure(picks) => Cow::Owned(destructured(&value, picks, scope, environment)?),
        Part::Optional => value,
        Part::Then(then) => {
            let local = scope.bind(&value);
            Cow::Owned(then.value(&scope.within(&local), environment)?.into_owned())
        }
        Part::Graph(steps, is_only) => Cow::Owned(graph::walk(&value, steps, *is_only, scope, environment)?),
    })
}

fn all<'a>(value: Cow<'a, Value>, environment: &mut Environment) -> Cow<'a, Value> {
    let mut record = |value: &Value| match value {
        Value::RecordId(id) => environment.reader.record(id).map(Value::from).unwrap_or_default(),
        other => other.clone(),
    };
    match &*value {
        Value::Array(items) if items.iter().any(|item| matches!(item, Value::RecordId(_))) => {
            Cow::Owned(items.iter().map(record).collect())
        }
        Value::Array(_) | Value::Object(_) => value,
        Value::RecordId(_) => Cow::Owned(record(&value)),
        _ => Cow::Owned(Value::None),
    }
}

fn flattened(items: &[Value]) -> Value {
    let mut flat = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Value::Array(inner) => flat.extend(inner.iter().cloned()),
            other => flat.push(other.clone()),
        }
    }
    Value::Array(flat.into())
}

/// The first or the last item of a list; any other value is its own.
fn end<'a>(value: Cow<'a, Value>, choose: impl Fn(&[Value]) -> Option<&Value>) -> Cow<'a, Value> {
    match value.as_list() {
        Some(items) => Cow::Owned(choose(items).cloned().unwrap_or_default()),
        None => value,
    }
}

fn filtered(value: &Value, condition: &Expr, scope: &Scope, environment: &mut Environment) -> Result<Value, Failure> {
    let Some(items) = value.as_list() else {
        return Ok(Value::None);
    };
    let mut kept = Vec::new();
    for item in items {
        environment.spend()?;
        let local = scope.bind(item);
        if condition.holds(&scope.within(&local), environment)? {
            kept.push(item.clone());
        }
    }
    Ok(match value {
        Value::Set(_) => Value::Set(kept.into()),
        _ => Value::Array(kept.into()),
    })
}

fn destructured(value: &Value, picks: &[Pick], scope: &Scope, environment: &mut Environment) -> Result<Value, Failure> {
    match value {
        Value::Object(object) => {
            let mut fields = Vec::with_capacity(picks.len());
            for pick in picks {
                fields.extend(picked(value, object, pick, scope, environment)?);
            }
            Ok(Value::from(fields.into_iter().collect::<Object>()))
        }
        Value::RecordId(id) => match environment.reader.record(id) {
            Some(record) => destructured(&Value::from(record), picks, scope, environment),
            None => Ok(Value::None),
        },
        Value::Array(items) => items.iter().map(|item| destructured(item, picks, scope, environment)).collect(),
        _ => Ok(Value::None),
    }
}

fn picked(
    value: &Value,
    object: &Object,
    pick: &Pick,
    scope: &Scope,
    environment: &mut Environment,
) -> Result<Option<(Arc<str>, Value)>, Failure> {
    let field = |name: &Arc<str>| object.get(name).cloned().unwrap_or_default();
    Ok(match pick {
        Pick::Field(name) => Some((name.clone(), field(name))),
        Pick::All(name) => {
            let inner = match field(name) {
                Value::RecordId(id) => environment.reader.record(&id).map(Value::from),
                Value::Object(object) => Some(Value::Object(object)),
                _ => None,
            };
            inner.map(|inner| (name.clone(), inner))
        }
        Pick::Path(name, start, parts) => {
            let local = scope.bind(value);
            let scope = scope.within(&local);
            let start = start.value(&scope, environment)?;
            Some((name.clone(), follow(start, parts, &scope, environment)?.into_owned()))
        }
        Pick::Nested(name, picks) => Some((name.clone(), destructured(&field(name), picks, scope, environment)?)),
    })
}

/// An item by its index: whole numbers count from the start, and a range that reaches beyond the end yields nothing.
fn item(value: &Value, index: &Value) -> Result<Value, Failure> {
    let at = |items: &[Value]| index.as_index().and_then(|index| items.get(index)).cloned().unwrap_or_default();
    Ok(match (value, index) {
        (Value::Array(items), Value::Range(range)) => slice(items, range)?,
        (Value::Array(items) | Value::Set(items), _) => at(items),
        (Value::Object(object), Value::String(name)) => object.get(name).cloned().unwrap_or_default(),
        (Value::Object(object), number) => match number.number_text() {
            Some(name) => object.get(&name).cloned().unwrap_or_default(),
            None => Value::None,
        },
        (Value::RecordId(id), _) => match &id.key {
            Key::Array(items) => at(items),
            _ => Value::None,
        },
        _ => Value::None,
    })
}

fn slice(items: &[Value], range: &Range) -> Result<Value, Failure> {
    let bound = |bound: &Bound<Value>| -> Result<Bound<i64>, Failure> {
        let whole = |value: &Value| value.as_whole().ok_or_else(|| Failure::new("the bounds of a slice are integers"));
        Ok(match bound {
            Bound::Included(value) => Bound::Included(whole(value)?),
            Bound::Excluded(value) => Bound::Excluded(whole(value)?),
            Bound::Unbounded => Bound::Unbounded,
        })
    };
    let (start, end) = (bound(&range.start)?, bound(&range.end)?);
    let bounds = (to_index(start), to_index(end));
    let (Some(start), Some(end)) = bounds else {
        return Ok(Value::None);
    };
    Ok(items.get((start, end)).map_or(Value::None, |items| items.iter().cloned().collect()))
}

fn to_index(bound: Bound<i64>) -> Option<Bound<usize>> {
    Some(match bound {
        Bound::Included(index) => Bound::Included(usize::try_from(index).ok()?),
        Bound::Excluded(index) => Bound::Excluded(usize::try_from(index).ok()?),
        Bound::Unbounded => Bound::Unbounded,
    })
}

//! `FETCH`: links in an answer are replaced by the records that they point to.

use std::sync::Arc;

use super::draft::Draft;
use crate::expr::reader::Reader;
use crate::value::{Object, Value};

/// One step of a path to links. A link on the way is fetched too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FetchStep {
    /// `.name`, of each item where there is an array.
    Field(Arc<str>),
    /// `.*`: all items of an array, or all fields of an object.
    All,
    /// `[$]`
    Last,
    /// `[index]`: an item of an array by its number, or a field of an object by its name, which for a number are its
    /// digits.
    Item { index: Option<usize>, name: Arc<str> },
}

/// The value with the links at the end of the path replaced; one to a record that does not exist becomes `NONE`.
pub(super) fn fetch(value: Value, path: &[FetchStep], reader: &mut dyn Reader) -> Value {
    let Some((step, rest)) = path.split_first() else {
        return fetched(value, reader);
    };
    let value = match value {
        Value::RecordId(_) => fetched(value, reader),
        other => other,
    };
    match (step, value) {
        (FetchStep::Field(name), Value::Object(object)) => in_field(object, name, rest, reader),
        (FetchStep::Field(_), Value::Array(items)) => {
            items.iter().map(|item| fetch(item.clone(), path, reader)).collect()
        }
        (FetchStep::All, Value::Array(items)) => items.iter().map(|item| fetch(item.clone(), rest, reader)).collect(),
        (FetchStep::All, Value::Object(object)) => {
            let fields = object.iter().map(|(name, value)| (name.clone(), fetch(value.clone(), rest, reader)));
            Value::from(fields.collect::<Object>())
        }
        (FetchStep::Last, Value::Array(items)) => in_item(items.len().checked_sub(1), items, rest, reader),
        (FetchStep::Item { index, .. }, Value::Array(items)) => in_item(*index, items, rest, reader),
        (FetchStep::Item { name, .. }, Value::Object(object)) => in_field(object, name, rest, reader),
        (_, value) => value,
    }
}

fn in_field(object: Arc<Object>, name: &Arc<str>, rest: &[FetchStep], reader: &mut dyn Reader) -> Value {
    let Some(inner) = object.get(name).cloned() else {
        return Value::Object(object);
    };
    let mut draft = Draft::from(&*object);
    draft.set(name, fetch(inner, rest, reader));
    Value::from(Object::from(draft))
}

fn in_item(index: Option<usize>, items: Arc<[Value]>, rest: &[FetchStep], reader: &mut dyn Reader) -> Value {
    let Some(index) = index.filter(|index| *index < items.len()) else {
        return Value::Array(items);
    };
    let mut changed = items.to_vec();
    changed[index] = fetch(changed[index].clone(), rest, reader);
    Value::Array(changed.into())
}

/// A link, or the links that are items of an array, replaced.
fn fetched(value: Value, reader: &mut dyn Reader) -> Value {
    let mut record = |value: &Value| match value {
        Value::RecordId(id) => reader.record(id).map(Value::from).unwrap_or_default(),
        other => other.clone(),
    };
    match &value {
        Value::RecordId(_) => record(&value),
        Value::Array(items) if items.iter().any(|item| matches!(item, Value::RecordId(_))) => {
            items.iter().map(record).collect()
        }
        _ => value,
    }
}

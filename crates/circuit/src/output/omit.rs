//! `OMIT`: what is taken out of an answer.

use std::sync::Arc;

use super::draft::Draft;
use crate::value::{Object, Value};

/// One step of a path to what is taken out. A path does not look into arrays by itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OmitStep {
    /// `.name`
    Field(Arc<str>),
    /// `.*`: all fields of an object, or all items of an array.
    All,
    /// `[3]`: an item of an array, which becomes `NONE` where it is the last step.
    Index(usize),
    /// `.{ .. }`: some fields of an object. Steps behind it have no meaning.
    Fields(Box<[OmitField]>),
}

/// What is taken out of an object by destructuring.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OmitField {
    Whole(Arc<str>),
    /// Some fields of the object in this field.
    Within(Arc<str>, Box<[OmitField]>),
}

/// The value without what is at the end of the path. O(fields on the way).
pub(super) fn omit(value: Value, path: &[OmitStep]) -> Value {
    let Some((step, rest)) = path.split_first() else {
        return value;
    };
    let is_last = rest.is_empty();
    match (step, &value) {
        (OmitStep::Field(name), Value::Object(object)) => match object.get(name) {
            None => value,
            Some(_) if is_last => without(object, name),
            Some(inner) => with(object, name, omit(inner.clone(), rest)),
        },
        (OmitStep::All, Value::Object(_)) if is_last => Value::from([].into_iter().collect::<Object>()),
        (OmitStep::All, Value::Object(object)) => {
            let fields = object.iter().map(|(name, value)| (name.clone(), omit(value.clone(), rest)));
            Value::from(fields.collect::<Object>())
        }
        (OmitStep::All, Value::Array(_)) if is_last => Value::Array([].into()),
        (OmitStep::All, Value::Array(items)) => items.iter().map(|item| omit(item.clone(), rest)).collect(),
        (OmitStep::Index(index), Value::Array(items)) if *index < items.len() => {
            let changed = |item: &Value| if is_last { Value::None } else { omit(item.clone(), rest) };
            let items = items.iter().enumerate();
            items.map(|(at, item)| if at == *index { changed(item) } else { item.clone() }).collect()
        }
        (OmitStep::Fields(fields), Value::Object(object)) => without_fields(object, fields),
        _ => value,
    }
}

fn without_fields(object: &Arc<Object>, fields: &[OmitField]) -> Value {
    let mut result = Value::Object(object.clone());
    for field in fields {
        let Value::Object(object) = &result else {
            return result;
        };
        result = match field {
            OmitField::Whole(name) => without(object, name),
            OmitField::Within(name, fields) => match object.get(name) {
                Some(Value::Object(inner)) => with(object, name, without_fields(inner, fields)),
                _ => result,
            },
        };
    }
    result
}

fn without(object: &Object, name: &str) -> Value {
    let mut draft = Draft::from(object);
    draft.remove(name);
    Value::from(Object::from(draft))
}

fn with(object: &Object, name: &Arc<str>, value: Value) -> Value {
    let mut draft = Draft::from(object);
    draft.set(name, value);
    Value::from(Object::from(draft))
}

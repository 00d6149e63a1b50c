//! An object under construction.

use std::sync::Arc;

use crate::value::{Object, Value};

/// Named values, sorted by name, which [`Object`]s share and so can't change.
#[derive(Debug, Default)]
pub(super) struct Draft {
    fields: Vec<(Arc<str>, Value)>,
}

impl Draft {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.position(name).ok().map(|position| &self.fields[position].1)
    }

    pub(super) fn set(&mut self, name: &Arc<str>, value: Value) {
        match self.position(name) {
            Ok(position) => self.fields[position].1 = value,
            Err(position) => self.fields.insert(position, (name.clone(), value)),
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Value> {
        self.position(name).ok().map(|position| self.fields.remove(position).1)
    }

    /// Replaces the value at a place: in an array in each of its items, and whatever is no object becomes one. The
    /// place of no name is nowhere.
    pub(super) fn set_at(&mut self, place: &[Arc<str>], value: Value) {
        let Some((name, rest)) = place.split_first() else {
            return;
        };
        let value = match (rest, self.get(name)) {
            ([], _) => value,
            (_, Some(inner)) => replaced(inner, rest, value),
            (_, None) => replaced(&Value::None, rest, value),
        };
        self.set(name, value);
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.fields.binary_search_by(|(probe, _)| (**probe).cmp(name))
    }
}

fn replaced(target: &Value, place: &[Arc<str>], value: Value) -> Value {
    match target {
        Value::Array(items) => items.iter().map(|item| replaced(item, place, value.clone())).collect(),
        target => {
            let mut draft = match target {
                Value::Object(object) => Draft::from(&**object),
                _ => Draft::default(),
            };
            draft.set_at(place, value);
            Value::from(Object::from(draft))
        }
    }
}

impl From<&Object> for Draft {
    fn from(object: &Object) -> Self {
        Draft { fields: object.iter().map(|(name, value)| (name.clone(), value.clone())).collect() }
    }
}

impl From<Draft> for Object {
    fn from(draft: Draft) -> Self {
        draft.fields.into_iter().collect()
    }
}

//! Objects whose field names are shared between all rows of the same shape.

use std::cmp::Ordering;
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;

use super::{Key, RecordId, Value};
use crate::collection::shrink::shrink_table;

/// A set of named values, sorted by name.
///
/// The names are a separate allocation (the *shape*), which an [`Interner`] makes common to all objects with the same
/// names: a row then costs its values and two pointers.
#[derive(Clone, Debug)]
pub struct Object {
    names: Arc<[Arc<str>]>,
    values: Box<[Value]>,
}

impl Object {
    /// An object with these names, which are sorted, and as many values.
    pub(super) fn of_shape(names: Arc<[Arc<str>]>, values: Vec<Value>) -> Object {
        debug_assert!(names.len() == values.len() && names.is_sorted_by(|a, b| a < b));
        Object { names, values: values.into() }
    }

    /// The names of all fields, sorted.
    pub(super) fn names(&self) -> &Arc<[Arc<str>]> {
        &self.names
    }

    /// The value of a field, if there is such a field. O(log fields).
    pub fn get(&self, name: &str) -> Option<&Value> {
        let position = self.names.binary_search_by(|probe| (**probe).cmp(name)).ok()?;
        self.values.get(position)
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The only field, if there is exactly one.
    pub(crate) fn only(&self) -> Option<(&str, &Value)> {
        match (&*self.names, &*self.values) {
            ([name], [value]) => Some((name, value)),
            _ => None,
        }
    }

    /// All fields in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Value)> {
        self.names.iter().zip(&self.values)
    }
}

impl FromIterator<(Arc<str>, Value)> for Object {
    /// Of fields that occur twice the last one wins.
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Value)>>(fields: I) -> Self {
        let mut fields: Vec<(Arc<str>, Value)> = fields.into_iter().collect();
        if !fields.is_sorted_by(|(a, _), (b, _)| a < b) {
            fields.reverse();
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            fields.dedup_by(|(a, _), (b, _)| a == b);
        }
        let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
        Object { names: names.into(), values: values.into() }
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Object {}

impl PartialOrd for Object {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Object {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

/// Makes equal shapes and table names share one allocation.
#[derive(Debug, Default)]
pub struct Interner {
    shapes: HashTable<Arc<[Arc<str>]>>,
    names: HashTable<Arc<str>>,
    hasher: foldhash::fast::FixedState,
    /// The number of shapes and names at which those are forgotten that nobody else has any more.
    sweep_at: usize,
}

/// So many shapes and names are not worth looking through.
const FEW: usize = 256;

impl Interner {
    /// The same object with its shape, and the names of linked tables, replaced by shared ones. O(size of the object).
    pub fn object(&mut self, object: Object) -> Object {
        let names = self.shape(object.names);
        let values = object.values.into_vec().into_iter().map(|value| self.value(value)).collect();
        Object { names, values }
    }

    /// The same record id with a shared table name.
    pub fn record_id(&mut self, id: RecordId) -> RecordId {
        RecordId { table: self.name(&id.table), key: id.key }
    }

    fn value(&mut self, value: Value) -> Value {
        match value {
            // Only a value that nobody else holds is rebuilt: a shared one is shared already.
            Value::Object(object) => match Arc::try_unwrap(object) {
                Ok(object) => Value::Object(Arc::new(self.object(object))),
                Err(shared) => Value::Object(shared),
            },
            Value::RecordId(id) => match Arc::try_unwrap(id) {
                Ok(id) => Value::RecordId(Arc::new(self.record_id(id))),
                Err(shared) => Value::RecordId(shared),
            },
            Value::Array(items) if items.iter().any(|item| matches!(item, Value::Object(_) | Value::RecordId(_))) => {
                items.iter().map(|item| self.value(item.clone())).collect()
            }
            other => other,
        }
    }

    fn shape(&mut self, names: Arc<[Arc<str>]>) -> Arc<[Arc<str>]> {
        let hash = self.hasher.hash_one(&names);
        if let Some(known) = self.shapes.find(hash, |known| *known == names) {
            return known.clone();
        }
        self.sweep();
        let names: Arc<[Arc<str>]> = names.iter().map(|name| self.name(name)).collect();
        let hasher = &self.hasher;
        self.shapes.insert_unique(hash, names.clone(), |known| hasher.hash_one(known));
        names
    }

    /// Forgets what nobody else has any more, once there may be a lot of it: objects may be maps with keys that no other
    /// has. Amortized O(1) for a new shape.
    fn sweep(&mut self) {
        if self.shapes.len() + self.names.len() < self.sweep_at.max(FEW) {
            return;
        }
        let hasher = &self.hasher;
        self.shapes.retain(|shape| Arc::strong_count(shape) > 1);
        shrink_table(&mut self.shapes, |known| hasher.hash_one(known));
        self.names.retain(|name| Arc::strong_count(name) > 1);
        shrink_table(&mut self.names, |known| hasher.hash_one(known));
        self.sweep_at = 2 * (self.shapes.len() + self.names.len());
    }

    fn name(&mut self, name: &Arc<str>) -> Arc<str> {
        let hash = self.hasher.hash_one(name);
        let hasher = &self.hasher;
        let entry = self.names.entry(hash, |known| known == name, |known| hasher.hash_one(known));
        entry.or_insert_with(|| name.clone()).get().clone()
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Value::Object(Arc::new(object))
    }
}

impl From<Key> for Value {
    /// The key as a plain value, as `record::id` answers it.
    fn from(key: Key) -> Self {
        match key {
            Key::Int(number) => Value::Int(number),
            Key::String(text) => Value::String(text),
            Key::Uuid(uuid) => Value::Uuid(uuid),
            Key::Array(items) => Value::Array(items),
            Key::Object(object) => Value::Object(object),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches an interner that remembers the keys of every map that ever was.
    #[test]
    fn shapes_that_nobody_has_are_forgotten() {
        let mut interner = Interner::default();
        let object = |number: u32| Object::from_iter([(Arc::from(format!("key{number}")), Value::Null)]);
        let kept: Vec<Object> = (0..1_000).map(|number| interner.object(object(number))).collect();
        for number in 1_000..50_000 {
            interner.object(object(number));
        }
        assert!(interner.shapes.len() + interner.names.len() < 5_000);
        for (number, kept) in (0..).zip(&kept) {
            assert!(Arc::ptr_eq(&interner.object(object(number)).names, &kept.names), "{number} was forgotten");
        }
    }
}

//! Objects whose field names are shared between all rows of the same shape.

use std::cmp::Ordering;
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;

use super::{Key, RecordId, Value};
use crate::collection::shrink::shrink_table;
use crate::store::table::Change;

/// A set of named values, sorted by name. Cloning it is O(1).
///
/// The names are a separate allocation (the *shape*), which an [`Interner`] makes common to all objects with the same
/// names: a row then costs its values and two pointers.
#[derive(Clone, Debug)]
pub struct Object {
    names: Arc<[Arc<str>]>,
    values: Arc<[Value]>,
}

/// Up to so many names a linear search beats a binary one.
const FEW_NAMES: usize = 16;

impl Object {
    /// An object with these names, which are sorted, and as many values.
    pub(crate) fn of_shape(names: Arc<[Arc<str>]>, values: Vec<Value>) -> Object {
        debug_assert!(names.len() == values.len() && names.is_sorted_by(|a, b| a < b));
        Object { names, values: values.into() }
    }

    /// The names of all fields, sorted.
    pub(super) fn names(&self) -> &Arc<[Arc<str>]> {
        &self.names
    }

    /// The value of a field, if there is such a field. O(log fields).
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(self.position(name)?)
    }

    /// As [`Object::get`], without comparing texts where the name is the very one of this object's shape.
    pub(crate) fn get_shared(&self, name: &Arc<str>) -> Option<&Value> {
        let is_name = |known: &Arc<str>| Arc::ptr_eq(known, name);
        let position = self.names.iter().position(is_name).or_else(|| self.position(name))?;
        self.values.get(position)
    }

    fn position(&self, name: &str) -> Option<usize> {
        // Names of other lengths are told apart without looking at their texts.
        match self.names.len() {
            0..=FEW_NAMES => self.names.iter().position(|known| **known == *name),
            _ => self.names.binary_search_by(|probe| (**probe).cmp(name)).ok(),
        }
    }

    /// Reads a little of everything that the values share, for the processor to fetch it all at once: where each is needed
    /// after the other, each waits for memory by itself.
    pub(crate) fn fetch(&self) {
        let readers: usize = self.values.iter().map(Value::readers).sum();
        std::hint::black_box(readers);
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
        self.names.iter().zip(self.values.iter())
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
///
/// Whoever makes objects shares their names first, with an interner of its own: then the engine's finds each shape by
/// its address, and compares no texts.
#[derive(Debug, Default)]
pub struct Interner {
    shapes: HashTable<Arc<[Arc<str>]>>,
    names: HashTable<Arc<str>>,
    hasher: foldhash::fast::FixedState,
    /// The number of shapes and names at which those are forgotten that nobody else has any more.
    sweep_at: usize,
    recent_shapes: Recent<[Arc<str>]>,
    recent_names: Recent<str>,
}

/// So many shapes and names are not worth looking through.
const FEW: usize = 256;

impl Interner {
    /// The same object with its shape, and the names of linked tables, replaced by shared ones. O(size of the object).
    ///
    /// Only what nobody else holds is changed: what is shared is left as it is.
    pub fn object(&mut self, mut object: Object) -> Object {
        self.share(&mut object);
        object
    }

    /// The same change with all names in it shared.
    pub fn change(&mut self, change: Change) -> Change {
        let Change { id, version, content } = change;
        Change { id: self.record_id(id), version, content: content.map(|content| self.object(content)) }
    }

    /// The same record id with a shared table name.
    pub fn record_id(&mut self, mut id: RecordId) -> RecordId {
        self.share_name(&mut id.table);
        id
    }

    /// A record for storage: its id, and its content with shared names. The content's own id is the same allocation.
    pub(crate) fn record(&mut self, id: RecordId, mut content: Object) -> (Arc<RecordId>, Object) {
        self.share(&mut content);
        let own = content.names.iter().position(|name| **name == *"id");
        let own = own.and_then(|position| content.values.get(position));
        match own {
            Some(Value::RecordId(own)) if own.is_same_record(&id) => (own.clone(), content),
            _ => (Arc::new(self.record_id(id)), content),
        }
    }

    fn share(&mut self, object: &mut Object) {
        self.share_shape(&mut object.names);
        if let Some(values) = Arc::get_mut(&mut object.values) {
            values.iter_mut().for_each(|value| self.share_value(value));
        }
    }

    pub(crate) fn share_value(&mut self, value: &mut Value) {
        match value {
            Value::Object(object) => {
                if let Some(object) = Arc::get_mut(object) {
                    self.share(object);
                }
            }
            Value::RecordId(id) => {
                if let Some(id) = Arc::get_mut(id) {
                    self.share_name(&mut id.table);
                }
            }
            Value::Array(items) => {
                if let Some(items) = Arc::get_mut(items) {
                    items.iter_mut().for_each(|item| self.share_value(item));
                }
            }
            _ => {}
        }
    }

    fn share_shape(&mut self, names: &mut Arc<[Arc<str>]>) {
        if let Some(known) = self.recent_shapes.find(names) {
            *names = known.clone();
            return;
        }
        let hash = self.hasher.hash_one(&**names);
        let ours = match self.shapes.find(hash, |known| known == names) {
            Some(known) => known.clone(),
            None => self.add_shape(hash, names),
        };
        self.recent_shapes.put(std::mem::replace(names, ours.clone()), ours);
    }

    fn add_shape(&mut self, hash: u64, names: &[Arc<str>]) -> Arc<[Arc<str>]> {
        self.sweep();
        let mut names: Arc<[Arc<str>]> = names.into();
        if let Some(names) = Arc::get_mut(&mut names) {
            names.iter_mut().for_each(|name| self.share_name(name));
        }
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
        self.recent_shapes = Recent::default();
        self.recent_names = Recent::default();
        self.shapes.retain(|shape| Arc::strong_count(shape) > 1);
        shrink_table(&mut self.shapes, |known| hasher.hash_one(known));
        self.names.retain(|name| Arc::strong_count(name) > 1);
        shrink_table(&mut self.names, |known| hasher.hash_one(known));
        self.sweep_at = 2 * (self.shapes.len() + self.names.len());
    }

    /// Replaces a name by the shared one.
    pub(crate) fn share_name(&mut self, name: &mut Arc<str>) {
        if let Some(known) = self.recent_names.find(name) {
            if !Arc::ptr_eq(known, name) {
                *name = known.clone();
            }
            return;
        }
        let hash = self.hasher.hash_one(&**name);
        let hasher = &self.hasher;
        let entry = self.names.entry(hash, |known| known == name, |known| hasher.hash_one(known));
        let ours = entry.or_insert_with(|| name.clone()).get().clone();
        self.recent_names.put(std::mem::replace(name, ours.clone()), ours);
    }
}

/// What was shared lately, found by address. It holds what it knows, so that no address is used again.
#[derive(Debug)]
struct Recent<T: ?Sized> {
    entries: [Option<(Arc<T>, Arc<T>)>; RECENT],
}

/// A batch rarely has more shapes and tables.
const RECENT: usize = 16;

impl<T: ?Sized> Default for Recent<T> {
    fn default() -> Self {
        Recent { entries: [const { None }; RECENT] }
    }
}

impl<T: ?Sized> Recent<T> {
    fn find(&self, given: &Arc<T>) -> Option<&Arc<T>> {
        let (known, ours) = self.entries[place(given)].as_ref()?;
        Arc::ptr_eq(known, given).then_some(ours)
    }

    fn put(&mut self, given: Arc<T>, ours: Arc<T>) {
        let place = place(&given);
        self.entries[place] = Some((given, ours));
    }
}

/// Where an allocation stands among the recent ones: a multiplicative hash of its address.
fn place<T: ?Sized>(given: &Arc<T>) -> usize {
    let address = Arc::as_ptr(given).cast::<u8>() as u64;
    (address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as usize
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
            Key::Range(range) => Value::Range(range),
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

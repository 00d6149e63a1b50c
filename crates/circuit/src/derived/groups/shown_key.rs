//! Which of the equal keys of its rows a group shows: that of the first row in scan order.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::collection::slab::Slab;
use crate::derived::scan_key::ScanKey;
use crate::value::{Key, Value, identity};

/// The keys of the rows of a group, which are equal without being the same. Each form is held once, and its number for
/// each row.
#[derive(Debug, Default)]
pub(super) struct Variants {
    forms: Slab<Form>,
    rows: BTreeMap<ScanKey, u32>,
}

#[derive(Debug)]
struct Form {
    key: Arc<[Value]>,
    rows: u64,
}

impl Variants {
    /// Adds a row with its key. O(log rows + forms), and there are few forms of a number.
    pub(super) fn insert(&mut self, at: ScanKey, key: &[Value]) {
        let known = self.forms.iter().find(|(_, form)| identity::are_identical_lists(&form.key, key));
        let number = match known {
            Some((number, _)) => number,
            None => self.forms.insert(Form { key: key.into(), rows: 0 }),
        };
        if let Some(form) = self.forms.get_mut(number) {
            form.rows += 1;
        }
        self.rows.insert(at, number);
    }

    /// Takes back a row. O(log rows).
    pub(super) fn remove(&mut self, at: &ScanKey) {
        let Some(number) = self.rows.remove(at) else {
            return;
        };
        let Some(form) = self.forms.get_mut(number) else {
            return;
        };
        form.rows -= 1;
        if form.rows == 0 {
            self.forms.remove(number);
        }
    }

    /// The key of the first row. O(log rows).
    pub(super) fn first(&self) -> Option<&Arc<[Value]>> {
        let (_, number) = self.rows.first_key_value()?;
        Some(&self.forms.get(*number)?.key)
    }
}

/// Whether all keys that are equal to this one are identical to it, so that it does not matter which of them is shown.
pub(super) fn have_one_form(key: &[Value]) -> bool {
    key.iter().all(has_one_form)
}

fn has_one_form(value: &Value) -> bool {
    match value {
        Value::None
        | Value::Null
        | Value::Bool(_)
        | Value::String(_)
        | Value::Duration(_)
        | Value::Datetime(_)
        | Value::Uuid(_)
        | Value::Bytes(_)
        | Value::Table(_)
        | Value::File(_)
        | Value::Regex(_) => true,
        Value::Int(_) | Value::Float(_) | Value::Decimal(_) | Value::Geometry(_) | Value::Range(_) => false,
        Value::Array(items) | Value::Set(items) => have_one_form(items),
        Value::Object(object) => object.iter().all(|(_, value)| has_one_form(value)),
        Value::RecordId(id) => match &id.key {
            Key::Int(_) | Key::String(_) | Key::Uuid(_) => true,
            Key::Range(_) => false,
            Key::Array(items) => have_one_form(items),
            Key::Object(object) => object.iter().all(|(_, value)| has_one_form(value)),
        },
    }
}

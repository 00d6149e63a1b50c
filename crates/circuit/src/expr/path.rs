//! Plain paths from a row to a value, through objects, lists and record links: the fast form of what most expressions are
//! made of.

use std::borrow::Cow;
use std::sync::Arc;

use crate::expr::RowContent;
use crate::expr::reader::Reader;
use crate::value::{Key, Value};

/// Steps from a row to one of its values, such as `author.name`. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    steps: Box<[Step]>,
    reach: Reach,
}

/// How far a path goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reach {
    /// Through record links into other records, as SurrealDB evaluates an expression.
    Linked,
    /// Within what is stored of the row, as SurrealDB looks up a key of `ORDER BY` that is not selected.
    Stored,
}

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// `.name`: a field of an object, of each item of an array, or of the record that a link points to.
    Field(Arc<str>),
    /// `[3]`: an item of a list.
    Index(usize),
    /// `[$]`: the last item of a list.
    Last,
}

impl Path {
    /// A path with the given first field and further steps.
    pub fn new(first: impl Into<Arc<str>>, rest: impl IntoIterator<Item = Step>) -> Self {
        let steps = std::iter::once(Step::Field(first.into())).chain(rest).collect();
        Path { steps, reach: Reach::Linked }
    }

    /// The same steps, without following record links.
    pub fn within_row(self) -> Self {
        Path { reach: Reach::Stored, ..self }
    }

    /// A path to a field of the row itself.
    pub fn field(name: impl Into<Arc<str>>) -> Self {
        Path::new(name, [])
    }

    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether the value can depend on other records than the row itself: a field behind the first step may be that of
    /// a link.
    pub fn may_follow_links(&self) -> bool {
        self.reach == Reach::Linked && self.steps.iter().skip(1).any(|step| matches!(step, Step::Field(_)))
    }

    /// The value at this path. A missing value is `NONE`. What is stored of the row is borrowed.
    pub fn get<'a>(&self, row: RowContent<'a>, reader: &mut dyn Reader) -> Cow<'a, Value> {
        let (mut value, mut rest) = match (row, &*self.steps) {
            (RowContent::Fields(fields), [Step::Field(first), rest @ ..]) => {
                (fields.get(first).map_or(Cow::Owned(Value::None), Cow::Borrowed), rest)
            }
            (RowContent::Value(value), steps) => (Cow::Borrowed(value), steps),
            _ => return Cow::Owned(Value::None),
        };
        if self.reach == Reach::Stored {
            return rest.iter().fold(value, |value, step| Cow::Owned(stored(&value, step)));
        }
        while let Some((step, behind)) = rest.split_first() {
            // A field of a list takes the steps behind it along to every item: `a.b[0]` is the first `b` of each `a`.
            if let (Value::Array(items), Step::Field(_), false) = (&*value, step, behind.is_empty()) {
                let through = |item: &Value| rest.iter().fold(item.clone(), |value, step| linked(&value, step, reader));
                return Cow::Owned(items.iter().map(through).collect());
            }
            value = match (value, step) {
                (Cow::Borrowed(Value::Object(object)), Step::Field(name)) => {
                    object.get(name).map_or(Cow::Owned(Value::None), Cow::Borrowed)
                }
                (value, step) => Cow::Owned(linked(&value, step, reader)),
            };
            rest = behind;
        }
        value
    }
}

fn linked(value: &Value, step: &Step, reader: &mut dyn Reader) -> Value {
    match step {
        Step::Field(name) => field(value, name, reader),
        Step::Index(index) => item(value, *index),
        Step::Last => last(value),
    }
}

/// A field of an object, of each item of an array, of the record that a link points to, or of a geometry.
pub(crate) fn field(value: &Value, name: &str, reader: &mut dyn Reader) -> Value {
    match value {
        Value::Object(object) => object.get(name).cloned().unwrap_or_default(),
        Value::RecordId(id) => match &id.key {
            // A component of the key shadows a field of the record.
            Key::Object(key) if key.get(name).is_some() => key.get(name).cloned().unwrap_or_default(),
            _ => reader.field_of(id, name),
        },
        Value::Array(items) => items.iter().map(|item| field(item, name, reader)).collect(),
        Value::Geometry(geometry) => geometry.field(name),
        _ => Value::None,
    }
}

fn item(value: &Value, index: usize) -> Value {
    match value {
        Value::Array(items) | Value::Set(items) => items.get(index).cloned().unwrap_or_default(),
        Value::Object(object) => object.get(&index.to_string()).cloned().unwrap_or_default(),
        Value::RecordId(id) => match &id.key {
            Key::Array(items) => items.get(index).cloned().unwrap_or_default(),
            _ => Value::None,
        },
        _ => Value::None,
    }
}

fn last(value: &Value) -> Value {
    match value {
        Value::Array(items) | Value::Set(items) => items.last().cloned().unwrap_or_default(),
        other => other.clone(),
    }
}

/// One step of a path that does not leave the row. Lists of lists are not looked into, and only lists have items.
fn stored(value: &Value, step: &Step) -> Value {
    let field_of = |value: &Value, name: &str| match value {
        Value::Object(object) => object.get(name).cloned().unwrap_or_default(),
        _ => Value::None,
    };
    match (value, step) {
        (Value::Array(items), Step::Field(name)) => items.iter().map(|item| field_of(item, name)).collect(),
        (Value::Set(items), Step::Field(name)) => Value::set(items.iter().map(|item| field_of(item, name))),
        (value, Step::Field(name)) => field_of(value, name),
        (Value::Array(items) | Value::Set(items), Step::Index(index)) => items.get(*index).cloned().unwrap_or_default(),
        (Value::Array(items) | Value::Set(items), Step::Last) => items.last().cloned().unwrap_or_default(),
        (_, Step::Index(_) | Step::Last) => Value::None,
    }
}

//! Selected fields under their names.

use std::sync::Arc;

use super::draft::Draft;
use crate::expr::library::Library;
use crate::expr::reader::Reader;
use crate::expr::{Expr, Failure, RowContent, Scope};
use crate::value::{Object, Value};

/// Selected fields with names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Named {
    /// `*` is among the fields: the others are put into the row.
    pub all: bool,
    /// `SELECT *, a AS b` takes `a` away in SurrealDB, unless a field of the list needs its slower way of projecting.
    /// Each field is then placed by its [`Placing`].
    pub moves: bool,
    pub fields: Vec<Field>,
    /// What is shown of rows that are no objects.
    pub others: Others,
    /// How the answer looks, where it is the same for all rows.
    shape: Option<Shape>,
}

/// Names that all answers have in common, and so need to have only once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Shape {
    /// Sorted, as in every object.
    names: Arc<[Arc<str>]>,
    /// The place of each field among them.
    places: Box<[usize]>,
}

/// How SurrealDB shows a row that is no object, as there may be behind `FROM user:1.friends`. A link stands for its record
/// beside computed values, and for no fields where there is no record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Others {
    /// As an object without any fields but those that are selected, each of which looks at the row.
    #[default]
    Empty,
    /// In its fast way, which can't take fields from anything but an object, or a geometry: as it is.
    Kept,
    /// In its fast way, which has put computed values into an object without other fields by then.
    Computed,
}

/// A selected field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// Where the value goes in the answer: one name, or several for a nested object.
    pub target: Vec<Arc<str>>,
    pub value: Expr,
    pub placing: Placing,
}

/// How a field gets to its place beside `*`, where fields move.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Placing {
    /// A field of the row of this name, moved as it is by then: an earlier field may have taken it, or may have been
    /// put in its place.
    Moved(Arc<str>),
    /// A computed value, put into the row under its final name before all fields are placed.
    Early,
    /// A computed value whose name is that of another field that is read: it is put there in its turn.
    Late,
}

impl Named {
    /// Fields without `*`.
    pub fn new(fields: Vec<Field>) -> Named {
        Named::placed(false, false, fields, Others::Empty)
    }

    /// Fields in their places, beside `*` or not.
    pub fn placed(all: bool, moves: bool, fields: Vec<Field>, others: Others) -> Named {
        let shape = if all || moves { None } else { Shape::of(&fields) };
        Named { all, moves, fields, others, shape }
    }

    /// The answer of a row; of a link with `*`, `link` is the record that it stands for.
    pub(super) fn project(
        &self,
        link: Option<Object>,
        scope: &Scope,
        reader: &mut dyn Reader,
        library: &dyn Library,
    ) -> Result<Value, Failure> {
        match (self.others, scope.row) {
            (_, Some(RowContent::Value(Value::Object(_) | Value::Geometry(_)))) => {}
            (Others::Kept, Some(RowContent::Value(row))) => return Ok(row.clone()),
            (_, Some(RowContent::Value(Value::RecordId(_)))) => {
                let draft = link.as_ref().map(Draft::from).unwrap_or_default();
                return self.filled(draft, scope, reader, library);
            }
            (Others::Computed, Some(RowContent::Value(_))) => return self.computed(scope, reader, library),
            _ => {}
        }
        if let Some(shape) = &self.shape {
            let mut values = vec![Value::None; self.fields.len()];
            for (field, place) in self.fields.iter().zip(&shape.places) {
                values[*place] = field.value.evaluate(scope, reader, library)?.into_owned();
            }
            return Ok(Value::from(Object::of_shape(shape.names.clone(), values)));
        }
        let draft = match scope.row {
            Some(RowContent::Fields(fields)) if self.all => Draft::from(fields),
            Some(RowContent::Value(Value::Object(fields))) if self.all => Draft::from(&**fields),
            Some(RowContent::Value(Value::Geometry(geometry))) if self.all && self.others != Others::Empty => {
                Draft::from(&geometry.as_object())
            }
            _ => Draft::default(),
        };
        self.filled(draft, scope, reader, library)
    }

    /// What a row has by itself, with the fields put into it.
    fn filled(
        &self,
        mut draft: Draft,
        scope: &Scope,
        reader: &mut dyn Reader,
        library: &dyn Library,
    ) -> Result<Value, Failure> {
        if self.moves {
            self.place(&mut draft, scope, reader, library)?;
        } else {
            for field in &self.fields {
                let value = field.value.evaluate(scope, reader, library)?.into_owned();
                draft.set_at(&field.target, value);
            }
        }
        Ok(Value::from(Object::from(draft)))
    }

    /// A row that is no object: nothing is known of it but what is computed.
    fn computed(&self, scope: &Scope, reader: &mut dyn Reader, library: &dyn Library) -> Result<Value, Failure> {
        let mut draft = Draft::default();
        if self.moves {
            self.place(&mut draft, scope, reader, library)?;
            return Ok(Value::from(Object::from(draft)));
        }
        for field in &self.fields {
            let value = match field.placing {
                Placing::Moved(_) => Value::None,
                Placing::Early | Placing::Late => field.value.evaluate(scope, reader, library)?.into_owned(),
            };
            draft.set_at(&field.target, value);
        }
        Ok(Value::from(Object::from(draft)))
    }

    fn place(
        &self,
        draft: &mut Draft,
        scope: &Scope,
        reader: &mut dyn Reader,
        library: &dyn Library,
    ) -> Result<(), Failure> {
        // All expressions see the row as it was.
        let mut late = Vec::new();
        for field in &self.fields {
            match field.placing {
                Placing::Moved(_) => {}
                Placing::Early => {
                    draft.set_at(&field.target, field.value.evaluate(scope, reader, library)?.into_owned());
                }
                Placing::Late => late.push(field.value.evaluate(scope, reader, library)?.into_owned()),
            }
        }
        let mut late = late.into_iter();
        for field in &self.fields {
            match &field.placing {
                Placing::Moved(source) if field.target == [source.clone()] => {
                    if draft.get(source).is_none() {
                        draft.set(source, Value::None);
                    }
                }
                Placing::Moved(source) => {
                    let value = draft.remove(source).unwrap_or_default();
                    draft.set_at(&field.target, value);
                }
                Placing::Early => {}
                Placing::Late => draft.set_at(&field.target, late.next().unwrap_or_default()),
            }
        }
        Ok(())
    }
}

impl Shape {
    /// The shape of fields that stand side by side, each under a name of its own.
    fn of(fields: &[Field]) -> Option<Shape> {
        let mut names = Vec::with_capacity(fields.len());
        for field in fields {
            let [name] = field.target.as_slice() else { return None };
            names.push(name.clone());
        }
        names.sort_unstable();
        let is_strict = names.is_sorted_by(|a, b| a < b);
        let place = |field: &Field| names.binary_search(field.target.first()?).ok();
        let places = fields.iter().map(place).collect::<Option<_>>()?;
        is_strict.then(|| Shape { places, names: names.into() })
    }
}

impl Field {
    /// A computed field.
    pub fn new(name: impl Into<Arc<str>>, value: Expr) -> Field {
        Field { target: vec![name.into()], value, placing: Placing::Early }
    }
}

//! What a SELECT shows of a row.

use std::collections::HashSet;
use std::sync::Arc;

use circuit::{Links, Object, Path, PathStep, Value};
use surrealdb_expr::expr::field::{Field, Selector};
use surrealdb_expr::expr::part::Part;
use surrealdb_expr::expr::{Expr as SurrealExpr, Idiom};

use crate::lower::Lowering;
use crate::refusal::{Anchor, Construct, Refusal};

/// The selected fields of a SELECT.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Projection {
    /// `*` is among the fields.
    all: bool,
    fields: Vec<Selected>,
    /// `SELECT *, a AS b` takes `a` away in SurrealDB, unless a field of the list needs its slower way of projecting.
    moves: bool,
}

/// A selected field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Selected {
    source: Path,
    /// Where the value goes in the result: one name, or several for a nested object.
    target: Vec<Arc<str>>,
    kind: Kind,
}

/// The ways in which SurrealDB projects a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// A field of the row under its own name.
    Include,
    /// A field of the row under another name.
    Rename,
    /// A path, put into the row under its final name before all fields are projected.
    Early,
    /// A path whose name is that of another field that is read: it is put there in its turn.
    Late,
    /// Anything that goes to a nested place.
    Nest,
}

impl Projection {
    pub(crate) fn compile(fields: &[Field], is_plain_read: bool, lowering: &mut Lowering) -> Result<Self, Refusal> {
        let all = fields.iter().any(|field| matches!(field, Field::All));
        let mut selected = Vec::new();
        for (number, field) in fields.iter().enumerate() {
            let Field::Single(selector) = field else { continue };
            let source = selected_path(selector, number, lowering)?;
            let target = match &selector.alias {
                Some(alias) => alias_target(alias, number)?,
                None => own_target(&source),
            };
            let kind = match (source.steps(), target.as_slice()) {
                (_, [_, _, ..]) => Kind::Nest,
                ([PathStep::Field(source)], [target]) if source == target => Kind::Include,
                ([_], _) => Kind::Rename,
                _ => Kind::Late,
            };
            selected.push(Selected { source, target, kind });
        }
        name_paths(&mut selected);
        let moves = all && !is_plain_read && selected.iter().all(|field| field.kind != Kind::Nest);
        Ok(Projection { all, fields: selected, moves })
    }

    /// What the SELECT would answer for this row. O(selected fields); for `*` alone O(fields of the row).
    pub fn apply(&self, row: &Object, links: &mut impl Links) -> Value {
        // All paths see the row as it was.
        let values: Vec<Value> = self.fields.iter().map(|field| field.source.get(row, links)).collect();
        let start: Object = if self.all { row.clone() } else { [].into_iter().collect() };
        let mut result = Value::from(start);
        if self.moves {
            for (field, value) in self.fields.iter().zip(&values).filter(|(field, _)| field.kind == Kind::Early) {
                result = set(&result, &field.target, value.clone());
            }
        }
        for (field, value) in self.fields.iter().zip(values) {
            result = match field.kind {
                Kind::Rename if self.moves => rename(&result, field),
                // An earlier rename may have taken the field away.
                Kind::Include if self.moves && !has_field(&result, &field.target) => {
                    set(&result, &field.target, Value::None)
                }
                Kind::Include | Kind::Early if self.moves => result,
                _ => set(&result, &field.target, value),
            };
        }
        result
    }
}

/// Tells which paths get their final name early: the first of a name, if no other field is read by it.
fn name_paths(fields: &mut [Selected]) {
    let mut used: HashSet<Arc<str>> = fields
        .iter()
        .filter_map(|field| match field.source.steps() {
            [PathStep::Field(name)] => Some(name.clone()),
            _ => None,
        })
        .collect();
    for field in fields.iter_mut().filter(|field| field.kind == Kind::Late) {
        if field.target.first().is_some_and(|name| used.insert(name.clone())) {
            field.kind = Kind::Early;
        }
    }
}

fn alias_target(alias: &Idiom, number: usize) -> Result<Vec<Arc<str>>, Refusal> {
    let names = alias.0.iter().map(|part| match part {
        Part::Field(name) => Ok(Arc::from(name.as_str())),
        _ => Err(Refusal::new("this alias", "is not supported yet", Anchor::Field(number))),
    });
    names.collect()
}

/// The names of the path; indexes do not show in the result.
fn own_target(path: &Path) -> Vec<Arc<str>> {
    let names = path.steps().iter().filter_map(|step| match step {
        PathStep::Field(name) => Some(name.clone()),
        _ => None,
    });
    names.collect()
}

fn has_field(object: &Value, target: &[Arc<str>]) -> bool {
    matches!((object, target), (Value::Object(object), [name]) if object.get(name).is_some())
}

/// Moves a field as it is by now: an earlier rename may have taken it, or a path may have been put in its place.
fn rename(object: &Value, field: &Selected) -> Value {
    let (Value::Object(fields), [PathStep::Field(source)]) = (object, field.source.steps()) else {
        return object.clone();
    };
    let moved = fields.get(source).cloned().unwrap_or_default();
    let rest: Object =
        fields.iter().filter(|(name, _)| *name != source).map(|(name, value)| (name.clone(), value.clone())).collect();
    set(&Value::from(rest), &field.target, moved)
}

/// The same value with a place in it replaced: in an array in each of its items, and whatever is no object becomes one.
fn set(target: &Value, place: &[Arc<str>], value: Value) -> Value {
    let Some((name, rest)) = place.split_first() else {
        return value;
    };
    match target {
        Value::Object(object) => {
            let inner = match object.get(name) {
                Some(inner) => set(inner, rest, value),
                None => set(&empty_object(), rest, value),
            };
            let fields = object.iter().map(|(name, value)| (name.clone(), value.clone()));
            Value::from(fields.chain([(name.clone(), inner)]).collect::<Object>())
        }
        Value::Array(items) => items.iter().map(|item| set(item, place, value.clone())).collect(),
        _ => {
            let inner = set(&empty_object(), rest, value);
            Value::from([(name.clone(), inner)].into_iter().collect::<Object>())
        }
    }
}

fn empty_object() -> Value {
    Value::from([].into_iter().collect::<Object>())
}

/// A selected field that is a path.
fn selected_path(selector: &Selector, number: usize, lowering: &mut Lowering) -> Result<Path, Refusal> {
    match &selector.expr {
        SurrealExpr::Idiom(idiom) => lowering.path(&idiom.0),
        SurrealExpr::Literal(_) | SurrealExpr::Param(_) | SurrealExpr::Constant(_) => {
            Err(Refusal::new("a selected constant", "is not supported yet", Anchor::Field(number)))
        }
        other => match Construct::of(other) {
            Construct::Other | Construct::Arithmetic | Construct::Computed | Construct::Call => {
                Err(Refusal::new("a computed field", "is not supported yet", Anchor::Field(number)))
            }
            construct => Err(Refusal::construct(construct)),
        },
    }
}

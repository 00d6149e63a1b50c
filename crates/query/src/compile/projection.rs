//! The selected fields: how SurrealDB would project them.
//!
//! It has a fast way, which computes values into the row under their final names and then picks and renames, and a slow
//! one, which evaluates each field and puts it into its place. They differ beside `*`: the fast one moves what it
//! renames.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use circuit::{Constant, Expr, Field as Shown, Fields, Named, Others, Placing, Value};
use surrealdb_expr::expr::field::{Field, Selector};
use surrealdb_expr::expr::{Expr as SurrealExpr, Fields as SurrealFields};
use surrealdb_types::ToSql;

use super::builder::Builder;
use super::names::{alias_target, name_of, projection_function, simple_field, target_of};
use super::order::Computed;
use super::scope::{Context, Lowered, Standing};
use super::source::Rows;
use crate::refusal::{Anchor, Refusal};

/// The fields of a SELECT without GROUP, lowered.
#[derive(Debug)]
pub(super) struct Projection {
    pub(super) is_value: bool,
    pub(super) all: bool,
    pub(super) fields: Vec<Selected>,
}

/// A selected field.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) target: Vec<Arc<str>>,
    pub(super) lowered: Lowered,
    /// The field of the row that this is, if it is nothing else.
    pub(super) source: Option<Arc<str>>,
    /// What SurrealDB takes two expressions to be the same by.
    pub(super) text: String,
}

impl Projection {
    pub(super) fn compile(
        fields: &SurrealFields,
        context: &Context,
        standing: Standing,
    ) -> Result<Projection, Refusal> {
        let selected = |number: usize, selector: &Selector| -> Result<Selected, Refusal> {
            refuse_projection_function(&selector.expr, number)?;
            let target = match (&selector.alias, &selector.expr) {
                (Some(alias), _) => alias_target(alias, number)?,
                (None, SurrealExpr::Idiom(idiom)) => target_of(idiom),
                (None, other) => vec![name_of(other).into()],
            };
            let lowered = context.lower(&selector.expr, standing)?;
            let source = simple_field(&selector.expr).map(Arc::from);
            Ok(Selected { target, lowered, source, text: selector.expr.to_sql() })
        };
        let mut projection = Projection { is_value: false, all: false, fields: Vec::new() };
        match fields {
            SurrealFields::Value(selector) => {
                projection.is_value = true;
                projection.fields.push(selected(0, selector)?);
            }
            SurrealFields::Select(fields) => {
                for (number, field) in fields.iter().enumerate() {
                    match field {
                        Field::All => projection.all = true,
                        Field::Single(selector) => projection.fields.push(selected(number, selector)?),
                    }
                }
            }
        }
        Ok(projection)
    }

    /// Whether SurrealDB can't project these fields in its fast way.
    pub(super) fn is_slow(&self) -> bool {
        self.fields.iter().any(|field| field.target.len() > 1)
    }

    /// Whether SurrealDB picks fields of rows, and computes nothing: a row that is a link to no record falls out then.
    pub(super) fn picks_fields(&self, is_fast: bool) -> bool {
        let is_star = self.all && self.fields.is_empty();
        let is_plain = is_fast && !self.is_slow() && self.fields.iter().all(|field| field.source.is_some());
        !self.is_value && (is_star || is_plain)
    }

    /// The fields in their places. `is_fast` tells whether nothing but the fields keeps SurrealDB from its fast way;
    /// `computed` is what was computed for the order, which it takes as it is.
    pub(super) fn place(
        &self,
        builder: &mut Builder,
        is_fast: bool,
        computed: &[Computed],
        rows: Rows,
    ) -> Result<Fields, Refusal> {
        if self.is_value {
            let [field] = self.fields.as_slice() else { return Ok(Fields::All) };
            return Ok(Fields::Value(builder.shown(&field.lowered, None)?));
        }
        let is_star = self.all && self.fields.is_empty();
        if is_star && (rows == Rows::Objects || !is_fast) {
            return Ok(Fields::All);
        }
        let is_placed_fast = is_fast && !self.is_slow();
        let is_computed = !computed.is_empty() || self.fields.iter().any(|field| field.source.is_none());
        let others = match (rows, is_computed) {
            (Rows::Objects, _) => Others::Empty,
            (_, false) if is_placed_fast => Others::Kept,
            (_, true) if is_placed_fast => Others::Computed,
            _ => Others::Empty,
        };
        let moves = self.all && is_placed_fast;
        let mut registry = Registry::new(&self.fields, computed);
        let mut shown = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            let name = field.target.join(".");
            let mut value = builder.shown(&field.lowered, Some(&name))?;
            let placing = match &field.source {
                Some(source) => Placing::Moved(source.clone()),
                None => match registry.place(&field.text, &name) {
                    Place::Early => Placing::Early,
                    Place::Late => Placing::Late,
                    Place::Gone => {
                        if moves {
                            value = Expr::Constant(Constant(Value::None));
                        }
                        Placing::Late
                    }
                },
            };
            shown.push(Shown { target: field.target.clone(), value, placing });
        }
        Ok(Fields::Named(Named::placed(self.all, moves, shown, others)))
    }
}

impl Selected {
    /// The name of the field, if it is one.
    pub(super) fn name(&self) -> Option<&Arc<str>> {
        match self.target.as_slice() {
            [name] => Some(name),
            _ => None,
        }
    }
}

/// These make fields whose names are values.
fn refuse_projection_function(expr: &SurrealExpr, number: usize) -> Result<(), Refusal> {
    if let Some(name) = projection_function(expr) {
        let what = format!("the function {name}() as a selected field");
        return Err(Refusal::new(what, "is not supported: write the fields themselves", Anchor::Field(number)));
    }
    Ok(())
}

/// Tells which computed values get their final name early: the first of a name, if no other field is read by it.
#[derive(Debug)]
struct Registry<'a> {
    used: HashSet<String>,
    places: HashMap<(&'a str, String), Place>,
}

/// How a computed value gets its final name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Early,
    Late,
    /// The value has been moved away under the same name before.
    Gone,
}

impl<'a> Registry<'a> {
    fn new(fields: &'a [Selected], computed: &'a [Computed]) -> Self {
        let used = fields.iter().filter_map(|field| field.source.as_ref()).map(|name| name.to_string()).collect();
        let mut registry = Registry { used, places: HashMap::new() };
        for computed in computed {
            registry.register(&computed.text, &computed.name);
        }
        registry
    }

    fn place(&mut self, text: &'a str, name: &str) -> Place {
        let place = self.register(text, name);
        if place == Place::Late {
            self.places.insert((text, name.to_owned()), Place::Gone);
        }
        place
    }

    fn register(&mut self, text: &'a str, name: &str) -> Place {
        let used = &mut self.used;
        let place = self.places.entry((text, name.to_owned()));
        *place.or_insert_with(|| if used.insert(name.to_owned()) { Place::Early } else { Place::Late })
    }
}

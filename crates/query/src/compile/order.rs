//! `ORDER BY`: which value of a row each key stands for.
//!
//! SurrealDB orders before it projects. A key that names a selected field stands for its expression, which is then
//! computed into the row; any other key is looked up in what is stored of the row.

use circuit::{Expr, OrderKey, Path, PathStep, Plan, Slot};
use surrealdb_expr::expr::field::{Field, Selector};
use surrealdb_expr::expr::order::{Order, Ordering};
use surrealdb_expr::expr::part::Part;
use surrealdb_expr::expr::{Expr as SurrealExpr, Fields, Idiom, Literal};
use surrealdb_types::ToSql;

use super::builder::Builder;
use super::names::simple_field;
use super::projection::Projection;
use super::scope::{Context, Lowered, root_of};
use super::source::Rows;
use crate::refusal::{Anchor, Clause, Refusal};

/// A value that is computed into the row for the order, under a name.
#[derive(Debug)]
pub(super) struct Computed {
    /// What SurrealDB takes two expressions to be the same by.
    pub(super) text: String,
    pub(super) name: String,
    /// Whether the name is made of several.
    is_nested: bool,
    key: usize,
}

/// The keys of an order over rows as they are stored. `is_read_by_id` says that SurrealDB need not sort by `id`.
pub(super) fn stored(
    builder: &mut Builder,
    ordering: &Ordering,
    fields: &Fields,
    rows: Rows,
    is_read_by_id: bool,
    context: &Context,
) -> Result<Vec<Computed>, Refusal> {
    let mut computed: Vec<Computed> = Vec::new();
    let standing = builder.standing;
    for (number, key) in keys(ordering)?.iter().enumerate() {
        let anchor = Anchor::OrderKey(number);
        let selected = selected_as(&key.value, fields);
        if rows != Rows::Objects && selected.is_none_or(|selector| simple_field(&selector.expr).is_some()) {
            let reason = "is not supported, as SurrealDB compares lists by it in a way of its own";
            return Err(Refusal::new("ordering rows that may be lists by a path", reason, anchor));
        }
        let column = match selected {
            Some(selector) => {
                refuse_other_id(key, selector, &anchor)?;
                let lowered = context.lower(&selector.expr, standing)?;
                if simple_field(&selector.expr).is_none() {
                    let (text, name) = (selector.expr.to_sql(), name_of_key(&key.value));
                    computed.push(Computed { text, name, is_nested: key.value.0.len() > 1, key: number });
                }
                builder.order_column(&lowered, anchor)?
            }
            None => match stored_path(&key.value) {
                Some(path) => builder.column(Expr::Path(path))?,
                None => {
                    let lowered = context.lower(&SurrealExpr::Idiom(key.value.clone()), standing)?;
                    builder.order_column(&lowered, anchor)?
                }
            },
        };
        // A table is read in the order of its ids, whatever keys follow.
        let as_read = number == 0 && is_read_by_id && key.value.is_id() && !key.collate && !key.numeric;
        builder.push_order(OrderKey { as_read, ..order_key(column, key) });
    }
    Ok(computed)
}

/// The keys of an order over groups: each is an expression over what is answered of a group.
pub(super) fn grouped(builder: &mut Builder, ordering: &Ordering, context: &Context) -> Result<(), Refusal> {
    for (number, key) in keys(ordering)?.iter().enumerate() {
        if number == 0 && key.value.is_id() && !key.direction {
            let reason = "is not supported, as SurrealDB would read the rows of each group backwards: choose an alias";
            return Err(Refusal::new("ordering groups by id DESC", reason, Anchor::OrderKey(number)));
        }
        let lowered = context.lower(&SurrealExpr::Idiom(key.value.clone()), builder.standing)?;
        let column = builder.order_column(&lowered, Anchor::OrderKey(number))?;
        builder.push_order(order_key(column, key));
    }
    Ok(())
}

/// Refuses to order rows that may be no objects by a computed value, where something else looks at them: SurrealDB puts
/// the value into the row first, and makes that an object.
pub(super) fn refuse_changed_values(
    computed: &[Computed],
    ordering: Option<&Ordering>,
    projection: &Projection,
    is_fast: bool,
) -> Result<(), Refusal> {
    let Some((first, ordering)) = computed.first().zip(ordering) else { return Ok(()) };
    let is_ordered_by_else = keys(ordering)?.len() > computed.len();
    let is_known = |field: &super::projection::Selected| {
        field.source.is_some() || computed.iter().any(|computed| computed.text == field.text)
    };
    if is_fast && !is_ordered_by_else && projection.fields.iter().all(is_known) {
        return Ok(());
    }
    let reason = "is not supported, as SurrealDB would make the rows objects first";
    let what = "ordering rows that may be no objects by a computed value, beside others";
    Err(Refusal::new(what, reason, Anchor::OrderKey(first.key)))
}

/// Refuses names of computed values that hide fields of the row which are read after that.
pub(super) fn refuse_hidden_fields(
    computed: &[Computed],
    ordering: Option<&Ordering>,
    fields: &Fields,
    projection: &Projection,
    is_fast: bool,
    omits: bool,
) -> Result<(), Refusal> {
    for Computed { name, text, is_nested, key } in computed {
        let is_name_of_field = projection.fields.iter().any(|field| field.source.as_deref() == Some(name.as_str()));
        let hides = |field: &super::projection::Selected| {
            let is_taken_as_it_is = is_fast && field.text == *text && field.name().is_some_and(|own| **own == **name);
            field.source.is_none() && !is_taken_as_it_is && reads(&field.lowered, name)
        };
        let is_read = !is_name_of_field && projection.fields.iter().any(hides);
        // Beside `*` in the slow way, names that SurrealDB makes up would show.
        let is_shown = projection.all && !is_fast && (is_name_of_field || *is_nested);
        let is_ordered_by = ordering.is_some_and(|ordering| {
            keys(ordering).is_ok_and(|keys| {
                let stored = keys.iter().filter(|key| selected_as(&key.value, fields).is_none());
                stored.map(|key| &key.value).any(|idiom| first_name(idiom) == Some(name.as_str()))
            })
        });
        if is_read || is_shown || is_ordered_by || (projection.is_value && omits) {
            let reason = "is not supported, as SurrealDB would put its value into the row: choose another alias";
            return Err(Refusal::new("ordering by an alias that hides a field", reason, Anchor::OrderKey(*key)));
        }
    }
    Ok(())
}

fn keys(ordering: &Ordering) -> Result<&[Order], Refusal> {
    match ordering {
        Ordering::Order(keys) => Ok(&keys.0),
        Ordering::Random => Err(Refusal::clause(Clause::Order)),
    }
}

fn order_key(column: u16, key: &Order) -> OrderKey {
    OrderKey { column, descending: !key.direction, collate: key.collate, numeric: key.numeric, as_read: false }
}

/// The selected field that a key names: by its alias, or by its own name if it is a single one.
fn selected_as<'a>(key: &Idiom, fields: &'a Fields) -> Option<&'a Selector> {
    let is_named = |selector: &Selector, own_name_counts: bool| {
        let is_own_name = matches!((key.0.as_slice(), &selector.expr), ([Part::Field(a)], SurrealExpr::Idiom(idiom))
            if matches!(idiom.0.as_slice(), [Part::Field(b)] if a == b));
        selector.alias.as_ref() == Some(key) || (own_name_counts && is_own_name)
    };
    match fields {
        Fields::Value(selector) => is_named(selector, true).then_some(&**selector),
        Fields::Select(fields) => fields.iter().find_map(|field| match field {
            Field::Single(selector) if is_named(selector, selector.alias.is_none()) => Some(selector),
            _ => None,
        }),
    }
}

/// Whatever an alias `id` stands for, SurrealDB takes `ORDER BY id` for the order in which it reads a table.
fn refuse_other_id(key: &Order, selector: &Selector, anchor: &Anchor) -> Result<(), Refusal> {
    let is_id = |expr: &SurrealExpr| matches!(expr, SurrealExpr::Idiom(idiom) if idiom.is_id());
    if key.value.is_id() && !is_id(&selector.expr) {
        let reason = "is not supported: choose another alias";
        return Err(Refusal::new("ordering by something else under the name id", reason, anchor.clone()));
    }
    Ok(())
}

fn name_of_key(key: &Idiom) -> String {
    match key.0.as_slice() {
        [Part::Field(name)] => name.as_str().to_owned(),
        _ => key.to_sql(),
    }
}

fn first_name(idiom: &Idiom) -> Option<&str> {
    match idiom.0.first() {
        Some(Part::Field(name)) => Some(name.as_str()),
        _ => None,
    }
}

/// A path that SurrealDB looks up in the stored row, without following links. A single field is the same column as in
/// the condition.
fn stored_path(idiom: &Idiom) -> Option<Path> {
    let (first, rest) = idiom.0.split_first()?;
    let Part::Field(first) = first else { return None };
    let steps = rest.iter().map(|part| match part {
        Part::Field(name) => Some(PathStep::Field(name.as_str().into())),
        Part::Last => Some(PathStep::Last),
        Part::Value(SurrealExpr::Literal(Literal::Integer(index))) => usize::try_from(*index).ok().map(PathStep::Index),
        _ => None,
    });
    let path = Path::new(first.as_str(), steps.collect::<Option<Vec<_>>>()?);
    Some(if rest.is_empty() { path } else { path.within_row() })
}

/// Whether an expression reads a field of the row, or all of it.
fn reads(lowered: &Lowered, name: &str) -> bool {
    fn reads_expr(expr: &Expr, name: &str) -> bool {
        expr.any(&mut |expr| match expr {
            Expr::Row => true,
            Expr::Path(path) => root_of(path) == Some(name),
            _ => false,
        })
    }
    fn reads_plan(plan: &Plan, name: &str) -> bool {
        let in_slot = |slot: &Slot| matches!(slot, Slot::Computed(expr) if reads_expr(expr, name));
        plan.slots.iter().any(in_slot) || plan.inputs.iter().any(|input| reads_plan(input, name))
    }
    reads_expr(&lowered.expr, name) || lowered.subqueries.iter().any(|plan| reads_plan(plan, name))
}

//! `GROUP BY` and `GROUP ALL`: keys, aggregates, and what is made of them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use circuit::{
    Aggregate, AggregateFunction, Constant, Expr, Field as Shown, Fields, Grouping, Named, Output, Part, PathStep,
    Placing, Shape, Source, Value,
};
use surrealdb_expr::expr::field::{Field, Selector};
use surrealdb_expr::expr::group::Groups;
use surrealdb_expr::expr::part::Part as SurrealPart;
use surrealdb_expr::expr::visit::{MutVisitor, Visit, Visitor};
use surrealdb_expr::expr::{Expr as SurrealExpr, Fields as SurrealFields, FunctionCall, Idiom};
use surrealdb_types::ToSql;

use super::aggregates::{Extraction, aggregate_number};
use super::builder::Builder;
use super::names::{alias_target, name_of, target_of};
use super::scope::{Context, Lowered, number_of, replace_leaves, root_of, value_of};
use crate::refusal::{Anchor, Refusal};

/// A plan over the groups of the rows that a builder has so far.
pub(super) fn group(
    input: Builder,
    groups: &Groups,
    fields: &SurrealFields,
    context: &Context,
) -> Result<Builder, Refusal> {
    let selectors = selectors(fields)?;
    let mut grouping = Groupings { input, context, groups, keys: 0, values: Vec::new(), aggregates: Vec::new() };
    grouping.keys(&selectors)?;
    let fields = match fields {
        SurrealFields::Value(selector) => Fields::Value(grouping.field(selector, 0)?),
        SurrealFields::Select(_) => {
            let mut shown: Vec<Shown> = Vec::with_capacity(selectors.len());
            for (number, selector) in &selectors {
                let target = target(selector, *number)?;
                refuse_overlap(&shown, &target, *number)?;
                let value = grouping.field(selector, *number)?;
                shown.push(Shown { target, value, placing: Placing::Early });
            }
            Fields::Named(Named::new(shown))
        }
    };
    grouping.finish(Output::new(fields))
}

pub(super) fn selectors(fields: &SurrealFields) -> Result<Vec<(usize, &Selector)>, Refusal> {
    let selectors = match fields {
        SurrealFields::Value(selector) => vec![(0, &**selector)],
        SurrealFields::Select(fields) => fields
            .iter()
            .enumerate()
            .map(|(number, field)| match field {
                Field::Single(selector) => Ok((number, selector)),
                Field::All => Err(Refusal::invalid("`*` can't be selected of a group", Anchor::Field(number))),
            })
            .collect::<Result<_, Refusal>>()?,
    };
    for (number, selector) in &selectors {
        let mut rows = RowParameters { found: None };
        let Ok(()) = rows.visit_expr(&selector.expr);
        if let Some(name) = rows.found {
            let message = format!("${name} is no row: a group has many");
            return Err(Refusal::invalid(message, Anchor::Field(*number)));
        }
    }
    Ok(selectors)
}

fn target(selector: &Selector, number: usize) -> Result<Vec<Arc<str>>, Refusal> {
    match (&selector.alias, &selector.expr) {
        (Some(alias), _) => alias_target(alias, number),
        (None, SurrealExpr::Idiom(idiom)) => Ok(target_of(idiom)),
        (None, other) => Ok(vec![name_of(other).into()]),
    }
}

/// A value inside of another selected value is put there in a way of its own.
fn refuse_overlap(shown: &[Shown], target: &[Arc<str>], number: usize) -> Result<(), Refusal> {
    let is_inside = |other: &Shown| target.len() > other.target.len() && target.starts_with(&other.target);
    if shown.iter().any(is_inside) {
        let what = "a name inside of another selected name";
        return Err(Refusal::new(what, "is not supported of groups: choose another alias", Anchor::Field(number)));
    }
    Ok(())
}

/// A grouping under construction.
struct Groupings<'g, 'a> {
    input: Builder,
    context: &'g Context<'a>,
    groups: &'g Groups,
    keys: usize,
    /// What the rows of the input are made of: keys, then arguments.
    values: Vec<Expr>,
    aggregates: Vec<Aggregate>,
}

impl Groupings<'_, '_> {
    fn finish(self, output: Output) -> Result<Builder, Refusal> {
        let keys = number_of(self.keys)?;
        let grouping = Grouping { keys, aggregates: self.aggregates, output: Arc::new(output) };
        let standing = self.input.standing;
        let input = self.input.finish(Output::new(Fields::Value(Expr::Array(self.values.into()))));
        Ok(Builder::new(standing, Source::Derived(Shape::Group(grouping)), vec![input]))
    }

    /// The keys: a name that is an alias stands for the expression of that alias.
    fn keys(&mut self, selectors: &[(usize, &Selector)]) -> Result<(), Refusal> {
        let mut aliases: HashMap<String, &SurrealExpr> = HashMap::new();
        for (_, selector) in selectors {
            if let Some(alias) = &selector.alias {
                aliases.insert(alias.to_sql(), &selector.expr);
            }
        }
        for group in &self.groups.0 {
            let own = SurrealExpr::Idiom(group.0.clone());
            let expr = aliases.get(&group.0.to_sql()).copied().unwrap_or(&own);
            let value = self.argument(expr)?;
            self.values.push(value);
        }
        if self.groups.0.is_empty() && self.context.asks() {
            // Without rows, SurrealDB shows a record user no group of all rows: it is one like any other then.
            self.values.push(Expr::constant(Value::None));
        }
        self.keys = self.values.len();
        Ok(())
    }

    /// What is answered of a selected field, over the keys and the aggregates.
    fn field(&mut self, selector: &Selector, number: usize) -> Result<Expr, Refusal> {
        if let Some(key) = self.key_of(selector) {
            return number_of(key).map(Expr::Column);
        }
        let anchor = Anchor::Field(number);
        let mut rewritten = selector.expr.clone();
        let mut extraction = Extraction::default();
        let Ok(()) = extraction.visit_mut_expr(&mut rewritten);
        if extraction.is_nested {
            return Err(Refusal::invalid("an aggregate can't be the argument of another one", anchor));
        }
        if extraction.calls.is_empty() {
            // What is no aggregate is collected.
            let argument = self.argument(&selector.expr)?;
            return self.aggregate(AggregateFunction::Group, argument, Vec::new());
        }
        let mut columns = Vec::with_capacity(extraction.calls.len());
        for (function, call) in &extraction.calls {
            columns.push(self.call(*function, call, &anchor)?);
        }
        if let (SurrealExpr::Idiom(idiom), [column]) = (&rewritten, columns.as_slice())
            && matches!(idiom.0.as_slice(), [SurrealPart::Field(_)])
        {
            return Ok(column.clone());
        }
        let lowered = self.context.lower(&rewritten, self.input.standing)?;
        after_aggregates(&lowered, &columns, anchor)
    }

    fn key_of(&self, selector: &Selector) -> Option<usize> {
        let named = |idiom: &Idiom| {
            let name = idiom.to_sql();
            self.groups.0.iter().position(|group| group.0.to_sql() == name)
        };
        let by_alias = selector.alias.as_ref().and_then(named);
        by_alias.or_else(|| match &selector.expr {
            SurrealExpr::Idiom(idiom) => named(idiom),
            _ => None,
        })
    }

    fn call(&mut self, function: AggregateFunction, call: &FunctionCall, anchor: &Anchor) -> Result<Expr, Refusal> {
        let argument = match call.arguments.first() {
            Some(argument) => self.argument(argument)?,
            None => Expr::Constant(Constant(Value::None)),
        };
        let mut extra = Vec::new();
        for argument in call.arguments.iter().skip(1) {
            match self.context.constant(argument, self.input.standing)? {
                Some(value) => extra.push(Constant(value)),
                None => {
                    let what = "an aggregate whose further arguments are no constants";
                    return Err(Refusal::new(what, "is not supported", anchor.clone()));
                }
            }
        }
        self.aggregate(function, argument, extra)
    }

    /// The column with the value of an aggregate, which is added if there is none.
    fn aggregate(
        &mut self,
        function: AggregateFunction,
        argument: Expr,
        extra: Vec<Constant>,
    ) -> Result<Expr, Refusal> {
        let keys = self.keys;
        let aggregate = Aggregate { function, extra };
        let known = (0..self.aggregates.len())
            .find(|number| self.aggregates[*number] == aggregate && self.values[keys + number] == argument);
        let number = known.unwrap_or(self.aggregates.len());
        if known.is_none() {
            self.aggregates.push(aggregate);
            self.values.push(argument);
        }
        number_of(keys + number).map(Expr::Column)
    }

    /// A value of a row that a group is made of. What fails because of what is in the row is `NONE`.
    fn argument(&mut self, expr: &SurrealExpr) -> Result<Expr, Refusal> {
        let lowered = self.context.lower(expr, self.input.standing)?;
        let expr = self.input.shown(&lowered, None)?;
        Ok(or_else(expr, Value::None))
    }
}

/// An expression over aggregates, which it reads as fields `_a0`, `_a1`, … Other fields are nothing there.
fn after_aggregates(lowered: &Lowered, columns: &[Expr], anchor: Anchor) -> Result<Expr, Refusal> {
    if !lowered.subqueries.is_empty() {
        let reason = "is not supported: group in a subquery behind FROM, and select around it";
        return Err(Refusal::new("a subquery beside aggregates in one field", reason, anchor));
    }
    let Some(expr) = lowered.without_outer() else {
        return Err(Refusal::new("$parent in a group", "is not supported", anchor));
    };
    let mut has_unknown = false;
    let expr = replace_leaves(expr, &mut |leaf| match leaf {
        Expr::Path(path) => {
            let column = root_of(&path).and_then(aggregate_number).and_then(|number| columns.get(number));
            match (column, path.steps().get(1..)) {
                (Some(column), Some([])) => column.clone(),
                (Some(column), Some(steps)) => {
                    Expr::Walk(Box::new(column.clone()), steps.iter().map(part_of).collect())
                }
                _ => Expr::Constant(Constant(Value::None)),
            }
        }
        Expr::Row => {
            has_unknown = true;
            Expr::Row
        }
        other => other,
    });
    if has_unknown {
        return Err(Refusal::new("this expression over aggregates", "is not supported", anchor));
    }
    Ok(or_else(expr, Value::Null))
}

fn part_of(step: &PathStep) -> Part {
    match step {
        PathStep::Field(name) => Part::Field(name.clone()),
        PathStep::Index(index) => Part::Index(Expr::constant(i64::try_from(*index).unwrap_or(i64::MAX))),
        PathStep::Last => Part::Last,
    }
}

/// The value of an expression, or where it fails another one.
fn or_else(expr: Expr, otherwise: Value) -> Expr {
    match expr {
        Expr::Path(_) | Expr::Column(_) | Expr::Slot(_) | Expr::Constant(_) => expr,
        other if matches!(value_of(&other), Some(Ok(_))) => other,
        other => Expr::Otherwise(Box::new(other), Constant(otherwise)),
    }
}

/// Looks for parameters that stand for a row, also in subqueries: their row around would be the group.
struct RowParameters {
    found: Option<String>,
}

impl Visitor for RowParameters {
    type Error = Infallible;

    fn visit_expr(&mut self, expr: &SurrealExpr) -> Result<(), Infallible> {
        if let SurrealExpr::Param(parameter) = expr
            && matches!(parameter.as_str(), "this" | "self" | "parent")
        {
            self.found.get_or_insert_with(|| parameter.as_str().to_owned());
        }
        expr.visit(self)
    }
}

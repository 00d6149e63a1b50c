//! `FROM`: what the rows of a SELECT are made from.

use std::ops::Bound;

use circuit::{
    Constant, Expr, Fields, Key, Only, Operator, Others, Output, Part as Step, Plan, RecordId, Shape, Slot, Source,
    Value,
};
use surrealdb_expr::expr::statements::SelectStatement;
use surrealdb_expr::expr::{Expr as SurrealExpr, Literal, RecordIdKeyLit, RecordIdKeyRangeLit, RecordIdLit};

use super::builder::Builder;
use super::key::{has_numbers, refuse_signed_zero};
use super::permission::Readable;
use super::place::unguarded;
use super::scope::{Context, Lowered, Outer, Standing};
use super::select;
use crate::convert::bound;
use crate::functions;
use crate::refusal::{Anchor, Refusal};
use crate::scalar;

/// The most sources of one SELECT; each is a plan of its own.
const MAX_SOURCES: usize = 1024;

/// One of the things behind `FROM`.
#[derive(Debug)]
pub(super) enum From {
    Table(String),
    Record(RecordId),
    /// Records of one table, in ascending order of their ids.
    Records(String, Vec<Value>),
    Range(String, Bound<RecordId>, Bound<RecordId>),
    Subquery(Box<Plan>),
    /// The answer of a subquery, which is the only row of a plan; and what it is.
    Answer(Box<Plan>, Rows),
    /// The items of a list, which is the only row of a plan; and whether these are sure to be links.
    Items(Box<Plan>, bool),
}

/// What the rows of a SELECT are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rows {
    /// Objects, as those of tables are.
    Objects,
    /// Any values but links.
    Values,
    /// Any values. SurrealDB replaces links by records, here and there.
    Links,
}

/// Everything behind `FROM`.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) list: Vec<From>,
    /// The statement names one record, and nothing but that.
    pub(super) is_one_literal_record: bool,
    /// The statement gives nothing but a list of values, so that `ONLY` asks for exactly one.
    pub(super) is_list: bool,
}

impl Sources {
    pub(super) fn compile(select: &SelectStatement, context: &Context, standing: Standing) -> Result<Sources, Refusal> {
        let mut list = Vec::new();
        let mut is_list = true;
        for (number, what) in select.what.iter().enumerate() {
            let anchor = Anchor::Source(number);
            let found = from(what, context, standing, &anchor)?;
            is_list &= found.is_list;
            refuse_keys(&list, &found.sources, &anchor)?;
            list.extend(found.sources);
            if list.len() > MAX_SOURCES {
                return Err(Refusal::new("more than 1,024 sources", "are not supported", anchor));
            }
        }
        let is_one_literal_record = matches!(select.what.as_slice(), [SurrealExpr::Literal(Literal::RecordId(_))]);
        Ok(Sources { list, is_one_literal_record, is_list })
    }

    /// What the rows of all sources are.
    pub(super) fn rows(&self) -> Rows {
        let rows = self.list.iter().map(|source| match source {
            From::Subquery(plan) => rows_of(plan),
            From::Answer(_, rows) => *rows,
            From::Items(_, false) => Rows::Values,
            _ => Rows::Objects,
        });
        rows.max().unwrap_or(Rows::Objects)
    }
}

impl From {
    /// A plan over what may be read of this source alone.
    pub(super) fn readable(&self, context: &Context, standing: Standing) -> Result<Readable, Refusal> {
        let derived = |shape, input: &Plan| {
            Readable::Open(Builder::new(standing, Source::Derived(shape), vec![Plan::clone(input)]))
        };
        Ok(match self {
            From::Table(name) => context.readable(name, standing)?,
            From::Items(list, are_records) => derived(Shape::Items { are_records: *are_records }, list),
            From::Subquery(plan) | From::Answer(plan, _) => derived(Shape::Rows, plan),
            From::Record(id) => {
                let mut readable = context.readable(&id.table, standing)?;
                readable.builder().require_record(id)?;
                readable
            }
            From::Records(name, ids) => {
                let mut readable = context.readable(name, standing)?;
                readable.builder().require_id(Operator::Inside, ids.iter().cloned().collect())?;
                readable
            }
            From::Range(name, start, end) => {
                let mut readable = context.readable(name, standing)?;
                readable.builder().require_range(start, end)?;
                readable
            }
        })
    }

    /// The table that all rows are of, if it is known.
    pub(super) fn table(&self) -> Option<&str> {
        match self {
            From::Table(name) | From::Records(name, _) | From::Range(name, ..) => Some(name),
            From::Record(id) => Some(&id.table),
            From::Subquery(_) | From::Answer(..) | From::Items(..) => None,
        }
    }
}

/// What one expression behind `FROM` stands for.
struct Found {
    sources: Vec<From>,
    is_list: bool,
}

fn from(what: &SurrealExpr, context: &Context, standing: Standing, anchor: &Anchor) -> Result<Found, Refusal> {
    let one = |source| Ok(Found { sources: vec![source], is_list: false });
    let refused = |what: &str, reason: &'static str| Err(Refusal::new(what, reason, anchor.clone()));
    match what {
        SurrealExpr::Table(name) => return one(From::Table(name.as_str().to_owned())),
        SurrealExpr::Literal(Literal::RecordId(RecordIdLit { table, key: RecordIdKeyLit::Range(range) })) => {
            return one(range_of(table.as_str(), range, context, standing, anchor)?);
        }
        SurrealExpr::Select(select) => {
            // Its `$parent` is that of the SELECT that reads it.
            let plan = select::compile(select, context, standing)?;
            if plan.output.only != Only::No {
                return one(answer_of(plan, standing)?);
            }
            return one(From::Subquery(Box::new(plan)));
        }
        SurrealExpr::Mock(_) => return refused("a mock", "has random ids"),
        _ => {}
    }
    // SurrealDB knows what these are before it reads rows.
    let is_resolved = !matches!(what, SurrealExpr::Idiom(_) | SurrealExpr::Binary { .. } | SurrealExpr::Prefix { .. });
    let lowered = context.lower(what, standing).map_err(|refusal| refusal.or_at(anchor))?;
    match lowered.constant().map_err(|refusal| refusal.or_at(anchor))? {
        Some(Value::Table(name)) if is_resolved => one(From::Table(name.to_string())),
        Some(Value::RecordId(id)) => one(record_or_range(&id, anchor)?),
        Some(Value::Array(items)) => {
            let sources = match records(&items) {
                Some(sources) => sources,
                None => vec![items_of(what, &lowered, context, standing, anchor)?],
            };
            Ok(Found { sources, is_list: is_resolved })
        }
        Some(Value::None | Value::Null) => Ok(Found { sources: Vec::new(), is_list: is_resolved }),
        Some(Value::String(_)) => {
            refused("a string behind FROM", "is no table: write type::table() or type::record() around it")
        }
        None if matches!(what, SurrealExpr::FunctionCall(_) | SurrealExpr::Postfix { .. }) => {
            refused("a call behind FROM", "is supported if it is a constant")
        }
        _ => {
            let is_list = matches!(what, SurrealExpr::Literal(Literal::Array(_)));
            Ok(Found { sources: vec![items_of(what, &lowered, context, standing, anchor)?], is_list })
        }
    }
}

/// The answer of a subquery with `ONLY`: one row, which is `NONE` if the subquery has none.
fn answer_of(plan: Plan, standing: Standing) -> Result<From, Refusal> {
    let rows = rows_of(&plan).max(Rows::Values);
    let mut builder = Builder::new(standing, Source::Derived(Shape::Once), Vec::new());
    let lookup = builder.slot_lookup(plan)?;
    let answer = builder.slot(Slot::Computed(Expr::Subquery(lookup)))?;
    Ok(From::Answer(Box::new(builder.finish(Output::new(Fields::Value(answer)))), rows))
}

/// Refuses ids by which SurrealDB does not answer what is stored. Of two records with equal ids that a query looks up, it
/// answers twice the one that it has read first.
fn refuse_keys(known: &[From], more: &[From], anchor: &Anchor) -> Result<(), Refusal> {
    let numbered = |source: &From| match source {
        From::Record(id) if has_numbers(&id.key) => Some(id.clone()),
        _ => None,
    };
    let mut ids: Vec<RecordId> = known.iter().filter_map(numbered).collect();
    for id in more.iter().filter_map(numbered) {
        refuse_signed_zero(&id, anchor)?;
        if ids.iter().any(|other| *other == id && !other.is_same_record(&id)) {
            let reason = "is not supported: SurrealDB answers the first record in place of the second one";
            return Err(Refusal::new("a record id that equals another one", reason, anchor.clone()));
        }
        ids.push(id);
    }
    Ok(())
}

/// The items of a value, which is computed once for all rows and kept up to date.
fn items_of(
    what: &SurrealExpr,
    lowered: &Lowered,
    context: &Context,
    standing: Standing,
    anchor: &Anchor,
) -> Result<From, Refusal> {
    let are_records = leads_to_links(lowered, context.rows_around());
    context.refuse_veils(tables_at_end(&lowered.expr).filter(|_| are_records).as_deref(), anchor)?;
    // At the end of edges there is nothing that may not be read.
    let visible = match context.asks() && !are_records {
        true => Some(context.lowered(standing, |names| scalar::scalar(what, names).map(visible_items))?),
        false => None,
    };
    let mut builder = Builder::new(standing, Source::Derived(Shape::Once), Vec::new());
    let list = builder.source_value(visible.as_ref().unwrap_or(lowered))?.ok_or_else(|| {
        let reason = "is nothing: begin with a record, a parameter, or $parent";
        Refusal::new("a path behind FROM that begins at no record", reason, anchor.clone())
    })?;
    let list = builder.finish(Output::new(Fields::Value(list)));
    Ok(From::Items(Box::new(list), are_records))
}

/// The value without links to records that may not be read, if it is a link or has some among its items.
fn visible_items(value: Expr) -> Expr {
    let item = || Expr::Local(0);
    let record = Expr::Walk(Box::new(item()), [Step::All].into());
    let link_or_none = Expr::If([(record.clone(), item())].into(), Box::new(Expr::constant(Value::None)));
    let is_visible = Expr::If([(functions::is_link(item()), record)].into(), Box::new(Expr::constant(true)));
    let items = Expr::Walk(Box::new(item()), [Step::Where(is_visible)].into());
    let others = Expr::binary(Operator::Coalesce, items, item());
    let visible = Expr::If([(functions::is_link(item()), link_or_none)].into(), Box::new(others));
    Expr::Walk(Box::new(value), [Step::Then(visible)].into())
}

/// The tables of the records at the end of a path along edges; none if that may be any.
fn tables_at_end(expr: &Expr) -> Option<Vec<&str>> {
    let Expr::Walk(_, parts) = unguarded(expr) else { return None };
    let Some(Step::Graph(steps, _)) = parts.first() else { return None };
    let tables = &steps.last()?.tables;
    (!tables.is_empty()).then(|| tables.iter().map(|table| &*table.name).collect())
}

/// Whether a value is sure to be a list of links: the records at the end of edges from one record. `around` is what the
/// row around is, from which the path may begin.
fn leads_to_links(lowered: &Lowered, around: Rows) -> bool {
    let Expr::Walk(start, parts) = unguarded(&lowered.expr) else { return false };
    let begins_at_one = match &**start {
        Expr::Constant(Constant(Value::RecordId(_))) => true,
        Expr::Row => around == Rows::Objects,
        Expr::Walk(row, parts) => **row == Expr::Row && parts.is_empty() && around == Rows::Objects,
        Expr::Slot(number) => match lowered.outer(*number) {
            Some(Outer::Parameter(Value::RecordId(_))) => true,
            Some(Outer::Parent(Expr::Row)) => around == Rows::Objects,
            _ => false,
        },
        _ => false,
    };
    let Some((Step::Graph(steps, _), rest)) = parts.split_first() else { return false };
    let chooses = |part: &Step| matches!(part, Step::Where(_) | Step::Flatten | Step::First | Step::Last);
    begins_at_one && steps.last().is_some_and(|step| step.value.is_none()) && rest.iter().all(chooses)
}

/// The record of an id, or those of a range that stands in place of a key.
fn record_or_range(id: &RecordId, anchor: &Anchor) -> Result<From, Refusal> {
    let Key::Range(range) = &id.key else { return Ok(From::Record(id.clone())) };
    let end = |value: &Value| match Key::try_from(value) {
        Ok(key) => Ok(RecordId { table: id.table.clone(), key }),
        Err(()) => Err(Refusal::new("this range", "ends with a value that is no key", anchor.clone())),
    };
    Ok(From::Range(id.table.to_string(), bound(range.start.as_ref(), end)?, bound(range.end.as_ref(), end)?))
}

/// A list of record ids, if it holds nothing else. As SurrealDB reads it, in the order of the list, without what is
/// `NONE` or `NULL`.
fn records(items: &[Value]) -> Option<Vec<From>> {
    let mut ids = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Value::RecordId(id) => ids.push(id),
            Value::None | Value::Null => {}
            _ => return None,
        }
    }
    if let [first, .., last] = ids.as_slice()
        && first.table == last.table
        && ids.is_sorted_by(|a, b| a < b)
        && !ids.iter().any(|id| has_numbers(&id.key))
    {
        let table = first.table.to_string();
        return Some(vec![From::Records(table, ids.into_iter().map(|id| Value::RecordId(id.clone())).collect())]);
    }
    Some(ids.into_iter().map(|id| From::Record(RecordId::clone(id))).collect())
}

fn range_of(
    table: &str,
    range: &RecordIdKeyRangeLit,
    context: &Context,
    standing: Standing,
    anchor: &Anchor,
) -> Result<From, Refusal> {
    let end = |key: &RecordIdKeyLit| {
        let literal = RecordIdLit { table: table.to_owned().into(), key: key.clone() };
        let literal = SurrealExpr::Literal(Literal::RecordId(literal));
        match context.constant(&literal, standing)? {
            Some(Value::RecordId(id)) => Ok(RecordId::clone(&id)),
            _ => Err(Refusal::new("this range", "is supported if its ends are constants", anchor.clone())),
        }
    };
    Ok(From::Range(table.to_owned(), bound(range.start.as_ref(), end)?, bound(range.end.as_ref(), end)?))
}

/// What the answers of a plan are.
fn rows_of(plan: &Plan) -> Rows {
    match (&plan.output.fields, &plan.template.source) {
        (Fields::Value(expr), _) if is_object(expr) => Rows::Objects,
        (Fields::Value(expr), _) if functions::is_row_of_link(expr) => Rows::Values,
        (Fields::Value(_), _) => Rows::Links,
        (Fields::Named(named), _) if named.others == Others::Kept => Rows::Values,
        (Fields::Named(_), _) | (Fields::All, Source::Table(_)) => Rows::Objects,
        (Fields::All, Source::Derived(Shape::Group(grouping))) => match grouping.output.fields {
            Fields::Value(_) => Rows::Links,
            Fields::All | Fields::Named(_) => Rows::Objects,
        },
        (Fields::All, Source::Derived(Shape::Items { are_records: true })) => Rows::Objects,
        (Fields::All, Source::Derived(Shape::Items { are_records: false } | Shape::Once)) => Rows::Values,
        (Fields::All, Source::Derived(Shape::Rows | Shape::Split(_))) => {
            plan.inputs.iter().map(rows_of).max().unwrap_or(Rows::Objects)
        }
    }
}

/// Whether the value of an expression is sure to be an object.
fn is_object(expr: &Expr) -> bool {
    match unguarded(expr) {
        Expr::Object(_) | Expr::Constant(Constant(Value::Object(_))) => true,
        Expr::If(branches, otherwise) => is_object(otherwise) && branches.iter().all(|(_, value)| is_object(value)),
        _ => false,
    }
}

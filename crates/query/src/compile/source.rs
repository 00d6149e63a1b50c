//! `FROM`: what the rows of a SELECT are made from.

use std::ops::Bound;

use circuit::{Constant, Expr, Fields, Key, Only, Operator, Path, Plan, RecordId, Shape, Slot, Source, Value};
use surrealdb_expr::expr::part::Part;
use surrealdb_expr::expr::statements::SelectStatement;
use surrealdb_expr::expr::{Expr as SurrealExpr, Literal, RecordIdKeyLit, RecordIdKeyRangeLit, RecordIdLit};

use super::builder::Builder;
use super::scope::{Context, Standing};
use super::select;
use crate::refusal::{Anchor, Refusal};

/// The most sources of one SELECT; each is a plan of its own.
const MAX_SOURCES: usize = 1024;

const PATH: &str = "is not supported: name the table, and compare with the path in WHERE";

/// One of the things behind `FROM`.
#[derive(Debug)]
pub(super) enum From {
    Table(String),
    Record(RecordId),
    /// Records of one table, in ascending order of their ids.
    Records(String, Vec<Value>),
    Range(String, Bound<RecordId>, Bound<RecordId>),
    Subquery(Box<Plan>),
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
            list.extend(found.sources);
            if list.len() > MAX_SOURCES {
                return Err(Refusal::new("more than 1,024 sources", "are not supported", anchor));
            }
        }
        let is_one_literal_record = matches!(select.what.as_slice(), [SurrealExpr::Literal(Literal::RecordId(_))]);
        Ok(Sources { list, is_one_literal_record, is_list })
    }

    /// Whether each row is an object, as those of tables are.
    pub(super) fn are_objects(&self) -> bool {
        self.list.iter().all(|source| match source {
            From::Subquery(plan) => answers_objects(plan),
            _ => true,
        })
    }
}

impl From {
    /// A plan over this source alone.
    pub(super) fn builder(&self, standing: Standing) -> Result<Builder, Refusal> {
        let table = |name: &str| Builder::new(standing, Source::Table(name.into()), Vec::new());
        Ok(match self {
            From::Table(name) => table(name),
            From::Subquery(plan) => Builder::new(standing, Source::Derived(Shape::Rows), vec![Plan::clone(plan)]),
            From::Record(id) => {
                let mut builder = table(&id.table);
                builder.require_id(Operator::Equal, Value::from(id.clone()))?;
                builder
            }
            From::Records(name, ids) => {
                let mut builder = table(name);
                builder.require_id(Operator::Inside, ids.iter().cloned().collect())?;
                builder
            }
            From::Range(name, start, end) => {
                let mut builder = table(name);
                match start {
                    Bound::Included(id) => builder.require_id(Operator::GreaterOrEqual, Value::from(id.clone()))?,
                    Bound::Excluded(id) => builder.require_id(Operator::Greater, Value::from(id.clone()))?,
                    Bound::Unbounded => {}
                }
                match end {
                    Bound::Included(id) => builder.require_id(Operator::LessOrEqual, Value::from(id.clone()))?,
                    Bound::Excluded(id) => builder.require_id(Operator::Less, Value::from(id.clone()))?,
                    Bound::Unbounded => {}
                }
                builder
            }
        })
    }
}

impl Builder {
    fn require_id(&mut self, operator: Operator, value: Value) -> Result<(), Refusal> {
        let column = self.column(Path::field("id").into())?;
        let slot = self.slot(Slot::Constant(Constant(value)))?;
        self.require(Expr::binary(operator, Expr::Column(column), slot));
        Ok(())
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
                return refused("ONLY in a subquery behind FROM", "is not supported: leave it out");
            }
            return one(From::Subquery(Box::new(plan)));
        }
        SurrealExpr::Mock(_) => return refused("a mock", "has random ids"),
        SurrealExpr::Idiom(idiom) if idiom.0.iter().any(|part| matches!(part, Part::Lookup(_))) => {
            return refused("a path behind FROM", PATH);
        }
        _ => {}
    }
    // SurrealDB knows what these are before it reads rows.
    let is_resolved = !matches!(what, SurrealExpr::Idiom(_) | SurrealExpr::Binary { .. } | SurrealExpr::Prefix { .. });
    let value = context.constant(what, standing).map_err(|refusal| refusal.or_at(anchor))?;
    match value {
        Some(Value::Table(name)) if is_resolved => one(From::Table(name.to_string())),
        Some(Value::RecordId(id)) => {
            refuse_numbers(&id.key, anchor)?;
            one(From::Record(RecordId::clone(&id)))
        }
        Some(Value::Array(items)) => {
            let sources = records(&items, anchor)?;
            Ok(Found { sources, is_list: is_resolved })
        }
        Some(Value::None | Value::Null) => Ok(Found { sources: Vec::new(), is_list: is_resolved }),
        Some(Value::String(_)) => {
            refused("a string behind FROM", "is no table: write type::table() or type::record() around it")
        }
        Some(_) => refused("a value behind FROM", "never changes: only tables, records and subqueries are supported"),
        None if matches!(what, SurrealExpr::Idiom(_)) => refused("a path behind FROM", PATH),
        None => refused("this source", "is not supported: it must be a table, records, or a subquery"),
    }
}

/// A list of record ids. As SurrealDB reads it, in the order of the list, without what is `NONE` or `NULL`.
fn records(items: &[Value], anchor: &Anchor) -> Result<Vec<From>, Refusal> {
    let mut ids = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Value::RecordId(id) => {
                refuse_numbers(&id.key, anchor)?;
                ids.push(id);
            }
            Value::None | Value::Null => {}
            _ => {
                return Err(Refusal::new(
                    "a list behind FROM",
                    "is supported if it holds record ids and nothing else",
                    anchor.clone(),
                ));
            }
        }
    }
    if let [first, .., last] = ids.as_slice()
        && first.table == last.table
        && ids.is_sorted_by(|a, b| a < b)
    {
        let table = first.table.to_string();
        return Ok(vec![From::Records(table, ids.into_iter().map(|id| Value::RecordId(id.clone())).collect())]);
    }
    Ok(ids.into_iter().map(|id| From::Record(RecordId::clone(id))).collect())
}

fn range_of(
    table: &str,
    range: &RecordIdKeyRangeLit,
    context: &Context,
    standing: Standing,
    anchor: &Anchor,
) -> Result<From, Refusal> {
    let bound = |bound: &Bound<RecordIdKeyLit>| -> Result<Bound<RecordId>, Refusal> {
        let id = |key: &RecordIdKeyLit| {
            let literal = RecordIdLit { table: table.to_owned().into(), key: key.clone() };
            let literal = SurrealExpr::Literal(Literal::RecordId(literal));
            match context.constant(&literal, standing)? {
                Some(Value::RecordId(id)) => {
                    refuse_numbers(&id.key, anchor)?;
                    Ok(RecordId::clone(&id))
                }
                _ => Err(Refusal::new("this range", "is supported if its ends are constants", anchor.clone())),
            }
        };
        Ok(match bound {
            Bound::Included(key) => Bound::Included(id(key)?),
            Bound::Excluded(key) => Bound::Excluded(id(key)?),
            Bound::Unbounded => Bound::Unbounded,
        })
    };
    Ok(From::Range(table.to_owned(), bound(&range.start)?, bound(&range.end)?))
}

/// `t:[1]` and `t:[1.0]` are two records with equal ids, and no condition tells them apart.
fn refuse_numbers(key: &Key, anchor: &Anchor) -> Result<(), Refusal> {
    if !has_numbers(key) {
        return Ok(());
    }
    let reason = "is not supported yet as a source: write FROM the table, with a condition on id";
    Err(Refusal::new("a record id with a number inside of its key", reason, anchor.clone()))
}

fn has_numbers(key: &Key) -> bool {
    fn in_value(value: &Value) -> bool {
        match value {
            Value::Int(_) | Value::Float(_) | Value::Decimal(_) | Value::Range(_) | Value::Geometry(_) => true,
            Value::Array(items) | Value::Set(items) => items.iter().any(in_value),
            Value::Object(object) => object.iter().any(|(_, value)| in_value(value)),
            Value::RecordId(id) => has_numbers(&id.key),
            _ => false,
        }
    }
    match key {
        Key::Int(_) | Key::String(_) | Key::Uuid(_) => false,
        Key::Array(items) => items.iter().any(in_value),
        Key::Object(object) => object.iter().any(|(_, value)| in_value(value)),
    }
}

fn answers_objects(plan: &Plan) -> bool {
    match (&plan.output.fields, &plan.template.source) {
        (Fields::Value(_), _) => false,
        (Fields::Named(_), _) | (Fields::All, Source::Table(_)) => true,
        (Fields::All, Source::Derived(Shape::Group(grouping))) => !matches!(grouping.output.fields, Fields::Value(_)),
        (Fields::All, Source::Derived(_)) => plan.inputs.iter().all(answers_objects),
    }
}

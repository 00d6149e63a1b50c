//! From a SELECT statement to a plan.

use circuit::{Expr, Key, Object, Operator, OrderKey, Path, Plan, Slots, Template, Value, Window};
use surrealdb_expr::expr::field::{Field, Selector};
use surrealdb_expr::expr::order::{Order, Ordering};
use surrealdb_expr::expr::part::Part;
use surrealdb_expr::expr::statements::SelectStatement;
use surrealdb_expr::expr::{Expr as SurrealExpr, Fields, Literal, With};

use crate::convert::to_surreal;
use crate::error::Error;
use crate::locate::locate;
use crate::lower::Lowering;
use crate::projection::Projection;
use crate::refusal::{Anchor, Clause, Refusal};
use crate::syntax;

/// A compiled SELECT: which rows, in what order, and what it shows of each.
#[derive(Clone, Debug)]
pub struct Query {
    pub plan: Plan,
    pub projection: Projection,
}

/// Compiles the only statement of a text, which must be a SELECT.
///
/// Parameters are folded into the plan like constants; the statement may use only those that are given. Queries that
/// differ in nothing but constants, parameters, and harmless ways of spelling compile to equal templates.
pub fn compile(text: &str, parameters: &Object) -> Result<Query, Error> {
    let statements = syntax::statements(text)?;
    let query = syntax::only_statement(statements).and_then(|statement| match statement {
        SurrealExpr::Select(select) => select_statement(&select, parameters),
        SurrealExpr::Explain { .. } => Err(Refusal::clause(Clause::Explain)),
        _ => Err(syntax::not_a_select()),
    });
    query.map_err(|refusal| locate(text, refusal))
}

fn select_statement(select: &SelectStatement, parameters: &Object) -> Result<Query, Refusal> {
    refuse_clauses(select)?;
    let mut lowering = Lowering::new(parameters);
    let fields = match &select.fields {
        Fields::Select(fields) => fields.as_slice(),
        Fields::Value(_) => return Err(Refusal::clause(Clause::Value)),
    };
    let (table, mut filter) = source(select, &mut lowering)?;
    let reads_one_record = filter.is_some();
    if let Some(condition) = &select.cond {
        let condition = lowering.expr(&condition.0)?;
        filter = Some(match filter {
            Some(source) => Expr::binary(Operator::And, source, condition),
            None => condition,
        });
    }
    let order = order(select.order.as_ref(), fields, &mut lowering)?;
    let window = window(select, &mut lowering)?;
    // SurrealDB reads a record without any other clause in a way of its own, which shapes the result differently.
    let is_plain_read = reads_one_record && select.cond.is_none() && select.order.is_none() && select.with.is_none();
    // The paths of selected fields are no columns, as the circuit does not look at them.
    let projection = Projection::compile(fields, is_plain_read, &mut Lowering::new(parameters))?;
    let template = Template { table: table.into(), columns: lowering.columns, filter, order };
    Ok(Query { plan: Plan { template, slots: Slots(lowering.slots.into()), window }, projection })
}

fn refuse_clauses(select: &SelectStatement) -> Result<(), Refusal> {
    let is_none = |expr: &SurrealExpr| matches!(expr, SurrealExpr::Literal(Literal::None));
    let refused = [
        (matches!(select.fields, Fields::Value(_)), Clause::Value),
        (!select.omit.is_empty(), Clause::Omit),
        (select.only, Clause::Only),
        // `WITH NOINDEX` changes nothing in the answer.
        (matches!(select.with, Some(With::Index(_))), Clause::With),
        (select.split.is_some(), Clause::Split),
        (select.group.is_some(), Clause::Group),
        (matches!(select.order, Some(Ordering::Random)), Clause::Order),
        (select.fetch.is_some(), Clause::Fetch),
        (!is_none(&select.version), Clause::Version),
        (!is_none(&select.timeout), Clause::Timeout),
        (select.for_update, Clause::ForUpdate),
        (select.explain.is_some(), Clause::Explain),
    ];
    match refused.into_iter().find(|(is_present, _)| *is_present) {
        Some((_, clause)) => Err(Refusal::clause(clause)),
        None => Ok(()),
    }
}

/// The table, and the condition that a single record stands for.
fn source(select: &SelectStatement, lowering: &mut Lowering) -> Result<(String, Option<Expr>), Refusal> {
    match select.what.as_slice() {
        [SurrealExpr::Table(table)] => Ok((table.as_str().to_owned(), None)),
        [SurrealExpr::Literal(Literal::RecordId(id))] => {
            let id = lowering.record_id(id)?;
            if has_numbers(&id.key) {
                // `t:[1]` and `t:[1.0]` are two records with equal ids.
                return Err(Refusal::new(
                    "a record id with a number inside of its key",
                    "is not supported yet as a source",
                    Anchor::Clause(Clause::From),
                ));
            }
            let table = id.table.to_string();
            let column = lowering.column(Path::field("id"))?;
            let id = lowering.slot(Value::from(id))?;
            Ok((table, Some(Expr::binary(Operator::Equal, Expr::Column(column), id))))
        }
        [_] => Err(Refusal::clause(Clause::From)),
        _ => Err(Refusal::new("more than one source", "is not supported yet", Anchor::Clause(Clause::From))),
    }
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

fn order(ordering: Option<&Ordering>, fields: &[Field], lowering: &mut Lowering) -> Result<Vec<OrderKey>, Refusal> {
    let Some(Ordering::Order(keys)) = ordering else {
        return Ok(Vec::new());
    };
    keys.0.iter().enumerate().map(|(number, key)| order_key(number, key, fields, lowering)).collect()
}

fn order_key(number: usize, key: &Order, fields: &[Field], lowering: &mut Lowering) -> Result<OrderKey, Refusal> {
    let refuse = |what: &str| Refusal::new(what, "is not supported yet", Anchor::OrderKey(number));
    if key.collate {
        return Err(refuse("COLLATE"));
    }
    if key.numeric {
        return Err(refuse("NUMERIC"));
    }
    let path = match selected_as(&key.value.0, fields) {
        Some(Selector { expr: SurrealExpr::Idiom(idiom), .. }) => lowering.path(&idiom.0)?,
        Some(_) => return Err(refuse("ordering by a computed value")),
        // Such a path does not follow record links in SurrealDB, other than everywhere else.
        None => {
            let path = lowering.path(&key.value.0)?;
            // A single field is the same column as in the condition.
            if path.steps().len() > 1 { path.within_row() } else { path }
        }
    };
    Ok(OrderKey { column: lowering.column(path)?, descending: !key.direction })
}

/// The selected field that an `ORDER BY` key names: by its alias, or by its own name if it is a single one.
fn selected_as<'a>(key: &[Part], fields: &'a [Field]) -> Option<&'a Selector> {
    fields.iter().find_map(|field| match field {
        Field::All => None,
        Field::Single(selector) => {
            let is_named = match (&selector.alias, &selector.expr) {
                (Some(alias), _) => alias.0 == key,
                (None, SurrealExpr::Idiom(idiom)) => {
                    matches!((key, idiom.0.as_slice()), ([Part::Field(a)], [Part::Field(b)]) if a == b)
                }
                (None, _) => false,
            };
            is_named.then_some(selector)
        }
    })
}

fn window(select: &SelectStatement, lowering: &mut Lowering) -> Result<Option<Window>, Refusal> {
    let limit = match &select.limit {
        Some(limit) => Some(count(&limit.0, Clause::Limit, "LIMIT", lowering)?),
        None => None,
    };
    let start = match &select.start {
        Some(start) => count(&start.0, Clause::Start, "START", lowering)?,
        None => 0,
    };
    Ok((limit.is_some() || start > 0).then_some(Window { start, limit }))
}

/// A number of rows, by SurrealDB's rules: fractions are cut off, and `NONE` and `NULL` are zero.
fn count(expr: &SurrealExpr, clause: Clause, name: &str, lowering: &mut Lowering) -> Result<u64, Refusal> {
    let anchor = Anchor::Clause(clause);
    let depends_on_row = || Refusal::new(format!("a {name} that depends on a row"), "is not supported", anchor.clone());
    let value = lowering.constant_or(expr, depends_on_row)?;
    let number = match to_surreal(&value) {
        Ok(surrealdb_expr::val::Value::Number(number)) => number.to_int(),
        Ok(surrealdb_expr::val::Value::None | surrealdb_expr::val::Value::Null) => 0,
        _ => return Err(Refusal::invalid(format!("{name} must be a number"), anchor)),
    };
    u64::try_from(number).map_err(|_| Refusal::invalid(format!("{name} must not be negative"), anchor))
}

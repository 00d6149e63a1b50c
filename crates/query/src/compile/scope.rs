//! What an expression of a SELECT finds around it, and what it makes of that.

use std::cell::Cell;
use std::collections::HashMap;
use std::convert::Infallible;

use circuit::{Constant, Expr, Failure, Object, Path, PathStep, Plan, Scope, Slot, Value};
use surrealdb_expr::expr::Expr as SurrealExpr;
use surrealdb_expr::expr::part::Part;
use surrealdb_expr::expr::statements::SelectStatement;
use surrealdb_expr::expr::visit::{Visit, Visitor};

use super::permission::Access;
use super::select;
use super::source::Rows;
use crate::SurrealLibrary;
use crate::refusal::{Anchor, Construct, Refusal};
use crate::scalar::{self, Resolver, Unread};

/// The most nodes of expressions that a query may compile to, with some for each SELECT. A SELECT in a condition is
/// compiled once for each source that the condition is pushed to, and one that is ordered by once more, so a short text
/// could otherwise ask for a plan that never ends.
const MAX_NODES: usize = 1 << 16;
const NODES_OF_SELECT: usize = 16;

/// The most SELECT statements in a query.
const MAX_SELECTS: usize = 256;

/// What is known of a whole query while it is compiled.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) parameters: &'a Object,
    /// The number of each SELECT, in the order of the text, by its address.
    selects: HashMap<*const SelectStatement, usize>,
    nodes: Cell<usize>,
    /// What the rows are of the SELECT whose expressions are compiled, and of the one around it.
    rows: Cell<Rows>,
    rows_around: Cell<Rows>,
    /// Who asks, if that is not somebody who may see everything.
    pub(super) access: Option<Access<'a>>,
}

/// Where a SELECT stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// On its own: `$parent` is nothing.
    Root,
    /// Inside of another one, whose row is `$parent`.
    Inner,
}

/// An expression whose row is that of its SELECT. Its slots are the numbers of [`Lowered::outer`], and its subqueries
/// those of [`Lowered::subqueries`]; a [`Builder`](super::builder::Builder) gives both their place.
#[derive(Clone, Debug)]
pub(super) struct Lowered {
    pub(super) expr: Expr,
    pub(super) outer: Vec<Outer>,
    pub(super) subqueries: Vec<Plan>,
}

/// What an expression takes from outside of its SELECT.
#[derive(Clone, Debug)]
pub(super) enum Outer {
    Parameter(Value),
    /// A value of the row of the SELECT around.
    Parent(Expr),
}

impl<'a> Context<'a> {
    pub(super) fn new(statement: &SelectStatement, parameters: &'a Object) -> Result<Self, Refusal> {
        let mut selects = Selects(HashMap::new());
        let Ok(()) = selects.visit_select(statement);
        if selects.0.len() > MAX_SELECTS {
            return Err(Refusal::too_large());
        }
        Ok(Context { selects: selects.0, ..Context::without_statement(parameters) })
    }

    /// For an expression on its own.
    pub(super) fn without_statement(parameters: &'a Object) -> Self {
        Context {
            parameters,
            selects: HashMap::new(),
            nodes: Cell::new(0),
            rows: Cell::new(Rows::Objects),
            rows_around: Cell::new(Rows::Objects),
            access: None,
        }
    }

    /// For somebody who may not see everything, if there is one.
    pub(super) fn with_access(self, access: Option<Access<'a>>) -> Self {
        Context { access, ..self }
    }

    /// Tells in which SELECT a refusal arose, if that is not known yet.
    pub(super) fn within(&self, select: &SelectStatement, refusal: Refusal) -> Refusal {
        let number = self.selects.get(&std::ptr::from_ref(select)).copied();
        Refusal { select: refusal.select.or(number), ..refusal }
    }

    /// Lowers an expression of a SELECT.
    pub(super) fn lower(&self, expr: &SurrealExpr, standing: Standing) -> Result<Lowered, Refusal> {
        self.lowered(standing, |names| scalar::scalar(expr, names))
    }

    /// An expression that `make` makes, reading no more than one may.
    pub(super) fn lowered(
        &self,
        standing: Standing,
        make: impl FnOnce(&mut Names) -> Result<Expr, Refusal>,
    ) -> Result<Lowered, Refusal> {
        let mut names = Names { context: self, standing, outer: Vec::new(), subqueries: Vec::new() };
        let expr = make(&mut names)?;
        let expr = self.guarded(expr, self.rows.get(), &mut names)?;
        let Names { outer, subqueries, .. } = names;
        self.count(&expr)?;
        Ok(Lowered { expr, outer, subqueries })
    }

    /// The value of an expression that must not depend on rows or records.
    pub(super) fn constant(&self, expr: &SurrealExpr, standing: Standing) -> Result<Option<Value>, Refusal> {
        self.lower(expr, standing)?.constant()
    }

    /// What the row around a SELECT is whose sources are compiled.
    pub(super) fn rows_around(&self) -> Rows {
        self.rows.get()
    }

    /// Does something among the expressions of a SELECT with such rows.
    pub(super) fn among_rows<T>(&self, rows: Rows, compile: impl FnOnce() -> T) -> T {
        let around = (self.rows.get(), self.rows_around.replace(self.rows.get()));
        self.rows.set(rows);
        let compiled = compile();
        self.rows.set(around.0);
        self.rows_around.set(around.1);
        compiled
    }

    /// Counts one more SELECT.
    pub(super) fn count_select(&self) -> Result<(), Refusal> {
        self.spend(NODES_OF_SELECT)
    }

    fn count(&self, expr: &Expr) -> Result<(), Refusal> {
        let mut nodes = 0;
        expr.any(&mut |_| {
            nodes += 1;
            nodes > MAX_NODES
        });
        self.spend(nodes)
    }

    fn spend(&self, nodes: usize) -> Result<(), Refusal> {
        let nodes = self.nodes.get().saturating_add(nodes);
        self.nodes.set(nodes);
        if nodes > MAX_NODES { Err(Refusal::too_large()) } else { Ok(()) }
    }
}

impl Lowered {
    /// Whether the value depends on the row.
    pub(super) fn needs_row(&self, expr: &Expr) -> bool {
        expr.any(&mut |expr| match expr {
            Expr::Row | Expr::Path(_) | Expr::Column(_) => true,
            Expr::Subquery(number) => self.subquery(*number).is_some_and(is_correlated),
            _ => false,
        })
    }

    /// Whether the value depends on something that is the same for all rows and still no constant.
    pub(super) fn has_outer(&self, expr: &Expr) -> bool {
        expr.any(&mut |expr| match expr {
            Expr::Slot(_) => true,
            Expr::Subquery(number) => self.subquery(*number).is_some_and(|plan| !is_correlated(plan)),
            _ => false,
        })
    }

    pub(super) fn subquery(&self, number: u16) -> Option<&Plan> {
        self.subqueries.get(usize::from(number))
    }

    pub(super) fn outer(&self, number: u16) -> Option<&Outer> {
        self.outer.get(usize::from(number))
    }

    /// The value of an expression that depends on no rows or records; `None` if it does.
    pub(super) fn constant(&self) -> Result<Option<Value>, Refusal> {
        let Some(expr) = self.without_outer() else {
            return Ok(None);
        };
        match value_of(&expr) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(Failure(message))) => Err(Refusal::invalid(&*message, Anchor::Statement)),
        }
    }

    /// The expression with parameters as constants and values of the row around as paths of that row.
    pub(super) fn in_outer_scope(&self, expr: Expr) -> Expr {
        let expr = replace_leaves(expr, &mut |leaf| match leaf {
            Expr::Slot(number) => match self.outer.get(usize::from(number)) {
                Some(Outer::Parameter(value)) => Expr::Constant(Constant(value.clone())),
                Some(Outer::Parent(expr)) => expr.clone(),
                None => Expr::Slot(number),
            },
            other => other,
        });
        let may_nest = |outer: &Outer| matches!(outer, Outer::Parent(Expr::Guarded(..)));
        if self.outer.iter().any(may_nest) { guarded_once(expr, false) } else { expr }
    }

    /// Whether the expression reads the row around.
    pub(super) fn reads_parent(&self, expr: &Expr) -> bool {
        expr.any(&mut |expr| match expr {
            Expr::Slot(number) => matches!(self.outer.get(usize::from(*number)), Some(Outer::Parent(_))),
            _ => false,
        })
    }

    /// The expression with parameters as constants, unless it reads the row around.
    pub(super) fn without_outer(&self) -> Option<Expr> {
        let reads_parent = self.outer.iter().any(|outer| matches!(outer, Outer::Parent(_)));
        (!reads_parent).then(|| self.in_outer_scope(self.expr.clone()))
    }
}

/// The expression without guards inside of guards: what a policy reads is not subject to another one.
fn guarded_once(expr: Expr, is_guarded: bool) -> Expr {
    match expr {
        Expr::Guarded(_, inner) if is_guarded => guarded_once(*inner, true),
        Expr::Guarded(policy, inner) => Expr::Guarded(policy, Box::new(guarded_once(*inner, true))),
        other => {
            let Ok(other) = other.map_children(&mut |child, _| Ok::<_, Infallible>(guarded_once(child, is_guarded)));
            other
        }
    }
}

/// Whether the rows of a subquery depend on the row of the query around it.
pub(super) fn is_correlated(plan: &Plan) -> bool {
    let reads_row = |slot: &Slot| matches!(slot, Slot::Computed(expr) if expr.needs_row());
    plan.slots.iter().any(reads_row) || plan.inputs.iter().any(is_correlated)
}

/// The value of an expression that reads neither rows nor records; `None` for any other.
pub(super) fn value_of(expr: &Expr) -> Option<Result<Value, Failure>> {
    if let Expr::Constant(Constant(value)) = expr {
        return Some(Ok(value.clone()));
    }
    let depends = |expr: &Expr| matches!(expr, Expr::Slot(_) | Expr::Subquery(_));
    if expr.needs_row() || !expr.is_closed() || expr.any(&mut |expr| depends(expr)) {
        return None;
    }
    let mut unread = Unread::default();
    let value = expr.evaluate(&Scope::default(), &mut unread, &SurrealLibrary).map(|value| value.into_owned());
    (!unread.was_asked).then_some(value)
}

/// The expression with each leaf in it replaced.
pub(super) fn replace_leaves(expr: Expr, replace: &mut dyn FnMut(Expr) -> Expr) -> Expr {
    let Ok(expr) = try_replace_leaves::<Infallible>(expr, &mut |leaf| Ok(replace(leaf)));
    expr
}

/// The expression with each leaf in it replaced, if all can be.
pub(super) fn try_replace_leaves<E>(expr: Expr, replace: &mut dyn FnMut(Expr) -> Result<Expr, E>) -> Result<Expr, E> {
    match expr {
        leaf @ (Expr::Row
        | Expr::Column(_)
        | Expr::Slot(_)
        | Expr::Subquery(_)
        | Expr::Local(_)
        | Expr::Constant(_)
        | Expr::Path(_)) => replace(leaf),
        inner => inner.map_children(&mut |child, _| try_replace_leaves(child, replace)),
    }
}

/// Collects what an expression takes from outside while it is lowered.
#[derive(Debug)]
pub(super) struct Names<'c, 'a> {
    context: &'c Context<'a>,
    pub(super) standing: Standing,
    outer: Vec<Outer>,
    pub(super) subqueries: Vec<Plan>,
}

impl Names<'_, '_> {
    /// Lowers an expression that is not about the rows of a SELECT, but about a record.
    pub(super) fn among_records<T>(&mut self, lower: impl FnOnce(&mut Self) -> T) -> T {
        self.context.among_rows(Rows::Objects, || lower(self))
    }

    fn outer(&mut self, outer: Outer) -> Result<Expr, Refusal> {
        let number = number_of(self.outer.len())?;
        self.outer.push(outer);
        Ok(Expr::Slot(number))
    }
}

impl Resolver for Names<'_, '_> {
    fn parameter(&mut self, name: &str) -> Result<Expr, Refusal> {
        match self.context.value_of_parameter(name)? {
            Some(value) => self.outer(Outer::Parameter(value)),
            // SurrealDB would look for a `DEFINE PARAM`, which may change at any time.
            None => Err(Refusal::unknown_parameter(name)),
        }
    }

    fn parent(&mut self, parts: &[Part]) -> Result<Expr, Refusal> {
        if self.standing == Standing::Root {
            let anchor = Anchor::Parameter("parent".into());
            return Err(Refusal::new("$parent outside of a subquery", "has no meaning", anchor));
        }
        let mut none = Names { context: self.context, standing: Standing::Root, outer: vec![], subqueries: vec![] };
        let expr = if parts.is_empty() { Expr::Row } else { scalar::idiom(parts, &mut none)? };
        let expr = self.context.guarded(expr, self.context.rows_around.get(), &mut none)?;
        if !none.subqueries.is_empty() {
            let what = "a path from $parent to another record, where a permission has a subquery";
            return Err(Refusal::new(what, "is not supported", Anchor::Parameter("parent".into())));
        }
        let parent = Lowered { expr: Expr::Row, outer: none.outer, subqueries: none.subqueries };
        self.outer(Outer::Parent(parent.in_outer_scope(expr)))
    }

    fn asks_records(&self, name: &str) -> Result<(), Refusal> {
        if self.context.access.is_none() {
            return Ok(());
        }
        let reason = "is not supported for record users, as SurrealDB asks permissions in another way there";
        Err(Refusal::new(format!("the function {name}()"), reason, Anchor::Construct(Construct::Function(name.into()))))
    }

    fn subquery(&mut self, statement: &SelectStatement) -> Result<Expr, Refusal> {
        let number = number_of(self.subqueries.len())?;
        let plan = select::compile(statement, self.context, Standing::Inner)?;
        self.subqueries.push(plan);
        Ok(Expr::Subquery(number))
    }
}

/// A count as the number of a column, a slot or a subquery.
pub(super) fn number_of(count: usize) -> Result<u16, Refusal> {
    u16::try_from(count).map_err(|_| Refusal::too_large())
}

/// The first name of a path.
pub(super) fn root_of(path: &Path) -> Option<&str> {
    match path.steps().first() {
        Some(PathStep::Field(name)) => Some(name),
        _ => None,
    }
}

struct Selects(HashMap<*const SelectStatement, usize>);

impl Visitor for Selects {
    type Error = Infallible;

    fn visit_select(&mut self, select: &SelectStatement) -> Result<(), Infallible> {
        let number = self.0.len();
        self.0.insert(std::ptr::from_ref(select), number);
        select.visit(self)
    }
}

//! What the engine is asked to maintain: a template, the binding of its slots, and a window.
//!
//! A plan is a tree. Its rows come from a table, or from other plans ([`Source::Derived`]); its slots may depend on
//! subqueries ([`Plan::lookups`]), and so may its columns ([`Template::lookups`]); and under each of its rows it may show
//! the rows of further subqueries ([`Template::children`]). A subquery is itself a plan, whose slots are computed from
//! the row that it belongs to: the join with its bindings is the same as for a view that was registered.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::derived::aggregate::AggregateFunction;
use crate::expr::{Constant, Expr};
use crate::output::Output;
use crate::value::{Value, identity};

/// A query with all its constants and parameters lifted out. Queries with the same template share one circuit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template {
    /// Where the rows come from.
    pub source: Source,
    /// The values of a row that the condition and the order look at: expressions over the row, and over the answers of
    /// [`Template::lookups`]. They don't know the slots.
    pub columns: Vec<Expr>,
    /// Subqueries that columns read, for each row of the source. Their slots are computed from the row.
    pub lookups: Vec<Plan>,
    /// The condition, over columns and slots; without one every row of the source belongs to the result.
    ///
    /// A row for which it can't be evaluated is no row of the result; SurrealDB answers an error then, and no rows. What
    /// it does not look at, as `f(b)` in `a = 1 AND f(b)` where `a` is not 1, does not matter.
    pub filter: Option<Expr>,
    /// The order of the rows. Rows that are equal under it follow in the order of the source: of a table, by ascending
    /// record id.
    pub order: Vec<OrderKey>,
    /// Subqueries whose rows are shown under each row. Their slots are computed from the row and the slots.
    pub children: Vec<Child>,
}

/// Where the rows of a template come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The records of a table.
    Table(Arc<str>),
    /// The answers of [`Plan::inputs`], made into rows.
    Derived(Shape),
}

/// How the rows of a derived source follow from the answers of its inputs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// One row, which is `NONE`. No input.
    Once,
    /// One row for each item of a list; one of a value that is no list. What is `NONE` or `NULL` is no row. A link stands
    /// for the record that it points to, and is no row if there is none. One input of one row, which is the list.
    ///
    /// If all items are links, they are records: rows have the ids of these. Otherwise each has an id of its own.
    Items { are_records: bool },
    /// The rows themselves, of one input after the other.
    Rows,
    /// One row for each item of the lists at these paths, as `SPLIT` makes them. One input.
    Split(Vec<Vec<Arc<str>>>),
    /// One row for each group, as `GROUP BY` makes them. One input, each row of which is an array: the values of the
    /// grouping keys, then the argument of each aggregate.
    Group(Grouping),
}

/// `GROUP BY` and `GROUP ALL`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grouping {
    /// The number of keys; none means `GROUP ALL`.
    pub keys: u16,
    pub aggregates: Vec<Aggregate>,
    /// What is shown of a group: over columns, which are the values of the keys followed by those of the aggregates.
    pub output: Arc<Output>,
}

/// One aggregate of a [`Grouping`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Aggregate {
    pub function: AggregateFunction,
    /// What the function takes besides the values of the rows, such as a separator.
    pub extra: Vec<Constant>,
}

/// A subquery whose rows are shown under the rows of its parent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Child {
    /// The name under which the parent's answer has it.
    pub relation: Arc<str>,
    pub plan: Plan,
}

/// One key of `ORDER BY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OrderKey {
    /// The number of the template's column.
    pub column: u16,
    pub descending: bool,
    /// `COLLATE`: texts compare without regard to accents and case first.
    pub collate: bool,
    /// `NUMERIC`: digits in texts compare as numbers.
    pub numeric: bool,
    /// Record ids compare as SurrealDB reads the records, and not as values: all `t:[1, ..]` before any `t:[1.0, ..]`.
    pub as_read: bool,
}

/// `START` and `LIMIT`: the rows from rank `start` on, at most `limit` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    pub start: u64,
    /// No limit means all rows from `start` on.
    pub limit: Option<u64>,
}

/// A query, ready to be registered with [`Circuit::register`](crate::Circuit::register).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    pub template: Arc<Template>,
    /// The values of the template's slots.
    pub slots: Vec<Slot>,
    /// Subqueries that computed slots read.
    pub lookups: Vec<Plan>,
    /// What a derived source is made from.
    pub inputs: Vec<Plan>,
    pub window: Option<Window>,
    /// What is answered of each row.
    pub output: Arc<Output>,
}

/// Where the value of a slot comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    Constant(Constant),
    /// Computed, and kept up to date, in the scope around the plan: of a subquery, the row and the slots of its parent; of
    /// a registered plan, records and the answers of [`Plan::lookups`].
    Computed(Expr),
}

/// The values of a template's slots; one that can't be computed has none. Equal means identical, so that two queries
/// with `1` and `1.0` are not confused.
#[derive(Clone, Debug, Default)]
pub struct Slots(pub(crate) SmallVec<[Option<Value>; 1]>);

impl Plan {
    /// A plan over a table whose slots are constants, answering whole rows.
    pub fn new(template: Template, slots: Slots, window: Option<Window>) -> Plan {
        Plan {
            template: Arc::new(template),
            slots: slots.0.into_iter().flatten().map(|value| Slot::Constant(Constant(value))).collect(),
            lookups: Vec::new(),
            inputs: Vec::new(),
            window,
            output: Arc::default(),
        }
    }

    /// Whether rows of this plan are no records: groups, the parts of split rows, and what is selected from these. Their
    /// ids say which group or part they are, and lead to no record.
    pub fn has_own_rows(&self) -> bool {
        match &self.template.source {
            Source::Table(_) => false,
            Source::Derived(Shape::Rows) => self.inputs.iter().any(Plan::has_own_rows),
            Source::Derived(Shape::Items { are_records }) => !are_records,
            Source::Derived(Shape::Once | Shape::Split(_) | Shape::Group(_)) => true,
        }
    }

    /// Whether the same record may be several rows of this plan, as under `FROM thread:1, thread:1`.
    pub fn may_repeat_rows(&self) -> bool {
        match &self.template.source {
            Source::Table(_) | Source::Derived(Shape::Once | Shape::Group(_)) => false,
            Source::Derived(Shape::Items { are_records }) => *are_records,
            Source::Derived(Shape::Rows) => self.inputs.len() > 1 || self.inputs.iter().any(Plan::may_repeat_rows),
            Source::Derived(Shape::Split(_)) => self.inputs.iter().any(Plan::may_repeat_rows),
        }
    }

    /// The plans of the subqueries that are shown under the rows, by their numbers.
    pub fn children(&self) -> impl Iterator<Item = &Child> {
        self.template.children.iter()
    }

    /// Calls `visit` with each table that rows of the plan, or of a plan inside of it, come from.
    pub fn tables<'a>(&'a self, visit: &mut impl FnMut(&'a Arc<str>)) {
        if let Source::Table(name) = &self.template.source {
            visit(name);
        }
        let template = &self.template;
        let parts = self.lookups.iter().chain(&self.inputs).chain(&template.lookups);
        parts.chain(self.children().map(|child| &child.plan)).for_each(|plan| plan.tables(visit));
    }
}

impl Source {
    /// Whether a row may be a link, or a list of them, so that any path from it leads to another record.
    pub(crate) fn may_have_links_as_rows(&self) -> bool {
        matches!(self, Source::Derived(Shape::Rows | Shape::Items { are_records: false }))
    }
}

impl Template {
    /// A template over a table, without subqueries.
    pub fn of_table(
        table: impl Into<Arc<str>>,
        columns: Vec<Expr>,
        filter: Option<Expr>,
        order: Vec<OrderKey>,
    ) -> Template {
        let source = Source::Table(table.into());
        Template { source, columns, lookups: Vec::new(), filter, order, children: Vec::new() }
    }
}

impl OrderKey {
    /// A column in SurrealDB's total order.
    pub fn new(column: u16, descending: bool) -> Self {
        OrderKey { column, descending, collate: false, numeric: false, as_read: false }
    }
}

impl Window {
    /// The rank behind the last row of the window.
    pub fn end(&self) -> u64 {
        self.limit.map_or(u64::MAX, |limit| self.start.saturating_add(limit))
    }
}

impl PartialEq for Slots {
    fn eq(&self, other: &Self) -> bool {
        identity::are_identical_attempts(&self.0, &other.0)
    }
}

impl Eq for Slots {}

impl Hash for Slots {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for value in &self.0 {
            match value {
                Some(value) => identity::hash_identity(value, state),
                None => state.write_u8(u8::MAX),
            }
        }
    }
}

impl FromIterator<Value> for Slots {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        let mut slots = Slots(values.into_iter().map(Some).collect());
        slots.0.shrink_to_fit();
        slots
    }
}

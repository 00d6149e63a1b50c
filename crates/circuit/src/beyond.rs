//! What a plan may read of other records than the rows of its tables: behind links, at the ends of edges, by `FETCH`.
//!
//! Which records these are is not known before they are read, but the names of the fields are. Whoever can't keep a field up
//! to date finds the plans here that may show it.

use crate::expr::path::{Path, Step};
use crate::expr::{Expr, GraphStep, Part, Pick};
use crate::output::{Fields, Output};
use crate::plan::{Plan, Shape, Slot, Source};
use crate::value::Value;

/// Something that may be read of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond<'a> {
    Field(&'a str),
    /// All fields.
    Whole,
}

impl Plan {
    /// Calls `visit` with what may be read of other records than the rows of [`Plan::tables`]: with too much rather than too
    /// little, as a path does not tell whether it leads through an object or through a link. O(plan).
    pub fn beyond<'a>(&'a self, visit: &mut dyn FnMut(Beyond<'a>)) {
        self.beyond_under(false, visit);
    }

    /// `around`: whether the row to which the slots belong may be a record that a link has led to.
    fn beyond_under<'a>(&'a self, around: bool, visit: &mut dyn FnMut(Beyond<'a>)) {
        let template = &*self.template;
        let is_beyond = match &template.source {
            Source::Table(_) => false,
            Source::Derived(Shape::Items { .. } | Shape::Rows) => true,
            Source::Derived(Shape::Once | Shape::Split(_) | Shape::Group(_)) => false,
        };
        for slot in &self.slots {
            if let Slot::Computed(expr) = slot {
                beyond_row(expr, around, visit);
            }
        }
        let expressions = template.columns.iter().chain(&template.filter);
        expressions.for_each(|expr| beyond_row(expr, is_beyond, visit));
        self.output.beyond(is_beyond, visit);
        if matches!((&template.source, &self.output.fields), (Source::Derived(Shape::Items { .. }), Fields::All)) {
            visit(Beyond::Whole);
        }
        if let Source::Derived(Shape::Group(grouping)) = &template.source {
            grouping.output.beyond(true, visit);
        }
        self.lookups.iter().chain(&self.inputs).for_each(|plan| plan.beyond_under(around, visit));
        let inner = template.lookups.iter().chain(self.children().map(|child| &child.plan));
        inner.for_each(|plan| plan.beyond_under(is_beyond, visit));
    }
}

impl Output {
    fn beyond<'a>(&'a self, is_beyond: bool, visit: &mut dyn FnMut(Beyond<'a>)) {
        self.expressions(&mut |expr| beyond_row(expr, is_beyond, visit));
        let is_link_shown = is_beyond && matches!(&self.fields, Fields::Named(named) if named.all);
        if is_link_shown || !self.fetch.is_empty() {
            visit(Beyond::Whole);
        }
    }
}

/// `is_beyond`: whether the row itself may be another record.
fn beyond_row<'a>(expr: &'a Expr, is_beyond: bool, visit: &mut dyn FnMut(Beyond<'a>)) {
    match expr {
        Expr::Path(path) => beyond_path(path, is_beyond, visit),
        Expr::Walk(start, parts) => {
            beyond_row(start, is_beyond, visit);
            let own = match (&**start, parts.first()) {
                (Expr::Row, Some(Part::Field(_) | Part::ItemField(_))) if !is_beyond => 1,
                _ => 0,
            };
            parts.iter().skip(own).for_each(|part| beyond_part(part, is_beyond, visit));
        }
        other => other.children(&mut |child, _| beyond_row(child, is_beyond, visit)),
    }
}

fn beyond_path<'a>(path: &'a Path, is_beyond: bool, visit: &mut dyn FnMut(Beyond<'a>)) {
    for step in path.steps().iter().skip(usize::from(!is_beyond)) {
        if let Step::Field(name) = step {
            visit(Beyond::Field(name));
        }
    }
}

fn beyond_part<'a>(part: &'a Part, is_beyond: bool, visit: &mut dyn FnMut(Beyond<'a>)) {
    match part {
        Part::Field(name) | Part::ItemField(name) => visit(Beyond::Field(name)),
        Part::All => visit(Beyond::Whole),
        Part::Flatten | Part::First | Part::Last | Part::Optional => {}
        Part::Index(index) => match index {
            Expr::Constant(constant) => {
                if let Value::String(name) = &constant.0 {
                    visit(Beyond::Field(name));
                }
            }
            index => {
                visit(Beyond::Whole);
                beyond_row(index, is_beyond, visit);
            }
        },
        Part::Where(expr) | Part::Then(expr) => beyond_row(expr, is_beyond, visit),
        Part::Destructure(picks) => picks.iter().for_each(|pick| beyond_pick(pick, is_beyond, visit)),
        Part::Graph(steps, _) => steps.iter().for_each(|step| beyond_step(step, is_beyond, visit)),
    }
}

fn beyond_pick<'a>(pick: &'a Pick, is_beyond: bool, visit: &mut dyn FnMut(Beyond<'a>)) {
    match pick {
        Pick::Field(name) => visit(Beyond::Field(name)),
        Pick::All(name) => {
            visit(Beyond::Field(name));
            visit(Beyond::Whole);
        }
        Pick::Path(_, start, parts) => {
            beyond_row(start, is_beyond, visit);
            parts.iter().for_each(|part| beyond_part(part, is_beyond, visit));
        }
        Pick::Nested(name, picks) => {
            visit(Beyond::Field(name));
            picks.iter().for_each(|pick| beyond_pick(pick, is_beyond, visit));
        }
    }
}

fn beyond_step<'a>(step: &'a GraphStep, is_beyond: bool, visit: &mut dyn FnMut(Beyond<'a>)) {
    let GraphStep { condition, order, start, limit, value, .. } = step;
    let order = order.iter().map(|(key, _)| key);
    let all = condition.iter().chain(order).chain(start).chain(limit).chain(value);
    all.for_each(|expr| beyond_row(expr, is_beyond, visit));
}

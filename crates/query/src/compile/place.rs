//! Where the parts of an expression are evaluated: in columns, once for each row; in slots, once for each binding; or
//! where both meet.

use std::sync::Arc;

use circuit::{Constant, Expr, Only, Operator, Output, Plan, Policy, Shape, Slot, Source};

use super::builder::{Builder, normalised};
use super::scope::{Lowered, Outer, Standing, is_correlated, try_replace_leaves, value_of};
use crate::refusal::{Anchor, Refusal};

impl Builder {
    /// Places an expression that is looked at while rows are chosen. What depends on the row alone becomes a column,
    /// what does not depend on it a slot, and operators that compare and combine stay over both.
    pub(super) fn condition(&mut self, lowered: &Lowered) -> Result<Expr, Refusal> {
        self.operand(lowered.expr.clone(), lowered)
    }

    /// Places an expression that must be a column: rows are ordered by it. Parameters are part of it.
    pub(super) fn order_column(&mut self, lowered: &Lowered, anchor: Anchor) -> Result<u16, Refusal> {
        let Some(expr) = lowered.without_outer() else {
            return Err(Refusal::new("an order that depends on $parent", "is not supported", anchor));
        };
        let expr = self.with_column_lookups(expr, lowered)?;
        self.column(expr)
    }

    /// An operand of an operator that stays in the condition, or the condition itself.
    fn operand(&mut self, expr: Expr, lowered: &Lowered) -> Result<Expr, Refusal> {
        if !lowered.needs_row(&expr) && expr.is_closed() {
            return self.outer_value(expr, lowered);
        }
        match expr {
            Expr::Not(inner) => Ok(Expr::Not(Box::new(self.operand(*inner, lowered)?))),
            Expr::Binary(operator, left, right) => {
                let (left_holds, right_holds) = held_by(operator);
                let left = self.member_of(*left, left_holds, lowered)?;
                let right = self.member_of(*right, right_holds, lowered)?;
                Ok(normalised(operator, left, right))
            }
            other => self.inside(other, lowered),
        }
    }

    /// An operand; one that is asked whether it holds others is kept in a form in which its items are rows.
    fn member_of(&mut self, expr: Expr, holds: bool, lowered: &Lowered) -> Result<Expr, Refusal> {
        if let (true, Expr::Subquery(number)) = (holds, &expr)
            && let Some(plan) = lowered.subquery(*number)
            && !is_correlated(plan)
            && plan.output.only == Only::No
        {
            let rows = Builder::new(Standing::Root, Source::Derived(Shape::Rows), vec![plan.clone()]);
            let lookup = self.slot_lookup(rows.finish(Output::default()))?;
            return self.slot(Slot::Computed(Expr::Subquery(lookup)));
        }
        self.operand(expr, lowered)
    }

    /// A part of an expression that is no operator: what of it is constant stays in it.
    fn inside(&mut self, expr: Expr, lowered: &Lowered) -> Result<Expr, Refusal> {
        let has_outer = lowered.has_outer(&expr);
        if expr.is_closed() {
            if !has_outer && lowered.needs_row(&expr) {
                let expr = self.with_column_lookups(expr, lowered)?;
                return self.column(expr).map(Expr::Column);
            }
            if has_outer && !lowered.needs_row(&expr) {
                return self.outer_value(expr, lowered);
            }
        }
        if !has_outer && !lowered.needs_row(&expr) {
            return Ok(expr);
        }
        if expr.is_closed() && (reads_records(&expr, lowered) || self.walks_from_a_list(&expr)) {
            return self.column_with_parameters(expr, lowered);
        }
        expr.map_children(&mut |child, _| self.inside(child, lowered))
    }

    /// Whether a path may go on from each item of a row that is a list, with all its parts: it can't be taken apart.
    fn walks_from_a_list(&self, expr: &Expr) -> bool {
        let starts_at_row =
            |expr: &Expr| matches!(expr, Expr::Walk(start, _) if matches!(**start, Expr::Row | Expr::Path(_)));
        self.may_have_lists_as_rows() && expr.any(&mut |expr| starts_at_row(expr))
    }

    /// A column for an expression that reads other records on its way, which a condition can't: parameters in it are
    /// constants of the template.
    pub(super) fn column_with_parameters(&mut self, expr: Expr, lowered: &Lowered) -> Result<Expr, Refusal> {
        if lowered.reads_parent(&expr) {
            let what = "a path that goes on from a value with $parent inside of it";
            let anchor = Anchor::Parameter("parent".into());
            return Err(Refusal::new(what, "is not supported in a condition", anchor));
        }
        let expr = self.with_column_lookups(lowered.in_outer_scope(expr), lowered)?;
        self.column(expr).map(Expr::Column)
    }

    /// A slot for a value that is the same for all rows.
    fn outer_value(&mut self, expr: Expr, lowered: &Lowered) -> Result<Expr, Refusal> {
        let expr = lowered.in_outer_scope(expr);
        if let Some(Ok(value)) = value_of(&expr) {
            return self.slot(Slot::Constant(Constant(value)));
        }
        let expr = with_subqueries(expr, lowered, &mut |plan| self.slot_lookup(plan))?;
        self.slot(Slot::Computed(expr))
    }

    fn with_column_lookups(&mut self, expr: Expr, lowered: &Lowered) -> Result<Expr, Refusal> {
        with_subqueries(expr, lowered, &mut |plan| self.column_lookup(plan))
    }

    /// Places the value of a source, which is computed before there are rows: what it takes from outside and all
    /// constants are slots, and fields are those of the row around. `None` if there is no row around.
    pub(super) fn source_value(&mut self, lowered: &Lowered) -> Result<Option<Expr>, Refusal> {
        if self.standing == Standing::Root && lowered.needs_row(&lowered.expr) {
            return Ok(None);
        }
        if lowered.expr.has_subquery() {
            // Its `$parent` is the row around, too.
            return self.outer_value(lowered.expr.clone(), lowered).map(Some);
        }
        self.source_part(lowered.expr.clone(), lowered).map(Some)
    }

    /// Places a part of what is shown under a guard. Nothing that reads records may be taken out of it, into a slot.
    fn guarded_part(&mut self, expr: Expr, lowered: &Lowered, name: Option<&str>) -> Result<Expr, Refusal> {
        match expr {
            leaf @ (Expr::Slot(_) | Expr::Subquery(_)) => self.shown_part(leaf, lowered, name),
            other => other.map_children(&mut |child, _| self.guarded_part(child, lowered, name)),
        }
    }

    fn source_part(&mut self, expr: Expr, lowered: &Lowered) -> Result<Expr, Refusal> {
        match expr {
            Expr::Slot(number) => match lowered.outer(number) {
                Some(Outer::Parameter(value)) => self.slot(Slot::Constant(Constant(value.clone()))),
                Some(Outer::Parent(expr)) => self.slot(Slot::Computed(expr.clone())),
                None => Ok(Expr::Slot(number)),
            },
            Expr::Constant(constant) => self.slot(Slot::Constant(constant)),
            own @ (Expr::Row | Expr::Path(_)) => self.slot(Slot::Computed(own)),
            // What it guards must not be taken out of it.
            guarded @ Expr::Guarded(..) if guarded.is_closed() => self.outer_value(guarded, lowered),
            Expr::Guarded(policy, inner) if !inner.needs_row() => {
                let policy = policy.map(&mut |expr, _| self.policy_part(expr, lowered))?;
                Ok(Expr::Guarded(policy.into(), Box::new(self.source_part(*inner, lowered)?)))
            }
            Expr::Guarded(..) => {
                let what = "a path to other records inside of a list behind FROM";
                Err(Refusal::new(what, "is not supported for record users", Anchor::Statement))
            }
            inner => inner.map_children(&mut |child, _| self.source_part(child, lowered)),
        }
    }

    /// Places an expression of a policy, or one over a record that is bound around it: what does not depend on the record
    /// is a slot, the same for whatever asks for it.
    pub(super) fn policy_part(&mut self, expr: Expr, lowered: &Lowered) -> Result<Expr, Refusal> {
        if !expr.is_closed() {
            return expr.map_children(&mut |child, _| self.policy_part(child, lowered));
        }
        if !lowered.has_outer(&expr) {
            return Ok(expr);
        }
        if lowered.subqueries.is_empty() {
            let value = lowered.in_outer_scope(expr.clone());
            return self.policy_slot(value, |builder| builder.outer_value(expr, lowered));
        }
        self.outer_value(expr, lowered)
    }

    /// The policy that is around an expression.
    pub(super) fn policy(&mut self, lowered: &Lowered) -> Result<Option<Arc<Policy>>, Refusal> {
        let Expr::Guarded(policy, _) = &lowered.expr else { return Ok(None) };
        let policy = policy.map(&mut |expr, _| self.policy_part(expr, lowered))?;
        Ok(Some(self.shared_policy(policy)))
    }

    /// Places an expression whose value is shown. Subqueries become children under the given name if they are all there
    /// is to the expression.
    pub(super) fn shown(&mut self, lowered: &Lowered, name: Option<&str>) -> Result<Expr, Refusal> {
        let is_whole = match unguarded(&lowered.expr) {
            Expr::Subquery(_) => true,
            Expr::Walk(start, _) => matches!(**start, Expr::Subquery(_)),
            _ => false,
        };
        self.shown_part(lowered.expr.clone(), lowered, name.filter(|_| is_whole))
    }

    fn shown_part(&mut self, expr: Expr, lowered: &Lowered, name: Option<&str>) -> Result<Expr, Refusal> {
        if let Expr::Subquery(number) = expr {
            return match lowered.subquery(number) {
                Some(plan) => self.child(plan.clone(), name),
                None => Ok(expr),
            };
        }
        if let Expr::Guarded(policy, inner) = expr {
            let policy = policy.map(&mut |expr, _| self.policy_part(expr, lowered))?;
            let policy = self.shared_policy(policy);
            return Ok(Expr::Guarded(policy, Box::new(self.guarded_part(*inner, lowered, name)?)));
        }
        let has_slot = expr.has_slot();
        if has_slot && !expr.needs_row() && !expr.has_subquery() && expr.is_closed() {
            let expr = lowered.in_outer_scope(expr);
            let constant = match value_of(&expr) {
                Some(Ok(value)) => Some(Constant(value)),
                _ => None,
            };
            return match (self.standing, constant) {
                // What is shown is no part of the template of a view, so its parameters need not be slots.
                (Standing::Root, Some(constant)) => Ok(Expr::Constant(constant)),
                (Standing::Root, None) => Ok(expr),
                (Standing::Inner, Some(constant)) => self.slot(Slot::Constant(constant)),
                (Standing::Inner, None) => self.slot(Slot::Computed(expr)),
            };
        }
        if !has_slot && !expr.has_subquery() {
            return Ok(expr);
        }
        expr.map_children(&mut |child, _| self.shown_part(child, lowered, name))
    }
}

/// What is inside of the guard of an expression, if it has one.
pub(super) fn unguarded(expr: &Expr) -> &Expr {
    match expr {
        Expr::Guarded(_, inner) => unguarded(inner),
        other => other,
    }
}

/// The expression with its subqueries under the numbers that they are given.
fn with_subqueries(
    expr: Expr,
    lowered: &Lowered,
    place: &mut dyn FnMut(Plan) -> Result<u16, Refusal>,
) -> Result<Expr, Refusal> {
    try_replace_leaves(expr, &mut |leaf| match leaf {
        Expr::Subquery(number) => match lowered.subquery(number) {
            Some(plan) => place(plan.clone()).map(Expr::Subquery),
            None => Ok(Expr::Subquery(number)),
        },
        other => Ok(other),
    })
}

/// Whether an expression could not be taken apart into columns and slots so that nothing but these is read: a part of it
/// looks up fields of what may be a link, or follows edges.
fn reads_records(expr: &Expr, lowered: &Lowered) -> bool {
    if expr.is_closed() && lowered.has_outer(expr) != lowered.needs_row(expr) {
        return false;
    }
    let mut reads = expr.reads_records_by_itself();
    expr.children(&mut |child, _| reads = reads || reads_records(child, lowered));
    reads
}

/// Which operands of an operator are asked whether they hold the other one: the left, the right.
fn held_by(operator: Operator) -> (bool, bool) {
    match operator {
        Operator::Contains
        | Operator::ContainsNot
        | Operator::ContainsAll
        | Operator::ContainsAny
        | Operator::ContainsNone => (true, false),
        Operator::Inside | Operator::NotInside | Operator::AllInside | Operator::AnyInside | Operator::NoneInside => {
            (false, true)
        }
        _ => (false, false),
    }
}

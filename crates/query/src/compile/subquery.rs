//! Subqueries whose rows are shown under the rows of their parent.

use circuit::{Child, Expr, Plan, Slot};

use super::builder::Builder;
use super::scope::{number_of, try_replace_leaves};
use crate::refusal::Refusal;

impl Builder {
    /// A child, under the given name unless another one has it. The expression stands for what it answers.
    pub(super) fn child(&mut self, mut plan: Plan, name: Option<&str>) -> Result<Expr, Refusal> {
        let number = number_of(self.children.len())?;
        self.lift(&mut plan)?;
        let is_free = |name: &str| self.children.iter().all(|child| &*child.relation != name);
        // Of as many names as there are children and one more, one is free.
        let generated =
            || (0..=self.children.len()).map(|number| format!("_{number}")).rev().find(|name| is_free(name));
        let relation = match name.filter(|name| is_free(name)) {
            Some(name) => name.to_owned(),
            None => generated().unwrap_or_default(),
        };
        self.children.push(Child { relation: relation.into(), plan });
        Ok(Expr::Subquery(number))
    }

    /// Takes what the slots of a child are over into slots of this plan, as far as it does not depend on the row, and
    /// computes the child's slots of those. So the template, which the child is a part of, does not depend on
    /// constants, level by level.
    fn lift(&mut self, plan: &mut Plan) -> Result<(), Refusal> {
        for slot in &mut plan.slots {
            let computed = match slot {
                Slot::Constant(constant) => self.slot(Slot::Constant(constant.clone()))?,
                Slot::Computed(expr) if expr.needs_row() => self.lift_constants(expr.clone())?,
                Slot::Computed(expr) => {
                    let expr = self.lift_lookups(expr.clone(), &plan.lookups)?;
                    self.slot(Slot::Computed(expr))?
                }
            };
            *slot = Slot::Computed(computed);
        }
        if !plan.slots.iter().any(|slot| matches!(slot, Slot::Computed(expr) if expr.has_subquery())) {
            plan.lookups.clear();
        }
        plan.inputs.iter_mut().try_for_each(|input| self.lift(input))
    }

    fn lift_constants(&mut self, expr: Expr) -> Result<Expr, Refusal> {
        try_replace_leaves(expr, &mut |leaf| match leaf {
            Expr::Constant(constant) => self.slot(Slot::Constant(constant)),
            other => Ok(other),
        })
    }

    fn lift_lookups(&mut self, expr: Expr, lookups: &[Plan]) -> Result<Expr, Refusal> {
        try_replace_leaves(expr, &mut |leaf| match leaf {
            Expr::Subquery(number) => match lookups.get(usize::from(number)) {
                Some(lookup) => self.slot_lookup(lookup.clone()).map(Expr::Subquery),
                None => Ok(Expr::Subquery(number)),
            },
            other => Ok(other),
        })
    }
}

//! A plan under construction: one SELECT, or one stage of it.

use std::sync::Arc;

use circuit::{Child, Expr, Operator, OrderKey, Output, Plan, Policy, Shape, Slot, Source, Template, Window};

use super::scope::{Standing, number_of};
use crate::refusal::Refusal;

/// Collects what a plan consists of while the clauses of a SELECT are compiled, one after the other. How expressions
/// find their place in it is in [`place`](super::place).
///
/// Every constant gets a slot of its own, also when two are the same value: the template must not depend on the
/// constants.
#[derive(Debug)]
pub(super) struct Builder {
    pub(super) standing: Standing,
    source: Source,
    inputs: Vec<Plan>,
    columns: Vec<Expr>,
    column_lookups: Vec<Plan>,
    filter: Option<Expr>,
    order: Vec<OrderKey>,
    pub(super) children: Vec<Child>,
    slots: Vec<Slot>,
    slot_lookups: Vec<Plan>,
    /// The values that policies look at, with the slots that have them.
    policy_slots: Vec<(Expr, Expr)>,
    policies: Vec<Arc<Policy>>,
    window: Option<Window>,
}

impl Builder {
    pub(super) fn new(standing: Standing, source: Source, inputs: Vec<Plan>) -> Builder {
        Builder {
            standing,
            source,
            inputs,
            columns: Vec::new(),
            column_lookups: Vec::new(),
            filter: None,
            order: Vec::new(),
            children: Vec::new(),
            slots: Vec::new(),
            slot_lookups: Vec::new(),
            policy_slots: Vec::new(),
            policies: Vec::new(),
            window: None,
        }
    }

    /// The plan, answering its rows as the output says.
    pub(super) fn finish(self, output: Output) -> Plan {
        let template = Template {
            source: self.source,
            columns: self.columns,
            lookups: self.column_lookups,
            filter: self.filter,
            order: self.order,
            children: self.children,
        };
        Plan {
            template: Arc::new(template),
            slots: self.slots,
            lookups: self.slot_lookups,
            inputs: self.inputs,
            window: self.window,
            output: Arc::new(output),
        }
    }

    /// One more condition.
    pub(super) fn require(&mut self, condition: Expr) {
        self.filter = Some(match self.filter.take() {
            Some(filter) => normalised(Operator::And, filter, condition),
            None => condition,
        });
    }

    pub(super) fn push_order(&mut self, key: OrderKey) {
        self.order.push(key);
    }

    pub(super) fn set_window(&mut self, window: Option<Window>) {
        self.window = window;
    }

    /// Whether a row may be a list. A record is none.
    pub(super) fn may_have_lists_as_rows(&self) -> bool {
        matches!(self.source, Source::Derived(Shape::Rows | Shape::Items { are_records: false }))
    }

    /// The column with this value, which is added if there is none.
    pub(super) fn column(&mut self, expr: Expr) -> Result<u16, Refusal> {
        let known = self.columns.iter().position(|column| *column == expr);
        let number = number_of(known.unwrap_or(self.columns.len()))?;
        if known.is_none() {
            self.columns.push(expr);
        }
        Ok(number)
    }

    /// The number of a subquery that columns read, which is added if there is none like it.
    pub(super) fn column_lookup(&mut self, plan: Plan) -> Result<u16, Refusal> {
        let known = self.column_lookups.iter().position(|lookup| *lookup == plan);
        let number = number_of(known.unwrap_or(self.column_lookups.len()))?;
        if known.is_none() {
            self.column_lookups.push(plan);
        }
        Ok(number)
    }

    /// The number of a subquery that computed slots read.
    pub(super) fn slot_lookup(&mut self, plan: Plan) -> Result<u16, Refusal> {
        let number = number_of(self.slot_lookups.len())?;
        self.slot_lookups.push(plan);
        Ok(number)
    }

    /// The slot of a value that a policy looks at, which `place` makes if there is none.
    pub(super) fn policy_slot(
        &mut self,
        value: Expr,
        place: impl FnOnce(&mut Self) -> Result<Expr, Refusal>,
    ) -> Result<Expr, Refusal> {
        if let Some((_, slot)) = self.policy_slots.iter().find(|(known, _)| *known == value) {
            return Ok(slot.clone());
        }
        let slot = place(self)?;
        self.policy_slots.push((value, slot.clone()));
        Ok(slot)
    }

    /// A policy that takes no more room than one like it.
    pub(super) fn shared_policy(&mut self, policy: Policy) -> Arc<Policy> {
        if let Some(known) = self.policies.iter().find(|known| ***known == policy) {
            return known.clone();
        }
        let policy = Arc::new(policy);
        self.policies.push(policy.clone());
        policy
    }

    /// A slot of its own for a value.
    pub(super) fn slot(&mut self, slot: Slot) -> Result<Expr, Refusal> {
        let number = number_of(self.slots.len())?;
        self.slots.push(slot);
        Ok(Expr::Slot(number))
    }
}

/// An operator in its usual spelling: a slot on the left goes to the right, and chains of `&&` and of `||` lean to the
/// left, whatever the parentheses.
pub(super) fn normalised(operator: Operator, left: Expr, right: Expr) -> Expr {
    if matches!(operator, Operator::And | Operator::Or) {
        // Both operators are associative, also as values.
        return match right {
            Expr::Binary(inner, first, second) if inner == operator => {
                Expr::binary(operator, normalised(operator, left, *first), *second)
            }
            right => Expr::binary(operator, left, right),
        };
    }
    match operator.mirrored() {
        Some(mirrored) if matches!(left, Expr::Slot(_)) && !matches!(right, Expr::Slot(_)) => {
            Expr::binary(mirrored, right, left)
        }
        _ => Expr::binary(operator, left, right),
    }
}

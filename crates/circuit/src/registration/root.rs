//! Registered plans whose slots are computed: from the user's own record, or from a subquery.
//!
//! Such a plan has a binding of its own, whose slots change in place, so that its result keeps its number.

use crate::circuit::Circuit;
use crate::collection::shrink::Shrink;
use crate::dependent::dependencies::Dependent;
use crate::dependent::held::Held;
use crate::plan::{Plan, Slot, Slots};
use crate::registration::hold::Hold;
use crate::registration::register::{Ground, Outer};
use crate::step::delta::Marks;
use crate::template::route::{slots_of, value_of};
use crate::value::digest::ResultId;
use crate::value::identity;
use crate::work::Work;

/// A registered plan with computed slots. Registrations of the same plan share one.
#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) plan: Plan,
    result: ResultId,
    readers: usize,
    held: Held,
}

impl Circuit {
    /// Whether the slots of a plan, or of an input of it, have to be kept up to date.
    pub(crate) fn has_computed_slots(&self, plan: &Plan) -> bool {
        let is_computed = |slot: &Slot| matches!(slot, Slot::Computed(_));
        plan.slots.iter().any(is_computed) || plan.inputs.iter().any(|input| self.has_computed_slots(input))
    }

    /// Puts a plan with computed slots to work.
    pub(crate) fn register_root(&mut self, plan: &Plan) -> ResultId {
        if let Some(number) = self.by_root.get(plan).copied()
            && let Some(root) = self.roots.get_mut(number)
        {
            root.readers += 1;
            let result = root.result;
            if let Some(state) = self.results.get_mut(result.0) {
                state.readers = state.readers.saturating_add(1);
            }
            return result;
        }
        let root = Root { plan: plan.clone(), result: ResultId(u32::MAX), readers: 1, held: Held::default() };
        let number = self.roots.insert(root);
        let mut reads = Vec::new();
        let ground = self.ground(plan, &Outer::default(), &mut reads, Some(number));
        let Ground { template, slots, holds, lookups } = ground;
        let result = self.acquire_result(template, slots, plan.window, holds);
        let held = self.hold(Dependent::Root { root: number }, Held::default(), reads, lookups);
        if let Some(root) = self.roots.get_mut(number) {
            root.result = result;
            root.held = held;
        }
        self.by_root.insert(plan.clone(), number);
        self.root_of.insert(result, number);
        result
    }

    /// Counts one reader less of the root behind a result, if there is one.
    pub(crate) fn release_root(&mut self, result: ResultId) {
        let Some(number) = self.root_of.get(&result).copied() else { return };
        let Some(root) = self.roots.get_mut(number) else { return };
        root.readers -= 1;
        if root.readers > 0 {
            return;
        }
        self.root_of.remove(&result);
        self.root_of.shrink();
        if let Some(root) = self.roots.remove(number) {
            self.by_root.remove(&root.plan);
            self.by_root.shrink();
            self.release_held(root.held);
        }
    }

    /// Computes the slots of a root again, and marks which rows its result gains and loses. O(slots, and rows that the
    /// difference concerns) where the slots tell these; O(rows before and after) where they don't.
    pub(crate) fn rebind(&mut self, number: u32, marks: &mut Marks) {
        let Some(root) = self.roots.get_mut(number) else { return };
        let (plan, result) = (root.plan.clone(), root.result);
        let former = std::mem::take(&mut root.held);
        let mut reads = Vec::new();
        let ground = self.ground(&plan, &Outer::default(), &mut reads, Some(number));
        let Ground { template, slots, holds, lookups } = ground;
        let held = self.hold(Dependent::Root { root: number }, former, reads, lookups);
        if let Some(root) = self.roots.get_mut(number) {
            root.held = held;
        }
        let is_same = self.result(result).is_some_and(|(_, binding, _)| binding.slots == slots);
        let is_same_template = self.results.get(result.0).is_some_and(|state| state.template == template);
        if is_same && is_same_template {
            holds.into_iter().for_each(|hold| self.release_hold(hold));
            return;
        }
        if is_same_template && self.has_same_holds(result, &holds) && self.shift_result(&plan, result, &slots, marks) {
            holds.into_iter().for_each(|hold| self.release_hold(hold));
            return;
        }
        self.mark_all(result, -1, marks);
        self.move_result(result, template, slots, holds, marks);
        self.mark_all(result, 1, marks);
    }

    fn has_same_holds(&self, result: ResultId, holds: &[Hold]) -> bool {
        self.result(result).is_some_and(|(_, binding, _)| binding.holds() == holds)
    }

    /// Gives the binding of a root other slots, if they tell which rows that concerns; false if not.
    fn shift_result(&mut self, plan: &Plan, result: ResultId, slots: &Slots, marks: &mut Marks) -> bool {
        let Some((state, binding, _)) = self.result(result) else { return false };
        let Some(table) = self.store.get(state.key.relation) else { return false };
        // What is shown of each row, or under it, may depend on the slots.
        let is_changed = |slot: u16| !identity::are_identical(value_of(slots, slot), value_of(&binding.slots, slot));
        let mut shows_change = false;
        plan.output.expressions(&mut |expr| {
            let mut shown = Vec::new();
            slots_of(expr, &mut shown);
            shows_change |= shown.into_iter().any(is_changed);
        });
        let attachments = state.attachments.as_ref();
        let is_same = attachments.is_none_or(|under| under.is_same_environment(slots, &binding.slots));
        if shows_change || !is_same {
            return false;
        }
        let Some((template, number)) = self.results.get(result.0).map(|state| (state.template, state.binding)) else {
            return false;
        };
        let (relation, with) = (state.key.relation, self.evaluation());
        let mut work = Work::default();
        let rows = state.rows_between(table, &binding.slots, slots, with, &mut work);
        let moves = rows.map(|rows| state.moves_between(number, slots, &rows, table, with, &mut work));
        self.work += work;
        let (Some(moves), Some(state)) = (moves, self.templates.get_mut(template)) else { return false };
        let mark = |result, row, weight| marks.mark(result, relation, row, weight);
        state.shift_binding(number, slots.clone(), moves, &mut self.work, mark);
        true
    }

    /// Marks all rows of a result.
    fn mark_all(&self, result: ResultId, weight: i32, marks: &mut Marks) {
        let Some((state, ..)) = self.result(result) else { return };
        for row in self.numbers(result) {
            marks.mark(result.0, state.key.relation, row, weight);
        }
    }

    /// Gives the result of a root another binding.
    fn move_result(&mut self, result: ResultId, template: u32, slots: Slots, holds: Vec<Hold>, marks: &mut Marks) {
        let binding = self.add_binding(template, slots, holds);
        let Some(state) = self.results.get_mut(result.0) else { return };
        let (former_template, former_binding) = (state.template, state.binding);
        (state.template, state.binding) = (template, binding);
        let window = state.window();
        if let Some(binding) = self.templates.get_mut(template).and_then(|state| state.bindings.get_mut(binding)) {
            match (binding.partition_mut(), window) {
                (Some(partition), Some(window)) => partition.add_window(window, result.0),
                _ => binding.result = result.0,
            }
        }
        let former = self.templates.get(former_template).and_then(|state| state.bindings.get(former_binding));
        marks.moved(result.0, former.map_or(0, |binding| binding.environment), (former_template, former_binding));
    }
}

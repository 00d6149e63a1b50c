//! The subqueries under the rows of a template.
//!
//! A subquery in a projection is a template of its own, whose bindings come from the rows that its parent shows. A row
//! that is shown by many results has its subqueries once, unless they depend on slots in which these results differ:
//! what they depend on is the *environment*.

use hashbrown::HashMap;

use crate::collection::id_set::IdSet;
use crate::collection::shrink::Shrink;
use crate::collection::slab::Slab;
use crate::dependent::held::Held;
use crate::plan::{Plan, Slot, Slots, Template};
use crate::template::route::slots_of;
use crate::value::Value;
use crate::value::digest::ResultId;

/// The subqueries under the shown rows of a template.
#[derive(Debug)]
pub(crate) struct Attachments {
    /// The slots that subqueries depend on.
    slots: Box<[u16]>,
    environments: Slab<Environment>,
    by_slots: HashMap<Slots, u32, foldhash::fast::FixedState>,
    rows: HashMap<(u32, u32), Attached, foldhash::fast::FixedState>,
}

#[derive(Debug)]
struct Environment {
    slots: Slots,
    bindings: usize,
}

/// The subqueries under one row.
#[derive(Debug)]
pub(crate) struct Attached {
    /// The results that show the row: those that a change under it concerns.
    pub(crate) readers: IdSet,
    /// The result of each child.
    pub(crate) children: Box<[ResultId]>,
    /// First the children, then what their slots have read.
    pub(crate) held: Held,
}

impl Attached {
    /// Whether the subqueries have to be computed again when this result changes: their slots have read it.
    pub(crate) fn has_read(&self, result: u32) -> bool {
        self.held.results.iter().skip(self.children.len()).any(|read| read.0 == result)
    }
}

impl Attachments {
    pub(crate) fn of(template: &Template) -> Self {
        let mut slots = Vec::new();
        template.children.iter().for_each(|child| outer_slots(&child.plan, &mut slots));
        slots.sort_unstable();
        slots.dedup();
        Attachments {
            slots: slots.into(),
            environments: Slab::default(),
            by_slots: HashMap::default(),
            rows: HashMap::default(),
        }
    }

    /// The environment of a binding, with one more binding in it. O(slots).
    pub(crate) fn enter(&mut self, slots: &Slots) -> u32 {
        let needed = slots_in(&self.slots, slots);
        let number = match self.by_slots.get(&needed) {
            Some(number) => *number,
            None => {
                let number = self.environments.insert(Environment { slots: needed.clone(), bindings: 0 });
                self.by_slots.insert(needed, number);
                number
            }
        };
        if let Some(environment) = self.environments.get_mut(number) {
            environment.bindings += 1;
        }
        number
    }

    /// Takes a binding out of its environment.
    pub(crate) fn leave(&mut self, number: u32) {
        let Some(environment) = self.environments.get_mut(number) else { return };
        environment.bindings -= 1;
        if environment.bindings == 0
            && let Some(environment) = self.environments.remove(number)
        {
            self.by_slots.remove(&environment.slots);
            self.by_slots.shrink();
        }
    }

    /// Whether both bindings have the same environment.
    pub(crate) fn is_same_environment(&self, a: &Slots, b: &Slots) -> bool {
        slots_in(&self.slots, a) == slots_in(&self.slots, b)
    }

    /// The slots of an environment, each at its place; those that no subquery needs have no value.
    pub(crate) fn slots(&self, environment: u32) -> Vec<Option<Value>> {
        let width = self.slots.last().map_or(0, |last| usize::from(*last) + 1);
        let mut slots = vec![None; width];
        if let Some(environment) = self.environments.get(environment) {
            for (place, value) in self.slots.iter().zip(&environment.slots.0) {
                slots[usize::from(*place)] = value.clone();
            }
        }
        slots
    }

    pub(crate) fn get(&self, row: u32, environment: u32) -> Option<&Attached> {
        self.rows.get(&(row, environment))
    }

    pub(crate) fn get_mut(&mut self, row: u32, environment: u32) -> Option<&mut Attached> {
        self.rows.get_mut(&(row, environment))
    }

    pub(crate) fn insert(&mut self, row: u32, environment: u32, attached: Attached) {
        self.rows.insert((row, environment), attached);
    }

    pub(crate) fn remove(&mut self, row: u32, environment: u32) -> Option<Attached> {
        let attached = self.rows.remove(&(row, environment));
        self.rows.shrink();
        attached
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }
}

fn slots_in(places: &[u16], slots: &Slots) -> Slots {
    Slots(places.iter().map(|place| slots.0.get(usize::from(*place)).cloned().flatten()).collect())
}

/// Appends the slots of the parent that a subquery needs.
fn outer_slots(plan: &Plan, out: &mut Vec<u16>) {
    for slot in &plan.slots {
        if let Slot::Computed(expr) = slot {
            slots_of(expr, out);
        }
    }
    plan.lookups.iter().chain(&plan.inputs).for_each(|plan| outer_slots(plan, out));
}

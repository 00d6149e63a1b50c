//! Count, sum, least and greatest priority of each status: the peer and the floor.

use std::collections::BTreeMap;

use circuit::{Row, Value};
use differential_dataflow::input::Input as _;

use crate::contest::Floor;
use crate::dataflow::{Dataflow, Input, Inputs, Output, Sessions, advance};
use crate::results::{Entry, Map, Results};
use crate::rows::Thread;

pub const QUERY: &str = "SELECT status, count() AS rows, math::sum(priority) AS sum, math::min(priority) AS least, \
    math::max(priority) AS greatest FROM thread GROUP BY status";

/// The aggregates of a group, as one number that stands for the version of its row.
fn fingerprint(count: i64, sum: i64, least: i64, greatest: i64) -> u64 {
    [count, sum, least, greatest]
        .iter()
        .fold(0, |all: u64, number| (all.rotate_left(17) ^ *number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A row of the engine's result.
pub fn read(view: u32, row: &Row) -> (Entry, u64) {
    let number = |name: &str| match row.content.get(name) {
        Some(Value::Int(number)) => *number,
        other => panic!("{name} is {other:?}"),
    };
    let group = match row.content.get("status") {
        Some(Value::String(name)) => name.trim_start_matches("status-").parse().expect("the number of a status"),
        other => panic!("the status is {other:?}"),
    };
    (Entry::of_view(view, group), fingerprint(number("rows"), number("sum"), number("least"), number("greatest")))
}

pub struct GroupInputs {
    rows: Input<(u32, i64)>,
    current: Map<u64, (u32, i64)>,
}

/// One reduction for all four: with a hundred rows in a group, reading them costs less than further operators would.
pub fn peer() -> Dataflow<GroupInputs> {
    Dataflow::new(|worker, output: &Output| {
        worker.dataflow(|scope| {
            let (rows_input, rows) = scope.new_collection::<(u32, i64), isize>();
            let aggregates = rows.reduce(|_, priorities, output| {
                let count = priorities.iter().map(|(_, weight)| *weight as i64).sum();
                let sum = priorities.iter().map(|(priority, weight)| **priority * *weight as i64).sum();
                let (least, greatest) = (*priorities[0].0, *priorities[priorities.len() - 1].0);
                output.push((fingerprint(count, sum, least, greatest), 1));
            });
            output.take(aggregates.map(|(group, version)| (Entry::of_view(0, u64::from(group)), version)));
            GroupInputs { rows: rows_input, current: Map::default() }
        })
    })
}

impl Sessions for GroupInputs {
    fn advance(&mut self, time: u64) {
        advance(&mut self.rows, time);
    }
}

impl Inputs<Thread> for GroupInputs {
    /// Id, group and priority.
    type Change = (u64, (u32, i64));

    fn change(row: &Thread) -> Self::Change {
        (row.id, (row.status, row.priority))
    }

    fn send(&mut self, (id, new): Self::Change) {
        if let Some(old) = self.current.insert(id, new) {
            self.rows.update(old, -1);
        }
        self.rows.update(new, 1);
    }
}

/// The same by hand: count and sum, and an ordered multiset of the priorities.
#[derive(Debug, Default)]
pub struct Groups {
    rows: Map<u64, Thread>,
    groups: Map<u32, Group>,
    results: Results,
}

#[derive(Debug, Default)]
struct Group {
    count: i64,
    sum: i64,
    priorities: BTreeMap<i64, u32>,
}

impl Groups {
    pub fn load(&mut self, rows: impl IntoIterator<Item = Thread>) {
        rows.into_iter().for_each(|row| self.apply(row));
        self.results.deltas.clear();
    }

    /// Reports that a group was `before` and is now something else.
    fn report(&mut self, group: u32, before: Option<u64>) {
        let entry = Entry::of_view(0, u64::from(group));
        let now = self.groups.get(&group).map(Group::fingerprint);
        match (before, now) {
            (None, Some(now)) => self.results.enter(entry, now),
            (Some(before), None) => self.results.leave(entry, before),
            (Some(before), Some(now)) => self.results.update(entry, before, now),
            (None, None) => {}
        }
    }
}

impl Group {
    fn fingerprint(&self) -> u64 {
        let least = self.priorities.first_key_value().map_or(0, |(priority, _)| *priority);
        let greatest = self.priorities.last_key_value().map_or(0, |(priority, _)| *priority);
        fingerprint(self.count, self.sum, least, greatest)
    }

    fn add(&mut self, priority: i64) {
        self.count += 1;
        self.sum += priority;
        *self.priorities.entry(priority).or_default() += 1;
    }

    fn remove(&mut self, priority: i64) {
        self.count -= 1;
        self.sum -= priority;
        if let Some(count) = self.priorities.get_mut(&priority) {
            *count -= 1;
            if *count == 0 {
                self.priorities.remove(&priority);
            }
        }
    }
}

impl Floor<Thread> for Groups {
    fn apply(&mut self, row: Thread) {
        let (group, priority) = (row.status, row.priority);
        let before = self.groups.get(&group).map(Group::fingerprint);
        if let Some(old) = self.rows.insert(row.id, row) {
            let before_old = self.groups.get(&old.status).map(Group::fingerprint);
            if let Some(of_old) = self.groups.get_mut(&old.status) {
                of_old.remove(old.priority);
                if of_old.count == 0 {
                    self.groups.remove(&old.status);
                }
            }
            if old.status != group {
                self.report(old.status, before_old);
            }
        }
        self.groups.entry(group).or_default().add(priority);
        self.report(group, before);
    }

    fn results(&mut self) -> &mut Results {
        &mut self.results
    }
}

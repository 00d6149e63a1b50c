//! The bindings of a template.

use crate::plan::Slots;
use crate::registration::hold::Hold;
use crate::template::partition::Partition;

/// The slot values of one or more views, and what depends on them. There may be a million, so each byte counts.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) slots: Slots,
    extra: Option<Box<Extra>>,
    /// The result that all rows of the binding are, where there are no windows.
    pub(crate) result: u32,
    /// The environment of the subqueries under its rows.
    pub(crate) environment: u32,
}

const _: () = assert!(size_of::<Option<Binding>>() == 56);

/// What only some bindings have.
#[derive(Debug)]
struct Extra {
    /// The ordered rows, with the windows on them.
    partition: Option<Partition>,
    /// What the binding needs for as long as it is there.
    holds: Vec<Hold>,
}

impl Binding {
    pub(crate) fn new(slots: Slots, partition: Option<Partition>, holds: Vec<Hold>, environment: u32) -> Self {
        let is_plain = partition.is_none() && holds.is_empty();
        let extra = (!is_plain).then(|| Box::new(Extra { partition, holds }));
        Binding { slots, extra, result: u32::MAX, environment }
    }

    /// The ordered rows and the windows on them; `None` if the result is all rows.
    pub(crate) fn partition(&self) -> Option<&Partition> {
        self.extra.as_ref()?.partition.as_ref()
    }

    pub(crate) fn partition_mut(&mut self) -> Option<&mut Partition> {
        self.extra.as_mut()?.partition.as_mut()
    }

    /// What the binding needs for as long as it is there.
    pub(crate) fn holds(&self) -> &[Hold] {
        self.extra.as_ref().map_or(&[], |extra| &extra.holds)
    }

    pub(crate) fn into_holds(self) -> Vec<Hold> {
        self.extra.map_or_else(Vec::new, |extra| extra.holds)
    }
}

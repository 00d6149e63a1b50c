//! Results: the rows of a binding, or a window on them, shared by all who ask for the same.

use std::num::NonZeroU32;

use smallvec::SmallVec;

use crate::circuit::{Circuit, More, ResultState};
use crate::collection::shrink::Shrink;
use crate::plan::{Slots, Window};
use crate::registration::hold::Hold;
use crate::step::delta::{NestedChanges, RowChange};
use crate::template::Evaluation;
use crate::template::binding::Binding;
use crate::value::digest::{Digest, PackedDigest, ResultId};
use crate::work::Work;

impl Circuit {
    /// The result of a binding, or of a window on it, which are made if they are new. O(result), and O(result · log
    /// result) for a window.
    pub(crate) fn acquire_result(
        &mut self,
        template: u32,
        slots: Slots,
        window: Option<Window>,
        holds: Vec<Hold>,
    ) -> ResultId {
        let known = self.templates.get(template).and_then(|state| state.find(&slots));
        if let Some(binding) = known {
            // The binding holds the same already.
            holds.into_iter().for_each(|hold| self.release_hold(hold));
            if let Some(result) = self.shared(template, binding, window) {
                return result;
            }
            return self.add_window(template, binding, window);
        }
        let binding = self.add_binding(template, slots, holds);
        match window {
            Some(_) => self.add_window(template, binding, window),
            None => self.add_all(template, binding),
        }
    }

    /// Counts one more reader of an existing result.
    fn shared(&mut self, template: u32, binding: u32, window: Option<Window>) -> Option<ResultId> {
        let binding = self.templates.get(template)?.bindings.get(binding)?;
        let result = match (binding.partition(), window) {
            (None, _) => binding.result,
            (Some(partition), Some(window)) => partition.result_of(window)?,
            (Some(_), None) => return None,
        };
        let state = self.results.get_mut(result)?;
        state.readers = state.readers.saturating_add(1);
        Some(ResultId(result))
    }

    pub(crate) fn add_binding(&mut self, template: u32, mut slots: Slots, holds: Vec<Hold>) -> u32 {
        self.store.share(slots.0.iter_mut().flatten());
        let with = Evaluation { library: &*self.library, sets: &self.sets };
        let Some(state) = self.templates.get_mut(template) else { return u32::MAX };
        let environment = state.attachments.as_mut().map_or(0, |attachments| attachments.enter(&slots));
        let partition = state.key.is_windowed.then(|| {
            let table = self.store.get(state.key.relation);
            state.partition(table, &slots, with, &mut self.work)
        });
        let sets: SmallVec<[u32; 2]> = holds.iter().filter_map(Hold::set).collect();
        let binding = state.insert(Binding::new(slots, partition, holds, environment));
        for set in sets {
            if let Some(set) = self.sets.get_mut(set) {
                set.enter(template, binding);
            }
        }
        binding
    }

    /// The result of all rows of a new binding.
    fn add_all(&mut self, template: u32, binding: u32) -> ResultId {
        let result = self.results.insert(ResultState::new(template, binding, None));
        if let Some(binding) = self.templates.get_mut(template).and_then(|state| state.bindings.get_mut(binding)) {
            binding.result = result;
        }
        self.begin_result(ResultId(result));
        ResultId(result)
    }

    /// Adds a window on the rows of a binding. O(rows of the window · log n).
    fn add_window(&mut self, template: u32, binding: u32, window: Option<Window>) -> ResultId {
        let window = window.unwrap_or(Window { start: 0, limit: None });
        let result = self.results.insert(ResultState::new(template, binding, Some(window)));
        let binding = self.templates.get_mut(template).and_then(|state| state.bindings.get_mut(binding));
        if let Some(partition) = binding.and_then(Binding::partition_mut) {
            partition.add_window(window, result);
        }
        self.begin_result(ResultId(result));
        ResultId(result)
    }

    /// Attaches the subqueries under all rows of a new result, and computes its digest. O(result).
    fn begin_result(&mut self, result: ResultId) {
        let mut work = Work::default();
        let rows = self.members(result, &mut work);
        self.work += work;
        let Some((state, binding, _)) = self.result(result) else { return };
        let environment = binding.environment;
        let mut digest = Digest::default();
        if state.attachments.is_none() {
            let table = self.store.get(state.key.relation);
            let shown = rows.iter().filter_map(|row| table?.row(*row));
            shown.for_each(|row| digest.apply(&[RowChange::enter(row, NestedChanges::new())]));
        } else {
            let template = self.results.get(result.0).map_or(u32::MAX, |state| state.template);
            rows.iter().for_each(|row| self.attach(template, *row, environment, result.0));
            digest.apply(&self.listing(result));
        }
        if let Some(state) = self.results.get_mut(result.0) {
            state.digest = digest.into();
        }
    }

    /// Counts one reader less of a result, and removes what nobody reads any more.
    pub(crate) fn release_result(&mut self, result: ResultId) {
        let Some(state) = self.results.get_mut(result.0) else { return };
        if let Some(left) = NonZeroU32::new(state.readers.get() - 1) {
            state.readers = left;
            return;
        }
        let (template, binding) = (state.template, state.binding);
        let has_children = self.templates.get(template).is_some_and(|state| state.attachments.is_some());
        if has_children {
            let environment = self.result(result).map_or(0, |(_, binding, _)| binding.environment);
            for row in self.numbers(result) {
                self.detach(template, row, environment, result.0);
            }
        }
        let window = self.results.remove(result.0).and_then(|state| state.window());
        let Some(state) = self.templates.get_mut(template) else { return };
        let partition = state.bindings.get_mut(binding).and_then(Binding::partition_mut);
        if let (Some(partition), Some(window)) = (partition, window) {
            partition.remove_window(window);
            if partition.has_windows() {
                return;
            }
        }
        self.release_binding(template, binding);
    }

    /// Removes a binding whose results are gone, and the template with its last binding.
    pub(crate) fn release_binding(&mut self, template: u32, binding: u32) {
        let Some(state) = self.templates.get_mut(template) else { return };
        let Some(gone) = state.remove(binding) else { return };
        if let Some(attachments) = &mut state.attachments {
            attachments.leave(gone.environment);
        }
        let is_unused = state.bindings.len() == 0;
        for set in gone.holds().iter().filter_map(Hold::set) {
            if let Some(set) = self.sets.get_mut(set) {
                set.leave(template, binding);
            }
        }
        gone.into_holds().into_iter().for_each(|hold| self.release_hold(hold));
        if is_unused {
            self.drop_template(template);
        }
    }

    pub(crate) fn release_hold(&mut self, hold: Hold) {
        match hold {
            Hold::Operator(operator) => self.release_operator(operator),
            Hold::Set(number) => {
                let Some(set) = self.sets.get_mut(number) else { return };
                set.readers -= 1;
                if set.readers > 0 {
                    return;
                }
                let consumer = set.consumer;
                if let Some(state) = self.consumers.get(consumer) {
                    self.by_set.remove(&(ResultId(state.result), state.output.clone()));
                    self.by_set.shrink();
                }
                self.sets.remove(number);
                self.remove_consumer(consumer);
            }
        }
    }
}

impl ResultState {
    fn new(template: u32, binding: u32, window: Option<Window>) -> Self {
        let more = window.map(|window| Box::new(More { window: Some(window), ..More::default() }));
        ResultState { template, binding, readers: NonZeroU32::MIN, views: 0, digest: PackedDigest::default(), more }
    }

    /// The window that the result is; `None` if it is all rows of its binding.
    pub(crate) fn window(&self) -> Option<Window> {
        self.more.as_ref()?.window
    }
}

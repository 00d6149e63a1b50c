//! Watching an answer: being told when what a query shows may have changed.
//!
//! A result is told by its rows and their versions. What a query shows of a row may depend on more, such as a linked
//! record; a watched answer is reported for any such change.

use crate::circuit::Circuit;
use crate::collection::shrink::Shrink;
use crate::plan::Plan;
use crate::step::consumer::Target;
use crate::value::digest::ResultId;

/// A watched answer, shared by all who watch the same. The number is used again after the last of them has given it
/// back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatchId(pub u32);

impl Circuit {
    /// Starts to watch the answer of a plan, or counts one more who does; [`Step::watched`](crate::Step::watched) tells
    /// when it may have changed. The plan is registered as well, as by [`Circuit::register`]. O(answer) for the first.
    pub fn watch(&mut self, plan: &Plan) -> (ResultId, WatchId) {
        let result = self.register(plan);
        let key = (result, plan.output.clone());
        if let Some((consumer, watchers)) = self.watches.get_mut(&key) {
            *watchers += 1;
            return (result, WatchId(*consumer));
        }
        if let Some(state) = self.results.get_mut(result.0) {
            state.readers = state.readers.saturating_add(1);
        }
        let consumer = self.add_consumer(result, plan.output.clone(), Target::Watch);
        self.watches.insert(key, (consumer, 1));
        self.fill_consumer(consumer);
        (result, WatchId(consumer))
    }

    /// Ends a watch and its registration.
    pub fn unwatch(&mut self, watch: WatchId) {
        let Some(consumer) = self.consumers.get(watch.0).filter(|consumer| consumer.target == Target::Watch) else {
            return;
        };
        let result = ResultId(consumer.result);
        let key = (result, consumer.output.clone());
        if let Some((_, watchers)) = self.watches.get_mut(&key) {
            *watchers -= 1;
            if *watchers == 0 {
                self.watches.remove(&key);
                self.watches.shrink();
                self.remove_consumer(watch.0);
            }
        }
        self.unregister(result);
    }
}

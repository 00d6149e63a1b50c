//! Watched answers, shared by the views of the same plan.

use std::collections::HashMap;

use circuit::{Circuit, Plan, ResultId, WatchId};

/// The plans that are watched.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    by_plan: HashMap<Plan, Watched>,
}

#[derive(Debug)]
struct Watched {
    result: ResultId,
    watch: WatchId,
    views: usize,
}

impl Watches {
    /// Watches the answer of a plan, for one more view.
    pub(crate) fn acquire(&mut self, circuit: &mut Circuit, plan: &Plan) -> (ResultId, WatchId) {
        if let Some(watched) = self.by_plan.get_mut(plan) {
            watched.views += 1;
            return (watched.result, watched.watch);
        }
        let (result, watch) = circuit.watch(plan);
        self.by_plan.insert(plan.clone(), Watched { result, watch, views: 1 });
        (result, watch)
    }

    /// Counts one view less, and ends the watch with the last.
    pub(crate) fn release(&mut self, circuit: &mut Circuit, plan: &Plan) {
        let Some(watched) = self.by_plan.get_mut(plan) else { return };
        watched.views -= 1;
        if watched.views == 0 {
            circuit.unwatch(watched.watch);
            self.by_plan.remove(plan);
        }
    }
}

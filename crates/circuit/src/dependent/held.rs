//! What a computation that depends on others holds on to.

use crate::circuit::Circuit;
use crate::dependent::dependencies::Dependent;
use crate::dependent::read::Read;
use crate::value::digest::ResultId;

/// What a computation holds: its owner in the dependencies, and the results that it reads.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) owner: Option<u32>,
    pub(crate) results: Vec<ResultId>,
}

impl Circuit {
    /// Replaces what a computation holds: what it read, and the results that it needs.
    pub(crate) fn hold(
        &mut self,
        dependent: Dependent,
        former: Held,
        reads: Vec<Read>,
        results: Vec<ResultId>,
    ) -> Held {
        let numbers = results.iter().map(|result| result.0).collect();
        let owner = self.dependencies.renew(former.owner, dependent, reads, numbers);
        // What is needed as before has been counted again, so nothing that is still needed goes.
        former.results.into_iter().for_each(|result| self.release_result(result));
        Held { owner, results }
    }

    /// Gives back all that a computation holds.
    pub(crate) fn release_held(&mut self, held: Held) {
        if let Some(owner) = held.owner {
            self.dependencies.remove(owner);
        }
        held.results.into_iter().for_each(|result| self.release_result(result));
    }
}

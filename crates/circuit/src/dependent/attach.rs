//! Attaching subqueries to the rows that are shown, and taking them away again.

use crate::circuit::Circuit;
use crate::collection::id_set::IdSet;
use crate::dependent::attachment::Attached;
use crate::dependent::dependencies::Dependent;
use crate::dependent::held::Held;
use crate::registration::register::Outer;
use crate::value::digest::ResultId;

impl Circuit {
    /// Notes one more result that shows a row in an environment; the first one puts the subqueries of the row to work.
    /// O(rows of the subqueries) for the first.
    pub(crate) fn attach(&mut self, template: u32, row: u32, environment: u32, result: u32) {
        let Some(state) = self.templates.get_mut(template) else { return };
        let Some(attachments) = &mut state.attachments else { return };
        if let Some(attached) = attachments.get_mut(row, environment) {
            attached.readers.insert(result);
            return;
        }
        let attached = self.attached(template, row, environment, Held::default());
        let attachments = self.templates.get_mut(template).and_then(|state| state.attachments.as_mut());
        if let (Some(attachments), Some(mut attached)) = (attachments, attached) {
            attached.readers.insert(result);
            attachments.insert(row, environment, attached);
        }
    }

    /// Forgets a result that showed a row. With the last one the subqueries of the row are given back.
    pub(crate) fn detach(&mut self, template: u32, row: u32, environment: u32, result: u32) {
        let attachments = self.templates.get_mut(template).and_then(|state| state.attachments.as_mut());
        let Some(attachments) = attachments else { return };
        let Some(attached) = attachments.get_mut(row, environment) else { return };
        attached.readers.remove(result);
        if attached.readers.is_empty()
            && let Some(attached) = attachments.remove(row, environment)
        {
            self.release_held(attached.held);
        }
    }

    /// Computes the subqueries under a row again, if the row is still there; answers those of before, which stay in use
    /// until they are released.
    pub(crate) fn attach_again(&mut self, template: u32, row: u32, environment: u32) -> Option<Attached> {
        let state = self.templates.get_mut(template)?;
        // The subqueries of a row that is gone go with its detachment.
        self.store.get(state.key.relation)?.row(row)?;
        let mut former = state.attachments.as_mut()?.remove(row, environment)?;
        // The former results are kept until the difference has been told, so only the owner is handed on.
        let owner = Held { owner: former.held.owner, results: Vec::new() };
        let attached = self.attached(template, row, environment, owner);
        let state = self.templates.get_mut(template)?;
        if let (Some(attachments), Some(mut attached)) = (&mut state.attachments, attached) {
            attached.readers = std::mem::take(&mut former.readers);
            attachments.insert(row, environment, attached);
        }
        Some(Attached { held: Held { owner: None, results: former.held.results }, ..former })
    }

    /// The subqueries of each shown row's children, put to work for one row.
    fn attached(&mut self, template: u32, row: u32, environment: u32, former: Held) -> Option<Attached> {
        let state = self.templates.get(template)?;
        let slots = state.attachments.as_ref()?.slots(environment);
        let content = self.store.get(state.key.relation)?.row(row)?.content.clone();
        let query = state.key.template.clone();
        let outer = Outer { row: Some(content), slots };
        let mut reads = Vec::new();
        let mut lookups: Vec<ResultId> = Vec::new();
        let mut children = Vec::with_capacity(query.children.len());
        for child in &query.children {
            let instance = self.instantiate(&child.plan, &outer, &mut reads);
            children.push(instance.result);
            lookups.extend(instance.lookups);
        }
        let results = children.iter().copied().chain(lookups).collect();
        let dependent = Dependent::Attachment { template, row, environment };
        let held = self.hold(dependent, former, reads, results);
        Some(Attached { readers: IdSet::default(), children: children.into(), held })
    }
}

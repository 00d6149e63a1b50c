//! The circuit: what it holds, and what can be asked of it.
//!
//! Its work is in the modules beside this one: [`registration`](crate::registration) makes plans into templates, bindings
//! and results, [`step`](crate::step) carries a batch of changes through them, [`answer`](crate::answer) reads results.

use std::num::NonZeroU32;
use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::collection::id_set::IdSet;
use crate::collection::slab::Slab;
use crate::dependent::dependencies::Dependencies;
use crate::dependent::live_set::LiveSets;
use crate::derived::operator::{Operator, OperatorKey, RelationKey};
use crate::expr::library::Library;
use crate::output::Output;
use crate::plan::{Plan, Window};
use crate::registration::root::Root;
use crate::saved::save::Saving;
use crate::step::changes::Changes;
use crate::step::consumer::Consumer;
use crate::step::delta::Marks;
use crate::store::table::{Row, TableId};
use crate::store::{Store, StoreReader};
use crate::template::binding::Binding;
use crate::template::{Evaluation, TemplateKey, TemplateState};
use crate::value::RecordId;
use crate::value::digest::{Digest, PackedDigest, ResultId};
use crate::work::{Reading, Size, Work};

type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// The incremental engine. It does no I/O, reads no clock and starts no threads, and so it can't fail.
#[derive(Debug)]
pub struct Circuit {
    pub(crate) store: Store,
    pub(crate) templates: Slab<TemplateState>,
    pub(crate) by_template: Map<TemplateKey, u32>,
    pub(crate) results: Slab<ResultState>,
    pub(crate) consumers: Slab<Consumer>,
    pub(crate) operators: Slab<Operator>,
    pub(crate) by_operator: Map<OperatorKey, u32>,
    /// The derived relations, with the number of operators that write into each.
    pub(crate) relations: Map<RelationKey, (TableId, usize)>,
    pub(crate) sets: LiveSets,
    pub(crate) by_set: Map<(ResultId, Arc<Output>), u32>,
    /// The consumer behind each watched answer, with the number of those who watch.
    pub(crate) watches: Map<(ResultId, Arc<Output>), (u32, usize)>,
    pub(crate) roots: Slab<Root>,
    pub(crate) by_root: Map<Plan, u32>,
    /// The root behind a result, for plans whose slots are computed.
    pub(crate) root_of: Map<ResultId, u32>,
    pub(crate) dependencies: Dependencies,
    /// Relations that have lost rows or templates, to look at when nobody needs to know any more what was there.
    pub(crate) vacated: SmallVec<[TableId; 4]>,
    pub(crate) library: Arc<dyn Library>,
    pub(crate) work: Work,
    /// Room that steps use one after the other.
    pub(crate) spare: Spare,
    pub(crate) reading: Reading,
    /// The save that is under way.
    pub(crate) saving: Option<Box<Saving>>,
    /// Whether the hashes of tables are kept.
    pub(crate) is_hashing: bool,
}

/// What a step has used, and the next one uses again.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    pub(crate) changes: Changes,
    pub(crate) marks: Marks,
}

/// A result that is maintained: all rows of a binding, or a window on them.
#[derive(Debug)]
pub(crate) struct ResultState {
    pub(crate) template: u32,
    pub(crate) binding: u32,
    /// Everyone who needs the result.
    pub(crate) readers: NonZeroU32,
    /// Those of them who are outside, and are told its changes.
    pub(crate) views: u32,
    pub(crate) digest: PackedDigest,
    /// What most results don't have, and there may be a million of them.
    pub(crate) more: Option<Box<More>>,
}

/// What only some results have.
#[derive(Debug, Default)]
pub(crate) struct More {
    pub(crate) window: Option<Window>,
    pub(crate) consumers: IdSet,
}

const _: () = assert!(size_of::<Option<ResultState>>() == 48);

impl Circuit {
    pub fn new(library: Arc<dyn Library>) -> Self {
        Circuit {
            store: Store::default(),
            templates: Slab::default(),
            by_template: Map::default(),
            results: Slab::default(),
            consumers: Slab::default(),
            operators: Slab::default(),
            by_operator: Map::default(),
            relations: Map::default(),
            sets: LiveSets::default(),
            by_set: Map::default(),
            watches: Map::default(),
            roots: Slab::default(),
            by_root: Map::default(),
            root_of: Map::default(),
            dependencies: Dependencies::default(),
            vacated: SmallVec::new(),
            library,
            work: Work::default(),
            spare: Spare::default(),
            reading: Reading::default(),
            saving: None,
            is_hashing: false,
        }
    }

    /// Size and hash of a result. O(1).
    pub fn digest(&self, result: ResultId) -> Option<Digest> {
        self.results.get(result.0).map(|state| state.digest.into())
    }

    /// The stored row of a record. O(1).
    pub fn record(&self, id: &RecordId) -> Option<&Row> {
        self.store.find(id)
    }

    /// Access to stored rows for evaluating expressions outside of the circuit.
    pub fn reader(&self) -> impl crate::expr::reader::Reader {
        StoreReader::new(&self.store)
    }

    /// The names of all tables that have rows or that a plan reads, with the number of their rows.
    pub fn tables(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        self.store.tables().map(|(_, table)| (&table.name, table.len()))
    }

    /// The ids of all rows of a table. O(rows).
    pub fn ids(&self, table: &str) -> impl Iterator<Item = &Arc<RecordId>> {
        self.store.named(table).into_iter().flat_map(|(_, table)| table.rows().map(|(_, row)| &row.id))
    }

    /// What was done so far, for changes, registrations and answers.
    pub fn work(&self) -> Work {
        let mut work = self.work;
        work += self.reading.work();
        work
    }

    /// What the circuit holds. O(templates).
    pub fn size(&self) -> Size {
        let templates = || self.templates.iter().map(|(_, state)| state);
        let mut size = Size {
            templates: self.templates.len(),
            bindings: templates().map(|state| state.bindings.len()).sum(),
            results: self.results.len(),
            unindexed_bindings: templates().map(TemplateState::unindexed_bindings).sum(),
            attachments: templates().filter_map(|state| state.attachments.as_ref()).map(|rows| rows.len()).sum(),
            operators: self.operators.len(),
            sets: self.sets.len(),
            dependents: self.dependencies.len(),
            ..Size::default()
        };
        for (_, table) in self.store.tables() {
            size.tables += 1;
            size.rows += table.len();
        }
        for (_, relation) in self.store.relations() {
            size.arrangements += relation.arrangements.len();
            size.virtual_columns += relation.computed_columns();
        }
        size
    }

    /// Makes the numbers of removed rows available again, and forgets tables that are not needed any more.
    pub(crate) fn recycle(&mut self) {
        for relation in std::mem::take(&mut self.vacated) {
            if let Some(table) = self.store.get_mut(relation) {
                table.recycle();
            }
            self.store.forget_unused(relation);
        }
    }

    /// What evaluation needs besides a row and a binding.
    pub(crate) fn evaluation(&self) -> Evaluation<'_> {
        Evaluation { library: &*self.library, sets: &self.sets }
    }

    /// The template, the binding and the window of a result.
    pub(crate) fn result(&self, result: ResultId) -> Option<(&TemplateState, &Binding, Option<Window>)> {
        let state = self.results.get(result.0)?;
        let template = self.templates.get(state.template)?;
        let binding = template.bindings.get(state.binding)?;
        Some((template, binding, state.window()))
    }
}

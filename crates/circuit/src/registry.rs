//! Templates, bindings and results: who reads what, and what goes with the last reader.

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::arrangement::Spec;
use crate::digest::{Digest, ResultId, entry_hash};
use crate::plan::{Slots, Template, Window};
use crate::route::{Access, Routing, RowKey};
use crate::slab::Slab;
use crate::table::{LinkReader, Store, TableId};
use crate::template::{Binding, BindingResult, TemplateState};
use crate::work::Size;

/// All templates and results of a circuit.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    templates: Slab<TemplateState>,
    /// By template, and whether its results are windows.
    by_template: HashMap<(Template, bool), u32, foldhash::fast::FixedState>,
    results: Slab<ResultState>,
}

#[derive(Debug)]
struct ResultState {
    template: u32,
    binding: u32,
    readers: u32,
    window: Option<Box<Window>>,
    digest: Digest,
}

impl Registry {
    /// The number of a template. A new one gets the arrangements it needs: O(table) if they don't exist yet.
    pub(crate) fn template(&mut self, template: Template, table: TableId, is_windowed: bool, store: &mut Store) -> u32 {
        let key = (template, is_windowed);
        if let Some(number) = self.by_template.get(&key) {
            return *number;
        }
        let (template, _) = key.clone();
        let routing = Routing::of(template.filter.as_ref());
        let specs = match &routing {
            Routing::Indexed(accesses) => accesses.iter().map(|access| spec_of(access, &template)).collect(),
            Routing::Single | Routing::Unindexed => Vec::new(),
        };
        let arrangements = specs.into_iter().map(|spec| arrange(store, table, spec)).collect();
        follow_links(store, table, &template);
        let number = self.templates.insert(TemplateState::new(template, table, routing, arrangements, is_windowed));
        self.by_template.insert(key, number);
        store.table_mut(table).templates.push(number);
        number
    }

    pub(crate) fn state(&self, template: u32) -> Option<&TemplateState> {
        self.templates.get(template)
    }

    pub(crate) fn state_mut(&mut self, template: u32) -> Option<&mut TemplateState> {
        self.templates.get_mut(template)
    }

    /// Counts one more reader of an existing result.
    pub(crate) fn share(&mut self, template: u32, binding: u32, window: Option<Window>) -> Option<ResultId> {
        let result = match (&self.templates.get(template)?.bindings.get(binding)?.members, window) {
            (BindingResult::All(result), None) => *result,
            (BindingResult::Windows(partition), Some(window)) => {
                partition.windows.iter().find(|(known, _)| *known == window)?.1
            }
            _ => return None,
        };
        self.results.get_mut(result)?.readers += 1;
        Some(ResultId(result))
    }

    /// Adds a binding whose rows are one result.
    pub(crate) fn add_plain(&mut self, template: u32, slots: Slots, digest: Digest) -> ResultId {
        let state = ResultState { template, binding: u32::MAX, readers: 1, window: None, digest };
        let result = self.results.insert(state);
        let binding = self.add_binding(template, Binding { slots, members: BindingResult::All(result) });
        if let Some(state) = self.results.get_mut(result) {
            state.binding = binding;
        }
        ResultId(result)
    }

    pub(crate) fn add_binding(&mut self, template: u32, binding: Binding) -> u32 {
        match self.templates.get_mut(template) {
            Some(state) => state.insert(binding),
            None => u32::MAX,
        }
    }

    /// Adds a window on the rows of a binding. O(rows of the window · log n).
    pub(crate) fn add_window(&mut self, template: u32, binding: u32, window: Window, store: &Store) -> ResultId {
        let state =
            ResultState { template, binding, readers: 1, window: Some(Box::new(window)), digest: Digest::default() };
        let result = self.results.insert(state);
        let mut digest = Digest::default();
        if let Some(template) = self.templates.get_mut(template)
            && let Some(Binding { members: BindingResult::Windows(partition), .. }) = template.bindings.get_mut(binding)
        {
            let table = store.table(template.table);
            for row in partition.window(window).filter_map(|number| table.row(number)) {
                digest.add(entry_hash(&row.id, row.version));
            }
            partition.windows.push((window, result));
        }
        if let Some(state) = self.results.get_mut(result) {
            state.digest = digest;
        }
        ResultId(result)
    }

    /// Counts one reader less, and removes what nobody reads any more.
    pub(crate) fn release(&mut self, result: ResultId, store: &mut Store) {
        let Some(state) = self.results.get_mut(result.0) else {
            return;
        };
        state.readers -= 1;
        if state.readers > 0 {
            return;
        }
        let Some(ResultState { template, binding, .. }) = self.results.remove(result.0) else {
            return;
        };
        let Some(template_state) = self.templates.get_mut(template) else {
            return;
        };
        if let Some(Binding { members: BindingResult::Windows(partition), .. }) =
            template_state.bindings.get_mut(binding)
        {
            partition.windows.retain(|(_, other)| *other != result.0);
            if !partition.windows.is_empty() {
                return;
            }
        }
        template_state.remove(binding);
        if template_state.bindings.len() == 0 {
            self.drop_template(template, store);
        }
    }

    /// The template, the binding and the window of a result.
    pub(crate) fn result(&self, result: ResultId) -> Option<(&TemplateState, &Binding, Option<Window>)> {
        let state = self.results.get(result.0)?;
        let template = self.templates.get(state.template)?;
        let binding = template.bindings.get(state.binding)?;
        Some((template, binding, state.window.as_deref().copied()))
    }

    pub(crate) fn digest(&self, result: ResultId) -> Option<Digest> {
        self.results.get(result.0).map(|state| state.digest)
    }

    pub(crate) fn digest_mut(&mut self, result: u32) -> Option<&mut Digest> {
        self.results.get_mut(result).map(|state| &mut state.digest)
    }

    /// The registry's part of the sizes.
    pub(crate) fn size(&self) -> Size {
        let templates = || self.templates.iter().map(|(_, state)| state);
        Size {
            templates: self.templates.len(),
            bindings: templates().map(|state| state.bindings.len()).sum(),
            results: self.results.len(),
            unindexed_bindings: templates().map(TemplateState::unindexed_bindings).sum(),
            ..Size::default()
        }
    }

    fn drop_template(&mut self, number: u32, store: &mut Store) {
        let Some(state) = self.templates.remove(number) else {
            return;
        };
        let table = store.table_mut(state.table);
        state.arrangements.iter().for_each(|arrangement| table.arrangements.release(*arrangement));
        link_paths(&state.template).for_each(|path| table.links.remove_path(path));
        table.templates.retain(|other| *other != number);
        self.by_template.remove(&(state.template, state.is_windowed));
    }
}

/// The arrangement that serves an access.
fn spec_of(access: &Access, template: &Template) -> Spec {
    let path = |column: &u16| template.columns[usize::from(*column)].clone();
    match access {
        Access::Order { column, .. } => Spec::Order { path: path(column) },
        Access::Hash { row, .. } => {
            let key = match row {
                RowKey::Columns(columns) => RowKey::Columns((0..columns.len() as u16).collect()),
                RowKey::Contained(_) => RowKey::Contained(0),
                RowKey::Items(_) => RowKey::Items(0),
                RowKey::ItemsOrSelf(_) => RowKey::ItemsOrSelf(0),
            };
            Spec::Hash { paths: row.columns().iter().map(path).collect(), key }
        }
    }
}

/// The number of an arrangement of a table, which is filled if it is new.
fn arrange(store: &mut Store, table: TableId, spec: Spec) -> u32 {
    let (number, is_new) = store.table_mut(table).arrangements.acquire(spec);
    if is_new {
        let rows = store.table(table);
        let mut reader = LinkReader::new(store);
        let places: Vec<_> = rows
            .rows()
            .filter_map(|(row, content)| Some((row, rows.arrangements.place(number, &content.content, &mut reader)?)))
            .collect();
        let arrangements = &mut store.table_mut(table).arrangements;
        places.into_iter().for_each(|(row, place)| arrangements.insert(number, place, row));
    }
    number
}

/// Makes the table note which records its rows read through the template's paths.
fn follow_links(store: &mut Store, table: TableId, template: &Template) {
    let links = &mut store.table_mut(table).links;
    let new_paths = link_paths(template).filter(|path| links.add_path(path)).count();
    if new_paths == 0 {
        return;
    }
    let rows: SmallVec<[u32; 64]> = store.table(table).rows().map(|(row, _)| row).collect();
    for row in rows {
        let read = store.links_of(table, row);
        store.table_mut(table).links.set(row, read);
    }
}

fn link_paths(template: &Template) -> impl Iterator<Item = &crate::path::Path> {
    template.columns.iter().filter(|path| path.may_follow_links())
}

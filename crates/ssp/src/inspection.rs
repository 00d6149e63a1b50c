//! What the debug pages show of the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use circuit::{Plan, RowChange, Source};
use protocol::{CachedRow, DebugDependencies, DebugView, ViewKey};

use crate::engine::Engine;
use crate::path::Path;
use crate::view::{Registered, View};
use database::json;

impl Engine {
    /// What is held of a view. O(result).
    pub(crate) fn inspect(&self, key: &ViewKey) -> Option<DebugView> {
        let Registered { view, plan, result, updates, .. } = self.views.get(key)?;
        let rows = self.circuit.listing(*result);
        let digest = self.circuit.digest(*result).unwrap_or_default();
        let mut listed = Listed { view, rows: Vec::new(), under: BTreeMap::new() };
        listed.list(plan, &rows, None, "");
        let referenced = tables(plan);
        let own: BTreeSet<String> = own_tables(plan);
        Some(DebugView {
            view_id: key.clone(),
            cache_size: digest.rows,
            last_hash: digest.hash.into(),
            format: view.format(),
            cache: listed.rows,
            subquery_tables: referenced.difference(&own).cloned().collect(),
            referenced_tables: referenced.into_iter().collect(),
            content_generation: *updates,
            subquery_cache: listed.under,
        })
    }

    /// Which views read which tables. O(views).
    pub(crate) fn dependencies(&self) -> DebugDependencies {
        let mut dependencies = DebugDependencies { view_count: self.views.len() as u64, ..Default::default() };
        for Registered { view, plan, .. } in self.views.iter() {
            for table in tables(plan) {
                dependencies.dependency_map.entry(table).or_default().push(view.key().clone());
            }
        }
        dependencies.dependency_map.values_mut().for_each(|views| views.sort());
        dependencies.tables_in_store = self.circuit.tables().map(|(name, _)| name.to_string()).collect();
        dependencies.tables_in_store.sort();
        dependencies
    }
}

/// The rows of a view, and those of its subqueries by relation.
struct Listed<'a> {
    view: &'a View,
    rows: Vec<CachedRow>,
    under: BTreeMap<String, Vec<CachedRow>>,
}

impl Listed<'_> {
    fn list(&mut self, plan: &Plan, rows: &[RowChange], under: Option<(&Arc<Path>, &Arc<str>)>, relation: &str) {
        for row in rows {
            let path = Path::new(&row.id, plan.has_own_rows(), under);
            let cached = CachedRow { id: json::id_text(&self.view.out(&path)), version: row.version };
            match relation {
                "" => self.rows.push(cached),
                _ => self.under.entry(relation.to_owned()).or_default().push(cached),
            }
            for nested in &row.nested {
                let Some(child) = plan.template.children.get(usize::from(nested.child)) else { continue };
                let separator = if relation.is_empty() { "" } else { "." };
                let relation = format!("{relation}{separator}{}", child.relation);
                self.list(&child.plan, &nested.changes, Some((&path, &child.relation)), &relation);
            }
        }
    }
}

/// All tables that rows of a plan come from.
fn tables(plan: &Plan) -> BTreeSet<String> {
    let mut tables = BTreeSet::new();
    plan.tables(&mut |table| {
        tables.insert(table.to_string());
    });
    tables
}

/// The tables that the rows themselves come from, and not those of subqueries.
fn own_tables(plan: &Plan) -> BTreeSet<String> {
    let own = match &plan.template.source {
        Source::Table(name) => Some(name.to_string()),
        Source::Derived(_) => None,
    };
    own.into_iter().chain(plan.inputs.iter().flat_map(own_tables)).collect()
}

//! What has to be true once nothing happens any more.

use std::collections::{BTreeMap, BTreeSet};

use cluster::Event;
use surrealdb::types::{Object, SurrealValue, ToSql, Value};

use crate::cluster::{Common, SSPS};
use crate::store::Store;
use crate::workload::TABLES;

/// What a view shows: records with their versions.
type Shown = BTreeSet<(String, i64)>;

/// Compares what is stored of all views with what SurrealDB answers, and answers what differs.
pub fn differing(common: &Common) -> Vec<String> {
    let store = &common.store;
    let versions = versions(store);
    let mut shown = shown(store);
    let mut differing = Vec::new();
    for (id, view) in common.registered() {
        let ids = items(store.run(&view.statements())).into_iter().filter_map(id_of);
        let expected: Shown = ids.map(|id| (id.clone(), versions.get(&id).copied().unwrap_or(1))).collect();
        let shown = shown.remove(&id).unwrap_or_default();
        if shown != expected {
            differing.push(format!("{id}, {}\n  expected {expected:?}\n  shown    {shown:?}", view.statements()));
        }
    }
    differing.extend(shown.keys().map(|id| format!("{id} is not registered, and is shown")));
    differing
}

/// What differs of who keeps which view: by what the sidecars say, and by what is noted.
pub fn misplaced(common: &Common, held: &BTreeMap<&'static str, Vec<String>>) -> Vec<String> {
    let mut misplaced = Vec::new();
    let mut keepers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (ssp, views) in held {
        views.iter().for_each(|view| keepers.entry(view).or_default().push(ssp));
    }
    let noted = items(common.store.run("SELECT VALUE [record::id(id), ssp] FROM _00_query"));
    let noted: BTreeMap<String, Option<String>> = noted
        .into_iter()
        .filter_map(|pair| {
            let [view, ssp] = <[Value; 2]>::try_from(items(pair)).ok()?;
            Some((String::from_value(view).ok()?, String::from_value(ssp).ok()))
        })
        .collect();
    let registered = common.registered();
    for id in registered.keys() {
        let keepers = keepers.remove(id.as_str()).unwrap_or_default();
        let noted = noted.get(id).cloned().flatten();
        if keepers.len() != 1 || noted.as_deref() != keepers.first().copied() {
            misplaced.push(format!("{id} is kept by {keepers:?}, and {noted:?} is noted"));
        }
    }
    misplaced
        .extend(keepers.into_iter().map(|(id, keepers)| format!("{id} is kept by {keepers:?}, and not registered")));
    let unknown = noted.keys().filter(|id| !registered.contains_key(*id));
    misplaced.extend(unknown.map(|id| format!("{id} is noted, and not registered")));
    if held.len() != SSPS.len() {
        misplaced.push(format!("only {:?} have said which views they keep", held.keys()));
    }
    misplaced
}

/// What differs between the changefeed and the log: every transaction is to be in it, once, and as a whole.
pub fn miscounted(common: &Common) -> Vec<String> {
    let mut miscounted = Vec::new();
    let mut logged: BTreeMap<u64, usize> = BTreeMap::new();
    let mut began = Vec::new();
    let mut is_continued = false;
    for (index, payload) in common.disk.log().history().iter().enumerate() {
        match Event::decode(payload) {
            Ok(Event::Committed { stamp, continues, .. }) => {
                if !is_continued {
                    *logged.entry(stamp).or_default() += 1;
                }
                is_continued = continues;
            }
            Ok(Event::Began { cursor, .. }) => began.push(cursor),
            Ok(_) => {}
            Err(error) => miscounted.push(format!("event {}: {error}", index + 1)),
        }
    }
    let [cursor] = began[..] else {
        miscounted.push(format!("the log began {} times, as if changes had been lost", began.len()));
        return miscounted;
    };
    miscounted.extend(
        logged.iter().filter(|(_, times)| **times != 1).map(|(stamp, times)| format!("{stamp}: {times} times")),
    );
    // What was committed before the tables were read may be in the log, too.
    let committed = committed(&common.store);
    let logged: BTreeSet<u64> = logged.into_keys().collect();
    let missing = committed.difference(&logged).filter(|stamp| **stamp >= cursor);
    miscounted.extend(missing.map(|stamp| format!("{stamp} is not in the log")));
    miscounted.extend(logged.difference(&committed).map(|stamp| format!("{stamp} was never committed")));
    miscounted
}

/// The tables that the replica does not have as the database has them.
pub fn outdated(common: &Common) -> Vec<String> {
    let replica = common.disk.replica();
    let content = |store: &Store, table: &str| store.run(&format!("SELECT * FROM {table} ORDER BY id")).to_sql();
    let mut outdated = Vec::new();
    for table in TABLES {
        if content(&common.store, table) != content(&replica, table) {
            outdated.push(format!("the replica has another {table}"));
        }
    }
    outdated
}

/// The stamps of all transactions that have changed tables of the application.
fn committed(store: &Store) -> BTreeSet<u64> {
    let mut stamps = BTreeSet::new();
    let mut since = 0;
    loop {
        let sets = items(store.run(&format!("SHOW CHANGES FOR DATABASE SINCE {since} LIMIT 1000")));
        let mut last = since;
        for set in sets {
            let Value::Object(mut set) = set else { continue };
            let Some(stamp) = set.remove("versionstamp").and_then(|stamp| u64::from_value(stamp).ok()) else {
                continue;
            };
            let changes = set.remove("changes").map(items).unwrap_or_default();
            let is_ours = changes.into_iter().any(|change| match change {
                Value::Object(change) => {
                    ["update", "create", "delete"].iter().any(|kind| is_of_application(&change, kind))
                }
                _ => false,
            });
            if is_ours {
                stamps.insert(stamp);
            }
            last = last.max(stamp);
        }
        if last == since {
            return stamps;
        }
        // A full answer may end in the middle of a set: that one is read again.
        since = last;
    }
}

fn is_of_application(change: &Object, kind: &str) -> bool {
    let record = change.get(kind).cloned().and_then(id_of);
    record.is_some_and(|id| TABLES.iter().any(|table| id.starts_with(&format!("{table}:"))))
}

fn versions(store: &Store) -> BTreeMap<String, i64> {
    let rows = items(store.run("SELECT VALUE [record::id(id)[0], version] FROM _00_version"));
    let pair = |row| {
        let [id, version] = <[Value; 2]>::try_from(items(row)).ok()?;
        Some((id.to_sql(), i64::from_value(version).ok()?))
    };
    rows.into_iter().filter_map(pair).collect()
}

fn shown(store: &Store) -> BTreeMap<String, Shown> {
    let mut views: BTreeMap<String, Shown> = BTreeMap::new();
    for row in items(store.run("SELECT VALUE [record::id(in), out, version] FROM _00_list_ref")) {
        let Ok([view, out, version]) = <[Value; 3]>::try_from(items(row)) else { continue };
        if let (Ok(view), Ok(version)) = (String::from_value(view), i64::from_value(version)) {
            views.entry(view).or_default().insert((out.to_sql(), version));
        }
    }
    views
}

fn id_of(row: Value) -> Option<String> {
    match row {
        Value::Object(mut row) => row.remove("id").map(|id| id.to_sql()),
        Value::RecordId(id) => Some(id.to_sql()),
        _ => None,
    }
}

fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.into_iter().collect(),
        _ => Vec::new(),
    }
}

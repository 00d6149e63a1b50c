//! What a replica has to hold, without a database: rows in the order of their keys, and random events about them.

use std::collections::BTreeMap;
use std::sync::Arc;

use circuit::value::Value;
use circuit::{Change, Circuit, Geometry, Key, Library, Object, RecordId};
use cluster::{Announcement, Event, Goal, Read};
use protocol::{ContentHash, TableContent};
use rand::Rng;
use rand::rngs::StdRng;
use uuid::Uuid;

/// Tables by name, each sorted by key.
#[derive(Clone, Debug, Default)]
pub struct Model {
    tables: BTreeMap<String, Vec<Change>>,
    version: u64,
}

/// A key of some kind for each number.
pub fn key(number: u64) -> Key {
    let int = number as i64;
    match number % 5 {
        0 => Key::Int(int - 30),
        1 => Key::String(format!("{}{number}", ["a", "B", "ü", ""][number as usize / 5 % 4]).into()),
        2 => Key::Uuid(Uuid::from_u128(u128::from(number) << (number % 100))),
        3 => {
            let inner = [Value::from(int), Value::Float(int as f64 / 2.0), Value::from("x"), Value::Null];
            Key::Array([inner[number as usize % 4].clone(), Value::from(int / 10)].into())
        }
        _ => Key::Object(Arc::new(Object::from_iter([("k".into(), Value::from(int % 7)), ("l".into(), int.into())]))),
    }
}

impl Model {
    pub fn tables(&self) -> impl Iterator<Item = (&str, Vec<Change>)> {
        self.tables.iter().map(|(table, rows)| (table.as_str(), rows.clone()))
    }

    fn place(rows: &[Change], id: &RecordId) -> Result<usize, usize> {
        rows.binary_search_by(|row| row.id.key.compare_stored(&id.key))
    }

    pub fn take_in(&mut self, event: &Event) {
        match event {
            Event::Committed { changes, .. } => {
                for change in changes {
                    let rows = self.tables.entry(change.id.table.to_string()).or_default();
                    match (Model::place(rows, &change.id), &change.content) {
                        (Ok(at), Some(_)) => rows[at] = change.clone(),
                        (Err(at), Some(_)) => rows.insert(at, change.clone()),
                        (Ok(at), None) => drop(rows.remove(at)),
                        (Err(_), None) => {}
                    }
                }
            }
            Event::Read(read) => {
                let rows = self.tables.entry(read.table.clone()).or_default();
                let first = read.after.as_ref().map_or(0, |after| match Model::place(rows, after) {
                    Ok(at) => at + 1,
                    Err(at) => at,
                });
                let end = match read.rows.last() {
                    _ if read.is_last => rows.len(),
                    Some(last) => Model::place(rows, &last.id).map_or_else(|at| at, |at| at + 1),
                    None => first,
                };
                rows.splice(first..end, read.rows.iter().cloned());
            }
            Event::Gone { table } => drop(self.tables.remove(table)),
            Event::Began { .. } | Event::Whole | Event::Announced { .. } | Event::GivenUp { .. } => {}
        }
    }

    /// A random event, which is taken in.
    pub fn event(&mut self, random: &mut StdRng) -> Event {
        let table = ["a", "b", "e`;", "p"][random.random_range(0..4)];
        let event = match random.random_range(0..22) {
            0 => Event::Gone { table: table.to_owned() },
            1 => Event::Began { instance: Uuid::from_u128(5), cursor: 3 },
            2 => Event::Whole,
            3..12 => {
                let changes = (0..random.random_range(0..12)).map(|_| {
                    let table = ["a", "b", "e`;", "p"][random.random_range(0..4)];
                    let is_there = random.random_bool(0.7);
                    let id = RecordId::new(table, key(random.random_range(0..60)));
                    self.change(random, id, is_there)
                });
                Event::Committed { stamp: 1, continues: false, changes: changes.collect() }
            }
            12 => {
                let id = RecordId::new(table, key(random.random_range(0..60)));
                Event::Announced { records: vec![Announcement { id, goal: Goal { version: 7, exists: true } }] }
            }
            13 => Event::GivenUp { records: vec![(RecordId::new(table, key(random.random_range(0..60))), 1)] },
            _ => self.read(random, table),
        };
        self.take_in(&event);
        event
    }

    fn read(&mut self, random: &mut StdRng, table: &str) -> Event {
        let mut keys: Vec<RecordId> = (0..60).map(|number| RecordId::new(table, key(number))).collect();
        keys.sort_by(|a, b| a.key.compare_stored(&b.key));
        let first = random.random_range(0..keys.len());
        let count = random.random_range(0..20);
        let after = (first > 0).then(|| keys[first - 1].clone());
        let mut rows = Vec::new();
        for id in keys.into_iter().skip(first).take(count) {
            if random.random_bool(0.6) {
                rows.push(self.change(random, id, true));
            }
        }
        Event::Read(Read { table: table.to_owned(), id: 1, after, rows, is_last: random.random_bool(0.3) })
    }

    /// A change of a record, to what it may have been before.
    fn change(&mut self, random: &mut StdRng, id: RecordId, is_there: bool) -> Change {
        if is_there && random.random_bool(0.2) {
            let rows = self.tables.get(&*id.table).map_or(&[][..], Vec::as_slice);
            if let Ok(at) = Model::place(rows, &id) {
                return rows[at].clone();
            }
        }
        self.version += 1;
        let node = |random: &mut StdRng| {
            let table = ["a", "b", "e`;"][random.random_range(0..3)];
            Value::from(RecordId::new(table, key(random.random_range(0..12))))
        };
        let n = random.random_range(0..4_i64);
        let mut fields = vec![("id", Value::from(id.clone())), ("n", Value::from(n))];
        if &*id.table == "e`;" && random.random_bool(0.9) {
            fields.extend([("in", node(random)), ("out", node(random))]);
        }
        let content = fields.into_iter().map(|(name, value)| (name.into(), value)).collect();
        Change { id, version: self.version, content: is_there.then_some(content) }
    }
}

/// What a circuit says of the same rows.
pub fn content_of(rows: &[Change]) -> TableContent {
    let mut circuit = Circuit::new(Arc::new(NoFunctions));
    circuit.hash_tables();
    circuit.step(rows.to_vec());
    let mut content = TableContent::default();
    for (_, digest) in circuit.table_digests() {
        content.rows += digest.rows;
        content.hash += ContentHash::from(digest.hash);
    }
    content
}

#[derive(Debug)]
struct NoFunctions;

impl Library for NoFunctions {
    fn regex_matches(&self, _: &str, _: &str) -> bool {
        false
    }

    fn geometry_contains(&self, _: &Geometry, _: &Geometry) -> bool {
        false
    }

    fn geometry_intersects(&self, _: &Geometry, _: &Geometry) -> bool {
        false
    }

    fn fold(&self, _: circuit::Fold, _: &mut dyn Iterator<Item = &Value>, _: &[Value]) -> Value {
        Value::Null
    }
}

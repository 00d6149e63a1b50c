//! The rows of the workloads: as a program written for them would hold them, and as the engine takes them in.

use std::sync::Arc;

use circuit::{Change, Datetime, Key, Object, RecordId, Value};
use serde::{Deserialize, Serialize};

/// What a contestant is given at a time: one row, or a batch of them.
pub trait Batch {
    /// The same in the engine's terms.
    fn changes(&self) -> Vec<Change>;
}

/// A row of 8 fields. Id and version come first, so that comparisons of two rows end early.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Thread {
    pub id: u64,
    pub version: u64,
    pub author: u64,
    pub status: u32,
    pub active: bool,
    pub priority: i64,
    pub created_at: i64,
    pub title: String,
    pub body: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Comment {
    pub id: u64,
    pub version: u64,
    pub thread: u64,
    pub author: u64,
    pub created_at: i64,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct User {
    pub id: u64,
    pub version: u64,
    pub org: u64,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Org {
    pub id: u64,
    pub version: u64,
}

/// A number below `bound` that looks random and is the same in every run (the mixer of SplitMix64).
pub fn scatter(number: u64, bound: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % bound
}

/// When the first row was created, as Unix time.
pub const EPOCH: i64 = 1_700_000_000;

pub const STATUSES: u32 = 1_000;

impl Thread {
    /// The row with this number, by this author, as it was created.
    pub fn new(id: u64, author: u64) -> Thread {
        Thread {
            id,
            version: 1,
            author,
            status: (id % u64::from(STATUSES)) as u32,
            active: id.is_multiple_of(2),
            priority: scatter(id, 1_000_000) as i64,
            created_at: EPOCH + scatter(id, 1_000_000) as i64,
            title: format!("Thread number {id} about nothing much"),
            body: format!("The body of thread {id}, some words, or more."),
        }
    }

    /// The length of this row as JSON.
    pub fn json_len(&self) -> usize {
        let Thread { id, author, status, active, priority, created_at: _, title, body, version: _ } = self;
        let fields = [
            format!("\"active\":{active}"),
            format!("\"author\":\"user:{author}\""),
            format!("\"body\":\"{body}\""),
            "\"created_at\":\"2023-11-14T22:13:20Z\"".to_owned(),
            format!("\"id\":\"thread:{id}\""),
            format!("\"priority\":{priority}"),
            format!("\"status\":\"{}\"", status_name(*status)),
            format!("\"title\":\"{title}\""),
        ];
        format!("{{{}}}", fields.join(",")).len()
    }
}

impl Comment {
    pub fn new(id: u64, thread: u64, created_at: i64) -> Comment {
        Comment { id, version: 1, thread, author: id % 1_000, created_at, text: format!("Comment {id}: well said.") }
    }
}

impl User {
    pub fn new(id: u64, org: u64) -> User {
        User { id, version: 1, org, name: format!("User {id}") }
    }
}

pub fn status_name(status: u32) -> String {
    format!("status-{status}")
}

pub fn org_name(org: u64) -> String {
    format!("org-{org}")
}

pub fn record(table: &str, number: u64) -> RecordId {
    RecordId::new(table, Key::Int(number as i64))
}

/// The number that [`record`] made the id of.
pub fn number_of(id: &RecordId) -> u64 {
    match id.key {
        Key::Int(number) => number as u64,
        _ => unreachable!("all keys of the benchmarks are numbers"),
    }
}

/// A value of the engine for the parameters of a view.
pub fn parameters(values: impl IntoIterator<Item = (&'static str, Value)>) -> Object {
    values.into_iter().map(|(name, value)| (Arc::from(name), value)).collect()
}

fn moment(seconds: i64) -> Value {
    Value::Datetime(Datetime { seconds, nanos: 0 })
}

fn text(text: &str) -> Value {
    Value::from(text)
}

fn change<const N: usize>(table: &str, id: u64, version: u64, fields: [(&'static str, Value); N]) -> Change {
    let id = record(table, id);
    let with_id = fields.into_iter().chain([("id", Value::from(id.clone()))]);
    let content = with_id.map(|(name, value)| (Arc::from(name), value)).collect();
    Change { id, version, content: Some(content) }
}

impl From<&Thread> for Change {
    fn from(row: &Thread) -> Change {
        let fields = [
            ("active", Value::from(row.active)),
            ("author", record("user", row.author).into()),
            ("body", text(&row.body)),
            ("created_at", moment(row.created_at)),
            ("priority", row.priority.into()),
            ("status", text(&status_name(row.status))),
            ("title", text(&row.title)),
        ];
        change("thread", row.id, row.version, fields)
    }
}

impl From<&Comment> for Change {
    fn from(row: &Comment) -> Change {
        let fields = [
            ("author", Value::from(record("user", row.author))),
            ("created_at", moment(row.created_at)),
            ("text", text(&row.text)),
            ("thread", record("thread", row.thread).into()),
        ];
        change("comment", row.id, row.version, fields)
    }
}

impl From<&User> for Change {
    fn from(row: &User) -> Change {
        let fields = [("name", text(&row.name)), ("org", record("org", row.org).into())];
        change("user", row.id, row.version, fields)
    }
}

impl From<&Org> for Change {
    fn from(row: &Org) -> Change {
        change("org", row.id, row.version, [("name", text(&org_name(row.id)))])
    }
}

impl Batch for Thread {
    fn changes(&self) -> Vec<Change> {
        vec![self.into()]
    }
}

impl Batch for User {
    fn changes(&self) -> Vec<Change> {
        vec![self.into()]
    }
}

impl Batch for Vec<Thread> {
    fn changes(&self) -> Vec<Change> {
        self.iter().map(Change::from).collect()
    }
}

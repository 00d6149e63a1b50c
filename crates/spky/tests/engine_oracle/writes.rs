//! Random writes of an application, as trees that can be made smaller.

use std::fmt;

use crate::data::{Datum, Style, of_kind, replaced_each, smaller_fields, without_each};
use crate::schema::{Kind, Nature, TABLES, Table, table};
use crate::support::Random;

#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// `UPSERT thread:1 CONTENT { … }` and the like.
    Content {
        head: String,
        fields: Vec<(&'static str, Datum)>,
    },
    /// `UPDATE thread:1 SET a = 1, b = 2`.
    Set {
        head: String,
        fields: Vec<(&'static str, Datum)>,
        tail: String,
    },
    Plain(String),
    Transaction {
        writes: Vec<Write>,
        commits: bool,
    },
}

impl Write {
    /// Simpler writes in place of this one.
    pub fn smaller(&self) -> Vec<Write> {
        match self {
            Write::Content { head, fields } => {
                let with = |fields| Write::Content { head: head.clone(), fields };
                smaller_fields(fields).into_iter().map(with).collect()
            }
            Write::Set { head, fields, tail } => {
                let with = |fields| Write::Set { head: head.clone(), fields, tail: tail.clone() };
                smaller_fields(fields).into_iter().filter(|fields| !fields.is_empty()).map(with).collect()
            }
            Write::Plain(_) => Vec::new(),
            Write::Transaction { writes, commits } => {
                let mut smaller = Vec::new();
                if let ([only], true) = (writes.as_slice(), commits) {
                    smaller.push(only.clone());
                }
                let mut lists = if writes.len() > 1 { without_each(writes) } else { Vec::new() };
                lists.extend(replaced_each(writes, Write::smaller));
                smaller.extend(lists.into_iter().map(|writes| Write::Transaction { writes, commits: *commits }));
                smaller
            }
        }
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Write::Content { head, fields } => write!(f, "{head} {}", Datum::Record(fields.clone())),
            Write::Set { head, fields, tail } => {
                let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name} = {value}")).collect();
                write!(f, "{head} SET {}{tail}", fields.join(", "))
            }
            Write::Plain(text) => f.write_str(text),
            Write::Transaction { writes, commits } => {
                f.write_str("BEGIN; ")?;
                for inner in writes {
                    write!(f, "{inner}; ")?;
                }
                f.write_str(if *commits { "COMMIT" } else { "THROW 'never mind'; COMMIT" })
            }
        }
    }
}

/// Some writes that the subject learns of at once.
pub fn batch(random: &mut Random, style: Style) -> Vec<Write> {
    (0..1 + random.below(5)).map(|_| write(random, style)).collect()
}

/// Writes that fill an empty database.
pub fn initial(random: &mut Random, style: Style) -> Vec<Write> {
    let mut writes = Vec::new();
    for table in TABLES {
        for key in 0..table.keys {
            if random.below(4) == 0 {
                continue;
            }
            writes.push(match table.nature {
                Nature::Edge(from, to) => relate(random, style, table, from, to),
                _ => upsert(random, style, table, &format!("{}:{key}", table.name)),
            });
        }
    }
    writes
}

fn write(random: &mut Random, style: Style) -> Write {
    match random.below(12) {
        0 | 1 => {
            let writes = (0..1 + random.below(4)).map(|_| single(random, style)).collect();
            Write::Transaction { writes, commits: random.below(3) > 0 }
        }
        _ => single(random, style),
    }
}

fn single(random: &mut Random, style: Style) -> Write {
    let table = random.pick(&[
        table("thread"),
        table("thread"),
        table("thread"),
        table("user"),
        table("user"),
        table("org"),
        table("comment"),
        table("comment"),
        table("post"),
        table("wrote"),
        table("likes"),
        table("task"),
    ]);
    if let Nature::Edge(from, to) = table.nature {
        return on_edge(random, style, table, from, to);
    }
    let record = record(random, table);
    match random.below(16) {
        0..=5 => upsert(random, style, table, &record),
        6..=9 => Write::Set {
            head: format!("UPDATE {record}"),
            fields: some_fields(random, style, table),
            tail: String::new(),
        },
        10 => Write::Content { head: format!("UPDATE {record} MERGE"), fields: some_fields(random, style, table) },
        11 => Write::Plain(format!("UPDATE {record} UNSET {}", random.pick(table.fields).0)),
        12 => bulk(random, style, table),
        13 => Write::Content { head: format!("UPDATE {record} REPLACE"), fields: all_fields(random, style, table) },
        14 => Write::Plain(format!("DELETE {} WHERE {}", table.name, condition(random, table))),
        _ => Write::Plain(format!("DELETE {record}")),
    }
}

fn record(random: &mut Random, table: &Table) -> String {
    let other_keys = table.name == "thread" && random.below(4) == 0;
    match (other_keys, random.below(3)) {
        (false, _) => format!("{}:{}", table.name, random.below(table.keys)),
        (true, 0) => format!("thread:s{}", random.below(3)),
        // No two that are equal: of such, SurrealDB reads the second by its id as if it were the first.
        (true, 1) => format!("thread:['a', {}]", random.pick(&["0", "1", "2f", "3dec", "1.5"])),
        (true, _) => format!("thread:{{ a: {} }}", random.below(2)),
    }
}

fn upsert(random: &mut Random, style: Style, table: &Table, record: &str) -> Write {
    Write::Content { head: format!("UPSERT {record} CONTENT"), fields: all_fields(random, style, table) }
}

/// All fields but those that are missing by chance.
fn all_fields(random: &mut Random, style: Style, table: &Table) -> Vec<(&'static str, Datum)> {
    let mut fields = Vec::new();
    for (name, kind) in table.fields {
        let is_end = matches!(table.nature, Nature::Edge(..)) && matches!(*name, "in" | "out");
        let is_missing = style.missing > 0 && random.below(style.missing) == 0;
        if !is_end && !is_missing {
            fields.push((*name, value_of(random, style, table, *kind)));
        }
    }
    fields
}

fn some_fields(random: &mut Random, style: Style, table: &Table) -> Vec<(&'static str, Datum)> {
    let mut fields = Vec::new();
    for _ in 0..1 + random.below(2) {
        let (name, kind) = field(random, table);
        if !fields.iter().any(|(known, _)| *known == name) {
            fields.push((name, value_of(random, style, table, kind)));
        }
    }
    fields
}

/// A value that the table takes, and that SurrealDB does not answer otherwise because of an index: an index has an entry
/// for each item of a list, so that a row with an empty list is not found by it, and one with two items twice.
fn value_of(random: &mut Random, style: Style, table: &Table, kind: Kind) -> Datum {
    match table.nature {
        Nature::Typed => of_kind(random, Style { wild: 0, missing: style.missing }, kind),
        Nature::Indexed => match of_kind(random, style, kind) {
            Datum::Atom(text) if !text.starts_with(['[', '{']) => Datum::Atom(text),
            _ => Datum::atom("'no list'"),
        },
        Nature::Plain | Nature::Edge(..) => of_kind(random, style, kind),
    }
}

fn field(random: &mut Random, table: &Table) -> (&'static str, Kind) {
    loop {
        let (name, kind) = random.pick(table.fields);
        if !matches!(table.nature, Nature::Edge(..)) || !matches!(name, "in" | "out") {
            return (name, kind);
        }
    }
}

fn bulk(random: &mut Random, style: Style, table: &Table) -> Write {
    let (name, kind) = field(random, table);
    let value = value_of(random, style, table, kind);
    let tail = if random.below(2) == 0 { String::new() } else { format!(" WHERE {}", condition(random, table)) };
    Write::Set { head: format!("UPDATE {}", table.name), fields: vec![(name, value)], tail }
}

fn condition(random: &mut Random, table: &Table) -> String {
    let (name, kind) = field(random, table);
    format!("{name} = {}", crate::data::constant(random, kind))
}

fn on_edge(random: &mut Random, style: Style, table: &Table, from: &str, to: &str) -> Write {
    match random.below(8) {
        0..=3 => relate(random, style, table, from, to),
        4 => {
            let head = format!("UPDATE {}", table.name);
            let tail = format!(" WHERE in = {}", record(random, crate::schema::table(from)));
            Write::Set { head, fields: some_fields(random, style, table), tail }
        }
        5 => Write::Plain(format!("DELETE {}->{}", record(random, crate::schema::table(from)), table.name)),
        6 => Write::Plain(format!("DELETE {} WHERE out = {}", table.name, record(random, crate::schema::table(to)))),
        _ => {
            let head = format!("UPDATE {}:{}", table.name, random.below(table.keys));
            Write::Set { head, fields: some_fields(random, style, table), tail: String::new() }
        }
    }
}

/// Edges with keys of ours, so that they are the same in every replay.
fn relate(random: &mut Random, style: Style, table: &Table, from: &str, to: &str) -> Write {
    let from = record(random, crate::schema::table(from));
    let to = record(random, crate::schema::table(to));
    let key = random.below(table.keys);
    let head = format!("RELATE {from}->{}:{key}->{to} CONTENT", table.name);
    Write::Content { head, fields: all_fields(random, style, table) }
}

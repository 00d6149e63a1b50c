//! Changes of rows that a query may be about, made of bytes.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use circuit::{Change, Key, Object, RecordId, Value};

/// Values that differ in type, and those that are equal although they do.
static VALUES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let texts = [
        "1",
        "2",
        "0",
        "-7",
        "2.5",
        "1.0f",
        "3dec",
        "true",
        "false",
        "NONE",
        "NULL",
        "''",
        "'a'",
        "'b'",
        "'Hello World'",
        "'2'",
        "[]",
        "[1, 2]",
        "['a', 'b']",
        "[t:1, u:1]",
        "[[1, 2], [3]]",
        "[{ a: 1, b: 2 }, { a: 2 }]",
        "{ a: 1 }",
        "{ a: { b: 'c' }, id: 7 }",
        "{}",
        "t:1",
        "t:2",
        "u:1",
        "u:2",
        "t:[1, 'a']",
        "d'2026-01-03T10:20:30Z'",
        "1h",
        "u'018f0000-0000-7000-8000-000000000001'",
        "(1.0, 2.0)",
        "/a.b/",
        "1..5",
        "{1, 2}",
        "9223372036854775807",
        "-9223372036854775808",
        "1e300",
        "<bytes> 'hi'",
    ];
    let value = |text| query::parse_value(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    texts.into_iter().map(value).collect()
});

/// Words that no field or table is called.
const WORDS: &[&str] = &[
    "select", "from", "where", "value", "order", "by", "limit", "start", "group", "all", "split", "fetch", "omit",
    "only", "and", "or", "in", "inside", "contains", "as", "asc", "desc", "collate", "numeric", "id", "is", "not",
    "none", "null",
];

/// The changes that some bytes make of the words of a query.
pub struct Script<'a> {
    bytes: &'a [u8],
    next: usize,
    /// What may be the name of a table or of a field.
    names: Vec<Arc<str>>,
}

impl<'a> Script<'a> {
    pub fn new(text: &str, bytes: &'a [u8]) -> Script<'a> {
        let words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
        let is_name = |word: &&str| {
            word.starts_with(|char: char| char.is_ascii_lowercase()) && word.len() < 20 && !WORDS.contains(word)
        };
        let names: BTreeSet<&str> = words.filter(is_name).chain(["t", "a"]).collect();
        let names = names.into_iter().take(32).map(Arc::from).collect();
        Script { bytes: if bytes.is_empty() { DEFAULT } else { bytes }, next: 0, names }
    }

    /// The changes of one step.
    pub fn batch(&mut self, version: u64) -> Vec<Change> {
        let changes = 1 + self.below(4);
        (0..changes as u64).map(|part| self.change(8 * version + part)).collect()
    }

    fn change(&mut self, version: u64) -> Change {
        let id = self.record();
        if self.below(5) == 0 {
            return Change { id, version, content: None };
        }
        let mut fields = vec![(Arc::from("id"), Value::from(id.clone()))];
        if self.below(3) == 0 {
            for end in ["in", "out"] {
                fields.push((end.into(), self.record().into()));
            }
        }
        for _ in 0..self.below(6) {
            let value = match self.below(4) {
                0 => self.record().into(),
                _ => VALUES[self.below(VALUES.len())].clone(),
            };
            fields.push((self.name(), value));
        }
        let content: Object = fields.into_iter().filter(|(_, value)| *value != Value::None).collect();
        Change { id, version, content: Some(content) }
    }

    fn record(&mut self) -> RecordId {
        let table = self.name();
        RecordId::new(&*table, Key::Int(1 + self.below(3) as i64))
    }

    fn name(&mut self) -> Arc<str> {
        let number = self.below(self.names.len());
        self.names[number].clone()
    }

    /// A number below the bound. Bytes that have been used up are used again, shifted.
    fn below(&mut self, bound: usize) -> usize {
        let (round, place) = (self.next / self.bytes.len(), self.next % self.bytes.len());
        self.next += 1;
        usize::from(self.bytes[place].wrapping_add((round * 37) as u8)) % bound
    }
}

/// For inputs that are nothing but a query.
const DEFAULT: &[u8] =
    b"\x03\x00\x01\x02\x04\x05\x01\x09\x02\x17\x00\x05\x01\x02\x08\x0d\x10\x22\x01\x00\x1c\x07\x03\x19\
    \x02\x0b\x04\x01\x06\x13\x25\x03\x01\x1d\x00\x0e\x02\x08\x11\x05\x01\x07\x21\x02\x0a";

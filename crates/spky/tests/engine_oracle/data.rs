//! Values of the application's rows, as trees that can be made smaller.

use std::fmt;

use crate::schema::Kind;
use crate::support::Random;

#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// SurrealQL text of a value.
    Atom(String),
    List(Vec<Datum>),
    Record(Vec<(&'static str, Datum)>),
}

/// How untidy the data of a round is. Functions that insist on a type only have answers over tidy data.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// One of so many values is of any type; 0 for none.
    pub wild: u64,
    /// One of so many fields is missing; 0 for none.
    pub missing: u64,
}

impl Style {
    pub fn any(random: &mut Random) -> Style {
        random.pick(&[
            Style { wild: 0, missing: 0 },
            Style { wild: 0, missing: 6 },
            Style { wild: 8, missing: 8 },
            Style { wild: 3, missing: 4 },
        ])
    }

    fn is_wild(self, random: &mut Random) -> bool {
        self.wild > 0 && random.below(self.wild) == 0
    }
}

impl Datum {
    pub fn atom(text: impl Into<String>) -> Datum {
        Datum::Atom(text.into())
    }

    /// Simpler values in place of this one.
    pub fn smaller(&self) -> Vec<Datum> {
        match self {
            Datum::Atom(text) if text != "1" => vec![Datum::atom("1")],
            Datum::Atom(_) => Vec::new(),
            Datum::List(items) => {
                let mut smaller: Vec<Datum> = without_each(items).into_iter().map(Datum::List).collect();
                smaller.extend(replaced_each(items, Datum::smaller).into_iter().map(Datum::List));
                smaller
            }
            Datum::Record(fields) => smaller_fields(fields).into_iter().map(Datum::Record).collect(),
        }
    }
}

/// The same fields with one less, or with one made smaller.
pub fn smaller_fields(fields: &[(&'static str, Datum)]) -> Vec<Vec<(&'static str, Datum)>> {
    let mut smaller = without_each(fields);
    let in_field =
        |(name, datum): &(&'static str, Datum)| datum.smaller().into_iter().map(|datum| (*name, datum)).collect();
    smaller.extend(replaced_each(fields, in_field));
    smaller
}

/// The lists that have one item less.
pub fn without_each<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    let without = |number: usize| [&items[..number], &items[number + 1..]].concat();
    (0..items.len()).map(without).collect()
}

/// The lists in which one item is replaced by one of its own replacements.
pub fn replaced_each<T: Clone>(items: &[T], replace: impl Fn(&T) -> Vec<T>) -> Vec<Vec<T>> {
    let mut lists = Vec::new();
    for (number, item) in items.iter().enumerate() {
        for replacement in replace(item) {
            let mut list = items.to_vec();
            list[number] = replacement;
            lists.push(list);
        }
    }
    lists
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Datum::Atom(text) => f.write_str(text),
            Datum::List(items) => {
                let items: Vec<String> = items.iter().map(Datum::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Datum::Record(fields) if fields.is_empty() => f.write_str("{}"),
            Datum::Record(fields) => {
                let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                write!(f, "{{ {} }}", fields.join(", "))
            }
        }
    }
}

/// What a field of this kind holds, mostly.
pub fn of_kind(random: &mut Random, style: Style, kind: Kind) -> Datum {
    if !style.is_wild(random) {
        return tidy(random, style, kind);
    }
    // SurrealDB panics where the variance of decimals would be greater than a decimal can be.
    let wild = any(random);
    if wild.to_string().contains(LARGE) { Datum::atom("7") } else { wild }
}

/// The text of a constant that a field of this kind can be compared with.
pub fn constant(random: &mut Random, kind: Kind) -> String {
    let tidy_style = Style { wild: 0, missing: 0 };
    match random.below(8) {
        0 => any(random).to_string(),
        _ => tidy(random, tidy_style, kind).to_string(),
    }
}

fn tidy(random: &mut Random, style: Style, kind: Kind) -> Datum {
    let list = |random: &mut Random, longest: u64, item: &mut dyn FnMut(&mut Random) -> Datum| {
        let length = random.below(longest + 1);
        Datum::List((0..length).map(|_| item(random)).collect())
    };
    match kind {
        Kind::Word => Datum::atom(random.pick(WORDS)),
        Kind::Text => Datum::atom(random.pick(TEXTS)),
        Kind::Number => Datum::Atom(number(random)),
        Kind::Flag => Datum::atom(random.pick(&["true", "false"])),
        Kind::Moment => Datum::Atom(moment(random)),
        Kind::Span => Datum::atom(random.pick(&["0ns", "30m", "1h", "90m", "1d", "1w2d3h"])),
        Kind::Link(table) => Datum::Atom(link(random, table)),
        Kind::Links(table) => list(random, 3, &mut |random| Datum::Atom(link(random, table))),
        Kind::List => list(random, 3, &mut any_flat),
        Kind::Numbers => list(random, 4, &mut |random| Datum::Atom(number(random))),
        Kind::Object => object(random, style),
        Kind::Items => list(random, 3, &mut |random| item(random, style)),
        Kind::Point => Datum::atom(random.pick(&["(0, 0)", "(1, 2)", "(-0.5, 51.5)", "(13.4, 52.5)"])),
        Kind::Vector => Datum::List((0..3).map(|_| Datum::atom(random.pick(&["0.0", "1.0", "0.5", "-2.0"]))).collect()),
        Kind::Uuid => Datum::Atom(format!("u'018f0000-0000-7000-8000-00000000000{}'", random.below(3))),
        Kind::Any => any(random),
    }
}

fn object(random: &mut Random, style: Style) -> Datum {
    let mut fields = vec![("views", of_kind(random, style, Kind::Number))];
    if random.below(4) != 0 {
        fields.push(("deep", Datum::Record(vec![("level", of_kind(random, style, Kind::Number))])));
    }
    if random.below(3) != 0 {
        fields.push(("a", of_kind(random, style, Kind::Text)));
    }
    Datum::Record(fields)
}

fn item(random: &mut Random, style: Style) -> Datum {
    let list = Datum::List(vec![Datum::Atom(number(random)), any_flat(random)]);
    let by = Datum::Atom(link(random, "user"));
    Datum::Record(vec![("n", of_kind(random, style, Kind::Number)), ("b", list), ("by", by)])
}

const WORDS: &[&str] = &["'open'", "'open'", "'closed'", "'held'", "'Open'"];

/// Some look like values of other types, some differ only in case, accents or the size of a number.
const TEXTS: &[&str] = &[
    "'hello'",
    "'Hello'",
    "'world'",
    "''",
    "'a b c'",
    "'item2'",
    "'item10'",
    "'Éclair'",
    "'eclair'",
    "'2026-01-03T00:00:00Z'",
    "'user:1'",
    "'12'",
    "'12.5'",
    "' pad '",
    "'ß'",
];

fn link(random: &mut Random, table: &str) -> String {
    // Some of these never exist.
    let keys = crate::schema::table(table).keys;
    format!("{table}:{}", random.below(keys + 2))
}

fn moment(random: &mut Random) -> String {
    match random.below(8) {
        0 => "d'2025-12-31T23:59:59.999999999Z'".to_owned(),
        1 => "d'2024-02-29T12:30:00Z'".to_owned(),
        _ => format!("d'2026-01-0{}T00:00:00Z'", 1 + random.below(5)),
    }
}

/// What a float can't tell from its neighbours begins with this.
const LARGE: &str = "900719925474099";

/// Small numbers of all three types, many of them equal across types. No `-0f`: its sign reaches no client, and so no
/// engine either.
pub fn number(random: &mut Random) -> String {
    match random.below(12) {
        0 | 1 => format!("{}f", random.below(10) as f64 / 2.0),
        2 => format!("{}dec", random.below(10) as f64 / 2.0),
        3 => format!("-{}", random.below(4)),
        4 => random.pick(&["0f", "0.1f", "0.1dec", "100"]).to_owned(),
        _ => format!("{}", random.below(6)),
    }
}

/// Any value that can be stored.
pub fn any(random: &mut Random) -> Datum {
    match random.below(8) {
        0 => Datum::List((0..random.below(3)).map(|_| any_flat(random)).collect()),
        1 => Datum::Record(vec![("views", Datum::Atom(number(random))), ("a", any_flat(random))]),
        2 => Datum::List(vec![Datum::List(vec![any_flat(random)]), Datum::Record(vec![("n", any_flat(random))])]),
        _ => any_flat(random),
    }
}

fn any_flat(random: &mut Random) -> Datum {
    Datum::Atom(match random.below(20) {
        0 => "NULL".to_owned(),
        1 => "NONE".to_owned(),
        2 | 3 => random.pick(&["true", "false"]).to_owned(),
        4..=7 => number(random),
        8 => random.pick(&["9007199254740993", "9007199254740992f", "3.5dec", "-1f"]).to_owned(),
        9..=11 => random.pick(TEXTS).to_owned(),
        12 => random.pick(WORDS).to_owned(),
        13 => link(random, "user"),
        14 => moment(random),
        15 => random.pick(&["1h", "30m", "0ns"]).to_owned(),
        16 => format!("u'018f0000-0000-7000-8000-00000000000{}'", random.below(3)),
        17 => random.pick(&["[]", "{}", "[1, 2]", "b\"00FF\""]).to_owned(),
        18 => random.pick(&["1..3", "'a'..='c'", "{1, 2, 'a'}", "/^h/", "(1, 2)"]).to_owned(),
        _ => random.pick(&["thread:['a', 1]", "thread:s1", "org:1"]).to_owned(),
    })
}

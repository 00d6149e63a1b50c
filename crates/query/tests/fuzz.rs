//! Any text is compiled or refused: nothing panics, hangs, or overflows the stack.
//!
//! `PROPTEST_CASES` sets the number of texts of each kind.

mod common;
#[path = "common/corpus.rs"]
mod corpus;
#[path = "common/well_formed.rs"]
mod well_formed;

use std::cell::RefCell;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use circuit::Object;
use corpus::VOCABULARY;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestCaseResult;
use query::{compile, parse_record_id, parse_value};

/// The stack of the threads on which the service compiles: those of its asynchronous runtime.
const STACK: usize = 2 << 20;

/// Far more than any text of these tests needs, also on a busy machine.
const TIME_LIMIT: Duration = Duration::from_secs(60);

fn parameters() -> Object {
    let parameters = parse_value("{ p: { x: 1 }, given: 1, link: t:1, ids: [t:1, t:2], n: 7, a: NONE }");
    match parameters.expect("valid parameters") {
        circuit::Value::Object(parameters) => (*parameters).clone(),
        other => panic!("{other:?} is no object"),
    }
}

/// An error must point into the text, and a plan must hold together.
fn check(text: &str, parameters: &Object) {
    match compile(text, parameters) {
        Ok(query) => well_formed::assert_well_formed(&query.plan),
        Err(error) => {
            let lines: Vec<&str> = text.split('\n').collect();
            assert!((1..=lines.len()).contains(&error.line), "{text:?}: {error}");
            assert!((1..=lines[error.line - 1].chars().count() + 1).contains(&error.column), "{text:?}: {error}");
            assert!(!error.to_string().is_empty());
        }
    }
}

/// A thread with a small stack, which tries one text after the other.
struct Sandbox {
    texts: Sender<String>,
    done: Receiver<()>,
}

impl Sandbox {
    fn new() -> Sandbox {
        let (texts, to_try) = channel::<String>();
        let (tried, done) = channel();
        let work = move || {
            let parameters = parameters();
            while let Ok(text) = to_try.recv() {
                check(&text, &parameters);
                let _ = parse_value(&text);
                let _ = parse_record_id(&text);
                if tried.send(()).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().stack_size(STACK).spawn(work).expect("a thread");
        Sandbox { texts, done }
    }

    /// Whether the text was tried to the end, in time.
    fn survives(&self, text: &str) -> bool {
        self.texts.send(text.to_owned()).is_ok() && self.done.recv_timeout(TIME_LIMIT).is_ok()
    }
}

thread_local! {
    static SANDBOX: RefCell<Sandbox> = RefCell::new(Sandbox::new());
}

/// Tries a text by itself; one that fails takes its sandbox along.
fn survives(text: &str) -> TestCaseResult {
    let is_alive = SANDBOX.with_borrow(|sandbox| sandbox.survives(text));
    if !is_alive {
        SANDBOX.set(Sandbox::new());
    }
    prop_assert!(is_alive, "a panic, or more than {TIME_LIMIT:?}: {text:?}");
    Ok(())
}

/// Tries a text wherever SurrealQL may have an expression or a clause.
fn survives_everywhere(text: &str) -> TestCaseResult {
    survives(text)?;
    survives(&format!("SELECT * FROM t WHERE {text}"))?;
    survives(&format!("SELECT {text} FROM t"))?;
    survives(&format!("SELECT * FROM {text}"))?;
    survives(&format!("SELECT * FROM t {text}"))?;
    survives(&format!("SELECT *, (SELECT * FROM u {text}) AS x FROM t ORDER BY x"))
}

/// The words of a text, with the spaces behind them.
fn words(text: &str) -> Vec<&str> {
    text.split_inclusive([' ', '(', ')', ',', '.', '[', ']', '{', '}']).collect()
}

#[derive(Clone, Debug)]
enum Mutation {
    Delete(Index, Index),
    Repeat(Index, Index),
    Insert(Index, &'static str),
    Replace(Index, &'static str),
    Splice(Index, Index, Index),
    Truncate(Index),
    Nest(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<Index>;
    prop_oneof![
        (index(), index()).prop_map(|(from, to)| Mutation::Delete(from, to)),
        (index(), index()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
        (index(), select(VOCABULARY)).prop_map(|(at, word)| Mutation::Insert(at, word)),
        (index(), select(VOCABULARY)).prop_map(|(at, word)| Mutation::Replace(at, word)),
        (index(), index(), index()).prop_map(|(at, other, from)| Mutation::Splice(at, other, from)),
        index().prop_map(Mutation::Truncate),
        index().prop_map(Mutation::Nest),
    ]
}

fn mutated(text: &str, mutation: &Mutation, corpus: &[&str]) -> String {
    let words = words(text);
    let at = |index: &Index| index.index(words.len() + 1);
    let range = |a: &Index, b: &Index| (at(a).min(at(b)), at(a).max(at(b)));
    match mutation {
        Mutation::Delete(a, b) => {
            let (from, to) = range(a, b);
            words[..from].concat() + &words[to..].concat()
        }
        Mutation::Repeat(a, b) => {
            let (from, to) = range(a, b);
            words[..to].concat() + " " + &words[from..].concat()
        }
        Mutation::Insert(index, word) => {
            format!("{} {word} {}", words[..at(index)].concat(), words[at(index)..].concat())
        }
        Mutation::Replace(index, word) => {
            let position = at(index);
            let behind = words.get(position + 1..).unwrap_or_default();
            format!("{} {word} {}", words[..position].concat(), behind.concat())
        }
        Mutation::Splice(index, other, from) => {
            let other = self::words(corpus[other.index(corpus.len())]);
            let tail = &other[from.index(other.len() + 1)..];
            words[..at(index)].concat() + " " + &tail.concat()
        }
        Mutation::Truncate(index) => words[..at(index)].concat(),
        Mutation::Nest(index) => {
            format!("{} ({text}) {}", words[..at(index)].concat(), words[at(index)..].concat())
        }
    }
}

proptest! {
    #![proptest_config(common::config(512))]

    #[test]
    fn bytes(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        survives_everywhere(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn characters(text in "\\PC{0,60}") {
        survives_everywhere(&text)?;
    }

    #[test]
    fn words_of_surrealql(words in proptest::collection::vec(select(VOCABULARY), 0..24)) {
        survives_everywhere(&words.join(" "))?;
    }

    #[test]
    fn queries_with_mistakes(query in any::<Index>(), mutations in proptest::collection::vec(mutation(), 0..6)) {
        let corpus = corpus::queries();
        let mut text = corpus[query.index(corpus.len())].to_owned();
        for mutation in &mutations {
            text = mutated(&text, mutation, &corpus);
            if text.len() > 1 << 16 {
                break;
            }
        }
        survives(&text)?;
    }
}

#[test]
fn the_queries_of_the_tests_themselves() {
    let corpus = corpus::queries();
    assert!(corpus.len() > 100, "{} queries found", corpus.len());
    for text in corpus {
        survives(text).expect("no panic");
    }
}

/// In every way to nest, at every depth.
#[test]
fn deep_nesting() {
    let nests = [
        ("(", "a", ")"),
        ("[", "1", "]"),
        ("{ ", "1", ", 2 }"),
        ("!", "a", ""),
        ("NOT ", "a", ""),
        ("-", "1", ""),
        ("{ a: ", "1", " }"),
        ("a[", "0", "]"),
        ("a[WHERE ", "b", "]"),
        ("a.{ b: ", "c", " }"),
        ("a.{ b.{ ", "c", " } }"),
        ("t:[", "1", "]"),
        ("t:{ a: ", "1", " }"),
        ("<int>", "a", ""),
        ("<array<", "int", ">>a"),
        ("(SELECT * FROM t WHERE ", "a", ")"),
        ("(SELECT ", "a", " FROM t)"),
        ("(SELECT VALUE ", "a", " AS x FROM t ORDER BY x)"),
        ("(SELECT ", "a", " AS x FROM t ORDER BY x)"),
        ("(SELECT * FROM ", "t", ")"),
        ("(SELECT * FROM t, ", "u", " WHERE a)"),
        ("(SELECT * FROM t WHERE id IN (SELECT VALUE id FROM u, v WHERE ", "a", "))"),
        ("(SELECT count() FROM ", "t", " GROUP BY a)"),
        ("a AND ", "a", ""),
        ("a OR (b AND ", "a", ")"),
        ("a + ", "a", ""),
        ("a ?? ", "a", ""),
        ("1..", "2", ""),
        ("a.", "b", ""),
        ("a...", "b", ""),
        ("a->b->", "c", ""),
        ("a->(b WHERE ", "c", ")"),
        ("a->(SELECT * FROM b WHERE ", "c", ")"),
        ("string::len(", "a", ")"),
        ("math::sum(", "a", ")"),
        ("a.len(", "b", ")"),
        ("IF a { ", "1", " } ELSE { 2 }"),
        ("IF a THEN 1 ELSE ", "2", " END"),
        ("|$x| ", "a", ""),
        ("{ RETURN ", "a", "; }"),
        ("{ LET $x = ", "a", "; }"),
    ];
    for depth in [1, 2, 5, 10, 30, 100, 1_000, 20_000] {
        for (open, middle, close) in nests {
            let text = format!("{}{middle}{}", open.repeat(depth), close.repeat(depth));
            for text in [
                format!("SELECT * FROM t WHERE {text}"),
                // Refused elsewhere, so the long part is walked in search of the place.
                format!("SELECT * FROM t WHERE {text} AND b = rand()"),
                format!("SELECT {text} FROM t WHERE $missing"),
                format!("SELECT *, {text} AS x FROM t ORDER BY x GROUP BY x"),
                format!("SELECT *, {text} AS x FROM t ORDER BY x"),
                format!("SELECT * FROM {text}"),
                text,
            ] {
                survives(&text).unwrap_or_else(|error| panic!("{depth} of {open}: {error}"));
            }
        }
    }
}

/// Breadth instead of depth.
#[test]
fn long_texts() {
    let many = |item: &str, separator: &str, count: usize| vec![item; count].join(separator);
    for count in [100, 10_000] {
        for text in [
            format!("SELECT * FROM t WHERE a IN [{}]", many("1", ", ", count)),
            format!("SELECT * FROM t WHERE {}", many("a = 1", " AND ", count)),
            format!("SELECT {} FROM t", many("a", ", ", count)),
            format!("SELECT {} FROM t ORDER BY a", many("a.b AS a", ", ", count)),
            format!("SELECT * FROM {} WHERE a = 1", many("t", ", ", count)),
            format!("SELECT * FROM [{}]", many("t:1", ", ", count)),
            format!("SELECT * FROM t ORDER BY {}", many("a", ", ", count)),
            format!("SELECT {} FROM t GROUP BY a", many("count(a)", ", ", count)),
            format!("SELECT a FROM t GROUP BY {}", many("a", ", ", count)),
            format!("SELECT {} FROM t", many("(SELECT * FROM u)", ", ", count)),
            format!("SELECT * FROM t WHERE a.{}", many("b", ".", count)),
            format!("SELECT * FROM t WHERE a{}", "->b".repeat(count)),
            format!("SELECT * FROM t WHERE {}", many("a", " + ", count)),
            format!("SELECT * FROM t FETCH {}", many("a", ", ", count)),
            format!("SELECT * OMIT {} FROM t", many("a", ", ", count)),
            // Each one is slow to compile.
            format!("SELECT * FROM t WHERE a IN [{}]", many(r"/\w{300}/", ", ", count)),
        ] {
            survives(&text).expect("no panic");
        }
    }
}

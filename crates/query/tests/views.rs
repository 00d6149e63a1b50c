//! Queries that are kept up to date: after each batch of random changes the circuit holds what the reference
//! interpreter answers over all records, and what it reports leads from the former rows to the present ones.

#[path = "../../circuit/tests/support/interpreter.rs"]
mod interpreter;

use std::collections::BTreeMap;
use std::sync::Arc;

use circuit::{Change, ChangeKind, Circuit, Object, Plan, RecordId, ResultId, RowChange, Step, Value};
use interpreter::{Interpreter, Records};
use query::{SurrealLibrary, compile, parse_record_id, parse_value};

/// Conditions and values that can't be computed for every row, where SurrealDB looks at them and where it does not.
const FAILING: &[&str] = &[
    "SELECT * FROM t WHERE n = 1 AND string::len(title) > 2",
    "SELECT * FROM t WHERE string::len(title) > 2 AND n = 1",
    "SELECT * FROM t WHERE n = 1 OR string::len(title) = 3",
    "SELECT * FROM t WHERE string::len(title) = 3 OR n = 1",
    "SELECT * FROM t WHERE string::len(title) = 3 OR string::len(other) = 3",
    "SELECT * FROM t WHERE n = 1 OR (n = 2 AND string::len(title) IN [2, 3])",
    "SELECT * FROM t WHERE !(n = 1 AND string::len(title) > 2)",
    "SELECT * FROM t WHERE n = 1 OR string::len(author.name) > 3",
    "SELECT * FROM t WHERE (n ?? string::len(title)) = 3",
    "SELECT * FROM t WHERE IF n = 1 { string::len(title) = 3 } ELSE { true }",
    "SELECT * FROM t WHERE n = 1 AND string::len(title) IN (SELECT VALUE at FROM c)",
    "SELECT * FROM t WHERE string::len(title) NOT IN (SELECT VALUE at FROM c) AND n < 3",
    "SELECT * FROM t WHERE n = 1 OR (SELECT VALUE at + 1 FROM c WHERE thread = $parent.id) CONTAINS 3",
    "SELECT * FROM t WHERE n = 1 OR string::len(u:1.name) = 3",
    "SELECT * FROM t WHERE n = string::len(u:1.name)",
    "SELECT * FROM t WHERE n < string::len(u:1.name) ORDER BY n LIMIT 2",
    "SELECT * FROM t WHERE n = 2 OR (SELECT VALUE at FROM ONLY c) = 1",
    "SELECT id, string::len(title) AS l FROM t WHERE n = 1 ORDER BY l LIMIT 2",
    "SELECT id, n = 1 OR string::len(title) = 3 AS l FROM t",
    "SELECT id, (SELECT VALUE id FROM c WHERE thread = $parent.id AND at < string::len($parent.title)) AS cs FROM t",
    "SELECT id, IF n = 1 { (SELECT VALUE at + 1 FROM c WHERE thread = $parent.id) } ELSE { [] } AS cs FROM t",
    "SELECT * FROM (SELECT * FROM t WHERE n = 1 OR string::len(title) = 3) WHERE n = 1 OR string::len(title) = 2",
    "SELECT count() FROM t WHERE n = 1 OR string::len(title) = 3 GROUP ALL",
];

#[test]
fn what_nobody_looks_at_may_fail() {
    assert_kept_up_to_date(FAILING);
}

/// Sources that give the same record several times, and rows in orders of their own.
const SOURCES: &[&str] = &[
    "SELECT * FROM t:1, t",
    "SELECT * FROM t, t WHERE n > 1",
    "SELECT * FROM t:1, t:1, t:2 ORDER BY n DESC LIMIT 2",
    "SELECT * FROM t, u, t:2 ORDER BY n LIMIT 4 START 2",
    "SELECT id, (SELECT VALUE id FROM c WHERE thread = $parent.id) AS cs FROM t:1, t",
    "SELECT id, (SELECT VALUE id FROM t:1, t WHERE author = $parent.id) AS ts FROM u",
    "SELECT VALUE id FROM (SELECT * FROM t ORDER BY n DESC), (SELECT * FROM u ORDER BY n), t",
    "SELECT VALUE id FROM (SELECT * FROM t ORDER BY n DESC LIMIT 3), (SELECT * FROM t ORDER BY title LIMIT 2) LIMIT 4",
    "SELECT VALUE id FROM (SELECT * FROM t, u ORDER BY n), (SELECT * FROM (SELECT * FROM u ORDER BY name) ORDER BY n)",
    "SELECT n, count() FROM t, t:1, u GROUP BY n",
    "SELECT id, n FROM (SELECT * FROM t ORDER BY title DESC), t:1, (SELECT * FROM u ORDER BY id DESC) GROUP BY n",
    "SELECT id FROM (SELECT * FROM t ORDER BY n DESC) GROUP ALL",
    "SELECT tags, id FROM t, t:1 SPLIT tags",
    "SELECT * FROM t WHERE id IN (SELECT VALUE thread FROM c, c:1)",
];

/// Conditions that read other records on their way, with parameters inside.
const CONDITIONS: &[&str] = &[
    "SELECT * FROM t WHERE <-(likes WHERE weight = $one)",
    "SELECT * FROM t WHERE <-(likes WHERE in = $me)->t CONTAINS id AND n > $one",
    "SELECT * FROM t WHERE <-(likes WHERE in.name = $me.name) != []",
    "SELECT * FROM u WHERE friends[WHERE n = $one] != []",
    "SELECT * FROM u WHERE friends[WHERE org IN (SELECT VALUE id FROM o WHERE n = $one)].n CONTAINS $one",
    "SELECT * FROM u WHERE friends[$one].n > $one",
    "SELECT * FROM t WHERE author.friends.map(|$f| $f.n = $one) CONTAINS true",
    "SELECT id, (SELECT VALUE id FROM t WHERE <-(likes WHERE weight = $one)<-u CONTAINS $parent.id) AS ts FROM u",
];

#[test]
fn conditions_read_records_with_parameters_at_hand() {
    assert_kept_up_to_date(CONDITIONS);
}

#[test]
fn sources_may_overlap() {
    assert_kept_up_to_date(SOURCES);
}

/// Paths behind `FROM`: along edges, through links, to values of any kind.
const PATHS: &[&str] = &[
    "SELECT * FROM u:1->wrote->t",
    "SELECT id, n FROM $me->wrote->t WHERE n > 1 ORDER BY n DESC LIMIT 2",
    "SELECT VALUE id FROM u:1->likes->t<-wrote<-u",
    "SELECT VALUE id FROM u:1->(likes WHERE weight = $one)->t, t:1",
    "SELECT * FROM u:1->likes ORDER BY weight LIMIT 2 START 1",
    "SELECT * FROM u:1.friends",
    "SELECT name, n FROM u:1.friends",
    "SELECT name, n ?? 1 AS m FROM $me.friends",
    "SELECT *, org.name FROM u:1.friends WHERE org.n = 1",
    "SELECT VALUE id FROM $me.friends[WHERE n = $one]",
    "SELECT VALUE $this FROM u:2.friends.friends",
    "SELECT * FROM [u:1.org, u:1, u:2.name]",
    "SELECT * FROM t:1.title, t:2.other, t:1.tags",
    "SELECT * FROM ONLY u:1.org",
    "SELECT n, count() FROM u:1->wrote->t, u:1->likes->t GROUP BY n",
    "SELECT id FROM u:1->likes->t, u:2->likes->t GROUP ALL",
    "SELECT id, tags FROM u:1->likes->t SPLIT tags",
    "SELECT *, (SELECT id, n FROM $parent->wrote->t WHERE n >= $one ORDER BY id DESC LIMIT 2) AS ts FROM u",
    "SELECT id, (SELECT name FROM $parent.friends) AS friends FROM u ORDER BY n LIMIT 2",
    "SELECT id, (SELECT *, (SELECT VALUE id FROM $this<-likes<-u) AS fans FROM $parent.author->wrote->t) AS ts FROM t",
    "SELECT VALUE id FROM t WHERE u:1 IN (SELECT VALUE id FROM $parent<-likes<-u)",
    "SELECT VALUE id FROM t WHERE author IN (SELECT VALUE id FROM u:1.friends)",
    "SELECT VALUE id FROM (SELECT VALUE author FROM t WHERE n = 1)[0]->wrote->t",
    "SELECT * FROM (SELECT * FROM u:1->wrote->t ORDER BY n DESC LIMIT 2) WHERE n > 1",
    "SELECT a FROM [{ a: 3 }, 7, { a: 1 }, [{ a: 2 }], u:1] LIMIT 3",
];

/// Rows that are links, and other values; answers as rows; parts of the rows that are read.
const VALUES: &[&str] = &[
    "SELECT * FROM (SELECT VALUE author FROM t)",
    "SELECT name, n FROM (SELECT VALUE author FROM t WHERE n = 1)",
    "SELECT name FROM (SELECT VALUE author FROM t ORDER BY n DESC LIMIT 3) LIMIT 2",
    "SELECT *, n AS m FROM (SELECT VALUE title FROM t) WHERE n = 1",
    "SELECT *, n ?? 0 AS m FROM (SELECT VALUE author FROM t) ORDER BY m DESC LIMIT 3",
    "SELECT name AS a.b, * FROM (SELECT VALUE author FROM t), u:1",
    "SELECT id, $this AS link, (SELECT VALUE id FROM t WHERE author = $parent.id) AS ts FROM (SELECT VALUE author FROM t)",
    "SELECT name FROM (SELECT VALUE friends FROM u)",
    "SELECT n, count() FROM (SELECT name, n FROM (SELECT VALUE author FROM t)) GROUP BY n",
    "SELECT * FROM (SELECT * FROM ONLY t:1)",
    "SELECT name FROM (SELECT VALUE author FROM ONLY t:1), u:2",
    "SELECT id, (SELECT name FROM (SELECT VALUE author FROM ONLY $parent.thread)) AS author FROM c",
    "SELECT VALUE tags FROM t SPLIT tags LIMIT 2 START 1",
    "SELECT id, tags FROM t SPLIT tags ORDER BY id DESC LIMIT 3 START 1",
    "SELECT id, ->(SELECT weight, out.title AS title FROM likes ORDER BY title DESC LIMIT 2) AS likes FROM u",
    "SELECT id FROM u WHERE ->(SELECT weight, out FROM likes) CONTAINS { weight: $one, out: t:1 }",
    "SELECT n, count(author IN (SELECT VALUE by FROM c)) AS authors FROM t GROUP BY n",
    "SELECT (SELECT VALUE at FROM ONLY c:1) AS at, math::sum(n ?? 0) AS sum FROM t GROUP BY at",
    "SELECT n, (SELECT VALUE name FROM u) AS names FROM t GROUP BY n ORDER BY n LIMIT 2",
];

#[test]
fn rows_may_be_any_values() {
    assert_kept_up_to_date(VALUES);
}

#[test]
fn paths_lead_to_rows() {
    assert_kept_up_to_date(PATHS);
}

/// Catches a list that is taken in again from its beginning.
#[test]
fn a_change_in_a_long_list_costs_what_it_changes() {
    const LENGTH: u64 = 2_000;
    let mut circuit = Circuit::new(Arc::new(SurrealLibrary));
    let mut version = 0;
    let mut step = |circuit: &mut Circuit, texts: &[String]| -> (u64, usize) {
        version += 1;
        let change = |text: &String| {
            let content = object(text);
            let Some(Value::RecordId(id)) = content.get("id") else { panic!("{text} has no id") };
            Change { id: RecordId::clone(id), version, content: Some(content) }
        };
        let before = circuit.work();
        let step = circuit.step(texts.iter().map(change).collect());
        let changes = step.deltas.iter().map(|delta| delta.changes.len()).sum();
        (circuit.work().rows_examined - before.rows_examined, changes)
    };
    let threads = (0..LENGTH).map(|n| format!("{{ id: t:{n}, n: {n} }}"));
    let edges = (0..LENGTH).map(|n| format!("{{ id: wrote:{}, in: u:1, out: t:{n} }}", 2 * n));
    step(&mut circuit, &threads.chain(edges).collect::<Vec<_>>());
    let friends = |count: u64| (0..count).map(|n| format!("t:{n}")).collect::<Vec<_>>().join(", ");
    step(&mut circuit, &[format!("{{ id: u:1, friends: [{}] }}", friends(LENGTH))]);
    for (text, changed) in [
        ("SELECT * FROM u:1->wrote->t ORDER BY n LIMIT 1900", "{ id: wrote:1001, in: u:1, out: t:7 }".to_owned()),
        ("SELECT * FROM u:1.friends LIMIT 1900", format!("{{ id: u:1, friends: [t:7, {}] }}", friends(LENGTH))),
    ] {
        let result = circuit.register(&compile(text, &object("{}")).expect("it compiles").plan);
        // A record of the list, then one more item.
        assert_eq!(step(&mut circuit, &["{ id: t:500, n: 500, x: 1 }".to_owned()]), (2, 1), "{text}");
        let (examined, changes) = step(&mut circuit, &[changed]);
        assert!(examined <= 4 && changes == 2, "{text}: {examined} rows examined, {changes} changes");
        circuit.unregister(result);
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        let mut x = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = x;
        (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn key(&mut self, bound: u64) -> u64 {
        1 + self.below(bound)
    }

    /// A record and its fields.
    fn record(&mut self) -> (String, String) {
        let any = ["1", "2", "3", "'ab'", "'abc'", "NONE", "NULL", "[1]", "u:1", "2.0", "[u:1, u:2]", "{ a: 1 }"];
        let (n, title, other) = (self.pick(&["1", "2", "3", "1.0", "NONE"]), self.pick(&any), self.pick(&any));
        match self.below(10) {
            0..=3 => {
                let tags = self.pick(&["[]", "['x']", "['x', 'y']", "['y', 'y']", "NONE"]);
                let (id, author) = (self.key(4), self.key(3));
                let fields = format!("author: u:{author}, n: {n}, title: {title}, other: {other}, tags: {tags}");
                (format!("t:{id}"), fields)
            }
            4 | 5 => {
                let name = self.pick(&["'Ada'", "'Grace'", "'Bo'", "NONE", "5"]);
                let friends =
                    self.pick(&["[]", "[u:1]", "[u:2, u:3]", "u:2", "[t:1, u:1, NONE]", "NONE", "[u:1, u:1]"]);
                let (id, org) = (self.key(3), self.key(2));
                (format!("u:{id}"), format!("name: {name}, org: o:{org}, friends: {friends}, n: {n}"))
            }
            6 => (format!("o:{}", self.key(2)), format!("name: {title}, n: {n}")),
            7 | 8 => {
                let (id, thread, by) = (self.key(5), self.key(4), self.key(3));
                let at = self.pick(&["1", "2", "3", "'late'"]);
                (format!("c:{id}"), format!("thread: t:{thread}, by: u:{by}, at: {at}"))
            }
            _ => {
                let (id, from, to) = (self.key(5), self.key(3), self.key(4));
                let table = self.pick(&["wrote", "likes"]);
                (format!("{table}:{id}"), format!("in: u:{from}, out: t:{to}, weight: {n}"))
            }
        }
    }

    fn change(&mut self, version: u64) -> Change {
        let (id, fields) = self.record();
        let content = (self.below(4) > 0).then(|| object(&format!("{{ id: {id}, {fields} }}")));
        Change { id: parse_record_id(&id).expect("an id"), version, content }
    }
}

fn object(text: &str) -> Object {
    match parse_value(text).unwrap_or_else(|error| panic!("{text}: {error}")) {
        Value::Object(object) => Object::clone(&object),
        other => panic!("{other:?} is no object"),
    }
}

/// A query, and what a client holds that has followed its changes: by the way to it, the versions of each row.
struct View {
    text: &'static str,
    plan: Plan,
    result: ResultId,
    followed: Shown,
}

type Shown = BTreeMap<String, Vec<u64>>;

impl View {
    fn register(circuit: &mut Circuit, text: &'static str) -> View {
        let plan = compile(text, &object("{ one: 1, me: u:1 }")).unwrap_or_else(|error| panic!("{text}: {error}")).plan;
        let result = circuit.register(&plan);
        let mut followed = BTreeMap::new();
        apply(&mut followed, &circuit.listing(result), text);
        View { text, plan, result, followed }
    }

    fn follow(&mut self, circuit: &Circuit, step: &Step, note: &str) {
        for delta in step.deltas.iter().filter(|delta| delta.result == self.result) {
            apply(&mut self.followed, &delta.changes, self.text);
        }
        let mut listed = BTreeMap::new();
        apply(&mut listed, &circuit.listing(self.result), self.text);
        assert_eq!(self.followed, listed, "{}: {note}", self.text);
        let rows = circuit.digest(self.result).expect("a digest").rows;
        let listed = listed.iter().filter(|(path, _)| !path.contains('\n')).map(|(_, versions)| versions.len());
        assert_eq!(rows as usize, listed.sum::<usize>(), "{}: {note}", self.text);
    }
}

/// Applies changes to what is shown, if they fit.
fn apply(shown: &mut Shown, changes: &[RowChange], text: &str) {
    fn apply_under(shown: &mut Shown, changes: &[RowChange], under: &str, text: &str) {
        for change in changes {
            let path = format!("{under}{:?}", change.id);
            let versions = shown.entry(path.clone()).or_default();
            if change.kind != ChangeKind::Enter {
                let position = versions.iter().position(|version| *version == change.former);
                let unknown = || panic!("{text}: {:?} of {path}, shown in {versions:?}", change.kind);
                versions.remove(position.unwrap_or_else(unknown));
            }
            if change.kind != ChangeKind::Leave {
                versions.push(change.version);
                versions.sort_unstable();
            }
            if versions.is_empty() {
                shown.remove(&path);
            }
            for nested in &change.nested {
                apply_under(shown, &nested.changes, &format!("{path}\n{}", nested.child), text);
            }
        }
    }
    apply_under(shown, changes, "", text);
}

fn assert_kept_up_to_date(texts: &'static [&'static str]) {
    for seed in 0..12 {
        let mut random = Random(seed);
        let mut circuit = Circuit::new(Arc::new(SurrealLibrary));
        let mut records = Records::default();
        let mut views: Vec<View> = Vec::new();
        for version in 0..60 {
            let batch: Vec<Change> = (0..=random.below(3)).map(|part| random.change(1 + version * 10 + part)).collect();
            batch.iter().for_each(|change| records.set(&RecordId::clone(&change.id), change.content.clone()));
            let note = format!("seed {seed}, version {version}: {batch:?}");
            let step = circuit.step(batch);
            views.iter_mut().for_each(|view| view.follow(&circuit, &step, &note));
            if let (true, Some(text)) = (random.below(2) == 0, texts.get(views.len())) {
                views.push(View::register(&mut circuit, text));
            }
            let interpreter = Interpreter { records: &records, library: &SurrealLibrary };
            for View { text, plan, result, .. } in &views {
                match (circuit.answer(*result, &plan.output), interpreter.answer(plan)) {
                    (Ok(kept), Ok(anew)) => assert_eq!(format!("{kept:?}"), format!("{anew:?}"), "{text}: {note}"),
                    (Err(_), Err(_)) => {}
                    (kept, anew) => panic!("{text}: {kept:?} instead of {anew:?}: {note}"),
                }
            }
        }
        views.iter().for_each(|view| circuit.unregister(view.result));
        let size = circuit.size();
        let left = (size.templates, size.bindings, size.results, size.arrangements, size.attachments);
        assert_eq!(left, (0, 0, 0, 0, 0), "something leaks");
        assert_eq!((size.operators, size.sets, size.dependents, size.virtual_columns), (0, 0, 0, 0), "something leaks");
    }
}

//! What queries answer, carried out by the reference interpreter. The answers are SurrealDB's, of which the quirks are
//! taken from its sources or were measured.

#[path = "../../circuit/tests/support/interpreter.rs"]
mod interpreter;
#[path = "common/well_formed.rs"]
mod well_formed;

use circuit::{Failure, Object, Value};
use interpreter::{Interpreter, Records};
use query::{SurrealLibrary, compile, parse_value};

fn value(text: &str) -> Value {
    parse_value(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn object(text: &str) -> Object {
    match value(text) {
        Value::Object(object) => (*object).clone(),
        other => panic!("{other:?} is no object"),
    }
}

/// The given records, each with its id.
fn records(rows: &[&str]) -> Records {
    let mut records = Records::default();
    for row in rows {
        let content = object(row);
        match content.get("id") {
            Some(Value::RecordId(id)) => records.set(&id.clone(), Some(content)),
            other => panic!("{row} has the id {other:?}"),
        }
    }
    records
}

fn try_answer(records: &Records, text: &str, parameters: &str) -> Result<Value, Failure> {
    let query = compile(text, &object(parameters)).unwrap_or_else(|error| panic!("{text}: {error}"));
    well_formed::assert_well_formed(&query.plan);
    Interpreter { records, library: &SurrealLibrary }.answer(&query.plan)
}

#[track_caller]
fn assert_answer(records: &Records, text: &str, expected: &str) {
    let answer = try_answer(records, text, "{ one: 1, two: 2, ids: [t:3, t:1], me: u:1 }");
    let answer = answer.unwrap_or_else(|Failure(message)| panic!("{text}: {message}"));
    assert_eq!(answer, value(expected), "{text}");
}

/// Threads with authors, and comments on them.
fn forum() -> Records {
    records(&[
        "{ id: u:1, name: 'Ada', org: o:1, active: true }",
        "{ id: u:2, name: 'Bob', org: o:2, active: false }",
        "{ id: o:1, name: 'Acme' }",
        "{ id: o:2, name: 'Globex' }",
        "{ id: t:1, title: 'one', author: u:1, tags: ['x', 'y'], n: 3 }",
        "{ id: t:2, title: 'two', author: u:2, tags: [], n: 1 }",
        "{ id: t:3, title: 'three', author: u:1, tags: ['y'], n: 2 }",
        "{ id: c:1, thread: t:1, by: u:2, at: 5 }",
        "{ id: c:2, thread: t:1, by: u:1, at: 4 }",
        "{ id: c:3, thread: t:3, by: u:1, at: 6 }",
    ])
}

#[test]
fn sources() {
    let forum = forum();
    for (source, expected) in [
        ("t", "[t:1, t:2, t:3]"),
        ("t:2", "[t:2]"),
        ("t:9", "[]"),
        ("t:2..", "[t:2, t:3]"),
        ("t:1..=2", "[t:1, t:2]"),
        ("t:1>..3", "[t:2]"),
        ("[t:3, t:1]", "[t:3, t:1]"),
        ("[t:1, t:3, t:9]", "[t:1, t:3]"),
        ("$ids", "[t:3, t:1]"),
        ("u, o", "[u:1, u:2, o:1, o:2]"),
        ("t:2, u, t:1", "[t:2, u:1, u:2, t:1]"),
        ("(SELECT * FROM t ORDER BY n LIMIT 2)", "[t:2, t:3]"),
        ("(SELECT id FROM t WHERE n > 1), u:2", "[t:1, t:3, u:2]"),
        ("[]", "[]"),
        ("t:1.author", "[u:1]"),
        ("$me.org, u:1", "[o:1, u:1]"),
        ("[t:9, t:1].author", "[u:1]"),
        ("[c:2.thread, c:3.thread.author, c:9.thread]", "[t:1, u:1]"),
        ("t, t:2, t", "[t:1, t:2, t:3, t:2, t:1, t:2, t:3]"),
        ("[t:2, t:1, t:2]", "[t:2, t:1, t:2]"),
        ("t:2.., (SELECT * FROM t WHERE n > 1), t:2", "[t:2, t:3, t:1, t:3, t:2]"),
    ] {
        assert_answer(&forum, &format!("SELECT VALUE id FROM {source}"), expected);
    }
}

/// Records with equal ids are looked up by what is stored, and read in that order.
#[test]
fn ids_with_numbers_inside() {
    let rows = records(&[
        "{ id: k:[1, 'b'], n: 1 }",
        "{ id: k:[1f, 'a'], n: 2 }",
        "{ id: k:[1dec, '0'], n: 3 }",
        "{ id: k:[0.3f], n: 4 }",
        "{ id: k:[0.3dec], n: 5 }",
        "{ id: k:[0.1dec], n: 6 }",
        "{ id: k:[0.1f], n: 7 }",
        "{ id: k:[2], n: 8 }",
        "{ id: k:[1], n: 9 }",
        "{ id: k:{ a: 1f, b: 1 }, n: 10 }",
        "{ id: k:{ a: 1, b: 2 }, n: 11 }",
    ]);
    for (source, expected) in [
        ("k", "[6, 7, 4, 5, 9, 1, 2, 3, 8, 11, 10]"),
        ("k:[1, 'b']", "[1]"),
        ("k:[1f, 'b']", "[]"),
        ("k:[1.00dec, '0']", "[3]"),
        ("[k:[1f, 'a'], k:[2], k:[1, 'b']]", "[2, 8, 1]"),
        ("k:[1]..[2]", "[9, 1, 2, 3]"),
        ("k:[1f]..[2]", "[2, 3]"),
        ("k:[1, 'b']..=[1f]", "[1]"),
        ("k:[1, 'b']>..", "[2, 3, 8, 11, 10]"),
        ("k:[0.1dec]..[0.3f]", "[6, 7]"),
        ("k:..=[0.3f]", "[6, 7, 4]"),
        ("k:{ a: 1, b: 3 }..", "[10]"),
        ("k WHERE id = k:[1f, 'a']", "[2]"),
        ("k WHERE n > 0 AND k:[1, 'b'] == id", "[1]"),
        ("(SELECT * FROM k) WHERE id >= k:[1f] AND id < k:[2]", "[9, 1, 2, 3]"),
    ] {
        assert_answer(&rows, &format!("SELECT VALUE n FROM {source}"), expected);
    }
}

#[test]
fn conditions() {
    let forum = forum();
    for (condition, expected) in [
        ("n >= $two", "[t:1, t:3]"),
        ("author.name = 'Ada'", "[t:1, t:3]"),
        ("author.org.name = 'Globex'", "[t:2]"),
        ("author.org = $me.org", "[t:1, t:3]"),
        ("tags CONTAINS 'y' AND n < 3", "[t:3]"),
        ("n + $one = 3", "[t:3]"),
        ("author IN (SELECT VALUE id FROM u WHERE active)", "[t:1, t:3]"),
        ("author NOT IN (SELECT VALUE id FROM u WHERE active)", "[t:2]"),
        ("(SELECT VALUE thread FROM c) CONTAINS id", "[t:1, t:3]"),
        ("id IN (SELECT VALUE thread FROM c WHERE by != $parent.author)", "[t:1]"),
        ("(SELECT * FROM c WHERE thread = $parent.id) = []", "[t:2]"),
        ("(SELECT VALUE at FROM c WHERE thread = $parent.id ORDER BY at)[0] = 4", "[t:1]"),
        ("(SELECT VALUE name FROM ONLY u:1) = author.name", "[t:1, t:3]"),
        ("[1, n] = [1, 2]", "[t:3]"),
        ("tags[WHERE $this = 'x'] != []", "[t:1]"),
        ("true", "[t:1, t:2, t:3]"),
        ("NONE", "[]"),
    ] {
        assert_answer(&forum, &format!("SELECT VALUE id FROM t WHERE {condition}"), expected);
    }
}

#[test]
fn order_and_window() {
    let forum = forum();
    for (clauses, expected) in [
        ("ORDER BY n", "[t:2, t:3, t:1]"),
        ("ORDER BY author DESC, n", "[t:2, t:3, t:1]"),
        ("ORDER BY author.name DESC", "[t:1, t:2, t:3]"),
        ("ORDER BY n LIMIT 1", "[t:2]"),
        ("ORDER BY n START 1", "[t:3, t:1]"),
        ("ORDER BY n DESC LIMIT 1 START 1", "[t:3]"),
        ("LIMIT $two", "[t:1, t:2]"),
        ("START $two LIMIT 5", "[t:3]"),
        ("LIMIT 0", "[]"),
    ] {
        assert_answer(&forum, &format!("SELECT VALUE id FROM t {clauses}"), expected);
    }
    assert_answer(&forum, "SELECT id, author.name AS by FROM t ORDER BY by DESC LIMIT 1", "[{ id: t:2, by: 'Bob' }]");
    let text = "SELECT id, (SELECT VALUE at FROM c WHERE thread = $parent.id ORDER BY at)[0] AS first
        FROM t ORDER BY first DESC";
    let expected = "[{ id: t:3, first: 6 }, { id: t:1, first: 4 }, { id: t:2, first: NONE }]";
    assert_answer(&forum, text, expected);
}

#[test]
fn subqueries_in_projections() {
    let forum = forum();
    assert_answer(
        &forum,
        "SELECT title, (SELECT VALUE id FROM c WHERE thread = $parent.id ORDER BY at) AS cs FROM t WHERE n > 1",
        "[{ title: 'one', cs: [c:2, c:1] }, { title: 'three', cs: [c:3] }]",
    );
    assert_answer(
        &forum,
        "SELECT name, (SELECT title, (SELECT VALUE by.name FROM c WHERE thread = $parent.id AND at > $two) AS who
            FROM t WHERE author = $parent.id AND n > $one) AS ts FROM u",
        "[{ name: 'Ada', ts: [{ title: 'one', who: ['Bob', 'Ada'] }, { title: 'three', who: ['Ada'] }] },
          { name: 'Bob', ts: [] }]",
    );
    assert_answer(
        &forum,
        "SELECT VALUE [title, (SELECT VALUE $parent.n + at FROM c WHERE thread = $parent.id)[0]] FROM t:1",
        "[['one', 8]]",
    );
    assert_answer(&forum, "SELECT (SELECT VALUE name FROM ONLY o:1) AS o FROM ONLY t:1", "{ o: 'Acme' }");
    assert_answer(
        &forum,
        "SELECT (SELECT count() FROM (SELECT * FROM c WHERE thread = $parent.id) GROUP ALL)[0].count AS n FROM t",
        "[{ n: 2 }, { n: 0 }, { n: 1 }]",
    );
}

/// Threads with and without authors, and who knows whom.
fn circle() -> Records {
    records(&[
        "{ id: u:1, name: 'a', n: 1 }",
        "{ id: u:2, name: 'b', n: 2 }",
        "{ id: u:3, name: 'c', n: 3 }",
        "{ id: t:1, tags: ['x', 'y', 'z'], n: 3, author: u:1 }",
        "{ id: t:2, tags: ['p', 'q'], n: 2, author: u:2 }",
        "{ id: t:3, tags: [], n: 1, author: u:1 }",
        "{ id: t:4, tags: 's', n: 5, author: u:9 }",
        "{ id: t:5, n: 0 }",
        "{ id: knows:1, in: u:1, out: u:2, since: 1, w: { a: 1 } }",
        "{ id: knows:2, in: u:1, out: u:3, since: 2, friend: u:2 }",
        "{ id: knows:3, in: u:2, out: u:3, since: 3 }",
    ])
}

/// Measured: where fields are picked, and beside `*` in the slow way, a link to no record is no row, behind the window;
/// where values are computed, it is a row without fields. Neither the order nor `$this` follows links.
#[test]
fn rows_that_are_links_show_their_records() {
    let circle = circle();
    let (ada, bob) = ("{ id: u:1, n: 1, name: 'a' }", "{ id: u:2, n: 2, name: 'b' }");
    let whole = format!("[{ada}, {bob}, {ada}, NONE]");
    for fields in ["*", "* OMIT name.x", "*, id, n"] {
        assert_answer(&circle, &format!("SELECT {fields} FROM (SELECT VALUE author FROM t)"), &whole);
    }
    for (rest, expected) in [
        ("name FROM LINKS", "[{ name: 'a' }, { name: 'b' }, { name: 'a' }, NONE]"),
        ("name FROM LINKS LIMIT 4", "[{ name: 'a' }, { name: 'b' }, { name: 'a' }]"),
        ("name FROM LINKS WHERE n >= 1 LIMIT 2 START 1", "[{ name: 'b' }, { name: 'a' }]"),
        ("name, n OMIT n FROM LINKS", "[{ name: 'a' }, { name: 'b' }, { name: 'a' }, NONE]"),
        ("n, name AS n FROM LINKS LIMIT 1", "[{ n: 'a' }]"),
        ("n + 0 AS m, name FROM LINKS LIMIT 2", "[{ m: 1, name: 'a' }, { m: 2, name: 'b' }]"),
        ("$this AS x, name FROM LINKS LIMIT 2 START 3", "[{ x: u:9, name: NONE }, { x: NONE, name: NONE }]"),
        ("*, $this AS x FROM LINKS START 3", "[{ x: u:9 }, { x: NONE }]"),
        ("*, $this AS x, name FROM LINKS START 3", "[{ x: u:9, name: NONE }, { x: NONE, name: NONE }]"),
        ("*, 1 AS n FROM LINKS WHERE name = 'b'", "[{ id: u:2, n: 1, name: 'b' }]"),
        ("*, name AS y, 1 AS z FROM LINKS WHERE name = 'b'", "[{ id: u:2, n: 2, y: 'b', z: 1 }]"),
        ("name AS b.c FROM LINKS START 2", "[{ b: { c: 'a' } }, { b: { c: NONE } }, { b: { c: NONE } }]"),
        ("*, name AS b.c FROM LINKS START 3", "[{ b: { c: NONE } }]"),
        ("*, n OMIT name.x FROM LINKS START 3", "[{ n: NONE }]"),
        ("n ?? 0 AS x, name FROM LINKS ORDER BY x DESC LIMIT 2", "[{ x: 2, name: 'b' }, { x: 1, name: 'a' }]"),
        ("->knows->u AS f, name FROM LINKS START 1 LIMIT 1", "[{ f: [u:3], name: 'b' }]"),
        ("(SELECT VALUE id FROM t WHERE author = $parent.id) AS ts FROM LINKS LIMIT 1", "[{ ts: [t:1, t:3] }]"),
        ("VALUE name OMIT name FROM LINKS", "['a', 'b', 'a', NONE, NONE]"),
        ("VALUE name FROM (SELECT * FROM LINKS)", "['a', 'b', 'a', NONE]"),
        ("name FROM LINKS, u:3 START 3", "[NONE, { name: 'c' }]"),
    ] {
        let text = format!("SELECT {}", rest.replace("LINKS", "(SELECT VALUE author FROM t)"));
        assert_answer(&circle, &text, expected);
    }
    for (rest, expected) in [
        ("n FROM (SELECT VALUE n FROM t)", "[3, 2, 1, 5, 0]"),
        ("*, $this + 1 AS m FROM (SELECT VALUE n FROM t) LIMIT 2", "[{ m: 4 }, { m: 3 }]"),
        ("tags FROM (SELECT VALUE tags FROM t) LIMIT 2", "[['x', 'y', 'z'], ['p', 'q']]"),
        ("name FROM (SELECT VALUE [author, 1] FROM t) LIMIT 1", "[[u:1, 1]]"),
        ("name FROM ONLY (SELECT VALUE author FROM t WHERE n = 2)", "{ name: 'b' }"),
        ("name FROM ONLY (SELECT VALUE author FROM t WHERE n = 5)", "NONE"),
    ] {
        assert_answer(&circle, &format!("SELECT {rest}"), expected);
    }
    assert!(try_answer(&circle, "SELECT name FROM ONLY (SELECT VALUE author FROM t WHERE n < 3)", "{}").is_err());
}

/// Measured: one row, whatever the answer of the subquery is.
#[test]
fn the_answer_of_only_is_one_row() {
    let circle = circle();
    for (source, expected) in [
        ("SELECT n FROM ONLY t:1", "[{ n: 3 }]"),
        ("SELECT VALUE n FROM ONLY t:1", "[3]"),
        ("SELECT VALUE author FROM ONLY t:1", "[{ id: u:1, n: 1, name: 'a' }]"),
        ("SELECT VALUE author FROM ONLY t:4", "[]"),
        ("SELECT VALUE tags FROM ONLY t:1", "[['x', 'y', 'z']]"),
        ("SELECT VALUE [author, u:2] FROM ONLY t:1", "[[u:1, u:2]]"),
        ("SELECT * FROM ONLY t:77", "[NONE]"),
        ("SELECT VALUE n FROM ONLY t:77", "[NONE]"),
        ("SELECT VALUE { a: 1 } FROM ONLY t:1", "[{ a: 1 }]"),
        ("SELECT * FROM ONLY u LIMIT 1", "[{ id: u:1, n: 1, name: 'a' }]"),
    ] {
        assert_answer(&circle, &format!("SELECT * FROM ({source})"), expected);
    }
    for (text, expected) in [
        ("SELECT name FROM (SELECT VALUE author FROM ONLY t:1)", "[{ name: 'a' }]"),
        ("SELECT n + 1 AS m FROM (SELECT * FROM ONLY t:1)", "[{ m: 4 }]"),
        ("SELECT * FROM ONLY (SELECT n FROM ONLY t:1)", "{ n: 3 }"),
        ("SELECT * FROM ONLY (SELECT * FROM ONLY t:77)", "NONE"),
        ("SELECT count() FROM (SELECT * FROM ONLY t:77) GROUP ALL", "[{ count: 1 }]"),
        (
            "SELECT *, 1 AS x FROM (SELECT VALUE author FROM ONLY t:1), u:2",
            "[{ id: u:1, n: 1, name: 'a', x: 1 }, { id: u:2, n: 2, name: 'b', x: 1 }]",
        ),
    ] {
        assert_answer(&circle, text, expected);
    }
    assert!(try_answer(&circle, "SELECT * FROM (SELECT * FROM ONLY t)", "{}").is_err());
}

/// Measured: an object takes the place of a record, and the next step goes on from its `id`.
#[test]
fn graph_steps_select_fields() {
    let circle = circle();
    for (step, expected) in [
        ("->(SELECT since FROM knows)", "[{ since: 1 }, { since: 2 }]"),
        ("->(SELECT since FROM knows WHERE since > 1)", "[{ since: 2 }]"),
        ("->(SELECT since AS s, w.a FROM knows)", "[{ s: 1, w: { a: 1 } }, { s: 2, w: { a: NONE } }]"),
        ("->(SELECT since + 1 FROM knows)", "[{ `since + 1`: 2 }, { `since + 1`: 3 }]"),
        ("->(SELECT since AS a.b, w.a AS a.c FROM knows LIMIT 1)", "[{ a: { b: 1, c: 1 } }]"),
        (
            "->(SELECT out.name, $this.in AS x, $parent.n AS y FROM knows LIMIT 1)",
            "[{ out: { name: 'b' }, x: u:1, y: 1 }]",
        ),
        ("->(SELECT out.name AS n FROM knows ORDER BY since DESC)", "[{ n: 'c' }, { n: 'b' }]"),
        ("->(SELECT since AS s FROM knows ORDER BY s DESC)", "[{ s: 2 }, { s: 1 }]"),
        ("->(SELECT 0 - since AS since FROM knows ORDER BY since)", "[{ since: -2 }, { since: -1 }]"),
        ("->(SELECT VALUE since + 1 AS s FROM knows ORDER BY s DESC)", "[3, 2]"),
        ("->(SELECT ->u AS x FROM knows)", "[{ x: [u:2] }, { x: [u:3] }]"),
        ("->(SELECT missing FROM knows START 1)", "[{ missing: NONE }]"),
        ("->(SELECT since FROM knows)->u", "[]"),
        ("->(SELECT since, id FROM knows)->u", "[u:2, u:3]"),
        ("->(SELECT out AS id FROM knows)->knows", "[knows:3]"),
        ("->(SELECT since FROM knows).since", "[1, 2]"),
    ] {
        assert_answer(&circle, &format!("SELECT VALUE {step} FROM u:1"), &format!("[{expected}]"));
    }
    assert_answer(&circle, "SELECT VALUE id FROM u WHERE ->(SELECT since FROM knows) CONTAINS { since: 1 }", "[u:1]");
    assert_answer(&circle, "SELECT * FROM u:1->(SELECT since FROM knows)", "[{ since: 1 }, { since: 2 }]");
}

#[test]
fn only() {
    let forum = forum();
    assert_answer(&forum, "SELECT VALUE title FROM ONLY t:1", "'one'");
    assert_answer(&forum, "SELECT VALUE title FROM ONLY t:9", "NONE");
    assert_answer(&forum, "SELECT VALUE title FROM ONLY t ORDER BY n LIMIT 1", "'two'");
    assert!(try_answer(&forum, "SELECT * FROM ONLY t", "{}").is_err());
    assert!(try_answer(&forum, "SELECT * FROM ONLY [t:9]", "{}").is_err());
}

#[test]
fn split() {
    let forum = forum();
    assert_answer(
        &forum,
        "SELECT id, tags FROM t SPLIT tags",
        "[{ id: t:1, tags: 'x' }, { id: t:1, tags: 'y' }, { id: t:2, tags: [] }, { id: t:3, tags: 'y' }]",
    );
    assert_answer(
        &forum,
        "SELECT id, tags FROM t SPLIT tags ORDER BY id, tags LIMIT 2",
        "[{ id: t:1, tags: 'x' }, { id: t:1, tags: 'y' }]",
    );
}

/// Measured: in the order of a table SurrealDB reads as many rows as LIMIT says, splits these, and skips then.
#[test]
fn a_start_skips_parts_of_the_rows_that_are_read() {
    let rows = records(&[
        "{ id: v:1, x: 1 }",
        "{ id: v:2, x: 2 }",
        "{ id: v:3, x: [3, 4, 5] }",
        "{ id: v:4, x: 6 }",
        "{ id: v:5, x: [7, 8] }",
        "{ id: v:6, x: 9 }",
    ]);
    for (rest, expected) in [
        ("v SPLIT x LIMIT 2 START 1", "[2]"),
        ("v SPLIT x LIMIT 2 START 2", "[]"),
        ("v SPLIT x LIMIT 3 START 4", "[5]"),
        ("v SPLIT x START 7", "[8, 9]"),
        ("v WHERE x != 2 SPLIT x LIMIT 2 START 1", "[3, 4]"),
        ("v WHERE id IN [v:1, v:2, v:3, v:4] SPLIT x LIMIT 2 START 2", "[]"),
        ("v SPLIT x ORDER BY id LIMIT 2 START 2", "[]"),
        ("v SPLIT x ORDER BY id DESC LIMIT 2 START 2", "[8]"),
        ("v SPLIT x ORDER BY id DESC LIMIT 3 START 1", "[7, 8, 6]"),
        ("v SPLIT x ORDER BY id, x LIMIT 2 START 2", "[3, 4]"),
        ("v SPLIT x ORDER BY id COLLATE LIMIT 2 START 2", "[3, 4]"),
        ("type::table('v') SPLIT x LIMIT 2 START 2", "[]"),
        ("v:1..9 SPLIT x LIMIT 2 START 2", "[3, 4]"),
        ("v:1..9 SPLIT x ORDER BY id DESC LIMIT 2 START 2", "[8, 6]"),
        ("[v:1, v:2, v:3, v:4] SPLIT x LIMIT 2 START 2", "[3, 4]"),
        ("v, v SPLIT x LIMIT 2 START 2", "[3, 4]"),
        ("(SELECT * FROM v) SPLIT x LIMIT 2 START 3", "[4, 5]"),
    ] {
        assert_answer(&rows, &format!("SELECT VALUE x FROM {rest}"), expected);
    }
}

/// Measured: a subquery among the fields of a group is one that does not look at the rows.
#[test]
fn groups_of_what_subqueries_answer() {
    let circle = circle();
    for (fields, expected) in [
        (
            "author, count((SELECT VALUE id FROM u)) AS c FROM t WHERE n < 3 GROUP BY author",
            "[{ author: NONE, c: 1 }, { author: u:1, c: 1 }, { author: u:2, c: 1 }]",
        ),
        (
            "author, (SELECT VALUE id FROM u) AS c FROM t WHERE author = u:2 GROUP BY author",
            "[{ author: u:2, c: [[u:1, u:2, u:3]] }]",
        ),
        ("(SELECT VALUE n FROM u)[0] AS k, count() AS c FROM t GROUP BY k", "[{ c: 5, k: 1 }]"),
        ("math::sum(n * (SELECT VALUE n FROM ONLY u:2)) AS s FROM t GROUP ALL", "[{ s: 22 }]"),
        ("math::sum((SELECT * FROM u)[2].n) AS s FROM t GROUP ALL", "[{ s: 15 }]"),
        ("count(author IN (SELECT VALUE id FROM u WHERE n < 2)) AS c FROM t GROUP ALL", "[{ c: 2 }]"),
        ("VALUE count((SELECT VALUE id FROM u WHERE n > 9)) FROM t GROUP ALL", "[0]"),
    ] {
        assert_answer(&circle, &format!("SELECT {fields}"), expected);
    }
}

#[test]
fn groups() {
    let forum = forum();
    let cases = [
        ("author, count() AS n FROM t GROUP BY author", "[{ author: u:1, n: 2 }, { author: u:2, n: 1 }]"),
        ("author, n FROM t GROUP BY author", "[{ author: u:1, n: [3, 2] }, { author: u:2, n: [1] }]"),
        ("count() FROM t WHERE n > 1 GROUP ALL", "[{ count: 2 }]"),
        ("count() FROM t WHERE n > 9 GROUP ALL", "[{ count: 0 }]"),
        ("math::sum(n) * 10 + count() AS x FROM t GROUP ALL", "[{ x: 63 }]"),
        ("author.name AS name, count() FROM t GROUP BY name ORDER BY name DESC LIMIT 1", "[{ name: 'Bob', count: 1 }]"),
        (
            "author.org.name AS org.name, count() AS n FROM t GROUP BY org.name",
            "[{ org: { name: 'Acme' }, n: 2 }, { org: { name: 'Globex' }, n: 1 }]",
        ),
        (
            "author, count() AS n FROM t GROUP BY author ORDER BY author.name DESC",
            "[{ author: u:2, n: 1 }, { author: u:1, n: 2 }]",
        ),
        ("author, count() AS n OMIT n FROM t GROUP BY author", "[{ author: u:1 }, { author: u:2 }]"),
        ("VALUE author FROM t GROUP BY author", "[u:1, u:2]"),
        ("VALUE author.name AS name FROM t GROUP BY name", "['Ada', 'Bob']"),
        ("VALUE count() FROM t GROUP ALL", "[{ count: 3 }]"),
        ("count() FROM t GROUP ALL LIMIT 0", "[{ count: 3 }]"),
        // What has no value does not keep a row out of its group.
        ("count() AS n, n * title AS l FROM t GROUP ALL", "[{ n: 3, l: [NONE, NONE, NONE] }]"),
        (
            "tags, count() AS n FROM (SELECT * FROM t SPLIT tags) GROUP BY tags",
            "[{ tags: 'x', n: 1 }, { tags: 'y', n: 2 }, { tags: [], n: 1 }]",
        ),
        // A GROUP BY of a value without fields is DISTINCT.
        (
            "author FROM t GROUP BY author FETCH author",
            "[{ author: { id: u:1, name: 'Ada', org: o:1, active: true } },
              { author: { id: u:2, name: 'Bob', org: o:2, active: false } }]",
        ),
    ];
    for (query, expected) in cases {
        assert_answer(&forum, &format!("SELECT {query}"), expected);
    }
}

#[test]
fn fetched_links_are_records() {
    let forum = forum();
    let (ada, acme) = ("{ id: u:1, name: 'Ada', org: o:1, active: true }", "{ id: o:1, name: 'Acme' }");
    let ada_of_acme = ada.replace("o:1", acme);
    let cases = [
        ("SELECT author FROM t:3 FETCH author", format!("[{{ author: {ada} }}]")),
        ("SELECT author FROM t:3 FETCH author.org", format!("[{{ author: {ada_of_acme} }}]")),
        ("SELECT author FROM t:3 FETCH author, author.org", format!("[{{ author: {ada_of_acme} }}]")),
        ("SELECT [author, n, u:9] AS l FROM t:3 FETCH l", format!("[{{ l: [{ada}, 2, NONE] }}]")),
        ("SELECT [author, u:9] AS l FROM t:3 FETCH l[0]", format!("[{{ l: [{ada}, u:9] }}]")),
        ("SELECT [u:9, author] AS l FROM t:3 FETCH l[$]", format!("[{{ l: [u:9, {ada}] }}]")),
        ("SELECT [{ a: author }, 1] AS l FROM t:3 FETCH l.a", format!("[{{ l: [{{ a: {ada} }}, 1] }}]")),
        ("SELECT { a: author, b: 1 } AS l FROM t:3 FETCH l.*", format!("[{{ l: {{ a: {ada}, b: 1 }} }}]")),
        ("SELECT VALUE author FROM t:3 FETCH org", format!("[{ada_of_acme}]")),
        ("SELECT author FROM t:3 FETCH nothing, author.nothing", format!("[{{ author: {ada} }}]")),
        ("SELECT author FROM ONLY t:3 FETCH author", format!("{{ author: {ada} }}")),
    ];
    for (text, expected) in cases {
        assert_answer(&forum, text, &expected);
    }
}

#[test]
fn omitted_fields_are_gone() {
    let row = "{ id: r:1, a: 1, b: { c: 2, d: { e: 3, f: 4 } }, l: [{ x: 1, y: 2 }, { x: 3 }] }";
    let rows = records(&[row]);
    let cases = [
        ("* OMIT a, l, b", "{ id: r:1 }"),
        ("* OMIT b.d, l", "{ id: r:1, a: 1, b: { c: 2 } }"),
        ("* OMIT b.d.e, l, a", "{ id: r:1, b: { c: 2, d: { f: 4 } } }"),
        ("* OMIT b.{ c, d.{ e } }, l, a", "{ id: r:1, b: { d: { f: 4 } } }"),
        ("* OMIT b.*, l, a", "{ id: r:1, b: {} }"),
        ("* OMIT l.*.x, b", "{ id: r:1, a: 1, l: [{ y: 2 }, {}] }"),
        ("* OMIT l[0], b", "{ id: r:1, a: 1, l: [NONE, { x: 3 }] }"),
        ("* OMIT l[0].x, b", "{ id: r:1, a: 1, l: [{ y: 2 }, { x: 3 }] }"),
        // Arrays are not looked into by themselves.
        ("* OMIT l.x, b, a, l.*.*", "{ id: r:1, l: [{}, {}] }"),
        ("* OMIT nothing, a.nothing, l, b", "{ id: r:1, a: 1 }"),
        ("a, a AS x OMIT a", "{ x: 1 }"),
        ("VALUE b OMIT b.d", "{ c: 2 }"),
    ];
    for (fields, expected) in cases {
        assert_answer(&rows, &format!("SELECT {fields} FROM r"), &format!("[{expected}]"));
    }
}

const ROW: &str = "{ id: r:1, a: 1, b: { c: 2, d: 3 }, tags: ['x', 'y'], items: [{ n: 1 }, { n: 2 }], author: u:1 }";

#[test]
fn projections_shape_rows_as_surrealdb_does() {
    let rows = records(&[ROW, "{ id: u:1, name: 'Ada' }"]);
    let cases = [
        ("a", "{ a: 1 }"),
        ("a, missing", "{ a: 1, missing: NONE }"),
        ("a AS x", "{ x: 1 }"),
        ("b.c", "{ b: { c: 2 } }"),
        ("b.c, b.d", "{ b: { c: 2, d: 3 } }"),
        ("b.c AS x", "{ x: 2 }"),
        ("a AS x.y", "{ x: { y: 1 } }"),
        ("a AS `x.y`", "{ `x.y`: 1 }"),
        ("tags[0]", "{ tags: 'x' }"),
        ("tags[$] AS last", "{ last: 'y' }"),
        ("items.n", "{ items: { n: [1, 2] } }"),
        ("author.name", "{ author: { name: 'Ada' } }"),
        ("author.name AS name", "{ name: 'Ada' }"),
        ("a, a AS x, b.c AS y", "{ a: 1, x: 1, y: 2 }"),
        ("a + 1", "{ `a + 1`: 2 }"),
        ("a + $one AS x", "{ x: 2 }"),
        ("$one, 1, 'x'", "{ one: 1, `1`: 1, `'x'`: 'x' }"),
        ("[a, b.c] AS l, { x: a }", "{ l: [1, 2], `{ x: a }`: { x: 1 } }"),
        ("VALUE a", "1"),
        ("VALUE { x: a, y: author.name }", "{ x: 1, y: 'Ada' }"),
        ("a AS x, b.c AS x", "{ x: 2 }"),
        ("b AS x, a AS x.y", "{ x: { c: 2, d: 3, y: 1 } }"),
        ("items AS x, a AS x.n", "{ x: [{ n: 1 }, { n: 1 }] }"),
    ];
    for (fields, expected) in cases {
        assert_answer(&rows, &format!("SELECT {fields} FROM r"), &format!("[{expected}]"));
    }
}

#[test]
fn a_star_keeps_the_row_around_the_other_fields() {
    let rows = records(&["{ id: r:1, a: 1, b: { c: 2 } }"]);
    let cases = [
        ("*", "{ id: r:1, a: 1, b: { c: 2 } }"),
        ("*, a", "{ id: r:1, a: 1, b: { c: 2 } }"),
        ("*, missing", "{ id: r:1, a: 1, b: { c: 2 }, missing: NONE }"),
        ("*, b.c AS x", "{ id: r:1, a: 1, b: { c: 2 }, x: 2 }"),
        ("b.c, *", "{ id: r:1, a: 1, b: { c: 2 } }"),
        // SurrealDB moves a field that is renamed beside `*`, and copies it if any field of the list is nested.
        ("*, a AS x", "{ id: r:1, b: { c: 2 }, x: 1 }"),
        ("*, a AS x, a", "{ id: r:1, b: { c: 2 }, x: 1, a: NONE }"),
        ("*, a AS x, a AS y", "{ id: r:1, b: { c: 2 }, x: 1, y: NONE }"),
        ("*, b.c AS x, a AS y", "{ id: r:1, b: { c: 2 }, x: 2, y: 1 }"),
        ("*, b.c AS a, a AS y", "{ id: r:1, b: { c: 2 }, y: 2 }"),
        ("*, a AS y, b.c AS a", "{ id: r:1, a: 2, b: { c: 2 }, y: 1 }"),
        ("*, a AS n, b.c AS n", "{ id: r:1, b: { c: 2 }, n: 1 }"),
        ("*, a AS x, a AS n.m", "{ id: r:1, a: 1, b: { c: 2 }, x: 1, n: { m: 1 } }"),
        ("*, a + 1 AS x, a AS y", "{ id: r:1, b: { c: 2 }, x: 2, y: 1 }"),
        ("*, a + 1 AS b", "{ id: r:1, a: 1, b: 2 }"),
        // The second one finds nothing where the first one was.
        ("*, a AS y, b.c AS a, b.c AS a", "{ id: r:1, a: NONE, b: { c: 2 }, y: 1 }"),
    ];
    for (fields, expected) in cases {
        assert_answer(&rows, &format!("SELECT {fields} FROM r"), &format!("[{expected}]"));
    }
    // It copies also where it reads a single record and nothing else, and where it omits something inside of a field.
    assert_answer(&rows, "SELECT *, a AS x FROM r:1", "[{ id: r:1, a: 1, b: { c: 2 }, x: 1 }]");
    assert_answer(&rows, "SELECT *, a AS x OMIT b.c FROM r", "[{ id: r:1, a: 1, b: {}, x: 1 }]");
    assert_answer(&rows, "SELECT *, a AS x OMIT b FROM r", "[{ id: r:1, x: 1 }]");
}

//! Paths have the values that SurrealDB's executor gives them.
//!
//! The expected values are facts of SurrealDB 3.3.5: its own tests state most of them.

mod common;

use circuit::value::identity::are_identical;
use circuit::{NoRecords, Object, Value};
use common::{Records, evaluate};
use query::parse_value;

fn object(text: &str) -> Object {
    match parse_value(text) {
        Ok(Value::Object(object)) => (*object).clone(),
        other => panic!("{text} is no object: {other:?}"),
    }
}

#[track_caller]
fn assert_value(actual: Result<Value, String>, expected: &str, text: &str) {
    let expected = parse_value(expected).unwrap_or_else(|error| panic!("{expected}: {error}"));
    let actual = actual.unwrap_or_else(|error| panic!("{text}: {error}"));
    assert!(are_identical(&actual, &expected), "{text} is {actual:?} instead of {expected:?}");
}

/// Checks expressions over one row, without other records.
#[track_caller]
fn check(row: &str, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_value(evaluate(text, &object(row), &object("{}"), &mut NoRecords), expected, text);
    }
}

/// Checks expressions over a record.
#[track_caller]
fn check_in(records: &mut Records, row: &str, cases: &[(&str, &str)]) {
    let row = records.get(row);
    for (text, expected) in cases {
        assert_value(evaluate(text, &row, &object("{}"), records), expected, text);
    }
}

#[test]
fn fields_are_taken_from_each_item_and_from_nothing_else() {
    let row =
        "{ list: [{ a: 1 }, { a: 2 }, { b: 3 }, 42], nested: [[{ a: 1 }], [{ a: 2 }]], empty: [], set: { { a: 1 }, 2, },
        text: 'x', deep: { b: { c: 7 } }, lists: [{ a: [1, 2] }, { a: [3, 4] }] }";
    check(
        row,
        &[
            ("list.a", "[1, 2, NONE, NONE]"),
            ("nested.a", "[[1], [2]]"),
            ("empty.a", "[]"),
            ("set.a", "NONE"),
            ("text.a", "NONE"),
            ("missing.a.b", "NONE"),
            ("deep.b.c", "7"),
            ("deep.b.missing.deeper", "NONE"),
            // What stands behind a field of a list is taken from each item.
            ("lists.a[0]", "[1, 3]"),
            ("lists.a[$]", "[2, 4]"),
            ("lists.a.len()", "[2, 2]"),
            ("(lists.a)[0]", "[1, 2]"),
            ("lists[0].a", "[1, 2]"),
            ("$this.deep.b.c", "7"),
            ("$this['deep'].b.c", "7"),
        ],
    );
}

#[test]
fn geometries_have_the_fields_of_geojson() {
    check(
        "{ at: (1.5, 2.5) }",
        &[("at.type", "'Point'"), ("at.coordinates", "[1.5, 2.5]"), ("at.geometries", "NONE"), ("at.other", "NONE")],
    );
}

#[test]
fn indexes_are_looked_up_from_the_start_of_the_row() {
    let row = "{ list: [10, 20, 30], key: 'b', nested: { key: 'a', a: 1, b: 2 }, offset: 1, set: { 30, 10, 20, }, at: t:['a', 'b'],
        two: { a: 1, '2': 'two' } }";
    check(
        row,
        &[
            ("list[0]", "10"),
            ("list[-1]", "NONE"),
            ("list[1.0]", "20"),
            ("list[1.5]", "NONE"),
            ("list[1dec]", "20"),
            ("list[3]", "NONE"),
            ("list['a']", "NONE"),
            ("list[offset + 1]", "30"),
            ("list[0..2]", "[10, 20]"),
            ("list[0..=1]", "[10, 20]"),
            ("list[1..]", "[20, 30]"),
            ("list[..]", "[10, 20, 30]"),
            ("list[1..1]", "[]"),
            // A slice is there as a whole, or not at all.
            ("list[0..10]", "NONE"),
            ("list[5..]", "NONE"),
            ("list[-1..2]", "NONE"),
            ("list[0..offset]", "[10]"),
            ("nested[key]", "2"),
            ("nested.b[key]", "NONE"),
            ("two['a']", "1"),
            ("two[2]", "'two'"),
            ("two['nope']", "NONE"),
            ("two[0..1]", "NONE"),
            ("set[0]", "10"),
            ("set[3]", "NONE"),
            ("at[1]", "'b'"),
            ("at[9]", "NONE"),
            ("offset[0]", "NONE"),
            ("missing[0]", "NONE"),
        ],
    );
    let failure = evaluate("list['a'..'b']", &object(row), &object("{}"), &mut NoRecords);
    assert!(failure.is_err(), "{failure:?}");
}

#[test]
fn filters_keep_items_of_lists() {
    let row =
        "{ people: [{ age: 25 }, { age: 35 }, { age: 45, name: 'x' }, { name: 'y' }], min: 30, a: 5, o: { age: 35 },
        list: [0, 1, '', 'x', NONE, NULL, [], [1]], set: { 1, 2, 3, }, numbers: [1, 2, 3, 4] }";
    check(
        row,
        &[
            ("people[WHERE age > 30]", "[{ age: 35 }, { age: 45, name: 'x' }]"),
            ("people[WHERE age > 100]", "[]"),
            ("people[? age > 40].name", "['x']"),
            ("people[WHERE age > $parent.min].age", "[35, 45]"),
            ("people[WHERE age > $parent.people[0].age].age", "[35, 45]"),
            ("list[WHERE $this]", "[1, 'x', [1]]"),
            ("numbers[WHERE $this > 2]", "[3, 4]"),
            ("numbers[WHERE $this > 2][0]", "3"),
            ("set[WHERE $this > 1]", "{ 2, 3, }"),
            ("set[WHERE $this > 10]", "{,}"),
            ("a[WHERE $this > 2]", "NONE"),
            ("o[WHERE age > 30]", "NONE"),
            ("missing[WHERE $this = NONE]", "NONE"),
        ],
    );
}

#[test]
fn all_flatten_and_the_ends_of_lists() {
    let row =
        "{ list: [[1, 2], 3, [[4]], []], o: { a: 1, b: [2, 3] }, set: { 1, 2, }, text: 'x', none: NONE, null: NULL,
        lists: [[3, 2, 1], [1, 2, 3]] }";
    check(
        row,
        &[
            ("list.*", "[[1, 2], 3, [[4]], []]"),
            ("o.*", "{ a: 1, b: [2, 3] }"),
            ("text.*", "NONE"),
            ("set.*", "NONE"),
            ("null.*", "NONE"),
            ("missing.*", "NONE"),
            ("list...", "[1, 2, 3, [4]]"),
            ("text...", "'x'"),
            ("set...", "{ 1, 2, }"),
            ("list[$]", "[]"),
            ("text[$]", "'x'"),
            ("set[$]", "2"),
            ("null[$]", "NULL"),
            ("lists.*[0..1]", "[[3], [1]]"),
            ("lists.*[0]", "[3, 1]"),
            ("lists[*].len()", "[3, 3]"),
        ],
    );
}

#[test]
fn optional_parts_end_a_path_at_nothing() {
    check(
        "{ null: NULL, a: { b: { c: 7 }, null: NULL }, list: [NONE, { b: 1 }], n: 42 }",
        &[
            // NULL stays what it is, where a field of it would be NONE.
            ("null.?.b", "NULL"),
            ("missing.?.b", "NONE"),
            ("a.?.b.c", "7"),
            ("a.?.null.?.c", "NULL"),
            ("a.?.b.?.c", "7"),
            ("list.?.b", "[NONE, 1]"),
            ("n.?.b", "NONE"),
            ("null.?.len()", "NULL"),
        ],
    );
}

#[test]
fn destructuring_makes_objects() {
    let row = "{ o: { a: 1, b: 2, inner: { x: 1, y: 2 } }, list: [{ a: 1, b: 9 }, { a: 2 }], n: 7 }";
    check(
        row,
        &[
            ("o.{ a, missing }", "{ a: 1, missing: NONE }"),
            ("o.{ z: a }", "{ z: 1 }"),
            ("o.{ deep: inner.x }", "{ deep: 1 }"),
            ("o.{ inner.{ x } }", "{ inner: { x: 1 } }"),
            ("o.{ nothing.{ x } }", "{ nothing: NONE }"),
            ("o.{ inner.* }", "{ inner: { x: 1, y: 2 } }"),
            ("o.{ a.* }", "{}"),
            ("o.{ sum: a + b }", "{ sum: 3 }"),
            ("o.{ me: $this.a }", "{ me: 1 }"),
            ("list.{ a }", "[{ a: 1 }, { a: 2 }]"),
            ("list.{ a }.a", "[1, 2]"),
            ("n.{ a }", "NONE"),
            ("missing.{ a }", "NONE"),
        ],
    );
}

#[test]
fn methods_are_found_by_the_type_of_the_value() {
    let row = "{ name: 'Ada', tags: ['b', 'a'], set: { 3, 1, }, o: { a: 1, extra: { b: 2 } }, n: -2.5, at: d'2026-03-04T05:06:07Z',
        span: 90m, id: t:5, text: 'a-b', sep: '-', flag: true }";
    check(
        row,
        &[
            ("name.len()", "3"),
            ("tags.len()", "2"),
            ("set.len()", "2"),
            ("o.len()", "2"),
            ("tags.sort()", "['a', 'b']"),
            ("tags.sort_desc().first()", "'b'"),
            ("n.abs()", "2.5"),
            ("n.floor()", "-3f"),
            ("at.year()", "2026"),
            ("span.hours()", "1"),
            ("id.tb()", "'t'"),
            ("id.id()", "5"),
            ("name.to_string()", "'Ada'"),
            ("flag.to_string()", "'true'"),
            ("missing.is_none()", "true"),
            ("name.starts_with('A')", "true"),
            ("text.replace('-', '+')", "'a+b'"),
            // The arguments of a method look at the value it is called on.
            ("o.extend(extra)", "{ a: 1, b: 2, extra: { b: 2 } }"),
            ("name.repeat(2)", "'AdaAda'"),
            ("flag.repeat(2)", "[true, true]"),
            ("tags.includes('a')", "true"),
            ("tags.every('a')", "false"),
            ("tags.index_of('a')", "1"),
            ("set.some(3)", "true"),
            ("[1, 2].vector_add([3, 4])", "[4, 6]"),
            ("name.distance_levenshtein('Ida')", "1"),
            ("'2026-01-01T00:00:00Z'.is_datetime()", "true"),
        ],
    );
    for text in ["flag.len()", "text.split(sep)", "name.len(1)", "name.to_int()", "set.filter_index(1)"] {
        let failure = evaluate(text, &object(row), &object("{}"), &mut NoRecords);
        assert!(failure.is_err(), "{text}: {failure:?}");
    }
}

fn organisation() -> Records {
    Records::new(&[
        ("org:acme", "{ name: 'Acme', boss: user:ada }"),
        ("user:ada", "{ name: 'Ada', org: org:acme, tags: ['x'] }"),
        ("user:bob", "{ name: 'Bob', org: org:nope }"),
        (
            "doc:1",
            "{ by: user:ada, team: [user:ada, user:bob, user:nobody], mixed: [org:acme, 42, { a: 1 }, org:nope], key: doc:{ tenant: 'a' } }",
        ),
        ("doc:{ tenant: 'a' }", "{ tenant: 'evil', title: 'report' }"),
    ])
}

#[test]
fn links_lead_to_other_records() {
    check_in(
        &mut organisation(),
        "doc:1",
        &[
            ("by.name", "'Ada'"),
            ("by.org.name", "'Acme'"),
            ("by.org.boss.org.boss.name", "'Ada'"),
            ("team.name", "['Ada', 'Bob', NONE]"),
            ("team.org.name", "['Acme', NONE, NONE]"),
            ("team.tags[0]", "['x', NONE, NONE]"),
            ("by.*", "{ id: user:ada, name: 'Ada', org: org:acme, tags: ['x'] }"),
            ("team[1].*.name", "'Bob'"),
            ("team[2].*", "NONE"),
            ("mixed.*", "[{ id: org:acme, name: 'Acme', boss: user:ada }, 42, { a: 1 }, NONE]"),
            ("by.{ name, org.{ name } }", "{ name: 'Ada', org: { name: 'Acme' } }"),
            ("by.{ org.* }", "{ org: { id: org:acme, name: 'Acme', boss: user:ada } }"),
            ("team[2].{ name }", "NONE"),
            ("team.{ name }", "[{ name: 'Ada' }, { name: 'Bob' }, NONE]"),
            ("team[WHERE name = 'Bob']", "[user:bob]"),
            ("team[WHERE org.name = 'Acme'].name", "['Ada']"),
            ("team[WHERE $this = $parent.by]", "[user:ada]"),
            ("team[WHERE name.is_string()].name", "['Ada', 'Bob']"),
            // A part of the key is not the field of that name.
            ("key.tenant", "'a'"),
            ("key.title", "'report'"),
            ("user:ada.org.name", "'Acme'"),
            ("[user:ada, user:bob].name", "['Ada', 'Bob']"),
            ("by.exists()", "true"),
            ("record::exists(team[2])", "false"),
            ("by.id.name", "'Ada'"),
        ],
    );
}

fn graph() -> Records {
    Records::new(&[
        ("user:1", "{ name: 'Ada', best: post:2 }"),
        ("user:2", "{ name: 'Bob' }"),
        ("user:3", "{ name: 'Eve' }"),
        ("post:1", "{ title: 'one', public: true }"),
        ("post:2", "{ title: 'two', public: false }"),
        ("wrote:1", "{ in: user:1, out: post:1, at: 3 }"),
        ("wrote:2", "{ in: user:1, out: post:2, at: 1 }"),
        ("wrote:3", "{ in: user:2, out: post:1, at: 2 }"),
        ("wrote:9", "{ in: user:2, out: post:9, at: 5 }"),
        ("likes:1", "{ in: user:1, out: post:1 }"),
        ("likes:2", "{ in: user:1, out: user:2 }"),
        ("knows:a", "{ in: user:1, out: user:2 }"),
        ("knows:b", "{ in: user:3, out: user:1 }"),
        ("knows:c", "{ in: user:2, out: user:2 }"),
    ])
}

#[test]
fn graph_steps_follow_edges() {
    check_in(
        &mut graph(),
        "user:1",
        &[
            ("->wrote", "[wrote:1, wrote:2]"),
            ("->wrote->post", "[post:1, post:2]"),
            ("->wrote->post.title", "['one', 'two']"),
            ("->wrote->post<-wrote<-user", "[user:1, user:2, user:1]"),
            ("->wrote.at", "[3, 1]"),
            ("->likes->user", "[user:2]"),
            ("->likes->?", "[post:1, user:2]"),
            ("->?", "[knows:a, likes:1, likes:2, wrote:1, wrote:2]"),
            ("->(wrote, likes)", "[wrote:1, wrote:2, likes:1, likes:2]"),
            ("->(likes, wrote)->post", "[post:1, post:1, post:2]"),
            ("<-wrote", "[]"),
            ("<-knows<-user.name", "['Eve']"),
            ("<->knows", "[knows:b, knows:a]"),
            ("<->knows<->user", "[user:3, user:1, user:1, user:2]"),
            ("->knows->user->wrote->post", "[post:1, post:9]"),
            ("best<-wrote<-user.name", "['Ada']"),
            ("name->wrote", "NONE"),
            ("missing->wrote", "NONE"),
            ("user:2->wrote->post", "[post:1, post:9]"),
            ("[user:1, user:2]->wrote", "[wrote:1, wrote:2, wrote:3, wrote:9]"),
            ("count(->wrote->post)", "2"),
            ("->wrote->post CONTAINS post:2", "true"),
            ("->wrote:1..2", "[wrote:1]"),
            ("->wrote:1..=2", "[wrote:1, wrote:2]"),
        ],
    );
}

#[test]
fn conditions_in_graph_steps_look_at_the_record() {
    check_in(
        &mut graph(),
        "user:1",
        &[
            ("->(wrote WHERE at > 1)", "[wrote:1]"),
            ("->(wrote WHERE at > 1)->post", "[post:1]"),
            ("->wrote->(post WHERE public)", "[post:1]"),
            ("->wrote->(post WHERE public).title", "['one']"),
            ("->(wrote WHERE out = $parent.best)", "[wrote:2]"),
            ("->(wrote WHERE out.title = 'two')->post", "[post:2]"),
            ("->(wrote WHERE ->post.title CONTAINS 'two')", "[wrote:2]"),
            ("->(wrote LIMIT 1)->post", "[post:1]"),
            ("->(wrote START 1)->post", "[post:2]"),
            ("->(wrote WHERE at > 0 LIMIT 1 START 1)", "[wrote:2]"),
            ("->(SELECT VALUE at FROM wrote ORDER BY at)", "[1, 3]"),
            ("->(SELECT * FROM wrote WHERE at > 1)", "[{ id: wrote:1, in: user:1, out: post:1, at: 3 }]"),
            ("->(SELECT * FROM wrote ORDER BY at LIMIT 1)->post", "[post:2]"),
            ("->(SELECT VALUE out FROM ONLY wrote WHERE at = 1)", "post:2"),
            ("->(SELECT VALUE [at, $parent.name] FROM wrote ORDER BY at DESC)", "[[3, 'Ada'], [1, 'Ada']]"),
            ("->wrote[WHERE at > 1]", "[wrote:1]"),
            ("->wrote->post[WHERE public].title", "['one']"),
            ("->wrote->post[WHERE public]<-wrote<-user.name", "['Ada', 'Bob']"),
            ("[post:1, post:2][WHERE public]<-wrote<-user.name", "[['Ada', 'Bob']]"),
            ("[post:1, post:2]<-wrote<-user", "[[user:1, user:2], [user:1]]"),
            ("->wrote[0]", "wrote:1"),
            ("->wrote->post[$].title", "'two'"),
            ("->wrote.{ at }", "[{ at: 3 }, { at: 1 }]"),
            ("->wrote->post.*.title", "['one', 'two']"),
            // A record that is not there is reached, but not looked at.
            ("user:2->wrote->post", "[post:1, post:9]"),
            ("user:2->wrote->(post WHERE title != 1)", "[post:1]"),
        ],
    );
}

#[test]
fn what_an_edge_is_can_be_asked() {
    check_in(
        &mut graph(),
        "wrote:1",
        &[
            ("record::is_edge(id)", "true"),
            ("id.is_edge()", "true"),
            ("record::is_edge(in)", "false"),
            ("record::is_edge('wrote:2')", "true"),
            ("->post", "[post:1]"),
            ("<-user", "[user:1]"),
            ("<->?", "[user:1, post:1]"),
            ("in.name", "'Ada'"),
        ],
    );
}

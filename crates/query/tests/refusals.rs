//! What is refused, with which words and at which position.

use circuit::Object;
use query::{Error, ErrorKind, MAX_TEXT, compile, parse_value};

fn refusal(text: &str) -> Error {
    let parameters: Object =
        [("given".into(), circuit::Value::Int(1)), ("link".into(), query::parse_value("t:1").expect("valid"))]
            .into_iter()
            .collect();
    match compile(text, &parameters) {
        Ok(query) => panic!("{text} compiled to {query:?}"),
        Err(error) => error,
    }
}

/// The start of the snippet is where the error points to, unless it is given with a column.
#[track_caller]
fn assert_unsupported(text: &str, what: &str, snippet: &str) {
    let error = refusal(text);
    assert_eq!(error.code(), "UNSUPPORTED_QUERY", "{text}: {error}");
    let ErrorKind::Unsupported { what: actual, .. } = &error.kind else { panic!("{error}") };
    assert_eq!(actual, what, "{text}");
    assert_eq!(error.snippet, snippet, "{text}");
    let column = text.find(snippet).map(|byte| text[..byte].chars().count() + 1);
    assert_eq!((error.line, Some(error.column)), (1, column), "{text}");
}

#[test]
fn clauses_are_refused_where_they_stand() {
    let cases = [
        ("SELECT author FROM t GROUP BY author", "GROUP BY", "GROUP BY author"),
        ("SELECT a, b FROM t WHERE group = 1 group  by a, b", "GROUP BY", "group  by a, b"),
        ("SELECT count() FROM t GROUP ALL", "GROUP BY", "GROUP ALL"),
        ("SELECT VALUE name FROM t", "SELECT VALUE", "VALUE name"),
        ("SELECT * OMIT a, b FROM t", "OMIT", "OMIT a, b"),
        ("SELECT * FROM ONLY t:1", "ONLY", "ONLY t:1"),
        ("SELECT * FROM t WITH INDEX i WHERE a = 1", "WITH INDEX", "WITH INDEX i"),
        ("SELECT * FROM t SPLIT ON tags", "SPLIT", "SPLIT ON tags"),
        ("SELECT * FROM t ORDER BY RAND()", "ORDER BY RAND()", "ORDER BY RAND()"),
        ("SELECT * FROM t ORDER BY a COLLATE", "COLLATE", "a COLLATE"),
        ("SELECT * FROM t ORDER BY a, b NUMERIC DESC", "NUMERIC", "b NUMERIC DESC"),
        ("SELECT * FROM t FETCH author", "FETCH", "FETCH author"),
        ("SELECT * FROM t VERSION d'2026-01-01T00:00:00Z'", "VERSION", "VERSION d'2026-01-01T00:00:00Z'"),
        ("SELECT * FROM t TIMEOUT 5s", "TIMEOUT", "TIMEOUT 5s"),
        ("SELECT * FROM t FOR UPDATE", "FOR UPDATE", "FOR UPDATE"),
        ("SELECT * FROM t WHERE a = 1 EXPLAIN", "EXPLAIN", "EXPLAIN"),
        ("SELECT * FROM t LIMIT a", "a LIMIT that depends on a row", "LIMIT a"),
        ("SELECT * FROM t START b", "a START that depends on a row", "START b"),
    ];
    for (text, what, snippet) in cases {
        assert_unsupported(text, what, snippet);
    }
}

#[test]
fn sources_are_refused_where_they_stand() {
    let cases = [
        ("SELECT * FROM a, b", "more than one source", "a, b"),
        ("SELECT * FROM $given", "this source", "$given"),
        ("SELECT * FROM (SELECT * FROM t)", "this source", "(SELECT * FROM t)"),
        ("SELECT * FROM [t:1]", "this source", "[t:1]"),
        ("SELECT * FROM t:1..5", "a range of records", "t:1..5"),
        ("SELECT * FROM t:[1, 'a']", "a record id with a number inside of its key", "t:[1, 'a']"),
        ("SELECT * FROM type::table('t')", "this source", "type::table('t')"),
        ("SELECT * FROM |t:10|", "this source", "|t:10|"),
        ("SELECT * FROM t->likes->u", "this source", "t->likes->u"),
    ];
    for (text, what, snippet) in cases {
        assert_unsupported(text, what, snippet);
    }
}

#[test]
fn expressions_are_refused_where_they_stand() {
    let cases = [
        ("SELECT * FROM t WHERE string::len(name) > 3", "the function string::len()", "string::len(name)"),
        ("SELECT * FROM t WHERE a = 1 AND created > time::now()", "the function time::now()", "time::now()"),
        ("SELECT * FROM t WHERE a > rand()", "the function rand()", "rand()"),
        ("SELECT * FROM t WHERE fn::is_ok(a)", "the function fn::is_ok()", "fn::is_ok(a)"),
        ("SELECT * FROM t WHERE type::record('t', 1) = a", "the function type::record()", "type::record('t', 1)"),
        ("SELECT * FROM t WHERE name.len() > 3", "the method .len()", "name.len()"),
        ("SELECT * FROM t WHERE b = 1 OR a + 1 = 2", "arithmetic with fields", "a + 1"),
        ("SELECT * FROM t WHERE a = 2 * (b - 1)", "arithmetic with fields", "2 * (b - 1)"),
        ("SELECT * FROM t WHERE -a = 1", "arithmetic with fields", "-a"),
        ("SELECT * FROM t WHERE <int> a = 1", "a cast", "<int> a"),
        ("SELECT * FROM t WHERE a = <float> 1", "a cast", "<float> 1"),
        (
            "SELECT * FROM t WHERE a IN (SELECT VALUE id FROM u)",
            "a statement inside of the query",
            "(SELECT VALUE id FROM u)",
        ),
        ("SELECT * FROM t WHERE ->likes->user", "a graph step", "->likes->user"),
        ("SELECT * FROM t WHERE a = 1 AND <-likes<-user CONTAINS b", "a graph step", "<-likes<-user"),
        ("SELECT * FROM t WHERE a.* = 1", ".* in a path", "a.*"),
        ("SELECT * FROM t WHERE tags[WHERE x = 1] = 1", "a condition in a path", "tags[WHERE x = 1]"),
        ("SELECT * FROM t WHERE a.{ b, c } = 1", "destructuring", "a.{ b, c }"),
        ("SELECT * FROM t WHERE a.?.b = 1", ".? in a path", "a.?"),
        ("SELECT * FROM t WHERE a... = 1", "... in a path", "a..."),
        ("SELECT * FROM t WHERE a[b] = 1", "an index other than a natural number or $", "a[b]"),
        ("SELECT * FROM t WHERE a['b'] = 1", "an index other than a natural number or $", "a['b']"),
        ("SELECT * FROM t WHERE b[0] AND a[-1] = 1", "an index other than a natural number or $", "a[-1]"),
        ("SELECT * FROM t WHERE text @@ 'x'", "full-text search", "text @@ 'x'"),
        ("SELECT * FROM t WHERE v <|2|> [1, 2]", "nearest-neighbour search", "v <|2|> [1, 2]"),
        ("SELECT * FROM t WHERE a IN [1, b]", "a value built from fields", "[1, b]"),
        ("SELECT * FROM t WHERE a IN b..5", "a value built from fields", "b..5"),
        ("SELECT * FROM t WHERE a = { x: b }", "a value built from fields", "{ x: b }"),
        ("SELECT * FROM t WHERE a = u:[b]", "a value built from fields", "u:[b]"),
        ("SELECT * FROM t WHERE a = u:rand()", "a generated record id", "u:rand()"),
        ("SELECT * FROM t WHERE a = 1 AND $this.b = 1", "the parameter $this", "$this"),
        ("SELECT * FROM t WHERE a = $parent.b", "the parameter $parent", "$parent"),
        ("SELECT * FROM t WHERE a = IF b { 1 } ELSE { 2 }", "a statement inside of the query", "IF b { 1 } ELSE { 2 }"),
        ("SELECT * FROM t WHERE a = { b; }", "a block", "{ b; }"),
        ("SELECT * FROM t WHERE a = $link.name", "a path from a constant into another record", "$link.name"),
        ("SELECT * FROM t WHERE a = t:1.name", "a path from a constant into another record", "t:1.name"),
    ];
    for (text, what, snippet) in cases {
        assert_unsupported(text, what, snippet);
    }
}

#[test]
fn selected_fields_are_refused_where_they_stand() {
    let cases = [
        ("SELECT id, count() FROM t", "the function count()", "count()"),
        ("SELECT id, a + 1 AS b FROM t", "a computed field", "a + 1 AS b"),
        ("SELECT id, 1 AS one FROM t", "a selected constant", "1 AS one"),
        ("SELECT id, $given FROM t", "a selected constant", "$given"),
        ("SELECT id, ->likes->user AS liked FROM t", "a graph step", "->likes->user"),
        ("SELECT id, (SELECT * FROM u) AS us FROM t", "a statement inside of the query", "(SELECT * FROM u)"),
        ("SELECT id, tags.* FROM t", ".* in a path", "tags.*"),
    ];
    for (text, what, snippet) in cases {
        assert_unsupported(text, what, snippet);
    }
}

#[test]
fn other_statements_are_refused() {
    for text in
        ["CREATE t", "LIVE SELECT * FROM t", "RETURN 1", "1 + 1", "BEGIN", "USE NS a", "EXPLAIN SELECT * FROM t"]
    {
        let error = refusal(text);
        assert_eq!(error.code(), "UNSUPPORTED_QUERY", "{text}: {error}");
        assert_eq!((error.line, error.column), (1, 1), "{text}: {error}");
    }
    assert_unsupported("SELECT * FROM t; DELETE t", "more than one statement", "DELETE t");
    for text in ["", "  ", ";", "-- nothing"] {
        assert_eq!(refusal(text).code(), "INVALID_QUERY", "{text}");
    }
}

#[test]
fn syntax_errors_point_into_the_text() {
    let cases = [
        ("SELECT * FORM t", (1, 10)),
        ("SELECT * FROM t WHERE", (1, 22)),
        ("SELECT *\nFROM t\nWHERE a = = 1", (3, 11)),
        ("SELECT * FROM t WHERE 'éé' = = 1", (1, 30)),
        ("SELECT * FROM t WHERE a = b = c", (1, 29)),
        ("SELECT * FROM t LIMIT 1 LIMIT 2", (1, 25)),
    ];
    for (text, position) in cases {
        let error = refusal(text);
        assert!(matches!(error.kind, ErrorKind::Syntax { .. }), "{text}: {error}");
        assert_eq!(error.code(), "INVALID_QUERY");
        assert_eq!((error.line, error.column), position, "{text}: {error}");
    }
}

#[test]
fn invalid_numbers_of_rows_are_refused() {
    let cases = [
        ("SELECT * FROM t LIMIT -1", "LIMIT must not be negative", "LIMIT -1"),
        ("SELECT * FROM t LIMIT 'x'", "LIMIT must be a number", "LIMIT 'x'"),
        ("SELECT * FROM t START AT -2", "START must not be negative", "START AT -2"),
    ];
    for (text, message, snippet) in cases {
        let error = refusal(text);
        assert_eq!(error.kind, ErrorKind::Invalid { message: message.into() }, "{text}");
        assert_eq!(error.snippet, snippet);
        assert_eq!(error.code(), "INVALID_QUERY");
    }
    assert_eq!(refusal("SELECT * FROM t WHERE a = 9223372036854775807 + 1").code(), "INVALID_QUERY");
    assert_eq!(refusal("SELECT * FROM t WHERE a = -'x'").code(), "INVALID_QUERY");
}

#[test]
fn errors_read_as_sentences() {
    assert_eq!(
        refusal("SELECT a FROM t GROUP BY a").to_string(),
        "line 1, column 17: GROUP BY is not supported yet: \"GROUP BY a\""
    );
    assert_eq!(
        refusal("SELECT * FROM t WHERE rand() > 1").to_string(),
        "line 1, column 23: the function rand() is not deterministic: \"rand()\""
    );
    assert_eq!(
        refusal("SELECT * FROM t\n  TIMEOUT 1s").to_string(),
        "line 2, column 3: TIMEOUT has no meaning for a live view: \"TIMEOUT 1s\""
    );
}

#[test]
fn long_texts_are_refused() {
    let text = format!("SELECT * FROM t WHERE a = '{}'", "x".repeat(MAX_TEXT));
    assert_eq!(refusal(&text).code(), "INVALID_QUERY");
    assert!(parse_value(&text).is_err());
    let long = format!("SELECT * FROM t WHERE string::len('{}')", "é".repeat(200));
    assert_eq!(refusal(&long).snippet.chars().count(), 80);
}

/// Shapes that break an assertion of SurrealDB's geometry must not end the engine.
#[test]
fn degenerate_shapes_are_answered() {
    use circuit::{Geometry, Library};
    let library = query::SurrealLibrary;
    let shapes = [
        Geometry::Line(vec![]),
        Geometry::Polygon(vec![]),
        Geometry::Polygon(vec![vec![[0.0, 0.0]]]),
        Geometry::Polygon(vec![vec![[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]], vec![]]),
        Geometry::MultiPoint(vec![]),
        Geometry::MultiLine(vec![vec![]]),
        Geometry::MultiPolygon(vec![vec![vec![]]]),
        Geometry::Collection(vec![]),
        Geometry::Point([f64::NAN, f64::INFINITY]),
        Geometry::Point([0.0, 0.0]),
    ];
    for a in &shapes {
        for b in &shapes {
            let _ = library.geometry_contains(a, b);
            let _ = library.geometry_intersects(a, b);
        }
    }
}

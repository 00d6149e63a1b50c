//! Which queries share a template, and what becomes of their constants.

mod common;

use std::collections::HashSet;
use std::sync::Arc;

use circuit::value::identity::are_identical;
use circuit::{
    Constant, Expr, Key, Object, Operator, OrderKey, Path, PathStep, Plan, RecordId, Slot, Source, Value, Window,
};
use proptest::prelude::*;
use query::{ErrorKind, compile, parse_record_id, parse_value};

fn parameters(text: &str) -> Object {
    match parse_value(text).expect("valid parameters") {
        Value::Object(object) => (*object).clone(),
        other => panic!("{other:?} is no object"),
    }
}

fn plan(text: &str) -> Plan {
    plan_with(text, "{}")
}

fn plan_with(text: &str, given: &str) -> Plan {
    compile(text, &parameters(given)).unwrap_or_else(|error| panic!("{text}: {error}")).plan
}

fn value(text: &str) -> Value {
    parse_value(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn column(number: u16) -> Expr {
    Expr::Column(number)
}

fn slot(number: u16) -> Expr {
    Expr::Slot(number)
}

/// The columns, all of which are plain paths.
fn columns(plan: &Plan) -> Vec<Path> {
    let path = |column: &Expr| match column {
        Expr::Path(path) => path.clone(),
        other => panic!("{other:?} is no path"),
    };
    plan.template.columns.iter().map(path).collect()
}

fn is_constant(slot: &Slot, expected: &Value) -> bool {
    matches!(slot, Slot::Constant(Constant(value)) if are_identical(value, expected))
}

fn assert_slots(plan: &Plan, expected: &[&str]) {
    let expected: Vec<Value> = expected.iter().map(|text| value(text)).collect();
    let same = plan.slots.len() == expected.len() && plan.slots.iter().zip(&expected).all(|(a, b)| is_constant(a, b));
    assert!(same, "{:?} instead of {expected:?}", plan.slots);
}

#[test]
fn a_table_without_clauses_is_all_its_rows() {
    let plan = plan("SELECT * FROM thread;");
    assert_eq!(plan.template.source, Source::Table("thread".into()));
    assert_eq!(plan.template.filter, None);
    assert!(plan.template.columns.is_empty() && plan.template.order.is_empty());
    assert_eq!(plan.window, None);
    assert_slots(&plan, &[]);
}

#[test]
fn constants_and_parameters_are_slots_and_paths_are_columns() {
    let plan = plan_with(
        "SELECT * FROM thread WHERE author = $author AND stats.views > 10 AND author != NONE",
        "{ author: user:1 }",
    );
    assert_eq!(columns(&plan), [Path::field("author"), Path::new("stats", [PathStep::Field("views".into())])]);
    let conjuncts = [
        Expr::binary(Operator::Equal, column(0), slot(0)),
        Expr::binary(Operator::Greater, column(1), slot(1)),
        Expr::binary(Operator::NotEqual, column(0), slot(2)),
    ];
    let filter = conjuncts.into_iter().reduce(|left, right| Expr::binary(Operator::And, left, right));
    assert_eq!(plan.template.filter, filter);
    assert_slots(&plan, &["user:1", "10", "NONE"]);
}

#[test]
fn queries_that_differ_in_constants_share_a_template() {
    let templates: HashSet<_> = [
        plan("SELECT * FROM t WHERE a = 1 AND b IN [1, 2] ORDER BY c LIMIT 1"),
        plan("SELECT * FROM t WHERE a = 'x' AND b IN ['y'] ORDER BY c LIMIT 99 START 3"),
        plan_with("SELECT * FROM t WHERE a = $a AND b IN $b ORDER BY c", "{ a: NONE, b: [] }"),
        plan_with("SELECT * FROM t WHERE a = $x.y[1] AND b IN [$x, -1] ORDER BY c", "{ x: { y: [1, 2] } }"),
        plan("SELECT id, name FROM t WHERE a = 1 + 2 AND b IN [] ORDER BY c"),
    ]
    .into_iter()
    .map(|plan| plan.template)
    .collect();
    assert_eq!(templates.len(), 1, "{templates:?}");
}

#[test]
fn harmless_spelling_makes_no_difference() {
    let same = |texts: &[&str]| {
        let plans: HashSet<Plan> = texts.iter().map(|text| plan(text)).collect();
        assert_eq!(plans.len(), 1, "{plans:?}");
    };
    same(&[
        "SELECT * FROM t WHERE a = 1 AND b < 2",
        "select  *  from t where a=1 and b<2;",
        "SELECT * FROM t WHERE ((a = 1) && ((b) < 2))",
        "SELECT * FROM t WHERE 1 = a AND 2 > b",
        "SELECT * FROM t /* comment */ WHERE a IS 1 AND b < 2 -- end",
        "SELECT * FROM `t` WHERE a IS 1 AND 2 > b",
        "SELECT * FROM t WITH NOINDEX WHERE a = 1 AND b < 2",
        "(SELECT * FROM t WHERE a = 1 AND b < 2)",
    ]);
    same(&["SELECT * FROM t WHERE a IN [1]", "SELECT * FROM t WHERE a ∈ [1]", "SELECT * FROM t WHERE [1] CONTAINS a"]);
    same(&[
        "SELECT * FROM t WHERE a NOT IN [1]",
        "SELECT * FROM t WHERE a NOTINSIDE [1]",
        "SELECT * FROM t WHERE [1] ∌ a",
    ]);
    same(&["SELECT * FROM t WHERE a ∋ 1", "SELECT * FROM t WHERE 1 INSIDE a", "SELECT * FROM t WHERE 1 IN a"]);
    same(&[
        "SELECT * FROM t WHERE a IS NOT NONE",
        "SELECT * FROM t WHERE a != NONE",
        "SELECT * FROM t WHERE NONE != a",
    ]);
    same(&[
        "SELECT * FROM t WHERE a AND b AND c AND d",
        "SELECT * FROM t WHERE a AND (b AND (c AND d))",
        "SELECT * FROM t WHERE (a AND b) AND (c AND d)",
    ]);
    same(&["SELECT * FROM t WHERE a OR b ?: c", "SELECT * FROM t WHERE a || (b || c)"]);
    same(&["SELECT * FROM t ORDER BY a LIMIT 1 START 2", "SELECT * FROM t ORDER a ASC START AT 2 LIMIT BY 1"]);
    same(&["SELECT * FROM t WHERE a.b = 1", "SELECT * FROM t WHERE a . b = 1"]);
}

/// SurrealDB's next parser binds these the other way round.
#[test]
fn and_binds_more_tightly_than_or() {
    let expected = Expr::binary(Operator::Or, column(0), Expr::binary(Operator::And, column(1), column(2)));
    assert_eq!(plan("SELECT * FROM t WHERE a OR b AND c").template.filter, Some(expected));
    let expected = Expr::binary(Operator::Coalesce, column(0), Expr::binary(Operator::Equal, column(1), slot(0)));
    assert_eq!(plan("SELECT * FROM t WHERE a ?? b = 1").template.filter, Some(expected));
    let expected = Expr::binary(Operator::Equal, Expr::Not(Box::new(column(0))), column(1));
    assert_eq!(plan("SELECT * FROM t WHERE !a = b").template.filter, Some(expected));
}

#[test]
fn every_operator_is_known() {
    let operators = [
        ("=", Operator::Equal),
        ("==", Operator::Exact),
        ("IS", Operator::Equal),
        ("IS NOT", Operator::NotEqual),
        ("!=", Operator::NotEqual),
        ("*=", Operator::AllEqual),
        ("?=", Operator::AnyEqual),
        ("<", Operator::Less),
        ("<=", Operator::LessOrEqual),
        (">", Operator::Greater),
        (">=", Operator::GreaterOrEqual),
        ("AND", Operator::And),
        ("&&", Operator::And),
        ("OR", Operator::Or),
        ("||", Operator::Or),
        ("??", Operator::Coalesce),
        ("?:", Operator::Or),
        ("CONTAINS", Operator::Contains),
        ("∋", Operator::Contains),
        ("CONTAINSNOT", Operator::ContainsNot),
        ("∌", Operator::ContainsNot),
        ("CONTAINSALL", Operator::ContainsAll),
        ("⊇", Operator::ContainsAll),
        ("CONTAINSANY", Operator::ContainsAny),
        ("⊃", Operator::ContainsAny),
        ("CONTAINSNONE", Operator::ContainsNone),
        ("⊅", Operator::ContainsNone),
        ("IN", Operator::Inside),
        ("INSIDE", Operator::Inside),
        ("∈", Operator::Inside),
        ("NOT IN", Operator::NotInside),
        ("NOTINSIDE", Operator::NotInside),
        ("∉", Operator::NotInside),
        ("ALLINSIDE", Operator::AllInside),
        ("⊆", Operator::AllInside),
        ("ANYINSIDE", Operator::AnyInside),
        ("⊂", Operator::AnyInside),
        ("NONEINSIDE", Operator::NoneInside),
        ("⊄", Operator::NoneInside),
        ("OUTSIDE", Operator::Outside),
        ("INTERSECTS", Operator::Intersects),
    ];
    for (text, operator) in operators {
        let plan = plan(&format!("SELECT * FROM t WHERE a {text} b"));
        assert_eq!(plan.template.filter, Some(Expr::binary(operator, column(0), column(1))), "{text}");
        let plan = self::plan(&format!("SELECT * FROM t WHERE a {text} 1"));
        assert_eq!(plan.template.filter, Some(Expr::binary(operator, column(0), slot(0))), "{text}");
    }
}

#[test]
fn literals_of_all_types_keep_their_type() {
    let texts = [
        "NONE",
        "NULL",
        "true",
        "1",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "1.5",
        "1f",
        "-0.0",
        "1dec",
        "1.10dec",
        "'a'",
        "\"a\"",
        "1h30m",
        "d'2026-01-01T00:00:00.123456789Z'",
        "u'018f0000-0000-7000-8000-000000000000'",
        "[1, [2]]",
        "{ a: 1, 'b c': { d: [] } }",
        "{1, 2}",
        "{,}",
        "t:1",
        "t:abc",
        "t:⟨a b⟩",
        "t:['x', 1, d'2026-01-01T00:00:00Z']",
        "t:{ a: 1 }",
        "t:u'018f0000-0000-7000-8000-000000000000'",
        "18..65",
        "18..=65",
        "18>..65",
        "..65",
        "18..",
        "..",
        "/ab+c/",
        "b'00ff'",
        "(1.5, -2)",
        "{ type: 'Point', coordinates: [1, 2] }",
        "f'bucket:/a/b'",
        "math::pi",
    ];
    for text in texts {
        assert_slots(&plan(&format!("SELECT * FROM t WHERE a = {text}")), &[text]);
    }
    assert!(matches!(value("1"), Value::Int(1)));
    assert!(matches!(value("1.0"), Value::Float(_)));
    assert!(matches!(value("1dec"), Value::Decimal(_)));
    assert!(matches!(value("'d'"), Value::String(_)));
    assert!(matches!(value("{ type: 'Point', coordinates: [1, 2] }"), Value::Geometry(_)));
    // Strings stay strings, whatever they look like.
    assert!(matches!(value("'2026-01-01T00:00:00Z'"), Value::String(_)));
    assert!(matches!(value("'t:1'"), Value::String(_)));
    assert!(matches!(value("r't:1'"), Value::RecordId(_)));
}

#[test]
fn constants_are_folded() {
    let folded = [
        ("!true", "false"),
        ("!!1", "true"),
        ("-5", "-5"),
        ("-(-5)", "5"),
        ("+5", "5"),
        ("1 + 2 * 3", "7"),
        ("d'2026-01-02T00:00:00Z' - 1d", "d'2026-01-01T00:00:00Z'"),
        ("1 = 1.0", "true"),
        ("'abc' = /b/", "true"),
        ("1 IN [1, 2]", "true"),
        ("1 IN 1..3", "true"),
        ("NONE ?? 2", "2"),
        ("0 || 'x'", "'x'"),
        ("1 && 0", "0"),
        ("0 ?: 3", "3"),
        ("$p", "{ a: [1, { b: 2 }], r: t:1 }"),
        ("$p.a[1].b", "2"),
        ("$p.a[$]", "{ b: 2 }"),
        ("$p.none.x", "NONE"),
        ("$p.a.b", "[NONE, 2]"),
        ("[$p.a[0], -1]", "[1, -1]"),
        ("$p.a[0]..5", "1..5"),
        ("t:[$p.a[0]]", "t:[1]"),
        ("(1..3)", "1..3"),
        ("[10, 20][1]", "20"),
    ];
    for (text, expected) in folded {
        let plan = plan_with(&format!("SELECT * FROM t WHERE a = ({text})"), "{ p: { a: [1, { b: 2 }], r: t:1 } }");
        assert_slots(&plan, &[expected]);
    }
}

#[test]
fn paths_keep_indexes_and_links() {
    let plan =
        plan("SELECT * FROM t WHERE author.org.name = 1 AND tags[0] = 1 AND tags[$] = 1 AND `odd name`.`a.b` = 1");
    let field = |name: &str| PathStep::Field(name.into());
    assert_eq!(
        columns(&plan),
        [
            Path::new("author", [field("org"), field("name")]),
            Path::new("tags", [PathStep::Index(0)]),
            Path::new("tags", [PathStep::Last]),
            Path::new("odd name", [field("a.b")]),
        ]
    );
}

#[test]
fn a_condition_may_be_a_constant_or_a_field() {
    assert_eq!(plan("SELECT * FROM t WHERE true").template.filter, Some(slot(0)));
    assert_eq!(plan("SELECT * FROM t WHERE a").template.filter, Some(column(0)));
    assert_eq!(
        plan("SELECT * FROM t WHERE !!a").template.filter,
        Some(Expr::Not(Box::new(Expr::Not(Box::new(column(0))))))
    );
}

#[test]
fn an_order_key_that_is_not_selected_stays_within_the_row() {
    let plan = plan("SELECT *, author.name AS by FROM t ORDER BY author.name, by LIMIT 1");
    let paths: Vec<_> = plan.template.order.iter().map(|key| columns(&plan)[usize::from(key.column)].clone()).collect();
    assert_eq!(paths.iter().map(|path| path.may_follow_links()).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn order_has_several_keys_and_resolves_aliases() {
    let plan = plan("SELECT *, stats.views AS views, name AS n FROM t ORDER BY views DESC, n, created ASC, views");
    assert_eq!(
        columns(&plan),
        [Path::new("stats", [PathStep::Field("views".into())]), Path::field("name"), Path::field("created")]
    );
    let key = OrderKey::new;
    assert_eq!(plan.template.order, [key(0, true), key(1, false), key(2, false), key(0, false)]);
}

#[test]
fn order_and_condition_share_columns() {
    let plan = plan("SELECT * FROM t WHERE a > 1 ORDER BY a");
    assert_eq!(columns(&plan), [Path::field("a")]);
}

/// In SurrealDB an `ORDER BY` path follows record links only if it is selected under an alias.
#[test]
fn order_by_a_path_stays_within_the_row() {
    let path = || Path::new("author", [PathStep::Field("name".into())]);
    assert_eq!(columns(&plan("SELECT * FROM t ORDER BY author.name")), [path().within_row()]);
    assert_eq!(columns(&plan("SELECT author.name FROM t ORDER BY author.name")), [path().within_row()]);
    assert_eq!(columns(&plan("SELECT author.name AS n FROM t ORDER BY n")), [path()]);
    let both = plan("SELECT * FROM t WHERE author.name = 1 ORDER BY author.name");
    assert_eq!(columns(&both), [path(), path().within_row()]);
}

#[test]
fn limit_and_start_are_numbers_by_surrealdbs_rules() {
    let window = |text: &str| plan_with(&format!("SELECT * FROM t {text}"), "{ n: 7, none: NONE }").window;
    let some = |start, limit| Some(Window { start, limit });
    assert_eq!(window("LIMIT 5"), some(0, Some(5)));
    assert_eq!(window("LIMIT 5 START 2"), some(2, Some(5)));
    assert_eq!(window("START 2"), some(2, None));
    assert_eq!(window("START 0"), None);
    assert_eq!(window("LIMIT $n START $n"), some(7, Some(7)));
    assert_eq!(window("LIMIT 0"), some(0, Some(0)));
    assert_eq!(window("LIMIT 2.9"), some(0, Some(2)));
    assert_eq!(window("LIMIT 2dec"), some(0, Some(2)));
    assert_eq!(window("LIMIT $none"), some(0, Some(0)));
    assert_eq!(window("LIMIT 1 + 1"), some(0, Some(2)));
}

#[test]
fn a_record_is_a_table_with_a_condition() {
    let plan = plan("SELECT * FROM thread:abc WHERE active");
    assert_eq!(plan.template.source, Source::Table("thread".into()));
    let by_id = Expr::binary(Operator::Equal, column(0), slot(0));
    assert_eq!(plan.template.filter, Some(Expr::binary(Operator::And, by_id, column(1))));
    assert_slots(&plan, &["thread:abc"]);
}

#[test]
fn record_ids_are_read() {
    let read = |text: &str| parse_record_id(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(read("user:123"), RecordId::new("user", Key::Int(123)));
    assert_eq!(read("user:abc"), RecordId::new("user", Key::String("abc".into())));
    assert_eq!(read("user:1a"), RecordId::new("user", Key::String("1a".into())));
    assert_eq!(read("user:`a-b`"), RecordId::new("user", Key::String("a-b".into())));
    assert_eq!(read("⟨a b⟩:⟨1⟩"), RecordId::new("a b", Key::String("1".into())));
    assert_eq!(read("r'user:1'"), RecordId::new("user", Key::Int(1)));
    let key = Key::Array(Arc::from([Value::from("x"), Value::Int(3)]));
    assert_eq!(read("visit:['x', 3]"), RecordId::new("visit", key));
    for text in
        ["", "user", "user:", "user:1..2", "user:rand()", "'user:1'", "user:a-b", "user:1 user:2", "user:[a]", "1"]
    {
        assert!(parse_record_id(text).is_err(), "{text}");
    }
}

#[test]
fn json_is_read_as_a_value() {
    let json = r#"{"a": [1, -2.5, "x\"y", true, null], "b": {"c": {}}}"#;
    assert_eq!(value(json), value("{ a: [1, -2.5, 'x\"y', true, NULL], b: { c: {} } }"));
}

#[test]
fn a_missing_parameter_is_named() {
    let error = compile("SELECT * FROM t WHERE a = 1 AND\n  b = $missing", &parameters("{}")).expect_err("not given");
    assert_eq!(error.kind, ErrorKind::UnknownParameter { name: "missing".into() });
    assert_eq!((error.line, error.column, error.snippet.as_str()), (2, 7, "$missing"));
    assert_eq!(error.code(), "INVALID_QUERY");
    assert_eq!(error.to_string(), "line 2, column 7: the parameter $missing was not given: \"$missing\"");
}

/// Places for a constant or a parameter, with what may stand there. `#` is the place.
const SHARED: &[&str] = &[
    "SELECT * FROM t WHERE a = #",
    "SELECT * FROM t WHERE a = # AND (b < # OR !c) AND # IN l",
    "SELECT *, (SELECT * FROM c WHERE t = $parent.id AND x = #) AS cs FROM t WHERE a = #",
    "SELECT *, (SELECT *, (SELECT * FROM d WHERE c = $parent.id AND x > #) AS ds FROM c WHERE t = $parent.id) AS cs
        FROM t",
    "SELECT *, (SELECT count() FROM c WHERE t = $parent.id AND x = # GROUP ALL)[0].count AS n FROM t",
    "SELECT *, (SELECT * FROM (SELECT * FROM c WHERE x = #) WHERE t = $parent.id) AS cs FROM t",
    "SELECT *, (SELECT * FROM c WHERE x IN (SELECT VALUE id FROM d WHERE y = #)) AS cs FROM t",
    "SELECT * FROM t WHERE a IN (SELECT VALUE id FROM d WHERE y = #)",
    "SELECT [(SELECT * FROM c WHERE x = #)] AS n FROM t WHERE a = # ORDER BY b",
    "SELECT a, count() FROM t WHERE b = # GROUP BY a ORDER BY a",
    "SELECT * FROM (SELECT * FROM t WHERE a = #) WHERE b = #",
];

/// Places for a parameter, where a constant would be a part of the template.
const SHARED_BY_PARAMETERS: &[&str] = &[
    "SELECT * FROM t WHERE a + # > #",
    "SELECT * FROM t WHERE l[WHERE $this = #] != [] AND a * # = b",
    "SELECT *, (SELECT a + # AS sum, # AS one FROM c WHERE t = $parent.id AND $parent.a + # = b) AS cs FROM t",
];

fn template_of(pattern: &str, fillings: &[String], given: &str) -> Arc<circuit::Template> {
    let mut parts = pattern.split('#');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (number, part) in parts.enumerate() {
        text += &fillings[number % fillings.len()];
        text += part;
    }
    plan_with(&text, given).template
}

proptest! {
    #![proptest_config(common::config(256))]

    #[test]
    fn queries_that_differ_in_constants_and_parameters_share_a_template(
        pattern in proptest::sample::select(SHARED),
        fillings in proptest::collection::vec(
            proptest::sample::select(&["1", "2.5", "'x'", "NONE", "t:1", "[1]", "$p", "$q", "$p.x", "1 + 2", "-1"][..])
                .prop_map(str::to_owned),
            1..4,
        ),
    ) {
        let given = "{ p: { x: 1 }, q: 'y' }";
        let expected = template_of(pattern, &["7".to_owned()], given);
        prop_assert_eq!(template_of(pattern, &fillings, given), expected, "{} with {:?}", pattern, fillings);
    }

    #[test]
    fn parameters_share_a_template_anywhere(
        pattern in proptest::sample::select([SHARED, SHARED_BY_PARAMETERS].concat()),
        fillings in proptest::collection::vec(
            proptest::sample::select(&["$p", "$q"][..]).prop_map(str::to_owned),
            1..4,
        ),
        (p, q) in (0..3i64, 0..3i64),
    ) {
        let expected = template_of(pattern, &["$p".to_owned()], "{ p: 7 }");
        let given = format!("{{ p: {p}, q: {q} }}");
        prop_assert_eq!(template_of(pattern, &fillings, &given), expected, "{}", pattern);
    }
}

//! Functions, casts, closures and blocks inside of conditions.

mod common;

use circuit::value::identity::are_identical;
use circuit::{NoRecords, Object, Value};
use common::evaluate;
use proptest::prelude::*;
use query::convert::{from_surreal, to_surreal};
use query::{compile, parse_value};
use surrealdb_expr::expr::method::BUILTIN_METHOD_NAMES;
use surrealdb_expr::val::Value as Surreal;
use surrealdb_runtime::operate;
use surrealdb_sql::builtin_paths::{PATHS, PathKind};

fn object(text: &str) -> Object {
    match parse_value(text) {
        Ok(Value::Object(object)) => (*object).clone(),
        other => panic!("{text} is no object: {other:?}"),
    }
}

/// Checks expressions over one row; those without an expected value must fail.
#[track_caller]
fn check(row: &str, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let expected = parse_value(expected).unwrap_or_else(|error| panic!("{expected}: {error}"));
        let actual = evaluate(text, &object(row), &object("{}"), &mut NoRecords);
        let actual = actual.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(are_identical(&actual, &expected), "{text} is {actual:?} instead of {expected:?}");
    }
}

#[track_caller]
fn check_failures(row: &str, cases: &[&str]) {
    for text in cases {
        let value = evaluate(text, &object(row), &object("{}"), &mut NoRecords);
        assert!(value.is_err(), "{text} is {value:?}");
    }
}

const ROW: &str = "{ id: t:5, name: 'Ada', n: 7, f: 2.5, d: 1.5dec, list: [3, 1, 2], texts: ['a', 'b'], none: NONE, null: NULL,
    at: d'2026-03-04T05:06:07Z', span: 90m, o: { a: 1, b: { c: 2 } }, place: (0, 0), set: { 1, 2, }, link: user:1, number: '42',
    bytes: <bytes> 'hello', items: [{ n: 1, tags: ['x'] }, { n: 2, tags: [] }] }";

#[test]
fn functions_of_all_families_are_called() {
    check(
        ROW,
        &[
            ("array::len(list)", "3"),
            ("array::sort(list)", "[1, 2, 3]"),
            ("array::sort::desc(list)", "[3, 2, 1]"),
            ("array::any(list, 3)", "true"),
            ("array::all(list)", "true"),
            ("array::find_index(list, 1)", "1"),
            ("array::filter(list, 2)", "[2]"),
            ("array::distinct([n, n, 1])", "[7, 1]"),
            ("bytes::len(bytes)", "5"),
            ("count()", "1"),
            ("count(list)", "3"),
            ("count(none)", "0"),
            ("crypto::md5(name)", "'1a382809b7c03f686e12dd15677c5497'"),
            ("duration::mins(span)", "90"),
            ("duration::from_hours(n)", "7h"),
            ("encoding::base64::encode(bytes)", "'aGVsbG8'"),
            ("encoding::base64::encode(bytes, true)", "'aGVsbG8='"),
            ("encoding::base64::decode('aGVsbG8=')", "<bytes> 'hello'"),
            ("encoding::json::encode(o)", "'{\"a\":1,\"b\":{\"c\":2}}'"),
            (
                "encoding::json::decode('{\"a\": [1, 2.5, null, 18446744073709551615]}')",
                "{ a: [1, 2.5, NULL, 18446744073709551615dec] }",
            ),
            ("geo::distance(place, (0, 0))", "0f"),
            ("math::abs(-n)", "7"),
            ("math::sum(list)", "6"),
            ("math::mean(list)", "2f"),
            ("math::pi * 0", "0f"),
            ("meta::tb(id)", "'t'"),
            ("not(n)", "false"),
            ("object::keys(o)", "['a', 'b']"),
            ("object::entries({ a: n })", "[['a', 7]]"),
            ("parse::email::host('a@b.com')", "'b.com'"),
            ("parse::url::domain('https://x.org/y')", "'x.org'"),
            ("record::id(id)", "5"),
            ("record::tb(link)", "'user'"),
            ("set::contains(set, 2)", "true"),
            ("set::all(list, 1)", "false"),
            ("string::len(name)", "3"),
            ("string::uppercase(name)", "'ADA'"),
            ("string::concat(name, n, '!')", "'Ada7!'"),
            ("string::join('-', name, n)", "'Ada-7'"),
            ("string::distance::osa('ab', 'ba')", "1"),
            ("string::is_alpha(name)", "true"),
            ("string::semver::major('3.2.1')", "3"),
            ("STRING::Len(name)", "3"),
            ("time::year(at)", "2026"),
            ("time::format(at, '%Y')", "'2026'"),
            ("time::group(at, 'month')", "d'2026-03-01T00:00:00Z'"),
            ("time::from_unix(n)", "d'1970-01-01T00:00:07Z'"),
            ("type::int(number)", "42"),
            ("type::of(n)", "'int'"),
            ("type::record('user', n)", "user:7"),
            ("type::is_record(link, 'user')", "true"),
            ("type::table('user')", "type::table('user')"),
            (
                "value::diff({ a: 1 }, { a: n })",
                "[{ op: 'change', path: '/a', value: 7 }].map(|$o| $o.extend({ op: 'replace' }))",
            ),
            ("value::patch({ a: 1 }, [{ op: 'add', path: '/b', value: n }])", "{ a: 1, b: 7 }"),
            ("vector::add([1, 2], [n, 4])", "[8, 6]"),
            ("vector::distance::euclidean([0, 0], [3, 4])", "5f"),
        ],
    );
    check_failures(
        ROW,
        &["string::len(n)", "math::sum(name)", "type::int(name)", "time::year(name)", "record::id(name)"],
    );
}

#[test]
fn outputs_that_explode_are_refused() {
    check_failures(
        ROW,
        &[
            "array::repeat(name, n * 1000000000)",
            "string::repeat(name, n * 1000000000)",
            "array::range(0, n * 1000000000)",
            "array::fold(array::range(0, 10000), [], |$a| [$a])",
            "array::fold(array::range(0, 60), 'aaaaaaaa', |$a| $a + $a)",
        ],
    );
}

#[test]
fn casts_make_other_types() {
    check(
        ROW,
        &[
            ("<int> number", "42"),
            ("<string> n", "'7'"),
            ("<float> n", "7f"),
            ("<decimal> f", "2.5dec"),
            ("<bool> 'true'", "true"),
            ("<datetime> '2026-01-01T00:00:00Z'", "d'2026-01-01T00:00:00Z'"),
            ("<duration> '5m'", "5m"),
            ("<record> 'user:1'", "user:1"),
            ("<record<user>> link", "user:1"),
            ("<array<string>> list", "['3', '1', '2']"),
            ("<set> list", "{ 1, 2, 3, }"),
            ("<array<int, 3>> list", "[3, 1, 2]"),
            ("<option<int>> none", "NONE"),
            ("<int | string> name", "'Ada'"),
            ("<uuid> '018e7e2b-5b1c-7000-8000-000000000000'", "u'018e7e2b-5b1c-7000-8000-000000000000'"),
            ("<regex> 'a' = name", "true"),
            ("<range> [1, 2]", "1..2"),
        ],
    );
    check_failures(ROW, &["<int> name", "<record<post>> link", "<array<int, 2>> list", "<datetime> name"]);
}

#[test]
fn values_are_built_from_the_row() {
    check(
        ROW,
        &[
            ("[n, name, [f]]", "[7, 'Ada', [2.5]]"),
            ("{ n: n, inner: { name: name } }", "{ n: 7, inner: { name: 'Ada' } }"),
            ("{ n, 7, 1, }", "{ 1, 7, }"),
            ("user:[n, name]", "user:[7, 'Ada']"),
            ("user:{ n: n }", "user:{ n: 7 }"),
            ("1..n", "1..7"),
            ("n..=9", "7..=9"),
            ("n>..9", "7>..9"),
            ("..n", "..7"),
            ("5 IN 1..n", "true"),
            ("IF n > 5 { 'big' } ELSE { 'small' }", "'big'"),
            ("IF n > 9 { 'big' }", "NONE"),
            ("IF n > 9 THEN 1 ELSE IF n > 6 THEN 2 ELSE 3 END", "2"),
            ("n > 5 && name", "'Ada'"),
            ("none ?? name", "'Ada'"),
            ("null ?: n", "7"),
            ("none IS NONE", "true"),
            ("null IS NOT NULL", "false"),
            ("name = /^A/", "true"),
            ("n + 1 * 2", "9"),
            ("-n", "-7"),
            ("-f + d", "0.5dec - 1.5dec"),
            ("name + '!'", "'Ada!'"),
            ("at + span", "d'2026-03-04T06:36:07Z'"),
            ("list + [n]", "[3, 1, 2, 7]"),
            ("n / 2", "3"),
            ("n / 0", "1 / 0"),
            ("n ** 2", "49"),
            ("n % 4", "3"),
        ],
    );
    check_failures(ROW, &["n % 0", "n + name", "9223372036854775807 + n", "-name", "-(n - 9223372036854775807 - 8)"]);
}

#[test]
fn closures_see_their_arguments_and_the_row() {
    check(
        ROW,
        &[
            ("array::map(list, |$x| $x * n)", "[21, 7, 14]"),
            ("array::map(list, |$x, $i| [$i, $x])", "[[0, 3], [1, 1], [2, 2]]"),
            ("array::filter(list, |$x| $x > 1)", "[3, 2]"),
            ("array::filter_index(list, |$x| $x > 1)", "[0, 2]"),
            ("array::find(list, |$x| $x < 3)", "1"),
            ("array::find(list, |$x| $x > 3)", "NONE"),
            ("array::find_index(list, |$x| $x < 3)", "1"),
            ("array::any(list, |$x| $x = 1)", "true"),
            ("array::all(list, |$x| $x > 1)", "false"),
            ("array::fold(list, 10, |$sum, $x| $sum + $x)", "16"),
            ("array::fold(list, [], |$all, $x, $i| $all + [$x * $i])", "[0, 1, 4]"),
            ("array::reduce(list, |$a, $b| $a * 10 + $b)", "312"),
            ("array::reduce(list, |$a, $b, $i| $i)", "1"),
            ("array::reduce([], |$a, $b| $a)", "NONE"),
            ("array::reduce([n], |$a, $b| $b)", "7"),
            ("set::map(list, |$x| $x % 2)", "{ 0, 1, }"),
            ("set::fold(set, 0, |$sum, $x| $sum + $x)", "3"),
            ("set.map(|$x| $x + 1)", "{ 2, 3, }"),
            ("list.map(|$x| $x + 1)", "[4, 2, 3]"),
            ("list.map(|$x| $x + $this.n)", "[10, 8, 9]"),
            ("items.map(|$item| $item.n)", "[1, 2]"),
            ("items.filter(|$item| $item.tags.len() > 0).n", "[1]"),
            // A list takes what is behind a field to each of its items, and so do the lists and sets in it.
            ("[items].map(|$list| $list.tags.len())", "[[1, 0]]"),
            ("[items].map(|$list| $list.tags)", "[[['x'], []]]"),
            ("[items].map(|$list| $list.len())", "[2]"),
            ("[[items, []]].map(|$lists| $lists.n.is_int())", "[[[true, true], []]]"),
            ("[<set> items].map(|$set| $set.n.is_int())", "[{ true, }]"),
            ("[items].map(|$list| $list.tags.concat($list.n))", "[[['x', 1, 2], [1, 2]]]"),
            ("items.map(|$item| array::map($item.tags, |$tag| $tag + name))", "[['xAda'], []]"),
            ("list.map(|$x: float| $x)", "[3f, 1f, 2f]"),
            ("list.map(|$x| -> string { <string> $x })", "['3', '1', '2']"),
            ("list.map(|$x| { LET $y = $x * 2; RETURN $y + 1 })", "[7, 3, 5]"),
            ("list.map(|$x| { IF $x > 1 { RETURN 'many' } ELSE { RETURN 'one' } })", "['many', 'one', 'many']"),
            ("name.chain(|$x| $x + '!')", "'Ada!'"),
            ("value::chain(n, |$x| $x + 1)", "8"),
            ("n.expect(|$x| $x > 1)", "7"),
            ("array::map(list, |$x, $i, $missing| $missing)", "[NONE, NONE, NONE]"),
        ],
    );
    check_failures(
        ROW,
        &[
            "array::map(name, |$x| $x)",
            "list.map(|$x: string| $x)",
            "list.map(|$x| -> string { $x })",
            "n.expect(|$x| $x > 9)",
            "name.map(|$x| $x)",
        ],
    );
}

#[test]
fn blocks_have_variables_and_an_answer() {
    check(
        ROW,
        &[
            ("{ LET $a = n + 1; LET $b = $a * 2; [$a, $b] }", "[8, 16]"),
            ("{ n; }", "7"),
            ("{ LET $a: float = n; $a }", "7f"),
            ("{ LET $a = list; $a.map(|$x| $x + $a.len()) }", "[6, 4, 5]"),
            ("IF n > 1 { LET $a = n; $a + 1 } ELSE { 0 }", "8"),
            ("{ LET $n = 1; { LET $n = 2; $n } + $n }", "3"),
        ],
    );
}

#[test]
fn calls_that_can_never_work_are_refused_with_the_reason() {
    let cases = [
        ("string::len()", "the function string::len() takes 1 arguments, not 0"),
        ("string::len(a, b)", "the function string::len() takes 1 arguments, not 2"),
        ("array::map(a, 5)", "array::map() takes 2 arguments, the last one a closure"),
        ("'a' - 1", "Cannot perform subtraction"),
        ("type::int('x')", "int"),
        ("time::day()", "the function time::day() is not deterministic"),
        ("rand::int(1, 2)", "the function rand::int() is not deterministic"),
        ("array::shuffle(a)", "the function array::shuffle() is not deterministic"),
        ("http::get('x')", "the function http::get() has side effects"),
        ("sleep(1s)", "the function sleep() has side effects"),
        ("search::score(1)", "the function search::score() needs a search index"),
        ("crypto::argon2::compare(a, b)", "the function crypto::argon2::compare() is slow by intent"),
        ("fn::x(a)", "the function fn::x() is defined in the database"),
        ("type::field('a')", "the function type::field() reads what is known only when the query runs"),
        ("a.nonsense()", "the method .nonsense() is not supported yet"),
        ("{ RETURN a }", "a statement inside of the query is not supported yet"),
        ("list.map(|$x| $x.a[0])", "a closure is not supported yet"),
        ("list.map(|$x| $parent.a)", "a closure is not supported yet"),
        ("a.{1..3}.b", "a recursive path is not supported yet"),
        ("<~user", "a reference step is not supported yet"),
        ("->(SELECT *, b FROM likes)", "a query inside of a graph step is not supported yet"),
    ];
    for (text, expected) in cases {
        match compile(&format!("SELECT * FROM t WHERE {text} = 1"), &object("{}")) {
            Ok(query) => panic!("{text} compiled to {query:?}"),
            Err(error) => assert!(error.to_string().contains(expected), "{text}: {error}"),
        }
    }
}

type Reference = fn(Surreal, Surreal) -> Result<Surreal, String>;

proptest! {
    #![proptest_config(common::config(2048))]

    /// Catches a difference between the circuit's fast arithmetic and SurrealDB's.
    #[test]
    fn arithmetic_is_that_of_surrealdb((a, b) in prop_oneof![2 => (common::number(), common::number()), 1 => common::pair()]) {
        macro_rules! reference {
            ($function:ident) => {
                |a, b| operate::$function(a, b).map_err(|error| error.to_string())
            };
        }
        let operators: [(&str, Reference); 6] = [
            ("a + b", reference!(add)),
            ("a - b", reference!(sub)),
            ("a * b", reference!(mul)),
            ("a / b", reference!(div)),
            ("a % b", reference!(rem)),
            ("-a", |a, _| operate::neg(a).map_err(|error| error.to_string())),
        ];
        let row: Object = [("a".into(), a.clone()), ("b".into(), b.clone())].into_iter().collect();
        for (text, reference) in operators {
            let expected = reference(to_surreal(&a).expect("converts"), to_surreal(&b).expect("converts"));
            let actual = evaluate(text, &row, &object("{}"), &mut NoRecords);
            match (&actual, &expected) {
                (Ok(actual), Ok(expected)) => {
                    let expected = from_surreal(expected).expect("converts");
                    prop_assert!(are_identical(actual, &expected), "{text} of {a:?} and {b:?}: {actual:?} instead of {expected:?}");
                }
                _ => prop_assert_eq!(actual.is_ok(), expected.is_ok(), "{} of {:?} and {:?}: {:?}", text, a, b, expected),
            }
        }
    }
}

/// Texts that nest one kind of expression as deeply as the parser allows.
fn nested(open: &str, inner: &str, close: &str) -> String {
    let text = |depth: usize| format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
    let compiles = |depth: &usize| compile(&format!("SELECT * FROM t WHERE {}", text(*depth)), &object("{}")).is_ok();
    text((1..300).take_while(compiles).last().expect("one level compiles"))
}

/// Catches recursion that the parser does not bound: tests have small stacks.
#[test]
fn the_deepest_expressions_are_evaluated() {
    let kinds = [
        ("(n + ", "n", ")"),
        ("!", "n", ""),
        ("[n, ", "n", "]"),
        ("{ a: ", "n", " }"),
        ("IF n { ", "n", " } ELSE { 0 }"),
        ("{ LET $a = ", "n", "; $a }"),
        ("array::len([", "n", "])"),
        ("[n].map(|$a| ", "$a", ")"),
        ("[n][WHERE ", "n", "]"),
        ("o.{ a: ", "n", " }"),
        ("list[", "n", "]"),
        ("<any> ", "n", ""),
        ("id->(likes WHERE ", "n", ")"),
    ];
    for (open, inner, close) in kinds {
        let text = nested(open, inner, close);
        let value = evaluate(&text, &object(ROW), &object("{}"), &mut NoRecords);
        assert!(value.is_ok(), "{text}: {value:?}");
    }
}

/// Catches a query that never ends: nested closures multiply.
#[test]
fn closures_that_multiply_are_given_up() {
    let list = "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]";
    let text = (0..12).fold("1".to_owned(), |inner, _| format!("{list}.map(|$x| {inner})"));
    check_failures(ROW, &[&text, &text.replace("1)", "n)")]);
    let filter = (0..12).fold("n".to_owned(), |inner, _| format!("{list}[WHERE {inner} = 1]"));
    let row = "{ n: 1 }";
    let value = evaluate(&filter, &object(row), &object("{}"), &mut NoRecords);
    assert!(value.is_ok(), "{value:?}");
    let many_variables = format!("{{ {} 1 }}", "LET $a = n; ".repeat(50_000));
    check_failures(ROW, &[&many_variables]);
}

/// Every function with every number of arguments, compiled over the fields of a row.
fn calls() -> &'static [(String, circuit::Plan)] {
    static CALLS: std::sync::OnceLock<Vec<(String, circuit::Plan)>> = std::sync::OnceLock::new();
    CALLS.get_or_init(|| {
        let mut calls = Vec::new();
        let functions = PATHS.entries().filter(|(_, (kind, _))| matches!(kind, PathKind::Function));
        let functions = functions.map(|(name, _)| format!("{}(", name.to_lowercase()));
        let methods = BUILTIN_METHOD_NAMES.iter().map(|name| format!("a.{name}("));
        for open in functions.chain(methods) {
            for arguments in ["", "a", "a, b", "a, b, c", "a, b, c, d"] {
                let text = format!("{open}{arguments})");
                if let Ok(query) = compile(&format!("SELECT * FROM t WHERE {text}"), &object("{}")) {
                    calls.push((text, query.plan));
                }
            }
        }
        calls
    })
}

proptest! {
    #![proptest_config(common::config(24))]

    /// Catches a function that ends the engine, and one that does not follow from its arguments.
    #[test]
    fn functions_answer_the_same_twice(values in proptest::collection::vec(common::value(), 4)) {
        let row: Object = ["a", "b", "c", "d"].into_iter().map(Into::into).zip(values).collect();
        for (text, plan) in calls() {
            let first = common::evaluate_plan(plan, &row, &mut NoRecords);
            let second = common::evaluate_plan(plan, &row, &mut NoRecords);
            match (&first, &second) {
                (Ok(first), Ok(second)) => prop_assert!(are_identical(first, second), "{text}: {first:?} and {second:?}"),
                _ => prop_assert_eq!(&first, &second, "{}", text),
            }
        }
    }
}

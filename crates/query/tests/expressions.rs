//! A compiled condition answers what SurrealDB's operators answer for the tree that SurrealDB's own parser builds.
//!
//! This covers precedence, parentheses, folding of constants, and every rewrite that the compiler makes.

mod common;

use std::borrow::Cow;
use std::ops::Bound;
use std::sync::Arc;

use circuit::{Constant, Object, Scope, Slot, Value};
use common::value;
use proptest::prelude::*;
use query::convert::{from_surreal, to_surreal};
use query::{SurrealLibrary, compile};
use surrealdb_expr::expr::part::Part;
use surrealdb_expr::expr::{BinaryOperator, Expr, PrefixOperator};
use surrealdb_expr::val::{Range, Value as Surreal};
use surrealdb_runtime::operate;

/// Fields of the generated rows.
const FIELDS: &[&str] = &["a", "b", "c"];

/// Evaluates a tree as SurrealDB's executor does.
fn evaluate(expr: &Expr, row: &Object, parameters: &Object) -> Surreal {
    let get = |object: &Object, name: &str| to_surreal(object.get(name).unwrap_or(&Value::None)).expect("converts");
    match expr {
        Expr::Literal(literal) => literal.as_static_value().expect("only constants are generated"),
        Expr::Param(name) => get(parameters, name.as_str()),
        Expr::Idiom(idiom) => match idiom.0.as_slice() {
            [Part::Field(name)] => get(row, name.as_str()),
            // The parser wraps `$p` in front of `< -1`, where it expects a graph step.
            [Part::Start(start)] => evaluate(start, row, parameters),
            other => panic!("unexpected path {other:?}"),
        },
        Expr::Prefix { op: PrefixOperator::Not, expr } => Surreal::Bool(!evaluate(expr, row, parameters).is_truthy()),
        Expr::Prefix { op: PrefixOperator::RangeInclusive, expr } => Surreal::Range(Box::new(Range {
            start: Bound::Unbounded,
            end: Bound::Included(evaluate(expr, row, parameters)),
        })),
        Expr::Binary { left, op, right } => {
            let left = evaluate(left, row, parameters);
            let right = || evaluate(right, row, parameters);
            let apply: fn(&Surreal, &Surreal) -> _ = match op {
                BinaryOperator::And => return if left.is_truthy() { right() } else { left },
                BinaryOperator::Or | BinaryOperator::TenaryCondition => {
                    return if left.is_truthy() { left } else { right() };
                }
                BinaryOperator::NullCoalescing => return if left.is_nullish() { right() } else { left },
                BinaryOperator::Range => {
                    let range = Range { start: Bound::Included(left), end: Bound::Excluded(right()) };
                    return Surreal::Range(Box::new(range));
                }
                BinaryOperator::Equal => operate::equal,
                BinaryOperator::NotEqual => operate::not_equal,
                BinaryOperator::ExactEqual => operate::exact,
                BinaryOperator::AllEqual => operate::all_equal,
                BinaryOperator::AnyEqual => operate::any_equal,
                BinaryOperator::LessThan => operate::less_than,
                BinaryOperator::LessThanEqual => operate::less_than_or_equal,
                BinaryOperator::MoreThan => operate::more_than,
                BinaryOperator::MoreThanEqual => operate::more_than_or_equal,
                BinaryOperator::Contain => operate::contain,
                BinaryOperator::NotContain => operate::not_contain,
                BinaryOperator::ContainAll => operate::contain_all,
                BinaryOperator::ContainAny => operate::contain_any,
                BinaryOperator::ContainNone => operate::contain_none,
                BinaryOperator::Inside => operate::inside,
                BinaryOperator::NotInside => operate::not_inside,
                BinaryOperator::AllInside => operate::inside_all,
                BinaryOperator::AnyInside => operate::inside_any,
                BinaryOperator::NoneInside => operate::inside_none,
                BinaryOperator::Outside => operate::outside,
                BinaryOperator::Intersects => operate::intersects,
                other => panic!("unexpected operator {other:?}"),
            };
            apply(&left, &right()).expect("comparisons do not fail")
        }
        other => panic!("unexpected expression {other:?}"),
    }
}

const OPERATORS: &[&str] = &[
    "AND",
    "&&",
    "OR",
    "||",
    "??",
    "?:",
    "=",
    "IS",
    "IS NOT",
    "!=",
    "==",
    "*=",
    "?=",
    "<",
    "<=",
    ">",
    ">=",
    "CONTAINS",
    "∋",
    "CONTAINSNOT",
    "CONTAINSALL",
    "CONTAINSANY",
    "CONTAINSNONE",
    "IN",
    "NOT IN",
    "INSIDE",
    "NOTINSIDE",
    "ALLINSIDE",
    "ANYINSIDE",
    "NONEINSIDE",
    "∈",
    "⊆",
    "OUTSIDE",
    "INTERSECTS",
];

const OPERANDS: &[&str] = &[
    "a",
    "b",
    "c",
    "a",
    "b",
    "$p",
    "$q",
    "1",
    "0",
    "-1",
    "2.5",
    "1dec",
    "true",
    "false",
    "NONE",
    "NULL",
    "'a'",
    "''",
    "[1, 2]",
    "['a']",
    "[]",
    "1..3",
    "..=2",
    "1d",
    "d'2026-01-01T00:00:00Z'",
    "t:1",
    "{ a: 1 }",
    "/a/",
    "(1, 2)",
];

/// A text like `a = 1 OR !(b < $p AND c)`, with and without parentheses.
fn condition() -> impl Strategy<Value = String> {
    let operand = proptest::sample::select(OPERANDS).prop_map(str::to_owned);
    operand.prop_recursive(5, 24, 2, |inner| {
        let binary = (inner.clone(), proptest::sample::select(OPERATORS), inner.clone());
        prop_oneof![
            4 => binary.clone().prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
            3 => binary.prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            1 => inner.clone().prop_map(|inner| format!("!{inner}")),
            1 => inner.prop_map(|inner| format!("!({inner})")),
        ]
    })
}

fn fields(names: &'static [&'static str]) -> impl Strategy<Value = Object> {
    let plain = prop_oneof![
        3 => value(),
        2 => (-1..3i64).prop_map(Value::Int),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => Just(Value::None),
    ];
    proptest::collection::vec(plain, names.len())
        .prop_map(|values| names.iter().map(|name| Arc::from(*name)).zip(values).collect())
}

fn constant(slot: &Slot) -> Value {
    match slot {
        Slot::Constant(Constant(value)) => value.clone(),
        Slot::Computed(expr) => panic!("{expr:?} is no constant"),
    }
}

proptest! {
    #![proptest_config(common::config(8192))]

    #[test]
    fn a_compiled_condition_means_what_surrealdb_parsed(
        condition in condition(),
        row in fields(FIELDS),
        parameters in fields(&["p", "q"]),
    ) {
        // Some texts are refused by SurrealDB itself, such as `a = b = c`.
        let Ok(tree) = surrealdb_syn::expr_for_definition(&condition) else { return Err(TestCaseError::reject("syntax")) };
        let text = format!("SELECT * FROM t WHERE {condition}");
        let query = match compile(&text, &parameters) {
            Ok(query) => query,
            // A range or a list with a field in it.
            Err(error) if error.code() == "UNSUPPORTED_QUERY" => return Err(TestCaseError::reject("unsupported")),
            Err(error) => return Err(TestCaseError::fail(format!("{text}: {error}"))),
        };
        let template = &query.plan.template;
        let scope = Scope::of_row(&row);
        let mut reader = circuit::NoRecords;
        let column = |column: &circuit::Expr| match column.evaluate(&scope, &mut circuit::NoRecords, &SurrealLibrary) {
            Ok(value) => Cow::Owned(value.into_owned()),
            Err(failure) => panic!("{failure:?}"),
        };
        let columns: Vec<_> = template.columns.iter().map(column).map(Some).collect();
        let slots: Vec<Option<Value>> = query.plan.slots.iter().map(constant).map(Some).collect();
        let scope = Scope { columns: &columns, slots: &slots, ..Scope::default() };
        let filter = template.filter.as_ref().expect("there is a condition");
        let expected = evaluate(&Expr::from(tree), &row, &parameters);
        let value = filter.evaluate(&scope, &mut reader, &SurrealLibrary).expect("comparisons don't fail").into_owned();
        let expected_value = from_surreal(&expected).expect("converts");
        prop_assert!(
            circuit::value::identity::are_identical(&value, &expected_value),
            "{text}: {value:?} instead of {expected_value:?}"
        );
        let holds = filter.test(&scope, &mut reader, &SurrealLibrary).expect("comparisons don't fail");
        prop_assert_eq!(holds, expected.is_truthy(), "{}", text);
    }

    /// Any text is compiled or refused. It must not panic, hang, or overflow the stack.
    #[test]
    fn garbage_is_refused(tokens in proptest::collection::vec(garbage(), 0..24)) {
        let text = tokens.join(" ");
        let parameters: Object = [(Arc::from("p"), Value::Int(1))].into_iter().collect();
        check(&text, &parameters);
        check(&format!("SELECT * FROM t WHERE {text}"), &parameters);
        check(&format!("SELECT {text} FROM t"), &parameters);
        check(&format!("SELECT * FROM t {text}"), &parameters);
        let _ = query::parse_value(&text);
        let _ = query::parse_record_id(&text);
    }

    #[test]
    fn arbitrary_text_is_refused(text in "\\PC{0,60}") {
        let parameters: Object = [].into_iter().collect();
        check(&text, &parameters);
        check(&format!("SELECT * FROM t WHERE {text}"), &parameters);
        let _ = query::parse_value(&text);
        let _ = query::parse_record_id(&text);
    }
}

fn garbage() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(
        &[
            "SELECT",
            "*",
            "FROM",
            "WHERE",
            "a",
            "a.b",
            "a[0]",
            "a[$]",
            "a[*]",
            "a[WHERE b]",
            "t:1",
            "t:[1]",
            "t:1..5",
            "$p",
            "$p.x",
            "$parent",
            "$this.a",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            ",",
            ";",
            "=",
            "==",
            "AND",
            "OR",
            "!",
            "-",
            "+",
            "..",
            "..=",
            ">..",
            "<int>",
            "<",
            ">",
            "->",
            "<-",
            "->likes->",
            "<->",
            "<~",
            "@",
            "@@",
            "<|2|>",
            "string::len(a)",
            "rand()",
            "time::now()",
            "fn::f(1)",
            "a.len()",
            ".{x, y}",
            "GROUP",
            "BY",
            "ALL",
            "ORDER",
            "ASC",
            "DESC",
            "COLLATE",
            "LIMIT",
            "START",
            "1",
            "-1",
            "1.5",
            "1dec",
            "9999999999999999999",
            "'s'",
            "\"s",
            "/r/",
            "/",
            "d'2026'",
            "u'x'",
            "r't:1'",
            "b'00'",
            "f'b:/k'",
            "1d",
            "VALUE",
            "ONLY",
            "OMIT",
            "FETCH",
            "SPLIT",
            "TIMEOUT",
            "VERSION",
            "EXPLAIN",
            "FULL",
            "AS",
            "IN",
            "NOT",
            "IS",
            "NONE",
            "NULL",
            "true",
            "IF",
            "THEN",
            "ELSE",
            "END",
            "|x| x",
            "|t:10|",
            "{ a: 1 }",
            "(SELECT * FROM u)",
            "CREATE t",
            "function() { }",
            "⟨",
            "⟩",
            "`",
            "`x y`",
            "é",
            "∋",
            "/*",
            "*/",
            "--",
            "\n",
            "NaN",
            "Infinity",
            "rand",
            "count()",
            "...",
            "a...",
            "?.",
            "??",
            "?:",
            "::",
            ":",
            "$",
            "$$",
            "'\\u{110000}'",
        ][..],
    )
}

/// An error of a compiled text must point into the text.
fn check(text: &str, parameters: &Object) {
    if let Err(error) = compile(text, parameters) {
        let lines: Vec<&str> = text.split('\n').collect();
        assert!((1..=lines.len()).contains(&error.line), "{text:?}: {error}");
        assert!((1..=lines[error.line - 1].chars().count() + 1).contains(&error.column), "{text:?}: {error}");
        assert!(!error.to_string().is_empty());
    }
}

/// Deep nesting is refused like any other text, in every way to nest.
#[test]
fn deep_nesting_is_refused() {
    let parameters: Object = [].into_iter().collect();
    for depth in [10, 100, 1_000, 100_000] {
        for (open, middle, close) in [
            ("(", "a", ")"),
            ("[", "1", "]"),
            ("!", "a", ""),
            ("-", "1", ""),
            ("{ a: ", "1", " }"),
            ("a.b[", "0", "]"),
            ("t:[", "1", "]"),
            ("<int>", "a", ""),
            ("(SELECT * FROM t WHERE ", "a", ")"),
            ("a AND ", "a", ""),
            ("a OR (b AND ", "a", ")"),
            ("a.", "b", ""),
            ("a->b->", "c", ""),
            ("string::len(", "a", ")"),
        ] {
            let text = format!("{}{middle}{}", open.repeat(depth), close.repeat(depth));
            let _ = compile(&format!("SELECT * FROM t WHERE {text}"), &parameters);
            // Refused elsewhere, so the long part is walked in search of the place.
            let _ = compile(&format!("SELECT * FROM t WHERE {text} AND b[c]"), &parameters);
            let _ = compile(&format!("SELECT {text} FROM t WHERE $missing"), &parameters);
            let _ = query::parse_value(&text);
        }
    }
}

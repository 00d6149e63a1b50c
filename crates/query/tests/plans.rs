//! Which plan each construct of a SELECT compiles to.

mod common;
#[path = "common/well_formed.rs"]
mod well_formed;

use std::sync::Arc;

use circuit::{
    AggregateFunction, Constant, Expr, Fields, Grouping, Only, Operator, OrderKey, Path, PathStep, Plan, Shape, Slot,
    Source, Template, Value, Window,
};
use query::{compile, parse_value};

fn value(text: &str) -> Value {
    parse_value(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn plan_with(text: &str, parameters: &str) -> Plan {
    let Value::Object(parameters) = value(parameters) else { panic!("{parameters} is no object") };
    let plan = compile(text, &parameters).unwrap_or_else(|error| panic!("{text}: {error}")).plan;
    well_formed::assert_well_formed(&plan);
    plan
}

fn plan(text: &str) -> Plan {
    plan_with(text, "{}")
}

fn field(name: &str) -> Expr {
    Expr::Path(Path::field(name))
}

fn path(first: &str, rest: &str) -> Expr {
    Expr::Path(Path::new(first, [PathStep::Field(rest.into())]))
}

fn constant(text: &str) -> Slot {
    Slot::Constant(Constant(value(text)))
}

fn equal(column: u16, slot: u16) -> Expr {
    Expr::binary(Operator::Equal, Expr::Column(column), Expr::Slot(slot))
}

fn table(name: &str) -> Source {
    Source::Table(name.into())
}

fn rows() -> Source {
    Source::Derived(Shape::Rows)
}

/// The filter and the slots of a source that is a part of a table.
#[track_caller]
fn assert_restricted(plan: &Plan, name: &str, filter: Option<Expr>, slots: &[&str]) {
    assert_eq!(plan.template.source, table(name));
    assert_eq!(plan.template.filter, filter);
    let slots: Vec<Slot> = slots.iter().map(|slot| constant(slot)).collect();
    assert_eq!(plan.slots, slots);
}

#[test]
fn records_and_ranges_are_tables_with_a_condition() {
    let compared = |operator, slot| Expr::binary(operator, Expr::Column(0), Expr::Slot(slot));
    let both = |a, b| Some(Expr::binary(Operator::And, a, b));
    assert_restricted(&plan("SELECT * FROM t:1"), "t", Some(equal(0, 0)), &["t:1"]);
    let from = compared(Operator::GreaterOrEqual, 0);
    assert_restricted(
        &plan("SELECT * FROM t:1..5"),
        "t",
        both(from.clone(), compared(Operator::Less, 1)),
        &["t:1", "t:5"],
    );
    let to = compared(Operator::LessOrEqual, 1);
    assert_restricted(&plan("SELECT * FROM t:1..=5"), "t", both(from.clone(), to), &["t:1", "t:5"]);
    assert_restricted(&plan("SELECT * FROM t:1>.."), "t", Some(compared(Operator::Greater, 0)), &["t:1"]);
    assert_restricted(&plan("SELECT * FROM t:..m"), "t", Some(compared(Operator::Less, 0)), &["t:m"]);
    assert_restricted(&plan("SELECT * FROM t:.."), "t", None, &[]);
    let among = Some(compared(Operator::Inside, 0));
    assert_restricted(&plan("SELECT * FROM [t:1, t:2, t:a]"), "t", among, &["[t:1, t:2, t:a]"]);
}

#[test]
fn a_source_may_be_a_constant() {
    for (source, parameters) in [
        ("$p", "{ p: t:1 }"),
        ("$p", "{ p: [t:1] }"),
        ("$p", "{ p: [NONE, t:1, NULL] }"),
        ("$p.of[0]", "{ p: { of: [t:1] } }"),
        ("r't:1'", "{}"),
    ] {
        let plan = plan_with(&format!("SELECT * FROM {source}"), parameters);
        assert_restricted(&plan, "t", Some(equal(0, 0)), &["t:1"]);
    }
    let nothing = plan_with("SELECT * FROM $p", "{ p: [] }");
    assert_eq!((&nothing.template.source, nothing.inputs.len()), (&rows(), 0));
}

#[test]
fn several_sources_are_inputs_that_are_filtered_each() {
    let plan = plan("SELECT * FROM a, b:1 WHERE x = 1 ORDER BY x LIMIT 2");
    assert_eq!(plan.template.source, rows());
    assert_eq!(plan.template.filter, None);
    assert_eq!(plan.template.order, [OrderKey::new(0, false)]);
    assert_eq!(plan.window, Some(Window { start: 0, limit: Some(2) }));
    let [first, second] = plan.inputs.as_slice() else { panic!("{plan:?}") };
    assert!(first.output.is_whole_row() && first.window.is_none());
    assert_eq!(first.template.filter, Some(equal(0, 0)));
    assert_eq!(second.template.filter, Some(Expr::binary(Operator::And, equal(0, 0), equal(1, 1))));
    // A list keeps its order.
    assert_eq!(self::plan("SELECT * FROM [t:2, t:1]").inputs.len(), 2);
}

#[test]
fn a_subquery_behind_from_is_an_input() {
    let plan = plan("SELECT name FROM (SELECT * FROM t WHERE a = 1 ORDER BY b LIMIT 3) WHERE c = 2");
    assert_eq!(plan.template.source, rows());
    assert_eq!(plan.template.columns, [field("c")]);
    assert_eq!(plan.slots, [constant("2")]);
    let [input] = plan.inputs.as_slice() else { panic!("{plan:?}") };
    assert_eq!(input.template.columns, [field("a"), field("b")]);
    assert_eq!(input.slots, [constant("1")]);
    assert_eq!(input.window, Some(Window { start: 0, limit: Some(3) }));
}

#[test]
fn a_path_behind_from_is_a_list_that_is_computed_once() {
    let texts = ["SELECT * FROM $u->likes->post WHERE n = 1", "SELECT * FROM user:7->likes->post WHERE n = $u.n"];
    let [one, other] = texts.map(|text| plan_with(text, "{ u: user:1 }"));
    assert_eq!(one.template, other.template);
    assert_eq!(one.template.source, Source::Derived(Shape::Items { are_records: true }));
    assert!(!one.has_own_rows() && one.may_repeat_rows());
    let ([list], [same]) = (one.inputs.as_slice(), other.inputs.as_slice()) else { panic!("{one:?} {other:?}") };
    assert_eq!((&list.template, &list.output), (&same.template, &same.output));
    assert_eq!((list.slots.as_slice(), same.slots.as_slice()), (&[constant("user:1")][..], &[constant("user:7")][..]));
    // What is behind a field may be anything, so its rows have ids of their own.
    for text in ["SELECT * FROM $u.friends", "SELECT * FROM user:1.org->likes", "SELECT * FROM [1, user:1]"] {
        let plan = plan_with(text, "{ u: user:1 }");
        assert_eq!(plan.template.source, Source::Derived(Shape::Items { are_records: false }), "{text}");
        assert!(plan.has_own_rows() && !plan.may_repeat_rows());
    }
}

#[test]
fn what_depends_on_the_row_alone_is_a_column() {
    let plan = plan_with("SELECT * FROM t WHERE n * 2 + $n > 3 AND n * 2 = a.b AND !c", "{ n: 1 }");
    assert_eq!(plan.template.columns[1..], [path("a", "b"), field("c")]);
    assert!(matches!(&plan.template.columns[0], Expr::Call(..)));
    // The parameter is a slot, and keeps the addition in the condition.
    assert_eq!(plan.slots, [constant("1"), constant("3")]);
    let filter = plan.template.filter.clone().expect("a condition");
    assert!(filter.any(&mut |expr| matches!(expr, Expr::Call(_, operands) if operands.contains(&Expr::Slot(0)))));
}

#[test]
fn a_constant_stays_where_no_operator_compares_it() {
    let frozen = plan("SELECT * FROM t WHERE a + 2 = 'xx' AND tags[WHERE k = 1] != []");
    assert_eq!(frozen.slots, [constant("'xx'"), constant("[]")]);
    // A parameter is a slot also there.
    let shared = plan_with("SELECT * FROM t WHERE tags[WHERE $this = $k] != []", "{ k: 1 }");
    assert_eq!(shared.template.columns, [field("tags")]);
    assert_eq!(shared.slots, [constant("1"), constant("[]")]);
}

/// A condition has no records at hand, so what may read one stays whole.
#[test]
fn a_path_that_may_follow_links_is_one_column() {
    for path in ["tags[WHERE k = $k]", "->likes->(post WHERE n = $k)", "tags[$k].name", "tags.map(|$t| $t.k = $k)"] {
        let plan = plan_with(&format!("SELECT * FROM t WHERE {path} != [] AND a = $k"), "{ k: 1 }");
        let [whole, a] = plan.template.columns.as_slice() else { panic!("{path}: {plan:?}") };
        assert!(!whole.is_local() && !whole.has_slot() && *a == field("a"), "{path}: {whole:?}");
        assert!(plan.template.filter.as_ref().is_some_and(Expr::is_local), "{path}: {plan:?}");
        assert_eq!(plan.slots, [constant("[]"), constant("1")], "{path}");
    }
}

#[test]
fn a_value_of_a_record_is_computed() {
    let plan = plan_with("SELECT * FROM t WHERE org = $auth.org AND n > $auth.limits.n + 1", "{ auth: user:1 }");
    let [Slot::Computed(org), Slot::Computed(sum)] = plan.slots.as_slice() else { panic!("{:?}", plan.slots) };
    assert!(matches!(org, Expr::Walk(..)) && !org.is_local());
    assert!(matches!(sum, Expr::Call(..)));
}

#[test]
fn membership_in_an_uncorrelated_subquery_is_a_computed_slot() {
    let texts = [
        "SELECT * FROM t WHERE author IN (SELECT VALUE id FROM user WHERE active = true)",
        "SELECT * FROM t WHERE (SELECT VALUE id FROM user WHERE active = true) CONTAINS author",
    ];
    for text in texts {
        let plan = plan(text);
        assert_eq!(plan.template.columns, [field("author")]);
        assert_eq!(plan.template.filter, Some(Expr::binary(Operator::Inside, Expr::Column(0), Expr::Slot(0))));
        assert_eq!(plan.slots, [Slot::Computed(Expr::Subquery(0))]);
        let [lookup] = plan.lookups.as_slice() else { panic!("{plan:?}") };
        assert_eq!(lookup.template.source, rows());
        assert!(lookup.output.is_whole_row());
        let [users] = lookup.inputs.as_slice() else { panic!("{lookup:?}") };
        assert_eq!((&users.template.source, users.slots.as_slice()), (&table("user"), [constant("true")].as_slice()));
        assert_eq!(users.output.fields, Fields::Value(field("id")));
    }
}

#[test]
fn a_correlated_subquery_in_a_condition_is_looked_up_by_a_column() {
    let plan = plan("SELECT * FROM t WHERE (SELECT * FROM c WHERE thread = $parent.id AND ok = true)[0].n > 2");
    assert_eq!(plan.slots, [constant("2")]);
    let [Expr::Walk(start, _)] = plan.template.columns.as_slice() else { panic!("{plan:?}") };
    assert_eq!(**start, Expr::Subquery(0));
    let [lookup] = plan.template.lookups.as_slice() else { panic!("{plan:?}") };
    assert_eq!(lookup.slots, [Slot::Computed(field("id")), constant("true")]);
}

#[test]
fn a_subquery_in_the_projection_is_a_child() {
    let text =
        "SELECT *, (SELECT * FROM comment WHERE thread = $parent.id AND kind = $kind ORDER BY at LIMIT 2) AS comments
        FROM thread WHERE open = true";
    let plan = plan_with(text, "{ kind: 'x' }");
    assert_eq!(plan.slots, [constant("true"), constant("'x'")]);
    let [child] = plan.template.children.as_slice() else { panic!("{plan:?}") };
    assert_eq!(&*child.relation, "comments");
    // The parameter is lifted into the parent's slots.
    assert_eq!(child.plan.slots, [Slot::Computed(field("id")), Slot::Computed(Expr::Slot(1))]);
    assert_eq!(child.plan.window, Some(Window { start: 0, limit: Some(2) }));
    let Fields::Named(fields) = &plan.output.fields else { panic!("{plan:?}") };
    assert_eq!(fields.fields[0].value, Expr::Subquery(0));
}

#[test]
fn children_are_named_after_the_field_that_they_are() {
    let relations = |text: &str| -> Vec<String> {
        plan(text).template.children.iter().map(|child| child.relation.to_string()).collect()
    };
    assert_eq!(relations("SELECT (SELECT * FROM u)[0] AS first FROM t"), ["first"]);
    assert_eq!(relations("SELECT (SELECT * FROM u)[0].name AS first FROM t"), ["first"]);
    assert_eq!(relations("SELECT (SELECT * FROM ONLY u:1) AS one, (SELECT * FROM v) AS `all` FROM t"), ["one", "all"]);
    assert_eq!(relations("SELECT { n: (SELECT * FROM u) } AS n, [(SELECT * FROM v)] AS l FROM t"), ["_0", "_1"]);
    assert_eq!(relations("SELECT VALUE (SELECT * FROM u) FROM t"), ["_0"]);
}

#[test]
fn constants_are_lifted_level_by_level() {
    let text = "SELECT *, (SELECT *, (SELECT * FROM c WHERE b = $parent.id AND x = $x) AS cs
        FROM b WHERE a = $parent.id AND y = 2) AS bs FROM a WHERE z = 3";
    let plan = plan_with(text, "{ x: 1 }");
    assert_eq!(plan.slots, [constant("3"), constant("2"), constant("1")]);
    let bs = &plan.template.children[0].plan;
    let lifted = |slot| Slot::Computed(Expr::Slot(slot));
    assert_eq!(bs.slots, [Slot::Computed(field("id")), lifted(1), lifted(2)]);
    let cs = &bs.template.children[0].plan;
    assert_eq!(cs.slots, [Slot::Computed(field("id")), lifted(2)]);
}

#[test]
fn an_uncorrelated_subquery_of_a_child_is_the_parents() {
    let plan = plan("SELECT (SELECT * FROM b WHERE a = $parent.id AND c IN (SELECT VALUE id FROM c)) AS bs FROM a");
    assert_eq!(plan.slots, [Slot::Computed(Expr::Subquery(0))]);
    assert_eq!(plan.lookups.len(), 1);
    let child = &plan.template.children[0].plan;
    assert_eq!(child.slots, [Slot::Computed(field("id")), Slot::Computed(Expr::Slot(0))]);
    assert!(child.lookups.is_empty());
}

#[test]
fn the_parent_of_a_subquery_behind_from_is_that_of_its_reader() {
    let plan =
        plan("SELECT (SELECT count() FROM (SELECT * FROM b WHERE a = $parent.id) GROUP ALL)[0].count AS n FROM a");
    let grouped = &plan.template.children[0].plan;
    assert!(matches!(grouped.template.source, Source::Derived(Shape::Group(_))));
    assert_eq!(grouped.inputs[0].inputs[0].slots, [Slot::Computed(field("id"))]);
}

#[test]
fn split_reads_whole_rows() {
    let plan = plan("SELECT tag, a FROM t WHERE a = 1 SPLIT tag ORDER BY tag");
    assert_eq!(plan.template.source, Source::Derived(Shape::Split(vec![vec![Arc::from("tag")]])));
    assert_eq!(plan.template.columns, [field("tag")]);
    let [input] = plan.inputs.as_slice() else { panic!("{plan:?}") };
    assert!(input.output.is_whole_row() && input.window.is_none() && input.template.order.is_empty());
    assert_eq!(input.template.filter, Some(equal(0, 0)));
}

fn grouping(plan: &Plan) -> (&Grouping, &[Expr]) {
    let Source::Derived(Shape::Group(grouping)) = &plan.template.source else { panic!("{plan:?}") };
    let Fields::Value(Expr::Array(values)) = &plan.inputs[0].output.fields else { panic!("{plan:?}") };
    (grouping, values)
}

fn shown(grouping: &Grouping) -> Vec<(String, Expr)> {
    let Fields::Named(named) = &grouping.output.fields else { panic!("{grouping:?}") };
    named.fields.iter().map(|field| (field.target.join("."), field.value.clone())).collect()
}

#[test]
fn groups_are_made_of_keys_and_arguments() {
    let plan =
        plan("SELECT author, count() AS n, count(a), b FROM t WHERE c = 1 GROUP BY author ORDER BY n DESC LIMIT 1");
    let (grouping, values) = grouping(&plan);
    assert_eq!(grouping.keys, 1);
    assert_eq!(values, [field("author"), Expr::Constant(Constant(Value::None)), field("a"), field("b")]);
    let functions: Vec<_> = grouping.aggregates.iter().map(|aggregate| aggregate.function).collect();
    let named = |name, arguments| AggregateFunction::named(name, arguments).expect("known");
    assert_eq!(functions, [named("count", 0), named("count", 1), named("array::group", 1)]);
    let expected =
        [("author", 0), ("n", 1), ("count", 2), ("b", 3)].map(|(name, column)| (name.into(), Expr::Column(column)));
    assert_eq!(shown(grouping), expected);
    assert_eq!(plan.template.columns, [field("n")]);
    assert_eq!(plan.template.order, [OrderKey::new(0, true)]);
    assert!(plan.output.is_whole_row());
    assert_eq!(plan.inputs[0].template.filter, Some(equal(0, 0)));
}

#[test]
fn a_group_key_may_be_an_alias() {
    let plan = plan("SELECT a.b AS x, c AS y, x AS z FROM t GROUP BY x, y");
    let (grouping, values) = grouping(&plan);
    assert_eq!(values[..2], [path("a", "b"), field("c")]);
    // The path `x` is that of the first key, whose alias has its name.
    let expected = [("x", 0), ("y", 1), ("z", 0)].map(|(name, column)| (name.into(), Expr::Column(column)));
    assert_eq!(shown(grouping), expected);
}

#[test]
fn expressions_over_aggregates_are_evaluated_behind_them() {
    let plan =
        plan("SELECT math::sum(a) + math::sum(b) * count() AS x, math::sum(a) AS y, count() > 1 AS z FROM t GROUP ALL");
    let (grouping, values) = grouping(&plan);
    assert_eq!(values, [field("a"), field("b"), Expr::Constant(Constant(Value::None))]);
    let shown = shown(grouping);
    assert!(matches!(&shown[0].1, Expr::Otherwise(sum, Constant(Value::Null)) if sum.needs_row()));
    assert_eq!(shown[1].1, Expr::Column(0));
}

#[test]
fn arguments_that_fail_are_none() {
    let plan = plan("SELECT math::sum(a + 1) AS x, b * 2 AS l FROM t GROUP BY l");
    let (_, values) = grouping(&plan);
    assert!(values.iter().all(|value| matches!(value, Expr::Otherwise(_, Constant(Value::None)))), "{values:?}");
}

#[test]
fn grouped_values_are_rows() {
    let plan = plan("SELECT VALUE author FROM t GROUP BY author");
    let (grouping, values) = grouping(&plan);
    assert_eq!(
        (grouping.output.fields.clone(), values),
        (Fields::Value(Expr::Column(0)), [field("author")].as_slice())
    );
}

/// SurrealDB counts these without looking at rows, and shapes the answer by itself.
#[test]
fn a_plain_count_has_no_window_and_no_nested_names() {
    for (text, names) in [
        ("SELECT count() FROM t GROUP ALL LIMIT 0", vec!["count"]),
        ("SELECT VALUE count() FROM t GROUP ALL", vec!["count"]),
        ("SELECT count() AS a.b, count() AS c FROM t GROUP ALL START 3", vec!["a.b", "c"]),
        ("SELECT count() FROM t:1..5 GROUP ALL", vec!["count"]),
    ] {
        let plan = plan(text);
        let Source::Derived(Shape::Group(grouping)) = &plan.template.source else { panic!("{plan:?}") };
        let Fields::Named(named) = &grouping.output.fields else { panic!("{grouping:?}") };
        let targets: Vec<_> = named.fields.iter().map(|field| field.target.clone()).collect();
        assert_eq!(targets, names.iter().map(|name| vec![Arc::from(*name)]).collect::<Vec<_>>(), "{text}");
        assert_eq!(plan.window, None, "{text}");
    }
}

#[test]
fn order_looks_up_what_is_stored_unless_it_is_selected() {
    let columns = |text: &str| plan(text).template.columns.clone();
    let within = |first: &str, rest: &str| Expr::Path(Path::new(first, [PathStep::Field(rest.into())]).within_row());
    assert_eq!(columns("SELECT * FROM t ORDER BY author.name"), [within("author", "name")]);
    assert_eq!(columns("SELECT author.name FROM t ORDER BY author.name"), [within("author", "name")]);
    assert_eq!(columns("SELECT author.name AS n FROM t ORDER BY n"), [path("author", "name")]);
    assert_eq!(columns("SELECT VALUE author.name AS n FROM t ORDER BY n"), [path("author", "name")]);
    assert_eq!(columns("SELECT a AS n.m FROM t ORDER BY n.m"), [field("a")]);
    // Groups are looked into like any value.
    assert_eq!(columns("SELECT author, count() FROM t GROUP BY author ORDER BY author.name"), [path("author", "name")]);
}

#[test]
fn an_order_key_may_be_computed() {
    let text = "SELECT *, (SELECT VALUE n FROM c WHERE thread = $parent.id ORDER BY n)[0] AS first, a + $x AS sum
        FROM t ORDER BY first DESC COLLATE, sum NUMERIC";
    let plan = plan_with(&text.replace("DESC COLLATE", "COLLATE DESC"), "{ x: 2 }");
    let [first, sum] = plan.template.columns.as_slice() else { panic!("{plan:?}") };
    assert!(matches!(first, Expr::Walk(start, _) if **start == Expr::Subquery(0)));
    assert!(sum.any(&mut |expr| *expr == Expr::Constant(Constant(Value::Int(2)))));
    assert_eq!(plan.template.lookups.len(), 1);
    assert!(plan.slots.is_empty());
    let expected =
        [OrderKey { collate: true, ..OrderKey::new(0, true) }, OrderKey { numeric: true, ..OrderKey::new(1, false) }];
    assert_eq!(plan.template.order, expected);
}

#[test]
fn only_takes_the_row_out_of_the_list() {
    assert_eq!(plan("SELECT * FROM t").output.only, Only::No);
    assert_eq!(plan("SELECT * FROM ONLY t:1").output.only, Only::OneOrNone);
    assert_eq!(plan("SELECT * FROM ONLY t LIMIT 1").output.only, Only::OneOrNone);
    assert_eq!(plan("SELECT * FROM ONLY [t:1]").output.only, Only::One);
}

/// Where nothing is computed for it, no part of the plan is made twice.
#[test]
fn plain_queries_have_plain_plans() {
    let plan = plan("SELECT a, b FROM t WHERE a = 1 ORDER BY b");
    let expected =
        Template::of_table("t", vec![field("a"), field("b")], Some(equal(0, 0)), vec![OrderKey::new(1, false)]);
    assert_eq!(*plan.template, expected);
    assert!(plan.lookups.is_empty() && plan.inputs.is_empty());
}

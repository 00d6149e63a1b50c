//! The work counter: a change costs what it changes, however many rows and views there are.

mod derived;
mod filters;
mod growth;
mod links;
mod scenario;
mod subqueries;
#[path = "../support/mod.rs"]
mod support;
mod windows;

use circuit::{Circuit, Operator, Plan, Template, Value, Window, Work};
use scenario::work_of;
use support::*;

fn equality(table: &str, field: &str) -> Template {
    let filter = binary(Operator::Equal, column(0), slot(0));
    Template::of_table(table, vec![expr(field)], Some(filter), Vec::new())
}

fn one(value: impl Into<Value>) -> circuit::Slots {
    [value.into()].into_iter().collect()
}

#[test]
fn an_update_that_affects_no_view_examines_no_binding() {
    let mut circuit = Circuit::new(library());
    circuit.step((0..1_000).map(|id| row(id, 1, "nobody", id)).collect());
    for view in 0..10_000 {
        circuit.register(&Plan::new(equality("thread", "author"), one(&*format!("user{view}")), None));
    }
    let work = work_of(&mut circuit, |circuit| assert!(circuit.step(vec![row(5, 2, "nobody", 6)]).deltas.is_empty()));
    assert_eq!(work.bindings_probed, 0);
    let work = work_of(&mut circuit, |circuit| assert!(circuit.step(vec![user(1, 1, "Ada")]).deltas.is_empty()));
    assert_eq!(work, Work::default(), "a table without views costs nothing at all");
}

#[test]
fn among_ten_thousand_views_a_change_examines_a_handful() {
    let mut circuit = Circuit::new(library());
    circuit.step((0..10_000).map(|id| row(id, 1, &format!("user{id}"), id)).collect());
    for view in 0..10_000 {
        circuit.register(&Plan::new(equality("thread", "author"), one(&*format!("user{view}")), None));
    }
    let work = work_of(&mut circuit, |circuit| {
        // Out of one view and into another.
        assert_eq!(circuit.step(vec![row(5, 2, "user6", 5)]).deltas.len(), 2);
    });
    assert_eq!(work, Work { rows_examined: 2, bindings_probed: 2, indexes_probed: 2, ..Work::default() });
}

#[test]
fn ranges_and_memberships_examine_only_the_views_they_match() {
    for (operator, matching) in [(Operator::Greater, 10), (Operator::Less, 1_989)] {
        let mut circuit = Circuit::new(library());
        let filter = binary(operator, column(0), slot(0));
        let template = Template::of_table("thread", vec![expr("priority")], Some(filter), vec![]);
        for view in 0..2_000 {
            circuit.register(&Plan::new(template.clone(), one(view), None));
        }
        let work = work_of(&mut circuit, |circuit| {
            assert_eq!(circuit.step(vec![row(1, 1, "a", 10)]).deltas.len(), matching);
        });
        assert_eq!(work.bindings_probed, matching as u64);
    }
    let mut circuit = Circuit::new(library());
    let filter = binary(Operator::Inside, column(0), slot(0));
    let template = Template::of_table("thread", vec![expr("priority")], Some(filter), vec![]);
    for view in 0..2_000_i64 {
        let list: Value = [Value::Int(view), Value::Int(view + 1)].into_iter().collect();
        circuit.register(&Plan::new(template.clone(), one(list), None));
    }
    let work = work_of(&mut circuit, |circuit| assert_eq!(circuit.step(vec![row(1, 1, "a", 10)]).deltas.len(), 2));
    assert_eq!(work.bindings_probed, 2);
}

#[test]
fn registering_a_known_template_examines_only_its_result() {
    let mut circuit = Circuit::new(library());
    circuit.step((0..20_000).map(|id| row(id, 1, &format!("user{}", id % 2_000), id)).collect());
    let plan = |author: &str, window| Plan::new(equality("thread", "author"), one(author), window);
    circuit.register(&plan("user0", None));
    let work = work_of(&mut circuit, |circuit| {
        let result = circuit.register(&plan("user1", None));
        assert_eq!(circuit.rows(result).len(), 10);
    });
    assert_eq!(work.rows_examined, 10);
    circuit.register(&plan("user0", Some(Window { start: 0, limit: Some(3) })));
    let work = work_of(&mut circuit, |circuit| {
        let result = circuit.register(&plan("user1", Some(Window { start: 0, limit: Some(3) })));
        assert_eq!(circuit.rows(result).len(), 3);
    });
    assert_eq!(work.rows_examined, 10);
}

#[test]
fn the_order_of_a_disjunction_of_equalities_is_indexed_too() {
    let mut circuit = Circuit::new(library());
    let filter = binary(
        Operator::Or,
        binary(Operator::Equal, column(0), slot(0)),
        binary(Operator::And, binary(Operator::Equal, slot(1), column(1)), column(0)),
    );
    let columns = vec![expr("author"), expr("priority")];
    let template = Template::of_table("thread", columns, Some(filter), vec![]);
    for view in 0..1_000_i64 {
        let slots = [Value::from(&*format!("user{view}")), Value::Int(view)].into_iter().collect();
        circuit.register(&Plan::new(template.clone(), slots, None));
    }
    assert_eq!(circuit.size().unindexed_bindings, 0);
    let work = work_of(&mut circuit, |circuit| {
        assert_eq!(circuit.step(vec![row(1, 1, "user7", 8)]).deltas.len(), 2);
    });
    assert_eq!(work.bindings_probed, 2);
}

#[test]
fn views_without_a_usable_conjunct_are_counted() {
    let mut circuit = Circuit::new(library());
    let filter = binary(Operator::NotEqual, column(0), slot(0));
    let template = Template::of_table("thread", vec![expr("author")], Some(filter), vec![]);
    for view in 0..50 {
        circuit.register(&Plan::new(template.clone(), one(view), None));
    }
    assert_eq!(circuit.size().unindexed_bindings, 50);
}

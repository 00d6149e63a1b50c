//! Subqueries: under rows, in conditions, in slots.

use circuit::{Change, Constant, Expr, Operator, OrderKey, Part, Plan, Slot, Slots, Template, Value, Work};

use super::scenario::*;
use super::support::trees::*;
use super::support::*;

fn constant(value: impl Into<Value>) -> Slot {
    Slot::Constant(Constant(value.into()))
}

fn of_author(number: i64) -> Plan {
    threads_of(record("user", number).into())
}

fn with_comments(number: i64) -> Plan {
    under(of_author(number), vec![child("comments", comments(by_row("id"), None))])
}

fn with_newest_comments(number: i64) -> Plan {
    under(of_author(number), vec![child("newest", comments(by_row("id"), Some(2)))])
}

/// `SELECT *, (SELECT * FROM comment WHERE thread = $parent.id AND author = $viewer) FROM thread WHERE author =
/// user:3`.
fn with_own_comments(viewer: i64) -> Plan {
    let equal = |column, slot| binary(Operator::Equal, column, slot);
    let filter = binary(Operator::And, equal(column(0), slot(0)), equal(column(1), slot(1)));
    let own = Template::of_table("comment", vec![expr("thread"), expr("author")], Some(filter), vec![]);
    let own = Plan { slots: vec![by_row("id"), Slot::Computed(slot(1))], ..Plan::new(own, Slots::default(), None) };
    let mut plan = under(of_author(3), vec![child("own", own)]);
    plan.slots.push(constant(record("user", viewer)));
    plan
}

/// Users of a team, the first three threads of each by rank, and the first two comments of each of these.
fn nested_in_windows(team: i64) -> Plan {
    let filter = binary(Operator::Equal, column(0), slot(0));
    let columns = vec![expr("author"), expr("rank")];
    let threads = Template::of_table("thread", columns, Some(filter), vec![OrderKey::new(1, false)]);
    let threads = Plan { slots: vec![by_row("id")], ..Plan::new(threads, Slots::default(), None) };
    let threads = under(windowed(threads, 0, 3), vec![child("newest", comments(by_row("id"), Some(2)))]);
    under(table("user", "team", constant(team)), vec![child("threads", threads)])
}

/// Threads by members of a set, for which more has to hold.
fn in_set(set: Plan, operator: Operator, more: Option<(&str, Operator, i64)>) -> Plan {
    let mut columns = vec![expr("author")];
    let mut filter = binary(operator, column(0), slot(0));
    let mut slots = vec![Slot::Computed(Expr::Subquery(0))];
    if let Some((field, operator, value)) = more {
        columns.push(expr(field));
        filter = binary(Operator::And, filter, binary(operator, column(1), slot(1)));
        slots.push(constant(value));
    }
    let template = Template::of_table("thread", columns, Some(filter), vec![]);
    Plan { slots, lookups: vec![set], ..Plan::new(template, Slots::default(), None) }
}

/// `SELECT VALUE id FROM user WHERE team = $team`.
fn team(number: i64) -> Plan {
    Plan { output: expr("id").into(), ..table("user", "team", constant(number)) }
}

/// `SELECT VALUE author FROM comment WHERE place >= $from AND place < $to`: five comments, of the same five users in
/// each of the sets.
fn authors_of_five(number: i64) -> Plan {
    let filter = binary(
        Operator::And,
        binary(Operator::GreaterOrEqual, column(0), slot(0)),
        binary(Operator::Less, column(0), slot(1)),
    );
    let template = Template::of_table("comment", vec![expr("place")], Some(filter), vec![]);
    let plan = Plan::new(template, [5 * number, 5 * number + 5].map(Value::Int).into_iter().collect(), None);
    Plan { output: expr("author").into(), ..plan }
}

/// `SELECT VALUE author FROM comment WHERE priority = $number`.
fn commented(number: i64) -> Plan {
    Plan { output: expr("author").into(), ..table("comment", "priority", constant(number)) }
}

/// `SELECT * FROM thread WHERE author ..` a slot that follows from a field of a user.
fn by_field_of_user(number: i64, field: &str, operator: Operator) -> Plan {
    let user = table("user", "id", constant(record("user", number)));
    let filter = binary(operator, column(0), slot(0));
    let template = Template::of_table("thread", vec![expr("author")], Some(filter), vec![]);
    let first = Expr::Walk(Box::new(Expr::Subquery(0)), [Part::First].into());
    let lookups = vec![Plan { output: expr(field).into(), ..user }];
    Plan { slots: vec![Slot::Computed(first)], lookups, ..Plan::new(template, Slots::default(), None) }
}

/// Threads whose rank is above the team of a user; but for the view of number 3 it is below nothing.
fn above_team(number: i64) -> Plan {
    let mut plan = by_field_of_user(number, "team", Operator::Equal);
    let above = binary(Operator::Greater, column(0), slot(0));
    let filter = Some(binary(Operator::And, above, binary(Operator::Less, column(0), slot(1))));
    plan.template = Template { columns: vec![expr("rank")], filter, ..(*plan.template).clone() }.into();
    plan.slots.push(constant(if number == 3 { 1_000_000 } else { -1 }));
    plan
}

/// User 3 with other friends.
fn befriended(number: i64, friends: &[i64]) -> Change {
    let mut change = member(number, 2, number, number, number + 1);
    let friends: Value = friends.iter().map(|friend| Value::from(record("user", *friend))).collect();
    let content = change.content.take().expect("a user");
    let fields = content.iter().map(|(name, value)| (name.clone(), value.clone()));
    change.content = Some(fields.chain([("friends".into(), friends)]).collect());
    change
}

const EACH: Work = Work {
    rows_examined: 2,
    bindings_probed: 2,
    indexes_probed: 2,
    windows_probed: 2,
    rows_read: 0,
    records_read: 0,
    columns_computed: 0,
    outputs_computed: 0,
    plans_started: 0,
    rows_derived: 0,
    values_folded: 0,
    rows_saved: 0,
};

#[test]
fn a_row_under_others_concerns_only_these() {
    let change = Scenario::change;
    carry_out(&[
        change("a comment under a thread", with_comments, || vec![comment(-1, 1, 3, 1, 1)], 2, EACH),
        change(
            "a comment that moves from one thread to another",
            with_comments,
            || vec![comment(3, 2, 4, 1, 1)],
            4,
            EACH,
        ),
        change("a comment in a window under a thread", with_newest_comments, || vec![comment(-1, 1, 3, 1, 9)], 3, EACH),
        change(
            "a comment behind a window under a thread",
            with_newest_comments,
            || vec![comment(-1, 1, 3, 1, -9)],
            0,
            EACH,
        )
        .concerning(1),
        change(
            "a thread with comments under it",
            with_comments,
            || vec![thread(3, 2, 3, 9)],
            1,
            Work { plans_started: 1, ..EACH },
        ),
        change(
            "a thread that takes its comments along to another author",
            with_comments,
            || vec![thread(3, 2, 4, 3)],
            8,
            Work { plans_started: 1, rows_read: 1, ..EACH },
        ),
        change(
            "a comment that only one viewer sees under a thread that all see",
            with_own_comments,
            || vec![comment(-1, 1, 3, 2, 1)],
            2,
            EACH,
        ),
        Scenario::watched(
            "a comment under a thread in a watched answer, which is shown again with all of its comments",
            with_comments,
            || vec![comment(-1, 1, 3, 1, 1)],
            2,
            Work { outputs_computed: 3, rows_read: 2, ..EACH },
        ),
        change(
            "a comment in a window under a thread in a window under a user",
            nested_in_windows,
            || vec![comment(-1, 1, 3, 1, 9)],
            4,
            EACH,
        ),
    ]);
}

#[test]
fn subqueries_come_and_go_with_their_rows() {
    let each = Work { plans_started: 1, rows_read: 2, outputs_computed: 1, ..EACH };
    let view = |action, reported| Scenario {
        feature: "comments under threads",
        view: with_comments,
        action,
        reported,
        concerned: 40,
        each,
    };
    carry_out(&[
        view(Action::Register, 40),
        view(Action::Answer, 10),
        view(Action::Unregister, 0),
        Scenario { view: with_own_comments, concerned: 10, ..view(Action::Unregister, 0) },
    ]);
}

#[test]
fn a_member_of_a_set_concerns_only_the_rows_with_its_value() {
    let change = Scenario::change;
    let each = Work { outputs_computed: 1, ..EACH };
    let moves = || vec![member(3, 2, 3, 4, 4)];
    carry_out(&[
        change("a user who goes from one set to another", |n| in_set(team(n), Operator::Inside, None), moves, 20, each),
        change(
            "a thread that goes from one author to another",
            |n| in_set(team(n), Operator::Inside, None),
            || vec![thread(3, 2, 4, 3)],
            2,
            each,
        ),
        change(
            "a user who leaves one of many sets that have the user",
            |n| in_set(authors_of_five(n), Operator::Inside, None),
            || vec![gone("comment", 18)],
            10,
            each,
        ),
        change(
            "a thread of a user who is in many sets, of which an equality chooses one",
            |n| in_set(authors_of_five(n), Operator::Inside, Some(("rank", Operator::Equal, n))),
            || vec![thread(3, 2, 3, 33)],
            2,
            each,
        ),
        change(
            "a user who leaves one of many sets, of which an equality chooses one",
            |n| in_set(authors_of_five(n), Operator::Inside, Some(("rank", Operator::Equal, n))),
            || vec![gone("comment", 18)],
            1,
            Work { indexes_probed: 6, ..each },
        ),
        change(
            "a set of which an equality chooses one row",
            |n| in_set(team(n), Operator::Inside, Some(("rank", Operator::Equal, n))),
            moves,
            1,
            Work { indexes_probed: 4, ..each },
        )
        .concerning(2),
        change(
            "one set for all, of which an equality chooses a row for each",
            |n| in_set(team(3), Operator::Inside, Some(("rank", Operator::Equal, if n == 3 { 3 } else { n + 9_999 }))),
            moves,
            1,
            // All threads of the user are looked at.
            Work { rows_examined: 12, indexes_probed: 40, ..each },
        ),
        change(
            "another row with a value that a set has",
            |n| in_set(commented(n), Operator::Inside, None),
            || vec![comment(-1, 1, 3, 3, 1)],
            0,
            each,
        )
        .concerning(1),
        change(
            "other content of a row of a set",
            |n| in_set(team(n), Operator::Inside, None),
            || vec![member(3, 2, 9, 3, 4)],
            0,
            Work { outputs_computed: 2, ..each },
        )
        .concerning(1),
    ]);
}

/// Of what no index leads to, each view is tried, but only for what is concerned.
#[test]
fn a_value_that_a_negated_set_gets_concerns_only_the_rows_with_it() {
    carry_out(&[Scenario::change(
        "a user who goes from one set to another",
        |n| in_set(team(n), Operator::NotInside, None),
        || vec![member(3, 2, 3, 4, 4)],
        20,
        Work { outputs_computed: 1, ..EACH },
    )]);
}

#[test]
fn a_slot_that_is_computed_concerns_only_its_view() {
    let change = Scenario::change;
    let each = Work { rows_read: 2, plans_started: 2, outputs_computed: 1, ..EACH };
    carry_out(&[
        change(
            "another friend",
            |n| by_field_of_user(n, "friend", Operator::Equal),
            || vec![member(3, 2, 3, 3, 6)],
            20,
            each,
        ),
        change(
            "another field",
            |n| by_field_of_user(n, "friend", Operator::Equal),
            || vec![member(3, 2, 3, 9, 4)],
            0,
            each,
        )
        .concerning(1),
        change(
            "one friend more",
            |n| by_field_of_user(n, "friends", Operator::Inside),
            || vec![befriended(3, &[4, 5, 6])],
            10,
            each,
        ),
        change(
            "one friend more, behind an equality that all views have in common",
            |n| {
                let mut plan = by_field_of_user(n, "friends", Operator::Inside);
                let template = (*plan.template).clone();
                let status = binary(Operator::Equal, column(1), slot(1));
                let filter = template.filter.map(|filter| binary(Operator::And, filter, status));
                let columns = vec![expr("author"), expr("status")];
                plan.template = Template { columns, filter, ..template }.into();
                plan.slots.push(constant(1));
                plan
            },
            || vec![befriended(3, &[5, 6])],
            20,
            each,
        ),
        change(
            "a friend less, in a window",
            |n| windowed(by_field_of_user(n, "friends", Operator::Inside), 0, 12),
            || vec![befriended(3, &[4])],
            10,
            Work { windows_probed: 10, ..each },
        ),
        change("a bound that moves", above_team, || vec![member(3, 2, 3, 5, 4)], 2, each).concerning(3),
        change(
            "the first comment of a thread, in its condition",
            |number| with_lookup(record("user", number).into()),
            || vec![comment(-1, 1, 3, 7, 99)],
            3,
            Work { rows_read: 1, columns_computed: 1, plans_started: 1, outputs_computed: 1, ..EACH },
        ),
    ]);
}

//! A million views come and go, and nothing of them stays.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use circuit::{
    Aggregate, AggregateFunction, Change, Circuit, Constant, Expr, Field, Grouping, Operator, OrderKey, Plan, ResultId,
    Shape, Slot, Template, Value, WatchId, Window,
};
use support::trees::*;
use support::*;

/// Counts the bytes that each thread has allocated and not given back.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that ends has no counter any more, and frees nothing of the test's.
    let _ = ALLOCATED.try_with(|allocated| allocated.set(allocated.get() + bytes));
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocated() -> isize {
    ALLOCATED.with(Cell::get)
}

const USERS: i64 = 200;
const THREADS: i64 = 600;

fn thread(number: i64, version: u64, author: i64, priority: i64) -> Change {
    let id = record("thread", number);
    let tags = [Value::Int(priority), Value::Int(priority + 1)].into_iter().collect();
    let fields = [
        ("id", id.clone().into()),
        ("author", record("user", author).into()),
        ("priority", priority.into()),
        ("tags", tags),
    ];
    Change { id, version, content: Some(object(fields)) }
}

fn member(number: i64, version: u64, team: i64) -> Change {
    let id = record("user", number);
    let fields = [
        ("id", id.clone().into()),
        ("name", Value::from(&*format!("name {number:>4}"))),
        ("team", team.into()),
        ("friend", record("user", (number + 1) % USERS).into()),
    ];
    Change { id, version, content: Some(object(fields)) }
}

fn comment(number: i64) -> Change {
    let id = record("comment", number);
    let fields = [
        ("id", id.clone().into()),
        ("thread", record("thread", number % THREADS).into()),
        ("author", record("user", number % 7).into()),
        ("priority", number.into()),
    ];
    Change { id, version: 1, content: Some(object(fields)) }
}

fn rows() -> Vec<Change> {
    let users = (0..USERS).map(|number| member(number, 1, number % 20));
    let threads = (0..THREADS).map(|number| thread(number, 1, number % USERS, number % 10));
    users.chain(threads).chain((0..2 * THREADS).map(comment)).collect()
}

/// One kind of view: its plans differ in slots only.
struct Kind {
    plan: Plan,
    bind: fn(&mut Plan, i64),
}

fn set_slot(plan: &mut Plan, value: impl Into<Value>) {
    plan.slots[0] = Slot::Constant(Constant(value.into()));
}

fn user_slot(plan: &mut Plan, number: i64) {
    set_slot(plan, record("user", number));
}

/// Views of every kind: equality, order, windows, subqueries under rows, linked records, live sets, computed slots,
/// correlated subqueries, derived rows, groups.
fn kinds() -> Vec<Kind> {
    let none = || Value::None;
    let by = |operator, field: &str, order: Vec<OrderKey>| {
        let filter = binary(operator, column(0), slot(0));
        let template = Template::of_table("thread", vec![expr(field), expr("priority")], Some(filter), order);
        Plan::new(template, [none()].into_iter().collect(), None)
    };
    let threads = || by(Operator::Equal, "author", Vec::new());
    let newest = || Plan {
        window: Some(Window { start: 0, limit: Some(2) }),
        ..by(Operator::Equal, "author", vec![OrderKey::new(1, true)])
    };
    let commented = |limit| under(threads(), vec![child("comments", comments(by_row("id"), limit))]);
    let mine = under(threads(), vec![child("mine", table("comment", "author", Slot::Computed(slot(0))))]);
    let mut active = table("user", "team", Slot::Constant(Constant(none())));
    active.output = expr("id").into();
    let mut members = by(Operator::Inside, "author", Vec::new());
    members.slots = vec![Slot::Computed(Expr::Subquery(0))];
    members.lookups = vec![active];
    let friends = Plan { output: expr("friend").into(), ..table("user", "id", Slot::Constant(Constant(none()))) };
    let mut of_friend = by(Operator::Inside, "author", Vec::new());
    of_friend.slots = vec![Slot::Computed(binary(Operator::Coalesce, Expr::Subquery(0), Expr::constant(false)))];
    of_friend.lookups = vec![friends];
    let split = derived(Shape::Split(vec![vec!["tags".into()]]), vec![threads()], None);
    let nested = rows_of(vec![threads(), newest()], Some((0, 3)));
    let keyed = Plan { output: Expr::Array([expr("author"), expr("priority")].into()).into(), ..threads() };
    let sum = Aggregate { function: AggregateFunction::Sum, extra: Vec::new() };
    let output = circuit::Fields::Named(circuit::Named::new(vec![Field::new("sum", column(1))]));
    let grouping = Grouping { keys: 1, aggregates: vec![sum], output: circuit::Output::new(output).into() };
    let groups = derived(Shape::Group(grouping), vec![keyed], None);
    let input: fn(&mut Plan, i64) = |plan, number| user_slot(&mut plan.inputs[0], number);
    let kind = |plan, bind| Kind { plan, bind };
    vec![
        kind(threads(), user_slot),
        kind(newest(), |plan, number| {
            user_slot(plan, number);
            plan.window = Some(Window { start: (number % 3) as u64, limit: Some(2) });
        }),
        kind(by(Operator::Less, "priority", Vec::new()), |plan, number| set_slot(plan, -number)),
        kind(by(Operator::Equal, "author.name", Vec::new()), |plan, number| {
            set_slot(plan, &*format!("name {number:>4}"));
        }),
        kind(commented(None), user_slot),
        kind(commented(Some(1)), user_slot),
        kind(mine, user_slot),
        kind(members, |plan, number| set_slot(&mut plan.lookups[0], number)),
        kind(of_friend, |plan, number| user_slot(&mut plan.lookups[0], number)),
        kind(with_lookup(none()), user_slot),
        kind(split, input),
        kind(nested, |plan, number| {
            user_slot(&mut plan.inputs[0], number);
            user_slot(&mut plan.inputs[1], number + 1);
        }),
        kind(groups, input),
    ]
}

enum View {
    Registered(ResultId),
    Watched(WatchId),
}

fn open(circuit: &mut Circuit, kind: &Kind, number: i64) -> View {
    let mut plan = kind.plan.clone();
    (kind.bind)(&mut plan, number);
    if number % 4 == 0 { View::Watched(circuit.watch(&plan).1) } else { View::Registered(circuit.register(&plan)) }
}

fn close(circuit: &mut Circuit, view: View) {
    match view {
        View::Registered(result) => circuit.unregister(result),
        View::Watched(watch) => circuit.unwatch(watch),
    }
}

/// Changes and changes back: the rows end as they began.
fn stir(circuit: &mut Circuit) {
    let now = [thread(1, 2, 2, 5), thread(700, 1, 3, 1), member(3, 2, 5), member(4, 2, 900)];
    circuit.step(now.into_iter().chain([Change { id: record("comment", 5), version: 2, content: None }]).collect());
    let back = [thread(1, 1, 1, 1), member(3, 1, 3), member(4, 1, 4), comment(5)];
    circuit.step(back.into_iter().chain([Change { id: record("thread", 700), version: 2, content: None }]).collect());
}

/// Opens and closes views in random order, at most `most` at a time.
fn come_and_go(circuit: &mut Circuit, random: &mut Random, views: i64, most: usize) {
    let kinds = kinds();
    let mut open_views: Vec<View> = Vec::new();
    for number in 0..views {
        let kind = &kinds[(number % kinds.len() as i64) as usize];
        // A tenth of them has rows.
        let slot = if number % 10 == 0 { random.below(USERS as u64) as i64 } else { number };
        open_views.push(open(circuit, kind, slot));
        if open_views.len() > most {
            let gone = open_views.swap_remove(random.below(open_views.len() as u64) as usize);
            close(circuit, gone);
        }
        if number % (1 + views / 20) == 0 {
            stir(circuit);
        }
    }
    while !open_views.is_empty() {
        let gone = open_views.swap_remove(random.below(open_views.len() as u64) as usize);
        close(circuit, gone);
    }
}

/// Catches whatever a view leaves behind: an entry, the room for one, or a step through all others when it goes.
#[test]
fn a_million_views_leave_nothing_behind() {
    let mut circuit = Circuit::new(library());
    circuit.step(rows());
    let mut random = Random(7);
    // What stays allocated as long as there are rows comes with the first views.
    come_and_go(&mut circuit, &mut random, 1_000, 500);
    let (size, before) = (circuit.size(), allocated());
    assert_eq!((size.templates, size.bindings, size.results, size.arrangements), (0, 0, 0, 0));
    come_and_go(&mut circuit, &mut random, 1_000_000, 50_000);
    assert_eq!(circuit.size(), size);
    // A step keeps the room that it took for the next one.
    stir(&mut circuit);
    assert!(allocated() - before < 10_000, "{} bytes are not given back", allocated() - before);
    circuit.step(rows().into_iter().map(|change| Change { content: None, ..change }).collect());
    assert_eq!(circuit.size(), circuit::Size::default(), "tables without rows and views");
    // An idle step gives back what the large one used.
    circuit.step(Vec::new());
    let empty = allocated();
    drop(circuit);
    assert!(empty - allocated() < 100_000, "{} bytes in an empty circuit", empty - allocated());
}

/// Catches a single view that keeps the room of a million.
#[test]
fn the_room_of_the_many_goes_while_a_few_stay() {
    let mut circuit = Circuit::new(library());
    circuit.step(rows());
    let kinds = kinds();
    let first: Vec<View> = kinds
        .iter()
        .flat_map(|kind| (0..20).map(|number| (kind, 1_000_000 + number)).collect::<Vec<_>>())
        .map(|(kind, number)| open(&mut circuit, kind, number))
        .collect();
    let few = allocated();
    let many: Vec<View> =
        (0..40_000).map(|number| open(&mut circuit, &kinds[number as usize % kinds.len()], number)).collect();
    let most = allocated();
    many.into_iter().for_each(|view| close(&mut circuit, view));
    let after = allocated();
    let (grown, kept) = (most - few, after - few);
    assert!(kept < few && kept * 50 < grown, "{kept} of {grown} bytes are kept, beside {few}");
    first.into_iter().for_each(|view| close(&mut circuit, view));
}

/// Catches a name that any client may choose, and that is remembered for good.
#[test]
fn tables_that_only_views_have_named_are_forgotten() {
    let mut circuit = Circuit::new(library());
    for number in 0..1_000 {
        let plan = all(&format!("table{number}"), &[]);
        let result = circuit.register(&plan);
        assert_eq!(circuit.size().tables, 1);
        circuit.unregister(result);
    }
    assert_eq!(circuit.size(), circuit::Size::default());
}

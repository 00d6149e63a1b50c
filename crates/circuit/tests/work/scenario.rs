//! One feature under one action, among few and many rows and views that it does not concern.

use circuit::{Change, Circuit, Plan, ResultId, RowChange, Value, Work};

use super::support::*;

/// One feature under one action. Everything is about number 3, whatever else there is.
pub struct Scenario {
    pub feature: &'static str,
    /// There are as many views as numbers.
    pub view: View,
    pub action: Action,
    /// The rows, at any depth, that are reported, registered or answered.
    pub reported: u64,
    /// What the action concerns: rows, or rows in results.
    pub concerned: u64,
    /// The bound: work for each of what is concerned.
    pub each: Work,
}

/// The view of a number.
pub type View = fn(i64) -> Plan;

pub enum Action {
    Change(fn() -> Vec<Change>),
    /// A change under watched answers.
    Watched(fn() -> Vec<Change>),
    /// The view of number 3 is registered, after all others.
    Register,
    Unregister,
    Answer,
}

impl Scenario {
    /// A change that concerns what is reported.
    pub fn change(
        feature: &'static str,
        view: View,
        change: fn() -> Vec<Change>,
        reported: u64,
        each: Work,
    ) -> Scenario {
        Scenario { feature, view, action: Action::Change(change), reported, concerned: reported, each }
    }

    /// As [`Scenario::change`], under watched answers.
    pub fn watched(
        feature: &'static str,
        view: View,
        change: fn() -> Vec<Change>,
        reported: u64,
        each: Work,
    ) -> Scenario {
        Scenario { action: Action::Watched(change), ..Scenario::change(feature, view, change, reported, each) }
    }

    /// A registration of the view of number 3, which has so many rows.
    pub fn register(feature: &'static str, view: View, reported: u64, each: Work) -> Scenario {
        Scenario { feature, view, action: Action::Register, reported, concerned: reported, each }
    }

    /// As what concerns so many rows.
    pub fn concerning(self, concerned: u64) -> Scenario {
        Scenario { concerned, ..self }
    }
}

/// Of threads and of views.
const SIZES: [(i64, i64); 3] = [(300, 100), (3_000, 100), (3_000, 3_000)];

/// Carries out scenarios among few rows and views, and among many. The work must be the same, and within the bound.
pub fn carry_out(scenarios: &[Scenario]) {
    let mut excesses = Vec::new();
    for scenario in scenarios {
        let works = SIZES.map(|(threads, views)| work_among(scenario, threads, views));
        let most = times(scenario.each, scenario.concerned);
        if works.iter().any(|work| *work != works[0] || !work.is_within(most)) {
            excesses.push(format!("{}: at most {most:?}\n{works:#?}", scenario.feature));
        }
    }
    assert!(excesses.is_empty(), "{}", excesses.join("\n\n"));
}

fn work_among(scenario: &Scenario, threads: i64, views: i64) -> Work {
    let mut circuit = populated(threads);
    let mut own = ResultId(u32::MAX);
    for number in (0..views).filter(|number| *number != 3) {
        add_view(&mut circuit, scenario, number);
    }
    if !matches!(scenario.action, Action::Register) {
        own = add_view(&mut circuit, scenario, 3);
    }
    let own_view = (scenario.view)(3);
    let mut reported = 0;
    let work = work_of(&mut circuit, |circuit| match scenario.action {
        Action::Change(change) | Action::Watched(change) => {
            let step = circuit.step(change());
            reported = step.deltas.iter().map(|delta| rows_in(&delta.changes)).sum();
        }
        Action::Register => own = circuit.register(&own_view),
        Action::Unregister => circuit.unregister(own),
        Action::Answer => match circuit.answer(own, &own_view.output) {
            Ok(Value::Array(rows)) => reported = rows.len() as u64,
            other => panic!("{}: {other:?}", scenario.feature),
        },
    });
    if let Action::Register = scenario.action {
        reported = rows_in(&circuit.listing(own));
    }
    assert_eq!(reported, scenario.reported, "{}: {threads} threads, {views} views", scenario.feature);
    work
}

fn add_view(circuit: &mut Circuit, scenario: &Scenario, number: i64) -> ResultId {
    let plan = (scenario.view)(number);
    match scenario.action {
        Action::Watched(_) => circuit.watch(&plan).0,
        _ => circuit.register(&plan),
    }
}

/// The work of one action.
pub fn work_of(circuit: &mut Circuit, action: impl FnOnce(&mut Circuit)) -> Work {
    let before = circuit.work();
    action(circuit);
    circuit.work() - before
}

fn rows_in(changes: &[RowChange]) -> u64 {
    let under = |change: &RowChange| change.nested.iter().map(|nested| rows_in(&nested.changes)).sum::<u64>();
    changes.iter().map(|change| 1 + under(change)).sum()
}

fn times(each: Work, count: u64) -> Work {
    (0..count).fold(Work::default(), |mut sum, _| {
        sum += each;
        sum
    })
}

/// A thread of a user, with other fields that follow from one number.
pub fn thread(number: i64, version: u64, author: i64, rank: i64) -> Change {
    let tags = [Value::Int(rank), Value::Int(rank + 1)].into_iter().collect();
    let members = [record("user", author), record("user", author + 1)].map(Value::from).into_iter().collect();
    with(
        "thread",
        number,
        version,
        [
            ("author", record("user", author).into()),
            ("members", members),
            ("rank", rank.into()),
            ("priority", (rank % 7).into()),
            ("status", 1.into()),
            ("tags", tags),
        ],
    )
}

pub fn member(number: i64, version: u64, name: i64, team: i64, friend: i64) -> Change {
    let friends = [friend, friend + 1].map(|friend| record("user", friend).into()).into_iter().collect();
    with(
        "user",
        number,
        version,
        [
            ("name", Value::from(&*format!("name {name}"))),
            ("team", team.into()),
            ("friend", record("user", friend).into()),
            ("friends", friends),
            ("org", record("org", number / 10).into()),
        ],
    )
}

pub fn comment(number: i64, version: u64, thread: i64, author: i64, priority: i64) -> Change {
    with(
        "comment",
        number,
        version,
        [
            ("thread", record("thread", thread).into()),
            ("author", record("user", author).into()),
            ("priority", priority.into()),
            ("place", number.into()),
        ],
    )
}

pub fn edge(table: &str, number: i64, version: u64, (user, thread): (i64, i64)) -> Change {
    let ends = [("in", record("user", user).into()), ("out", record("thread", thread).into())];
    with(table, number, version, [ends[0].clone(), ends[1].clone(), ("weight", (version as i64).into())])
}

pub fn org(number: i64, version: u64, name: i64) -> Change {
    with("org", number, version, [("name", Value::from(&*format!("org {name}")))])
}

pub fn gone(table: &str, number: i64) -> Change {
    Change { id: record(table, number), version: 9, content: None }
}

fn with<const N: usize>(table: &str, number: i64, version: u64, fields: [(&str, Value); N]) -> Change {
    let id = record(table, number);
    let content = fields.into_iter().chain([("id", Value::from(id.clone()))]);
    let content = content.map(|(name, value)| (name.into(), value)).collect();
    Change { id, version, content: Some(content) }
}

/// Ten threads a user, ten users an organisation, three comments and one edge a thread.
pub fn populated(threads: i64) -> Circuit {
    let users = threads / 10;
    let mut circuit = Circuit::new(library());
    circuit.step((0..users / 10).map(|number| org(number, 1, number)).collect());
    circuit.step((0..users).map(|number| member(number, 1, number, number, number + 1)).collect());
    circuit.step((0..threads).map(|number| thread(number, 1, number % users, number)).collect());
    circuit.step((0..3 * threads).map(|number| comment(number, 1, number % threads, number % 5, 1)).collect());
    circuit.step((0..threads).map(|number| edge("wrote", number, 1, (number % users, number))).collect());
    circuit
}

//! What is kept of a view, after any changes, is what a view that begins now would keep.

use std::collections::BTreeMap;
use std::sync::Arc;

use circuit::{
    Change, Circuit, Expr, Field, Fields, Key, Named, Operator, Output, Path as FieldPath, Plan, RecordId, Shape, Slot,
    Source, Template,
};

use super::*;

/// A small generator of pseudo-random numbers (xorshift64*), so that a seed names a run for good.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        let mut x = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = x;
        (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

fn field(name: &str) -> Expr {
    FieldPath::field(name).into()
}

fn all(table: &str) -> Plan {
    Plan::new(Template::of_table(table, vec![], None, vec![]), Default::default(), None)
}

/// `SELECT * FROM table WHERE field = $parent.id`.
fn by_parent(table: &str, name: &str) -> Plan {
    let filter = Expr::binary(Operator::Equal, Expr::Column(0), Expr::Slot(0));
    let template = Template::of_table(table, vec![field(name)], Some(filter), vec![]);
    Plan { slots: vec![Slot::Computed(field("id"))], ..Plan::new(template, Default::default(), None) }
}

fn derived(shape: Shape, inputs: Vec<Plan>) -> Plan {
    let template = Template { source: Source::Derived(shape), ..Template::of_table("", vec![], None, vec![]) };
    Plan { inputs, ..Plan::new(template, Default::default(), None) }
}

/// The rows with their tags taken apart, with the name of the author, which no row knows.
fn split(plan: Plan) -> Plan {
    let name = FieldPath::new("author", [circuit::PathStep::Field("name".into())]);
    let fields = Fields::Named(Named::new(vec![Field::new("tag", field("tags")), Field::new("name", name.into())]));
    let output = Arc::new(Output { fields, ..Output::default() });
    Plan { output, ..derived(Shape::Split(vec![vec!["tags".into()]]), vec![plan]) }
}

fn with_children(plan: Plan, children: Vec<(&str, Plan)>) -> Plan {
    let fields = (0..).zip(&children).map(|(number, (name, _))| Field::new(*name, Expr::Subquery(number)));
    let fields = Fields::Named(Named::new(fields.collect()));
    let children = children.into_iter().map(|(name, plan)| Child { relation: name.into(), plan }).collect();
    let template = Template { children, ..(*plan.template).clone() };
    Plan { template: Arc::new(template), output: Arc::new(Output { fields, ..Output::default() }), ..plan }
}

fn plans() -> Vec<(&'static str, Plan)> {
    let comments = || by_parent("comment", "thread");
    vec![
        ("records", all("thread")),
        (
            "two levels",
            with_children(
                all("user"),
                vec![("threads", with_children(by_parent("thread", "author"), vec![("comments", comments())]))],
            ),
        ),
        ("split rows", split(all("thread"))),
        (
            "split rows under records",
            with_children(all("thread"), vec![("tags", split(comments())), ("comments", comments())]),
        ),
        ("records twice", derived(Shape::Rows, vec![all("thread"), all("comment"), all("thread")])),
        (
            "records under records twice",
            with_children(derived(Shape::Rows, vec![all("thread"), all("thread")]), vec![("comments", comments())]),
        ),
    ]
}

fn random_change(random: &mut Random, version: u64) -> Change {
    let link = |random: &mut Random, table: &str| Value::from(RecordId::new(table, Key::Int(random.below(3) as i64)));
    let tags = (0..random.below(4)).map(|_| Value::from(random.below(3) as i64)).collect();
    let (table, fields) = match random.below(3) {
        0 => ("user", vec![("name", Value::from(random.below(2) as i64))]),
        1 => ("thread", vec![("author", link(random, "user")), ("tags", tags)]),
        _ => ("comment", vec![("author", link(random, "user")), ("thread", link(random, "thread")), ("tags", tags)]),
    };
    let id = RecordId::new(table, Key::Int(random.below(4) as i64));
    let content = fields.into_iter().chain([("id", Value::from(id.clone()))]);
    let content = content.map(|(name, value)| (Arc::from(name), value)).collect();
    Change { id, version, content: (random.below(4) != 0).then_some(content) }
}

/// What would be in the database.
#[derive(Default)]
struct Database(BTreeMap<String, (u64, Option<Value>)>);

impl Database {
    fn apply(&mut self, ops: Vec<Op>, what: &str) {
        for Op { path, action, content } in ops {
            let name = format!("{path:?}");
            match action {
                Action::Add(version) => {
                    assert!(self.0.insert(name.clone(), (version, content)).is_none(), "{what}: {name} is added twice");
                }
                Action::Update(version) => {
                    let Some(known) = self.0.get_mut(&name) else { panic!("{what}: {name} is updated and unknown") };
                    assert!(content.is_none() || version > known.0, "{what}: new content, old version");
                    known.0 = version;
                    known.1 = content.or(known.1.take());
                }
                Action::Remove => assert!(self.0.remove(&name).is_some(), "{what}: {name} is removed and unknown"),
            }
        }
    }

    /// Versions of records, and contents of rows that are none.
    fn comparable(&self) -> BTreeMap<String, String> {
        let shown = |(version, content): &(u64, Option<Value>)| match content {
            Some(content) => format!("{content:?}"),
            None => version.to_string(),
        };
        self.0.iter().map(|(name, row)| (name.clone(), shown(row))).collect()
    }
}

struct Client {
    name: String,
    plan: Plan,
    format: Format,
    result: circuit::ResultId,
    watch: circuit::WatchId,
    showing: Showing,
    database: Database,
}

impl Client {
    fn fresh(circuit: &Circuit, client: &Client) -> Database {
        let mut showing = Showing::new(&client.plan, client.format);
        let mut database = Database::default();
        let mut rows = circuit.shown(client.result, &client.plan.output);
        database.apply(showing.begin(&mut rows, Stored::default()), &client.name);
        database
    }
}

#[test]
fn what_is_kept_is_what_would_be_kept_anew() {
    for seed in 0..30 {
        let mut random = Random(seed);
        let mut circuit = Circuit::new(Arc::new(query::SurrealLibrary));
        let mut clients = Vec::new();
        for (name, plan) in plans() {
            for format in [Format::Streaming, Format::Flat, Format::Tree] {
                let (result, watch) = circuit.watch(&plan);
                let showing = Showing::new(&plan, format);
                let (plan, database) = (plan.clone(), Database::default());
                clients.push(Client {
                    name: format!("{name}, {format:?}"),
                    plan,
                    format,
                    result,
                    watch,
                    showing,
                    database,
                });
            }
        }
        for version in 1..60 {
            let changes = (0..=random.below(4)).map(|part| random_change(&mut random, version * 10 + part)).collect();
            let step = circuit.step(changes);
            for client in &mut clients {
                let what = format!("seed {seed}, version {version}: {}", client.name);
                for delta in step.deltas.iter().filter(|delta| delta.result == client.result) {
                    let ops = match client.showing.is_plain() {
                        true => client.showing.level.edge_ops(&delta.changes),
                        false => client.showing.follow(&delta.changes),
                    };
                    client.database.apply(ops, &what);
                }
                if client.showing.has_contents() {
                    let told = step.shown.iter().filter(|(watch, _)| *watch == client.watch);
                    let rows = told.filter_map(|(_, row)| circuit.shown_row(client.result, *row, &client.plan.output));
                    client.database.apply(client.showing.refresh(&rows.collect::<Vec<_>>()), &what);
                }
                let expected = Client::fresh(&circuit, client);
                assert_eq!(client.database.comparable(), expected.comparable(), "{what}");
                if random.below(8) == 0 {
                    // Registered again: nothing is written that is stored already.
                    let former = std::mem::replace(&mut client.showing, Showing::new(&client.plan, client.format));
                    let stored = former.stored(&circuit.listing(client.result));
                    let mut rows = circuit.shown(client.result, &client.plan.output);
                    let ops = client.showing.begin(&mut rows, stored);
                    assert!(ops.is_empty(), "{what}: {ops:?}");
                }
            }
        }
    }
}

/// A view that was registered with another query keeps what both have in common.
#[test]
fn another_query_keeps_what_both_have() {
    let mut circuit = Circuit::new(Arc::new(query::SurrealLibrary));
    let mut random = Random(7);
    circuit.step((0..40).map(|version| random_change(&mut random, version + 1)).collect());
    let mut database = Database::default();
    let mut stored = Stored::default();
    for (name, plan) in plans() {
        let result = circuit.register(&plan);
        let mut showing = Showing::new(&plan, Format::Streaming);
        let mut rows = circuit.shown(result, &plan.output);
        database.apply(showing.begin(&mut rows, std::mem::take(&mut stored)), name);
        let mut expected = Database::default();
        let mut anew = Showing::new(&plan, Format::Streaming);
        expected.apply(anew.begin(&mut rows, Stored::default()), name);
        assert_eq!(database.comparable(), expected.comparable(), "{name}");
        stored = showing.stored(&circuit.listing(result));
    }
}

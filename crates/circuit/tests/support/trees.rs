//! Plans that are trees, changes of the tables that they read, and clients that follow them.

use std::collections::BTreeMap;
use std::sync::Arc;

use circuit::{
    Aggregate, Change, ChangeKind, Child, Circuit, Constant, Expr, Field, Fields, Grouping, Named, Nested, Operator,
    OrderKey, Output, Part, Plan, ResultId, RowChange, Shape, Slot, Source, Step, Template, Value, WatchId, Window,
};

use super::*;

/// A table of plans over `thread`, `comment` and `user`, with a name for each.
pub fn tree_plans(random: &mut Random) -> Vec<(&'static str, Plan)> {
    let user = || Value::from(record("user", random.below(3) as i64));
    let mut user = user;
    let (one, other) = (user(), user());
    let limit = 1 + random.below(3);
    let (start, priority) = (random.below(5), random.below(4) as i64);
    let name = random.pick(&["Ada", "Grace"]);
    vec![
        (
            "comments under threads",
            under(threads_of(one.clone()), vec![child("comments", comments(by_row("id"), None))]),
        ),
        (
            "the newest comments and the author under threads",
            under(
                threads_of(one.clone()),
                vec![
                    child("comments", comments(by_row("id"), Some(limit))),
                    child("author", table("user", "id", Slot::Computed(expr("author")))),
                ],
            ),
        ),
        (
            "threads of users with their comments, in a window",
            under(
                windowed(all("user", &[("name", false)]), 1, 2),
                vec![child(
                    "threads",
                    under(
                        table("thread", "author", by_row("id")),
                        vec![child("comments", comments(by_row("id"), Some(2)))],
                    ),
                )],
            ),
        ),
        (
            "comments of one kind, told by a slot of the parent",
            under(threads_of(one.clone()), vec![child("mine", table("comment", "author", Slot::Computed(slot(0))))]),
        ),
        ("threads of users who are active", members(Operator::Inside, false)),
        ("threads of users who are not active", members(Operator::NotInside, false)),
        ("threads of users who are active, of one status", members(Operator::Inside, true)),
        ("threads of users of a name, of one priority", of_named(name, vec![(Operator::Equal, priority)], None)),
        (
            "threads of users of a name, between two priorities, in a window",
            of_named(
                name,
                vec![(Operator::Greater, priority - 2), (Operator::Less, priority + 1)],
                Some((start, limit)),
            ),
        ),
        ("a window on all threads", windowed(all("thread", &[("priority", true)]), start, limit)),
        ("threads of the users that a record lists", of_listed("friends", Operator::Inside, None)),
        (
            "a window on the threads of the users that a record lists",
            of_listed("friends", Operator::Inside, Some((1, 3))),
        ),
        ("threads above the level that a record names", of_listed("level", Operator::Greater, None)),
        (
            "a window on the threads below the level that a record names",
            of_listed("level", Operator::LessOrEqual, Some((0, 2))),
        ),
        ("threads whose first comment is by a user", with_lookup(other.clone())),
        ("threads of the user that a record names", live_slot()),
        ("rows of two tables", rows_of(vec![all("thread", &[]), all("comment", &[])], None)),
        ("rows of one table twice", repeated()),
        (
            "rows of one table twice, under users",
            under(all("user", &[]), vec![child("threads", rows_of(vec![by_author(), by_author()], Some((1, 3))))]),
        ),
        (
            "ordered rows of two tables, as one group",
            groups(
                rows_of(vec![all("thread", &[("priority", true)]), all("comment", &[("author", false)])], None),
                &[],
                None,
            ),
        ),
        (
            "a window on the rows of a window",
            rows_of(vec![windowed(all("thread", &[("priority", true)]), 0, 4)], Some((1, 2))),
        ),
        ("the records that a record lists", listed_by(0)),
        ("a window on the records that a record lists twice", rows_of(vec![listed_by(0), listed_by(0)], Some((1, 2)))),
        (
            "the records that each record lists",
            under(all("user", &[]), vec![child("friends", items_of(by_row("friends"), [], false))]),
        ),
        (
            "threads under the records that a record lists",
            under(listed_by(1), vec![child("threads", table("thread", "author", by_row("id")))]),
        ),
        ("the records that a record lists, by name", groups(listed_by(0), &["name"], None)),
        ("split tags", derived(Shape::Split(vec![vec!["tags".into()]]), vec![threads_of(one)], None)),
        ("threads by author", groups(all("thread", &[]), &["author"], None)),
        ("the greatest groups", groups(all("comment", &[]), &["thread"], Some((0, 2)))),
        ("all threads as one group", groups(all("thread", &[]), &[], None)),
        ("groups of linked names", groups(all("thread", &[]), &["author.name"], None)),
        (
            "groups of split rows",
            groups(derived(Shape::Split(vec![vec!["tags".into()]]), vec![all("thread", &[])], None), &["tags"], None),
        ),
        ("links in nested rows", rows_of(vec![projected(all("thread", &[]), "author.name")], None)),
        ("linked names in the answer", projected(all("thread", &[("author.name", false)]), "author.name")),
    ]
}

/// `FROM thread, user:1's threads` in two orders, with comments under them.
pub fn repeated() -> Plan {
    let threads = vec![all("thread", &[("priority", true)]), threads_of(record("user", 1).into()), all("thread", &[])];
    under(rows_of(threads, Some((1, 5))), vec![child("comments", comments(by_row("id"), None))])
}

fn by_author() -> Plan {
    table("thread", "author", by_row("id"))
}

pub fn by_row(field: &str) -> Slot {
    Slot::Computed(expr(field))
}

pub fn table(name: &str, field: &str, value: Slot) -> Plan {
    let filter = binary(Operator::Equal, column(0), slot(0));
    let template = Template::of_table(name, vec![expr(field)], Some(filter), vec![]);
    Plan { slots: vec![value], ..Plan::new(template, Default::default(), None) }
}

pub fn threads_of(user: Value) -> Plan {
    table("thread", "author", Slot::Constant(Constant(user)))
}

pub fn comments(thread: Slot, limit: Option<u64>) -> Plan {
    let filter = binary(Operator::Equal, column(0), slot(0));
    let columns = vec![expr("thread"), expr("priority")];
    let order = vec![OrderKey::new(1, true)];
    let template = Template::of_table("comment", columns, Some(filter), order);
    let window = limit.map(|limit| Window { start: 0, limit: Some(limit) });
    Plan { slots: vec![thread], window, ..Plan::new(template, Default::default(), None) }
}

pub fn all(name: &str, order: &[(&str, bool)]) -> Plan {
    let keys = (0..).zip(order).map(|(column, (_, descending))| OrderKey::new(column, *descending));
    let columns = order.iter().map(|(name, _)| expr(name)).collect();
    Plan::new(Template::of_table(name, columns, None, keys.collect()), Default::default(), None)
}

pub fn windowed(plan: Plan, start: u64, limit: u64) -> Plan {
    Plan { window: Some(Window { start, limit: Some(limit) }), ..plan }
}

pub fn child(relation: &str, plan: Plan) -> Child {
    Child { relation: relation.into(), plan }
}

pub fn under(plan: Plan, children: Vec<Child>) -> Plan {
    let fields = children.iter().zip(0..).map(|(child, number)| Field::new(&*child.relation, Expr::Subquery(number)));
    let output = named([Field::new("id", expr("id"))].into_iter().chain(fields));
    let template = Template { children, ..(*plan.template).clone() };
    Plan { template: Arc::new(template), output, ..plan }
}

fn named(fields: impl IntoIterator<Item = Field>) -> Arc<Output> {
    Arc::new(Output::new(Fields::Named(Named::new(fields.into_iter().collect()))))
}

fn projected(plan: Plan, field: &str) -> Plan {
    Plan { output: named([Field::new("id", expr("id")), Field::new("shown", expr(field))]), ..plan }
}

/// `SELECT <keys>, count(), math::sum(priority), math::max(priority) .. GROUP BY <keys> ORDER BY sum`.
fn groups(input: Plan, keys: &[&str], window: Option<(u64, u64)>) -> Plan {
    let items = keys.iter().map(|key| expr(key)).chain([expr("id"), expr("priority"), expr("priority"), expr("id")]);
    let input = Plan { output: Expr::Array(items.collect()).into(), ..input };
    use circuit::AggregateFunction::{Count, Group, Max, Sum};
    let aggregates = [Count, Sum, Max, Group].map(|function| Aggregate { function, extra: Vec::new() });
    let names = keys.iter().map(|key| key.replace('.', "_")).chain(["count", "sum", "max", "ids"].map(String::from));
    let output = named(names.zip(0..).map(|(name, number)| Field::new(name, column(number))));
    let grouping = Grouping { keys: keys.len() as u16, aggregates: aggregates.into(), output };
    let plan = derived(Shape::Group(grouping), vec![input], window);
    let order = vec![OrderKey::new(0, true)];
    let template = Template { columns: vec![expr("sum")], order, ..(*plan.template).clone() };
    Plan { template: Arc::new(template), ..plan }
}

/// `WHERE author IN (SELECT VALUE id FROM user WHERE active)`.
pub fn members(operator: Operator, with_status: bool) -> Plan {
    let active = table("user", "active", Slot::Constant(Constant(true.into())));
    let active = Plan { output: Arc::from(expr("id")), ..active };
    let mut filter = binary(operator, column(0), slot(0));
    let mut slots = vec![Slot::Computed(Expr::Subquery(0))];
    if with_status {
        filter = binary(Operator::And, filter, binary(Operator::Equal, column(1), slot(1)));
        slots.push(Slot::Constant(Constant(2.into())));
    }
    let template = Template::of_table("thread", vec![expr("author"), expr("priority")], Some(filter), vec![]);
    Plan { slots, lookups: vec![active], ..Plan::new(template, Default::default(), None) }
}

/// `WHERE author IN (SELECT VALUE id FROM user WHERE name = $name) AND priority ..`.
pub fn of_named(name: &str, more: Vec<(Operator, i64)>, window: Option<(u64, u64)>) -> Plan {
    let named = Plan { output: Arc::from(expr("id")), ..table("user", "name", Slot::Constant(Constant(name.into()))) };
    let mut filter = binary(Operator::Inside, column(0), slot(0));
    let mut slots = vec![Slot::Computed(Expr::Subquery(0))];
    for (operator, value) in more {
        filter = binary(Operator::And, filter, binary(operator, column(1), slot(slots.len() as u16)));
        slots.push(Slot::Constant(Constant(value.into())));
    }
    let order = vec![OrderKey::new(1, true)];
    let template = Template::of_table("thread", vec![expr("author"), expr("priority")], Some(filter), order);
    let window = window.map(|(start, limit)| Window { start, limit: Some(limit) });
    Plan { slots, window, lookups: vec![named], ..Plan::new(template, Default::default(), None) }
}

/// `WHERE author IN user:0.friends`, and the like for its `level`, by which priorities are compared.
pub fn of_listed(field: &str, operator: Operator, window: Option<(u64, u64)>) -> Plan {
    let user = table("user", "id", Slot::Constant(Constant(record("user", 0).into())));
    let filter = binary(operator, column(0), slot(0));
    let compared = if operator == Operator::Inside { "author" } else { "priority" };
    let columns = vec![expr(compared), expr("priority")];
    let template = Template::of_table("thread", columns, Some(filter), vec![OrderKey::new(1, false)]);
    let first = Expr::Walk(Box::new(Expr::Subquery(0)), [Part::First].into());
    let lookups = vec![Plan { output: Arc::from(expr(field)), ..user }];
    let window = window.map(|(start, limit)| Window { start, limit: Some(limit) });
    Plan { slots: vec![Slot::Computed(first)], window, lookups, ..Plan::new(template, Default::default(), None) }
}

/// `WHERE (SELECT VALUE author FROM comment WHERE thread = $parent.id ORDER BY priority LIMIT 1) CONTAINS $user`.
pub fn with_lookup(user: Value) -> Plan {
    let authors = Plan { output: Arc::from(expr("author")), ..comments(by_row("id"), Some(1)) };
    let filter = binary(Operator::Contains, column(0), slot(0));
    let template = Template {
        lookups: vec![authors],
        ..Template::of_table("thread", vec![Expr::Subquery(0)], Some(filter), vec![])
    };
    Plan::new(template, [user].into_iter().collect(), Some(Window { start: 0, limit: Some(3) }))
}

/// `WHERE author = user:0.friend`.
pub fn live_slot() -> Plan {
    let me = Expr::Constant(Constant([Value::from(record("user", 0))].into_iter().collect()));
    let friends = table("user", "id", Slot::Constant(Constant(record("user", 0).into())));
    let friends = Plan { output: Arc::from(expr("friend")), ..friends };
    let filter = binary(Operator::AnyEqual, slot(0), column(0));
    let template = Template::of_table("thread", vec![expr("author")], Some(filter), vec![]);
    let computed = binary(Operator::Coalesce, Expr::Subquery(0), me);
    Plan {
        slots: vec![Slot::Computed(computed)],
        lookups: vec![friends],
        ..Plan::new(template, Default::default(), None)
    }
}

pub fn derived(shape: Shape, inputs: Vec<Plan>, window: Option<(u64, u64)>) -> Plan {
    let template = Template { source: Source::Derived(shape), ..Template::of_table("", vec![], None, vec![]) };
    let window = window.map(|(start, limit)| Window { start, limit: Some(limit) });
    Plan { inputs, window, ..Plan::new(template, Default::default(), None) }
}

/// The items of the list at the end of a path, which begins at a slot.
pub fn items_of(start: Slot, parts: impl IntoIterator<Item = Part>, are_records: bool) -> Plan {
    let list = Expr::Walk(Box::new(slot(0)), parts.into_iter().collect());
    let once = Plan { slots: vec![start], output: list.into(), ..derived(Shape::Once, Vec::new(), None) };
    derived(Shape::Items { are_records }, vec![once], None)
}

fn listed_by(user: i64) -> Plan {
    items_of(Slot::Constant(Constant(record("user", user).into())), [Part::Field("friends".into())], false)
}

pub fn rows_of(inputs: Vec<Plan>, window: Option<(u64, u64)>) -> Plan {
    derived(Shape::Rows, inputs, window)
}

/// What a client holds that has followed the reported changes: by path, the version of each row, ascending.
#[derive(Default)]
pub struct Followed(pub BTreeMap<String, Vec<u64>>);

impl Followed {
    pub fn apply(&mut self, changes: &[RowChange], under: &str) {
        for change in changes {
            let path = format!("{under}/{:?}", change.id);
            match change.kind {
                ChangeKind::Enter => {}
                ChangeKind::Update | ChangeKind::Leave | ChangeKind::Stay => self.take(&path, change.former),
            }
            if change.kind != ChangeKind::Leave {
                let versions = self.0.entry(path.clone()).or_default();
                versions.insert(versions.partition_point(|version| *version < change.version), change.version);
            }
            for Nested { child, changes } in &change.nested {
                self.apply(changes, &format!("{path}.{child}"));
            }
        }
    }

    fn take(&mut self, path: &str, version: u64) {
        let versions = self.0.get_mut(path).unwrap_or_else(|| panic!("{path} is not shown"));
        let position = versions.iter().position(|known| *known == version);
        versions.remove(position.unwrap_or_else(|| panic!("{path} is not shown in version {version}: {versions:?}")));
        if versions.is_empty() {
            self.0.remove(path);
        }
    }
}

pub struct TreeClient {
    pub name: &'static str,
    pub plan: Plan,
    pub result: ResultId,
    pub watch: WatchId,
    pub followed: Followed,
    pub answer: String,
    /// What each row shows, with all under it, by the id of the row.
    shown: BTreeMap<String, String>,
}

impl TreeClient {
    pub fn register(circuit: &mut Circuit, name: &'static str, plan: Plan) -> TreeClient {
        let (result, watch) = circuit.watch(&plan);
        let mut followed = Followed::default();
        followed.apply(&circuit.listing(result), "");
        let answer = answer(circuit, result, &plan);
        let shown = shown(circuit, result, &plan);
        TreeClient { name, plan, result, watch, followed, answer, shown }
    }

    pub fn follow(&mut self, circuit: &Circuit, step: &Step) {
        for delta in step.deltas.iter().filter(|delta| delta.result == self.result) {
            self.followed.apply(&delta.changes, "");
        }
        let answer = answer(circuit, self.result, &self.plan);
        let is_told = step.watched.contains(&self.watch);
        assert!(is_told || answer == self.answer, "{}: a watch was not told\n{}\n{answer}", self.name, self.answer);
        self.answer = answer;
        let told = step.shown.iter().filter(|(watch, _)| *watch == self.watch);
        let told = told.filter_map(|(_, row)| circuit.shown_row(self.result, *row, &self.plan.output));
        let told: Vec<String> = told.map(|row| format!("{:?}", row.id)).collect();
        let shown = shown(circuit, self.result, &self.plan);
        for (id, row) in &shown {
            let is_same = self.shown.get(id) == Some(row);
            assert!(is_same || told.contains(id), "{}: a shown row was not told: {id}", self.name);
        }
        self.shown = shown;
    }
}

fn shown(circuit: &Circuit, result: ResultId, plan: &Plan) -> BTreeMap<String, String> {
    let rows = circuit.shown(result, &plan.output);
    let values = rows.iter().map(|row| row.value.clone().expect("nothing fails here")).collect();
    let whole = plan.output.answer(values).expect("nothing fails here");
    assert_eq!(format!("{whole:?}"), answer(circuit, result, plan), "shown rows make up the answer");
    rows.iter().map(|row| (format!("{:?}", row.id), format!("{row:?}"))).collect()
}

pub fn answer(circuit: &Circuit, result: ResultId, plan: &Plan) -> String {
    format!("{:?}", circuit.answer(result, &plan.output).expect("nothing fails here"))
}

pub fn tree_change(random: &mut Random, version: u64) -> Change {
    tree_change_among(random, version, 5)
}

/// A change of one of so many threads and comments, or of a user.
pub fn tree_change_among(random: &mut Random, version: u64, rows: u64) -> Change {
    let number = random.below(rows) as i64;
    let link = |random: &mut Random, table: &str, count| Value::from(record(table, random.below(count) as i64));
    let priority = Value::Int(random.below(4) as i64);
    let (id, fields) = match random.below(3) {
        0 => {
            let id = record("user", number % 3);
            let name = Value::from(random.pick(&["Ada", "Grace"]));
            let active = Value::Bool(random.below(2) == 0);
            let friends = (0..random.below(4)).map(|_| link(random, "user", 3)).collect();
            let level = Value::Int(random.below(5) as i64);
            let friend = link(random, "user", 3);
            let fields =
                [("name", name), ("active", active), ("friend", friend), ("friends", friends), ("level", level)];
            (id, fields.into())
        }
        1 => {
            let tags = (0..random.below(3)).map(|_| Value::Int(random.below(3) as i64)).collect();
            let id = record("thread", number);
            (id, vec![("author", link(random, "user", 3)), ("priority", priority), ("tags", tags)])
        }
        _ => {
            let id = record("comment", number);
            let thread = link(random, "thread", rows);
            (id, vec![("author", link(random, "user", 3)), ("priority", priority), ("thread", thread)])
        }
    };
    let content = fields.into_iter().chain([("id", Value::from(id.clone()))]);
    let content = content.map(|(name, value)| (Arc::from(name), value)).collect();
    Change { id, version, content: (random.below(4) != 0).then_some(content) }
}

//! What a query shows of its rows: fields, values, groups.

use crate::schema::{Kind, Table};
use crate::tree::{Expr, Field, Fields, Group, Part, Path, Select, Step};

use super::Grower;
use super::vocabulary::{Route, reach};

/// How the fields of a row are shown.
pub const SHAPES: &[&str] = &[
    "star",
    "star",
    "star",
    "star",
    "fields",
    "fields",
    "alias",
    "star and alias",
    "nested alias",
    "computed",
    "star and computed",
    "value",
    "computed value",
    "pick",
];

/// What else is shown.
pub const EXTRAS: &[&str] = &[
    "none",
    "none",
    "none",
    "none",
    "link",
    "link link",
    "links",
    "items",
    "index",
    "flatten",
    "filter",
    "graph",
    "graph where",
    "graph plain",
    "subquery",
    "subquery",
    "first",
    "linked",
    "uncorrelated",
    "counted",
    "aggregate",
];

/// How rows are grouped.
pub const GROUPS: &[&str] = &[
    "none", "none", "none", "none", "none", "none", "none", "none", "none", "none", "all", "one", "two", "path",
    "alias", "distinct",
];

const FAMILIES: &[&str] = &["string", "array", "math", "type", "time", "object", "record", "duration", "geo", "vector"];

impl Grower<'_> {
    /// Chooses the fields of a query that is not grouped.
    pub fn shape(&mut self, select: &mut Select, shape: &str, extra: &str, table: &'static Table) {
        let (field, _) = self.random.pick(table.fields);
        let (other, _) = self.random.pick(table.fields);
        let renamed = |name: &str, alias: &str| Field::Single { expr: Expr::path(name), alias: Some(alias.to_owned()) };
        let mut fields = match shape {
            "fields" => vec![self.plain_field("id"), self.plain_field(field)],
            "alias" => vec![self.plain_field("id"), renamed(field, "renamed"), self.plain_field(other)],
            "star and alias" => vec![Field::All, renamed(field, "renamed")],
            "nested alias" => vec![self.plain_field("id"), renamed(field, "nested.name")],
            "computed" => vec![self.plain_field("id"), self.computed(table)],
            "star and computed" => vec![Field::All, self.computed(table)],
            "pick" => vec![self.plain_field("id"), self.picked(table)],
            "value" | "computed value" => {
                let value = match (shape, self.extra(extra, table)) {
                    (_, Some(expr)) => expr,
                    ("value", None) => Expr::path(self.random.pick(&[field, "id"])),
                    (_, None) => self.computed_value(table),
                };
                select.fields = Fields::Value(value);
                return;
            }
            _ => vec![Field::All],
        };
        if let Some(expr) = self.extra(extra, table) {
            let alias = if extra == "graph plain" { None } else { Some("extra".to_owned()) };
            fields.push(Field::Single { expr, alias });
        }
        if self.random.below(12) == 0 {
            fields.reverse();
        }
        select.fields = Fields::List(fields);
    }

    /// A field with its alias.
    fn computed(&mut self, table: &Table) -> Field {
        Field::Single { expr: self.computed_value(table), alias: Some("computed".to_owned()) }
    }

    pub fn computed_value(&mut self, table: &Table) -> Expr {
        let fields = table.fields;
        let (path, kind) = self.any_of(fields, Route::Own);
        match self.random.below(13) {
            0 => self.arithmetic(fields),
            1 => Expr::binary(self.random.pick(&["??", "?:", "&&", "||"]), Expr::Path(path), self.constant(kind)),
            2 => self.simple(fields),
            3 => Expr::not(Expr::Path(path)),
            4 => Expr::List(vec![Expr::Path(path), Expr::path("id")]),
            5 => Expr::Object(vec![("a", Expr::Path(path)), ("b", self.constant(Kind::Number))]),
            6 => self.constant(kind),
            7 => Expr::Prefix(self.random.pick(&["<string>", "<array>", "<bool>"]), Box::new(Expr::Path(path))),
            12 => self.guarded(fields),
            8 => {
                let branches = [self.simple(fields), Expr::Path(path), self.constant(kind)];
                Expr::If(Box::new(branches))
            }
            _ => {
                let family = self.random.pick(FAMILIES);
                self.call(family, fields).0
            }
        }
    }

    /// `.{ a, b }`.
    fn picked(&mut self, table: &Table) -> Field {
        let found = self.of_kinds(table.fields, &[Kind::Object, Kind::Link("user"), Kind::Items, Kind::Link("thread")]);
        let names = match found.1 {
            Kind::Object => vec!["views", "a"],
            Kind::Items => vec!["n", "by"],
            Kind::Link("user") => vec!["name", "level"],
            _ => vec!["id", "title"],
        };
        Field::Single { expr: Expr::Path(found.0.then(Part::Pick(names))), alias: Some("picked".to_owned()) }
    }

    fn extra(&mut self, extra: &str, table: &'static Table) -> Option<Expr> {
        let fields = table.fields;
        Some(match extra {
            "none" => return None,
            "link" => Expr::Path(self.any_of(fields, Route::Link).0),
            "link link" => Expr::Path(self.any_of(fields, Route::LinkLink).0),
            "links" => Expr::Path(self.any_of(fields, Route::Links).0),
            "items" => Expr::Path(self.any_of(fields, Route::Items).0),
            "index" => Expr::Path(self.any_of(fields, Route::Index).0),
            "flatten" => {
                let (path, _) = self.of_kinds(fields, &[Kind::List, Kind::Items, Kind::Links("user")]);
                let mut path = path.then(self.random.pick(&[Part::Flatten, Part::All, Part::Optional]));
                if self.random.below(2) == 0 {
                    path = path.then(Part::Field("n".to_owned()));
                }
                Expr::Path(path)
            }
            "filter" => self.filtered(fields),
            "graph" | "graph where" => self.graph(table, extra == "graph where")?,
            "graph plain" => {
                let (arrow, edge, to) = table.steps().first().copied()?;
                let arrow = if self.random.below(6) == 0 { "<->" } else { arrow };
                let parts = [edge.name, to.name].map(|name| Part::Step(Step::along(arrow, name)));
                Expr::Path(Path { start: crate::tree::Start::Row, parts: parts.into() })
            }
            what => self.shown_subquery(what, table, 1),
        })
    }

    /// Groups the query, and chooses what is shown of each group.
    pub fn group(&mut self, select: &mut Select, group: &str, table: &Table) {
        let mut keys: Vec<Path> = Vec::new();
        let mut fields = Vec::new();
        let own: Vec<Path> = reach(table.fields, Route::Own).into_iter().map(|(path, _)| path).collect();
        match group {
            "all" => {}
            "one" | "distinct" => keys.push(self.random.pick(&own)),
            "two" => {
                keys.push(self.random.pick(&own));
                let second = self.random.pick(&own);
                if !keys.contains(&second) {
                    keys.push(second);
                }
            }
            "path" => {
                let route = self.random.pick(&[Route::Nested, Route::Link]);
                let (path, _) = self.any_of(table.fields, route);
                fields.push(Field::Single { expr: Expr::Path(path), alias: Some("key".to_owned()) });
                select.group = Some(Group(vec![Path::field("key")]));
            }
            _ => {
                let value = self.computed_value(table);
                fields.push(Field::Single { expr: value, alias: Some("key".to_owned()) });
                select.group = Some(Group(vec![Path::field("key")]));
            }
        }
        fields.extend(keys.iter().map(|path| Field::Single { expr: Expr::Path(path.clone()), alias: None }));
        if select.group.is_none() {
            select.group = Some(Group(keys));
        }
        if group != "distinct" {
            for number in 0..1 + self.random.below(3) {
                let expr = self.aggregate(table);
                fields.push(Field::Single { expr, alias: Some(format!("total{number}")) });
            }
        }
        select.fields = Fields::List(fields);
    }

    fn aggregate(&mut self, table: &Table) -> Expr {
        let number = self.value_of(table.fields, Kind::Number);
        let moment = self.value_of(table.fields, Kind::Moment);
        let (path, _) = self.any_of(table.fields, Route::Own);
        let simple = self.simple(table.fields);
        match self.random.below(22) {
            18 => {
                let users = Expr::text("(SELECT VALUE id FROM user WHERE level > 1)");
                Expr::Call("count", vec![Expr::binary("IN", Expr::Path(path), users)])
            }
            19 => Expr::Call("math::sum", vec![Expr::text("(SELECT * FROM user ORDER BY id)[0].level ?? 1")]),
            20 => Expr::text("(SELECT VALUE name FROM ONLY user:1)"),
            21 => Expr::Call("count", vec![Expr::text("(SELECT VALUE id FROM org LIMIT 2)")]),

            0..=2 => Expr::Call("count", Vec::new()),
            3 => Expr::Call("count", vec![Expr::Path(path)]),
            4 => Expr::Call("count", vec![simple]),
            5 | 6 => Expr::Call("math::sum", vec![number]),
            7 => Expr::Call("math::mean", vec![number]),
            8 => Expr::Call("math::min", vec![number]),
            9 => Expr::Call("math::max", vec![number]),
            10 => Expr::Call(self.random.pick(&["math::stddev", "math::variance"]), vec![number]),
            11 => Expr::Call("math::median", vec![number]),
            12 => Expr::Call("array::group", vec![Expr::Path(path)]),
            13 => Expr::Call(self.random.pick(&["time::min", "time::max"]), vec![moment]),
            14 => Expr::Path(path),
            15 => Expr::binary("+", Expr::Call("count", Vec::new()), Expr::Call("math::sum", vec![number])),
            16 => Expr::Call("array::len", vec![Expr::Call("array::distinct", vec![Expr::Path(path)])]),
            _ => Expr::Call("count", vec![Expr::Call("array::distinct", vec![Expr::Path(path)])]),
        }
    }
}

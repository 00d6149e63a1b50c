//! Conditions, one topic at a time.

use crate::data;
use crate::schema::{ITEM, Kind, Table};
use crate::tree::{Expr, Part, Path, Select, Step};

use super::Grower;
use super::vocabulary::{Argument, FUNCTIONS, Function, Route, reach};

/// What a condition is about.
pub const TOPICS: &[&str] = &[
    "none",
    "none",
    "equal",
    "order",
    "logic",
    "inside",
    "contains",
    "nothing",
    "arithmetic",
    "nested",
    "index",
    "filter",
    "star",
    "coalesce",
    "elvis",
    "not",
    "string",
    "array",
    "math",
    "type",
    "time",
    "object",
    "record",
    "duration",
    "geo",
    "vector",
    "regex",
    "cast",
    "link",
    "link link",
    "links",
    "items",
    "graph",
    "graph where",
    "in subquery",
    "correlated",
    "scalar subquery",
    "counted subquery",
    "ids",
    "range",
    "if",
    "method",
    "built",
    "bare",
    "guarded",
    "guarded",
];

/// Functions that fail for most values, each with the function that tells for which it does not.
const GUARDED: &[(Kind, &str, &str, Kind)] = &[
    (Kind::Text, "type::is_string", "string::len", Kind::Number),
    (Kind::Text, "type::is_string", "string::uppercase", Kind::Text),
    (Kind::Number, "type::is_number", "math::abs", Kind::Number),
    (Kind::List, "type::is_array", "array::len", Kind::Number),
    (Kind::Moment, "type::is_datetime", "time::year", Kind::Number),
    (Kind::Object, "type::is_object", "object::keys", Kind::List),
    (Kind::Span, "type::is_duration", "duration::mins", Kind::Number),
];

type Fields = [(&'static str, Kind)];

impl Grower<'_> {
    /// A condition over rows of a table; `None` for the topic "none".
    pub fn condition(&mut self, topic: &str, table: &Table) -> Option<Expr> {
        let fields = table.fields;
        Some(match topic {
            "none" => return None,
            "equal" => {
                let (path, kind) = self.any_of(fields, Route::Own);
                let operator = self.random.pick(&["=", "=", "!=", "==", "IS", "IS NOT", "?=", "*="]);
                let constant = self.constant(kind);
                self.either_way(operator, Expr::Path(path), constant)
            }
            "order" => {
                let (path, kind) = self.any_of(fields, Route::Own);
                self.ordered(Expr::Path(path), kind)
            }
            "logic" => {
                let (a, b) = (self.simple(fields), self.simple(fields));
                let operator = self.random.pick(&["AND", "OR", "&&", "||"]);
                let both = Expr::binary(operator, a, b);
                let third = self.simple(fields);
                let other = self.random.pick(&["AND", "OR"]);
                if self.random.below(2) == 0 { both } else { Expr::binary(other, third, both) }
            }
            "inside" => self.inside(fields),
            "contains" => self.contains(fields),
            "nothing" => self.nothing(fields),
            "arithmetic" => {
                let value = self.arithmetic(fields);
                self.ordered(value, Kind::Number)
            }
            "nested" => self.compared_by(fields, Route::Nested),
            "index" => self.compared_by(fields, Route::Index),
            "link" => self.compared_by(fields, Route::Link),
            "link link" => self.compared_by(fields, Route::LinkLink),
            "links" => self.compared_by(fields, Route::Links),
            "items" => self.compared_by(fields, Route::Items),
            "filter" => {
                let value = self.filtered(fields);
                self.about_list(value)
            }
            "star" => {
                let (path, _) = self.of_kinds(fields, &[Kind::List, Kind::Items, Kind::Object, Kind::Links("user")]);
                let value = Expr::Path(path.then(Part::All));
                self.about_list(value)
            }
            "coalesce" | "elvis" => {
                let operator = if topic == "elvis" { "?:" } else { "??" };
                let (path, kind) = self.any_of(fields, Route::Own);
                let constant = self.constant(kind);
                let value = Expr::binary(operator, Expr::Path(path), constant);
                self.ordered(value, kind)
            }
            "not" => {
                let inner = self.simple(fields);
                if self.random.below(3) == 0 { Expr::not(Expr::not(inner)) } else { Expr::not(inner) }
            }
            "regex" => {
                let (path, _) = self.of_kinds(fields, &[Kind::Text, Kind::Word]);
                let regex = self.random.pick(&["/^[hH]el/", "/o/", "/^$/", "/pen|held/"]);
                let operator = self.random.pick(&["=", "!=", "?=", "IN"]);
                let text = Expr::text(regex);
                if operator == "IN" {
                    Expr::binary("CONTAINS", Expr::List(vec![text]), Expr::Path(path))
                } else {
                    Expr::binary(operator, Expr::Path(path), text)
                }
            }
            "cast" => {
                let (cast, kind, to) = self.random.pick(&[
                    ("<string>", Kind::Number, Kind::Text),
                    ("<int>", Kind::Number, Kind::Number),
                    ("<float>", Kind::Number, Kind::Number),
                    ("<decimal>", Kind::Number, Kind::Number),
                    ("<bool>", Kind::Flag, Kind::Flag),
                    ("<string>", Kind::Moment, Kind::Text),
                    ("<array>", Kind::Any, Kind::List),
                    ("<set>", Kind::List, Kind::List),
                ]);
                let value = Expr::Prefix(cast, Box::new(self.value_of(fields, kind)));
                self.ordered(value, to)
            }
            "graph" | "graph where" => {
                let value = self.graph(table, topic == "graph where")?;
                self.about_list(value)
            }
            "in subquery" => self.in_subquery(table),
            "correlated" => {
                let value = Expr::Select(Box::new(self.child_values(table)));
                self.about_list(value)
            }
            "scalar subquery" => self.scalar_subquery(table),
            "counted subquery" => {
                let child = Expr::Select(Box::new(self.child_values(table)));
                let count = self.random.pick(&["count", "array::len"]);
                self.ordered(Expr::Call(count, vec![child]), Kind::Number)
            }
            "ids" => {
                let ids: Vec<Expr> = (0..1 + self.random.below(3)).map(|_| self.constant_id(table)).collect();
                let id = Expr::path("id");
                match self.random.below(4) {
                    0 => Expr::binary("IN", id, Expr::List(ids)),
                    1 => Expr::binary("=", id, ids[0].clone()),
                    2 => Expr::binary(self.random.pick(&["<", "<=", ">", ">="]), id, ids[0].clone()),
                    _ => Expr::binary(
                        "OR",
                        Expr::binary("=", id.clone(), ids[0].clone()),
                        Expr::binary("IN", id, Expr::List(ids)),
                    ),
                }
            }
            "range" => {
                let value = self.value_of(fields, Kind::Number);
                let range = self.random.pick(&["1..4", "1..=4", "1>..4", "0..", "..=2", "'a'..'z'"]);
                let range = self.constant_text(range.to_owned());
                Expr::binary(self.random.pick(&["IN", "INSIDE", "NOT IN"]), value, range)
            }
            "if" => {
                let (condition, then, otherwise) = (self.simple(fields), self.simple(fields), self.simple(fields));
                Expr::If(Box::new([condition, then, otherwise]))
            }
            "method" => {
                let (kind, name, arguments, to) = self.random.pick(&[
                    (Kind::Text, "len", "", Kind::Number),
                    (Kind::Text, "uppercase", "", Kind::Text),
                    (Kind::List, "len", "", Kind::Number),
                    (Kind::List, "first", "", Kind::Any),
                    (Kind::Number, "abs", "", Kind::Number),
                    (Kind::Moment, "year", "", Kind::Number),
                    (Kind::Object, "keys", "", Kind::List),
                    (Kind::Link("user"), "id", "", Kind::Any),
                    (Kind::List, "at", "0", Kind::Any),
                ]);
                let (path, _) = self.of_kinds(fields, &[kind]);
                let arguments = if arguments.is_empty() { Vec::new() } else { vec![Expr::text(arguments)] };
                self.ordered(Expr::Path(path.then(Part::Method(name, arguments))), to)
            }
            "built" => {
                let (a, first) = self.any_of(fields, Route::Own);
                let (b, second) = self.any_of(fields, Route::Own);
                if self.random.below(2) == 0 {
                    let constants = Expr::List(vec![self.constant(first), self.constant(second)]);
                    let operator = self.random.pick(&["=", "<", "CONTAINSANY", "!="]);
                    Expr::binary(operator, Expr::List(vec![Expr::Path(a), Expr::Path(b)]), constants)
                } else {
                    let constant = self.constant(first);
                    let built = Expr::Object(vec![("a", Expr::Path(a)), ("b", Expr::Path(b))]);
                    Expr::binary("=", built.then(vec![Part::Field("a".to_owned())]), constant)
                }
            }
            "guarded" => self.guarded(fields),
            "bare" => {
                let route = self.random.pick(&[Route::Own, Route::Own, Route::Nested, Route::Link]);
                let (path, _) = self.any_of(fields, route);
                Expr::Path(path)
            }
            family => {
                let (value, kind) = self.call(family, fields);
                if kind == Kind::Flag && self.random.below(2) == 0 { value } else { self.ordered(value, kind) }
            }
        })
    }

    /// A condition without anything special in it.
    pub fn simple(&mut self, fields: &Fields) -> Expr {
        let (path, kind) = self.any_of(fields, Route::Own);
        self.ordered(Expr::Path(path), kind)
    }

    /// A comparison of a value with a constant that fits.
    pub fn ordered(&mut self, value: Expr, kind: Kind) -> Expr {
        if matches!(kind, Kind::List | Kind::Links(_) | Kind::Items | Kind::Numbers) {
            return self.about_list(value);
        }
        let operator = self.random.pick(&["=", "=", "!=", "<", "<=", ">", ">="]);
        let constant = self.constant(kind);
        self.either_way(operator, value, constant)
    }

    /// A condition with a part that fails for some rows, and that nobody looks at for these.
    pub fn guarded(&mut self, fields: &Fields) -> Expr {
        let (kind, guard, function, to) = self.random.pick(GUARDED);
        let route = self.random.pick(&[Route::Own, Route::Own, Route::Nested, Route::Link]);
        let mut found = reach(fields, route);
        found.retain(|(_, other)| *other == kind || *other == Kind::Any);
        let path = if found.is_empty() { self.of_kinds(fields, &[kind]).0 } else { self.random.pick(&found).0 };
        let guard = Expr::Call(guard, vec![Expr::Path(path.clone())]);
        let part = self.ordered(Expr::Call(function, vec![Expr::Path(path)]), to);
        match self.random.below(6) {
            0 | 1 => Expr::binary("AND", guard, part),
            2 => Expr::binary("OR", Expr::not(guard), part),
            3 => Expr::not(Expr::binary("AND", guard, part)),
            4 => Expr::If(Box::new([guard, part, self.simple(fields)])),
            _ => Expr::binary("OR", Expr::binary("AND", guard, part), self.simple(fields)),
        }
    }

    fn either_way(&mut self, operator: &'static str, value: Expr, constant: Expr) -> Expr {
        if self.random.below(6) > 0 {
            return Expr::binary(operator, value, constant);
        }
        let mirrored = match operator {
            "<" => ">",
            "<=" => ">=",
            ">" => "<",
            ">=" => "<=",
            same => same,
        };
        Expr::binary(mirrored, constant, value)
    }

    /// A condition about a value that is mostly a list.
    pub fn about_list(&mut self, value: Expr) -> Expr {
        let constant = self.constant(Kind::Any);
        let list = self.constant(Kind::List);
        match self.random.below(9) {
            0 => Expr::binary("=", value, list),
            1 => Expr::binary(self.random.pick(&["CONTAINS", "∋", "CONTAINSNOT"]), value, constant),
            2 => Expr::binary(self.random.pick(&["CONTAINSALL", "CONTAINSANY", "CONTAINSNONE"]), value, list),
            3 => Expr::binary(self.random.pick(&["ALLINSIDE", "ANYINSIDE", "NONEINSIDE"]), value, list),
            4 => Expr::binary("IN", constant, value),
            5 => Expr::binary(self.random.pick(&["?=", "*="]), value, constant),
            6 => Expr::binary(">", Expr::Call("count", vec![value]), Expr::text("1")),
            7 => Expr::binary(self.random.pick(&["=", "!="]), value, Expr::text("[]")),
            _ => value,
        }
    }

    fn inside(&mut self, fields: &Fields) -> Expr {
        let (path, kind) = self.any_of(fields, Route::Own);
        let operator = self.random.pick(&["IN", "INSIDE", "NOT IN", "NOTINSIDE", "∈"]);
        let items: Vec<String> = (0..self.random.below(4)).map(|_| data::constant(self.random, kind)).collect();
        let list = self.constant_text(format!("[{}]", items.join(", ")));
        Expr::binary(operator, Expr::Path(path), list)
    }

    fn contains(&mut self, fields: &Fields) -> Expr {
        let (path, kind) =
            self.of_kinds(fields, &[Kind::List, Kind::Numbers, Kind::Links("user"), Kind::Text, Kind::Object]);
        match kind {
            Kind::Text => {
                let constant = self.constant_text("'l'".to_owned());
                Expr::binary(self.random.pick(&["CONTAINS", "CONTAINSNOT"]), Expr::Path(path), constant)
            }
            Kind::Object => Expr::binary("CONTAINS", Expr::Path(path), Expr::text("'views'")),
            _ => self.about_list(Expr::Path(path)),
        }
    }

    fn nothing(&mut self, fields: &Fields) -> Expr {
        let route = self.random.pick(&[Route::Own, Route::Own, Route::Nested, Route::Link, Route::Index]);
        let (path, _) = self.any_of(fields, route);
        let operator = self.random.pick(&["IS", "IS NOT", "=", "!=", "=="]);
        Expr::binary(operator, Expr::Path(path), Expr::text(self.random.pick(&["NONE", "NULL"])))
    }

    pub fn compared_by(&mut self, fields: &Fields, route: Route) -> Expr {
        let (path, kind) = self.any_of(fields, route);
        self.ordered(Expr::Path(path), kind)
    }

    /// Arithmetic on fields.
    pub fn arithmetic(&mut self, fields: &Fields) -> Expr {
        let left = self.value_of(fields, Kind::Number);
        let operator = self.random.pick(&["+", "-", "*", "/", "%", "**"]);
        let right =
            if self.random.below(2) == 0 { self.constant(Kind::Number) } else { self.value_of(fields, Kind::Number) };
        let value = Expr::binary(operator, left, right);
        if self.random.below(4) == 0 { Expr::Prefix("-", Box::new(value)) } else { value }
    }

    /// A list with a condition in brackets.
    pub fn filtered(&mut self, fields: &Fields) -> Expr {
        let (path, kind) = self.of_kinds(fields, &[Kind::Items, Kind::Links("user"), Kind::Numbers]);
        let condition = match kind {
            Kind::Items => self.simple(ITEM),
            Kind::Links(to) => self.simple(crate::schema::table(to).fields),
            _ => self.ordered(
                Expr::Path(Path { start: crate::tree::Start::Name("$this"), parts: Vec::new() }),
                Kind::Number,
            ),
        };
        let mut path = path.then(Part::Filter(condition));
        if kind == Kind::Items && self.random.below(2) == 0 {
            path = path.then(Part::Field("n".to_owned()));
        }
        if self.random.below(4) == 0 {
            path = path.then(Part::Index(0));
        }
        Expr::Path(path)
    }

    /// Graph steps from a row, if its table has any.
    pub fn graph(&mut self, table: &Table, has_filter: bool) -> Option<Expr> {
        let steps = table.steps();
        if steps.is_empty() {
            return None;
        }
        let (arrow, edge, to) = self.random.pick(&steps);
        let mut first = Step::along(arrow, edge.name);
        let mut second = Step::along(arrow, to.name);
        if has_filter {
            match self.random.below(3) {
                0 => first.filter = Some(self.simple(edge.fields)),
                1 => second.filter = Some(self.simple(to.fields)),
                _ => {
                    first.filter = Some(self.simple(edge.fields));
                    second.filter = Some(self.simple(to.fields));
                }
            }
            (first.head, first.rest) = self.random.pick(&[
                ("", ""),
                ("", ""),
                ("", ""),
                ("", " LIMIT 1"),
                ("", " LIMIT 2 START 1"),
                ("SELECT * FROM ", ""),
                ("SELECT id, weight FROM ", " ORDER BY weight DESC LIMIT 2"),
                ("SELECT weight FROM ", ""),
                ("SELECT [weight] AS w, out AS o.p, in.id AS o.q FROM ", " ORDER BY w DESC"),
                ("SELECT out AS id, weight AS w FROM ", " ORDER BY w LIMIT 2"),
                ("SELECT $this.in AS x, $parent.id, weight ?? 0 FROM ", " START 1"),
            ]);
        }
        if self.random.below(8) == 0 {
            first.tables = vec!["?"];
        }
        let ends_here = self.random.below(if first.head.is_empty() { 5 } else { 2 }) == 0;
        let mut parts = vec![Part::Step(first)];
        if !ends_here {
            parts.push(Part::Step(second));
            if self.random.below(5) == 0
                && let Some((arrow, edge, to)) = to.steps().first().copied()
            {
                parts.extend([Part::Step(Step::along(arrow, edge.name)), Part::Step(Step::along(arrow, to.name))]);
            } else if self.random.below(2) == 0 {
                parts.push(Part::Field(self.random.pick(to.fields).0.to_owned()));
            }
        } else if self.random.below(2) == 0 {
            parts.push(Part::Field(self.random.pick(edge.fields).0.to_owned()));
        }
        Some(Expr::Path(Path { start: crate::tree::Start::Row, parts }))
    }

    /// A call of a function of a family.
    pub fn call(&mut self, family: &str, fields: &Fields) -> (Expr, Kind) {
        let Some((_, functions)) = FUNCTIONS.iter().find(|(name, _)| *name == family) else {
            panic!("there is no family {family}");
        };
        let function: Function = self.random.pick(functions);
        let (name, arguments, kind) = function;
        let arguments = arguments.iter().map(|argument| match argument {
            Argument::Text(text) => Expr::text(*text),
            Argument::Of(kind) => self.value_of(fields, *kind),
        });
        (Expr::Call(name, arguments.collect()), kind)
    }

    /// A value of the row that is of this kind, or a constant where the row has none; often guarded against its absence.
    pub fn value_of(&mut self, fields: &Fields, kind: Kind) -> Expr {
        let mut found = reach(fields, Route::Own);
        found.extend(reach(fields, Route::Nested));
        found.retain(|(_, other)| *other == kind || kind == Kind::Any);
        if found.is_empty() {
            return Expr::text(data::constant(self.random, kind));
        }
        let (path, _) = self.random.pick(&found);
        let guard = match kind {
            Kind::Number => "1",
            Kind::Text | Kind::Word => "''",
            Kind::List | Kind::Numbers => "[]",
            Kind::Moment => "d'2026-01-01T00:00:00Z'",
            Kind::Span => "1h",
            Kind::Object => "{}",
            Kind::Vector => "[1.0, 1.0, 1.0]",
            Kind::Point => "(0, 0)",
            Kind::Link(_) => "user:1",
            _ => return Expr::Path(path),
        };
        if self.random.below(2) == 0 {
            Expr::Path(path)
        } else {
            Expr::binary("??", Expr::Path(path), Expr::text(guard))
        }
    }

    pub fn constant_id(&mut self, table: &Table) -> Expr {
        let key = self.random.below(table.keys + 1);
        let id = match self.random.below(8) {
            0 if table.name == "thread" => "thread:['a', 1]".to_owned(),
            1 if table.name == "thread" => "thread:s1".to_owned(),
            _ => format!("{}:{key}", table.name),
        };
        self.constant_text(id)
    }

    /// `IN (SELECT …)`.
    fn in_subquery(&mut self, table: &Table) -> Expr {
        let links = reach(table.fields, Route::Own).into_iter();
        let links: Vec<(Path, &'static str)> =
            links.filter_map(|(path, kind)| if let Kind::Link(to) = kind { Some((path, to)) } else { None }).collect();
        let is_own = links.is_empty() || self.random.below(3) == 0;
        let operator = self.random.pick(&["IN", "IN", "INSIDE", "NOT IN"]);
        if is_own && let Some((child, field)) = self.pick_child(table) {
            let values = self.values_of(child, field);
            return Expr::binary(operator, Expr::path("id"), Expr::Select(Box::new(values)));
        }
        match links.is_empty() {
            true => self.simple(table.fields),
            false => {
                let (path, to) = self.random.pick(&links);
                let values = self.values_of(crate::schema::table(to), "id");
                Expr::binary(operator, Expr::Path(path), Expr::Select(Box::new(values)))
            }
        }
    }

    /// `(SELECT VALUE field FROM table WHERE …)`.
    fn values_of(&mut self, table: &Table, field: &str) -> Select {
        let mut select = Select::from_table(table.name);
        select.fields = crate::tree::Fields::Value(Expr::path(field));
        select.filter = Some(self.simple(table.fields));
        select
    }
}

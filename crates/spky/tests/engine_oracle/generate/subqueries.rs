//! Queries inside of queries: children of a row, what it links to, and what has nothing to do with it.

use crate::schema::{Kind, Nature, Table, table};
use crate::tree::{Expr, Field, Fields, Group, Key, Part, Path, Select, Source, Start, Step};

use super::Grower;
use super::conditions::TOPICS;

impl Grower<'_> {
    /// A table that links to this one, and the field that does.
    pub fn pick_child(&mut self, table: &Table) -> Option<(&'static Table, &'static str)> {
        let children = table.children();
        if children.is_empty() { None } else { Some(self.random.pick(&children)) }
    }

    /// The rows that link to the row around the query; those of the same kind where nothing links to it.
    fn children(&mut self, table: &Table) -> (Select, &'static Table) {
        let (child, link) = match self.pick_child(table) {
            Some((child, field)) => (child, Expr::binary("=", Expr::path(field), Expr::Path(Path::parent("id")))),
            None => {
                let child = crate::schema::table(table.name);
                let (field, _) = self.random.pick(child.fields);
                (child, Expr::binary("=", Expr::path(field), Expr::Path(Path::parent(field))))
            }
        };
        let mut select = Select::from_table(child.name);
        select.filter = Some(link);
        (select, child)
    }

    /// One value of each child.
    pub fn child_values(&mut self, table: &Table) -> Select {
        let (mut select, child) = self.children(table);
        let (field, _) = self.random.pick(child.fields);
        select.fields = Fields::Value(Expr::path(self.random.pick(&[field, "id"])));
        if self.random.below(2) == 0 {
            self.and(&mut select, child);
        }
        select
    }

    fn and(&mut self, select: &mut Select, table: &Table) {
        let topic = self.random.pick(TOPICS);
        let is_deep = matches!(topic, "correlated" | "scalar subquery" | "counted subquery" | "in subquery");
        let other = if is_deep { Some(self.simple(table.fields)) } else { self.condition(topic, table) };
        select.filter = match (select.filter.take(), other) {
            (Some(filter), Some(other)) => Some(Expr::binary("AND", filter, other)),
            (filter, other) => filter.or(other),
        };
    }

    /// A comparison with one value of one child, or with one that has nothing to do with the row.
    pub fn scalar_subquery(&mut self, table: &Table) -> Expr {
        if self.random.below(4) == 0 {
            let number = self.value_of(table.fields, Kind::Number);
            let mut mean = Select::from_table("user");
            mean.fields = Fields::Value(Expr::Call("math::max", vec![Expr::path("level")]));
            mean.group = Some(Group(Vec::new()));
            let value = Expr::Select(Box::new(mean)).then(vec![Part::Index(0)]);
            return Expr::binary(self.random.pick(&["<", ">=", "="]), number, value);
        }
        let (mut select, child) = self.children(table);
        let (field, kind) = self.random.pick(child.fields);
        let value = if self.random.below(2) == 0 {
            select.fields = Fields::List(vec![self.plain_field(field), self.plain_field("id")]);
            select.order = vec![Key::ascending(Path::field(field)), Key::ascending(Path::field("id"))];
            let parts = vec![Part::Index(0), Part::Field(field.to_owned())];
            Expr::Select(Box::new(select)).then(parts)
        } else {
            select.fields = Fields::List(vec![Field::Single { expr: Expr::Call("count", Vec::new()), alias: None }]);
            select.group = Some(Group(Vec::new()));
            let parts = vec![Part::Index(0), Part::Field("count".to_owned())];
            return self.ordered(Expr::Select(Box::new(select)).then(parts), Kind::Number);
        };
        self.ordered(value, kind)
    }

    /// A subquery that is worth showing in a field.
    pub fn shown_subquery(&mut self, what: &str, table: &Table, depth: usize) -> Expr {
        match what {
            "uncorrelated" => Expr::Select(Box::new(self.uncorrelated())),
            "linked" => {
                let mut links: Vec<(&str, &str)> = Vec::new();
                for (field, kind) in table.fields {
                    if let Kind::Link(to) | Kind::Links(to) = kind {
                        links.push((field, to));
                    }
                }
                if links.is_empty() {
                    return Expr::Select(Box::new(self.uncorrelated()));
                }
                let (field, to) = self.random.pick(&links);
                let mut from = Source::Expr(Expr::Path(Path::parent(field)));
                let mut rows = crate::schema::table(to);
                if let (true, Some((arrow, edge, to))) = (self.random.below(3) == 0, table.steps().first().copied()) {
                    let parts = [edge.name, to.name].map(|name| Part::Step(Step::along(arrow, name)));
                    let start = Start::Name(self.random.pick(&["$parent", "$this"]));
                    from = Source::Expr(Expr::Path(Path { start, parts: parts.into() }));
                    rows = to;
                }
                let mut select = Select::of(vec![from]);
                self.dress(&mut select, rows, depth);
                Expr::Select(Box::new(select))
            }
            "counted" => {
                let values = self.child_values(table);
                Expr::Call(self.random.pick(&["count", "array::len"]), vec![Expr::Select(Box::new(values))])
            }
            "first" => {
                let (mut select, child) = self.children(table);
                self.dress(&mut select, child, depth);
                self.decide(&mut select, child);
                let mut parts = vec![Part::Index(0)];
                if matches!(select.fields, Fields::List(_)) && self.random.below(3) == 0 {
                    parts.push(Part::Field(self.random.pick(child.fields).0.to_owned()));
                }
                Expr::Select(Box::new(select)).then(parts)
            }
            "aggregate" => {
                let (mut select, child) = self.children(table);
                let group = self.random.pick(&["all", "one"]);
                self.group(&mut select, group, child);
                Expr::Select(Box::new(select))
            }
            _ => {
                let (mut select, child) = self.children(table);
                self.dress(&mut select, child, depth);
                Expr::Select(Box::new(select))
            }
        }
    }

    /// Fields, a further condition, an order and a window for a subquery, and subqueries in it.
    fn dress(&mut self, select: &mut Select, table: &Table, depth: usize) {
        if self.random.below(2) == 0 {
            self.and(select, table);
        }
        let (field, _) = self.random.pick(table.fields);
        select.fields = match self.random.below(5) {
            0 => Fields::Value(Expr::path(field)),
            1 => Fields::List(vec![self.plain_field("id"), self.plain_field(field)]),
            2 if depth > 0 => {
                let what = self.random.pick(&["list", "first", "linked", "counted"]);
                let inner = self.shown_subquery(what, table, depth - 1);
                let deeper = Field::Single { expr: inner, alias: Some("inner".to_owned()) };
                Fields::List(vec![self.plain_field("id"), deeper])
            }
            _ => Fields::List(vec![Field::All]),
        };
        let is_list = matches!(select.fields, Fields::List(_));
        if is_list && self.random.below(2) == 0 {
            let has_field = |fields: &Fields| matches!(fields, Fields::List(fields) if fields.contains(&Field::All));
            let key = if has_field(&select.fields) { field } else { "id" };
            let mut key = Key::ascending(Path::field(key));
            key.descending = self.random.below(2) == 0;
            select.order.push(key);
        }
        if is_list && self.random.below(3) == 0 {
            select.limit = Some(self.number_constant(3));
            if self.random.below(3) == 0 {
                select.start = Some(self.number_constant(2));
            }
            self.decide(select, table);
        }
    }

    /// Makes the order total where an index would decide it.
    pub fn decide(&mut self, select: &mut Select, table: &Table) {
        let id = Key::ascending(Path::field("id"));
        if table.nature == Nature::Indexed && select.order.last().is_none_or(|key| key.path != id.path) {
            if let Fields::Value(_) = select.fields {
                select.fields = Fields::List(vec![Field::All]);
            }
            select.order.push(id);
        }
    }

    fn uncorrelated(&mut self) -> Select {
        let table = table(self.random.pick(&["user", "org", "comment", "post"]));
        let mut select = Select::from_table(table.name);
        match self.random.below(4) {
            0 => {
                select.fields =
                    Fields::List(vec![Field::Single { expr: Expr::Call("count", Vec::new()), alias: None }]);
                select.group = Some(Group(Vec::new()));
            }
            1 => {
                select.fields = Fields::Value(Expr::path("id"));
                select.filter = Some(self.simple(table.fields));
            }
            2 => {
                let (field, _) = self.random.pick(table.fields);
                select.order = vec![Key::ascending(Path::field(field)), Key::ascending(Path::field("id"))];
                select.limit = Some(self.number_constant(3));
            }
            _ => select.filter = Some(self.simple(table.fields)),
        }
        select
    }

    pub fn plain_field(&self, name: &str) -> Field {
        Field::Single { expr: Expr::path(name), alias: None }
    }
}

//! Queries at random: a skeleton, decorations in pairs, and one twist.

mod conditions;
mod pairs;
mod shapes;
mod subqueries;
mod vocabulary;

use crate::data;
use crate::schema::{Kind, Nature, Table, table};
use crate::support::Random;
use crate::tree::{Expr, Field, Fields, Key, Part, Path, Select, Source};

use conditions::TOPICS;
use shapes::{EXTRAS, GROUPS, SHAPES};
use vocabulary::{Route, reach};

const SOURCES: &[&str] = &[
    "table",
    "table",
    "table",
    "table",
    "table",
    "user",
    "indexed",
    "edge",
    "typed",
    "several",
    "overlapping",
    "ordered",
    "record",
    "records",
    "only record",
    "only first",
    "range",
    "range",
    "nested",
    "links of rows",
    "links of rows",
    "values of rows",
    "answer",
    "parameter",
    "graph",
    "graph",
    "path",
    "path",
    "values",
    "function",
];

/// Where paths behind `FROM` begin, what they go along, and the table of the rows that they mostly lead to.
const PATH_SOURCES: &[(&str, &str, &[&str], &str)] = &[
    ("graph", "user:1", &["->likes", "->thread"], "thread"),
    ("graph", "user:1", &["->likes"], "likes"),
    ("graph", "user:2", &["->wrote", "->post"], "post"),
    ("graph", "thread:1", &["<-likes", "<-user", "->likes", "->thread"], "thread"),
    ("graph", "[user:1, user:2]", &["->likes"], "likes"),
    ("graph", "thread:1", &["author", "->likes", "->thread"], "thread"),
    ("path", "user:1", &["friends"], "user"),
    ("path", "thread:1", &["watchers"], "user"),
    ("path", "thread:2", &["author"], "user"),
    ("path", "thread:3", &["author", "org"], "org"),
    ("path", "[thread:1, thread:2]", &["author"], "user"),
    ("path", "{ a: [thread:2, user:1, thread:2, thread:99] }", &["a"], "thread"),
    ("values", "thread:1", &["items"], "thread"),
    ("values", "thread:1", &["other"], "thread"),
    ("values", "thread:2", &["tags"], "thread"),
    ("values", "user:1", &["friends", "friends"], "user"),
    ("values", "thread:1", &["watchers", "name"], "user"),
    ("values", "{ a: [{ priority: 1 }, { at: 2, priority: [3] }, 4, 'x', (1, 2), [thread:1]] }", &["a"], "thread"),
];

const ORDERS: &[&str] = &[
    "none",
    "none",
    "none",
    "one",
    "descending",
    "several",
    "several",
    "id",
    "collate",
    "numeric",
    "path",
    "link",
    "alias",
];

const WINDOWS: &[&str] = &["none", "none", "limit", "limit", "limit and start", "limit and start", "start", "nothing"];

const CLAUSES: &[&str] = &[
    "none",
    "none",
    "none",
    "none",
    "none",
    "none",
    "omit",
    "omit nested",
    "split",
    "split",
    "fetch",
    "fetch deep",
    "noindex",
];

const TWISTS: &[&str] =
    &["none", "none", "parameters", "parameters", "parameters", "nested", "child", "negated", "both"];

const DIMENSIONS: &[&[&str]] = &[SOURCES, SHAPES, EXTRAS, TOPICS, GROUPS, ORDERS, WINDOWS, CLAUSES, TWISTS];

/// An endless stream of queries in which all pairs of choices come round: in queries that have a bit of everything, and
/// in queries that have nothing but the pair.
pub struct Queries {
    rows: Vec<Vec<usize>>,
}

impl Queries {
    pub fn new() -> Queries {
        Queries { rows: Vec::new() }
    }

    pub fn next(&mut self, random: &mut Random) -> Select {
        let row = if random.below(5) < 2 { self.dense(random) } else { sparse(random) };
        let choices: Vec<&str> = row.iter().zip(DIMENSIONS).map(|(value, values)| values[*value]).collect();
        let [source, shape, extra, topic, group, order, window, clause, twist] = choices[..] else {
            panic!("a row has a value of each dimension");
        };
        let mut grower = Grower { random, has_parameters: twist == "parameters" };
        grower.query(Choices { source, shape, extra, topic, group, order, window, clause, twist })
    }

    fn dense(&mut self, random: &mut Random) -> Vec<usize> {
        if self.rows.is_empty() {
            let sizes: Vec<usize> = DIMENSIONS.iter().map(|values| values.len()).collect();
            self.rows = pairs::covering(&sizes, random);
        }
        let number = random.below(self.rows.len() as u64) as usize;
        self.rows.swap_remove(number)
    }
}

/// The plainest value of each dimension but two or three.
fn sparse(random: &mut Random) -> Vec<usize> {
    let mut row = vec![0; DIMENSIONS.len()];
    for _ in 0..2 + random.below(2) {
        let dimension = random.below(DIMENSIONS.len() as u64) as usize;
        row[dimension] = random.below(DIMENSIONS[dimension].len() as u64) as usize;
    }
    row
}

#[derive(Clone, Copy)]
struct Choices<'a> {
    source: &'a str,
    shape: &'a str,
    extra: &'a str,
    topic: &'a str,
    group: &'a str,
    order: &'a str,
    window: &'a str,
    clause: &'a str,
    twist: &'a str,
}

/// Grows parts of queries.
pub struct Grower<'a> {
    pub random: &'a mut Random,
    /// Whether constants become parameters.
    has_parameters: bool,
}

impl Grower<'_> {
    fn query(&mut self, choices: Choices) -> Select {
        let (mut select, table) = self.source(choices.source);
        select.filter = self.condition(choices.topic, table);
        match choices.twist {
            "negated" => select.filter = select.filter.map(Expr::not),
            "both" => {
                let topic = self.random.pick(TOPICS);
                let operator = self.random.pick(&["AND", "AND", "OR"]);
                select.filter = match (select.filter.take(), self.condition(topic, table)) {
                    (Some(one), Some(other)) => Some(Expr::binary(operator, one, other)),
                    (one, other) => one.or(other),
                };
            }
            _ => {}
        }
        if choices.group == "none" {
            self.shape(&mut select, choices.shape, choices.extra, table);
        } else {
            self.group(&mut select, choices.group, table);
        }
        self.clause(&mut select, choices.clause, table);
        self.order(&mut select, choices.order, table);
        self.window(&mut select, choices.window, table);
        match choices.twist {
            "nested" => self.nest(select, table),
            "child" => self.adopt(select),
            _ => select,
        }
    }

    fn source(&mut self, source: &str) -> (Select, &'static Table) {
        let thread = table("thread");
        let ids = |grower: &mut Self, count: u64| -> Vec<Source> {
            (0..count).map(|_| Source::Expr(grower.constant_id(thread))).collect()
        };
        let mut table = thread;
        let mut select = match source {
            "user" => Select::from_table("user"),
            "indexed" => Select::from_table("post"),
            "edge" => Select::from_table(self.random.pick(&["wrote", "likes"])),
            "typed" => Select::from_table("task"),
            "several" => {
                let other = self.random.pick(&["user", "comment", "org", "thread"]);
                Select::of(vec![Source::Table("thread"), Source::Table(other)])
            }
            "overlapping" => {
                let count = 1 + self.random.below(2);
                let mut from = ids(self, count);
                from.insert(self.random.below(2) as usize, Source::Table("thread"));
                if self.random.below(2) == 0 {
                    from.push(self.ordered_select(thread));
                }
                Select::of(from)
            }
            "ordered" => {
                let other = crate::schema::table(self.random.pick(&["thread", "user", "comment"]));
                Select::of(vec![self.ordered_select(thread), self.ordered_select(other)])
            }
            "record" | "only record" => Select::of(ids(self, 1)),
            "records" => Select::of(ids(self, 3)),
            "range" => {
                let ranges = [
                    "thread:1..4",
                    "thread:2..=5",
                    "thread:..3",
                    "thread:3..",
                    "thread:1>..4",
                    "thread:..",
                    "thread:['a', 0]..['a', 2]",
                    "thread:s0..=s2",
                    "comment:2..7",
                    "thread:['a', 1]..=['a', 2]",
                    "thread:['a', 1f]..['a', 1.5dec]",
                    "thread:['a', 1]>..=['a', 1dec]",
                    "thread:..['a', 1f]",
                    "thread:{ a: 0 }>..",
                ];
                Select::of(vec![Source::Expr(Expr::text(self.random.pick(&ranges)))])
            }
            "nested" => {
                let mut inner = Select::from_table("thread");
                inner.filter = Some(self.simple(thread.fields));
                if self.random.below(2) == 0 {
                    inner.order = vec![Key::ascending(Path::field(self.random.pick(thread.fields).0))];
                    inner.limit = Some(self.number_constant(5));
                }
                Select::of(vec![Source::Select(Box::new(inner))])
            }
            "links of rows" | "values of rows" | "answer" => {
                let (inner, rows) = self.inner_values(source);
                table = rows;
                let mut from = vec![Source::Select(Box::new(inner))];
                if self.random.below(8) == 0 {
                    from.push(Source::Table(rows.name));
                }
                Select::of(from)
            }
            "parameter" => {
                let value = self.random.pick(&[
                    "thread:1",
                    "[thread:1, thread:2]",
                    "[thread:2, user:1, thread:2]",
                    "[{ a: 1 }, { a: 2 }]",
                    "thread:99",
                ]);
                Select::of(vec![Source::Expr(Expr::Parameter(value.to_owned()))])
            }
            "graph" | "path" | "values" => {
                let (path, rows) = self.path_source(source);
                table = rows;
                let mut from = vec![Source::Expr(path)];
                if self.random.below(6) == 0 {
                    from.push(Source::Table(rows.name));
                }
                Select::of(from)
            }
            "function" => {
                let calls = ["type::table('thread')", "type::record('thread', 1)", "type::record('thread:2')"];
                Select::of(vec![Source::Expr(Expr::text(self.random.pick(&calls)))])
            }
            _ => Select::from_table("thread"),
        };
        if let Some(Source::Table(name)) = select.from.iter().find(|source| matches!(source, Source::Table(_))) {
            table = crate::schema::table(name);
        }
        match source {
            "only record" => select.only = true,
            "only first" => {
                select.only = true;
                select.limit = Some(Expr::text("1"));
                select.order = vec![Key::ascending(Path::field("id"))];
            }
            _ => {}
        }
        (select, table)
    }

    /// A path behind `FROM`, and the table that it leads to; of one that leads to values, any table.
    fn path_source(&mut self, source: &str) -> (Expr, &'static Table) {
        let of_source: Vec<_> = PATH_SOURCES.iter().filter(|(kind, ..)| *kind == source).collect();
        let (_, start, hops, rows) = *self.random.pick(&of_source);
        let mut parts = Vec::new();
        for hop in hops {
            let arrow = ["->", "<-"].into_iter().find(|arrow| hop.starts_with(arrow));
            let Some(arrow) = arrow else {
                parts.push(Part::Field((*hop).to_owned()));
                continue;
            };
            let mut step = crate::tree::Step::along(arrow, &hop[arrow.len()..]);
            if self.random.below(5) == 0 {
                step.filter = Some(self.simple(table(step.tables[0]).fields));
            }
            parts.push(Part::Step(step));
        }
        let rows = table(rows);
        match self.random.below(8) {
            0 => parts.push(Part::Filter(self.simple(rows.fields))),
            1 => parts.push(self.random.pick(&[Part::Index(0), Part::Last, Part::All, Part::Flatten])),
            _ => {}
        }
        (self.constant_text(start.to_owned()).then(parts), rows)
    }

    /// A query whose rows are links or other values, or whose answer is one row; and the table of what links lead to.
    fn inner_values(&mut self, source: &str) -> (Select, &'static Table) {
        let thread = table("thread");
        let links: Vec<(&str, &str)> = thread
            .fields
            .iter()
            .filter_map(|(name, kind)| if let Kind::Link(to) = kind { Some((*name, *to)) } else { None })
            .collect();
        let (link, to) = self.random.pick(&links);
        let mut inner = Select::from_table("thread");
        let mut rows = thread;
        match source {
            "links of rows" => {
                inner.fields = Fields::Value(Expr::path(link));
                rows = table(to);
            }
            "values of rows" => inner.fields = Fields::Value(Expr::path(self.random.pick(thread.fields).0)),
            _ => {
                inner = Select::of(vec![Source::Expr(self.constant_id(thread))]);
                inner.only = true;
                if self.random.below(2) == 0 {
                    inner.fields = Fields::Value(Expr::path(link));
                    rows = table(to);
                }
            }
        }
        if self.random.below(3) == 0 {
            inner.filter = Some(self.simple(thread.fields));
        }
        if !inner.only && self.random.below(3) == 0 {
            inner.order = vec![Key::ascending(Path::field("id"))];
            inner.limit = Some(self.number_constant(5));
        }
        (inner, rows)
    }

    /// `(SELECT … ORDER BY …)`.
    fn ordered_select(&mut self, table: &Table) -> Source {
        let mut select = Select::from_table(table.name);
        let (field, _) = self.random.pick(table.fields);
        select.order = vec![Key { descending: self.random.below(2) == 0, ..Key::ascending(Path::field(field)) }];
        if self.random.below(2) == 0 {
            select.limit = Some(self.number_constant(4));
        }
        Source::Select(Box::new(select))
    }

    fn clause(&mut self, select: &mut Select, clause: &str, table: &Table) {
        let is_grouped = select.group.is_some();
        let is_list = matches!(select.fields, Fields::List(_));
        match clause {
            "omit" if !is_grouped => select.omit = vec![Path::field(self.random.pick(table.fields).0)],
            "omit nested" if !is_grouped => {
                let (path, _) = self.of_kinds(table.fields, &[Kind::Object]);
                select.omit = vec![path.then(Part::Field("views".to_owned())), Path::field("at")];
            }
            "split" if is_list && !is_grouped => {
                let kinds = [Kind::List, Kind::Items, Kind::Numbers, Kind::Links("user")];
                let (path, _) = self.of_kinds(table.fields, &kinds);
                if let Fields::List(fields) = &mut select.fields
                    && !fields.contains(&Field::All)
                {
                    fields.push(Field::Single { expr: Expr::Path(path.clone()), alias: None });
                }
                select.split = vec![path];
            }
            "fetch" if has_alias(select, "extra") && !is_grouped => select.fetch = vec![Path::field("extra")],
            "fetch" | "fetch deep" if !is_grouped => {
                let links: Vec<(&str, &str)> = table
                    .fields
                    .iter()
                    .filter_map(|(name, kind)| match kind {
                        Kind::Link(to) | Kind::Links(to) => Some((*name, *to)),
                        _ => None,
                    })
                    .collect();
                if links.is_empty() {
                    return;
                }
                let (name, to) = self.random.pick(&links);
                let mut path = Path::field(name);
                if clause == "fetch deep"
                    && let Some((deeper, _)) =
                        crate::schema::table(to).fields.iter().find(|(_, kind)| matches!(kind, Kind::Link(_)))
                {
                    select.fetch.push(path.clone());
                    path = path.then(Part::Field((*deeper).to_owned()));
                }
                select.fetch.push(path);
                if let Fields::List(fields) = &mut select.fields
                    && !fields.contains(&Field::All)
                    && !fields.iter().any(|field| *field == Field::Single { expr: Expr::path(name), alias: None })
                {
                    fields.push(Field::Single { expr: Expr::path(name), alias: None });
                }
            }
            "noindex" => select.noindex = true,
            _ => {}
        }
    }

    fn order(&mut self, select: &mut Select, order: &str, table: &Table) {
        if order == "none" || matches!(select.fields, Fields::Value(_)) {
            return;
        }
        let shown = shown(select);
        let is_whole = shown.is_none();
        let has_extra = has_alias(select, "extra");
        let pick = |grower: &mut Self| match &shown {
            Some(names) if !names.is_empty() => Path::field(&grower.random.pick(names)),
            None if has_extra && grower.random.below(2) == 0 => Path::field("extra"),
            _ => grower.any_of(table.fields, Route::Own).0,
        };
        let mut keys = vec![Key::ascending(pick(self))];
        match order {
            "descending" => keys[0].descending = true,
            "several" => {
                keys.push(Key::ascending(pick(self)));
                keys[1].descending = self.random.below(2) == 0;
            }
            "id" if is_whole => {
                keys = vec![Key::ascending(Path::field("id"))];
                keys[0].descending = self.random.below(2) == 0;
            }
            "collate" => keys[0].collate = true,
            "numeric" => {
                keys[0].numeric = true;
                keys[0].collate = self.random.below(3) == 0;
            }
            "path" if is_whole => keys[0].path = self.any_of(table.fields, Route::Nested).0,
            "link" if is_whole => keys[0].path = self.any_of(table.fields, Route::Link).0,
            "alias" if is_whole => {
                let value = self.computed_value(table);
                if let Fields::List(fields) = &mut select.fields {
                    fields.push(Field::Single { expr: value, alias: Some("rank".to_owned()) });
                }
                keys[0].path = Path::field("rank");
            }
            _ => {}
        }
        if matches!(order, "collate" | "numeric") && is_whole {
            keys[0].path = self.of_kinds(table.fields, &[Kind::Text, Kind::Word]).0;
        }
        // What an earlier choice has ordered by decides first.
        select.order.retain(|key| keys.iter().all(|other| other.path != key.path));
        keys.append(&mut select.order);
        select.order = keys;
    }

    fn window(&mut self, select: &mut Select, window: &str, table: &Table) {
        match window {
            "limit" => select.limit = Some(self.number_constant(4)),
            "limit and start" => {
                select.limit = Some(self.number_constant(4));
                select.start = Some(self.number_constant(3));
            }
            "start" => select.start = Some(self.number_constant(3)),
            "nothing" => select.limit = Some(Expr::text("0")),
            _ => {}
        }
        let is_cut = select.limit.is_some() || select.start.is_some() || select.only;
        if is_cut && select.group.is_none() && table.nature == Nature::Indexed {
            let lacks_id = shown(select).is_some_and(|names| !names.iter().any(|name| name == "id"));
            if let (Fields::List(fields), true) = (&mut select.fields, lacks_id) {
                fields.push(Field::Single { expr: Expr::path("id"), alias: None });
            }
            self.decide(select, table);
        }
    }

    /// `SELECT … FROM (the query)`.
    fn nest(&mut self, inner: Select, table: &Table) -> Select {
        let names = shown(&inner);
        let mut outer = Select::of(vec![Source::Select(Box::new(inner))]);
        if names.is_none() {
            outer.filter = Some(self.simple(table.fields));
            if self.random.below(2) == 0 {
                outer.order = vec![Key::ascending(self.any_of(table.fields, Route::Own).0)];
            }
        }
        if self.random.below(2) == 0 {
            outer.limit = Some(self.number_constant(4));
        }
        outer
    }

    /// `SELECT id, (the query, about this row) AS inner FROM …`.
    fn adopt(&mut self, mut inner: Select) -> Select {
        let Source::Table(name) = inner.from[0] else { return inner };
        let links: Vec<(&str, &str)> = table(name)
            .fields
            .iter()
            .filter_map(|(field, kind)| if let Kind::Link(to) = kind { Some((*field, *to)) } else { None })
            .collect();
        let mut outer_table = "user";
        if !links.is_empty() && inner.from.len() == 1 {
            let (field, to) = self.random.pick(&links);
            outer_table = to;
            let link = Expr::binary("=", Expr::path(field), Expr::Path(Path::parent("id")));
            inner.filter = Some(match inner.filter.take() {
                Some(filter) => Expr::binary("AND", link, filter),
                None => link,
            });
        }
        let mut outer = Select::from_table(outer_table);
        let shown = Field::Single { expr: Expr::Select(Box::new(inner)), alias: Some("inner".to_owned()) };
        outer.fields = Fields::List(vec![Field::All, shown]);
        if self.random.below(2) == 0 {
            outer.filter = Some(self.simple(table(outer_table).fields));
        }
        outer
    }

    /// A path by a route, or one to a field of the row where the row has none of these.
    pub fn any_of(&mut self, fields: &[(&'static str, Kind)], route: Route) -> (Path, Kind) {
        let found = reach(fields, route);
        if found.is_empty() { self.random.pick(&reach(fields, Route::Own)) } else { self.random.pick(&found) }
    }

    /// A field of one of these kinds; any field where there is none.
    pub fn of_kinds(&mut self, fields: &[(&'static str, Kind)], kinds: &[Kind]) -> (Path, Kind) {
        let mut found = reach(fields, Route::Own);
        found.retain(|(_, kind)| kinds.contains(kind));
        if found.is_empty() { self.any_of(fields, Route::Own) } else { self.random.pick(&found) }
    }

    pub fn constant(&mut self, kind: Kind) -> Expr {
        let text = data::constant(self.random, kind);
        self.constant_text(text)
    }

    pub fn constant_text(&mut self, text: String) -> Expr {
        if self.has_parameters && self.random.below(4) > 0 { Expr::Parameter(text) } else { Expr::Text(text) }
    }

    pub fn number_constant(&mut self, below: u64) -> Expr {
        let number = self.random.below(below + 1).to_string();
        self.constant_text(number)
    }
}

fn has_alias(select: &Select, name: &str) -> bool {
    let is_named = |field: &Field| matches!(field, Field::Single { alias: Some(alias), .. } if alias == name);
    matches!(&select.fields, Fields::List(fields) if fields.iter().any(is_named))
}

/// The names of what a query shows; `None` if these are all fields of its rows.
fn shown(select: &Select) -> Option<Vec<String>> {
    let Fields::List(fields) = &select.fields else { return Some(Vec::new()) };
    let mut names = Vec::new();
    for field in fields {
        match field {
            Field::All => return None,
            Field::Single { alias: Some(alias), .. } if !alias.contains('.') => names.push(alias.clone()),
            Field::Single { expr: Expr::Path(path), alias: None } => {
                if let [Part::Field(name)] = path.parts.as_slice() {
                    names.push(name.clone());
                }
            }
            Field::Single { .. } => {}
        }
    }
    Some(names)
}

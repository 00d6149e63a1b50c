//! Queries as trees: what the generator builds, the shrinker takes apart, and the database reads as text.

use std::fmt::Write;

/// A query as the engine and the database get it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Text {
    pub surql: String,
    /// SurrealQL text of an object.
    pub params: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    pub fields: Fields,
    pub omit: Vec<Path>,
    pub only: bool,
    pub from: Vec<Source>,
    pub noindex: bool,
    pub filter: Option<Expr>,
    pub split: Vec<Path>,
    pub group: Option<Group>,
    pub order: Vec<Key>,
    pub limit: Option<Expr>,
    pub start: Option<Expr>,
    pub fetch: Vec<Path>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Fields {
    List(Vec<Field>),
    /// `SELECT VALUE`.
    Value(Expr),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    All,
    Single { expr: Expr, alias: Option<String> },
}

#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    Table(&'static str),
    /// A record id, a range of them, or a parameter.
    Expr(Expr),
    Select(Box<Select>),
}

/// `GROUP ALL` has no keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Group(pub Vec<Path>);

/// A key of `ORDER BY`.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    pub path: Path,
    pub collate: bool,
    pub numeric: bool,
    pub descending: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A constant, or anything else that has no parts worth looking at.
    Text(String),
    /// A parameter, with its value as text.
    Parameter(String),
    Path(Path),
    /// `!`, `-`, or a cast such as `<int>`.
    Prefix(&'static str, Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    Call(&'static str, Vec<Expr>),
    List(Vec<Expr>),
    Object(Vec<(&'static str, Expr)>),
    If(Box<[Expr; 3]>),
    Select(Box<Select>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    pub start: Start,
    pub parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// The row: the first part stands alone.
    Row,
    /// `$parent`, `$this` or another name.
    Name(&'static str),
    Expr(Box<Expr>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Field(String),
    Index(i64),
    /// `[$]`.
    Last,
    /// `.*`.
    All,
    /// `[WHERE …]`.
    Filter(Expr),
    Step(Step),
    Method(&'static str, Vec<Expr>),
    /// `.{ a, b }`.
    Pick(Vec<&'static str>),
    /// `…` behind an array.
    Flatten,
    /// `.?`.
    Optional,
}

/// One graph step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// `->`, `<-` or `<->`.
    pub arrow: &'static str,
    pub tables: Vec<&'static str>,
    pub filter: Option<Expr>,
    /// What is selected of the edges or records: `SELECT id FROM `, or nothing.
    pub head: &'static str,
    /// Clauses behind the condition, such as ` LIMIT 1`.
    pub rest: &'static str,
}

impl Select {
    pub fn from_table(table: &'static str) -> Select {
        Select::of(vec![Source::Table(table)])
    }

    pub fn of(from: Vec<Source>) -> Select {
        Select {
            fields: Fields::List(vec![Field::All]),
            omit: Vec::new(),
            only: false,
            from,
            noindex: false,
            filter: None,
            split: Vec::new(),
            group: None,
            order: Vec::new(),
            limit: None,
            start: None,
            fetch: Vec::new(),
        }
    }

    /// The text, and the parameters that are used in it.
    pub fn text(&self) -> Text {
        let mut writer = Writer::default();
        writer.select(self);
        let params: Vec<String> =
            writer.params.iter().enumerate().map(|(number, value)| format!("p{number}: {value}")).collect();
        Text { surql: writer.text, params: format!("{{ {} }}", params.join(", ")) }
    }
}

impl Path {
    pub fn field(name: &str) -> Path {
        Path { start: Start::Row, parts: vec![Part::Field(name.to_owned())] }
    }

    /// A path of names: `author.name`.
    pub fn names(dotted: &str) -> Path {
        Path { start: Start::Row, parts: dotted.split('.').map(|name| Part::Field(name.to_owned())).collect() }
    }

    pub fn parent(dotted: &str) -> Path {
        Path { start: Start::Name("$parent"), ..Path::names(dotted) }
    }

    pub fn then(mut self, part: Part) -> Path {
        self.parts.push(part);
        self
    }
}

impl Step {
    pub fn along(arrow: &'static str, table: &'static str) -> Step {
        Step { arrow, tables: vec![table], filter: None, head: "", rest: "" }
    }
}

impl Expr {
    pub fn text(text: impl Into<String>) -> Expr {
        Expr::Text(text.into())
    }

    pub fn path(dotted: &str) -> Expr {
        Expr::Path(Path::names(dotted))
    }

    pub fn binary(operator: &'static str, left: Expr, right: Expr) -> Expr {
        Expr::Binary(operator, Box::new(left), Box::new(right))
    }

    pub fn not(inner: Expr) -> Expr {
        Expr::Prefix("!", Box::new(inner))
    }

    /// What stands behind the expression: `(SELECT …)[0].name`.
    pub fn then(self, parts: Vec<Part>) -> Expr {
        Expr::Path(Path { start: Start::Expr(Box::new(self)), parts })
    }
}

impl Key {
    pub fn ascending(path: Path) -> Key {
        Key { path, collate: false, numeric: false, descending: false }
    }
}

#[derive(Default)]
struct Writer {
    text: String,
    params: Vec<String>,
}

impl Writer {
    fn put(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn list<T>(&mut self, items: &[T], each: impl Fn(&mut Self, &T)) {
        for (number, item) in items.iter().enumerate() {
            if number > 0 {
                self.put(", ");
            }
            each(self, item);
        }
    }

    fn clause<T>(&mut self, keyword: &str, items: &[T], each: impl Fn(&mut Self, &T)) {
        if !items.is_empty() {
            self.put(keyword);
            self.list(items, each);
        }
    }

    fn select(&mut self, select: &Select) {
        self.put("SELECT ");
        match &select.fields {
            Fields::List(fields) => self.list(fields, Self::field),
            Fields::Value(expr) => {
                self.put("VALUE ");
                self.expr(expr);
            }
        }
        self.clause(" OMIT ", &select.omit, Self::path);
        self.put(if select.only { " FROM ONLY " } else { " FROM " });
        self.list(&select.from, Self::source);
        if select.noindex {
            self.put(" WITH NOINDEX");
        }
        self.clause(" WHERE ", select.filter.as_slice(), Self::expr);
        self.clause(" SPLIT ", &select.split, Self::path);
        match &select.group {
            Some(Group(keys)) if keys.is_empty() => self.put(" GROUP ALL"),
            Some(Group(keys)) => self.clause(" GROUP BY ", keys, Self::path),
            None => {}
        }
        self.clause(" ORDER BY ", &select.order, Self::key);
        self.clause(" LIMIT ", select.limit.as_slice(), Self::expr);
        self.clause(" START ", select.start.as_slice(), Self::expr);
        self.clause(" FETCH ", &select.fetch, Self::path);
    }

    fn field(&mut self, field: &Field) {
        match field {
            Field::All => self.put("*"),
            Field::Single { expr, alias } => {
                self.expr(expr);
                if let Some(alias) = alias {
                    self.put(" AS ");
                    self.put(alias);
                }
            }
        }
    }

    fn source(&mut self, source: &Source) {
        match source {
            Source::Table(name) => self.put(name),
            Source::Expr(expr) => self.expr(expr),
            Source::Select(select) => self.in_parentheses(|writer| writer.select(select)),
        }
    }

    fn key(&mut self, key: &Key) {
        self.path(&key.path);
        self.put(if key.collate { " COLLATE" } else { "" });
        self.put(if key.numeric { " NUMERIC" } else { "" });
        self.put(if key.descending { " DESC" } else { "" });
    }

    fn in_parentheses(&mut self, inner: impl FnOnce(&mut Self)) {
        self.put("(");
        inner(self);
        self.put(")");
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Text(text) => self.put(text),
            Expr::Parameter(value) => {
                let number = self.params.len();
                self.params.push(value.clone());
                let _ = write!(self.text, "$p{number}");
            }
            Expr::Path(path) => self.path(path),
            Expr::Prefix(operator, inner) => {
                self.put(operator);
                self.operand(inner);
            }
            Expr::Binary(operator, left, right) => {
                self.operand(left);
                let _ = write!(self.text, " {operator} ");
                self.operand(right);
            }
            Expr::Call(name, arguments) => {
                self.put(name);
                self.in_parentheses(|writer| writer.list(arguments, Self::expr));
            }
            Expr::List(items) => {
                self.put("[");
                self.list(items, Self::expr);
                self.put("]");
            }
            Expr::Object(fields) => {
                self.put("{ ");
                self.list(fields, |writer, (name, value)| {
                    let _ = write!(writer.text, "{name}: ");
                    writer.expr(value);
                });
                self.put(" }");
            }
            Expr::If(branches) => {
                let [condition, then, otherwise] = &**branches;
                self.put("IF ");
                self.operand(condition);
                self.put(" { ");
                self.expr(then);
                self.put(" } ELSE { ");
                self.expr(otherwise);
                self.put(" }");
            }
            Expr::Select(select) => self.in_parentheses(|writer| writer.select(select)),
        }
    }

    fn operand(&mut self, expr: &Expr) {
        match expr {
            Expr::Binary(..) | Expr::Prefix(..) | Expr::If(_) => self.in_parentheses(|writer| writer.expr(expr)),
            _ => self.expr(expr),
        }
    }

    fn path(&mut self, path: &Path) {
        let mut is_first = true;
        match &path.start {
            Start::Row => {}
            Start::Name(name) => {
                self.put(name);
                is_first = false;
            }
            Start::Expr(expr) => {
                self.operand(expr);
                is_first = false;
            }
        }
        for part in &path.parts {
            self.part(part, is_first);
            is_first = false;
        }
    }

    fn part(&mut self, part: &Part, is_first: bool) {
        match part {
            Part::Field(name) if is_first => self.put(name),
            Part::Field(name) => {
                let _ = write!(self.text, ".{name}");
            }
            Part::Index(index) => {
                let _ = write!(self.text, "[{index}]");
            }
            Part::Last => self.put("[$]"),
            Part::All => self.put(".*"),
            Part::Filter(condition) => {
                self.put("[WHERE ");
                self.expr(condition);
                self.put("]");
            }
            Part::Step(step) => self.step(step),
            Part::Method(name, arguments) => {
                let _ = write!(self.text, ".{name}");
                self.in_parentheses(|writer| writer.list(arguments, Self::expr));
            }
            Part::Pick(names) => {
                let _ = write!(self.text, ".{{ {} }}", names.join(", "));
            }
            Part::Flatten => self.put("..."),
            Part::Optional => self.put(".?"),
        }
    }

    fn step(&mut self, step: &Step) {
        self.put(step.arrow);
        let clauses = [step.head, step.rest].concat();
        let is_simple = step.filter.is_none() && clauses.is_empty() && step.tables.len() == 1;
        if is_simple {
            self.put(step.tables[0]);
            return;
        }
        self.in_parentheses(|writer| {
            writer.put(step.head);
            writer.put(&step.tables.join(", "));
            writer.clause(" WHERE ", step.filter.as_slice(), Self::expr);
            writer.put(step.rest);
        });
    }
}

//! The application whose queries are tried: its tables, and what their fields usually hold.

/// Every table has a changefeed, as `spky apply` gives it one.
pub const SCHEMA: &str = "
    DEFINE TABLE thread SCHEMALESS CHANGEFEED 1h;
    DEFINE TABLE user SCHEMALESS CHANGEFEED 1h;
    DEFINE TABLE org SCHEMALESS CHANGEFEED 1h;
    DEFINE TABLE comment SCHEMALESS CHANGEFEED 1h;
    DEFINE TABLE post SCHEMALESS CHANGEFEED 1h;
    DEFINE INDEX post_kind ON post FIELDS kind;
    DEFINE INDEX post_score ON post FIELDS score;
    DEFINE TABLE wrote TYPE RELATION FROM user TO post SCHEMALESS CHANGEFEED 1h;
    DEFINE TABLE likes SCHEMALESS CHANGEFEED 1h;
    DEFINE TABLE task SCHEMAFULL CHANGEFEED 1h;
    DEFINE FIELD n ON task TYPE int DEFAULT 1;
    DEFINE FIELD label ON task TYPE option<string>;
    DEFINE FIELD done ON task TYPE bool DEFAULT false;
    DEFINE FIELD due ON task TYPE option<datetime>;
    DEFINE FIELD owner ON task TYPE option<record<user>>;
    DEFINE FIELD rate ON task TYPE decimal DEFAULT 1.5dec;
";

/// What a field usually holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of a few words.
    Word,
    Text,
    Number,
    Flag,
    Moment,
    Span,
    Link(&'static str),
    Links(&'static str),
    /// A list of anything.
    List,
    Numbers,
    /// `{ views: number, deep: { level: any }, a: text }`.
    Object,
    /// A list of `{ n: number, b: [number, any], by: link }`.
    Items,
    Point,
    /// Three floats.
    Vector,
    Uuid,
    /// Anything that can be stored.
    Any,
}

/// How a table's rows come into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    Plain,
    /// An index may decide the order of a scan.
    Indexed,
    /// Rows come by `RELATE` between these tables.
    Edge(&'static str, &'static str),
    /// The schema decides what may be stored.
    Typed,
}

#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    pub nature: Nature,
    pub fields: &'static [(&'static str, Kind)],
    /// How many different integer keys are used; some tables have other keys, too.
    pub keys: u64,
}

pub const TABLES: &[Table] = &[
    Table {
        name: "thread",
        nature: Nature::Plain,
        keys: 7,
        fields: &[
            ("author", Kind::Link("user")),
            ("status", Kind::Word),
            ("priority", Kind::Number),
            ("tags", Kind::List),
            ("scores", Kind::Numbers),
            ("meta", Kind::Object),
            ("title", Kind::Text),
            ("at", Kind::Moment),
            ("flag", Kind::Flag),
            ("items", Kind::Items),
            ("watchers", Kind::Links("user")),
            ("parent", Kind::Link("thread")),
            ("took", Kind::Span),
            ("place", Kind::Point),
            ("vector", Kind::Vector),
            ("ref", Kind::Uuid),
            ("other", Kind::Any),
        ],
    },
    Table {
        name: "user",
        nature: Nature::Plain,
        keys: 4,
        fields: &[
            ("name", Kind::Text),
            ("status", Kind::Word),
            ("level", Kind::Number),
            ("org", Kind::Link("org")),
            ("active", Kind::Flag),
            ("friends", Kind::Links("user")),
            ("at", Kind::Moment),
            ("meta", Kind::Object),
        ],
    },
    Table {
        name: "org",
        nature: Nature::Plain,
        keys: 3,
        fields: &[("name", Kind::Text), ("rank", Kind::Number), ("lead", Kind::Link("user")), ("tags", Kind::List)],
    },
    Table {
        name: "comment",
        nature: Nature::Plain,
        keys: 9,
        fields: &[
            ("thread", Kind::Link("thread")),
            ("author", Kind::Link("user")),
            ("text", Kind::Text),
            ("score", Kind::Number),
            ("at", Kind::Moment),
            ("flag", Kind::Flag),
        ],
    },
    Table {
        name: "post",
        nature: Nature::Indexed,
        keys: 6,
        fields: &[
            ("author", Kind::Link("user")),
            ("kind", Kind::Word),
            ("score", Kind::Number),
            ("title", Kind::Text),
            ("at", Kind::Moment),
            ("thread", Kind::Link("thread")),
        ],
    },
    Table {
        name: "wrote",
        nature: Nature::Edge("user", "post"),
        keys: 6,
        fields: &[
            ("in", Kind::Link("user")),
            ("out", Kind::Link("post")),
            ("weight", Kind::Number),
            ("at", Kind::Moment),
            ("note", Kind::Text),
        ],
    },
    Table {
        name: "likes",
        nature: Nature::Edge("user", "thread"),
        keys: 6,
        fields: &[
            ("in", Kind::Link("user")),
            ("out", Kind::Link("thread")),
            ("weight", Kind::Number),
            ("status", Kind::Word),
        ],
    },
    Table {
        name: "task",
        nature: Nature::Typed,
        keys: 5,
        fields: &[
            ("n", Kind::Number),
            ("label", Kind::Word),
            ("done", Kind::Flag),
            ("due", Kind::Moment),
            ("owner", Kind::Link("user")),
            ("rate", Kind::Number),
        ],
    },
];

/// What is in an item of [`Kind::Items`].
pub const ITEM: &[(&str, Kind)] = &[("n", Kind::Number), ("b", Kind::List), ("by", Kind::Link("user"))];

pub fn table(name: &str) -> &'static Table {
    TABLES.iter().find(|table| table.name == name).unwrap_or_else(|| panic!("there is no table {name}"))
}

impl Table {
    /// The tables that link to this one, with the field that does.
    pub fn children(&self) -> Vec<(&'static Table, &'static str)> {
        let mut children = Vec::new();
        for table in TABLES {
            for (field, kind) in table.fields {
                if *kind == Kind::Link(self.name) {
                    children.push((table, *field));
                }
            }
        }
        children
    }

    /// The graph steps that lead away from a row: arrow, edge table, and the table behind it.
    pub fn steps(&self) -> Vec<(&'static str, &'static Table, &'static Table)> {
        let mut steps = Vec::new();
        for edge in TABLES {
            let Nature::Edge(from, to) = edge.nature else { continue };
            if from == self.name {
                steps.push(("->", edge, table(to)));
            }
            if to == self.name {
                steps.push(("<-", edge, table(from)));
            }
        }
        steps
    }
}

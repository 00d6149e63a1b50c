//! The queries that are compared: a list that covers the supported features, and random combinations of them.

use crate::support::Random;
use crate::writes;

/// A query with its parameters as SurrealQL text.
#[derive(Clone, Debug)]
pub struct Query {
    pub surql: String,
    pub params: String,
}

impl Query {
    fn plain(surql: impl Into<String>) -> Self {
        Query { surql: surql.into(), params: "{}".to_owned() }
    }
}

/// One query for each feature at least.
pub fn fixed() -> Vec<Query> {
    let mut queries: Vec<Query> = CONDITIONS.iter().map(|condition| of(condition)).collect();
    queries.extend(WHOLE.iter().map(|surql| Query::plain(*surql)));
    for order in ORDERS {
        for window in WINDOWS {
            queries.push(Query::plain(format!("SELECT * FROM thread ORDER BY {order} {window}")));
        }
        let surql = format!("SELECT * FROM thread WHERE status = $status ORDER BY {order} LIMIT $limit START $start");
        queries.push(Query { surql, params: "{ status: 'open', limit: 3, start: 1 }".to_owned() });
    }
    queries
}

fn of(condition: &str) -> Query {
    Query {
        surql: format!("SELECT * FROM thread WHERE {condition}"),
        params: "{ author: user:1, n: 3, list: [1, 2, 'open', user:2], word: 'open', day: d'2026-01-03T00:00:00Z', \
                 user: { id: user:2, level: 2 }, none: NONE }"
            .to_owned(),
    }
}

const WHOLE: &[&str] = &[
    "SELECT * FROM thread",
    "SELECT * FROM user",
    "SELECT * FROM thread LIMIT 5",
    "SELECT * FROM thread LIMIT 4 START 3",
    "SELECT id, status FROM thread WHERE status = 'open'",
    "SELECT *, author.status AS standing FROM thread ORDER BY standing DESC, id LIMIT 5",
    "SELECT id, meta.views AS views FROM thread ORDER BY views DESC, id LIMIT 4",
    "SELECT * FROM thread WHERE author = user:1 OR author = user:2 ORDER BY priority DESC, id ASC LIMIT 3",
    "SELECT * FROM thread ORDER BY priority",
    "SELECT * FROM thread WHERE id = thread:3",
    "SELECT * FROM thread WHERE id > thread:10",
    "SELECT * FROM thread WHERE id IN [thread:1, thread:2, thread:s1, thread:['a', 1]]",
];

const ORDERS: &[&str] = &[
    "priority",
    "priority DESC",
    "status, priority DESC",
    "title, priority DESC",
    "meta.views DESC, title",
    "author.status, id DESC",
    "tags[0], meta.deep.level DESC",
    "at DESC, id DESC",
    "author, priority, title DESC",
];

const WINDOWS: &[&str] = &["LIMIT 3", "LIMIT 2 START 2", "START 4", "LIMIT 0"];

/// Conditions over the fields of `thread`, one for each operator and kind of operand.
pub const CONDITIONS: &[&str] = &[
    "author = $author",
    "author = user:1",
    "author != user:1",
    "author == user:1",
    "author IS user:1",
    "author IS NOT user:1",
    "status = 'open'",
    "status != 'open'",
    "status = $word AND author = $author",
    "status = 'open' OR status = 'closed'",
    "status = 'open' || priority > 3",
    "status = 'open' && priority > 3",
    "!flag",
    "!!flag",
    "flag",
    "flag = true",
    "NOT_A_FIELD = NONE",
    "priority",
    "priority = 3",
    "priority = $n",
    "priority = 3.0",
    "priority = 1.5dec",
    "priority > 3",
    "priority >= 2.5",
    "priority < 2",
    "priority <= $n",
    "priority > 1 AND priority < 4",
    "priority < 1 OR priority > 5",
    "priority = NONE",
    "priority != NONE",
    "priority IS NONE",
    "priority IS NULL",
    "priority IS NOT NULL",
    "priority = $none",
    "priority IN [1, 2, 3]",
    "priority IN $list",
    "priority NOT IN [1, 2, 3]",
    "priority INSIDE [1, 'open']",
    "priority NOTINSIDE [1, 'open']",
    "priority IN 2..5",
    "priority IN 2..=5",
    "tags CONTAINS 3",
    "tags CONTAINS 'a'",
    "tags CONTAINS $word",
    "tags CONTAINSNOT 'a'",
    "tags CONTAINSALL [1, 2]",
    "tags CONTAINSANY [1, 'a', 'open']",
    "tags CONTAINSNONE ['a', 'b']",
    "tags ALLINSIDE [1, 2, 3, 'a', 'b', 'open']",
    "tags ANYINSIDE $list",
    "tags NONEINSIDE ['a', 1]",
    "'a' IN tags",
    "['a', 'b'] CONTAINS tags[0]",
    "tags ?= 3",
    "tags *= 3",
    "tags[0] = 3",
    "tags[1] > 1",
    "tags[$] = 'a'",
    "title CONTAINS 'ell'",
    "title IN 'hello world'",
    "title = 'hello' OR title = 'Hello'",
    "title > 'a'",
    "title = /^[hH]el/",
    "meta.views > 3",
    "meta.views = 3",
    "meta.deep.level = 'open'",
    "meta.deep.level",
    "meta.deep.missing = NONE",
    "meta = { views: 3, a: 'x' }",
    "meta CONTAINS 'views'",
    "meta.a = 'x' AND status = 'open'",
    "at > d'2026-01-02T00:00:00Z'",
    "at = $day",
    "at <= $day AND status != 'open'",
    "at < '2026-01-04'",
    "author = $user.id",
    "priority > $user.level",
    "$n = priority",
    "$n < priority",
    "3 > priority",
    "author = user:1 AND (status = 'open' OR priority = 3)",
    "(author = user:1 AND status = 'open') OR (author = user:2 AND status = 'closed')",
    "!(status = 'open')",
    "!(status = 'open' AND priority > 2)",
    "priority ?? status",
    "(priority ?? 5) = 5",
    "(flag ?: status) = 'open'",
    "status ?: flag",
    "id = thread:5",
    "id = $author",
    "id IN [thread:5, thread:6]",
    "priority = 1h",
    "priority > 30m",
    "author.name = 'open'",
    "author.priority = 3",
    "author.status",
    "author.meta.views >= 2",
    "author.missing = NONE",
    "tags.views = [3]",
    "items.n CONTAINS 3",
    "items.n = [1, 2]",
    "items[0].n > 1",
    "items[$].n = 2",
    "items.b[0] = [1, 2]",
    "items.b[$] CONTAINS 'a'",
    "items.by.status CONTAINS 'open'",
    "true",
    "false",
    "$n",
    "$n = 3",
];

/// A random condition, with a random order and window.
pub fn random(random: &mut Random) -> Query {
    let mut condition = random.pick(CONDITIONS).to_owned();
    for _ in 0..random.below(3) {
        let operator = random.pick(&["AND", "AND", "OR"]);
        let other = if random.below(4) == 0 {
            let field = random.pick(&["status", "priority", "author", "title", "tags"]);
            let comparison = random.pick(&["=", "!=", "<", ">", "CONTAINS", "INSIDE"]);
            format!("{field} {comparison} {}", writes::value(random))
        } else {
            random.pick(CONDITIONS).to_owned()
        };
        condition = format!("({condition}) {operator} ({other})");
    }
    let mut query = of(&condition);
    if random.below(2) == 0 {
        query.surql += &format!(" ORDER BY {} {}", random.pick(ORDERS), random.pick(WINDOWS));
    }
    query
}

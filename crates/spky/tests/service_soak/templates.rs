//! The queries of clients: some dozens, which differ in their parameters.

use crate::data::{LEVELS, PRIORITIES, Sizes, VIEWS};
use crate::queries::Query;
use crate::support::Random;

/// Those that an index finds rows for, also when SurrealDB is asked.
const COMMON: &[&str] = &[
    "SELECT * FROM post WHERE author = $person",
    "SELECT * FROM post WHERE author = $person AND status = 'open'",
    "SELECT * FROM post WHERE author = $person AND priority > $priority",
    "SELECT id, title FROM post WHERE author = $person AND status != 'closed'",
    "SELECT * FROM post WHERE author = $person OR editor = $person",
    "SELECT * FROM post WHERE author IN [$person, $other]",
    "SELECT *, author.name AS author_name FROM post WHERE author = $person",
    "SELECT id, <-likes<-person AS fans FROM post WHERE author = $person",
    "SELECT * FROM post WHERE title = $title",
    "SELECT * FROM post WHERE id = $post",
    "SELECT * FROM post WHERE id IN [$post, post:1]",
    "SELECT * FROM post WHERE views > $high",
    "SELECT * FROM post WHERE views >= $views AND views < $views + 5",
    "SELECT * FROM comment WHERE post = $post",
    "SELECT * FROM comment WHERE author = $person",
    "SELECT * FROM comment WHERE post = $post AND author = $person",
    "SELECT * FROM person WHERE org = $org AND level > $level",
    "SELECT * FROM person WHERE id = $person",
    // Windows.
    "SELECT * FROM post WHERE author = $person ORDER BY at DESC, id LIMIT 3",
    "SELECT * FROM post WHERE author = $person ORDER BY views, id LIMIT 2 START 1",
    "SELECT * FROM comment WHERE post = $post ORDER BY at DESC, id LIMIT 2",
    "SELECT * FROM comment WHERE author = $person ORDER BY post.views DESC, id LIMIT 4",
    // Subqueries.
    "SELECT *, (SELECT * FROM comment WHERE post = $parent.id) AS comments FROM post WHERE author = $person",
    "SELECT *, (SELECT * FROM comment WHERE post = $parent.id ORDER BY at DESC, id LIMIT 2) AS latest FROM post \
     WHERE author = $person ORDER BY at DESC, id LIMIT 2",
    "SELECT *, (SELECT * FROM person WHERE id = $parent.author) AS writer FROM post WHERE id = $post",
    "SELECT *, (SELECT *, (SELECT * FROM person WHERE id = $parent.author) AS writer FROM comment \
     WHERE post = $parent.id) AS comments FROM post WHERE id = $post",
    "SELECT *, (SELECT * FROM post WHERE author = $parent.id ORDER BY at DESC, id LIMIT 2) AS posts FROM person \
     WHERE org = $org AND level = $level",
];

/// Those for which SurrealDB reads a whole table, or of which many see the same rows. One view in [`RARELY`] is of these.
const RARE: &[&str] = &[
    "SELECT * FROM post WHERE tags CONTAINS $word",
    "SELECT * FROM post WHERE tags CONTAINS $word AND status = 'open'",
    "SELECT * FROM post WHERE tags CONTAINS $word ORDER BY views DESC, id LIMIT $limit",
    "SELECT * FROM post WHERE author.name = $name",
    "SELECT * FROM post WHERE author.org.name = $org_name AND priority = $priority",
    "SELECT * FROM comment WHERE post.author = $person",
    "SELECT * FROM comment WHERE post.author.org = $org AND post.status = 'open'",
    "SELECT * FROM post WHERE status = 'open' ORDER BY priority DESC, views DESC, id LIMIT $limit",
    "SELECT * FROM post ORDER BY views DESC, id LIMIT $limit START $start",
    "SELECT * FROM post WHERE author IN (SELECT VALUE id FROM person WHERE org = $org AND level = $level)",
    "SELECT * FROM post WHERE id IN (SELECT VALUE out FROM likes WHERE in = $person)",
    "SELECT * FROM person WHERE ->likes->post CONTAINS $post",
];
const RARELY: u64 = 16;

/// A query of a client.
pub fn random(sizes: &Sizes, random: &mut Random) -> Query {
    let templates = if random.below(RARELY) == 0 { RARE } else { COMMON };
    let surql = random.pick(templates);
    let mut params = Vec::new();
    let mut bind = |name: &str, value: String| {
        if uses(surql, name) {
            params.push(format!("{name}: {value}"));
        }
    };
    bind("person", format!("person:{}", random.below(sizes.people)));
    bind("other", format!("person:{}", random.below(sizes.people)));
    bind("post", format!("post:{}", random.below(sizes.posts)));
    bind("org", format!("org:{}", random.below(sizes.orgs)));
    bind("org_name", format!("'org{}'", random.below(sizes.orgs)));
    bind("name", format!("'n{}'", random.below(sizes.people)));
    bind("title", format!("'t{}'", random.below(sizes.posts)));
    bind("word", format!("'w{}'", random.below(sizes.words)));
    bind("priority", random.below(PRIORITIES).to_string());
    bind("level", random.below(LEVELS).to_string());
    bind("views", random.below(VIEWS).to_string());
    bind("high", (VIEWS - 1 - random.below(VIEWS / 500)).to_string());
    bind("limit", (1 + random.below(8)).to_string());
    bind("start", random.below(4).to_string());
    Query { surql: surql.to_owned(), params: format!("{{ {} }}", params.join(", ")) }
}

/// Whether a query uses a parameter.
fn uses(surql: &str, name: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|next: char| next == '_' || next.is_alphanumeric());
    let parts = surql.split('$').skip(1);
    parts.filter_map(|part| part.strip_prefix(name)).any(|rest| !goes_on(rest))
}

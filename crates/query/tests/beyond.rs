//! What a plan may read of other records. Catches: a way to a field of another record that nobody is told of, and a field of
//! the row itself that is taken for one.

use std::collections::BTreeSet;

use circuit::{Beyond, Object};
use query::compile;

/// Queries, and the names of the fields that they may read of other records; `*` for whole records.
const QUERIES: &[(&str, &[&str])] = &[
    ("SELECT * FROM t", &[]),
    ("SELECT total, author FROM t WHERE total > 3 ORDER BY total LIMIT 3", &[]),
    ("SELECT author.total FROM t", &["total"]),
    ("SELECT * FROM t WHERE author.org.total = 1", &["org", "total"]),
    ("SELECT id, author.name AS n FROM t ORDER BY n", &["name"]),
    ("SELECT author.* FROM t", &["*"]),
    ("SELECT author.{ name, total } FROM t", &["name", "total"]),
    ("SELECT author.{ org.* } FROM t", &["*", "org"]),
    ("SELECT * FROM t FETCH author", &["*"]),
    ("SELECT authors[0].total FROM t", &["total"]),
    ("SELECT authors[WHERE total > 3] FROM t", &["total"]),
    ("SELECT authors.map(|$a| $a.total) AS x FROM t", &["total"]),
    ("SELECT ->wrote->post AS posts FROM t", &[]),
    ("SELECT ->wrote->post.total AS x FROM t", &["total"]),
    ("SELECT ->(wrote WHERE at > 1)->post AS posts FROM t", &["at"]),
    ("SELECT *, (SELECT total FROM c WHERE t = $parent.id) AS cs FROM t", &[]),
    ("SELECT *, (SELECT * FROM c WHERE t = $parent.author.total) AS cs FROM t", &["total"]),
    ("SELECT *, (SELECT post.total FROM c WHERE t = $parent.id) AS cs FROM t", &["total"]),
    ("SELECT * FROM t WHERE n IN (SELECT VALUE u.total FROM c)", &["total"]),
    ("SELECT count(), author.total AS x FROM t GROUP BY x", &["total"]),
    ("SELECT math::sum(author.total) AS x FROM t GROUP ALL", &["total"]),
    ("SELECT * FROM t WHERE n = u:1.total", &["total"]),
    // The links are rows, and so are the records that they stand for.
    ("SELECT name FROM (SELECT VALUE author FROM t)", &["*", "name"]),
    ("SELECT IF n = 1 { author.total } ELSE { 0 } AS x FROM t", &["total"]),
];

#[test]
fn what_is_read_of_other_records_is_told() {
    for (surql, expected) in QUERIES {
        let query = compile(surql, &Object::from_iter([])).unwrap_or_else(|error| panic!("{surql}: {error}"));
        let mut found = BTreeSet::new();
        query.plan.beyond(&mut |beyond| {
            found.insert(match beyond {
                Beyond::Field(name) => name.to_owned(),
                Beyond::Whole => "*".to_owned(),
            });
        });
        let expected: BTreeSet<String> = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(found, expected, "{surql}");
    }
}

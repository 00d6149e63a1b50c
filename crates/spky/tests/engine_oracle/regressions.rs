//! What was wrong once, or easily could be: it stays right.

use crate::arena::Arena;
use crate::compare::Sequence;
use crate::schema::SCHEMA;
use crate::subject::Engine;
use crate::tree::Text;
use crate::trial::{Trial, Watch, play};

/// A query and writes, as the shrinker prints them.
struct Case {
    /// Requests; the engine learns of those of a batch at once.
    batches: &'static [&'static [&'static str]],
    /// The batch before which the query is registered.
    since: usize,
    /// The batch before which it is unregistered, and registered again.
    renewed: Option<usize>,
    surql: &'static str,
    params: &'static str,
    /// Further views, with their parameters.
    others: &'static [(&'static str, &'static str)],
}

const CASES: &[Case] = &[
    // The condition looks at a linked record, which changes without the row.
    Case {
        batches: &[
            &["CREATE thread:1 SET author = user:1"],
            &["CREATE user:1 SET status = 'open'"],
            &["UPDATE user:1 SET status = 'closed'"],
            &["UPDATE user:1 SET status = 'open'; DELETE user:1"],
        ],
        since: 0,
        renewed: None,
        surql: "SELECT * FROM thread WHERE author.status = 'open'",
        params: "{}",
        others: &[],
    },
    // Rows that are derived again under their ids have not left.
    Case {
        batches: &[&["UPSERT user:3 CONTENT {}"], &["UPSERT org:2 CONTENT {}"], &["UPSERT org:0 CONTENT {}"]],
        since: 0,
        renewed: None,
        surql: "SELECT org FROM user WHERE !(org IN (SELECT VALUE id FROM org WHERE lead < user:4)) GROUP BY org",
        params: "{}",
        others: &[],
    },
    // Rows of several sources are grouped in the order of the sources.
    Case {
        batches: &[&["UPSERT thread:6 CONTENT { other: 1 }"], &["UPSERT user:0 CONTENT {}"]],
        since: 0,
        renewed: None,
        surql: "SELECT other FROM thread, user GROUP ALL",
        params: "{}",
        others: &[],
    },
    // A row that leaves a window pulls the next one in, and one that moves within it only changes places.
    Case {
        batches: &[
            &[
                "CREATE thread:1 SET priority = 1",
                "CREATE thread:2 SET priority = 2",
                "CREATE thread:3 SET priority = 3",
            ],
            &["UPDATE thread:1 SET priority = 2.5"],
            &["DELETE thread:2"],
            &["BEGIN; UPDATE thread SET priority = 0; DELETE thread:1; COMMIT"],
        ],
        since: 1,
        renewed: None,
        surql: "SELECT * FROM thread ORDER BY priority LIMIT $p0 START 1",
        params: "{ p0: 1 }",
        others: &[("SELECT * FROM thread ORDER BY priority LIMIT 2", "{}")],
    },
    // A condition inside of a path reads records, whatever parameters it compares them with.
    Case {
        batches: &[
            &["CREATE thread:1 SET watchers = [user:1]; CREATE user:1 SET level = 1"],
            &["RELATE user:1->likes:1->thread:1 SET weight = 1"],
            &["UPDATE likes:1 SET weight = 2; UPDATE user:1 SET level = 2"],
        ],
        since: 0,
        renewed: None,
        surql: "SELECT * FROM thread WHERE <-(likes WHERE weight = $p0)<-user",
        params: "{ p0: 1 }",
        others: &[("SELECT * FROM thread WHERE watchers[WHERE level = $p0]", "{ p0: 2 }")],
    },
    // Several sources, each in its own order; a group takes its rows in these orders, too.
    Case {
        batches: &[
            &["CREATE thread:1 SET priority = 1; CREATE thread:2 SET priority = 2; CREATE user:1, user:2"],
            &["UPDATE thread:1 SET priority = 3"],
        ],
        since: 0,
        renewed: None,
        surql: "SELECT VALUE id FROM (SELECT * FROM thread ORDER BY priority DESC), thread:2, user",
        params: "{}",
        others: &[
            ("SELECT id FROM (SELECT * FROM thread ORDER BY priority DESC), user, thread GROUP ALL", "{}"),
            ("SELECT * FROM thread:1, thread ORDER BY priority LIMIT 2", "{}"),
        ],
    },
    // The items of one list are read by a plain query, and by one that waits for a subquery.
    Case {
        batches: &[&["UPSERT thread:2 CONTENT { author: user:0 }"], &["UPSERT user:0 CONTENT {}"]],
        since: 1,
        renewed: None,
        surql: "SELECT * FROM [thread:1, thread:2].author",
        params: "{}",
        others: &[(
            "SELECT name FROM $p0.author WHERE id NOT IN (SELECT VALUE author FROM thread WHERE took = 30m) GROUP BY name",
            "{ p0: [thread:1, thread:2] }",
        )],
    },
    // Two records whose ids are equal, and not the same.
    Case {
        batches: &[
            &["CREATE thread:['a', 1] SET flag = true", "CREATE thread:['a', 1f] SET flag = false"],
            &["UPDATE thread SET flag = !flag"],
            &["DELETE thread:['a', 1]"],
        ],
        since: 0,
        renewed: None,
        surql: "SELECT * FROM thread WHERE flag",
        params: "{}",
        others: &[],
    },
    // A path that begins in a list goes on from each item with all that is behind it, also with a parameter in it.
    Case {
        batches: &[&["RELATE user:2->likes:3->thread:0 CONTENT { status: 1 }"]],
        since: 0,
        renewed: None,
        surql: "SELECT * FROM [user:1, user:2]->likes[WHERE status] WHERE out[WHERE $this = $p0]",
        params: "{ p0: 4 }",
        others: &[
            ("SELECT * FROM [user:1, user:2]->likes WHERE $this.out[WHERE $this = $p0]", "{ p0: thread:0 }"),
            ("SELECT VALUE out[WHERE $this = $p0] FROM [user:1, user:2]->likes", "{ p0: thread:0 }"),
        ],
    },
    // A geometry is an object where fields are picked from it, and stays what it is where all of it is taken.
    Case {
        batches: &[&[]],
        since: 0,
        renewed: None,
        surql: "SELECT * OMIT meta.views FROM { a: [{ priority: 1 }, 4, (1, 2), [thread:1]] }.a",
        params: "{}",
        others: &[],
    },
    // A link to no record is no row beside `*`, and one without fields elsewhere, until there is such a record.
    Case {
        batches: &[
            &["UPSERT thread:0 CONTENT { parent: thread:7 }"],
            &["UPSERT thread:7 CONTENT { title: 'seven' }"],
            &["DELETE thread:7"],
        ],
        since: 0,
        renewed: None,
        surql: "SELECT *, <-likes<-user FROM (SELECT VALUE parent FROM thread)",
        params: "{}",
        others: &[
            ("SELECT title AS a.b FROM (SELECT VALUE parent FROM thread)", "{}"),
            ("SELECT title FROM (SELECT VALUE parent FROM thread ORDER BY id) LIMIT 1", "{}"),
            ("SELECT title FROM (SELECT VALUE parent FROM ONLY thread:0)", "{}"),
        ],
    },
    // A link may be a range, which is no record. SurrealDB has no order among these, so none is asked for.
    Case {
        batches: &[
            &["CREATE thread:1 SET link = user:1..3, links = [user:1.., user:2], mixed = [user:..]"],
            &["CREATE user:1, user:2, user:3 SET name = 'x'; CREATE thread:2 SET link = user:['a', 1]..['b']"],
            &["UPDATE thread:1 SET link = user:1..=3", "CREATE thread:3 SET link = user:1..3"],
            &["UPDATE thread:3 SET link = user:2; DELETE user:2"],
        ],
        since: 0,
        renewed: None,
        surql: "SELECT * FROM thread",
        params: "{}",
        others: &[
            ("SELECT * FROM thread WHERE link = type::record('user', 1..3)", "{}"),
            ("SELECT *, link.name, links.name FROM thread WHERE link", "{}"),
            ("SELECT * FROM (SELECT VALUE link FROM thread)", "{}"),
            ("SELECT record::id(link) AS key, <string> link AS text, type::is_record(link) AS is FROM thread", "{}"),
            ("SELECT * FROM user WHERE id IN (SELECT VALUE link FROM thread)", "{}"),
            ("SELECT * FROM type::record('user', 1..3)", "{}"),
            ("SELECT * FROM thread WHERE type::record('user', 1..n)", "{}"),
            ("SELECT link->likes AS l, links[WHERE name] AS named FROM thread", "{}"),
        ],
    },
    // A closure does not look behind a field that a geometry does not have.
    Case {
        batches: &[&["CREATE thread:1 SET place = (1, 2), places = [(1, 2), 1, { a: { b: 'x' } }]"]],
        since: 0,
        renewed: None,
        surql: "SELECT id, value::chain(places, |$v| $v.a.b.is_string()) AS x FROM thread",
        params: "{}",
        others: &[
            ("SELECT id, value::chain(place, |$v| $v.a.is_none()) AS x FROM thread", "{}"),
            ("SELECT id, value::chain(place, |$v| $v.type.is_string()) AS x FROM thread", "{}"),
            ("SELECT id, value::chain(place, |$v| $v.coordinates.len()) AS x FROM thread", "{}"),
        ],
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_wrong_once_stays_right() {
    let arena = Arena::open().await;
    for case in CASES {
        let watch = |surql: &str, params: &str, since, renewed| Watch {
            text: Text { surql: surql.to_owned(), params: params.to_owned() },
            sequence: Sequence::Exact,
            since,
            renewed,
        };
        let mut views = vec![watch(case.surql, case.params, case.since, case.renewed)];
        views.extend(case.others.iter().map(|(surql, params)| watch(surql, params, 0, None)));
        let batches = case.batches.iter().map(|batch| batch.iter().map(ToString::to_string).collect()).collect();
        let trial = Trial { schema: SCHEMA.to_owned(), batches, views };
        for (watch, outcome) in trial.views.iter().zip(play(&arena, Box::new(Engine::new()), &trial).await) {
            assert!(outcome.refusal.is_none(), "{:?}: {:?}", watch.text, outcome.refusal);
            if let Some(mismatch) = &outcome.mismatch {
                panic!("{:?} {mismatch}", watch.text);
            }
            assert!(outcome.agreed > 0, "{:?}: {:?}", watch.text, outcome.error);
        }
    }
}

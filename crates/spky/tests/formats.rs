//! Views whose rows are more than records: subqueries as edges under edges, groups with records of their own, and answers
//! that are kept whole. After every write they are what SurrealDB itself answers.

mod support;

use database::Capture;
use serde_json::{Value as Json, json};
use support::{World, stage};
use surrealdb::types::Value;

const SCHEMA: &str = "DEFINE TABLE user SCHEMALESS; DEFINE TABLE thread SCHEMALESS; DEFINE TABLE comment SCHEMALESS; \
                      DEFINE TABLE barrier SCHEMALESS";

const NESTED: &str = "SELECT id, title, author.name AS by, (SELECT id, text, (SELECT id FROM user WHERE id = $parent.author) \
                      AS writer FROM comment WHERE thread = $parent.id ORDER BY id LIMIT 2) AS comments FROM thread \
                      WHERE open = true ORDER BY id";

const GROUPED: &str = "SELECT open, count() AS threads FROM thread GROUP BY open";

/// Each of these changes what one of the views shows, some of them only through a link or a subquery.
const WRITES: &[&str] = &[
    "CREATE user:1 SET name = 'Ada'; CREATE user:2 SET name = 'Grace'",
    "CREATE thread:1 SET title = 'one', open = true, author = user:1; CREATE thread:2 SET title = 'two', open = false, author = user:2",
    "CREATE comment:1 SET thread = thread:1, text = 'a', author = user:2; CREATE comment:2 SET thread = thread:1, text = 'b'",
    "CREATE comment:0 SET thread = thread:1, text = 'first', author = user:1",
    "UPDATE user:1 SET name = 'Augusta'",
    "UPDATE comment:1 SET thread = thread:2",
    "UPDATE thread:2 SET open = true",
    "DELETE comment:0",
    "UPDATE thread:1 SET open = false",
    "DELETE thread:1",
];

async fn register(world: &World, id: &str, surql: &str, format: &str) {
    let body = json!({ "id": id, "surql": surql, "clientId": "test", "ttl": "1h", "format": format });
    let (status, answer) = world.post("/view/register", &body).await;
    assert_eq!(status, 200, "{surql}: {answer}");
}

async fn json_of(world: &World, surql: &str) -> Json {
    world.run(surql).await.swap_remove(0).into_json_value()
}

/// Every way to a record in an answer, as the edges should have it.
fn paths(rows: &Json, under: &str, into: &mut Vec<String>) {
    for row in rows.as_array().into_iter().flatten() {
        let path = format!("{under}/{}", row["id"].as_str().unwrap_or_default());
        for relation in ["comments", "writer"] {
            paths(&row[relation], &format!("{path}.{relation}"), into);
        }
        into.push(path);
    }
}

/// The same ways, as the edges have them.
async fn edge_paths(world: &World) -> Vec<String> {
    let edges = world
        .run("SELECT VALUE [id, out, parent, parent_rel] FROM _00_list_ref WHERE in = _00_query:nested")
        .await
        .swap_remove(0)
        .into_json_value();
    let edges: Vec<[String; 4]> = edges
        .as_array()
        .into_iter()
        .flatten()
        .map(|edge| [0, 1, 2, 3].map(|part| edge[part].as_str().unwrap_or_default().to_owned()))
        .collect();
    let path = |edge: &[String; 4]| {
        let mut way = Vec::new();
        let mut at = Some(edge);
        while let Some([_, out, parent, relation]) = at {
            let relation = if relation.is_empty() { String::new() } else { format!(".{relation}") };
            way.push(format!("{relation}/{out}"));
            at = edges.iter().find(|other| other[0] == *parent);
        }
        way.into_iter().rev().collect::<String>()
    };
    let mut paths: Vec<String> = edges.iter().map(path).collect();
    paths.sort();
    paths
}

/// Catches children without parents, groups without records, and answers that miss a change of a linked record.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_a_view_is_what_surrealdb_answers() {
    let stage = stage().await;
    let mut world = World::start(&stage, "formats", Capture::Feed, SCHEMA).await.with_barrier().await;
    register(&world, "nested", NESTED, "streaming").await;
    register(&world, "tree", NESTED, "tree").await;
    register(&world, "flat", "SELECT * FROM thread WHERE open = true", "flat").await;
    register(&world, "grouped", GROUPED, "streaming").await;
    for (number, write) in WRITES.iter().enumerate() {
        world.run(write).await;
        if number == WRITES.len() / 2 {
            world = world.restart().await;
        }
        world.quiet().await;

        let expected = json_of(&world, NESTED).await;
        assert_eq!(json_of(&world, "RETURN _00_query:tree.result").await, expected, "tree after {write}");

        let mut ways = Vec::new();
        paths(&expected, "", &mut ways);
        ways.sort();
        assert_eq!(edge_paths(&world).await, ways, "edges after {write}");

        let records = "RETURN (SELECT VALUE id FROM thread WHERE open = true)";
        let flat = json_of(&world, "RETURN _00_query:flat.result.map(|$row| $row[0])").await;
        assert_eq!(flat, json_of(&world, records).await, "flat after {write}");

        let shown = world.run("SELECT VALUE out.content FROM _00_list_ref WHERE in = _00_query:grouped").await;
        let shown = sorted(shown.into_iter().next().expect("an answer"));
        let expected = sorted(world.run(GROUPED).await.swap_remove(0));
        assert_eq!(shown, expected, "groups after {write}");
    }
}

fn sorted(rows: Value) -> Vec<String> {
    let rows = rows.into_json_value();
    let mut rows: Vec<String> = rows.as_array().into_iter().flatten().map(Json::to_string).collect();
    rows.sort();
    rows
}

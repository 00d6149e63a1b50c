//! A view as server-sent events: the result, then its changes, in order, and again from where a client left off.

mod support;

use std::time::Duration;

use database::Capture;
use serde_json::{Value as Json, json};
use support::{SECRET, World, stage};

const SCHEMA: &str = "
    DEFINE TABLE thread SCHEMALESS;
    DEFINE TABLE comment SCHEMALESS;
    DEFINE TABLE barrier SCHEMALESS;
    CREATE thread:1 SET open = true, votes = 1; CREATE thread:2 SET open = false;
";

struct Event {
    name: String,
    id: String,
    data: Json,
}

/// A client of one view.
struct Follower {
    answer: reqwest::Response,
    text: String,
}

impl Follower {
    async fn open(world: &World, view: &str, seen: Option<&str>) -> Follower {
        let mut request = reqwest::Client::new().get(world.url(&format!("/view/{view}/events"))).bearer_auth(SECRET);
        if let Some(id) = seen {
            request = request.header("last-event-id", id);
        }
        let answer = request.send().await.expect("the sidecar answers");
        assert_eq!(answer.status().as_u16(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Follower { answer, text: String::new() }
    }

    /// The next event; nothing if the stream has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
                };
                let Some(name) = field("event") else { continue };
                let data = serde_json::from_str(&field("data").expect("data")).expect("JSON");
                return Some(Event { name, id: field("id").expect("an id"), data });
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.answer.chunk()).await.expect("in time");
            self.text.push_str(std::str::from_utf8(&chunk.expect("the connection holds")?).expect("a text"));
        }
    }

    async fn change(&mut self) -> Event {
        let event = self.next().await.expect("the stream goes on");
        assert_eq!(event.name, "change");
        event
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_can_be_followed_over_http() {
    let stage = stage().await;
    let world = World::start(&stage, "events", Capture::Feed, SCHEMA).await.with_barrier().await;
    let surql = "SELECT *, (SELECT * FROM comment WHERE thread = $parent.id) AS comments FROM thread WHERE open";
    let registered = world.register("v", surql, "{}").await;

    let mut follower = Follower::open(&world, "v", None).await;
    let result = follower.next().await.expect("a first event");
    assert_eq!((result.name.as_str(), &result.data["rows"]), ("result", &registered["rows"]));
    world.run("UPDATE thread:2 SET open = true").await;
    let entered = follower.change().await;
    assert_eq!(entered.data["changes"], json!([{ "action": "CREATE", "id": "thread:2", "version": 2 }]));
    assert_eq!(entered.data["rowCount"], 2);
    world.run("CREATE comment:1 SET thread = thread:1").await;
    let below = follower.change().await;
    let child =
        json!({ "action": "CREATE", "id": "comment:1", "version": 1, "parent": "thread:1", "relation": "comments" });
    assert_eq!(below.data["changes"], json!([child]));
    assert_eq!(world.run("RETURN _00_query:v.hash").await[0].clone().into_json_value(), below.data["hash"]);
    drop(follower);

    // What happens while nobody listens is told to who comes back, and nothing twice.
    world.run("DELETE comment:1").await;
    world.quiet().await;
    world.run("UPDATE thread:1 SET votes = 2").await;
    world.quiet().await;
    let mut back = Follower::open(&world, "v", Some(&below.id)).await;
    let first = back.change().await;
    let gone = json!({ "action": "DELETE", "id": "comment:1", "parent": "thread:1", "relation": "comments" });
    assert_eq!(first.data["changes"], json!([gone]));
    let second = back.change().await;
    assert_eq!(second.data["changes"], json!([{ "action": "UPDATE", "id": "thread:1", "version": 2 }]));
    // Who names an event that is not known begins with the result.
    for unknown in ["0123456789abcdef-1", "nonsense"] {
        let mut other = Follower::open(&world, "v", Some(unknown)).await;
        let result = other.next().await.expect("a first event");
        assert_eq!((result.name.as_str(), result.data["rows"].as_array().map(Vec::len)), ("result", Some(2)));
    }

    // The stream ends with the view, and with the service.
    assert_eq!(world.post("/view/unregister", &json!({ "id": "v" })).await.0, 200);
    assert!(back.next().await.is_none());
    let absent = reqwest::Client::new().get(world.url("/view/v/events")).bearer_auth(SECRET).send().await;
    assert_eq!(absent.expect("the sidecar answers").status().as_u16(), 404);
    world.register("w", "SELECT count() FROM thread GROUP ALL", "{}").await;
    let mut last = Follower::open(&world, "w", None).await;
    assert_eq!(last.next().await.expect("a first event").data["rows"][0]["record"], json!({ "count": 2 }));
    world.run("CREATE thread:3").await;
    let counted = last.change().await;
    assert_eq!(counted.data["changes"][0]["record"], json!({ "count": 3 }));
    world.ssp.stop().await.expect("the sidecar stops");
    assert!(last.next().await.is_none());
}

/// What is announced and never committed is no event.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_committed_is_told() {
    let stage = stage().await;
    let world = World::start(&stage, "committed", Capture::Push, SCHEMA).await.with_barrier().await;
    world.register("v", "SELECT * FROM thread WHERE open", "{}").await;
    let mut follower = Follower::open(&world, "v", None).await;
    assert_eq!(follower.next().await.expect("a first event").name, "result");
    let lie = json!({ "table": "thread", "op": "CREATE", "id": "thread:99", "record": { "open": true } });
    assert_eq!(world.post("/ingest", &lie).await.0, 200);
    let aborted = "BEGIN; CREATE thread:98 SET open = true; THROW 'never mind'; COMMIT;";
    world.client.query(aborted).await.expect("the database answers");
    world.run("CREATE thread:4 SET open = true").await;
    let event = follower.change().await;
    assert_eq!(event.data["changes"], json!([{ "action": "CREATE", "id": "thread:4", "version": 1 }]));
    world.ssp.stop().await.expect("the sidecar stops");
}

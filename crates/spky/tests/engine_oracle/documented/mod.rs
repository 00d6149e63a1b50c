//! What SurrealDB's documentation shows: each example is answered as SurrealDB answers it, or refused by name. There is
//! no third way.

mod functions;
mod more_functions;
mod operators;
mod select;

use crate::arena::Arena;
use crate::compare::Sequence;
use crate::subject::Engine;
use crate::tree::Text;
use crate::trial::{Outcome, Trial, Watch, play};

const TABLES: &str = "
    DEFINE TABLE sample SCHEMALESS CHANGEFEED 1h;
    DEFINE TABLE other SCHEMALESS CHANGEFEED 1h;
    DEFINE FUNCTION fn::own($n: int) { RETURN $n + 1; };
    DEFINE SEQUENCE numbers;
";

/// Rows with a field of every type, whose values change.
const SAMPLE: &[&[&str]] = &[
    &[
        "CREATE other:1 SET name = 'one', rec = other:2; CREATE other:2 SET name = 'two', rec = other:1",
        "CREATE sample:1 CONTENT {
            i: 3, j: 2, f: 2.5, g: 0.25, d: 1.25dec, s: 'Hello World', w: 'open', flag: true, nothing: NULL,
            email: 'jane@example.com', url: 'https://user@sub.example.com:8080/a/b?x=1#top', ver: '1.2.3',
            ip: '127.0.0.1', html: '<b onclick=\"x\">hi</b>', hex: '00ff', json: '{ \"a\": [1, 2.5] }',
            a: [3, 1, 2, 3], b: [2, 3, 4], n: [2.5, 1.0, 4.0, 3.5], aa: [[1, 2], [3, [4]]],
            texts: ['b', 'a', 'item10', 'item2', 'B', 'é'], bo: [true, false], bp: [false, false],
            o: { a: 1, b: { c: 'x' } }, pairs: [['a', 1], ['b', 2]], objects: [{ k: 1, l: 'x' }, { k: 2 }],
            at: d'2026-01-03T10:20:30.123456789Z', ats: [d'2026-01-03T00:00:00Z', d'2025-01-03T00:00:00Z'], dur: 90m,
            rec: other:1, recs: [other:1, other:2], p: (1.0, 2.0), q: (-0.5, 51.5),
            poly: { type: 'Polygon', coordinates: [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]] },
            line: { type: 'LineString', coordinates: [[0.0, 0.0], [2.0, 2.0]] },
            uuid: u'018f0000-0000-7000-8000-000000000001', ulid: '01ARZ3NDEKTSV4RRFFQ69G5FAV', by: <bytes> 'hi',
            set: {1, 2, 3}, other_set: {2, 4}, v: [1.0, 2.0, 3.0], u: [0.5, -1.0, 2.0]
        }",
        "CREATE sample:2 CONTENT (SELECT * OMIT id FROM ONLY sample:1)",
        "UPDATE sample:2 MERGE {
            i: -7, j: 4, f: -0.5, g: -1.0, d: -3.5dec, s: 'éclair à la carte', w: 'held', flag: false, a: [1], b: [1],
            email: 'no address', url: 'http://example.org/', ver: '10.0.0', ip: '::1', html: 'plain', hex: 'xyz',
            bo: [false], rec: other:9, recs: [], p: (0.5, 0.5), dur: 2w, set: <set> [5], objects: [],
            at: d'2024-02-29T23:59:59Z', o: { a: 2 }, texts: ['x']
        }",
        "CREATE sample:3 CONTENT (SELECT * OMIT id FROM ONLY sample:1)",
    ],
    &[
        "UPDATE sample:1 MERGE { i: 4, f: 1.5, s: 'Goodbye', a: [9, 8, 3], w: 'shut', at: d'2026-06-01T00:00:00Z' }",
        "UPDATE sample:3 MERGE { set: <set> [2], o: { a: 5, b: { c: 'y' } }, rec: other:2, p: (3.0, 3.0), flag: false }",
    ],
    &["UPDATE other:1 SET name = 'uno'", "DELETE other:2", "DELETE sample:3", "CREATE other:9 SET name = 'nine'"],
];

const APPLICATION_TABLES: &str = "
    DEFINE TABLE person SCHEMALESS CHANGEFEED 1h;
    DEFINE TABLE article SCHEMALESS CHANGEFEED 1h;
    DEFINE TABLE review SCHEMALESS CHANGEFEED 1h;
    DEFINE TABLE event SCHEMALESS CHANGEFEED 1h;
    DEFINE TABLE temperature SCHEMALESS CHANGEFEED 1h;
    DEFINE TABLE country SCHEMALESS CHANGEFEED 1h;
    DEFINE TABLE nothing_here SCHEMALESS CHANGEFEED 1h;
    DEFINE TABLE reacted_to TYPE RELATION FROM person TO article | person SCHEMALESS CHANGEFEED 1h;
";

/// A small application.
const APPLICATION: &[&[&str]] = &[
    &[
        "CREATE person:tobie SET name = { first: 'Tobie' }, email = 'tobie@example.com', age = 30, active = true,
            address = { city: 'London', country: 'UK' }, country = 'UK', emails = ['a@example.com', 'z@example.com'],
            addresses = [{ active: true, coordinates: [1, 2] }, { active: false, coordinates: [3, 4] }],
            friends = [person:jaime, person:nobody]",
        "CREATE person:jaime SET name = { first: 'Jaime' }, email = 'jaime@example.com', age = 17, active = true,
            address = { city: 'Paris', country: 'FR' }, country = 'FR', owner = true, emails = [], addresses = []",
        "CREATE person:1 SET name = NONE, email = '', age = 66, country = 'UK', active = false, admin = true, emails = ['m@x.org']",
        "CREATE article:1 SET title = 'Item 10', author = person:tobie, tags = ['news', 'db', 'news'], published = true, rating = 5",
        "CREATE article:2 SET title = 'item 9', author = person:jaime, tags = ['db'], published = false, rating = 3",
        "CREATE article:3 SET title = 'Élan', author = person:nobody, rating = 4, published = true, name = 'three', tags = []",
        "CREATE review:1 SET article = article:1, rating = 4, by = person:jaime",
        "CREATE review:2 SET article = article:1, rating = 2.5, by = person:tobie",
        "CREATE review:3 SET article = article:2, rating = 5dec, by = person:nobody",
        "CREATE event:1 SET host = person:tobie, type = 'activity', at = d'2026-01-05T00:00:00Z'",
        "CREATE event:2 SET host = person:tobie, type = 'Activity', at = d'2026-02-05T00:00:00Z'",
        "CREATE event:3 SET host = person:1, type = 'other', at = d'2026-02-07T00:00:00Z'",
        "CREATE temperature:['London', 1] SET celsius = 20; CREATE temperature:['London', 2] SET celsius = 21.5",
        "CREATE temperature:['Paris', 1] SET celsius = -3; CREATE temperature:['London', 3] SET celsius = 10dec",
        "CREATE country:1 SET name = 'UK', locations = { cities: ['London', 'Leeds'] }",
        "RELATE person:tobie->reacted_to:1->article:1 SET type = 'celebrate', strength = 20",
        "RELATE person:tobie->reacted_to:2->article:2 SET type = 'like', strength = 5",
        "RELATE person:jaime->reacted_to:3->article:1 SET type = 'celebrate', strength = 12",
        "RELATE person:jaime->reacted_to:4->person:tobie SET type = 'wave', strength = 1",
    ],
    &[
        "UPDATE person:tobie SET age = 31, active = false, address.city = 'Leeds', emails += 'k@example.com'",
        "UPDATE article:2 SET author = person:tobie, tags = ['news'], published = true",
        "UPDATE reacted_to:2 SET type = 'celebrate', strength = 15",
        "UPDATE review:1 SET article = article:2, rating = 1",
        "DELETE event:1",
    ],
    &[
        "CREATE person:nobody SET name = { first: 'Nobody' }, email = 'n@x.org', age = 40, country = 'FR', active = true",
        "DELETE article:1",
        "DELETE temperature:['London', 2]; CREATE temperature:['London', 2.5] SET celsius = 0",
        "DELETE person:jaime->reacted_to WHERE type = 'wave'",
    ],
];

/// A query, and the word that its refusal must say, if it is refused.
struct Example {
    surql: String,
    word: Option<&'static str>,
    /// Whether it may not be answered at all.
    is_never: bool,
}

impl Example {
    fn of(surql: impl Into<String>) -> Example {
        Example { surql: surql.into(), word: None, is_never: false }
    }

    /// What is wrong with what became of the example.
    fn problem(&self, outcome: &Outcome) -> Option<String> {
        if let Some(mismatch) = &outcome.mismatch {
            return Some(format!("answered wrongly {mismatch}"));
        }
        let Some(refusal) = &outcome.refusal else {
            return match (self.is_never, &outcome.error) {
                (true, _) => Some("answered, and must be refused".to_owned()),
                (false, Some(error)) => Some(format!("SurrealDB itself answers an error: {error}")),
                (false, None) => None,
            };
        };
        if let (false, Some(error)) = (self.is_never, &outcome.error) {
            return Some(format!("SurrealDB itself answers an error: {error}"));
        }
        let has_word = self.word.is_none_or(|word| refusal.message.to_lowercase().contains(&word.to_lowercase()));
        let is_named = refusal.is_unsupported && refusal.message.contains(": \"") && has_word;
        (!is_named).then(|| format!("refused, but not by name: {}", refusal.message))
    }
}

/// Plays all examples over the same writes; answers how many were answered and refused, and what was wrong.
async fn judge(arena: &Arena, tables: &str, batches: &[&[&str]], examples: &[Example]) -> (usize, usize, Vec<String>) {
    let watch = |example: &Example| Watch {
        text: Text { surql: example.surql.clone(), params: "{}".to_owned() },
        sequence: Sequence::Exact,
        since: 1,
        renewed: None,
    };
    let trial = Trial {
        schema: tables.to_owned(),
        batches: batches.iter().map(|batch| batch.iter().map(ToString::to_string).collect()).collect(),
        views: examples.iter().map(watch).collect(),
    };
    let outcomes = play(arena, Box::new(Engine::new()), &trial).await;
    let refused = outcomes.iter().filter(|outcome| outcome.refusal.is_some()).count();
    let problems = examples
        .iter()
        .zip(&outcomes)
        .filter_map(|(example, outcome)| Some(format!("{}\n    {}", example.surql, example.problem(outcome)?)));
    (outcomes.len() - refused, refused, problems.collect())
}

fn conclude(what: &str, (answered, refused, problems): (usize, usize, Vec<String>)) {
    println!("{what}: {answered} answered, {refused} refused");
    assert!(problems.is_empty(), "{} of {what}:\n{}", problems.len(), problems.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_is_answered_or_refused_by_name() {
    let arena = Arena::open().await;
    let mut examples = Vec::new();
    for (name, calls) in functions::CALLS.iter().chain(more_functions::CALLS) {
        for arguments in *calls {
            let surql = format!("SELECT {name}({arguments}) AS x FROM sample");
            examples.push(Example { word: Some(name), ..Example::of(surql) });
        }
    }
    examples.extend(more_functions::METHODS.iter().map(|call| Example::of(format!("SELECT {call} AS x FROM sample"))));
    let never = more_functions::NEVER.iter().map(|(word, call)| (*word, format!("SELECT {call} AS x FROM sample")));
    let queries = more_functions::NEVER_QUERIES.iter().map(|(word, surql)| (*word, (*surql).to_owned()));
    examples.extend(never.chain(queries).map(|(word, surql)| Example { surql, word: Some(word), is_never: true }));
    conclude("functions", judge(&arena, TABLES, SAMPLE, &examples).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operator_is_answered_or_refused_by_name() {
    let arena = Arena::open().await;
    let mut examples = Vec::new();
    for expression in operators::EXPRESSIONS {
        examples.push(Example::of(format!("SELECT {expression} AS x FROM sample")));
        examples.push(Example::of(format!("SELECT id FROM sample WHERE {expression}")));
    }
    conclude("operators", judge(&arena, TABLES, SAMPLE, &examples).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_clause_is_answered_or_refused_by_name() {
    let arena = Arena::open().await;
    let examples: Vec<Example> = select::QUERIES.iter().map(|surql| Example::of(*surql)).collect();
    conclude("queries", judge(&arena, APPLICATION_TABLES, APPLICATION, &examples).await);
}

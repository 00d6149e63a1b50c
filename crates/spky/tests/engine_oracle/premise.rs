//! The premise of all this: what SurrealDB answers depends on the committed rows and on nothing else, such as the order in
//! which they were written, or whether there are indexes, where [`sequence`] says that the order is defined.

use futures::future::join_all;

use crate::arena::{Arena, Base, SILENCE};
use crate::compare::are_same;
use crate::data::Style;
use crate::features::{is_determined, sequence};
use crate::generate::Queries;
use crate::schema::{Nature, SCHEMA, TABLES};
use crate::support::Random;
use crate::tree::Select;
use crate::writes;

const ROUNDS: u64 = 3;
const QUERIES: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_depends_on_nothing_but_the_rows() {
    let seed = crate::from_environment("SPKY_ENGINE_ORACLE_SEED", 3);
    let rounds = crate::from_environment("SPKY_ENGINE_ORACLE_PREMISES", ROUNDS);
    let mut random = Random(seed);
    let mut queries = Queries::new();
    let arena = Arena::open().await;
    let mut differences = Vec::new();
    let (mut same, mut failed) = (0, 0);
    for _ in 0..rounds {
        let style = Style::any(&mut random);
        let mut written = arena.database(SCHEMA).await;
        let mut batches = vec![writes::initial(&mut random, style)];
        batches.extend((0..6).map(|_| writes::batch(&mut random, style)));
        for write in batches.iter().flatten() {
            written.write(&write.to_string()).await;
        }
        let without_indexes: Vec<&str> = SCHEMA.lines().filter(|line| !line.contains("DEFINE INDEX")).collect();
        let mut copied = arena.database(&without_indexes.join("\n")).await;
        for table in TABLES {
            let is_edge = matches!(table.nature, Nature::Edge(..));
            written.copy(table.name, is_edge, &mut copied).await;
        }
        let selects = std::iter::repeat_with(|| queries.next(&mut random)).filter(is_determined).take(QUERIES);
        let selects: Vec<Select> = selects.collect();
        let answers = answers(&mut written, &selects).await;
        let others = self::answers(&mut copied, &selects).await;
        for (select, answers) in selects.iter().zip(answers.into_iter().zip(others)) {
            match answers {
                (Ok(one), Ok(other)) if are_same(&one, &other, sequence(select)) => same += 1,
                // Which of several errors comes first is nobody's business.
                (Err(_), Err(_)) => failed += 1,
                (one, other) => differences.push(format!("{:?}\n    {one:?}\n    {other:?}", select.text())),
            }
        }
        written.close().await;
        copied.close().await;
    }
    println!("premise: {same} answers the same twice, {failed} errors, {} differences", differences.len());
    assert!(differences.is_empty(), "seed {seed}:\n{}", differences.join("\n"));
}

async fn answers(base: &mut Base, selects: &[Select]) -> Vec<Result<circuit::Value, String>> {
    let mut answers = Vec::new();
    for chunk in selects.chunks(16) {
        let chunk = chunk.iter().map(|select| async {
            let text = select.text();
            let Ok(circuit::Value::Object(params)) = query::parse_value(&text.params) else {
                panic!("no parameters: {text:?}");
            };
            base.answer(&text.surql, &params).await
        });
        let found = join_all(chunk).await;
        if found.iter().any(|answer| answer.as_ref().is_err_and(|error| error == SILENCE)) {
            base.reconnect().await;
        }
        answers.extend(found);
    }
    answers
}

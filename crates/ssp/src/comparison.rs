//! What is stored of a view against what it shows.
//!
//! Both go on changing while they are looked at. What the view shows is taken first, and what is stored when that has been
//! written; so what is stored may be newer, and differ. It is compared several times, and only what differs in the same way
//! each time counts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use database::{Database, StoredQuery};
use protocol::{ContentHash, ViewComparison, ViewKey, ViewState};
use tokio::sync::oneshot;

use crate::command::{Command, EngineSender};
use crate::error::Error;
use crate::holdings::{Expected, Question};
use crate::left::Left;
use crate::path::Path;
use crate::registration::stored;
use crate::showing::Stored;
use crate::view::View;
use database::json;

/// How often something has to differ in the same way.
const ATTEMPTS: u32 = 4;
/// The first pause between two attempts; each is longer than the one before.
const PAUSE: Duration = Duration::from_millis(40);
/// How many differences are told of a view.
const EXAMPLES: usize = 10;

/// A part of what is stored of a view.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Edge(Arc<Path>),
    /// The row record of a row that is no record.
    Row(Arc<Path>),
    /// What is noted on the view's record.
    Note,
}

/// What a part says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fact {
    /// The version, or the number of rows.
    number: u64,
    hash: Option<ContentHash>,
}

/// What differs, as it should be and as it is.
type Differences = HashMap<Part, [Option<Fact>; 2]>;

/// Compares a view, and if told so, writes what differs. Some requests each attempt, O(result).
pub(crate) async fn compare(
    database: &Database,
    engine: &EngineSender,
    key: ViewKey,
    fix: bool,
) -> Result<ViewComparison, Error> {
    let mut steady: Option<(Arc<View>, Differences)> = None;
    let found = |state| ViewComparison { view: key.clone(), state, differences: 0, examples: Vec::new() };
    for attempt in 0..ATTEMPTS {
        tokio::time::sleep(PAUSE * attempt).await;
        let Some(expected) = ask(engine, |reply| Question::Expect { key: key.clone(), reply }).await? else {
            return Ok(found(ViewState::Unknown));
        };
        let Expected { view, stored: should_be, note, written } = expected;
        written.await.map_err(|_| Error::engine_ended())?;
        let Some(StoredQuery { hash, row_count, .. }) = database.query(&key).await? else {
            steady = None;
            if attempt + 1 < ATTEMPTS {
                continue;
            }
            if fix {
                // Which views there are is for the database to say.
                let (reply, _) = oneshot::channel();
                let unregister = Command::Unregister { key: key.clone(), reply };
                engine.send(unregister).await.map_err(|_| Error::engine_ended())?;
            }
            return Ok(found(ViewState::Gone));
        };
        let is = stored(&view, Left::read(database, &view).await?);
        let noted = [(note.rows, note.hash), (row_count.unwrap_or_default(), hash)];
        let mut differences = differences(&should_be, &is);
        let [should_be, is] = noted.map(|(number, hash)| Some(Fact { number, hash }));
        if should_be != is {
            differences.insert(Part::Note, [should_be, is]);
        }
        if let Some((before, known)) = steady.take()
            && Arc::ptr_eq(&before, &view)
        {
            differences.retain(|part, facts| known.get(part) == Some(&*facts));
        } else if attempt > 0 && !differences.is_empty() {
            // Registered again meanwhile: what was seen of the former one says nothing.
            tracing::debug!(view = %key, "compared from the beginning");
        }
        if differences.is_empty() {
            return Ok(found(ViewState::Equal));
        }
        steady = Some((view, differences));
    }
    let Some((view, differences)) = steady else { return Ok(found(ViewState::Equal)) };
    if fix {
        let left = Left::read(database, &view).await?;
        if let Some(done) = ask(engine, |reply| Question::Mend { key: key.clone(), left, reply }).await? {
            done.await.map_err(|_| Error::engine_ended())??;
        }
    }
    let mut examples: Vec<String> = differences.iter().take(EXAMPLES).map(|entry| text(&view, entry)).collect();
    examples.sort();
    Ok(ViewComparison { differences: differences.len() as u64, examples, ..found(ViewState::Different) })
}

/// Asks the engine.
pub(crate) async fn ask<T>(
    engine: &EngineSender,
    question: impl FnOnce(oneshot::Sender<T>) -> Question,
) -> Result<T, Error> {
    let (reply, answer) = oneshot::channel();
    engine.send(Command::Compare(question(reply))).await.map_err(|_| Error::engine_ended())?;
    answer.await.map_err(|_| Error::engine_ended())
}

fn differences(should_be: &Stored, is: &Stored) -> Differences {
    let mut differences = Differences::new();
    for (place, stored) in [should_be, is].into_iter().enumerate() {
        for (path, version) in &stored.edges {
            let fact = Fact { number: *version, hash: None };
            differences.entry(Part::Edge(path.clone())).or_default()[place] = Some(fact);
        }
        for (path, own) in &stored.own {
            let fact = Fact { number: own.version, hash: Some(own.hash) };
            differences.entry(Part::Row(path.clone())).or_default()[place] = Some(fact);
        }
    }
    differences.retain(|_, [should_be, is]| should_be != is);
    differences
}

fn text(view: &View, (part, facts): (&Part, &[Option<Fact>; 2])) -> String {
    let what = match part {
        Part::Edge(path) => format!("the edge to {}", json::id_text(&view.out(path))),
        Part::Row(path) => format!("the row {}", json::id_text(&view.out(path))),
        Part::Note => "the view's record".to_owned(),
    };
    match facts {
        [Some(_), None] => format!("{what} is missing"),
        [None, _] => format!("{what} should not be there"),
        [Some(should_be), Some(is)] if should_be.number != is.number => {
            let number = if *part == Part::Note { "row count" } else { "version" };
            format!("{what} has the {number} {} instead of {}", is.number, should_be.number)
        }
        _ if *part == Part::Note => format!("{what} has another hash"),
        _ => format!("{what} has another content"),
    }
}

#[cfg(test)]
mod tests {
    use circuit::{Key, RecordId};

    use super::*;

    fn stored(edges: &[(i64, u64)]) -> Stored {
        let path = |number| Path::new(&Arc::new(RecordId::new("thread", Key::Int(number))), false, None);
        let edges = edges.iter().map(|(number, version)| (path(*number), *version));
        Stored { edges: edges.collect(), ..Stored::default() }
    }

    #[test]
    fn what_is_missing_too_much_or_outdated_is_told() {
        let differences = differences(&stored(&[(1, 1), (2, 5), (3, 1)]), &stored(&[(1, 1), (2, 4), (4, 1)]));
        let view = View::for_test("v");
        let mut texts: Vec<String> = differences.iter().map(|entry| text(&view, entry)).collect();
        texts.sort();
        let expected = [
            "the edge to thread:2 has the version 4 instead of 5",
            "the edge to thread:3 is missing",
            "the edge to thread:4 should not be there",
        ];
        assert_eq!(texts, expected);
    }
}

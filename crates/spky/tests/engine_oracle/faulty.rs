//! Proof that mismatches are found and shrunk: with subjects that are wrong on purpose.

use circuit::{Change, Object, Value};

use crate::arena::Arena;
use crate::data::Style;
use crate::generate::Queries;
use crate::rounds::{Findings, round};
use crate::shrink::{Failure, Registered, Reproducer, shrink};
use crate::subject::{Engine, Refusal, Subject, View};
use crate::support::Random;
use crate::tree::{Expr, Field, Fields, Key, Path, Select};
use crate::writes::{self, Write};

/// Loses the last row of an answer with two rows or more.
struct LosesRow(Engine);

impl Subject for LosesRow {
    fn register(&mut self, surql: &str, params: &Object) -> Result<View, Refusal> {
        self.0.register(surql, params)
    }

    fn unregister(&mut self, view: View) {
        self.0.unregister(view);
    }

    fn step(&mut self, changes: Vec<Change>) -> Vec<(View, String)> {
        self.0.step(changes)
    }

    fn answer(&self, view: View) -> Result<Value, String> {
        match self.0.answer(view)? {
            Value::Array(rows) if rows.len() > 1 => Ok(rows[..rows.len() - 1].iter().cloned().collect()),
            other => Ok(other),
        }
    }
}

/// Does not learn that records are deleted.
struct MissesDeletions(Engine);

impl Subject for MissesDeletions {
    fn register(&mut self, surql: &str, params: &Object) -> Result<View, Refusal> {
        self.0.register(surql, params)
    }

    fn unregister(&mut self, view: View) {
        self.0.unregister(view);
    }

    fn step(&mut self, changes: Vec<Change>) -> Vec<(View, String)> {
        self.0.step(changes.into_iter().filter(|change| change.content.is_some()).collect())
    }

    fn answer(&self, view: View) -> Result<Value, String> {
        self.0.answer(view)
    }
}

/// A query with much in it that has nothing to do with the fault.
fn elaborate() -> Select {
    let mut select = Select::from_table("thread");
    let renamed = Field::Single { expr: Expr::path("author.name"), alias: Some("name".to_owned()) };
    select.fields = Fields::List(vec![Field::All, renamed]);
    let open = Expr::binary("!=", Expr::path("status"), Expr::Parameter("'nothing'".to_owned()));
    let other = Expr::binary("=", Expr::path("meta.missing"), Expr::text("NONE"));
    select.filter = Some(Expr::binary("OR", open, other));
    select.order = vec![Key::ascending(Path::field("title")), Key::ascending(Path::field("id"))];
    select.limit = Some(Expr::text("5"));
    select
}

async fn shrunk(make: fn() -> Box<dyn Subject>) -> Reproducer {
    let arena = Arena::open().await;
    let mut random = Random(5);
    let style = Style { wild: 4, missing: 4 };
    let mut batches = vec![writes::initial(&mut random, style)];
    batches.extend((0..6).map(|_| writes::batch(&mut random, style)));
    batches.push(vec![
        Write::Plain("DELETE thread".to_owned()),
        Write::Plain("CREATE thread:1 SET flag = true".to_owned()),
    ]);
    let other = Registered { select: Select::from_table("user"), since: 0, renewed: None };
    let failure =
        Failure { batches, view: Registered { select: elaborate(), since: 2, renewed: Some(3) }, others: vec![other] };
    shrink(&arena, &make, failure).await.expect("the fault shows")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_row_is_shrunk_to_two_rows_of_one_table() {
    let found = shrunk(|| Box::new(LosesRow(Engine::new()))).await;
    let text = found.to_string();
    assert_eq!(found.failure.view.select.text().surql, "SELECT * FROM thread", "{text}");
    let writes: Vec<&Write> = found.failure.batches.iter().flatten().collect();
    assert_eq!(writes.len(), 2, "{text}");
    assert!(writes.iter().all(|write| write.to_string().len() < 40), "{text}");
    assert!(found.failure.others.is_empty(), "{text}");
    assert!(found.mismatch.expected.is_some() && text.contains("expected [{ id: thread:"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missed_deletion_is_shrunk_to_a_creation_and_a_deletion() {
    let found = shrunk(|| Box::new(MissesDeletions(Engine::new()))).await;
    let text = found.to_string();
    assert_eq!(found.failure.view.select.text().surql, "SELECT * FROM thread", "{text}");
    let writes: Vec<String> = found.failure.batches.iter().flatten().map(Write::to_string).collect();
    assert_eq!(writes.len(), 2, "{text}");
    assert!(writes[1].starts_with("DELETE"), "{text}");
}

/// What the generator makes reaches a fault that only some answers show.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_found_within_a_round() {
    let arena = Arena::open().await;
    let mut findings = Findings::default();
    let make = || Box::new(MissesDeletions(Engine::new())) as Box<dyn Subject>;
    let mut random = Random(11);
    round(&arena, &make, &mut Queries::new(), &mut random, &mut findings, 1).await;
    assert_eq!(findings.mismatches.len(), 1, "{}", findings.report);
    assert!(findings.mismatches[0].contains("DELETE"), "{}", findings.mismatches[0]);
}

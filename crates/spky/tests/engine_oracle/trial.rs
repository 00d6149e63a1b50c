//! A trial: writes to a fresh database, views that are registered on the way, and what became of each of them.

use std::fmt;

use circuit::{Object, Value};
use database::convert::to_sdk;
use futures::future::join_all;
use surrealdb::types::ToSql;

use crate::arena::{Arena, Base, SILENCE};
use crate::compare::{Sequence, are_same};
use crate::subject::{Refusal, Subject, View, quietly};
use crate::tree::Text;

/// How many queries the database answers at once.
const AT_ONCE: usize = 16;

#[derive(Clone, Debug)]
pub struct Trial {
    pub schema: String,
    /// Requests of the application. The subject learns of those of a batch at once.
    pub batches: Vec<Vec<String>>,
    pub views: Vec<Watch>,
}

/// A view of a trial.
#[derive(Clone, Debug)]
pub struct Watch {
    pub text: Text,
    pub sequence: Sequence,
    /// The view is registered before the batch of this number, and behind the last one if there is no such batch.
    pub since: usize,
    /// Before the batch of this number it is unregistered, and registered again.
    pub renewed: Option<usize>,
}

/// What became of a view.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub refusal: Option<Refusal>,
    /// How often the answers were the same.
    pub agreed: usize,
    /// How often SurrealDB answered with an error.
    pub errors: usize,
    /// The last of them.
    pub error: Option<String>,
    /// The first time that the answers were not the same; it is not looked at again.
    pub mismatch: Option<Mismatch>,
}

#[derive(Clone, Debug)]
pub struct Mismatch {
    /// How many batches had been written.
    pub batches: usize,
    pub expected: Option<Value>,
    pub got: Result<Value, String>,
}

/// In SurrealQL, where types show.
impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Value| to_sdk(value).map_or_else(|error| error.to_string(), |value| value.to_sql());
        writeln!(f, "after {}:", self.batches)?;
        if let Some(expected) = &self.expected {
            writeln!(f, "    expected {}", text(expected))?;
        }
        match &self.got {
            Ok(got) => write!(f, "    got      {}", text(got)),
            Err(problem) => write!(f, "    got      {problem}"),
        }
    }
}

/// A view under way.
struct Running<'a> {
    watch: &'a Watch,
    params: Object,
    view: Option<View>,
    outcome: Outcome,
}

/// Plays a trial to its end, and answers what became of its views, in their order.
pub async fn play(arena: &Arena, mut subject: Box<dyn Subject>, trial: &Trial) -> Vec<Outcome> {
    let mut base = arena.database(&trial.schema).await;
    let mut running: Vec<Running> = trial.views.iter().map(Running::of).collect();
    for number in 0..=trial.batches.len() {
        let is_last = number == trial.batches.len();
        for view in &mut running {
            if view.watch.renewed == Some(number)
                && let Some(former) = view.view.take()
            {
                subject.unregister(former);
                view.register(&mut *subject, number);
            }
            if view.watch.since == number || (is_last && view.watch.since > number) {
                view.register(&mut *subject, number);
            }
        }
        compare(&mut base, &*subject, &mut running, number).await;
        let Some(batch) = trial.batches.get(number) else { break };
        for write in batch {
            base.write(write).await;
        }
        let changes = base.changes().await;
        match quietly(|| subject.step(changes)) {
            Ok(problems) => {
                for (view, problem) in problems {
                    let concerned = running.iter_mut().filter(|other| other.view == Some(view));
                    concerned.for_each(|running| running.fail(number + 1, None, Err(problem.clone())));
                }
            }
            Err(panic) => {
                let text = format!("the engine panics in a step: {panic}");
                running.iter_mut().for_each(|view| view.fail(number + 1, None, Err(text.clone())));
                break;
            }
        }
    }
    judge_refused(&mut base, &mut running).await;
    base.close().await;
    running.into_iter().map(|view| view.outcome).collect()
}

/// Compares all views with what the database answers now.
async fn compare(base: &mut Base, subject: &dyn Subject, running: &mut [Running<'_>], batches: usize) {
    for chunk in running.chunks_mut(AT_ONCE) {
        let answers = chunk.iter().map(|view| async {
            match view.is_watched() {
                true => Some(base.answer(&view.watch.text.surql, &view.params).await),
                false => None,
            }
        });
        let answers = join_all(answers).await;
        if answers.iter().flatten().any(|answer| answer.as_ref().is_err_and(|error| error == SILENCE)) {
            base.reconnect().await;
        }
        for (running, answer) in chunk.iter_mut().zip(answers) {
            match (running.view, answer) {
                (Some(view), Some(Ok(expected))) => {
                    let got = quietly(|| subject.answer(view)).unwrap_or_else(Err);
                    if got.as_ref().is_ok_and(|got| are_same(&expected, got, running.watch.sequence)) {
                        running.outcome.agreed += 1;
                    } else {
                        running.fail(batches, Some(expected), got);
                    }
                }
                (_, Some(Err(error))) => {
                    running.outcome.errors += 1;
                    running.outcome.error = Some(error);
                }
                _ => {}
            }
        }
    }
}

/// Whether the database itself would answer what was refused.
async fn judge_refused(base: &mut Base, running: &mut [Running<'_>]) {
    let mut refused: Vec<&mut Running> = running.iter_mut().filter(|view| view.outcome.refusal.is_some()).collect();
    for chunk in refused.chunks_mut(AT_ONCE) {
        let answers = join_all(chunk.iter().map(|view| base.answer(&view.watch.text.surql, &view.params))).await;
        if answers.iter().any(|answer| answer.as_ref().is_err_and(|error| error == SILENCE)) {
            base.reconnect().await;
        }
        for (running, answer) in chunk.iter_mut().zip(answers) {
            running.outcome.error = answer.err();
            running.outcome.errors = usize::from(running.outcome.error.is_some());
        }
    }
}

impl<'a> Running<'a> {
    fn of(watch: &'a Watch) -> Running<'a> {
        let params = query::parse_value(&watch.text.params);
        let Ok(Value::Object(params)) = &params else { panic!("no parameters: {:?}: {params:?}", watch.text) };
        Running { watch, params: Object::clone(params), view: None, outcome: Outcome::default() }
    }

    fn register(&mut self, subject: &mut dyn Subject, batches: usize) {
        match quietly(|| subject.register(&self.watch.text.surql, &self.params)) {
            Ok(Ok(view)) => self.view = Some(view),
            Ok(Err(refusal)) => self.outcome.refusal = Some(refusal),
            Err(panic) => self.fail(batches, None, Err(format!("registering panics: {panic}"))),
        }
    }

    fn is_watched(&self) -> bool {
        // What the database was silent about once is not asked again.
        let is_answered = self.outcome.error.as_deref() != Some(SILENCE);
        self.view.is_some() && self.outcome.mismatch.is_none() && is_answered
    }

    fn fail(&mut self, batches: usize, expected: Option<Value>, got: Result<Value, String>) {
        if self.view.is_some() || self.outcome.refusal.is_none() {
            self.outcome.mismatch.get_or_insert(Mismatch { batches, expected, got });
        }
    }
}

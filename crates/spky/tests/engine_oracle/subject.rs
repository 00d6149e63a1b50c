//! The engine under test, behind the few calls that a test makes: the only file that knows the engine's interface.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use circuit::{Change, ChangeKind, Circuit, Object, ResultId, RowChange, Value};
use query::{ErrorKind, Query, SurrealLibrary};

/// Number of a view, as the subject counts them.
pub type View = usize;

/// What keeps answers up to date.
pub trait Subject {
    /// Starts to maintain a query.
    fn register(&mut self, surql: &str, params: &Object) -> Result<View, Refusal>;

    /// Forgets a view; its number is not used again.
    fn unregister(&mut self, view: View);

    /// Takes in committed changes. Answers which views did not announce exactly what changed in them.
    fn step(&mut self, changes: Vec<Change>) -> Vec<(View, String)>;

    /// What SurrealDB would answer to the view's query now.
    fn answer(&self, view: View) -> Result<Value, String>;
}

/// Why a query is not maintained.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The reason without the place, such as `GROUP BY is not supported yet`.
    pub reason: String,
    /// With the place and the quoted text.
    pub message: String,
    /// Whether the query is valid, and only not supported.
    pub is_unsupported: bool,
}

/// The real engine.
pub struct Engine {
    circuit: Circuit,
    views: Vec<Option<Registered>>,
    /// The rows of each result with the rows of subqueries under them, kept only by what its deltas say.
    shown: HashMap<ResultId, Shown>,
}

/// The versions of each row, by the way to it: the same record may be several rows.
type Shown = BTreeMap<String, Vec<u64>>;

struct Registered {
    query: Query,
    result: ResultId,
}

impl Engine {
    pub fn new() -> Engine {
        let circuit = Circuit::new(Arc::new(SurrealLibrary));
        Engine { circuit, views: Vec::new(), shown: HashMap::new() }
    }

    fn listed(&self, result: ResultId) -> Result<Shown, String> {
        let mut shown = Shown::new();
        apply(&mut shown, &self.circuit.listing(result), "")?;
        Ok(shown)
    }

    fn readers(&self, result: ResultId) -> impl Iterator<Item = View> {
        let reads = move |view: &Option<Registered>| view.as_ref().is_some_and(|view| view.result == result);
        (0..).zip(&self.views).filter(move |(_, view)| reads(view)).map(|(number, _)| number)
    }

    /// Applies what the step announced to what was shown, and compares with the rows now.
    fn apply(&mut self, step: circuit::Step) -> Vec<(ResultId, String)> {
        let mut problems = Vec::new();
        for delta in step.deltas {
            let shown = self.shown.entry(delta.result).or_default();
            if let Err(problem) = apply(shown, &delta.changes, "") {
                problems.push((delta.result, problem));
            }
        }
        let results: Vec<ResultId> = self.shown.keys().copied().collect();
        for result in results {
            let shown = &self.shown[&result];
            let rows =
                shown.iter().filter(|(path, _)| !path.contains(UNDER)).map(|(_, versions)| versions.len() as u64);
            let rows: u64 = rows.sum();
            let digest = self.circuit.digest(result).unwrap_or_default();
            match self.listed(result) {
                Ok(now) if now != *shown => {
                    problems.push((result, format!("by its deltas it shows {shown:?}, by its rows {now:?}")));
                    self.shown.insert(result, now);
                }
                Ok(_) if digest.rows != rows => {
                    problems.push((result, format!("the digest counts {}, not {rows}", digest.rows)));
                }
                Ok(_) => {}
                Err(problem) => problems.push((result, problem)),
            }
        }
        problems
    }

    fn try_answer(&self, view: View) -> Result<Value, String> {
        let view = self.views.get(view).and_then(Option::as_ref).ok_or("there is no such view")?;
        self.circuit.answer(view.result, &view.query.plan.output).map_err(|failure| failure.0.to_string())
    }
}

/// Stands between a row and one under it.
const UNDER: char = '\u{1}';

/// Applies changes to what is shown, if they fit.
fn apply(shown: &mut Shown, changes: &[RowChange], under: &str) -> Result<(), String> {
    for change in changes {
        let path = format!("{under}{:?}", change.id);
        let versions = shown.entry(path.clone()).or_default();
        if change.kind != ChangeKind::Enter {
            match versions.iter().position(|version| *version == change.former) {
                Some(position) => versions.remove(position),
                None => return Err(format!("{change:?}, which is shown with {versions:?}")),
            };
        }
        if change.kind != ChangeKind::Leave {
            versions.push(change.version);
            versions.sort_unstable();
        }
        if versions.is_empty() {
            shown.remove(&path);
        }
        for nested in &change.nested {
            apply(shown, &nested.changes, &format!("{path}{UNDER}{}", nested.child))?;
        }
    }
    Ok(())
}

impl Subject for Engine {
    fn register(&mut self, surql: &str, params: &Object) -> Result<View, Refusal> {
        let compiled = quietly(|| query::compile(surql, params)).map_err(|panic| Refusal {
            reason: format!("compiling panics: {panic}"),
            message: format!("compiling panics: {panic}"),
            is_unsupported: false,
        })?;
        let query = compiled.map_err(|error| Refusal {
            reason: error.kind.to_string(),
            is_unsupported: matches!(error.kind, ErrorKind::Unsupported { .. }),
            message: error.to_string(),
        })?;
        let result = self.circuit.register(&query.plan);
        if !self.shown.contains_key(&result) {
            let listed = self.listed(result).unwrap_or_default();
            self.shown.insert(result, listed);
        }
        self.views.push(Some(Registered { query, result }));
        Ok(self.views.len() - 1)
    }

    fn unregister(&mut self, view: View) {
        let Some(view) = self.views.get_mut(view).and_then(Option::take) else { return };
        self.circuit.unregister(view.result);
        if self.readers(view.result).next().is_none() {
            self.shown.remove(&view.result);
        }
    }

    fn step(&mut self, changes: Vec<Change>) -> Vec<(View, String)> {
        let step = self.circuit.step(changes);
        let problems = self.apply(step);
        let of_views = |(result, problem): (ResultId, String)| {
            self.readers(result).map(|view| (view, problem.clone())).collect::<Vec<_>>()
        };
        problems.into_iter().flat_map(of_views).collect()
    }

    fn answer(&self, view: View) -> Result<Value, String> {
        quietly(|| self.try_answer(view)).unwrap_or_else(|panic| Err(format!("answering panics: {panic}")))
    }
}

/// Runs something that may panic, and answers the panic's message then.
pub fn quietly<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
    })
}

//! From a mismatch to the smallest query and the fewest writes that show it (delta debugging, Zeller 1999).

use std::fmt;

use futures::future::join_all;

use crate::arena::Arena;
use crate::features::sequence;
use crate::schema::SCHEMA;
use crate::smaller::smaller;
use crate::subject::Subject;
use crate::tree::Select;
use crate::trial::{Mismatch, Trial, Watch, play};
use crate::writes::Write;

/// How many trials are played in search of something smaller.
const ATTEMPTS: usize = 600;
/// How many of them at once.
const AT_ONCE: usize = 4;

/// Everything that it takes to show a mismatch again.
#[derive(Clone, Debug)]
pub struct Failure {
    pub batches: Vec<Vec<Write>>,
    pub view: Registered,
    /// Views that must be there, too.
    pub others: Vec<Registered>,
}

/// A query, and the batch before which it is registered.
#[derive(Clone, Debug)]
pub struct Registered {
    pub select: Select,
    pub since: usize,
    /// The batch before which it is unregistered, and registered again.
    pub renewed: Option<usize>,
}

/// The smallest failure that was found, and how it shows.
#[derive(Clone, Debug)]
pub struct Reproducer {
    pub failure: Failure,
    pub mismatch: Mismatch,
}

impl Registered {
    pub fn watch(&self) -> Watch {
        Watch { text: self.select.text(), sequence: sequence(&self.select), since: self.since, renewed: self.renewed }
    }
}

impl Failure {
    fn trial(&self) -> Trial {
        Trial {
            schema: SCHEMA.to_owned(),
            batches: self.batches.iter().map(|batch| batch.iter().map(Write::to_string).collect()).collect(),
            views: std::iter::once(&self.view).chain(&self.others).map(Registered::watch).collect(),
        }
    }

    fn without_batches_behind(mut self, count: usize) -> Failure {
        self.batches.truncate(count);
        for view in std::iter::once(&mut self.view).chain(&mut self.others) {
            view.since = view.since.min(count);
            view.renewed = view.renewed.filter(|number| *number <= count);
        }
        self
    }
}

/// Makes subjects of one kind.
pub type Make<'a> = &'a dyn Fn() -> Box<dyn Subject>;

/// Shrinks a failure; `None` if it does not show when it is played again.
pub async fn shrink(arena: &Arena, make: Make<'_>, failure: Failure) -> Option<Reproducer> {
    let mut search = Search { arena, make, attempts: 0 };
    let alone = Failure { others: Vec::new(), ..failure.clone() };
    let mut best = match search.first_failing(vec![alone]).await {
        Some(reproducer) => reproducer,
        None => search.first_failing(vec![failure]).await?,
    };
    loop {
        let before = search.size(&best);
        best = search.simplify_registration(best).await;
        best = search.shrink_query(best).await;
        best = search.drop_others(best).await;
        best = search.drop_writes(best).await;
        best = search.shrink_query(best).await;
        best = search.shrink_writes(best).await;
        if search.size(&best) == before || search.attempts >= ATTEMPTS {
            return Some(best);
        }
    }
}

struct Search<'a> {
    arena: &'a Arena,
    make: Make<'a>,
    attempts: usize,
}

impl Search<'_> {
    fn size(&self, reproducer: &Reproducer) -> usize {
        let trial = reproducer.failure.trial();
        let writes: usize = trial.batches.iter().flatten().map(String::len).sum();
        let queries: usize = trial.views.iter().map(|view| view.text.surql.len() + view.text.params.len()).sum();
        writes + queries + trial.batches.len()
    }

    /// The first candidate that fails, cut off behind the batch after which it does.
    async fn first_failing(&mut self, candidates: Vec<Failure>) -> Option<Reproducer> {
        for chunk in candidates.chunks(AT_ONCE) {
            if self.attempts >= ATTEMPTS {
                return None;
            }
            self.attempts += chunk.len();
            let trials: Vec<Trial> = chunk.iter().map(Failure::trial).collect();
            let outcomes = join_all(trials.iter().map(|trial| play(self.arena, (self.make)(), trial))).await;
            for (failure, outcomes) in chunk.iter().zip(outcomes) {
                if let Some(mismatch) = outcomes.into_iter().next().and_then(|outcome| outcome.mismatch) {
                    let failure = failure.clone().without_batches_behind(mismatch.batches);
                    return Some(Reproducer { failure, mismatch });
                }
            }
        }
        None
    }

    /// Registers the view first of all, and has each write arrive by itself, where it still fails then.
    async fn simplify_registration(&mut self, best: Reproducer) -> Reproducer {
        let of = |since, renewed, batches: Vec<Vec<Write>>| {
            let view = Registered { since, renewed, ..best.failure.view.clone() };
            Failure { view, batches, ..best.failure.clone() }
        };
        let (since, batches) = (best.failure.view.since, &best.failure.batches);
        let apart: Vec<Vec<Write>> = batches.iter().flatten().map(|write| vec![write.clone()]).collect();
        let mut candidates = Vec::new();
        if best.failure.others.is_empty() && batches.iter().any(|batch| batch.len() > 1) {
            candidates.push(of(0, None, apart));
        }
        if since > 0 {
            candidates.push(of(0, None, batches.clone()));
        }
        if best.failure.view.renewed.is_some() {
            candidates.push(of(since, None, batches.clone()));
        }
        self.first_failing(candidates).await.unwrap_or(best)
    }

    /// Tries all simpler queries in one trial, and goes on with the shortest that fails by itself, too.
    async fn shrink_query(&mut self, mut best: Reproducer) -> Reproducer {
        'simpler: while self.attempts < ATTEMPTS {
            let view = &best.failure.view;
            let candidates: Vec<Registered> =
                smaller(&view.select).into_iter().map(|select| Registered { select, ..view.clone() }).collect();
            let mut trial = best.failure.trial();
            trial.views.splice(0..1, candidates.iter().map(Registered::watch));
            self.attempts += 1;
            let outcomes = play(self.arena, (self.make)(), &trial).await;
            let failing = candidates.into_iter().zip(outcomes).filter(|(_, outcome)| outcome.mismatch.is_some());
            let failing: Vec<Failure> = failing.map(|(view, _)| Failure { view, ..best.failure.clone() }).collect();
            for candidate in failing.into_iter().take(3 * AT_ONCE) {
                if let Some(found) = self.first_failing(vec![candidate]).await {
                    best = found;
                    continue 'simpler;
                }
            }
            break;
        }
        best
    }

    async fn drop_others(&mut self, mut best: Reproducer) -> Reproducer {
        let mut size = best.failure.others.len();
        while size > 0 {
            let others = &best.failure.others;
            let candidates = parts_without(others, size)
                .into_iter()
                .map(|others| Failure { others, ..best.failure.clone() })
                .collect();
            match self.first_failing(candidates).await {
                Some(found) => best = found,
                None => size /= 2,
            }
            size = size.min(best.failure.others.len());
        }
        best
    }

    async fn drop_writes(&mut self, mut best: Reproducer) -> Reproducer {
        let count = |failure: &Failure| failure.batches.iter().map(Vec::len).sum::<usize>();
        let mut size = count(&best.failure).div_ceil(2);
        while size > 0 {
            let numbered: Vec<(usize, Write)> = (0..)
                .zip(&best.failure.batches)
                .flat_map(|(number, batch)| batch.iter().map(move |write| (number, write.clone())))
                .collect();
            let batches = |writes: Vec<(usize, Write)>| {
                let mut batches = vec![Vec::new(); best.failure.batches.len()];
                writes.into_iter().for_each(|(number, write)| batches[number].push(write));
                compact(Failure { batches, ..best.failure.clone() })
            };
            let candidates = parts_without(&numbered, size).into_iter().map(batches).collect();
            match self.first_failing(candidates).await {
                Some(found) => best = found,
                None => size /= 2,
            }
            size = size.min(count(&best.failure));
        }
        best
    }

    /// Makes each write as simple as it can be.
    async fn shrink_writes(&mut self, mut best: Reproducer) -> Reproducer {
        let mut position = (0, 0);
        while let Some(batch) = best.failure.batches.get(position.0) {
            let Some(write) = batch.get(position.1) else {
                position = (position.0 + 1, 0);
                continue;
            };
            let with = |simpler| {
                let mut candidate = best.failure.clone();
                candidate.batches[position.0][position.1] = simpler;
                candidate
            };
            let mut simpler = write.smaller();
            simpler.sort_by_key(|write| write.to_string().len());
            simpler.retain(|simpler| simpler.to_string().len() < write.to_string().len());
            match self.first_failing(simpler.into_iter().map(with).collect()).await {
                Some(found) => best = found,
                None => position.1 += 1,
            }
        }
        best
    }
}

/// The list without each of its stretches of a size.
fn parts_without<T: Clone>(items: &[T], size: usize) -> Vec<Vec<T>> {
    let starts = (0..items.len()).step_by(size.max(1));
    starts.map(|start| [&items[..start], &items[(start + size).min(items.len())..]].concat()).collect()
}

/// The same without empty batches.
fn compact(failure: Failure) -> Failure {
    let kept = |until: usize| failure.batches.iter().take(until).filter(|batch| !batch.is_empty()).count();
    let moved = |view: &Registered| Registered {
        select: view.select.clone(),
        since: kept(view.since),
        renewed: view.renewed.map(kept),
    };
    Failure {
        view: moved(&failure.view),
        others: failure.others.iter().map(moved).collect(),
        batches: failure.batches.iter().filter(|batch| !batch.is_empty()).cloned().collect(),
    }
}

/// As a case for `regressions.rs`, with what was expected and what came.
impl fmt::Display for Reproducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trial = self.failure.trial();
        writeln!(f, "    Case {{\n        batches: &[")?;
        for batch in &trial.batches {
            let writes: Vec<String> = batch.iter().map(|write| format!("{write:?}")).collect();
            writeln!(f, "            &[{}],", writes.join(", "))?;
        }
        writeln!(f, "        ],")?;
        let view = &trial.views[0];
        writeln!(f, "        since: {},\n        renewed: {:?},", view.since, view.renewed)?;
        writeln!(f, "        surql: {:?},", view.text.surql)?;
        writeln!(f, "        params: {:?},", view.text.params)?;
        let others: Vec<String> =
            trial.views[1..].iter().map(|view| format!("({:?}, {:?})", view.text.surql, view.text.params)).collect();
        writeln!(f, "        others: &[{}],\n    }},", others.join(", "))?;
        writeln!(f, "    of {} batches, {}", trial.batches.len(), self.mismatch)
    }
}

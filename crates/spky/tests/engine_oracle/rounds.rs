//! Rounds: some data, many queries, more writes, and a comparison after each batch of them.

use crate::arena::Arena;
use crate::data::Style;
use crate::features::{features, is_determined};
use crate::generate::Queries;
use crate::report::Report;
use crate::schema::SCHEMA;
use crate::shrink::{Failure, Make, Registered, Reproducer, shrink};
use crate::subject::Engine;
use crate::subject::Subject;
use crate::support::Random;
use crate::trial::{Trial, play};
use crate::writes;

/// How many queries of a round are maintained, if there are so many that are supported.
const VIEWS: usize = 120;
/// How many are tried at most to find them.
const TRIED: usize = 400;
/// How many batches are written in a round, each compared with all views.
const BATCHES: u64 = 8;

/// What runs found.
#[derive(Default)]
pub struct Findings {
    pub report: Report,
    /// Reproducers, or what could not be reproduced.
    pub mismatches: Vec<String>,
}

/// Plays one round, and shrinks at most `most` mismatches that it shows.
pub async fn round(
    arena: &Arena,
    make: Make<'_>,
    queries: &mut Queries,
    random: &mut Random,
    findings: &mut Findings,
    most: usize,
) {
    let style = Style::any(random);
    let mut batches: Vec<Vec<writes::Write>> = (0..BATCHES).map(|_| writes::batch(random, style)).collect();
    let has_data_first = random.below(3) > 0;
    if has_data_first {
        batches.insert(0, writes::initial(random, style));
    }
    let views = views(queries, random, batches.len());
    let trial = Trial {
        schema: SCHEMA.to_owned(),
        batches: batches.iter().map(|batch| batch.iter().map(ToString::to_string).collect()).collect(),
        views: views.iter().map(Registered::watch).collect(),
    };
    let outcomes = play(arena, make(), &trial).await;
    let mut known: Vec<Reproducer> = Vec::new();
    for (number, (view, outcome)) in views.iter().zip(&outcomes).enumerate() {
        findings.report.add(&view.select, outcome);
        let Some(mismatch) = &outcome.mismatch else { continue };
        // What uses all that a known mismatch uses has most likely the same cause.
        let uses = features(&view.select);
        let is_known = known.iter().any(|known| features(&known.failure.view.select).is_subset(&uses));
        if is_known || known.len() >= most {
            continue;
        }
        let accepted = views
            .iter()
            .zip(&outcomes)
            .enumerate()
            .filter(|(other, (_, outcome))| *other != number && outcome.refusal.is_none());
        let others = accepted.map(|(_, (view, _))| view.clone()).collect();
        let failure = Failure { batches: batches.clone(), view: view.clone(), others };
        match shrink(arena, make, failure).await {
            Some(reproducer) => {
                findings.mismatches.push(reproducer.to_string());
                known.push(reproducer);
            }
            None => findings.mismatches.push(format!("not shown again: {:?} {mismatch}", view.select.text())),
        }
    }
}

/// Queries with the batch before which each is registered: half of them before there is anything.
fn views(queries: &mut Queries, random: &mut Random, batches: usize) -> Vec<Registered> {
    let mut scratch = Engine::new();
    let mut views = Vec::new();
    let mut supported = 0;
    while supported < VIEWS && views.len() < TRIED {
        let select = queries.next(random);
        if !is_determined(&select) {
            continue;
        }
        let text = select.text();
        if let Ok(circuit::Value::Object(params)) = query::parse_value(&text.params) {
            supported += usize::from(scratch.register(&text.surql, &params).is_ok());
        }
        let since = if random.below(2) == 0 { 0 } else { random.below(batches as u64) as usize };
        let renewed = (random.below(6) == 0).then(|| since + 1 + random.below(4) as usize);
        views.push(Registered { select, since, renewed });
    }
    views
}

//! What was tried, refused and compared, by feature.

use std::collections::BTreeMap;
use std::fmt;

use crate::features::features;
use crate::tree::Select;
use crate::trial::Outcome;

/// How many refusals and errors are shown.
const EXAMPLES: usize = 40;

#[derive(Default)]
pub struct Report {
    features: BTreeMap<String, Counts>,
    total: Counts,
    refusals: BTreeMap<String, Example>,
    errors: BTreeMap<String, Example>,
}

#[derive(Default)]
struct Counts {
    tried: usize,
    refused: usize,
    reasons: BTreeMap<String, usize>,
    /// Views whose answers were compared at least once.
    compared: usize,
    /// Views for which SurrealDB only ever answered with errors.
    failed: usize,
    comparisons: usize,
    mismatches: usize,
}

struct Example {
    count: usize,
    surql: String,
}

impl Report {
    pub fn add(&mut self, select: &Select, outcome: &Outcome) {
        self.total.add(outcome);
        for feature in features(select) {
            self.features.entry(feature).or_default().add(outcome);
        }
        let surql = || select.text().surql;
        if let Some(refusal) = &outcome.refusal {
            note(&mut self.refusals, &refusal.reason, surql);
        }
        if let Some(error) = &outcome.error {
            note(&mut self.errors, error, surql);
        }
    }

    /// How many queries were compared, and how many answers.
    pub fn compared(&self) -> (usize, usize) {
        (self.total.compared, self.total.comparisons)
    }
}

fn note(examples: &mut BTreeMap<String, Example>, reason: &str, surql: impl Fn() -> String) {
    let example = examples.entry(shape_of(reason)).or_insert_with(|| Example { count: 0, surql: surql() });
    example.count += 1;
    let other = surql();
    if other.len() < example.surql.len() {
        example.surql = other;
    }
}

/// A message without the values in it, so that errors about different rows count as one.
fn shape_of(message: &str) -> String {
    let mut shape = String::new();
    let mut quote = None;
    for character in message.chars().take(160) {
        match (quote, character) {
            (None, '\'' | '`' | '"') => {
                quote = Some(character);
                shape.push('…');
            }
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '0'..='9') if shape.ends_with('#') => {}
            (None, '0'..='9') => shape.push('#'),
            (None, '\n') => shape.push(' '),
            (None, other) => shape.push(other),
        }
    }
    shape
}

impl Counts {
    fn add(&mut self, outcome: &Outcome) {
        self.tried += 1;
        if let Some(refusal) = &outcome.refusal {
            self.refused += 1;
            *self.reasons.entry(refusal.reason.clone()).or_default() += 1;
        }
        self.compared += usize::from(outcome.agreed > 0 || outcome.mismatch.is_some());
        self.failed += usize::from(outcome.refusal.is_none() && outcome.agreed == 0 && outcome.mismatch.is_none());
        self.comparisons += outcome.agreed + usize::from(outcome.mismatch.is_some());
        self.mismatches += usize::from(outcome.mismatch.is_some());
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let Counts { tried, refused, compared, failed, comparisons, mismatches, .. } = self;
        let reason = self.reasons.iter().max_by_key(|(_, count)| **count).map_or("", |(reason, _)| reason);
        writeln!(
            f,
            "{name:44}{tried:>7}{refused:>8}{failed:>7}{compared:>9}{comparisons:>12}{mismatches:>11}  {reason}"
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = ["feature", "tried", "refused", "error", "compared", "comparisons", "mismatches"];
        let [feature, tried, refused, failed, compared, comparisons, mismatches] = heads;
        writeln!(
            f,
            "{feature:44}{tried:>7}{refused:>8}{failed:>7}{compared:>9}{comparisons:>12}{mismatches:>11}  refused mostly because"
        )?;
        for (feature, counts) in &self.features {
            counts.write(f, feature)?;
        }
        self.total.write(f, "all")?;
        for (title, examples) in [("refusals", &self.refusals), ("errors of SurrealDB", &self.errors)] {
            writeln!(f, "\n{title}:")?;
            let mut sorted: Vec<_> = examples.iter().collect();
            sorted.sort_by_key(|(_, example)| std::cmp::Reverse(example.count));
            for (reason, Example { count, surql }) in sorted.iter().take(EXAMPLES) {
                writeln!(f, "{count:>7}  {reason}\n         {surql}")?;
            }
            if sorted.len() > EXAMPLES {
                writeln!(f, "         and {} others", sorted.len() - EXAMPLES)?;
            }
        }
        Ok(())
    }
}

//! Covering arrays: few rows in which every pair of choices occurs together at least once.
//!
//! Greedy as in AETG (Cohen et al., 1997): each row is the best of some candidates, each of which is built from an
//! uncovered pair by always taking the choice that covers most.

use crate::support::Random;

const CANDIDATES: usize = 4;

/// A choice: the number of the dimension and of the value.
type Choice = (usize, usize);

/// Which pairs of choices have not occurred yet.
struct Uncovered {
    sizes: Vec<usize>,
    /// Where the pairs of two dimensions begin.
    offsets: Vec<Vec<usize>>,
    is_open: Vec<bool>,
    /// All pairs in a random order; those at the end that are covered have been taken away.
    queue: Vec<(Choice, Choice)>,
}

impl Uncovered {
    fn new(sizes: &[usize], random: &mut Random) -> Uncovered {
        let mut queue = Vec::new();
        let mut offsets = vec![vec![0; sizes.len()]; sizes.len()];
        let mut total = 0;
        for a in 0..sizes.len() {
            for b in a + 1..sizes.len() {
                offsets[a][b] = total;
                total += sizes[a] * sizes[b];
                for x in 0..sizes[a] {
                    queue.extend((0..sizes[b]).map(|y| ((a, x), (b, y))));
                }
            }
        }
        for end in (1..queue.len()).rev() {
            queue.swap(end, random.below(end as u64 + 1) as usize);
        }
        Uncovered { sizes: sizes.to_vec(), offsets, is_open: vec![true; total], queue }
    }

    fn position(&self, one: Choice, other: Choice) -> usize {
        let ((a, x), (b, y)) = if one.0 < other.0 { (one, other) } else { (other, one) };
        self.offsets[a][b] + x * self.sizes[b] + y
    }

    fn is_open(&self, one: Choice, other: Choice) -> bool {
        self.is_open[self.position(one, other)]
    }

    fn next(&mut self) -> Option<(Choice, Choice)> {
        while let Some((one, other)) = self.queue.last().copied() {
            if self.is_open(one, other) {
                return Some((one, other));
            }
            self.queue.pop();
        }
        None
    }

    fn gain(&self, row: &[usize]) -> usize {
        pairs(row).filter(|(one, other)| self.is_open(*one, *other)).count()
    }

    fn cover(&mut self, row: &[usize]) {
        for (one, other) in pairs(row) {
            let position = self.position(one, other);
            self.is_open[position] = false;
        }
    }

    /// A row with this pair in it.
    fn candidate(&self, (first, second): (Choice, Choice), random: &mut Random) -> Vec<usize> {
        let mut chosen = vec![first, second];
        let mut open: Vec<usize> = (0..self.sizes.len()).filter(|d| *d != first.0 && *d != second.0).collect();
        while !open.is_empty() {
            let dimension = open.swap_remove(random.below(open.len() as u64) as usize);
            let gain = |value| chosen.iter().filter(|other| self.is_open((dimension, value), **other)).count();
            let gains: Vec<usize> = (0..self.sizes[dimension]).map(gain).collect();
            let best = gains.iter().copied().max().unwrap_or_default();
            let values: Vec<usize> = (0..gains.len()).filter(|value| gains[*value] == best).collect();
            chosen.push((dimension, random.pick(&values)));
        }
        chosen.sort_unstable();
        chosen.into_iter().map(|(_, value)| value).collect()
    }
}

/// Rows of one value a dimension, such that every pair of values of two dimensions is in some row.
pub fn covering(sizes: &[usize], random: &mut Random) -> Vec<Vec<usize>> {
    let mut uncovered = Uncovered::new(sizes, random);
    let mut rows = Vec::new();
    while let Some(pair) = uncovered.next() {
        let candidates: Vec<_> = (0..CANDIDATES).map(|_| uncovered.candidate(pair, random)).collect();
        let Some(row) = candidates.into_iter().max_by_key(|row| uncovered.gain(row)) else { break };
        uncovered.cover(&row);
        rows.push(row);
    }
    rows
}

fn pairs(row: &[usize]) -> impl Iterator<Item = (Choice, Choice)> {
    let choice = |number: usize| (number, row[number]);
    (0..row.len()).flat_map(move |a| (a + 1..row.len()).map(move |b| (choice(a), choice(b))))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_pair_occurs() {
        let sizes = [3, 4, 2, 5];
        let rows = covering(&sizes, &mut Random(1));
        let found: HashSet<_> = rows.iter().flat_map(|row| pairs(row).collect::<Vec<_>>()).collect();
        assert_eq!(found.len(), 3 * 4 + 3 * 2 + 3 * 5 + 4 * 2 + 4 * 5 + 2 * 5);
        assert!(rows.len() < 40, "{} rows are more than twice the 20 that two dimensions need", rows.len());
    }
}

//! Numbers of several rounds.

use std::time::Duration;

/// The value below which so many of a thousand are.
pub fn quantile(values: &[f64], permille: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() * permille).div_ceil(1_000).clamp(1, sorted.len());
    sorted[place - 1]
}

pub fn median(values: &[f64]) -> f64 {
    quantile(values, 500)
}

/// Ratios, round by round: the least, the median and the greatest.
pub fn ratios(of: &[f64], to: &[f64]) -> String {
    let ratios: Vec<f64> = of.iter().zip(to).map(|(of, to)| of / to).collect();
    spread(&ratios)
}

/// The least, the median and the greatest.
pub fn spread(values: &[f64]) -> String {
    format!("{:.2} / **{:.2}** / {:.2}", quantile(values, 0), median(values), quantile(values, 1_000))
}

pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Contestants by their number, beginning with another one in each turn.
pub fn turns(count: usize, turn: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |place| (place + turn) % count)
}

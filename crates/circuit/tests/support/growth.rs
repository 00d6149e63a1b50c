//! What the counters can't see: what is so many times as large must not take more than so many times as long.
//!
//! One large run is compared with as many small ones as are of the same size together, by the time that the thread was
//! running: what grows with the square takes sixteen times as long in the large one.

use std::time::{Duration, Instant};

const TIMES: i64 = 16;

/// How often it is tried again: other threads share the caches.
const TRIES: usize = 5;

/// What a measured time may lack, since the system counts some of it later. What grows with the square has to take much
/// longer.
const UNCOUNTED: Duration = Duration::from_millis(12);

/// Measures `run` with what `prepare` makes of a size.
pub fn assert_no_square<T>(few: i64, prepare: impl Fn(i64) -> T, run: impl Fn(&mut T)) {
    let many = TIMES * few;
    let time = |size: i64| {
        let mut prepared = prepare(size);
        let start = running_time();
        run(&mut prepared);
        running_time() - start
    };
    let mut times = Vec::new();
    for _ in 0..TRIES {
        let in_parts: Duration = (0..TIMES).map(|_| time(few)).sum();
        let at_once = time(many);
        if at_once < in_parts * 4 + UNCOUNTED {
            return;
        }
        times.push((in_parts, at_once));
    }
    panic!("{TIMES} times {few}, and {many} at once: {times:?}");
}

/// How long this thread was running, as far as the system tells; else how long the process is there.
fn running_time() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|told| told.split_whitespace().next()?.parse().ok());
    nanoseconds.map_or_else(|| START.get_or_init(Instant::now).elapsed(), Duration::from_nanos)
}

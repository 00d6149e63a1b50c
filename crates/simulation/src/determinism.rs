//! Time and chance, as threads of a simulation know them.
//!
//! What the C library tells is told by us instead, on threads that belong to a simulation: the clock of the wall is the
//! simulation's, and randomness follows from its seed. So the stamps of SurrealDB's changefeed, the seeds of hash maps and made-up
//! ids are the same each time. All other threads, and the monotonic clock, are left alone. (madsim does it this way.)

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use libc::{c_int, c_uint, c_void, clockid_t, size_t, ssize_t, timespec};

/// How long a look at the clock takes, in nanoseconds.
const LOOK: u64 = 1_000;

thread_local! {
    static NOW: Cell<Option<&'static AtomicU64>> = const { Cell::new(None) };
    static CHANCE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The clock of a simulation.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Nanoseconds since the epoch. It is never freed, as threads may look at it until the process ends.
    now: &'static AtomicU64,
}

impl Clock {
    /// A clock that stands at a time since the epoch.
    pub fn new(now: Duration) -> Clock {
        let clock = Clock { now: Box::leak(Box::default()) };
        clock.set(now);
        clock
    }

    /// Sets it, for all threads that live by it. It never goes back.
    pub fn set(&self, now: Duration) {
        self.now.fetch_max(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// From now on this thread lives by this clock, and its chance follows from a seed.
    pub fn inhabit(&self, seed: u64) {
        NOW.set(Some(self.now));
        CHANCE.set(Some(seed));
    }
}

/// What the C library has under this name, for the clock of the wall and threads of a simulation.
///
/// # Safety
/// As the C library's: `time` is valid, and may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    if clock == libc::CLOCK_REALTIME
        && let Ok(Some(now)) = NOW.try_with(Cell::get)
    {
        // Each look takes some time: there are those who look until it has passed.
        let now = Duration::from_nanos(now.fetch_add(LOOK, Ordering::Relaxed));
        // SAFETY: the caller says that it is valid.
        unsafe {
            (*time).tv_sec = now.as_secs() as libc::time_t;
            (*time).tv_nsec = libc::c_long::from(now.subsec_nanos() as i32);
        }
        return 0;
    }
    // SAFETY: these are the arguments of the system call.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as c_int }
}

/// What the C library has under this name, for threads of a simulation.
///
/// # Safety
/// As the C library's: `buffer` has so many bytes, and may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut c_void, length: size_t, flags: c_uint) -> ssize_t {
    let Ok(Some(mut state)) = CHANCE.try_with(Cell::get) else {
        // SAFETY: these are the arguments of the system call.
        return unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) as ssize_t };
    };
    for offset in 0..length {
        // SAFETY: it is one of the bytes of the buffer.
        unsafe { *buffer.cast::<u8>().add(offset) = (next(&mut state) >> 32) as u8 };
    }
    CHANCE.set(Some(state));
    length as ssize_t
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::hash_map::RandomState;
    use std::hash::BuildHasher;
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    /// What a thread of a simulation is told of time and chance, by the standard library and by others.
    fn told(seed: u64) -> (Duration, u64, uuid::Uuid, u64) {
        let thread = std::thread::spawn(move || {
            Clock::new(Duration::from_secs(1_000)).inhabit(seed);
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            (now, RandomState::new().hash_one(1), uuid::Uuid::new_v4(), rand::random())
        });
        thread.join().unwrap()
    }

    #[test]
    fn threads_of_a_simulation_know_its_time_and_its_chance() {
        assert_eq!(told(1), told(1));
        let (one, two) = (told(1), told(2));
        assert_eq!(one.0, Duration::from_secs(1_000));
        assert!(one.1 != two.1 && one.2 != two.2 && one.3 != two.3);
    }

    #[test]
    fn all_others_know_the_machines() {
        let age = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(age > Duration::from_secs(1_700_000_000), "{age:?}");
        assert_ne!(uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    }
}

//! What is allocated, counted.
//!
//! A counter of our own, as it is less than any dependency: `dhat` takes a backtrace of every allocation, which a
//! million rows are too many for, and `stats_alloc` knows what was asked for, but not what the allocator took for it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::Sub;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, with a count of what is allocated. For the benchmarks of memory only: counting takes time.
#[derive(Debug)]
pub struct Counting;

static REQUESTED: AtomicUsize = AtomicUsize::new(0);
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Bytes that are allocated.
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    /// As the program asked for them.
    pub requested: usize,
    /// With the allocator's rounding and its header of each allocation.
    pub taken: usize,
}

/// What is allocated now.
pub fn allocated() -> Bytes {
    Bytes { requested: REQUESTED.load(Relaxed), taken: TAKEN.load(Relaxed) }
}

impl Sub for Bytes {
    type Output = Bytes;

    /// What was allocated since `before`; nothing if it was freed instead.
    fn sub(self, before: Bytes) -> Bytes {
        Bytes {
            requested: self.requested.saturating_sub(before.requested),
            taken: self.taken.saturating_sub(before.taken),
        }
    }
}

/// What an allocation takes in the GNU C library: 8 bytes of header, rounded up to 16, and at least 32.
fn taken(size: usize) -> usize {
    (size + 8).next_multiple_of(16).max(32)
}

fn count(size: usize) {
    REQUESTED.fetch_add(size, Relaxed);
    TAKEN.fetch_add(taken(size), Relaxed);
}

fn discount(size: usize) {
    REQUESTED.fetch_sub(size, Relaxed);
    TAKEN.fetch_sub(taken(size), Relaxed);
}

// SAFETY: everything is done by the system's allocator, with the arguments as they came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        discount(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        discount(layout.size());
        count(new_size);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

//! What is allocated, counted.
//!
//! A counter of our own, as it is less than any dependency: `dhat` takes a backtrace of every allocation, which a
//! million rows are too many for, and `stats_alloc` knows what was asked for, but not what the allocator took for it.

use std::alloc::{GlobalAlloc, Layout};
use std::ops::Sub;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use mimalloc::MiMalloc;

/// The allocator of `spky`, with a count of what is allocated. For the benchmarks of memory only: counting takes time.
#[derive(Debug)]
pub struct Counting;

static REQUESTED: AtomicUsize = AtomicUsize::new(0);
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Bytes that are allocated.
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    /// As the program asked for them.
    pub requested: usize,
    /// With the allocator's rounding.
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

/// What the allocator takes for an allocation.
///
/// # Safety
/// `pointer` is null or was allocated by [`MiMalloc`].
unsafe fn taken(pointer: *const u8) -> usize {
    // SAFETY: as the caller promises.
    unsafe { MiMalloc.usable_size(pointer) }
}

// SAFETY: everything is done by the allocator, with the arguments as they came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let pointer = unsafe { MiMalloc.alloc(layout) };
        REQUESTED.fetch_add(layout.size(), Relaxed);
        // SAFETY: it was allocated just now.
        TAKEN.fetch_add(unsafe { taken(pointer) }, Relaxed);
        pointer
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        REQUESTED.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        TAKEN.fetch_sub(unsafe { taken(pointer) }, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        REQUESTED.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        TAKEN.fetch_sub(unsafe { taken(pointer) }, Relaxed);
        // SAFETY: as the caller promises.
        let pointer = unsafe { MiMalloc.realloc(pointer, layout, new_size) };
        REQUESTED.fetch_add(new_size, Relaxed);
        // SAFETY: it was allocated just now.
        TAKEN.fetch_add(unsafe { taken(pointer) }, Relaxed);
        pointer
    }
}

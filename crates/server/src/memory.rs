//! The allocator, and giving back what it no longer needs. A password hash takes 19 MiB for some
//! milliseconds and a picture takes more; the allocator keeps such room for the next time, which
//! on a small machine is memory that others lack. Leaves bounds to whoever allocates.

use std::time::Duration;

#[cfg(not(test))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seconds between two looks for memory that can go back. A look costs well under a millisecond.
const GIVE_BACK_EVERY_S: u64 = 30;

/// Has the system back our memory by small pages only. The allocator asks for huge ones, and then
/// each touch of a fresh 2 MiB takes them whole: an idle server of 31 MB took 46. Whether an empty
/// server is small matters more to its host than the last percent of a full one's speed.
pub(crate) fn keep_pages_small() {
    #[cfg(target_os = "linux")]
    // SAFETY: the call takes plain numbers and changes how this process's memory is backed,
    // nothing of what is in it. Where it is refused, everything works in larger pages.
    #[expect(unsafe_code, reason = "the system's call has no safe form")]
    unsafe {
        libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0);
    }
}

/// Gives free memory back to the system, now.
pub(crate) fn give_back() {
    // SAFETY: the call takes no pointer, may be made from any thread at any time, and touches
    // nothing but the allocator's own free pages.
    #[expect(unsafe_code, reason = "the allocator's own call has no safe form")]
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}

/// Gives free memory back now and then, for as long as it is awaited.
pub(crate) async fn give_back_now_and_then() {
    let mut ticks = tokio::time::interval(Duration::from_secs(GIVE_BACK_EVERY_S));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        give_back();
    }
}

/// The same, counting, for tests of what must not ask for memory.
#[cfg(test)]
pub(crate) mod counted {
    use std::alloc::{GlobalAlloc, Layout};
    use std::cell::Cell;

    use mimalloc::MiMalloc;

    struct Counting;

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    thread_local! {
        static ASKED: Cell<u64> = const { Cell::new(0) };
    }

    /// How often this thread asks for memory in what it does.
    pub(crate) fn asked<T>(act: impl FnOnce() -> T) -> (T, u64) {
        let before = ASKED.get();
        let done = act();
        (done, ASKED.get() - before)
    }

    // SAFETY: memory is the other allocator's, asked for and given back with the caller's own
    // words. Counting writes a plain cell, which needs no memory and has no destructor.
    #[expect(unsafe_code, reason = "an allocator is unsafe to write")]
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            ASKED.set(ASKED.get() + 1);
            // SAFETY: as the caller promised.
            unsafe { MiMalloc.alloc(layout) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            ASKED.set(ASKED.get() + 1);
            // SAFETY: as the caller promised.
            unsafe { MiMalloc.alloc_zeroed(layout) }
        }

        unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            ASKED.set(ASKED.get() + 1);
            // SAFETY: as the caller promised.
            unsafe { MiMalloc.realloc(memory, layout, size) }
        }

        unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
            // SAFETY: as the caller promised.
            unsafe { MiMalloc.dealloc(memory, layout) }
        }
    }
}

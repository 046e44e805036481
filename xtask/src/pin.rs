//! One core each: the server on one, all load on the other, so that neither takes from the other's
//! figures. Linux only; elsewhere nothing is pinned and the report says so.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The core that whatever is measured runs on.
pub const SERVER_CORE: usize = 1;
/// The core that load comes from.
pub const LOAD_CORE: usize = 0;

/// Makes a command run on one core, with all threads it will have.
#[expect(unsafe_code, reason = "the affinity of a child is set between fork and exec")]
pub fn child(command: &mut Command, core: usize) {
    // SAFETY: between fork and exec only `sched_setaffinity` is called, which is a plain system
    // call on memory of this frame: nothing is allocated and no lock is taken.
    unsafe {
        command.pre_exec(move || pin(core));
    }
}

/// Keeps the calling thread, and those it starts later, on one core.
///
/// # Errors
/// When there is no such core.
pub fn here(core: usize) -> io::Result<()> {
    pin(core)
}

/// Whether there are two cores to keep apart.
pub fn possible() -> bool {
    std::thread::available_parallelism().is_ok_and(|cores| cores.get() > SERVER_CORE)
}

#[expect(unsafe_code, reason = "std has no call for affinity")]
fn pin(core: usize) -> io::Result<()> {
    // SAFETY: a `cpu_set_t` of zeros is an empty set, and the kernel reads exactly its size.
    let done = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

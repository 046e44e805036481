//! What a command does when nobody reads on: `fulmar account list | head` ends, as every other
//! program in a pipe does, and does not call that a fault. A server never does so: a peer who left
//! is an everyday thing to it.

/// Has writing to a closed pipe end this process, which Rust switches off at its start.
pub(crate) fn end_with_the_reader() {
    // SAFETY: it sets a signal to the system's own handling, before any other thread is there.
    #[expect(unsafe_code, reason = "the standard library has no call for it")]
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}

//! What an operator may set about connections. Every field has its default, and its reason, in
//! [`crate::limits`]; tests set small ones.

use super::gate::Gate;
use crate::limits;
use std::sync::Arc;
use std::time::Duration;

/// A least rate, judged only while one side waits for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Bytes a second.
    pub bytes_per_s: u32,
    /// Patience at the start, and the most that is regained by being fast.
    pub grace: Duration,
}

/// Bounds of a listener and its connections.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many may come in. Listeners of one process share it.
    pub gate: Arc<Gate>,
    /// From accept, or from the end of the TLS handshake, to the first byte.
    pub first_byte: Duration,
    /// The whole TLS handshake.
    pub handshake: Duration,
    /// From the first to the last byte of a request's head.
    pub head: Duration,
    /// Bytes of a request's head.
    pub head_bytes_max: u32,
    /// Between two requests.
    pub idle: Duration,
    /// Between two requests, when the gate is crowded.
    pub idle_crowded: Duration,
    /// Age at which a connection is asked to end after what it is doing.
    pub age: Duration,
    /// Reading on after our side is closed.
    pub linger: Duration,
    /// Least rate of a request's body.
    pub body: Rate,
    /// Least rate at which a peer takes what waits for it.
    pub write: Rate,
    /// Bytes the kernel queues for one peer.
    pub send_buffer_bytes: usize,
    /// How often each connection is judged: the error of every bound above.
    pub check_every: Duration,
    /// Wait for requests in flight when the server stops.
    pub drain: Duration,
    /// HTTP/2 requests at once on a connection.
    pub streams_max: u32,
    /// Requests that a connection may start and cancel at once.
    pub cancelled_burst: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            gate: Arc::new(Gate::default()),
            first_byte: limits::FIRST_BYTE,
            handshake: limits::HANDSHAKE,
            head: limits::HEAD,
            head_bytes_max: limits::HEAD_BYTES,
            idle: limits::IDLE,
            idle_crowded: limits::IDLE_CROWDED,
            age: limits::AGE,
            linger: limits::LINGER,
            body: Rate { bytes_per_s: limits::BODY_RATE, grace: limits::BODY_GRACE },
            write: Rate { bytes_per_s: limits::WRITE_RATE, grace: limits::WRITE_GRACE },
            send_buffer_bytes: limits::SEND_BUFFER_BYTES,
            check_every: limits::CHECK_EVERY,
            drain: limits::DRAIN,
            streams_max: limits::STREAMS,
            cancelled_burst: limits::CANCELLED_BURST,
        }
    }
}

//! What an operator or a test may set of the edge. Leaves the fixed bounds, and the reasons for
//! the defaults, to `limits`.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::limits;

/// Settings of one edge. `Default` is meant for a server that faces the internet. All times in ms.
#[derive(Debug, Clone)]
pub struct Options {
    /// Sockets per address (SO_REUSEPORT), each with its own accept loop: one per core at most.
    pub listeners: usize,
    /// See [`limits::CONNECTIONS_MAX`]; lowered to what the process's open files allow.
    pub connections_max: usize,
    /// See [`limits::PREFIX_CONNECTIONS_MAX`].
    pub prefix_connections_max: usize,
    /// Networks that no prefix cap applies to: the trusted proxies in front of this server.
    pub uncapped: Vec<IpNet>,
    /// Whether connections from `uncapped` begin with a header that names the client (the PROXY
    /// protocol). One without it is closed.
    pub proxy_protocol: bool,
    /// Networks that may connect at all; everybody where there is none. Others are reset as they
    /// are accepted, before anything is read of them.
    pub only: Vec<IpNet>,
    /// See [`limits::EVICTION_AFTER_MS`].
    pub eviction_after_ms: u64,
    /// See [`limits::HANDSHAKE_MS`].
    pub handshake_ms: u64,
    /// See [`limits::HANDSHAKE_US_PER_S`].
    pub handshake_us_per_s: u64,
    /// See [`limits::FLIGHT_MS`].
    pub flight_ms: u64,
    /// See [`limits::FIRST_BYTE_MS`].
    pub first_byte_ms: u64,
    /// See [`limits::HEADER_MS`].
    pub header_ms: u64,
    /// See [`limits::IDLE_MS`].
    pub idle_ms: u64,
    /// See [`limits::FRAME_MS`].
    pub frame_ms: u64,
    /// See [`limits::AGE_MS`].
    pub age_ms: u64,
    /// See [`limits::CONNECTION_BYTES_MAX`].
    pub connection_bytes_max: u64,
    /// See [`limits::REQUESTS_MAX`].
    pub requests_max: u64,
    /// See [`limits::RATE_BYTES_PER_S`].
    pub rate_bytes_per_s: u64,
    /// See [`limits::RATE_SPAN_MS`].
    pub rate_span_ms: u64,
    /// See [`limits::HELD_BYTES_MAX`].
    pub held_bytes_max: u64,
    /// See [`limits::BODY_BYTES_MAX`].
    pub body_bytes_max: u64,
    /// See [`limits::DRAIN_IDLE_MS`].
    pub drain_idle_ms: u64,
    /// See [`limits::DRAIN_MS`].
    pub drain_ms: u64,
    /// See [`limits::LINGER_MS`].
    pub linger_ms: u64,
    /// See [`limits::TICK_MS`].
    pub tick_ms: u64,
    /// See [`limits::TURNS`].
    pub turns: usize,
    /// See [`limits::PING_MS`]: interval and answer.
    pub ping_ms: (u64, u64),
    /// See [`limits::CONTROL_FRAMES`].
    pub control_frames: (u32, u32),
    /// See [`limits::CANCELLED`].
    pub cancelled: (u32, u32),
}

impl Options {
    /// Whether this is one of the proxies in front of this server.
    pub(super) fn is_proxy(&self, address: IpAddr) -> bool {
        self.uncapped.iter().any(|network| network.contains(&address))
    }

    /// Whether this address may connect at all.
    pub(super) fn admits(&self, address: IpAddr) -> bool {
        self.only.is_empty() || self.only.iter().any(|network| network.contains(&address))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listeners: 1,
            connections_max: limits::CONNECTIONS_MAX,
            prefix_connections_max: limits::PREFIX_CONNECTIONS_MAX,
            uncapped: Vec::new(),
            proxy_protocol: false,
            only: Vec::new(),
            eviction_after_ms: limits::EVICTION_AFTER_MS,
            handshake_ms: limits::HANDSHAKE_MS,
            handshake_us_per_s: limits::HANDSHAKE_US_PER_S,
            flight_ms: limits::FLIGHT_MS,
            first_byte_ms: limits::FIRST_BYTE_MS,
            header_ms: limits::HEADER_MS,
            idle_ms: limits::IDLE_MS,
            frame_ms: limits::FRAME_MS,
            age_ms: limits::AGE_MS,
            connection_bytes_max: limits::CONNECTION_BYTES_MAX,
            requests_max: limits::REQUESTS_MAX,
            rate_bytes_per_s: limits::RATE_BYTES_PER_S,
            rate_span_ms: limits::RATE_SPAN_MS,
            held_bytes_max: limits::HELD_BYTES_MAX,
            body_bytes_max: limits::BODY_BYTES_MAX,
            drain_idle_ms: limits::DRAIN_IDLE_MS,
            drain_ms: limits::DRAIN_MS,
            linger_ms: limits::LINGER_MS,
            tick_ms: limits::TICK_MS,
            turns: limits::TURNS,
            ping_ms: limits::PING_MS,
            control_frames: limits::CONTROL_FRAMES,
            cancelled: limits::CANCELLED,
        }
    }
}

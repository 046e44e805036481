//! Room `httpkit`.

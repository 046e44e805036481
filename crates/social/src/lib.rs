//! Room `social`.

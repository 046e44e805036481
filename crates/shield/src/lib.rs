//! Room `shield`.

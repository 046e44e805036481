//! The shield as this server wires it.

pub(crate) mod commands;
pub(crate) mod kernel;

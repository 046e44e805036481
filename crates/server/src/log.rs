//! The log: where it goes and how much it says. Lines go to standard error, so that standard output
//! stays for what other programs read, and have no colours: they read the same in a journal. Leaves
//! what is said to whoever says it.

use crate::config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

/// Starts the log of a server, once.
pub(crate) fn start(log: &Log) {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter(log))
        .with_writer(std::io::stderr)
        .with_ansi(false);
    match log.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).init(),
    }
}

/// The log of a command that ends by itself: only what its caller must know.
pub(crate) fn quiet() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .init();
}

/// RUST_LOG, else the configured filter, else the level.
fn filter(log: &Log) -> EnvFilter {
    let from_environment = EnvFilter::try_from_default_env();
    from_environment.unwrap_or_else(|_| {
        let level = || EnvFilter::new(log.level.level().to_string());
        // It was tried when the configuration was read.
        log.filter.as_ref().and_then(|filter| EnvFilter::try_new(filter).ok()).unwrap_or_else(level)
    })
}

//! What PostgreSQL's words mean to a caller.
//! Source of the codes: PostgreSQL documentation, appendix A (Error Codes).

use crate::limits::RETRY_AFTER_S;
use model::StoreError;
use std::error::Error as _;
use tokio_postgres::{Error, error::SqlState};

/// The database cannot be reached; come back.
pub(super) fn away() -> StoreError {
    StoreError::Away { retry_after_s: RETRY_AFTER_S }
}

/// The answer to a deed was lost: it may have committed.
pub(super) fn unsettled() -> StoreError {
    StoreError::Unsettled { retry_after_s: RETRY_AFTER_S }
}

/// For a query, or for a deed that certainly did not commit.
pub(super) fn store_error(error: &Error) -> StoreError {
    let Some(said) = error.as_db_error() else {
        return if is_connection_lost(error) { away() } else { StoreError::Broken(chain(error)) };
    };
    let code = said.code();
    let class = code.code().get(..2).unwrap_or("");
    match class {
        _ if *code == SqlState::DISK_FULL => StoreError::Full,
        // Connection, transaction rollback, resources, locks, operator intervention; and a primary
        // that has become a replica.
        "08" | "40" | "53" | "55" | "57" => away(),
        _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION => away(),
        _ => StoreError::Broken(format!("{} ({})", said.message(), code.code())),
    }
}

/// The connection is gone, and with it the answer.
pub(super) fn is_connection_lost(error: &Error) -> bool {
    let socket = error.source().is_some_and(|cause| cause.is::<std::io::Error>());
    let ended = error.as_db_error().is_some_and(|said| {
        [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        ]
        .contains(said.code())
    });
    error.is_closed() || socket || ended
}

/// A key, foreign key, check or NOT NULL refused the statement.
pub(super) fn is_constraint(error: &Error) -> bool {
    error.code().is_some_and(|code| code.code().starts_with("23"))
}

/// Nothing was wrong with the deed: it met another one, and may simply be tried again.
pub(super) fn is_collision(error: &Error) -> bool {
    error.code().is_some_and(|code| {
        *code == SqlState::T_R_DEADLOCK_DETECTED || *code == SqlState::T_R_SERIALIZATION_FAILURE
    })
}

/// An error with its causes, for the log.
pub(super) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

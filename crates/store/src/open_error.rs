//! Why a database could not be opened, in words for the host who started the program. None of them
//! repeats an address as it was written: it may hold a password.

use crate::limits::POSTGRES_VERSION_MIN;
use model::StoreError;

/// Opening failed; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is none.
    #[error(
        "the address of PostgreSQL cannot be read; it is written as \
         postgres://user:password@host:port/database, with % and two hexadecimal digits for \
         characters such as @ or / within the password"
    )]
    Address,
    /// Nobody answered.
    #[error("PostgreSQL does not answer at {at} ({cause}); is it running, and the address right?")]
    Unreachable {
        /// Host, port, database and user.
        at: String,
        /// What the system said.
        cause: String,
    },
    /// It answered, and did not let us in: password, user, database, right to connect.
    #[error("PostgreSQL at {at} does not let us in: {said}")]
    Refused {
        /// Host, port, database and user.
        at: String,
        /// What it said, with its code.
        said: String,
    },
    /// An older server lacks statements that are used.
    #[error("this is PostgreSQL {found}; version {POSTGRES_VERSION_MIN} or newer is needed")]
    Version {
        /// As the server names it.
        found: String,
    },
    /// Text would be lost.
    #[error(
        "the database is kept in {found}; make one with CREATE DATABASE ... TEMPLATE template0 \
         ENCODING 'UTF8'"
    )]
    Encoding {
        /// The encoding of the database.
        found: String,
    },
    /// The user may connect but not make tables.
    #[error("the user may not make tables there; make it the owner: ALTER DATABASE ... OWNER TO")]
    Rights,
    /// Another process has it open.
    #[error(
        "another Fulmar works on this database ({by}): stop it first, for two would not hear of \
         what the other writes; a command is given where that one runs"
    )]
    Taken {
        /// From where, and since when.
        by: String,
    },
    /// A copy is only put where nothing is.
    #[error("there is a database already; restore into an empty one, or move that one away first")]
    NotEmpty,
    /// The tables that are there could not be moved away.
    #[error(
        "the tables that are there cannot be moved into a schema beside, for the user may not make \
         one: GRANT CREATE ON DATABASE ... TO it, or restore into an empty database"
    )]
    AsideRights,
    /// What was to be restored is no whole copy.
    #[error("this copy of the database cannot be restored: {why}")]
    Copy {
        /// What is wrong with it.
        why: String,
    },
    /// Anything past the door: the disk, the migrations.
    #[error(transparent)]
    Store(#[from] StoreError),
}

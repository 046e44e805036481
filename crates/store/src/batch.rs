//! A deed: statements that commit together or not at all, with the ids that the writer issues as
//! they do. No transaction stays open across other work, so nothing can deadlock and a slow caller
//! holds no lock.

use crate::{Row, Value};
use model::{Event, StoreError};

/// The place of an id that is issued at commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdSlot(pub(crate) usize);

/// How many rows a statement must change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Demand {
    Any,
    One,
}

/// One statement with its values.
#[derive(Debug)]
pub(crate) struct Statement {
    pub sql: &'static str,
    pub values: Vec<Value>,
    pub demand: Demand,
}

/// Makes the event of a deed from the ids and rows that it got.
pub(crate) type Tell = Box<dyn FnOnce(&Done) -> Option<Event> + Send>;

/// A deed in the making.
#[derive(Default)]
pub struct Batch {
    pub(crate) statements: Vec<Statement>,
    pub(crate) ids: usize,
    /// Whether counters move in rows of their own, to be folded later.
    pub(crate) moves: bool,
    pub(crate) tell: Option<Tell>,
}

impl Batch {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }
    /// A fresh id, issued in commit order.
    pub fn id(&mut self) -> IdSlot {
        self.ids += 1;
        IdSlot(self.ids - 1)
    }
    /// The id of a row that says by how much a counter moves.
    pub(crate) fn moves(&mut self) -> IdSlot {
        self.moves = true;
        self.id()
    }
    /// Adds a statement. Returns its place, for [`Done::rows`].
    pub fn add(&mut self, sql: &'static str, values: Vec<Value>) -> usize {
        self.push(sql, values, Demand::Any)
    }
    /// Adds a statement that must change exactly one row, else nothing of the batch takes effect
    /// and the commit fails with [`CommitError::Unmet`].
    pub fn must(&mut self, sql: &'static str, values: Vec<Value>) -> usize {
        self.push(sql, values, Demand::One)
    }
    fn push(&mut self, sql: &'static str, values: Vec<Value>, demand: Demand) -> usize {
        self.statements.push(Statement { sql, values, demand });
        self.statements.len() - 1
    }
    /// What others are told once it has committed; `None` tells nothing.
    pub fn tell(&mut self, make: impl FnOnce(&Done) -> Option<Event> + Send + 'static) {
        self.tell = Some(Box::new(make));
    }
}

/// What a committed deed gave.
#[derive(Clone, Default, Debug)]
pub struct Done {
    pub(crate) ids: Vec<i64>,
    pub(crate) rows: Vec<Vec<Row>>,
    pub(crate) changed: Vec<usize>,
}

impl Done {
    /// The id that was issued for a slot.
    pub fn id<T: TryFrom<i64>>(&self, slot: IdSlot) -> Result<T, StoreError> {
        let raw = self.ids.get(slot.0).copied().unwrap_or(0);
        T::try_from(raw).map_err(|_| StoreError::Inconsistent("an id that was not issued".into()))
    }
    /// What a statement returned.
    pub fn rows(&self, statement: usize) -> &[Row] {
        self.rows.get(statement).map_or(&[], Vec::as_slice)
    }
    /// How many rows a statement changed.
    pub fn changed(&self, statement: usize) -> usize {
        self.changed.get(statement).copied().unwrap_or(0)
    }
}

/// Why a deed did not commit. Nothing of it took effect, unless it is
/// [`StoreError::Unsettled`]: then it may yet, as a whole.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A key or check refused this statement (its place in the batch).
    #[error("statement {0} met a constraint")]
    Key(usize),
    /// A `must` statement changed another number of rows than one.
    #[error("statement {0} did not change one row")]
    Unmet(usize),
    /// The store itself.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CommitError {
    /// For deeds whose constraints cannot be met in ways that a caller would tell apart.
    pub fn into_store(self, what: &'static str) -> StoreError {
        match self {
            Self::Key(_) | Self::Unmet(_) => StoreError::Conflict(what),
            Self::Store(error) => error,
        }
    }
}

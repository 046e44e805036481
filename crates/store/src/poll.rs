//! Polls: numbers are counted from the votes, which are few; a vote is refused by its key.

use crate::{Batch, CommitError, SqlStore, params};
use model::{
    AccountId, Event, PollId, StoreError, Timestamp,
    poll::{Poll, PollOption},
    ports::Stored,
};
use std::collections::HashMap;

impl SqlStore {
    pub(crate) async fn read_polls(&self, ids: &[PollId]) -> Stored<Vec<Poll>> {
        let sql = "SELECT id, status_id, account_id, expires_ms, multiple, hide_totals, options \
                   FROM poll WHERE id IN ({ids})";
        let rows = self.db.query_ids(sql, vec![], ids).await?;
        if rows.is_empty() {
            return Ok(vec![]);
        }
        let votes = self
            .db
            .query_ids(
                "SELECT poll_id, choice, COUNT(*) FROM poll_vote WHERE poll_id IN ({ids}) \
                 GROUP BY poll_id, choice",
                vec![],
                ids,
            )
            .await?;
        let voters = self
            .db
            .query_ids(
                "SELECT poll_id, COUNT(DISTINCT account_id) FROM poll_vote \
                 WHERE poll_id IN ({ids}) GROUP BY poll_id",
                vec![],
                ids,
            )
            .await?;
        let mut by_choice = HashMap::new();
        for row in &votes {
            by_choice.insert((row.int(0)?, row.int(1)?), row.int(2)?);
        }
        let mut by_poll = HashMap::new();
        for row in &voters {
            by_poll.insert(row.int(0)?, row.int(1)?);
        }
        rows.iter()
            .map(|row| {
                let titles: Vec<String> = serde_json::from_str(row.text(6)?)
                    .map_err(|_| StoreError::Inconsistent("poll.options".into()))?;
                let id: PollId = row.id(0)?;
                let options = (0_i64..)
                    .zip(titles)
                    .map(|(choice, title)| PollOption {
                        title,
                        votes: by_choice.get(&(id.get(), choice)).copied().unwrap_or(0),
                    })
                    .collect();
                Ok(Poll {
                    id,
                    status: row.id(1)?,
                    account: row.id(2)?,
                    options,
                    expires: row.opt_int(3)?.map(Timestamp::from_ms),
                    multiple: row.bool(4)?,
                    hide_totals: row.bool(5)?,
                    voters: by_poll.get(&id.get()).copied().unwrap_or(0),
                })
            })
            .collect()
    }

    pub(crate) async fn read_votes(
        &self,
        viewer: AccountId,
        polls: &[PollId],
    ) -> Stored<Vec<(PollId, u32)>> {
        let sql = "SELECT poll_id, choice FROM poll_vote \
                   WHERE account_id = ?1 AND poll_id IN ({ids}) ORDER BY poll_id, choice";
        let rows = self.db.query_ids(sql, params![viewer], polls).await?;
        rows.iter()
            .map(|r| {
                let choice = u32::try_from(r.int(1)?)
                    .map_err(|_| StoreError::Inconsistent("poll_vote.choice".into()))?;
                Ok((r.id(0)?, choice))
            })
            .collect()
    }

    pub(crate) async fn cast_votes(
        &self,
        account: AccountId,
        poll: &Poll,
        choices: &[u32],
    ) -> Stored<()> {
        let mut batch = Batch::new();
        // One ballot after another: PostgreSQL would count below for two of one voter at a time,
        // neither of which sees the other.
        batch.must("UPDATE poll SET multiple = multiple WHERE id = ?1", params![poll.id]);
        for choice in choices {
            // Only the first vote of a voter passes, whatever its choice, but all of one ballot.
            batch.must(
                "INSERT INTO poll_vote (poll_id, account_id, choice) \
                 SELECT id, ?2, ?3 FROM poll WHERE id = ?1",
                params![poll.id, account, *choice],
            );
        }
        // A ballot is whole: a voter with more rows than this ballot had voted before.
        let ballot = i64::try_from(choices.len()).unwrap_or(i64::MAX);
        batch.must(
            "UPDATE poll SET multiple = multiple WHERE id = ?1 AND \
             (SELECT COUNT(*) FROM poll_vote WHERE poll_id = ?1 AND account_id = ?2) = ?3",
            params![poll.id, account, ballot],
        );
        let status = poll.status;
        batch.tell(move |_| Some(Event::Voted { status, account }));
        match self.db.commit(batch).await {
            Ok(_) => Ok(()),
            Err(CommitError::Key(_) | CommitError::Unmet(_)) => Err(StoreError::Conflict("vote")),
            Err(CommitError::Store(error)) => Err(error),
        }
    }
}

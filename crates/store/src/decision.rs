//! Decisions about members: each takes effect and is recorded in one deed.

use crate::{Batch, CommitError, Row, SqlStore, app::ending_access, mail, params};
use async_trait::async_trait;
use model::{
    AccountId, Event, StoreError, Timestamp,
    decision::{Decision, Verdict},
    mail::MailKind,
    ports::{DecisionStore, Stored},
};

/// Changes nothing, and finds its row only where an owner would be left.
pub(crate) const OWNER_LEFT: &str = "UPDATE member SET role = role WHERE account_id = ?1 AND \
    (role <> 'owner' OR EXISTS (SELECT 1 FROM member m JOIN account a ON a.id = m.account_id \
     WHERE m.role = 'owner' AND m.account_id <> ?1 AND a.suspended_ms IS NULL))";
const RECORD: &str = "INSERT INTO decision (id, target_id, actor_id, verdict, reason, at_ms) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const SUSPEND: &str = "UPDATE account SET suspended_ms = ?2 WHERE id = ?1 \
    AND suspended_ms IS NULL AND domain IS NULL";
/// Whoever is deleted has no member, and does not come back.
const UNSUSPEND: &str = "UPDATE account SET suspended_ms = NULL WHERE id = ?1 \
    AND suspended_ms IS NOT NULL AND domain IS NULL \
    AND EXISTS (SELECT 1 FROM member WHERE account_id = ?1)";
const ROLE: &str = "UPDATE member SET role = ?2 WHERE account_id = ?1 AND role <> ?2";
const END_SESSIONS: &str = "DELETE FROM session WHERE account_id = ?1";
const END_CODES: &str = "DELETE FROM auth_code WHERE account_id = ?1";

fn decision_of(row: &Row) -> Stored<Decision> {
    Ok(Decision {
        id: row.id(0)?,
        target: row.id(1)?,
        actor: row.opt_id(2)?,
        verdict: Verdict::from_word(row.text(3)?)
            .ok_or_else(|| StoreError::Inconsistent("decision.verdict".into()))?,
        reason: row.text(4)?.to_owned(),
        at: Timestamp::from_ms(row.int(5)?),
    })
}

/// Keeps the record, and has those who remember the account ask again.
pub(crate) fn record(batch: &mut Batch, decision: &Decision) {
    let id = batch.id();
    let target = decision.target;
    let (word, reason) = (decision.verdict.word(), decision.reason.clone());
    batch.add(RECORD, params![id, target, decision.actor, word, reason, decision.at]);
    let restores = decision.verdict == Verdict::Unsuspend;
    batch.tell(move |_| match restores {
        true => Some(Event::AccountRestored(target)),
        false => Some(Event::AccountChanged(target)),
    });
}

#[async_trait]
impl DecisionStore for SqlStore {
    async fn decide(&self, decision: &Decision) -> Stored<bool> {
        let (target, at) = (decision.target, decision.at);
        let mut batch = Batch::new();
        let guard =
            decision.verdict.takes_powers().then(|| batch.must(OWNER_LEFT, params![target]));
        match decision.verdict {
            Verdict::Suspend => {
                batch.must(SUSPEND, params![target, at]);
                batch.add(END_SESSIONS, params![target]);
                batch.add(END_CODES, params![target]);
            }
            Verdict::Unsuspend => {
                batch.must(UNSUSPEND, params![target]);
            }
            Verdict::Role(role) => {
                batch.must(ROLE, params![target, role.word()]);
            }
            Verdict::Password | Verdict::Delete => {
                return Err(StoreError::Inconsistent("a verdict with a deed of its own".into()));
            }
        }
        record(&mut batch, decision);
        match self.db.commit(batch).await {
            Ok(_) => Ok(true),
            Err(CommitError::Unmet(at)) if Some(at) == guard => {
                // Its row may also be missing because there is no such member.
                match model::ports::AccountStore::member(self, target).await? {
                    Some(_) => Err(StoreError::Conflict("last_owner")),
                    None => Ok(false),
                }
            }
            Err(CommitError::Unmet(_)) => Ok(false),
            Err(other) => Err(other.into_store("decision")),
        }
    }

    async fn decide_password(&self, decision: &Decision, hash: &str, notice: bool) -> Stored<bool> {
        let (target, at) = (decision.target, decision.at);
        let mut batch = Batch::new();
        batch.must(
            "UPDATE member SET password_hash = ?2, confirmed_ms = COALESCE(confirmed_ms, ?3) \
             WHERE account_id = ?1",
            params![target, hash, at],
        );
        ending_access(&mut batch, target, None, at);
        mail::end_links(&mut batch, target);
        if notice {
            mail::enqueue_to_member(&mut batch, MailKind::PasswordChanged, target, at);
        }
        record(&mut batch, decision);
        match self.db.commit(batch).await {
            Ok(_) => Ok(true),
            Err(CommitError::Unmet(_)) => Ok(false),
            Err(other) => Err(other.into_store("decision")),
        }
    }

    async fn decisions(&self, target: AccountId, limit: u32) -> Stored<Vec<Decision>> {
        let sql = "SELECT id, target_id, actor_id, verdict, reason, at_ms FROM decision \
                   WHERE target_id = ?1 ORDER BY id DESC LIMIT ?2";
        self.db.query(sql, params![target, limit]).await?.iter().map(decision_of).collect()
    }
}

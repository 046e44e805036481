//! Reporting somebody to those who run this place.

use crate::{Social, VerbError};
use model::{
    AccountId, StatusId,
    limits::{REPORT_CHARACTERS, REPORTS_DAILY, STATUSES_PER_REPORT},
    report::{NewReport, Report, ReportCategory},
    sight::{Sight, may_report},
};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A report as asked for.
#[derive(Clone, Debug, Default)]
pub struct ReportDraft {
    /// Posts of the reported.
    pub statuses: Vec<StatusId>,
    /// What the reporter says.
    pub comment: String,
    /// What it is about.
    pub category: ReportCategory,
    /// Numbers of the rules that were broken; only a violation breaks rules.
    pub rules: Vec<i64>,
    /// Whether the target's server should hear of it.
    pub forward: bool,
}

impl Social {
    /// Reports an account, and posts of it.
    ///
    /// # Errors
    /// `NotFound` where the account is not there, or a post is not its own or not the reporter's
    /// to see; `Invalid` for what is too long, too many or not a rule, and for oneself.
    pub async fn report(
        &self,
        account: AccountId,
        target: AccountId,
        mut draft: ReportDraft,
    ) -> Result<Report, VerbError> {
        let refuse = |text: &str| Err(VerbError::Invalid(text.to_owned()));
        self.account(target).await?;
        if account == target {
            return refuse("You cannot report yourself");
        }
        if draft.comment.chars().count() > REPORT_CHARACTERS {
            return refuse("Comment is too long (maximum is 1000 characters)");
        }
        draft.rules.sort_unstable();
        draft.rules.dedup();
        draft.statuses.sort_unstable();
        draft.statuses.dedup();
        if draft.statuses.len() > STATUSES_PER_REPORT {
            return refuse("Too many posts for one report (maximum is 100)");
        }
        if draft.category != ReportCategory::Violation {
            draft.rules.clear();
        }
        let most = i64::try_from(self.settings.rules).unwrap_or(i64::MAX);
        if !draft.rules.iter().all(|rule| (1..=most).contains(rule)) {
            return refuse("Rules does not reference valid rules");
        }
        self.check_reported(account, target, &draft.statuses).await?;
        let now = self.now();
        let recent = self.store.reports_since(account, now.plus_ms(-DAY_MS), REPORTS_DAILY).await?;
        if recent >= i64::from(REPORTS_DAILY) {
            return refuse("You have reported as much as is allowed in a day");
        }
        let new = NewReport {
            account,
            target,
            category: draft.category,
            comment: draft.comment,
            statuses: draft.statuses,
            rules: draft.rules,
            forward: draft.forward,
            created: now,
        };
        Ok(self.store.create_report(&new).await?)
    }

    /// The posts are the target's, and the reporter's to report.
    async fn check_reported(
        &self,
        account: AccountId,
        target: AccountId,
        ids: &[StatusId],
    ) -> Result<(), VerbError> {
        if ids.is_empty() {
            return Ok(());
        }
        let found = self.store.statuses(ids).await?;
        let facts = self.store.sight_facts(account, &[target], self.now()).await?;
        let facts = facts.into_iter().next().map(|(_, facts)| facts).unwrap_or_default();
        let reportable = found.iter().filter(|status| {
            let sight = Sight {
                visibility: status.visibility,
                is_author: status.account == account,
                follows: facts.follows,
                mentioned: status.mentions.contains(&account),
                blocked: facts.blocked,
                suspended: false,
            };
            status.account == target && may_report(&sight)
        });
        if reportable.count() == ids.len() { Ok(()) } else { Err(VerbError::NotFound) }
    }
}

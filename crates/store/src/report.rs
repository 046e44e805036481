//! Reports: kept whole, so that what was reported can be read when a post is gone.

use crate::{Batch, Row, SqlStore, params, row::join_ids};
use async_trait::async_trait;
use model::{
    AccountId, Page, StoreError, Timestamp,
    ports::{ReportStore, Stored},
    report::{NewReport, Report, ReportCategory},
};

const INSERT: &str = "INSERT INTO report (id, account_id, target_id, category, comment, \
    status_ids, forward, created_ms, resolved_ms, rules) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL, ?9)";
const OPEN: &str = "SELECT id, account_id, target_id, category, comment, status_ids, forward, \
    created_ms, resolved_ms, rules FROM report WHERE resolved_ms IS NULL AND id < ?1 AND id > ?2";

fn report_of(row: &Row) -> Stored<Report> {
    Ok(Report {
        id: row.id(0)?,
        content: NewReport {
            account: row.id(1)?,
            target: row.id(2)?,
            category: ReportCategory::from_word(row.text(3)?)
                .ok_or_else(|| StoreError::Inconsistent("report.category".into()))?,
            comment: row.text(4)?.to_owned(),
            statuses: row.ids(5)?,
            rules: row.ids(9)?,
            forward: row.bool(6)?,
            created: Timestamp::from_ms(row.int(7)?),
        },
        resolved: row.opt_int(8)?.map(Timestamp::from_ms),
    })
}

#[async_trait]
impl ReportStore for SqlStore {
    async fn create_report(&self, new: &NewReport) -> Stored<Report> {
        let mut batch = Batch::new();
        let id = batch.id();
        batch.add(
            INSERT,
            params![
                id,
                new.account,
                new.target,
                new.category.word(),
                new.comment.clone(),
                join_ids(&new.statuses),
                new.forward,
                new.created,
                join_ids(&new.rules)
            ],
        );
        let done = self.db.commit(batch).await.map_err(|e| e.into_store("report"))?;
        Ok(Report { id: done.id(id)?, content: new.clone(), resolved: None })
    }

    async fn open_reports(&self, page: Page) -> Stored<Vec<Report>> {
        let page = self.db.settled(page);
        let order = if page.ascending() { "ASC" } else { "DESC" };
        let sql = format!("{OPEN} ORDER BY id {order} LIMIT ?3");
        let rows = self.db.query(&sql, params![page.below(), page.above(), page.limit]).await?;
        let mut found: Vec<Report> = rows.iter().map(report_of).collect::<Stored<_>>()?;
        if page.ascending() {
            found.reverse();
        }
        Ok(found)
    }

    async fn reports_since(&self, account: AccountId, since: Timestamp, limit: u32) -> Stored<i64> {
        let sql = "SELECT COUNT(*) FROM (SELECT id FROM report \
                   WHERE account_id = ?1 AND created_ms > ?2 LIMIT ?3) AS recent";
        let row = self.db.first(sql, params![account, since, limit]).await?;
        row.map_or(Ok(0), |r| r.int(0))
    }
}

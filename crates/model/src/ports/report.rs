//! Reports, as the store keeps them.

use super::Stored;
use crate::{
    AccountId, Page, Timestamp,
    report::{NewReport, Report},
};
use async_trait::async_trait;

/// Where reports live.
#[async_trait]
pub trait ReportStore {
    /// Keeps a report.
    async fn create_report(&self, new: &NewReport) -> Stored<Report>;
    /// Reports that nobody has closed, newest first.
    async fn open_reports(&self, page: Page) -> Stored<Vec<Report>>;
    /// How many this account has made since, at most `limit`.
    async fn reports_since(&self, account: AccountId, since: Timestamp, limit: u32) -> Stored<i64>;
}

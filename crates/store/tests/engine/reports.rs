//! Reports on both engines: kept whole, listed while they are open, counted by who made them.

use model::{
    AccountId, Page, StatusId, Timestamp,
    ports::ReportStore,
    report::{NewReport, ReportCategory},
};
use testkit::{clock::START, conformance::check};

fn new(account: i64, comment: &str, created: Timestamp) -> NewReport {
    NewReport {
        account: AccountId::new(account).unwrap(),
        target: AccountId::new(9).unwrap(),
        category: ReportCategory::Violation,
        comment: comment.into(),
        statuses: [4, 5].iter().map(|n| StatusId::new(*n).unwrap()).collect(),
        rules: vec![1, 12],
        forward: true,
        created,
    }
}

#[test]
fn a_report_comes_back_as_it_was_made_until_somebody_closes_it() {
    check(|case| async move {
        let one = case.store.create_report(&new(7, "one", START)).await.unwrap();
        let later = START.plus_ms(5);
        let two = case.store.create_report(&new(7, "", later)).await.unwrap();
        let other = case.store.create_report(&new(8, "x", later)).await.unwrap();
        let open = |page| {
            let store = case.store.clone();
            async move { store.open_reports(page).await.unwrap() }
        };
        assert_eq!(open(Page::newest(9)).await, [other.clone(), two.clone(), one.clone()]);
        assert_eq!(open(Page::newest(1)).await, std::slice::from_ref(&other));
        let above = Page { min_id: Some(one.id.get()), ..Page::newest(1) };
        assert_eq!(open(above).await, std::slice::from_ref(&two));
        let seven = one.content.account;
        for (since, limit, count) in
            [(START.plus_ms(-1), 9, 2), (START.plus_ms(-1), 1, 1), (START, 9, 1), (later, 9, 0)]
        {
            let found = case.store.reports_since(seven, since, limit).await.unwrap();
            assert_eq!(found, count, "{since:?} {limit}");
        }
        let mut batch = store::Batch::new();
        let sql = "UPDATE report SET resolved_ms = ?2 WHERE id = ?1";
        batch.must(sql, store::params![two.id, later]);
        case.db.commit(batch).await.unwrap();
        assert_eq!(open(Page::newest(9)).await, [other, one]);
    });
}

//! Lists: inherent methods behind the port in `relation`.

use crate::{Batch, Row, SqlStore, params};
use model::{
    AccountId, Event, ListId, Page, StoreError,
    list::{List, RepliesPolicy},
    ports::Stored,
    relation::Edge,
};

fn list_of(row: &Row) -> Stored<List> {
    Ok(List {
        id: row.id(0)?,
        account: row.id(1)?,
        title: row.text(2)?.to_owned(),
        replies_policy: RepliesPolicy::from_word(row.text(3)?)
            .ok_or_else(|| StoreError::Inconsistent("list.replies_policy".into()))?,
        exclusive: row.bool(4)?,
    })
}

impl SqlStore {
    pub(crate) async fn read_lists(&self, account: AccountId) -> Stored<Vec<List>> {
        let sql = "SELECT id, account_id, title, replies_policy, exclusive FROM list \
                   WHERE account_id = ?1 ORDER BY id";
        self.db.query(sql, params![account]).await?.iter().map(list_of).collect()
    }

    pub(crate) async fn read_list(&self, id: ListId) -> Stored<Option<List>> {
        let sql = "SELECT id, account_id, title, replies_policy, exclusive FROM list \
                   WHERE id = ?1";
        self.db.first(sql, params![id]).await?.as_ref().map(list_of).transpose()
    }

    pub(crate) async fn insert_list(&self, list: &List) -> Stored<ListId> {
        let mut batch = Batch::new();
        let id = batch.id();
        batch.add(
            "INSERT INTO list (id, account_id, title, replies_policy, exclusive) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                id,
                list.account,
                list.title.clone(),
                list.replies_policy.word(),
                list.exclusive
            ],
        );
        self.db.commit(batch).await.map_err(|e| e.into_store("list"))?.id(id)
    }

    /// Commits a change to a list and tells of it.
    async fn change(&self, list: &List, mut batch: Batch) -> Stored<()> {
        let (account, list) = (list.account, list.id);
        batch.tell(move |_| Some(Event::ListChanged { account, list }));
        self.db.commit(batch).await.map_err(|e| e.into_store("list"))?;
        Ok(())
    }

    pub(crate) async fn update_list(&self, list: &List) -> Stored<()> {
        let mut batch = Batch::new();
        batch.must(
            "UPDATE list SET title = ?2, replies_policy = ?3, exclusive = ?4 WHERE id = ?1",
            params![list.id, list.title.clone(), list.replies_policy.word(), list.exclusive],
        );
        self.change(list, batch).await
    }

    pub(crate) async fn remove_list(&self, list: &List) -> Stored<()> {
        let mut batch = Batch::new();
        batch.add("DELETE FROM list_member WHERE list_id = ?1", params![list.id]);
        batch.must("DELETE FROM list WHERE id = ?1", params![list.id]);
        self.change(list, batch).await
    }

    pub(crate) async fn put_on_list(&self, list: &List, accounts: &[AccountId]) -> Stored<()> {
        let mut batch = Batch::new();
        for account in accounts {
            let edge = batch.id();
            batch.add(
                "INSERT INTO list_member (list_id, target_id, id) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (list_id, target_id) DO NOTHING",
                params![list.id, *account, edge],
            );
        }
        self.change(list, batch).await
    }

    pub(crate) async fn take_off_list(&self, list: &List, accounts: &[AccountId]) -> Stored<()> {
        let mut batch = Batch::new();
        for account in accounts {
            batch.add(
                "DELETE FROM list_member WHERE list_id = ?1 AND target_id = ?2",
                params![list.id, *account],
            );
        }
        self.change(list, batch).await
    }

    pub(crate) async fn read_list_members(&self, list: ListId, page: Page) -> Stored<Vec<Edge>> {
        let sql = "SELECT id, target_id FROM list_member WHERE list_id = ?1";
        self.edge_page(sql, list.get(), page).await
    }

    pub(crate) async fn read_exclusive(&self, account: AccountId) -> Stored<Vec<AccountId>> {
        let sql = "SELECT DISTINCT m.target_id FROM list l JOIN list_member m ON m.list_id = l.id \
                   WHERE l.account_id = ?1 AND l.exclusive = 1";
        self.db.query(sql, params![account]).await?.iter().map(|r| r.id(0)).collect()
    }

    pub(crate) async fn read_lists_with(
        &self,
        account: AccountId,
        target: AccountId,
    ) -> Stored<Vec<List>> {
        let sql = "SELECT l.id, l.account_id, l.title, l.replies_policy, l.exclusive FROM list l \
                   JOIN list_member m ON m.list_id = l.id \
                   WHERE l.account_id = ?1 AND m.target_id = ?2 ORDER BY l.id";
        self.db.query(sql, params![account, target]).await?.iter().map(list_of).collect()
    }
}

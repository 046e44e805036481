//! Listings of statuses by id: what timelines are built from when they are not in memory, and what
//! pages of the past read. Every one is bounded by keys on both sides and a limit.

use crate::{SqlStore, Value, params};
use model::{
    Page, StatusId, Visibility,
    ports::{Stored, TimelineQuery},
};

const WITH_MEDIA: &str = " AND s.media_ids <> ''";
const LOCAL: &str = " AND s.uri IS NULL";
const REMOTE: &str = " AND s.uri IS NOT NULL";

impl SqlStore {
    pub(crate) async fn list_timeline(
        &self,
        query: &TimelineQuery,
        page: Page,
    ) -> Stored<Vec<StatusId>> {
        let page = self.db.settled(page);
        let (sql, mut values) = listing(query, page.ascending());
        // The window comes first, so that every clause may count its own values from ?4.
        let mut bound = params![page.below(), page.above(), page.limit];
        bound.append(&mut values);
        let rows = self.db.query(&sql, bound).await?;
        let mut ids: Vec<StatusId> = rows.iter().map(|r| r.id(0)).collect::<Stored<_>>()?;
        if page.ascending() {
            ids.reverse();
        }
        Ok(ids)
    }
}

/// A listing as a statement, with the values that it counts from ?4.
pub(crate) fn listing(query: &TimelineQuery, ascending: bool) -> (String, Vec<Value>) {
    let order = if ascending { "ASC" } else { "DESC" };
    let ((from, values), id) = (clause(query), leading(query));
    let sql = format!(
        "SELECT s.id FROM {from} AND {id} < ?1 AND {id} > ?2 ORDER BY {id} {order} LIMIT ?3"
    );
    (sql, values)
}

/// The column that the window bounds and orders: that of the index which leads the plan, else an
/// engine gathers everything first and sorts it then.
fn leading(query: &TimelineQuery) -> &'static str {
    match query {
        TimelineQuery::Tag { any, .. } if any.is_empty() => "t.status_id",
        _ => "s.id",
    }
}

fn clause(query: &TimelineQuery) -> (String, Vec<Value>) {
    let pick = |on: bool, text: &'static str| if on { text } else { "" };
    match query {
        TimelineQuery::Home(account) => (
            // The author's index, one range a followed account: the plan that stays as cheap at a
            // million posts as at a thousand.
            "status s WHERE s.account_id IN (SELECT target_id FROM follow WHERE account_id = ?4 \
             UNION SELECT ?4)"
                .to_owned(),
            params![*account],
        ),
        TimelineQuery::Public { local, remote, only_media } => (
            format!(
                "status s WHERE s.visibility = 0 AND s.reblog_of_id IS NULL \
                 AND (s.reply_to_account IS NULL OR s.reply_to_account = s.account_id){}{}{}",
                pick(*local, LOCAL),
                pick(*remote, REMOTE),
                pick(*only_media, WITH_MEDIA)
            ),
            vec![],
        ),
        TimelineQuery::Tag { tag, any, all, none, local, only_media } => {
            let (mut text, values) = tag_clause(tag, any, all, none);
            text.push_str(pick(*local, LOCAL));
            text.push_str(pick(*only_media, WITH_MEDIA));
            (text, values)
        }
        TimelineQuery::List(list) => (
            "status s WHERE s.account_id IN (SELECT target_id FROM list_member \
             WHERE list_id = ?4)"
                .to_owned(),
            params![*list],
        ),
        TimelineQuery::Account {
            account,
            visibility_max,
            exclude_replies,
            exclude_reblogs,
            only_media,
            tagged,
        } => account_clause(
            params![*account],
            *visibility_max,
            [*exclude_replies, *exclude_reblogs, *only_media],
            tagged.as_deref(),
        ),
    }
}

fn tag_clause(tag: &str, any: &[String], all: &[String], none: &[String]) -> (String, Vec<Value>) {
    let mut values = params![tag];
    let mut text = if any.is_empty() {
        "status_tag t JOIN status s ON s.id = t.status_id \
         WHERE t.tag_id = (SELECT id FROM tag WHERE name = ?4) AND s.visibility = 0"
            .to_owned()
    } else {
        // A post with two of them is in the list once.
        let marks: Vec<String> = (4..=4 + any.len()).map(|n| format!("?{n}")).collect();
        values.extend(any.iter().map(Value::from));
        format!(
            "status s WHERE s.visibility = 0 AND s.id IN (SELECT t.status_id FROM status_tag t \
             JOIN tag g ON g.id = t.tag_id WHERE g.name IN ({}))",
            marks.join(",")
        )
    };
    for (word, names) in [("EXISTS", all), ("NOT EXISTS", none)] {
        for name in names {
            values.push(Value::from(name));
            let place = values.len() + 3;
            text.push_str(&format!(
                " AND {word} (SELECT 1 FROM status_tag t JOIN tag g ON g.id = t.tag_id \
                 WHERE t.status_id = s.id AND g.name = ?{place})"
            ));
        }
    }
    (text, values)
}

fn account_clause(
    mut values: Vec<Value>,
    visibility_max: Visibility,
    [exclude_replies, exclude_reblogs, only_media]: [bool; 3],
    tagged: Option<&str>,
) -> (String, Vec<Value>) {
    let mut text = "status s WHERE s.account_id = ?4 AND s.visibility <= ?5".to_owned();
    values.push(Value::Int(visibility_max.code()));
    if exclude_replies {
        // A thread with oneself is no reply to others.
        text.push_str(" AND (s.reply_to_account IS NULL OR s.reply_to_account = s.account_id)");
    }
    if exclude_reblogs {
        text.push_str(" AND s.reblog_of_id IS NULL");
    }
    if only_media {
        text.push_str(WITH_MEDIA);
    }
    if let Some(tag) = tagged {
        text.push_str(
            " AND EXISTS (SELECT 1 FROM status_tag t JOIN tag g ON g.id = t.tag_id \
             WHERE t.status_id = s.id AND g.name = ?6)",
        );
        values.push(Value::from(tag));
    }
    (text, values)
}

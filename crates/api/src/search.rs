//! Searching: people, posts and hashtags, and addresses that are opened. Who is found first and
//! what may be found is asked elsewhere. Source: <https://docs.joinmastodon.org/methods/search/>.

use crate::{
    Api,
    accounts::Answer,
    caller::{Caller, Viewer},
    refusal::Refused,
    wire::{self, Urls},
};
use axum::{Json, extract::State};
use httpkit::{PageQuery, Query, lenient};
use model::{AccountId, StatusId, ports::AccountQuery, text::Handle};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
pub(crate) struct SearchQuery {
    #[serde(default)]
    q: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    account_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::integer")]
    offset: Option<i64>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    resolve: Option<bool>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    following: Option<bool>,
    #[serde(flatten)]
    page: PageQuery,
}

/// Entries of one kind that a search answers with at most; Mastodon's bound.
const FOUND_MAX: u32 = 40;

/// Entries that a search can skip at most.
const OFFSET_MAX: i64 = 200;

impl SearchQuery {
    /// Whether entries of this kind are asked for.
    fn wants(&self, kind: &str) -> bool {
        self.kind.as_deref().is_none_or(|k| k.is_empty() || k == kind)
    }

    /// The address that is to be opened, if that is what is asked for.
    fn address(&self) -> Option<&str> {
        let text = self.q.trim();
        let is_address = text.starts_with("https://") || text.starts_with("http://");
        Some(text).filter(|_| is_address && self.resolve == Some(true))
    }

    /// How many entries to skip.
    fn skipped(&self) -> u32 {
        u32::try_from(self.offset.unwrap_or(0).clamp(0, OFFSET_MAX)).unwrap_or(0)
    }
}

async fn found_statuses(
    api: &Api,
    viewer: Option<AccountId>,
    q: &SearchQuery,
) -> Result<Vec<Value>, Refused> {
    // Visitors find people and hashtags; what somebody once wrote is for those who live here.
    let Some(viewer) = viewer else { return Ok(vec![]) };
    let author = match q.account_id.as_deref().filter(|id| !id.is_empty()) {
        None => None,
        Some(id) => Some(crate::accounts::id(id)?),
    };
    let page = q.page.page(20, FOUND_MAX);
    let offset = usize::try_from(q.skipped()).unwrap_or(usize::MAX);
    let views = api.social.search_statuses(viewer, &q.q, author, page, offset).await?;
    let urls = Urls { base: &api.base_url };
    let now = api.social.now();
    Ok(views.iter().map(|view| wire::status::status(view, &urls, now)).collect())
}

async fn found_accounts(
    api: &Api,
    viewer: Option<AccountId>,
    q: &SearchQuery,
) -> Result<Vec<Value>, Refused> {
    let limit = q.page.page(20, FOUND_MAX).limit;
    let text = q.q.trim().trim_start_matches('@');
    let (name, domain) = text.split_once('@').unwrap_or((text, ""));
    if name.is_empty() {
        return Ok(vec![]);
    }
    let ids = if domain.is_empty() || domain.eq_ignore_ascii_case(&api.domain) {
        let followed_by = viewer.filter(|_| q.following == Some(true));
        let query = AccountQuery { text: name.into(), followed_by, limit, offset: q.skipped() };
        api.social.store().find_accounts(&query).await?
    } else {
        // Somebody of another server is nobody who has the same name here.
        let found = api.social.store().account_by_handle(name, Some(domain)).await?;
        found.filter(|_| q.skipped() == 0).map(|account| account.id).into_iter().collect()
    };
    let urls = Urls { base: &api.base_url };
    let views = api.social.people(&ids).await?;
    Ok(views.iter().map(|v| wire::account::account(v, &urls)).collect())
}

/// What an address of this server leads to, for whoever may see it: a profile or a post.
async fn opened(
    api: &Api,
    viewer: Option<AccountId>,
    address: &str,
) -> Result<(Option<Value>, Option<Value>), Refused> {
    let urls = Urls { base: &api.base_url };
    let path = address.split(['?', '#']).next().unwrap_or("").trim_end_matches('/');
    let Some(path) = path.strip_prefix(&api.base_url).and_then(|path| path.strip_prefix("/@"))
    else {
        return Ok((None, None));
    };
    if let Some((_, status)) = path.split_once('/') {
        let Ok(id) = status.parse::<StatusId>() else { return Ok((None, None)) };
        let found = api.social.statuses(viewer, &[id]).await?.pop();
        let now = api.social.now();
        return Ok((None, found.map(|view| wire::status::status(&view, &urls, now))));
    }
    let Some(handle) = Handle::parse(path).map(|handle| handle.seen_from(&api.domain)) else {
        return Ok((None, None));
    };
    let store = api.social.store();
    let found = store.account_by_handle(&handle.username, handle.domain.as_deref()).await?;
    let ids: Vec<AccountId> = found.into_iter().map(|account| account.id).collect();
    let found = api.social.people(&ids).await?.pop();
    Ok((found.map(|view| wire::account::account(&view, &urls)), None))
}

/// `GET /api/v2/search`: people by name, posts by their words, hashtags by their beginning, and
/// with `resolve` what an address of this server leads to. An `offset` counts entries of the kind
/// that is asked for, and nothing where all are.
pub(crate) async fn search(
    State(api): State<Api>,
    viewer: Viewer,
    Query(mut q): Query<SearchQuery>,
) -> Answer {
    let viewer = viewer.reading("read:search")?;
    if let Some(address) = q.address() {
        let (account, status) = opened(&api, viewer, address).await?;
        let accounts = Vec::from_iter(account.filter(|_| q.wants("accounts")));
        let statuses = Vec::from_iter(status.filter(|_| q.wants("statuses")));
        let found = json!({ "accounts": accounts, "statuses": statuses, "hashtags": [] });
        return Ok(Json(found));
    }
    q.offset = q.offset.filter(|_| q.kind.as_ref().is_some_and(|kind| !kind.is_empty()));
    let accounts =
        if q.wants("accounts") { found_accounts(&api, viewer, &q).await? } else { vec![] };
    let tag = model::text::normalise_tag(q.q.trim().trim_start_matches('#'));
    let urls = Urls { base: &api.base_url };
    let named = if q.wants("hashtags") && !tag.is_empty() {
        let limit = q.page.page(20, FOUND_MAX).limit;
        api.social.store().tags_by_prefix(&tag, limit, q.skipped()).await?
    } else {
        vec![]
    };
    let tags: Vec<Value> = named
        .iter()
        .map(|name| json!({ "id": name, "name": name, "url": urls.tag(name), "history": [] }))
        .collect();
    // Who asks for `#word`, and says of what kind nothing, asks for the hashtag: its letters are in
    // posts too, and whether those are indexed yet would be chance.
    let is_hashtag = q.kind.as_ref().is_none_or(String::is_empty)
        && q.q.trim().starts_with('#')
        && !q.q.trim().contains(char::is_whitespace);
    let statuses = match q.wants("statuses") && !is_hashtag {
        true => found_statuses(&api, viewer, &q).await?,
        false => vec![],
    };
    Ok(Json(json!({ "accounts": accounts, "statuses": statuses, "hashtags": tags })))
}

/// `GET /api/v1/accounts/search`.
pub(crate) async fn search_accounts(
    State(api): State<Api>,
    caller: Caller,
    Query(q): Query<SearchQuery>,
) -> Answer {
    let account = caller.member("read:accounts")?;
    Ok(Json(Value::Array(found_accounts(&api, Some(account), &q).await?)))
}

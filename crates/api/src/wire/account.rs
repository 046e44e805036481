//! Accounts on the wire. Source: <https://docs.joinmastodon.org/entities/Account/>.

use super::{Nothing, Shown, Urls, bytes, put, time, value};
use model::{
    Account, AccountId, Timestamp,
    member::{Member, Role},
    relation::Relationship,
    text::{self, Handle, Links},
};
use serde::Serialize;
use serde_json::{Value, json};
use social::{AccountView, Called};
use std::borrow::Cow;

/// Room for an account's numbers.
const NUMBERS_BYTES: usize = 128;

/// Where names and hashtags of a profile lead.
struct Known<'a>(&'a Urls<'a>, &'a Called);
impl Links for Known<'_> {
    fn account(&self, handle: &Handle) -> Option<String> {
        self.1.find(handle).map(|account| self.0.account(account))
    }
    fn spelling(&self, handle: &Handle) -> Option<String> {
        self.1.find(handle).map(|account| account.username.clone())
    }
    fn tag(&self, name: &str) -> String {
        self.0.tag(name)
    }
}

/// Text of a profile: a local one's is written out here, a remote one's was sanitised on arrival.
fn html<'a>(account: &Account, source: &'a str, links: &Known) -> Cow<'a, str> {
    if account.is_local() {
        text::parse(source).to_html(links).into_string().into()
    } else {
        source.into()
    }
}

/// A row of a profile: one line, whose link may be verified as the member's own.
fn field<'a>(account: &Account, source: &'a str, links: &Known) -> Cow<'a, str> {
    if account.is_local() {
        text::parse(source).to_field_html(links).into_string().into()
    } else {
        source.into()
    }
}

fn picture(urls: &Urls, key: Option<&String>, missing: &str) -> String {
    match key {
        Some(key) => format!("{}/media/{key}", urls.base),
        None => format!("{}/static/{missing}", urls.base),
    }
}

fn day(at: Timestamp) -> String {
    let mut day = time(at);
    day.truncate(10);
    day
}

#[derive(Serialize)]
struct Field<'a> {
    name: &'a str,
    value: Cow<'a, str>,
    verified_at: Option<String>,
}

/// What its owner says of an account; a post does not change it.
#[derive(Serialize)]
struct Profile<'a> {
    id: Shown<AccountId>,
    username: &'a str,
    acct: String,
    display_name: &'a str,
    locked: bool,
    bot: bool,
    discoverable: bool,
    indexable: bool,
    hide_collections: bool,
    group: bool,
    noindex: bool,
    created_at: String,
    note: Cow<'a, str>,
    url: &'a str,
    uri: &'a str,
    avatar: &'a str,
    avatar_static: &'a str,
    header: &'a str,
    header_static: &'a str,
    emojis: Nothing,
    roles: Nothing,
    fields: Vec<Field<'a>>,
    #[serde(skip_serializing_if = "is_not")]
    suspended: bool,
    #[serde(skip_serializing_if = "is_not")]
    limited: bool,
}

/// What is said only where it is so.
fn is_not(word: &bool) -> bool {
    !word
}

/// What others' deeds and every post move.
#[derive(Serialize)]
struct Numbers {
    followers_count: i64,
    following_count: i64,
    statuses_count: i64,
    last_status_at: Option<String>,
}

/// Gives the profile to whoever writes it down, one way or another. Of a suspended account only the
/// name is left, as in Mastodon.
fn profile<T>(view: &AccountView, urls: &Urls, write: impl FnOnce(&Profile<'_>) -> T) -> T {
    let (a, links) = (&*view.account, Known(urls, &view.called));
    let bare = a.standing.suspended.map(|_| Account {
        display_name: String::new(),
        note: String::new(),
        fields: vec![],
        avatar: None,
        header: None,
        locked: false,
        bot: false,
        discoverable: false,
        indexable: false,
        ..a.clone()
    });
    let a = bare.as_ref().unwrap_or(a);
    let (url, avatar) = (urls.account(a), picture(urls, a.avatar.as_ref(), "avatar.svg"));
    let header = picture(urls, a.header.as_ref(), "header.svg");
    write(&Profile {
        id: Shown(a.id),
        username: &a.username,
        acct: a.acct(),
        display_name: &a.display_name,
        locked: a.locked,
        bot: a.bot,
        discoverable: a.discoverable,
        indexable: a.indexable,
        hide_collections: a.hide_collections,
        group: false,
        noindex: !a.indexable,
        created_at: format!("{}T00:00:00.000Z", day(a.created)),
        note: html(a, &a.note, &links),
        url: &url,
        uri: &url,
        avatar: &avatar,
        avatar_static: &avatar,
        header: &header,
        header_static: &header,
        emojis: Nothing::LISTED,
        roles: Nothing::LISTED,
        fields: a
            .fields
            .iter()
            .map(|f| Field {
                name: &f.name,
                value: field(a, &f.value, &links),
                verified_at: f.verified.map(time),
            })
            .collect(),
        suspended: a.standing.suspended.is_some(),
        limited: a.standing.silenced.is_some(),
    })
}

fn numbers(view: &AccountView) -> Numbers {
    Numbers {
        followers_count: view.counts.followers,
        following_count: view.counts.following,
        statuses_count: view.counts.statuses,
        last_status_at: view.counts.last_status.map(day),
    }
}

/// An account, to be part of something larger.
pub fn account(view: &AccountView, urls: &Urls) -> Value {
    let mut json = profile(view, urls, |profile| value(profile));
    if let (Value::Object(all), Value::Object(numbers)) = (&mut json, value(&numbers(view))) {
        all.extend(numbers);
    }
    json
}

/// Writes an account, from what was written the first time if it was. After a post only its numbers
/// are written anew.
pub fn write(out: &mut Vec<u8>, view: &AccountView, urls: &Urls) {
    let whole = view.rendering.get_or_make(|| {
        let profile = view.profile.get_or_make(|| profile(view, urls, |profile| bytes(profile)));
        let mut whole = Vec::with_capacity(profile.len() + NUMBERS_BYTES);
        // Left open at its closing brace, for the members that follow.
        whole.extend_from_slice(profile.strip_suffix(b"}").unwrap_or(profile));
        let numbers = bytes(&numbers(view));
        whole.push(b',');
        whole.extend_from_slice(numbers.strip_prefix(b"{").unwrap_or(&numbers));
        whole
    });
    out.extend_from_slice(whole);
}

/// Number and name of a role as a fresh Mastodon has them; whoever has none is of its base role.
/// Source: <https://docs.joinmastodon.org/entities/Role/>; Mastodon's `UserRole::EVERYONE_ROLE_ID`.
fn role(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::Member => ("-99", ""),
        Role::Moderator => ("1", "Moderator"),
        Role::Owner => ("3", "Owner"),
    }
}

/// One's own account, with what only its owner sees.
pub fn credential(view: &AccountView, member: &Member, requests: usize, urls: &Urls) -> Value {
    let mut json = account(view, urls);
    let a = &view.account;
    let fields: Vec<Value> = a
        .fields
        .iter()
        .map(|f| json!({ "name": f.name, "value": f.value, "verified_at": null }))
        .collect();
    put(
        &mut json,
        "source",
        json!({
            "note": a.note,
            "fields": fields,
            "privacy": member.preferences.visibility.word(),
            "sensitive": member.preferences.sensitive,
            "language": member.preferences.language,
            "follow_requests_count": requests,
            "hide_collections": a.hide_collections,
            "discoverable": a.discoverable,
            "indexable": a.indexable,
        }),
    );
    let (id, name) = role(member.role);
    put(
        &mut json,
        "role",
        json!({ "id": id, "name": name, "permissions": member.role.permissions().to_string(),
            "color": "", "highlighted": false }),
    );
    json
}

/// How the viewer stands to an account.
/// Source: <https://docs.joinmastodon.org/entities/Relationship/>.
pub fn relationship(r: &Relationship) -> Value {
    // Whoever has only asked so far is shown what they asked for.
    let how = r.following.as_ref().or(r.requested.as_ref());
    json!({
        "id": r.account.to_string(),
        "following": r.following.is_some(),
        "showing_reblogs": how.is_some_and(|f| f.reblogs),
        "notifying": how.is_some_and(|f| f.notify),
        "languages": how.map(|f| &f.languages).filter(|l| !l.is_empty()),
        "followed_by": r.followed_by,
        "blocking": r.blocking,
        "blocked_by": r.blocked_by,
        "muting": r.muting.is_some(),
        "muting_notifications": r.muting.is_some_and(|m| m.notifications),
        "muting_expires_at": r.muting.and_then(|m| m.expires).map(time),
        "requested": r.requested.is_some(),
        "requested_by": r.requested_by,
        "domain_blocking": false,
        "endorsed": false,
        "note": r.note,
    })
}

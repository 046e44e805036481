//! Statuses on the wire. Source: <https://docs.joinmastodon.org/entities/Status/>.

use super::{Nothing, Shown, Urls, account, bytes, put, time, value};
use model::{
    AccountId, StatusId, Timestamp,
    media::Media,
    poll::Poll,
    status::StatusVersion,
    text::{self, Handle, Links},
};
use serde::Serialize;
use serde_json::{Value, json};
use social::{AccountView, StatusView};
use std::borrow::Cow;

struct Known<'a> {
    urls: &'a Urls<'a>,
    mentions: &'a [AccountView],
}

impl Links for Known<'_> {
    fn account(&self, handle: &Handle) -> Option<String> {
        self.find(handle).map(|a| self.urls.account(&a.account))
    }
    fn spelling(&self, handle: &Handle) -> Option<String> {
        self.find(handle).map(|a| a.account.username.clone())
    }
    fn tag(&self, name: &str) -> String {
        self.urls.tag(name)
    }
}

impl Known<'_> {
    fn find(&self, handle: &Handle) -> Option<&AccountView> {
        let home = self.urls.base.split_once("://").map_or("", |(_, domain)| domain);
        let handle = handle.clone().seen_from(home);
        let is = |a: &&AccountView| {
            a.account.username.eq_ignore_ascii_case(&handle.username)
                && a.account.domain == handle.domain
        };
        self.mentions.iter().find(is)
    }
}

/// An attachment.
pub fn media(m: &Media, urls: &Urls) -> Value {
    let part = |size: model::media::Size| {
        let aspect = f64::from(size.width) / f64::from(size.height.max(1));
        json!({ "width": size.width, "height": size.height,
            "size": format!("{}x{}", size.width, size.height), "aspect": aspect })
    };
    let mut meta = json!({ "original": part(m.size), "small": part(m.thumbnail_size) });
    if let Some((x, y)) = m.focus {
        put(
            &mut meta,
            "focus",
            json!({ "x": f64::from(x) / 1_000.0, "y": f64::from(y) / 1_000.0 }),
        );
    }
    // Nothing to show before processing has ended.
    let at = |key: &str| (!key.is_empty()).then(|| format!("{}/media/{key}", urls.base));
    json!({
        "id": m.id.to_string(),
        "type": m.kind.word(),
        "url": at(&m.file),
        "preview_url": at(&m.thumbnail),
        "remote_url": m.remote_url,
        "meta": meta,
        "description": (!m.description.is_empty()).then_some(&m.description),
        "blurhash": m.blurhash,
    })
}

/// A poll as this viewer sees it. Its author counts as one who has voted, for none.
fn poll(p: &Poll, view: &StatusView, now: Timestamp) -> Value {
    let over = p.is_over(now);
    let hidden = p.hide_totals && !over;
    let votes: i64 = p.options.iter().map(|o| o.votes).sum();
    let options: Vec<Value> = p
        .options
        .iter()
        .map(|o| json!({ "title": o.title, "votes_count": (!hidden).then_some(o.votes) }))
        .collect();
    let mut json = json!({
        "id": p.id.to_string(),
        "expires_at": p.expires.map(time),
        "expired": over,
        "multiple": p.multiple,
        "votes_count": votes,
        "voters_count": p.voters,
        "options": options,
        "emojis": [],
    });
    if view.marks.is_some() {
        put(&mut json, "voted", json!(view.is_own || !view.votes.is_empty()));
        put(&mut json, "own_votes", json!(view.votes));
    }
    json
}

fn content<'a>(view: &StatusView, source: &'a str, urls: &Urls) -> Cow<'a, str> {
    if view.entry.status.uri.is_some() {
        return source.into();
    }
    let known = Known { urls, mentions: &view.mentions };
    text::parse(source).to_html(&known).into_string().into()
}

#[derive(Serialize)]
struct Mention<'a> {
    id: Shown<AccountId>,
    username: &'a str,
    acct: String,
    url: String,
}

#[derive(Serialize)]
struct Tag<'a> {
    name: &'a str,
    url: String,
}

fn mention<'a>(a: &'a AccountView, urls: &Urls) -> Mention<'a> {
    Mention {
        id: Shown(a.account.id),
        username: &a.account.username,
        acct: a.account.acct(),
        url: urls.account(&a.account),
    }
}

/// What of a status is the same for whoever looks, for as long as its entry lives: neither the
/// account (whose numbers change by themselves), nor the poll (which ends), nor the viewer's marks.
#[derive(Serialize)]
struct Lasting<'a> {
    id: Shown<StatusId>,
    created_at: String,
    edited_at: Option<String>,
    in_reply_to_id: Option<Shown<StatusId>>,
    in_reply_to_account_id: Option<Shown<AccountId>>,
    sensitive: bool,
    spoiler_text: &'a str,
    visibility: &'static str,
    language: Option<&'a str>,
    uri: &'a str,
    url: &'a str,
    replies_count: i64,
    reblogs_count: i64,
    favourites_count: i64,
    quotes_count: i64,
    content: Cow<'a, str>,
    media_attachments: Vec<Value>,
    mentions: Vec<Mention<'a>>,
    tags: Vec<Tag<'a>>,
    emojis: Nothing,
    card: (),
    application: Option<Application<'a>>,
}

/// What a post was posted with. Mastodon lets an author hide it; here there is no such wish.
#[derive(Serialize)]
struct Application<'a> {
    name: &'a str,
    website: Option<&'a str>,
}

fn application(app: &model::app::App) -> Application<'_> {
    Application { name: &app.name, website: app.website.as_deref() }
}

/// Gives it to whoever writes it down, one way or another.
fn lasting<T>(view: &StatusView, urls: &Urls, write: impl FnOnce(&Lasting<'_>) -> T) -> T {
    let (s, counts) = (&view.entry.status, &view.entry.counts);
    let url = urls.status(&view.author.account, s);
    write(&Lasting {
        id: Shown(s.id),
        created_at: time(s.created),
        edited_at: s.edited.map(time),
        in_reply_to_id: s.in_reply_to.and_then(|to| to.status).map(Shown),
        in_reply_to_account_id: s.in_reply_to.map(|to| Shown(to.account)),
        sensitive: s.sensitive,
        spoiler_text: &s.spoiler,
        visibility: s.visibility.word(),
        language: s.language.as_deref(),
        uri: &url,
        url: &url,
        replies_count: counts.replies,
        reblogs_count: counts.reblogs,
        favourites_count: counts.favourites,
        quotes_count: 0,
        content: content(view, &s.text, urls),
        media_attachments: view.entry.media.iter().map(|m| media(m, urls)).collect(),
        mentions: view.mentions.iter().map(|a| mention(a, urls)).collect(),
        tags: s.tags.iter().map(|name| Tag { name, url: urls.tag(name) }).collect(),
        emojis: Nothing::LISTED,
        card: (),
        application: view.entry.app.as_deref().map(application),
    })
}

/// Writes a status as its viewer sees it. Timelines are made of this: what is the same for all
/// viewers is copied from where it was written the first time.
pub fn write(out: &mut Vec<u8>, view: &StatusView, urls: &Urls, now: Timestamp) {
    let object = view.entry.rendering.get_or_make(|| lasting(view, urls, |object| bytes(object)));
    // Left open at its closing brace, for the members that follow.
    out.extend_from_slice(object.strip_suffix(b"}").unwrap_or(object));
    out.extend_from_slice(br#","account":"#);
    account::write(out, &view.author, urls);
    out.extend_from_slice(br#","poll":"#);
    match &view.entry.poll {
        None => out.extend_from_slice(b"null"),
        Some(p) => out.extend_from_slice(poll(p, view, now).to_string().as_bytes()),
    }
    out.extend_from_slice(br#","reblog":"#);
    match &view.reblog {
        None => out.extend_from_slice(b"null"),
        Some(inner) => write(out, inner, urls, now),
    }
    if let Some(marks) = view.marks {
        let mut mark = |name: &[u8], on: bool| {
            out.extend_from_slice(name);
            out.extend_from_slice(if on { b"true" } else { b"false" });
        };
        mark(br#","favourited":"#, marks.favourited);
        mark(br#","reblogged":"#, marks.reblogged);
        mark(br#","bookmarked":"#, marks.bookmarked);
        mark(br#","muted":"#, marks.muted);
        mark(br#","pinned":"#, marks.pinned);
        out.extend_from_slice(br#","filtered":[]"#);
    }
    out.push(b'}');
}

/// A status as its viewer sees it, to be part of something larger.
pub fn status(view: &StatusView, urls: &Urls, now: Timestamp) -> Value {
    let mut json = lasting(view, urls, |object| value(object));
    put(&mut json, "account", account::account(&view.author, urls));
    put(&mut json, "reblog", json!(view.reblog.as_ref().map(|inner| status(inner, urls, now))));
    put(&mut json, "poll", json!(view.entry.poll.as_ref().map(|p| poll(p, view, now))));
    if let Some(marks) = view.marks {
        put(&mut json, "favourited", json!(marks.favourited));
        put(&mut json, "reblogged", json!(marks.reblogged));
        put(&mut json, "bookmarked", json!(marks.bookmarked));
        put(&mut json, "muted", json!(marks.muted));
        put(&mut json, "pinned", json!(marks.pinned));
        put(&mut json, "filtered", json!([]));
    }
    json
}

/// One wording in a status's history; `all` are the media of all of them.
pub fn version(view: &StatusView, v: &StatusVersion, all: &[Media], urls: &Urls) -> Value {
    let of_it = v.media.iter().filter_map(|id| all.iter().find(|m| m.id == *id));
    let shown = of_it.map(|m| match v.described.get(&m.id) {
        Some(then) => media(&Media { description: then.clone(), ..m.clone() }, urls),
        None => media(m, urls),
    });
    let shown: Vec<Value> = shown.collect();
    let mut json = json!({
        "content": content(view, &v.text, urls),
        "spoiler_text": v.spoiler,
        "sensitive": v.sensitive,
        "created_at": time(v.at),
        "account": account::account(&view.author, urls),
        "media_attachments": shown,
        "emojis": [],
    });
    if !v.poll_options.is_empty() {
        let options: Vec<Value> = v.poll_options.iter().map(|o| json!({ "title": o })).collect();
        put(&mut json, "poll", json!({ "options": options }));
    }
    json
}

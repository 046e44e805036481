//! Accounts on the wire. Source: <https://docs.joinmastodon.org/entities/Account/>.

use super::{Urls, put, time};
use model::{
    Account,
    member::Member,
    relation::Relationship,
    text::{self, Handle, Links},
};
use serde_json::{Value, json};
use social::AccountView;

struct Plain<'a>(&'a Urls<'a>);
impl Links for Plain<'_> {
    fn account(&self, _: &Handle) -> Option<String> {
        None
    }
    fn tag(&self, name: &str) -> String {
        self.0.tag(name)
    }
}

/// Text of a profile: a local one's is written out here, a remote one's was sanitised on arrival.
fn html(account: &Account, source: &str, urls: &Urls) -> String {
    if account.is_local() {
        text::parse(source).to_html(&Plain(urls)).as_str().to_owned()
    } else {
        source.to_owned()
    }
}

fn picture(urls: &Urls, key: Option<&String>, missing: &str) -> String {
    match key {
        Some(key) => format!("{}/media/{key}", urls.base),
        None => format!("{}/static/{missing}", urls.base),
    }
}

/// An account.
pub fn account(view: &AccountView, urls: &Urls) -> Value {
    let a = &view.account;
    let avatar = picture(urls, a.avatar.as_ref(), "avatar.svg");
    let header = picture(urls, a.header.as_ref(), "header.svg");
    let fields: Vec<Value> = a
        .fields
        .iter()
        .map(|f| {
            let value = html(a, &f.value, urls);
            json!({ "name": f.name, "value": value, "verified_at": f.verified.map(time) })
        })
        .collect();
    let day = |at| time(at).chars().take(10).collect::<String>();
    json!({
        "id": a.id.to_string(),
        "username": a.username,
        "acct": a.acct(),
        "display_name": a.display_name,
        "locked": a.locked,
        "bot": a.bot,
        "discoverable": a.discoverable,
        "indexable": a.indexable,
        "hide_collections": a.hide_collections,
        "group": false,
        "noindex": !a.indexable,
        "created_at": format!("{}T00:00:00.000Z", day(a.created)),
        "note": html(a, &a.note, urls),
        "url": urls.account(a),
        "uri": urls.account(a),
        "avatar": avatar,
        "avatar_static": avatar,
        "header": header,
        "header_static": header,
        "followers_count": view.counts.followers,
        "following_count": view.counts.following,
        "statuses_count": view.counts.statuses,
        "last_status_at": view.counts.last_status.map(day),
        "emojis": [],
        "roles": [],
        "fields": fields,
    })
}

/// Writes an account, from what was written the first time if it was.
pub fn write(out: &mut Vec<u8>, view: &AccountView, urls: &Urls) {
    let bytes = view.rendering.get_or_make(|| account(view, urls).to_string().into_bytes());
    out.extend_from_slice(bytes);
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
    let name = member.role.word();
    put(
        &mut json,
        "role",
        json!({ "id": name, "name": name, "permissions": "0", "color": "",
        "highlighted": false }),
    );
    json
}

/// How the viewer stands to an account.
/// Source: <https://docs.joinmastodon.org/entities/Relationship/>.
pub fn relationship(r: &Relationship) -> Value {
    let how = r.following.as_ref();
    json!({
        "id": r.account.to_string(),
        "following": how.is_some(),
        "showing_reblogs": how.is_some_and(|f| f.reblogs),
        "notifying": how.is_some_and(|f| f.notify),
        "languages": how.map(|f| &f.languages).filter(|l| !l.is_empty()),
        "followed_by": r.followed_by,
        "blocking": r.blocking,
        "blocked_by": r.blocked_by,
        "muting": r.muting.is_some(),
        "muting_notifications": r.muting.is_some_and(|m| m.notifications),
        "muting_expires_at": r.muting.and_then(|m| m.expires).map(time),
        "requested": r.requested,
        "requested_by": r.requested_by,
        "domain_blocking": false,
        "endorsed": false,
        "note": r.note,
    })
}

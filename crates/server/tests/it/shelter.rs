//! What shelters members from each other: reports, mutes, blocks, and what then reaches nobody.

use crate::instance::Instance;
use serde_json::{Value, json};

fn id(entity: &Value) -> String {
    entity["id"].as_str().expect("an id").to_owned()
}

/// A member's token and account.
fn person(here: &Instance, name: &str) -> (String, String) {
    let token = here.member(name);
    let own = here.ask("GET", "/api/v1/accounts/verify_credentials", &token, None).body;
    (token, id(&own))
}

fn post(here: &Instance, token: &str, form: Value) -> String {
    let answer = here.ask("POST", "/api/v1/statuses", token, Some(form));
    assert_eq!(answer.status, 200, "{}", answer.body);
    id(&answer.body)
}

#[test]
fn a_report_names_whom_and_what_and_nothing_that_its_maker_may_not_see() {
    let here = Instance::with("[server]\nrules = [\"Be kind\", \"Be brief\"]\n");
    let ((ann, ann_id), (bob, bob_id)) = (person(&here, "ann"), person(&here, "bob"));
    let (_, gone_id) = person(&here, "gone");
    assert!(here.command(&["account", "suspend", "gone", "--reason", "spam"]).is_done);
    let open = post(&here, &bob, json!({ "status": "buy" }));
    let closed = post(&here, &bob, json!({ "status": "secret", "visibility": "private" }));
    let own = post(&here, &ann, json!({ "status": "mine" }));
    let report = |form: Value| here.ask("POST", "/api/v1/reports", &ann, Some(form));
    let form = json!({ "account_id": bob_id, "status_ids": [open, open], "comment": "an ad",
        "category": "violation", "rule_ids": ["2"] });
    let made = report(form);
    assert_eq!(made.status, 200, "{}", made.body);
    let expected = json!([bob_id, [open], ["2"], "violation", "an ad", false, false]);
    let b = &made.body;
    let got = json!([
        b["target_account"]["id"],
        b["status_ids"],
        b["rule_ids"],
        b["category"],
        b["comment"],
        b["forwarded"],
        b["action_taken"]
    ]);
    assert_eq!(got, expected);
    assert_ne!(id(&report(json!({ "account_id": bob_id })).body), id(b), "a second one");
    for (form, status) in [
        (json!({}), 404),
        (json!({ "account_id": "1" }), 404),
        (json!({ "account_id": gone_id }), 404),
        (json!({ "account_id": ann_id }), 422),
        (json!({ "account_id": bob_id, "status_ids": [own] }), 404),
        (json!({ "account_id": bob_id, "status_ids": [open, closed] }), 404),
        (json!({ "account_id": bob_id, "status_ids": ["x"] }), 404),
        (json!({ "account_id": bob_id, "comment": "x".repeat(1_001) }), 422),
        (json!({ "account_id": bob_id, "comment": "x".repeat(1_000) }), 200),
        (json!({ "account_id": bob_id, "category": "rude" }), 422),
        (json!({ "account_id": bob_id, "category": "violation", "rule_ids": ["3"] }), 422),
        (json!({ "account_id": bob_id, "rule_ids": ["0"] }), 422),
        (json!({ "account_id": bob_id, "category": "spam", "rule_ids": ["3"] }), 200),
    ] {
        let answer = report(form.clone());
        assert_eq!(answer.status, status, "{form:.80}: {}", answer.body);
    }
    here.ask("POST", &format!("/api/v1/accounts/{bob_id}/block"), &ann, None);
    let after_block = report(json!({ "account_id": bob_id, "status_ids": [open] }));
    assert_eq!(after_block.status, 200, "a block does not keep one from reporting");
}

fn follow(here: &Instance, token: &str, whom: &str, form: Value) {
    let done = here.ask("POST", &format!("/api/v1/accounts/{whom}/follow"), token, Some(form));
    assert_eq!(done.status, 200, "{}", done.body);
}

fn ids(list: &Value) -> Vec<String> {
    list.as_array().expect("a list").iter().map(id).collect()
}

fn link(answer: &crate::instance::Answer, rel: &str) -> Option<String> {
    let line = answer.head.lines().find_map(|line| line.strip_prefix("link: "))?;
    let one = line.split(", ").find(|one| one.ends_with(&format!("rel=\"{rel}\"")))?;
    let address = one.strip_prefix('<')?.split('>').next()?;
    Some(format!("/{}", address.splitn(4, '/').nth(3)?))
}

/// What somebody is told, as kind and post, newest first.
fn told(here: &Instance, token: &str) -> Vec<String> {
    let list = here.ask("GET", "/api/v1/notifications", token, None).body;
    let line = |n: &Value| {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        format!("{} {}", text(&n["type"]), text(&n["status"]["content"]))
    };
    list.as_array().expect("a list").iter().map(line).collect()
}

#[test]
fn what_a_follow_leaves_out_stays_as_it_was() {
    let here = Instance::new();
    let ((ann, _), (_, bob_id)) = (person(&here, "ann"), person(&here, "bob"));
    let path = format!("/api/v1/accounts/{bob_id}/follow");
    for (wish, reblogs, notify, languages) in [
        (json!({}), true, false, json!(null)),
        (json!({ "reblogs": false, "languages": ["de"] }), false, false, json!(["de"])),
        (json!({ "notify": true }), false, true, json!(["de"])),
        (json!({ "reblogs": true }), true, true, json!(["de"])),
    ] {
        let now = here.ask("POST", &path, &ann, Some(wish.clone())).body;
        let options = (&now["showing_reblogs"], &now["notifying"], &now["languages"]);
        assert_eq!(options, (&json!(reblogs), &json!(notify), &languages), "{wish}");
    }
}

#[test]
fn who_follows_after_an_account_was_unlocked_asks_no_more() {
    let here = Instance::new();
    let ((ann, _), (bob, bob_id)) = (person(&here, "ann"), person(&here, "bob"));
    let lock = |locked: bool| {
        let form = Some(json!({ "locked": locked }));
        let done = here.ask("PATCH", "/api/v1/accounts/update_credentials", &bob, form);
        assert_eq!(done.status, 200, "{}", done.body);
    };
    let path = format!("/api/v1/accounts/{bob_id}/follow");
    lock(true);
    let asked = here.ask("POST", &path, &ann, Some(json!({}))).body;
    assert_eq!((&asked["following"], &asked["requested"]), (&json!(false), &json!(true)));
    lock(false);
    let followed = here.ask("POST", &path, &ann, Some(json!({}))).body;
    assert_eq!((&followed["following"], &followed["requested"]), (&json!(true), &json!(false)));
    let waiting = here.ask("GET", "/api/v1/follow_requests", &bob, None).body;
    assert_eq!(waiting, json!([]));
}

#[test]
fn a_boost_is_never_direct() {
    let here = Instance::new();
    let ((ann, _), (bob, _)) = (person(&here, "ann"), person(&here, "bob"));
    let path = format!("/api/v1/statuses/{}/reblog", post(&here, &bob, json!({ "status": "so" })));
    let refused = here.ask("POST", &path, &ann, Some(json!({ "visibility": "direct" })));
    assert_eq!(refused.status, 422, "{}", refused.body);
    let done = here.ask("POST", &path, &ann, Some(json!({ "visibility": "private" })));
    assert_eq!((done.status, &done.body["visibility"]), (200, &json!("private")));
}

#[test]
fn a_list_shows_the_replies_that_its_owner_wants() {
    let here = Instance::new();
    let ((ann, _), (bob, bob_id)) = (person(&here, "ann"), person(&here, "bob"));
    let ((cid, cid_id), (dee, dee_id)) = (person(&here, "cid"), person(&here, "dee"));
    let ((eve, _), (fay, fay_id)) = (person(&here, "eve"), person(&here, "fay"));
    for whom in [&bob_id, &cid_id, &dee_id, &fay_id] {
        follow(&here, &ann, whom, json!({}));
    }
    follow(&here, &ann, &dee_id, json!({ "reblogs": false }));
    let begun = |token: &str| post(&here, token, json!({ "status": "begun" }));
    let reply = |token: &str, to: &str| {
        post(&here, token, json!({ "status": "reply", "in_reply_to_id": to }))
    };
    let own = begun(&bob);
    let thread = reply(&bob, &own);
    let to_listed = reply(&bob, &begun(&dee));
    let to_followed = reply(&bob, &begun(&cid));
    let to_stranger = reply(&bob, &begun(&eve));
    let to_owner = reply(&bob, &begun(&ann));
    let to_muted = reply(&bob, &begun(&fay));
    let direct = post(&here, &bob, json!({ "status": "@ann psst", "visibility": "direct" }));
    let reblog = here.ask("POST", &format!("/api/v1/statuses/{own}/reblog"), &dee, None).body;
    here.ask("POST", &format!("/api/v1/accounts/{fay_id}/mute"), &ann, Some(json!({})));
    for (policy, shown) in [
        ("followed", vec![&own, &thread, &to_listed, &to_followed, &to_owner]),
        ("list", vec![&own, &thread, &to_listed, &to_owner]),
        ("none", vec![&own, &thread]),
    ] {
        let form = json!({ "title": policy, "replies_policy": policy });
        let list = id(&here.ask("POST", "/api/v1/lists", &ann, Some(form)).body);
        let members = json!({ "account_ids": [bob_id, dee_id] });
        here.ask("POST", &format!("/api/v1/lists/{list}/accounts"), &ann, Some(members));
        let at = format!("/api/v1/timelines/list/{list}");
        let found = ids(&here.ask("GET", &at, &ann, None).body);
        for one in [&own, &thread, &to_listed, &to_followed, &to_owner] {
            assert_eq!(found.contains(one), shown.contains(&one), "{policy}: {one}");
        }
        for never in [&to_stranger, &to_muted, &direct, &id(&reblog)] {
            assert!(!found.contains(never), "{policy}: {never}");
        }
        assert_eq!(here.ask("GET", &at, &eve, None).status, 404, "somebody else's");
    }
}

#[test]
fn mutes_blocks_and_muted_threads_keep_notifications_away() {
    let here = Instance::new();
    let ((ann, _), (bob, bob_id)) = (person(&here, "ann"), person(&here, "bob"));
    let act = |verb: &str, form: Value| {
        here.ask("POST", &format!("/api/v1/accounts/{bob_id}/{verb}"), &ann, Some(form));
    };
    let mention = |n: &str| post(&here, &bob, json!({ "status": format!("@ann {n}") }));
    let words = || -> Vec<String> {
        let all = told(&here, &ann);
        all.iter().map(|t| t.rsplit(' ').next().unwrap_or_default().replace("</p>", "")).collect()
    };
    mention("1");
    act("mute", json!({ "notifications": false }));
    mention("2");
    assert_eq!(words(), ["2", "1"], "muted, and yet heard");
    act("mute", json!({ "notifications": true }));
    mention("3");
    assert!(words().is_empty(), "muted with notifications");
    act("unmute", json!({}));
    assert_eq!(words(), ["2", "1"], "what came meanwhile stays away");
    let thread = post(&here, &ann, json!({ "status": "a thread" }));
    here.ask("POST", &format!("/api/v1/statuses/{thread}/mute"), &ann, None);
    post(&here, &bob, json!({ "status": "@ann 4", "in_reply_to_id": thread }));
    for verb in ["favourite", "reblog"] {
        here.ask("POST", &format!("/api/v1/statuses/{thread}/{verb}"), &bob, None);
    }
    assert_eq!(words(), ["2", "1"], "a muted thread is quiet");
    act("block", json!({}));
    mention("5");
    assert!(words().is_empty());
    let answer = json!({ "status": "6", "in_reply_to_id": thread });
    let refused = here.ask("POST", "/api/v1/statuses", &bob, Some(answer));
    assert_eq!(refused.status, 404, "nobody answers whom they may not see");
}

#[test]
fn who_asked_is_told_of_posts_and_who_reblogged_is_told_of_edits() {
    let here = Instance::new();
    let ((ann, _), (bob, bob_id)) = (person(&here, "ann"), person(&here, "bob"));
    let (cid, cid_id) = person(&here, "cid");
    follow(&here, &ann, &bob_id, json!({ "notify": true }));
    follow(&here, &cid, &bob_id, json!({ "notify": false }));
    let one = post(&here, &bob, json!({ "status": "one" }));
    post(&here, &bob, json!({ "status": "secret", "visibility": "direct" }));
    let of_cid = post(&here, &cid, json!({ "status": "cid's" }));
    post(&here, &bob, json!({ "status": "answer", "in_reply_to_id": of_cid }));
    post(&here, &bob, json!({ "status": "two", "visibility": "private" }));
    here.ask("POST", &format!("/api/v1/statuses/{of_cid}/reblog"), &bob, None);
    assert_eq!(told(&here, &ann), ["status <p>two</p>", "status <p>one</p>"]);
    assert_eq!(told(&here, &cid)[0].split(' ').next(), Some("reblog"), "cid did not ask");
    follow(&here, &ann, &bob_id, json!({ "notify": false }));
    here.ask("POST", &format!("/api/v1/statuses/{one}/reblog"), &ann, None);
    let edit = |text: &str| {
        let done = here.ask(
            "PUT",
            &format!("/api/v1/statuses/{one}"),
            &bob,
            Some(json!({ "status": text })),
        );
        assert_eq!(done.status, 200, "{}", done.body);
    };
    edit("uno");
    edit("uno");
    edit("eins");
    let heard = told(&here, &ann);
    assert_eq!(heard[0], "update <p>eins</p>");
    assert_eq!(heard.iter().filter(|t| t.starts_with("update")).count(), 1, "the newest alone");
    assert!(told(&here, &cid).iter().all(|t| !t.starts_with("update")), "{cid_id}");
    let history = here.ask("GET", &format!("/api/v1/statuses/{one}/history"), &bob, None).body;
    assert_eq!(history.as_array().expect("a list").len(), 3, "what changed nothing is no version");
}

#[test]
fn a_poll_that_asks_the_same_keeps_its_votes() {
    let here = Instance::new();
    let ((ann, _), (bob, _)) = (person(&here, "ann"), person(&here, "bob"));
    let form = |text: &str, options: [&str; 2], multiple: bool| {
        let poll = json!({ "options": options, "expires_in": 600, "multiple": multiple });
        json!({ "status": text, "poll": poll })
    };
    let made = here.ask("POST", "/api/v1/statuses", &ann, Some(form("a", ["x", "y"], false))).body;
    let votes = format!("/api/v1/polls/{}/votes", id(&made["poll"]));
    assert_eq!(here.ask("POST", &votes, &bob, Some(json!({ "choices": [1] }))).status, 200);
    let at = format!("/api/v1/statuses/{}", id(&made));
    for (form, kept, versions) in [
        (form("a", ["x", "y"], false), true, 1),
        (form("b", ["x", "y"], false), true, 2),
        (form("b", ["x", "z"], false), false, 3),
        (form("b", ["x", "z"], true), false, 4),
    ] {
        let edited = here.ask("PUT", &at, &ann, Some(form.clone()));
        assert_eq!(edited.status, 200, "{}", edited.body);
        let poll = &edited.body["poll"];
        assert_eq!(poll["id"] == made["poll"]["id"], kept, "{form}");
        assert_eq!(poll["votes_count"], i32::from(kept), "{form}");
        let history = here.ask("GET", &format!("{at}/history"), &ann, None).body;
        assert_eq!(history.as_array().expect("a list").len(), versions, "{form}");
    }
}

#[test]
fn the_suspended_are_in_no_listing_of_people_and_page_all_the_same() {
    let here = Instance::new();
    let ((ann, ann_id), (bob, bob_id)) = (person(&here, "ann"), person(&here, "bob"));
    let (cid, cid_id) = person(&here, "cid");
    let at = post(&here, &ann, json!({ "status": "hi" }));
    for (token, own) in [(&bob, &bob_id), (&cid, &cid_id)] {
        follow(&here, token, &ann_id, json!({}));
        follow(&here, &ann, own, json!({}));
        for verb in ["favourite", "reblog"] {
            here.ask("POST", &format!("/api/v1/statuses/{at}/{verb}"), token, None);
        }
    }
    let listings = [
        format!("/api/v1/accounts/{ann_id}/followers?"),
        format!("/api/v1/accounts/{ann_id}/following?"),
        format!("/api/v1/statuses/{at}/favourited_by?"),
        format!("/api/v1/statuses/{at}/reblogged_by?"),
    ];
    let many = format!("/api/v1/accounts?id[]={bob_id}&id[]={cid_id}");
    let read = |path: &str| here.ask("GET", path, &ann, None);
    assert_eq!(ids(&read(&many).body), [bob_id.clone(), cid_id.clone()]);
    for path in &listings {
        assert_eq!(ids(&read(path).body), [cid_id.clone(), bob_id.clone()], "{path}");
        let newest = read(&format!("{path}limit=1"));
        assert_eq!(ids(&newest.body), std::slice::from_ref(&cid_id), "{path}");
        let next = read(&link(&newest, "next").expect("a next page"));
        assert_eq!(ids(&next.body), std::slice::from_ref(&bob_id), "{path}");
        let back = read(&link(&next, "prev").expect("a page before"));
        assert_eq!(ids(&back.body), std::slice::from_ref(&cid_id), "{path}, upwards");
    }
    assert!(here.command(&["account", "suspend", "cid", "--reason", "spam"]).is_done);
    assert_eq!(ids(&read(&many).body), std::slice::from_ref(&bob_id));
    for path in &listings {
        assert_eq!(ids(&read(path).body), std::slice::from_ref(&bob_id), "{path}");
        let newest = read(&format!("{path}limit=1"));
        assert_eq!(newest.body, json!([]), "{path}");
        let next = read(&link(&newest, "next").expect("the page leads on"));
        assert_eq!(ids(&next.body), std::slice::from_ref(&bob_id), "{path}");
    }
}

#[test]
fn a_suspended_account_is_there_with_nothing_on_it() {
    let here = Instance::new();
    let ((ann, ann_id), (bob, bob_id)) = (person(&here, "ann"), person(&here, "bob"));
    let form = json!({ "display_name": "Bob", "note": "buys and sells", "bot": true,
        "locked": true, "fields_attributes": [{ "name": "shop", "value": "open" }] });
    here.ask("PATCH", "/api/v1/accounts/update_credentials", &bob, Some(form));
    post(&here, &bob, json!({ "status": "buy" }));
    follow(&here, &bob, &ann_id, json!({}));
    let show = format!("/api/v1/accounts/{bob_id}");
    let whole = here.ask("GET", &show, &ann, None).body;
    assert!(whole.get("suspended").is_none(), "{whole}");
    assert_eq!((&whole["display_name"], &whole["locked"]), (&json!("Bob"), &json!(true)));
    assert!(here.command(&["account", "suspend", "bob", "--reason", "spam"]).is_done);
    for path in [show.as_str(), "/api/v1/accounts/lookup?acct=bob"] {
        for token in [ann.as_str(), ""] {
            let answer = here.ask("GET", path, token, None);
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            let b = &answer.body;
            let got = json!([
                b["id"],
                b["acct"],
                b["suspended"],
                b["display_name"],
                b["note"],
                b["fields"],
                b["locked"],
                b["bot"]
            ]);
            assert_eq!(got, json!([bob_id, "bob", true, "", "", [], false, false]), "{path}");
        }
    }
    for list in ["statuses", "statuses?pinned=true", "followers", "following"] {
        let answer = here.ask("GET", &format!("{show}/{list}"), &ann, None);
        assert_eq!((answer.status, &answer.body), (200, &json!([])), "{list}");
    }
    let never = here.ask("GET", "/api/v1/accounts/lookup?acct=nobody", &ann, None);
    assert_eq!(never.status, 404);
    assert!(here.command(&["account", "unsuspend", "bob", "--reason", "a mistake"]).is_done);
    assert_eq!(here.ask("GET", &show, &ann, None).body["note"], whole["note"]);
}

#[test]
fn a_page_of_hidden_posts_leads_on_to_those_that_are_shown() {
    let here = Instance::new();
    let ((ann, _), (bob, bob_id)) = (person(&here, "ann"), person(&here, "bob"));
    let (cid, _) = person(&here, "cid");
    let shown = post(&here, &cid, json!({ "status": "shown #t" }));
    for n in 0..2 {
        post(&here, &bob, json!({ "status": format!("hidden {n} #t") }));
    }
    here.ask("POST", &format!("/api/v1/accounts/{bob_id}/mute"), &ann, Some(json!({})));
    for path in ["/api/v1/timelines/public?limit=2", "/api/v1/timelines/tag/t?limit=2"] {
        let first = here.ask("GET", path, &ann, None);
        assert_eq!(first.body, json!([]), "{path}");
        let next = link(&first, "next").expect("the page leads on");
        assert_eq!(
            ids(&here.ask("GET", &next, &ann, None).body),
            std::slice::from_ref(&shown),
            "{path}"
        );
        assert_eq!(ids(&here.ask("GET", path, "", None).body).len(), 2, "{path}: for visitors");
    }
}

#[test]
fn a_mute_with_an_end_ends_by_itself() {
    let here = Instance::new();
    let ((ann, _), (bob, bob_id)) = (person(&here, "ann"), person(&here, "bob"));
    follow(&here, &ann, &bob_id, json!({}));
    let said = post(&here, &bob, json!({ "status": "hi" }));
    let home = || ids(&here.ask("GET", "/api/v1/timelines/home", &ann, None).body);
    let mutes = || here.ask("GET", "/api/v1/mutes", &ann, None).body;
    let mute = |seconds: i64| {
        let form = json!({ "duration": seconds });
        let path = format!("/api/v1/accounts/{bob_id}/mute");
        assert_eq!(here.ask("POST", &path, &ann, Some(form)).body["muting"], true, "{seconds}");
    };
    mute(0);
    assert_eq!((ids(&mutes()), home()), (vec![bob_id.clone()], vec![]));
    assert!(mutes()[0]["mute_expires_at"].is_null(), "until it is taken back");
    mute(3_600);
    assert!(mutes()[0]["mute_expires_at"].is_string());
    assert_eq!(home(), [""; 0]);
    mute(1);
    let begun = std::time::Instant::now();
    while home() != [said.clone()] {
        assert!(begun.elapsed().as_secs() < 20, "still muted");
        std::thread::yield_now();
    }
    assert_eq!(mutes(), json!([]));
    let path = format!("/api/v1/accounts/relationships?id[]={bob_id}");
    assert_eq!(here.ask("GET", &path, &ann, None).body[0]["muting"], false);
    let public = here.ask("GET", "/api/v1/timelines/public", &ann, None).body;
    assert_eq!(ids(&public), [said]);
}

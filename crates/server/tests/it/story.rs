//! What members live through: post, follow, read, mark, and what they are refused.

use crate::instance::Instance;
use serde_json::{Value, json};

fn texts(list: &Value) -> Vec<String> {
    let content = |s: &Value| s["content"].as_str().unwrap_or_default().to_owned();
    list.as_array().expect("a list").iter().map(content).collect()
}

fn id(entity: &Value) -> String {
    entity["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_followed_post_arrives_and_survives_a_kill() {
    follow_post_kill(&mut Instance::new());
}

/// The main story, on whatever keeps the posts of `here`.
pub fn follow_post_kill(here: &mut Instance) {
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let who = id(&here.ask("GET", "/api/v1/accounts/verify_credentials", &ann, None).body);
    assert!(texts(&here.ask("GET", "/api/v1/timelines/home", &bob, None).body).is_empty());
    let follow = format!("/api/v1/accounts/{who}/follow");
    let standing = here.ask("POST", &follow, &bob, None).body;
    assert_eq!(standing["following"], true);
    let post = here.ask("POST", "/api/v1/statuses", &ann, Some(json!({ "status": "hi @bob" })));
    assert_eq!(post.status, 200, "{}", post.body);
    let read = |here: &Instance| {
        let home = here.ask("GET", "/api/v1/timelines/home", &bob, None).body;
        let told = here.ask("GET", "/api/v1/notifications", &bob, None).body;
        (home[0]["id"].clone(), told[0]["type"].clone(), told[0]["status"]["id"].clone())
    };
    let expected = (post.body["id"].clone(), json!("mention"), post.body["id"].clone());
    assert_eq!(read(here), expected);
    here.kill_and_restart();
    assert_eq!(read(here), expected);
}

#[test]
fn a_slash_at_the_end_changes_nothing() {
    let here = Instance::new();
    for path in ["/api/v1/instance", "/api/v2/instance", "/api/v1/timelines/public"] {
        let plain = here.ask("GET", path, "", None);
        let slashed = here.ask("GET", &format!("{path}/"), "", None);
        assert_eq!((plain.status, slashed.status), (200, 200), "{path}");
        assert_eq!(plain.body, slashed.body, "{path}");
    }
}

#[test]
fn the_same_key_posts_once() {
    let here = Instance::new();
    let ann = here.member("ann");
    let key = "idempotency-key: k1\r\n";
    let first = here.send("POST", "/api/v1/statuses", &ann, key, r#"{"status":"one"}"#);
    let again = here.send("POST", "/api/v1/statuses", &ann, key, r#"{"status":"two"}"#);
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(first.body["id"], again.body["id"]);
    let own = here.ask("GET", "/api/v1/accounts/verify_credentials", &ann, None).body;
    assert_eq!(own["statuses_count"], 1);
}

#[test]
fn pages_have_no_gap_and_no_repeat() {
    let here = Instance::new();
    let ann = here.member("ann");
    for n in 0..45 {
        here.ask("POST", "/api/v1/statuses", &ann, Some(json!({ "status": format!("n{n}") })));
    }
    let (mut seen, mut max) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/timelines/home?limit=10{max}");
        let page = here.ask("GET", &path, &ann, None);
        let list = texts(&page.body);
        if list.is_empty() {
            break;
        }
        assert!(page.head.contains("rel=\"next\""), "{}", page.head);
        max = format!("&max_id={}", id(&page.body[list.len() - 1]));
        seen.extend(list);
    }
    let expected: Vec<String> = (0..45).rev().map(|n| format!("<p>n{n}</p>")).collect();
    assert_eq!(seen, expected);
}

#[test]
fn what_is_not_for_everybody_stays_hidden() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let post = |visibility: &str, text: &str| {
        let form = json!({ "status": text, "visibility": visibility });
        id(&here.ask("POST", "/api/v1/statuses", &ann, Some(form)).body)
    };
    let sees = |token: &str, id: &str| {
        here.ask("GET", &format!("/api/v1/statuses/{id}"), token, None).status
    };
    let (open, closed, direct) =
        (post("public", "a"), post("private", "b"), post("direct", "c @bob"));
    assert_eq!([sees("", &open), sees("", &closed), sees("", &direct)], [200, 404, 404]);
    assert_eq!([sees(&bob, &open), sees(&bob, &closed), sees(&bob, &direct)], [200, 404, 200]);
    let bob_id = id(&here.ask("GET", "/api/v1/accounts/verify_credentials", &bob, None).body);
    let block = format!("/api/v1/accounts/{bob_id}/block");
    assert_eq!(here.ask("POST", &block, &ann, None).body["blocking"], true);
    assert_eq!([sees(&bob, &open), sees(&bob, &direct)], [404, 404]);
}

#[test]
fn marks_polls_edits_and_deletion() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let form = json!({ "status": "which?", "poll": { "options": ["a", "b"], "expires_in": 600 } });
    let post = here.ask("POST", "/api/v1/statuses", &ann, Some(form)).body;
    let at = |what: &str| format!("/api/v1/statuses/{}/{what}", id(&post));
    let fav = here.ask("POST", &at("favourite"), &bob, None).body;
    assert_eq!((&fav["favourited"], &fav["favourites_count"]), (&json!(true), &json!(1)));
    let again = here.ask("POST", &at("favourite"), &bob, None).body;
    assert_eq!(again["favourites_count"], 1);
    let reblog = here.ask("POST", &at("reblog"), &bob, None).body;
    assert_eq!(reblog["reblog"]["reblogs_count"], 1);
    let votes = format!("/api/v1/polls/{}/votes", id(&post["poll"]));
    // Who asks has answered, for none: apps show them the numbers.
    let asker = (&json!(true), &json!([]));
    assert_eq!((&post["poll"]["voted"], &post["poll"]["own_votes"]), asker);
    let home = here.ask("GET", "/api/v1/timelines/home", &ann, None).body;
    assert_eq!((&home[0]["poll"]["voted"], &home[0]["poll"]["own_votes"]), asker, "{home}");
    let shown = |token: &str| here.ask("GET", at("").trim_end_matches('/'), token, None).body;
    assert_eq!(shown(&ann)["poll"]["voted"], true);
    assert_eq!(shown(&bob)["poll"]["voted"], false);
    assert!(shown("")["poll"]["voted"].is_null());
    let voted = here.ask("POST", &votes, &bob, Some(json!({ "choices": ["1"] })));
    assert_eq!(voted.body["options"][1]["votes_count"], 1, "{}", voted.body);
    let twice = here.ask("POST", &votes, &bob, Some(json!({ "choices": [0] })));
    assert_eq!(twice.status, 422);
    let edit = format!("/api/v1/statuses/{}", id(&post));
    let edited = here.ask("PUT", &edit, &ann, Some(json!({ "status": "better" }))).body;
    assert_eq!(edited["content"], "<p>better</p>");
    let history = here.ask("GET", &at("history"), &bob, None).body;
    assert_eq!(texts(&history), ["<p>which?</p>", "<p>better</p>"]);
    assert_eq!(here.ask("DELETE", &edit, &bob, None).status, 404);
    assert_eq!(here.ask("DELETE", &edit, &ann, None).body["text"], "better");
    assert_eq!(here.ask("GET", &edit, &bob, None).status, 404);
    assert!(texts(&here.ask("GET", "/api/v1/timelines/home", &bob, None).body).is_empty());
}

#[test]
fn bad_input_is_refused_in_the_usual_shape() {
    let here = Instance::new();
    let ann = here.member("ann");
    let long = json!({ "status": "x".repeat(501) }).to_string();
    let huge = json!({ "status": "x".repeat(400_000) }).to_string();
    for (token, path, body, status) in [
        ("", "/api/v1/statuses", r#"{"status":"x"}"#, 401),
        ("forged", "/api/v1/statuses", r#"{"status":"x"}"#, 401),
        (ann.as_str(), "/api/v1/statuses", r#"{"status":""}"#, 422),
        (ann.as_str(), "/api/v1/statuses", "{", 400),
        (ann.as_str(), "/api/v1/statuses", long.as_str(), 422),
        (ann.as_str(), "/api/v1/statuses", huge.as_str(), 413),
        (ann.as_str(), "/api/v1/statuses", r#"{"status":"x","visibility":"all"}"#, 422),
        (ann.as_str(), "/api/v1/statuses", r#"{"status":"x","in_reply_to_id":"1"}"#, 404),
        (ann.as_str(), "/api/v1/accounts/1/follow", "{}", 404),
        (ann.as_str(), "/api/v1/nothing", "{}", 404),
    ] {
        let answer = here.send("POST", path, token, "", body);
        assert_eq!(answer.status, status, "{path} {body:.60}: {}", answer.body);
        assert!(answer.body["error"].is_string(), "{path} {body:.60}");
    }
}

#[test]
fn an_app_signs_somebody_up_and_its_token_can_be_revoked() {
    let here = Instance::new();
    let form = json!({ "client_name": "app", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob",
        "scopes": "read write" });
    let app = here.ask("POST", "/api/v1/apps", "", Some(form)).body;
    let with = |more: Value| {
        let mut form = json!({ "client_id": app["client_id"],
            "client_secret": app["client_secret"] });
        let map = form.as_object_mut().expect("an object");
        map.extend(more.as_object().expect("an object").clone());
        Some(form)
    };
    let grant = json!({ "grant_type": "client_credentials", "scope": "read write" });
    let own = here.ask("POST", "/oauth/token", "", with(grant)).body["access_token"].clone();
    let own = own.as_str().expect("a token").to_owned();
    let wide = json!({ "grant_type": "client_credentials", "scope": "push" });
    assert_eq!(here.ask("POST", "/oauth/token", "", with(wide)).status, 400);
    let person = |name: &str, agreement: bool| {
        Some(json!({ "username": name, "email": format!("{name}@example.org"),
            "password": "correct horse", "agreement": agreement, "locale": "en" }))
    };
    let refused = here.ask("POST", "/api/v1/accounts", &own, person("eve", false));
    assert_eq!(refused.status, 422);
    assert_eq!(refused.body["details"]["agreement"][0]["error"], "ERR_ACCEPTED");
    let joined = here.ask("POST", "/api/v1/accounts", &own, person("eve", true)).body;
    let eve = joined["access_token"].as_str().expect("a token").to_owned();
    let taken = here.ask("POST", "/api/v1/accounts", &own, person("eve", true));
    assert_eq!(taken.body["details"]["username"][0]["error"], "ERR_TAKEN");
    let verify = "/api/v1/accounts/verify_credentials";
    assert_eq!(here.ask("GET", verify, &eve, None).body["username"], "eve");
    assert_eq!(here.ask("POST", "/oauth/revoke", "", with(json!({ "token": eve }))).status, 200);
    assert_eq!(here.ask("GET", verify, &eve, None).status, 401);
}

#[test]
fn a_post_says_which_app_it_was_posted_with() {
    let mut here = Instance::new();
    let form = json!({ "client_name": "The \"App\"", "website": "https://app.example",
        "redirect_uris": "urn:ietf:wg:oauth:2.0:oob", "scopes": "read write" });
    let app = here.ask("POST", "/api/v1/apps", "", Some(form)).body;
    let form = json!({ "client_id": app["client_id"], "client_secret": app["client_secret"],
        "grant_type": "client_credentials", "scope": "read write" });
    let own = here.ask("POST", "/oauth/token", "", Some(form)).body["access_token"].clone();
    let form = json!({ "username": "eve", "email": "eve@example.org", "agreement": true,
        "password": "correct horse", "locale": "en" });
    let own = own.as_str().expect("a token");
    let joined = here.ask("POST", "/api/v1/accounts", own, Some(form)).body;
    let eve = joined["access_token"].as_str().expect("a token").to_owned();
    let bob = here.member("bob");
    let made = here.ask("POST", "/api/v1/statuses", &eve, Some(json!({ "status": "hi" }))).body;
    let expected = json!({ "name": "The \"App\"", "website": "https://app.example" });
    let path = format!("/api/v1/statuses/{}", id(&made));
    let everywhere = |here: &Instance| {
        let home = here.ask("GET", "/api/v1/timelines/home", &eve, None).body;
        let public = here.ask("GET", "/api/v1/timelines/public", "", None).body;
        let alone = here.ask("GET", &path, &bob, None).body;
        for (at, post) in [("home", &home[0]), ("public", &public[0]), ("alone", &alone)] {
            assert_eq!(post["application"], expected, "{at}: {post}");
        }
    };
    assert_eq!(made["application"], expected, "{made}");
    everywhere(&here);
    let reblog = here.ask("POST", &format!("{path}/reblog"), &bob, None).body;
    assert_eq!(reblog["reblog"]["application"], expected, "{reblog}");
    assert!(reblog["application"].is_null(), "{reblog}");
    here.kill_and_restart();
    everywhere(&here);
}

#[test]
fn a_role_says_its_powers_in_mastodons_bits() {
    let here = Instance::new();
    let ann = here.member("ann");
    let verify = "/api/v1/accounts/verify_credentials";
    let powers = |token: &str| here.ask("GET", verify, token, None).body["role"].clone();
    let base = json!({ "id": "-99", "name": "", "permissions": "0", "color": "",
        "highlighted": false });
    assert_eq!(powers(&ann), base, "numbers and names are Mastodon's too");
    let owner = powers(&here.token("owner"));
    assert_eq!((&owner["id"], &owner["permissions"]), (&json!("3"), &json!("1")));
    let role = ["account", "role", "ann", "moderator"];
    let said = here.command(&role);
    assert!(said.is_done, "{}", said.err);
    assert_eq!(powers(&ann)["permissions"], "16");
    assert_eq!(powers(&ann)["name"], "Moderator");
}

#[test]
fn an_answer_to_a_deleted_post_names_its_author_alone() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let post = |token: &str, form: Value| {
        let made = here.ask("POST", "/api/v1/statuses", token, Some(form));
        assert_eq!(made.status, 200, "{}", made.body);
        made.body
    };
    let root = post(&ann, json!({ "status": "gull" }));
    let answer = post(&bob, json!({ "status": "tern", "in_reply_to_id": id(&root) }));
    let below = post(&ann, json!({ "status": "skua", "in_reply_to_id": id(&answer) }));
    let at = |entity: &Value| format!("/api/v1/statuses/{}", id(entity));
    let shown = |token: &str, of: &Value| {
        let now = here.ask("GET", &at(of), token, None).body;
        [now["in_reply_to_id"].clone(), now["in_reply_to_account_id"].clone()]
    };
    for token in ["", &bob] {
        assert_eq!(shown(token, &answer), [root["id"].clone(), root["account"]["id"].clone()]);
    }
    assert_eq!(here.ask("DELETE", &at(&root), &ann, None).status, 200);
    for token in ["", &bob] {
        assert_eq!(shown(token, &answer), [Value::Null, root["account"]["id"].clone()]);
        assert_eq!(shown(token, &below), [answer["id"].clone(), answer["account"]["id"].clone()]);
    }
    let context = here.ask("GET", &format!("{}/context", at(&answer)), &bob, None).body;
    assert_eq!(context["ancestors"], json!([]));
    assert_eq!(context["descendants"][0]["id"], below["id"]);
    // Who looks for what is no answer does not find it either.
    let own = format!(
        "/api/v1/accounts/{}/statuses?exclude_replies=true",
        answer["account"]["id"].as_str().expect("an id")
    );
    assert_eq!(here.ask("GET", &own, &bob, None).body, json!([]));
}

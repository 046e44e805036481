//! Mail as members meet it: an address is confirmed, a forgotten password is replaced; and what
//! becomes of mail when its server is unkind or this one is killed.

use crate::{
    browser::Browser,
    instance::{Answer, Instance},
    service::{self, Service},
    sink::{Mood, Sink, Taken, Tls},
};
use serde_json::{Value, json};
use std::{
    io::{Read as _, Write as _},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// An instance that sends its mail to a server of the test's.
struct Place {
    here: Instance,
    sink: Sink,
    _folder: TempDir,
}

const PASSWORDS: &str = "[oauth]\npassword_grant = true\n";

impl Place {
    fn new(tls: Tls, mail: &str) -> Self {
        Self::with(tls, "", "The Harbour", mail)
    }

    fn with(tls: Tls, sign_up: &str, title: &str, mail: &str) -> Self {
        let (sink, folder) = (Sink::new(tls), TempDir::new().expect("a folder"));
        let section = sink.section(&folder.path().join("ca.pem"), mail);
        let title = Value::from(title);
        let here = Instance::with(&format!(
            "{sign_up}[server]\ndomain = \"social.example\"\ntitle = {title}\n{PASSWORDS}{section}"
        ));
        Self { here, sink, _folder: folder }
    }

    /// A page, by a form or by following a link: status, head, text.
    fn page(&self, method: &str, path: &str, more: &str, form: &str) -> (u16, String, String) {
        let more = format!(
            "{more}accept: text/html\r\ncontent-type: application/x-www-form-urlencoded\r\n"
        );
        let (head, body) = self.here.exchange(method, path, "", &more, form.as_bytes());
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
        (status, head, String::from_utf8(body).expect("text"))
    }

    fn post(&self, path: &str, form: &str) -> (u16, String) {
        let (status, _, text) = self.page("POST", path, "sec-fetch-site: same-origin\r\n", form);
        (status, text)
    }

    fn get(&self, path: &str) -> (u16, String) {
        let (status, _, text) = self.page("GET", path, "", "");
        (status, text)
    }

    fn ask_for_reset(&self, email: &str) -> (u16, String) {
        self.post("/auth/password/new", &format!("email={}", email.replace('@', "%40")))
    }

    fn verify(&self, token: &str) -> u16 {
        self.here.ask("GET", "/api/v1/accounts/verify_credentials", token, None).status
    }

    /// An app, and its own token.
    fn app(&self) -> App {
        let form = json!({ "client_name": "app", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob",
            "scopes": "read write follow" });
        let body = self.here.ask("POST", "/api/v1/apps", "", Some(form)).body;
        let text = |key: &str| body[key].as_str().expect("text").to_owned();
        let mut app =
            App { id: text("client_id"), secret: text("client_secret"), token: "".into() };
        let granted = self.grant(&app, json!({ "grant_type": "client_credentials" }));
        app.token = granted.body["access_token"].as_str().expect("a token").to_owned();
        app
    }

    fn grant(&self, app: &App, more: Value) -> Answer {
        let mut form = json!({ "client_id": app.id, "client_secret": app.secret,
            "scope": "read write follow" });
        form.as_object_mut().expect("an object").extend(more.as_object().expect("one").clone());
        self.here.ask("POST", "/oauth/token", "", Some(form))
    }

    fn log_in(&self, app: &App, name: &str, password: &str) -> Answer {
        let who = json!({ "grant_type": "password", "username": name, "password": password });
        self.grant(app, who)
    }

    fn sign_up(&self, app: &App, name: &str, email: &str) -> Answer {
        let form = json!({ "username": name, "email": email, "password": "correct horse",
            "agreement": true, "locale": "en" });
        self.here.ask("POST", "/api/v1/accounts", &app.token, Some(form))
    }

    fn resend(&self, token: &str, email: Option<&str>) -> Answer {
        let form = email.map_or(json!({}), |email| json!({ "email": email }));
        self.here.ask("POST", "/api/v1/emails/confirmations", token, Some(form))
    }

    fn check(&self, token: &str) -> Value {
        self.here.ask("GET", "/api/v1/emails/check_confirmation", token, None).body
    }
}

struct App {
    id: String,
    secret: String,
    token: String,
}

fn token_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["access_token"].as_str().expect("a token").to_owned()
}

/// Letters to this address among those.
fn to<'a>(letters: &'a [Taken], address: &str) -> Vec<&'a Taken> {
    let ours = |letter: &&Taken| letter.to == [format!("RCPT TO:<{address}>")];
    letters.iter().filter(ours).collect()
}

#[test]
fn a_forgotten_password_is_replaced_by_a_link_that_works_once() {
    let place = Place::new(Tls::StartTls, "user = \"fulmar\"\npassword = \"hush\"\n");
    let ann = place.here.member("ann");
    assert!(place.get("/login").1.contains("href=\"/auth/password/new\""), "it is found");
    let asked = place.ask_for_reset("Ann@Example.org");
    assert_eq!(asked.0, 200, "{}", asked.1);
    assert_eq!(asked, place.ask_for_reset("nobody@example.org"), "nobody learns who is here");
    let letters = place.sink.letters(1);
    let letter = &letters[0];
    assert_eq!(letter.to, ["RCPT TO:<ann@example.org>"], "as she wrote it");
    assert_eq!(letter.from, "MAIL FROM:<no-reply@social.example>");
    assert_eq!(letter.user.as_deref(), Some("AGZ1bG1hcgBodXNo"), "fulmar, hush");
    assert!(letter.is_encrypted);
    assert_eq!(letter.header("To").as_deref(), Some("ann@example.org"));
    assert_eq!(letter.header("Auto-Submitted").as_deref(), Some("auto-generated"));
    assert_eq!(letter.header("MIME-Version").as_deref(), Some("1.0"));
    assert!(letter.body.lines().any(|line| line.ends_with(&letter.link())), "{}", letter.body);
    let subject = letter.header("Subject").expect("a subject");
    assert_eq!(subject, "A new password for @ann at The Harbour");
    // Looking uses nothing up.
    let link = letter.link();
    for _ in 0..2 {
        let (status, head, text) = place.page("GET", &link, "", "");
        assert_eq!(status, 200, "{text}");
        assert!(text.contains("type=\"password\"") && text.contains(&letter.token()), "{text}");
        assert!(head.contains("cache-control: no-store"), "{head}");
        assert!(head.contains("default-src 'none'"), "{head}");
        assert!(head.contains("referrer-policy: same-origin"), "the link is a secret: {head}");
    }
    let choose = |token: &str, one: &str, other: &str| {
        let form = format!("token={token}&password={one}&again={other}");
        place.post("/auth/password/edit", &form)
    };
    let token = letter.token();
    assert_eq!(choose(&token, "a-new-password", "another-one").0, 422);
    assert_eq!(choose(&token, "short", "short").0, 422);
    assert_eq!(choose("", "a-new-password", "a-new-password").0, 404);
    let elsewhere = format!("token={token}&password=a-new-password&again=a-new-password");
    let foreign = "sec-fetch-site: cross-site\r\n";
    assert_eq!(place.page("POST", "/auth/password/edit", foreign, &elsewhere).0, 403);
    assert_eq!(place.verify(&ann), 200);
    let (status, text) = choose(&token, "a-new-password", "a-new-password");
    assert_eq!(status, 200, "{text}");
    assert_eq!(place.verify(&ann), 401, "all apps are logged out");
    assert_eq!(choose(&token, "a-third-password", "a-third-password").0, 404);
    assert_eq!(place.get(&link).0, 404);
    let app = place.app();
    let again = token_of(&place.log_in(&app, "ann", "a-new-password"));
    assert_eq!(place.verify(&again), 200);
    assert_eq!(place.log_in(&app, "ann", "a-third-password").status, 400);
    let notice = place.sink.letters(2)[1].clone();
    assert_eq!(
        notice.header("Subject").as_deref(),
        Some("Your password at The Harbour was changed")
    );
    assert_eq!(to(&place.sink.letters(2), "ann@example.org").len(), 2, "and nobody else");
}

#[test]
fn a_link_of_one_purpose_serves_no_other() {
    let place = Place::new(Tls::None, "");
    place.here.member("ann");
    assert_eq!(place.ask_for_reset("ann@example.org").0, 200);
    let reset = place.sink.letters(1)[0].token();
    let app = place.app();
    let eve = token_of(&place.sign_up(&app, "eve", "eve@example.org"));
    let confirm = place.sink.letters(2)[1].token();
    assert_eq!(place.post("/auth/confirmation", &format!("token={reset}")).0, 404);
    let form = format!("token={confirm}&password=a-new-password&again=a-new-password");
    assert_eq!(place.post("/auth/password/edit", &form).0, 404);
    assert_eq!(place.check(&eve), false);
    assert_eq!(place.get(&format!("/auth/password/edit?token={reset}")).0, 200, "still works");
    assert_eq!(place.get(&format!("/auth/confirmation?token={confirm}")).0, 200, "still works");
}

#[test]
fn who_signs_up_can_do_nothing_until_the_address_is_confirmed() {
    sign_up_and_confirm("");
}

/// The story of a sign-up, with more lines at the end of the configuration.
pub fn sign_up_and_confirm(more: &str) {
    let place = Place::new(Tls::Implicit, more);
    let app = place.app();
    let eve = token_of(&place.sign_up(&app, "eve", "evve@example.org"));
    let missing = "Your login is missing a confirmed e-mail address";
    for (method, path) in [
        ("GET", "/api/v1/accounts/verify_credentials"),
        ("GET", "/api/v1/timelines/home"),
        ("GET", "/api/v1/timelines/public"),
        ("POST", "/api/v1/statuses"),
        ("GET", "/api/v1/streaming/user"),
        ("PATCH", "/api/v1/accounts/update_credentials"),
    ] {
        let refused = place.here.ask(method, path, &eve, Some(json!({ "status": "hi" })));
        assert_eq!((refused.status, &refused.body["error"]), (403, &json!(missing)), "{path}");
    }
    assert_eq!(place.log_in(&app, "eve", "correct horse").status, 403);
    assert_eq!(place.log_in(&app, "eve", "wrong horse").status, 400, "nothing is given away");
    assert_eq!(place.check(&eve), false);
    let first = place.sink.letters(1)[0].clone();
    assert!(first.is_encrypted);
    assert_eq!(first.to, ["RCPT TO:<evve@example.org>"]);
    // The address was mistyped. Another app may not change it, this one may.
    let other = place.here.token("eve");
    assert_eq!(place.resend(&other, Some("thief@example.org")).status, 403);
    assert_eq!(place.resend(&eve, Some("no address")).status, 422);
    place.here.member("ann");
    assert_eq!(place.resend(&eve, Some("ann@example.org")).status, 422, "taken");
    let resent = place.resend(&eve, Some("eve@example.org"));
    assert_eq!((resent.status, &resent.body), (200, &json!({})));
    let second = place.sink.letters(2)[1].clone();
    assert_eq!(second.to, ["RCPT TO:<eve@example.org>"]);
    assert_eq!(place.get(&first.link()).0, 404, "the first address is not hers");
    // A program that looks through mail follows links; that confirms nothing.
    for _ in 0..2 {
        let (status, text) = place.get(&second.link());
        assert_eq!(status, 200, "{text}");
        assert_eq!(place.check(&eve), false);
    }
    let form = format!("token={}", second.token());
    assert_eq!(
        place.page("POST", "/auth/confirmation", "sec-fetch-site: cross-site\r\n", &form).0,
        403
    );
    assert_eq!(place.post("/auth/confirmation", &form).0, 200);
    assert_eq!(place.check(&eve), true);
    assert_eq!(place.verify(&eve), 200);
    let post = json!({ "status": "hi" });
    assert_eq!(place.here.ask("POST", "/api/v1/statuses", &eve, Some(post)).status, 200);
    assert_eq!(place.post("/auth/confirmation", &form).0, 404, "once");
    assert_eq!(place.resend(&eve, None).status, 403, "there is nothing to confirm any more");
    assert_eq!(place.log_in(&app, "eve", "correct horse").status, 200);
}

#[test]
fn a_lost_link_is_asked_for_again_and_a_reset_confirms_too() {
    let place = Place::new(Tls::None, "");
    let app = place.app();
    let eve = token_of(&place.sign_up(&app, "eve", "eve@example.org"));
    let ask = |email: &str| place.post("/auth/confirmation/new", &format!("email={email}"));
    assert_eq!(ask("eve@example.org"), ask("nobody@example.org"));
    let letters = place.sink.letters(2);
    assert_ne!(letters[0].token(), letters[1].token());
    // Each mail that may have arrived works, until one was used.
    assert_eq!(place.get(&letters[0].link()).0, 200);
    assert_eq!(place.ask_for_reset("eve@example.org").0, 200);
    let reset = place.sink.letters(3)[2].token();
    let form = format!("token={reset}&password=a-new-password&again=a-new-password");
    assert_eq!(place.post("/auth/password/edit", &form).0, 200);
    assert_eq!(place.verify(&eve), 401, "whoever signed up may have been somebody else");
    assert_eq!(place.get(&letters[1].link()).0, 404);
    assert_eq!(place.log_in(&app, "eve@example.org", "a-new-password").status, 200);
    // Confirmed: there is nothing to send, and the answer does not say so.
    assert_eq!(ask("eve@example.org").0, 200);
    wait_for_queue(&place.here, <[Queued]>::is_empty);
    let letters = place.sink.letters(4);
    assert_eq!(letters.len(), 4);
    assert!(letters[3].body.contains("was changed"), "{}", letters[3].body);
}

#[test]
fn a_password_that_the_host_gives_is_told_confirms_and_ends_links() {
    let place = Place::new(Tls::None, "");
    let app = place.app();
    let eve = token_of(&place.sign_up(&app, "eve", "eve@example.org"));
    assert_eq!(place.ask_for_reset("eve@example.org").0, 200);
    let links: Vec<String> = place.sink.letters(2).iter().map(Taken::link).collect();
    let given = place.here.command(&["account", "reset-password", "eve", "--json"]);
    assert!(given.is_done, "{}", given.err);
    let given: Value = serde_json::from_str(&given.out).expect("JSON");
    let told = place.sink.letters(3)[2].clone();
    assert!(told.body.contains("was changed") && !told.body.contains("token="), "{}", told.body);
    for link in links {
        assert_eq!(place.get(&link).0, 404, "{link}");
    }
    assert_eq!(place.verify(&eve), 401);
    let password = given["password"].as_str().expect("a password");
    assert_eq!(place.verify(&token_of(&place.log_in(&app, "eve", password))), 200);
}

#[test]
fn nobody_is_asked_where_the_host_wants_no_confirmation_or_sends_no_mail() {
    let place = Place::with(Tls::None, "confirm = false\n", "The Harbour", "");
    let app = place.app();
    let eve = token_of(&place.sign_up(&app, "eve", "eve@example.org"));
    assert_eq!((place.verify(&eve), place.check(&eve)), (200, json!(true)));
    assert_eq!(place.resend(&eve, None).status, 403);
    place.here.configure(&format!("[signup]\nopen = true\n{PASSWORDS}"));
    let mut place = place;
    place.here.kill_and_restart();
    let app = place.app();
    let bob = token_of(&place.sign_up(&app, "bob", "bob@example.org"));
    assert_eq!((place.verify(&bob), place.check(&bob)), (200, json!(true)));
    assert!(!place.get("/login").1.contains("/auth/password"), "there is nothing to find");
    for path in ["/auth/password/new", "/auth/password/edit", "/auth/confirmation"] {
        assert_eq!((place.get(path).0, place.post(path, "token=x").0), (404, 404), "{path}");
    }
    assert_eq!(place.sink.count(), 0);
}

#[test]
fn letters_are_asked_for_a_bounded_number_of_times_whoever_has_the_address() {
    let place = Place::new(Tls::None, "");
    place.here.member("ann");
    for email in ["ann@example.org", "nobody@example.org"] {
        let statuses: Vec<u16> = (0..5).map(|_| place.ask_for_reset(email).0).collect();
        assert_eq!(statuses, [200, 200, 200, 429, 429], "{email}");
    }
    let (_, head, _) = place.page("POST", "/auth/password/new", "", "email=ann%40example.org");
    assert!(head.to_lowercase().contains("retry-after: "), "{head}");
    // Refused requests cost an address nothing; the others add up.
    let more: Vec<u16> =
        (0..20).map(|n| place.ask_for_reset(&format!("n{n}@example.org")).0).collect();
    assert_eq!(more.iter().filter(|status| **status == 200).count(), 14, "{more:?}");
    assert_eq!(place.sink.letters(3).len(), 3);
}

#[test]
fn no_address_and_no_title_writes_a_header_or_a_recipient() {
    let title = "Häfen ⚓\r\nBcc: eve@example.org\r\n\r\nHello";
    let place = Place::with(Tls::StartTls, "", title, "");
    let app = place.app();
    for email in [
        "a@example.org\r\nBcc: eve@example.org",
        "a@example.org>\r\nRCPT TO:<eve@example.org",
        "a@example.org,eve@example.org",
        "\"a\"@example.org",
        "<a@example.org>",
        "a b@example.org",
        "a@example.org\u{0}",
    ] {
        let refused = place.sign_up(&app, "mallory", email);
        assert!((400..500).contains(&refused.status), "{email:?}: {}", refused.body);
        assert_ne!(place.ask_for_reset(&email.replace('\r', "%0D").replace('\n', "%0A")).0, 200);
    }
    token_of(&place.sign_up(&app, "zoe", "zoë@example.org"));
    let letters = place.sink.letters(1);
    let letter = &letters[0];
    assert_eq!(letter.to, ["RCPT TO:<zoë@example.org>"]);
    assert!(letter.from.contains("SMTPUTF8"), "{}", letter.from);
    assert_eq!(letter.header("Bcc"), None);
    assert!(letter.header("From").expect("a sender").ends_with("<no-reply@social.example>"));
    let encoded = letter.header("Subject").expect("a subject");
    assert!(encoded.contains("=?utf-8?"), "{encoded}");
    // The text is quoted-printable, as it is not ASCII.
    let text = letter.body.replace("=\n", "").replace("=3D", "=");
    assert!(
        text.contains("H=C3=A4fen =E2=9A=93 Bcc: eve@example.org Hello (social.example)"),
        "{text}"
    );
    assert!(text.lines().any(|line| line.starts_with("https://social.example/auth/confirmation?")));
}

/// Attempts, whether it waits for another, and why the last one failed.
type Queued = (i64, bool, String);

/// Waits until the queue of mail is as wanted, as the file of the running instance says.
fn wait_for_queue(here: &Instance, wanted: impl Fn(&[Queued]) -> bool) -> Vec<Queued> {
    let options = store::Options::at(here.data().join("fulmar.db"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let clock = std::sync::Arc::new(testkit::clock::StillClock::default());
        let unheard = std::sync::Arc::new(model::ports::Unheard);
        let db = store::Db::open(&options, clock, unheard).expect("opens");
        let sql = "SELECT attempts, COALESCE(run_ms, 0), COALESCE(error, '') FROM job \
                   WHERE kind = 'mail' ORDER BY id";
        let row = |row: &store::Row| {
            let waits = row.int(1).expect("a number") > 0;
            (row.int(0).expect("a number"), waits, row.text(2).expect("text").to_owned())
        };
        let until = Instant::now() + Duration::from_secs(40);
        loop {
            let rows = db.query(sql, vec![]).await.expect("rows");
            let queue: Vec<Queued> = rows.iter().map(row).collect();
            if wanted(&queue) {
                return queue;
            }
            assert!(Instant::now() < until, "{queue:?}");
            tokio::task::yield_now().await;
        }
    })
}

#[test]
fn a_server_that_is_away_slow_or_rude_is_tried_again() {
    let story = |mood: Mood, more: &str| {
        let place = Place::new(Tls::StartTls, more);
        place.here.member("ann");
        place.sink.set(mood);
        assert_eq!(place.ask_for_reset("ann@example.org").0, 200);
        // The first try has failed when the second begins.
        place.sink.wait_begun(2, 0);
        assert_eq!(place.sink.count(), 0, "{mood:?}");
        place.sink.set(Mood::Kind);
        let letters = place.sink.letters(1);
        assert!(letters[0].is_encrypted, "{mood:?}: never in the clear");
        assert_eq!(place.get(&letters[0].link()).0, 200, "{mood:?}");
    };
    std::thread::scope(|scope| {
        for (mood, more) in [
            (Mood::Refuses("451 4.7.1 come back later, <ann@example.org>"), ""),
            (Mood::Silent, "timeout_s = 1\n"),
            (Mood::Cuts, ""),
            (Mood::Locked, "user = \"fulmar\"\npassword = \"hush\"\n"),
            (Mood::Open, ""),
        ] {
            scope.spawn(move || story(mood, more));
        }
    });
}

#[test]
fn a_letter_that_is_refused_for_good_is_given_up_and_says_why() {
    let place = Place::new(Tls::None, "");
    place.here.member("ann");
    place.sink.set(Mood::Refuses("550 5.1.1 <ann@example.org> does not live here"));
    assert_eq!(place.ask_for_reset("ann@example.org").0, 200);
    let ended = |queue: &[Queued]| queue.first().is_some_and(|(_, waits, _)| !waits);
    let queue = wait_for_queue(&place.here, ended);
    let [(attempts, _, why)] = queue.as_slice() else { panic!("{queue:?}") };
    assert_eq!(*attempts, 1);
    assert!(why.contains("550") && why.contains("does not live here"), "{why}");
    assert!(!why.contains("ann@example.org"), "no address is kept: {why}");
    place.sink.set(Mood::Kind);
    assert_eq!(place.ask_for_reset("ann@example.org").0, 200);
    assert_eq!(place.sink.letters(1).len(), 1, "the next is another");
}

#[test]
fn a_kill_between_cause_and_sending_loses_no_mail() {
    let mut place = Place::new(Tls::None, "");
    place.here.member("ann");
    place.sink.set(Mood::Silent);
    let app = place.app();
    let eve = token_of(&place.sign_up(&app, "eve", "eve@example.org"));
    assert_eq!(place.ask_for_reset("ann@example.org").0, 200);
    place.sink.wait_begun(1, 0);
    place.here.kill();
    place.sink.set(Mood::Kind);
    // The claims of the one that was killed run out.
    place.here.change_while_killed(&["UPDATE job SET run_ms = 1 WHERE kind = 'mail'"]);
    let letters = place.sink.letters(2);
    for address in ["ann@example.org", "eve@example.org"] {
        assert_eq!(to(&letters, address).len(), 1, "{address}");
    }
    let link = to(&letters, "eve@example.org")[0].token();
    assert_eq!(place.post("/auth/confirmation", &format!("token={link}")).0, 200);
    assert_eq!(place.verify(&eve), 200);
    wait_for_queue(&place.here, <[Queued]>::is_empty);
    assert_eq!(place.sink.count(), 2, "nothing was sent twice");
}

#[test]
fn a_letter_whose_taking_was_not_heard_comes_again_as_the_same_and_both_links_work() {
    let place = Place::new(Tls::None, "");
    place.here.member("ann");
    place.sink.set(Mood::Forgets);
    assert_eq!(place.ask_for_reset("ann@example.org").0, 200);
    place.sink.letters(1);
    place.sink.set(Mood::Kind);
    let letters = place.sink.letters(2);
    let id = |letter: &Taken| letter.header("Message-ID").expect("an id");
    assert_eq!(id(&letters[0]), id(&letters[1]));
    assert_ne!(letters[0].token(), letters[1].token());
    for letter in &letters {
        assert_eq!(place.get(&letter.link()).0, 200);
    }
    let form = format!("token={}&password=a-new-password&again=a-new-password", letters[0].token());
    assert_eq!(place.post("/auth/password/edit", &form).0, 200);
    assert_eq!(place.get(&letters[1].link()).0, 404, "using one ends all");
}

#[test]
fn the_doctor_speaks_with_the_mail_server_and_sends_nothing() {
    let place = Place::new(Tls::Implicit, "user = \"fulmar\"\npassword = \"hush\"\n");
    let looked = |expected: &str| {
        let said = place.here.command(&["doctor", "--json"]);
        let findings: Value = serde_json::from_str(&said.out).expect("JSON");
        let mail = findings.as_array().expect("a list").iter().find(|f| f["check"] == "mail");
        let mail = mail.expect("it looks at mail").clone();
        assert_eq!(mail["verdict"], expected, "{mail}");
        assert!(!said.out.contains("hush") && !said.err.contains("hush"));
        mail
    };
    looked("good");
    place.sink.set(Mood::Locked);
    let found = looked("wrong")["found"].to_string();
    assert!(found.contains("535"), "{found}");
    assert_eq!(place.sink.count(), 0);
    let checked = place.here.command(&["config", "check"]);
    assert!(checked.is_done, "{}", checked.err);
}

#[test]
fn a_server_with_another_certificate_gets_no_letter() {
    let mut place = Place::new(Tls::Implicit, "");
    let stranger = Sink::new(Tls::Implicit);
    let folder = TempDir::new().expect("a folder");
    let section = place.sink.section(&folder.path().join("ca.pem"), "");
    std::fs::write(folder.path().join("ca.pem"), &stranger.authority).expect("written");
    place.here.configure(&format!("[server]\ndomain = \"social.example\"\n{section}"));
    place.here.kill_and_restart();
    place.here.member("ann");
    assert_eq!(place.ask_for_reset("ann@example.org").0, 200);
    place.sink.wait_begun(2, 0);
    let said = place.here.command(&["doctor"]);
    assert!(said.out.contains("tls error") || said.out.contains("certificate"), "{}", said.out);
    assert_eq!(place.sink.count(), 0);
}

#[test]
fn figures_count_mail_and_no_log_names_an_address_or_holds_a_secret() {
    let (sink, folder) = (Sink::new(Tls::StartTls), TempDir::new().expect("a folder"));
    let login = "user = \"fulmar\"\npassword = \"hush-hush\"\n";
    let section = sink.section(&folder.path().join("ca.pem"), login);
    let mut here = Service::start(
        &format!(
            "[server]\ndomain = \"social.example\"\n[log]\nlevel = \"trace\"\n\
             [metrics]\nlisten = \"127.0.0.1:0\"\n{section}"
        ),
        &[],
    );
    let line = here.logged("metrics are served");
    let metrics = line.split("address=").nth(1).expect("an address");
    let metrics = metrics.split_whitespace().next().and_then(|at| at.parse().ok()).expect("one");
    let post = |here: &Service, path: &str, form: &str| {
        let mut socket = std::net::TcpStream::connect(here.address()).expect("connected");
        let length = form.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: social.example\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{form}"
        );
        socket.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("answered");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    };
    post(&here, "/auth/password/new", "email=owner%40localhost");
    here.logged("a mail was sent");
    let token = sink.letters(1)[0].token();
    assert_eq!(service::get(here.address(), &sink.letters(1)[0].link()).status(), 200);
    sink.set(Mood::Refuses("451 4.7.1 later, <owner@localhost>"));
    post(&here, "/auth/password/new", "email=owner%40localhost");
    here.logged("a mail is put off");
    sink.set(Mood::Refuses("550 5.1.1 no <owner@localhost> here"));
    here.logged("a mail is given up");
    sink.set(Mood::Kind);
    let form = format!("token={token}&password=a-new-password&again=a-new-password");
    post(&here, "/auth/password/edit", &form);
    here.logged("a mail was sent");
    let text = service::get(metrics, "/metrics").body;
    for (outcome, expected) in [("sent", 2), ("put_off", 1), ("given_up", 1)] {
        let row = format!("fulmar_mails_total{{outcome=\"{outcome}\"}} {expected}");
        assert!(text.lines().any(|line| line == row), "{row}\n{text}");
    }
    here.signal("TERM");
    let log = here.last_words().to_owned();
    let log: Vec<&str> = log.lines().filter(|line| !line.starts_with("made the account")).collect();
    let log = log.join("\n");
    for hidden in [&token, "owner@localhost", "hush-hush", "AGZ1bG1hcg", "a-new-password"] {
        assert!(!log.contains(hidden), "{hidden} in\n{log}");
    }
}

/// A letter's subject.
fn subject(letter: &Taken) -> String {
    letter.header("Subject").expect("a subject")
}

#[test]
fn a_log_in_from_elsewhere_is_told_and_one_from_a_known_place_is_not() {
    const PASSWORD: &str = "correct horse battery";
    let mut place = Place::new(Tls::None, "");
    place.here.member("ann");
    let given = ["account", "reset-password", "ann", "--password-stdin"];
    assert!(place.here.command_with(&given, PASSWORD).is_done);
    place.sink.letters(1);
    wait_for_queue(&place.here, <[Queued]>::is_empty);
    let log_in = |place: &Place, browser: &mut Browser| {
        let door = browser.get(&place.here, "/login");
        let typed = [("username", "ann"), ("password", PASSWORD)];
        let page = browser.submit(&place.here, &door, &typed);
        assert_eq!(page.status, 303, "{}", page.html);
    };
    let mut home = Browser::new();
    // Who has only just joined logs in for the first time.
    log_in(&place, &mut home);
    let days_pass: &[&str] = &["UPDATE member SET created_ms = 1", "DELETE FROM sign_in"];
    place.here.change_while_killed(days_pass);
    home.keep_only("__Host-device");
    log_in(&place, &mut home);
    place.here.change_while_killed(days_pass);
    wait_for_queue(&place.here, <[Queued]>::is_empty);
    assert_eq!(place.sink.count(), 1, "of the password alone");
    log_in(&place, &mut Browser::new());
    let told = place.sink.letters(2)[1].clone();
    assert_eq!(subject(&told), "A new log-in to your account at The Harbour");
    assert_eq!(told.to, ["RCPT TO:<ann@example.org>"]);
    assert!(told.body.contains("Firefox on Linux, "), "{}", told.body);
    assert!(told.body.contains("https://social.example/settings/password"), "{}", told.body);
    assert!(!told.body.contains("127.0.0.1") && !told.body.contains("token="), "{}", told.body);
    // From there she came just now; a wrong password is nothing to tell.
    log_in(&place, &mut Browser::new());
    let mut stranger = Browser::new();
    let door = stranger.get(&place.here, "/login");
    stranger.submit(&place.here, &door, &[("username", "ann"), ("password", "wrong")]);
    assert_eq!(place.ask_for_reset("ann@example.org").0, 200);
    let letters = place.sink.letters(3);
    assert!(subject(&letters[2]).starts_with("A new password for @ann"), "nothing in between");
}

#[test]
fn who_never_confirms_goes_after_two_days_and_the_name_is_free() {
    let mut place = Place::new(Tls::None, "");
    let app = place.app();
    place.here.member("ann");
    let eve = token_of(&place.sign_up(&app, "eve", "eve@example.org"));
    let fay = token_of(&place.sign_up(&app, "fay", "fay@example.org"));
    place.sink.letters(2);
    let is_there = |place: &Place, name: &str| {
        let path = format!("/api/v1/accounts/lookup?acct={name}");
        place.here.ask("GET", &path, "", None).status == 200
    };
    place.here.change_while_killed(&["UPDATE member SET created_ms = 1"]);
    assert!(is_there(&place, "eve"), "her link still works");
    place.here.change_while_killed(&["DELETE FROM mail_link WHERE account_id = \
        (SELECT account_id FROM member WHERE email_lower = 'eve@example.org')"]);
    let until = Instant::now() + testkit::PATIENCE;
    while is_there(&place, "eve") {
        assert!(Instant::now() < until, "she never confirmed");
        std::thread::yield_now();
    }
    assert!(is_there(&place, "ann") && is_there(&place, "fay"));
    assert_eq!(place.verify(&eve), 401, "her token has ended");
    assert_eq!(place.verify(&fay), 403, "fay's waits");
    let app = place.app();
    while place.sign_up(&app, "eve", "eve@example.org").status != 200 {
        assert!(Instant::now() < until, "name and address are free again");
        std::thread::yield_now();
    }
}

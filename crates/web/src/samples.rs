//! What pages are tried with: every page in every state, with names and texts that mean harm and
//! such as run from right to left.

use crate::{
    asking::{AskingPage, OutcomePage},
    authorize::{CodePage, ConsentPage, MisaskedPage},
    cards::{Choice, Listing, Markup, Moment, Person, Picture, PollCard, PostCard, profile_text},
    confirmation::ConfirmationPage,
    failure::FailurePage,
    frame::{Frame, Kind},
    front::FrontPage,
    leaving::LeavingPage,
    login::{LogInPage, LogOutPage},
    password::PasswordPage,
    post::PostPage,
    profile::ProfilePage,
    sessions::SessionsPage,
    settings::{NewPasswordPage, SettingsPage},
    tag::TagPage,
};
use askama::Template;
use model::Timestamp;

/// A page that can be tried.
pub(crate) trait Samples: Sized {
    /// It in every state that it has.
    fn samples() -> Vec<Self>;
}

/// A text that would take a page over, if a template let it.
pub(crate) const HOSTILE: &str =
    "\"'><script>alert(1)</script><img src=x onerror=alert(1)> &amp; ]]> {{x}}";
const RIGHT_TO_LEFT: &str = "שלום עולם مرحبا \u{202e}txt.exe";

pub(crate) fn frame() -> Frame {
    Frame {
        site: HOSTILE.into(),
        title: HOSTILE.into(),
        canonical: "https://social.example/@ann?\"><script>".into(),
        description: HOSTILE.into(),
        kind: Kind::Article,
        image: Some("https://social.example/x\"><script>".into()),
        listed: false,
    }
}

pub(crate) fn markup(source: &str) -> Markup {
    let account = model::Account {
        id: model::AccountId::new(1).expect("an id"),
        username: "ann".into(),
        domain: None,
        uri: None,
        display_name: String::new(),
        note: String::new(),
        fields: vec![],
        avatar: None,
        header: None,
        locked: false,
        bot: false,
        discoverable: false,
        indexable: false,
        hide_collections: false,
        created: Timestamp::default(),
        standing: model::account::Standing::default(),
    };
    profile_text(&account, &social::Called::default(), source)
}

pub(crate) fn people() -> [Person; 2] {
    [(HOSTILE, true), (RIGHT_TO_LEFT, false)].map(|(name, bot)| Person {
        name: name.into(),
        handle: "@ann".into(),
        path: "/@ann".into(),
        avatar: "/static/avatar.svg".into(),
        bot,
    })
}

fn full(author: Person, text: &str, ends: bool) -> PostCard {
    let at = || Moment::from(Timestamp::from_ms(1_700_000_000_000));
    let picture = Picture {
        full: "/media/a.png".into(),
        preview: "/media/b.png".into(),
        description: text.into(),
        width: 640,
        height: 360,
    };
    PostCard {
        path: "/@ann/1".into(),
        repeated_by: Some(author.clone()),
        answers: ends.then(|| author.clone()),
        author,
        is_reply: true,
        posted: at(),
        edited: Some(at()),
        language: Some(HOSTILE.into()),
        warning: text.into(),
        content: markup(text),
        line: text.into(),
        pictures: vec![picture.clone(), picture],
        sensitive: ends,
        poll: Some(PollCard {
            choices: vec![Choice { title: text.into(), percent: ends.then_some(50) }],
            voters: 2,
            ends: ends.then(at),
            over: ends,
        }),
        replies: 1,
        reblogs: 2,
        favourites: 3,
        pinned: ends,
    }
}

pub(crate) fn posts() -> Vec<PostCard> {
    let mut posts = Vec::new();
    for (person, text) in people().into_iter().zip([HOSTILE, RIGHT_TO_LEFT]) {
        for ends in [true, false] {
            let rich = full(person.clone(), text, ends);
            posts.push(PostCard {
                repeated_by: None,
                is_reply: false,
                answers: None,
                edited: None,
                language: None,
                warning: String::new(),
                pictures: vec![],
                poll: None,
                ..rich.clone()
            });
            posts.push(rich);
        }
    }
    posts
}

pub(crate) fn listings() -> Vec<Listing> {
    vec![
        Listing::default(),
        Listing { posts: posts(), older: Some("/@ann?max_id=1".into()), ..Listing::default() },
        Listing { posts: posts().into_iter().take(1).collect(), ..Listing::default() },
    ]
}

/// Elements that end by themselves.
const VOID: [&str; 5] = ["meta", "link", "img", "br", "input"];

/// Every element is closed by its own end, in order; what is not, a text has broken.
fn balanced(html: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    for piece in html.split('<').skip(1) {
        let Some((tag, _)) = piece.split_once('>') else { return Err(piece.into()) };
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap_or_default();
        if tag.starts_with('!') || VOID.contains(&name) {
            continue;
        }
        if !tag.starts_with('/') {
            open.push(name);
        } else if open.pop() != Some(name) {
            return Err(format!("</{name}> closes nothing of its own"));
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("left open: {open:?}")) }
}

fn try_all<P: Samples + Template>(name: &str) {
    let pages = P::samples();
    assert!(!pages.is_empty());
    for (at, page) in pages.iter().enumerate() {
        let html = page.render().expect("it renders");
        for harm in ["<script", "<img src=x", " style=", " onclick", "<style", "javascript:"] {
            assert!(!html.contains(harm), "{name} {at} has {harm}:\n{html}");
        }
        assert!(html.starts_with("<!doctype html>"), "{name} {at}");
        assert_eq!(html.matches("<h1").count(), 1, "{name} {at}: one heading of the first order");
        if let Err(what) = balanced(&html) {
            panic!("{name} {at}: {what}\n{html}");
        }
    }
}

#[test]
fn every_page_keeps_its_shape_whatever_is_written_in_it() {
    try_all::<FrontPage>("front");
    try_all::<ProfilePage>("profile");
    try_all::<PostPage>("post");
    try_all::<TagPage>("tag");
    try_all::<FailurePage>("failure");
    try_all::<AskingPage>("asking");
    try_all::<OutcomePage>("outcome");
    try_all::<PasswordPage>("password");
    try_all::<ConfirmationPage>("confirmation");
    try_all::<LogInPage>("login");
    try_all::<LogOutPage>("logout");
    try_all::<ConsentPage>("consent");
    try_all::<CodePage>("code");
    try_all::<MisaskedPage>("misasked");
    try_all::<SessionsPage>("sessions");
    try_all::<SettingsPage>("settings");
    try_all::<NewPasswordPage>("new password");
    try_all::<LeavingPage>("leaving");
}

#[test]
fn broken_markup_is_noticed() {
    for (html, fine) in
        [("<p>a<br></p>", true), ("<p><b></p></b>", false), ("<p>", false), ("</p>", false)]
    {
        assert_eq!(balanced(html).is_ok(), fine, "{html}");
    }
}

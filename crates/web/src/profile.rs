//! Somebody's page: who they are, and their posts as visitors may see them.

use crate::{
    Site,
    cards::{self, Listing, Markup, Moment, Person, PostCard},
    frame::{self, Frame, Kind},
    limits::POSTS_PER_PAGE,
    refusal::Refused,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use httpkit::{PageQuery, Query, SharedPage};
use model::{Page, Visibility, ports::TimelineQuery, text};
use social::{AccountView, Topic};

/// Which of somebody's posts are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tab {
    /// Without replies to others.
    Posts,
    /// All.
    WithReplies,
    /// Those with pictures.
    Media,
}

impl Tab {
    const fn path(self) -> &'static str {
        match self {
            Self::Posts => "",
            Self::WithReplies => "/with_replies",
            Self::Media => "/media",
        }
    }
}

/// A row of a profile's table.
#[derive(Clone, Debug)]
pub struct Row {
    /// Label.
    pub name: String,
    /// Value.
    pub value: Markup,
    /// Whether its link was found to point back.
    pub verified: bool,
}

/// `/@NAME`.
#[derive(Template, Clone, Debug)]
#[template(path = "profile.html")]
pub struct ProfilePage {
    /// Around it.
    pub frame: Frame,
    /// Who.
    pub person: Person,
    /// `@name@domain`, as others write it.
    pub address: String,
    /// The picture at the top.
    pub header: String,
    /// What they say of themselves.
    pub note: Markup,
    /// Their table.
    pub rows: Vec<Row>,
    /// When they came.
    pub joined: Moment,
    /// Posts.
    pub statuses: i64,
    /// Followers.
    pub followers: i64,
    /// Followed.
    pub following: i64,
    /// Which posts.
    pub tab: Tab,
    /// Pinned posts.
    pub pinned: Vec<PostCard>,
    /// The others.
    pub listing: Listing,
}

async fn found(site: &Site, name: &str) -> Result<AccountView, Refused> {
    let handle = text::Handle::parse(name).ok_or_else(Refused::nowhere)?;
    let domain = handle.domain.as_deref().filter(|d| *d != site.domain);
    let account = site.social.store().account_by_handle(&handle.username, domain).await?;
    Ok(site.social.account(account.ok_or_else(Refused::nowhere)?.id).await?)
}

async fn made(site: &Site, name: &str, tab: Tab, page: Page) -> Result<SharedPage, Refused> {
    let view = found(site, name).await?;
    let account = &view.account;
    let path = format!("/@{}{}", account.acct(), tab.path());
    let query = TimelineQuery::Account {
        account: account.id,
        visibility_max: Visibility::Unlisted,
        exclude_replies: tab == Tab::Posts,
        exclude_reblogs: tab == Tab::Media,
        only_media: tab == Tab::Media,
        tagged: None,
    };
    let listing = Listing::read(site, &query, page, &path).await?;
    let mut shows = listing.shows.clone().and(Topic::Account(account.id));
    let mut pinned = Vec::new();
    if tab == Tab::Posts && page.max_id.is_none() {
        let ids = site.social.store().pinned(account.id).await?;
        let views = site.social.statuses(None, &ids).await?;
        let now = site.social.now();
        shows = shows.with(&views);
        let card = |view| PostCard { pinned: true, ..PostCard::of(view, &site.domain, now) };
        pinned.extend(views.iter().map(card));
    }
    let person = Person::of(&view);
    let address = match &account.domain {
        Some(domain) => format!("@{}@{domain}", account.username),
        None => format!("@{}@{}", account.username, site.domain),
    };
    let note = cards::profile_text(account, &view.called, &account.note);
    let mut frame = Frame::new(site, format!("{} ({address})", person.name), &path);
    frame.kind = Kind::Profile;
    frame.description = frame::described(&text::plain(&note.to_string()));
    frame.image = Some(format!("{}{}", site.base_url, person.avatar));
    frame.listed = account.indexable && account.is_local();
    let row = |field: &model::account::ProfileField| Row {
        name: field.name.clone(),
        value: cards::field_text(account, &view.called, &field.value),
        verified: field.verified.is_some(),
    };
    let made = frame::shared(&ProfilePage {
        header: cards::picture(account.header.as_ref(), "header.svg"),
        rows: account.fields.iter().map(row).collect(),
        joined: account.created.into(),
        statuses: view.counts.statuses,
        followers: view.counts.followers,
        following: view.counts.following,
        frame,
        person,
        address,
        note,
        tab,
        pinned,
        listing,
    })?;
    Ok(made.about(shows.topics, shows.is_timed))
}

async fn show(
    site: Site,
    name: String,
    tab: Tab,
    asked: HeaderMap,
    q: PageQuery,
) -> Result<Response, Refused> {
    let mut page = q.page(POSTS_PER_PAGE, POSTS_PER_PAGE);
    (page.limit, page.since_id, page.min_id) = (POSTS_PER_PAGE, None, None);
    let lower = name.to_lowercase();
    let key = format!("/@{lower}{}{}", tab.path(), frame::place(page));
    let making = async || made(&site, &name, tab, page).await;
    let shared = site.shared.page(&key, making).await?;
    Ok(shared.response(&asked))
}

/// `GET /@:name`.
pub(crate) async fn posts(
    State(site): State<Site>,
    Path(name): Path<String>,
    asked: HeaderMap,
    Query(q): Query<PageQuery>,
) -> Result<Response, Refused> {
    show(site, name, Tab::Posts, asked, q).await
}

/// `GET /@:name/with_replies`.
pub(crate) async fn with_replies(
    State(site): State<Site>,
    Path(name): Path<String>,
    asked: HeaderMap,
    Query(q): Query<PageQuery>,
) -> Result<Response, Refused> {
    show(site, name, Tab::WithReplies, asked, q).await
}

/// `GET /@:name/media`.
pub(crate) async fn media(
    State(site): State<Site>,
    Path(name): Path<String>,
    asked: HeaderMap,
    Query(q): Query<PageQuery>,
) -> Result<Response, Refused> {
    show(site, name, Tab::Media, asked, q).await
}

#[cfg(test)]
impl crate::samples::Samples for ProfilePage {
    fn samples() -> Vec<Self> {
        use crate::samples;
        let mut pages = Vec::new();
        for listing in samples::listings() {
            for (person, tab) in samples::people().into_iter().zip([Tab::Posts, Tab::Media]) {
                pages.push(Self {
                    frame: samples::frame(),
                    address: format!("{}@social.example", person.handle),
                    header: "/static/header.svg".into(),
                    note: samples::markup(samples::HOSTILE),
                    rows: vec![Row {
                        name: samples::HOSTILE.into(),
                        value: samples::markup("https://example.org/a"),
                        verified: true,
                    }],
                    joined: model::Timestamp::from_ms(0).into(),
                    statuses: 7,
                    followers: 0,
                    following: 1,
                    tab,
                    pinned: listing.posts.iter().take(1).cloned().collect(),
                    listing: listing.clone(),
                    person,
                });
            }
        }
        pages
    }
}

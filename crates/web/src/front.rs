//! The front page: what this place is, and what is posted in it.

use crate::{
    Site,
    cards::Listing,
    frame::{self, Frame},
    limits::POSTS_PER_PAGE,
    refusal::Refused,
};
use askama::Template;
use axum::{extract::State, http::HeaderMap, response::Response};
use httpkit::{PageQuery, Query};
use model::ports::TimelineQuery;

/// `/`.
#[derive(Template, Clone, Debug)]
#[template(path = "front.html")]
pub struct FrontPage {
    /// Around it.
    pub frame: Frame,
    /// Name in addresses.
    pub domain: String,
    /// One sentence about this place.
    pub about: String,
    /// How many live here.
    pub members: i64,
    /// How many posts they have written.
    pub statuses: i64,
    /// Whether these are the newest posts.
    pub newest: bool,
    /// Public posts.
    pub listing: Listing,
}

/// `GET /`.
pub(crate) async fn show(
    State(site): State<Site>,
    asked: HeaderMap,
    Query(q): Query<PageQuery>,
) -> Result<Response, Refused> {
    let mut page = q.page(POSTS_PER_PAGE, POSTS_PER_PAGE);
    (page.limit, page.since_id, page.min_id) = (POSTS_PER_PAGE, None, None);
    let key = format!("/{}", frame::place(page));
    let shared = site.shared.page(&key, async || {
        let query = TimelineQuery::Public { local: true, remote: false, only_media: false };
        let listing = Listing::read(&site, &query, page, "/").await?;
        let (members, statuses) = site.social.store().totals().await?;
        let frame = Frame::new(&site, site.title.clone(), "/");
        let (domain, about) = (site.domain.clone(), site.description.clone());
        let newest = page.max_id.is_none();
        frame::shared(&FrontPage { frame, domain, about, members, statuses, newest, listing })
    });
    Ok(shared.await?.response(&asked))
}

#[cfg(test)]
impl crate::samples::Samples for FrontPage {
    fn samples() -> Vec<Self> {
        let pages = crate::samples::listings().into_iter().map(|listing| Self {
            frame: crate::samples::frame(),
            domain: "social.example".into(),
            about: crate::samples::HOSTILE.into(),
            members: 3,
            statuses: 1_000,
            newest: listing.older.is_some(),
            listing,
        });
        pages.collect()
    }
}

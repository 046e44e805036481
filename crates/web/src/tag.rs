//! The page of a hashtag: public posts that carry it.

use crate::{
    Site,
    cards::Listing,
    frame::{self, Frame},
    limits::{POSTS_PER_PAGE, TAG_CHARACTERS},
    refusal::Refused,
    urls,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use httpkit::{PageQuery, Query};
use model::ports::TimelineQuery;

/// `/tags/NAME`.
#[derive(Template, Clone, Debug)]
#[template(path = "tag.html")]
pub struct TagPage {
    /// Around it.
    pub frame: Frame,
    /// The hashtag, without its sign.
    pub name: String,
    /// Public posts with it.
    pub listing: Listing,
}

/// The hashtag of an address; what no post could carry as one has no page.
fn tag_of(name: &str) -> Option<String> {
    if name.chars().count() > TAG_CHARACTERS {
        return None;
    }
    let name = model::text::normalise_tag(name);
    (model::text::parse(&format!("#{name}")).tags() == [name.as_str()]).then_some(name)
}

/// `GET /tags/:name`.
pub(crate) async fn show(
    State(site): State<Site>,
    Path(name): Path<String>,
    asked: HeaderMap,
    Query(q): Query<PageQuery>,
) -> Result<Response, Refused> {
    let name = tag_of(&name).ok_or_else(Refused::nowhere)?;
    let mut page = q.page(POSTS_PER_PAGE, POSTS_PER_PAGE);
    (page.limit, page.since_id, page.min_id) = (POSTS_PER_PAGE, None, None);
    let path = urls::tag(&name);
    let key = format!("{path}{}", frame::place(page));
    let shared = site.shared.page(&key, async || {
        let query = TimelineQuery::Tag {
            tag: name.clone(),
            any: vec![],
            all: vec![],
            none: vec![],
            local: false,
            only_media: false,
        };
        let listing = Listing::read(&site, &query, page, &path).await?;
        let mut frame = Frame::new(&site, format!("#{name}"), &path);
        frame.description = format!("Public posts with #{name}");
        // Anybody can ask for any word: what nobody has used is not for search engines.
        frame.listed = !listing.posts.is_empty();
        frame::shared(&TagPage { frame, name: name.clone(), listing })
    });
    Ok(shared.await?.response(&asked))
}

#[cfg(test)]
impl crate::samples::Samples for TagPage {
    fn samples() -> Vec<Self> {
        let pages = crate::samples::listings().into_iter().map(|listing| Self {
            frame: crate::samples::frame(),
            name: crate::samples::HOSTILE.into(),
            listing,
        });
        pages.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_post_could_carry_has_a_page() {
        for (name, tag) in [
            ("Cats", Some("cats")),
            ("ÉTÉ", Some("été")),
            ("日本語", Some("日本語")),
            ("", None),
            (" ", None),
            ("a b", None),
            ("<b>", None),
            ("a/b", None),
            ("12", None),
            (&"a".repeat(TAG_CHARACTERS + 1), None),
        ] {
            assert_eq!(tag_of(name).as_deref(), tag, "{name}");
        }
    }
}

//! The page of a post: what it answers above it, what answers it below.

use crate::{
    Site,
    cards::PostCard,
    frame::{self, Frame, Kind},
    limits::{ANCESTORS_SHOWN, REPLIES_SHOWN, TITLE_CHARACTERS},
    refusal::Refused,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use httpkit::SharedPage;
use model::{StatusId, thread::ThreadBounds};
use social::{Shows, Topic};

/// `/@NAME/ID`.
#[derive(Template, Clone, Debug)]
#[template(path = "post.html")]
pub struct PostPage {
    /// Around it.
    pub frame: Frame,
    /// What it answers, from the root down.
    pub above: Vec<PostCard>,
    /// It.
    pub focus: PostCard,
    /// What answers it, in reading order.
    pub below: Vec<PostCard>,
    /// How many answers are not shown.
    pub more: usize,
}

/// How much of a thread is on the page.
const SHOWN: ThreadBounds =
    ThreadBounds { ancestors: ANCESTORS_SHOWN, descendants: REPLIES_SHOWN, depth: REPLIES_SHOWN };

async fn made(site: &Site, name: &str, id: StatusId) -> Result<SharedPage, Refused> {
    let view = site.social.status(None, id).await?;
    // A post has one address: under another name it is not there. A reblog has none at all.
    let author = &view.author.account;
    if !author.acct().eq_ignore_ascii_case(name) || view.reblog.is_some() {
        return Err(Refused::nowhere());
    }
    let thread = site.social.thread(None, id, &SHOWN).await?;
    let conversation = view.entry.status.conversation;
    let now = site.social.now();
    let card = |view| PostCard::of(view, &site.domain, now);
    let focus = card(&view);
    let above = thread.ancestors.iter().map(card).collect();
    let below = thread.descendants.iter().map(card).collect();
    let said = frame::shortened(focus.preview(), TITLE_CHARACTERS);
    let path = format!("/@{}/{id}", author.acct());
    let mut frame = Frame::new(site, format!("{}: {said}", focus.author.name), &path);
    frame.kind = Kind::Article;
    frame.description = focus.preview().to_owned();
    // A picture behind a warning is not for previews.
    let open = !focus.sensitive && focus.warning.is_empty();
    let picture = focus.pictures.first().filter(|_| open).map(|picture| &picture.preview);
    let picture = picture.unwrap_or(&focus.author.avatar);
    frame.image = Some(format!("{}{picture}", site.base_url));
    frame.listed = author.indexable && author.is_local();
    let more = thread.more;
    let made = frame::shared(&PostPage { frame, above, below, more, focus })?;
    let thread = thread.ancestors.iter().chain(&thread.descendants);
    let shows = Shows::default().with(thread.chain([&view])).and(Topic::Thread(conversation));
    Ok(made.about(shows.topics, shows.is_timed))
}

/// `GET /@:name/:id`.
pub(crate) async fn show(
    State(site): State<Site>,
    Path((name, id)): Path<(String, String)>,
    asked: HeaderMap,
) -> Result<Response, Refused> {
    let id: StatusId = id.parse().map_err(|_| Refused::nowhere())?;
    let key = format!("/@{}/{id}", name.to_lowercase());
    let making = async || made(&site, &name, id).await;
    let shared = site.shared.page(&key, making).await?;
    Ok(shared.response(&asked))
}

#[cfg(test)]
impl crate::samples::Samples for PostPage {
    fn samples() -> Vec<Self> {
        let mut pages = Vec::new();
        for post in crate::samples::posts() {
            for above in [vec![], vec![post.clone()]] {
                pages.push(Self {
                    frame: crate::samples::frame(),
                    more: above.len(),
                    below: above.clone(),
                    above,
                    focus: post.clone(),
                });
            }
        }
        pages
    }
}

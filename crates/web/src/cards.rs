//! Posts and people as pages show them, made from what the verbs give. Everything that a template
//! writes out unescaped is [`Markup`], which only `model::text` can make.

use crate::{Site, frame, refusal::Refused, urls};
use askama::filters::HtmlSafe;
use model::{
    Account, Page, Timestamp,
    media::Media,
    poll::Poll,
    ports::TimelineQuery,
    text::{self, SafeHtml},
};
use social::{AccountView, Called, Shows, StatusView};
use std::fmt;

/// Markup that `model::text` vouches for.
#[derive(Clone, Debug, Default)]
pub struct Markup(SafeHtml);

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl HtmlSafe for Markup {}

/// A point in time, for machines and for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moment {
    /// `2026-01-02T03:04:05Z`.
    pub machine: String,
    /// `2 Jan 2026, 03:04 UTC`.
    pub shown: String,
    /// `2 Jan 2026`.
    pub day: String,
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        let at = jiff::Timestamp::from_millisecond(at.ms()).unwrap_or_default();
        Self {
            machine: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            shown: at.strftime("%-d %b %Y, %H:%M UTC").to_string(),
            day: at.strftime("%-d %b %Y").to_string(),
        }
    }
}

/// Somebody, in a line.
#[derive(Clone, Debug)]
pub struct Person {
    /// Shown name.
    pub name: String,
    /// `@name`, or `@name@domain`.
    pub handle: String,
    /// Their page.
    pub path: String,
    /// Their picture.
    pub avatar: String,
    /// Whether they say that they are a machine.
    pub bot: bool,
}

impl Person {
    /// From what a verb gave.
    pub(crate) fn of(view: &AccountView) -> Self {
        let account = &view.account;
        let shown = account.display_name.trim();
        Self {
            name: if shown.is_empty() { &account.username } else { shown }.to_owned(),
            handle: format!("@{}", account.acct()),
            path: urls::account(account),
            avatar: picture(account.avatar.as_ref(), "avatar.svg"),
            bot: account.bot,
        }
    }
}

/// Where an uploaded picture of a profile is, or what stands in its stead.
pub(crate) fn picture(key: Option<&String>, missing: &str) -> String {
    key.map_or_else(|| format!("/static/{missing}"), |key| urls::media(key))
}

/// Text of a profile as markup: a local one's is source, a remote one's HTML.
pub(crate) fn profile_text(account: &Account, called: &Called, source: &str) -> Markup {
    Markup(if account.is_local() {
        text::parse(source).to_html(&urls::Named(called))
    } else {
        text::sanitise(source)
    })
}

/// The value of a row of a profile's table.
pub(crate) fn field_text(account: &Account, called: &Called, source: &str) -> Markup {
    Markup(if account.is_local() {
        text::parse(source).to_field_html(&urls::Named(called))
    } else {
        text::sanitise(source)
    })
}

/// An attached picture.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The whole.
    pub full: String,
    /// The preview.
    pub preview: String,
    /// In words; may be empty.
    pub description: String,
    /// Pixels of the preview.
    pub width: u32,
    /// Pixels of the preview.
    pub height: u32,
}

impl Picture {
    fn of(media: &Media) -> Option<Self> {
        // Nothing to show before processing has ended.
        (!media.file.is_empty()).then(|| Self {
            full: urls::media(&media.file),
            preview: urls::media(&media.thumbnail),
            description: media.description.clone(),
            width: media.thumbnail_size.width,
            height: media.thumbnail_size.height,
        })
    }
}

/// One choice of a poll.
#[derive(Clone, Debug)]
pub struct Choice {
    /// As typed.
    pub title: String,
    /// Of all votes, in percent; `None` while they are hidden.
    pub percent: Option<i64>,
}

/// A poll as visitors see it.
#[derive(Clone, Debug)]
pub struct PollCard {
    /// What may be chosen.
    pub choices: Vec<Choice>,
    /// How many have voted.
    pub voters: i64,
    /// When it ends; `None` if it does not.
    pub ends: Option<Moment>,
    /// Whether it has ended.
    pub over: bool,
}

impl PollCard {
    pub(crate) fn of(poll: &Poll, now: Timestamp) -> Self {
        let over = poll.is_over(now);
        let hidden = poll.hide_totals && !over;
        let votes: i64 = poll.options.iter().map(|option| option.votes).sum();
        let percent = |n: i64| n.saturating_mul(100) / votes.max(1);
        let choices = poll.options.iter().map(|option| Choice {
            title: option.title.clone(),
            percent: (!hidden).then(|| percent(option.votes)),
        });
        Self {
            choices: choices.collect(),
            voters: poll.voters,
            ends: poll.expires.map(Moment::from),
            over,
        }
    }
}

/// A post in a list.
#[derive(Clone, Debug)]
pub struct PostCard {
    /// Its page.
    pub path: String,
    /// Who wrote it.
    pub author: Person,
    /// Who repeats it here.
    pub repeated_by: Option<Person>,
    /// Whom it answers, where that is known.
    pub answers: Option<Person>,
    /// Whether it answers anything.
    pub is_reply: bool,
    /// When it was posted.
    pub posted: Moment,
    /// When it was last reworded.
    pub edited: Option<Moment>,
    /// ISO 639 code.
    pub language: Option<String>,
    /// Content warning; empty for none.
    pub warning: String,
    /// The text.
    pub content: Markup,
    /// The text without markup, in one line, for titles and previews.
    pub line: String,
    /// Attached pictures.
    pub pictures: Vec<Picture>,
    /// Whether they are hidden at first.
    pub sensitive: bool,
    /// Its poll.
    pub poll: Option<PollCard>,
    /// Direct replies.
    pub replies: i64,
    /// Reblogs.
    pub reblogs: i64,
    /// Favourites.
    pub favourites: i64,
    /// Whether its author pinned it to their page.
    pub pinned: bool,
}

impl PostCard {
    /// From what a verb gave, in the place of this domain; a reblog shows what it repeats.
    pub(crate) fn of(view: &StatusView, home: &str, now: Timestamp) -> Self {
        match &view.reblog {
            Some(inner) => {
                let repeated_by = Some(Person::of(&view.author));
                Self { repeated_by, ..Self::of(inner, home, now) }
            }
            None => Self::original(view, home, now),
        }
    }

    fn original(view: &StatusView, home: &str, now: Timestamp) -> Self {
        let (status, counts) = (&view.entry.status, &view.entry.counts);
        let author = &view.author;
        let content = match status.uri {
            Some(_) => text::sanitise(&status.text),
            None => {
                text::parse(&status.text).to_html(&urls::Known { mentions: &view.mentions, home })
            }
        };
        let answered = status.in_reply_to.and_then(|to| {
            let is = |a: &&AccountView| a.account.id == to.account;
            std::iter::once(author).chain(&view.mentions).find(is)
        });
        Self {
            path: urls::status(&author.account, status),
            author: Person::of(author),
            repeated_by: None,
            answers: answered.map(Person::of),
            is_reply: status.in_reply_to.is_some(),
            posted: status.created.into(),
            edited: status.edited.map(Moment::from),
            language: status.language.clone(),
            warning: status.spoiler.clone(),
            line: frame::described(&text::plain(content.as_str())),
            content: Markup(content),
            pictures: view.entry.media.iter().filter_map(Picture::of).collect(),
            sensitive: status.sensitive,
            poll: view.entry.poll.as_ref().map(|poll| PollCard::of(poll, now)),
            replies: counts.replies,
            reblogs: counts.reblogs,
            favourites: counts.favourites,
            pinned: false,
        }
    }

    /// What may be said of it where its warning cannot be shown first.
    #[must_use]
    pub fn preview(&self) -> &str {
        if self.warning.is_empty() { &self.line } else { &self.warning }
    }
}

/// Posts, and the link to older ones.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Newest first.
    pub posts: Vec<PostCard>,
    /// Where older ones are, if there may be any.
    pub older: Option<String>,
    /// What can change of it.
    pub(crate) shows: Shows,
}

impl Listing {
    /// A page of a listing at this path, as visitors see it.
    pub(crate) async fn read(
        site: &Site,
        query: &TimelineQuery,
        page: Page,
        path: &str,
    ) -> Result<Self, Refused> {
        let found = site.social.listing(None, query, page).await?;
        let mut older = None;
        if let Some((_, last)) = found.ends {
            // What is hidden falls out of a page, so a short one need not be the last.
            let next = Page { max_id: Some(last), limit: 1, ..page };
            if !site.social.store().timeline(query, next).await?.is_empty() {
                older = Some(format!("{path}?max_id={last}"));
            }
        }
        let now = site.social.now();
        let posts = found.views.iter().map(|view| PostCard::of(view, &site.domain, now)).collect();
        Ok(Self { posts, older, shows: Shows::default().with(&found.views) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AccountId, PollId, StatusId, poll::PollOption};

    #[test]
    fn moments_are_written_for_both() {
        let moment = Moment::from(Timestamp::from_ms(1_700_000_000_000));
        assert_eq!(moment.machine, "2023-11-14T22:13:20Z");
        assert_eq!(moment.shown, "14 Nov 2023, 22:13 UTC");
        assert_eq!(moment.day, "14 Nov 2023");
    }

    #[test]
    fn a_poll_keeps_its_numbers_to_itself_until_it_may_tell() {
        let option = |votes| PollOption { title: "a".into(), votes };
        let poll = |hide_totals| Poll {
            id: PollId::new(1).expect("an id"),
            status: StatusId::new(1).expect("an id"),
            account: AccountId::new(1).expect("an id"),
            options: vec![option(1), option(2), option(0)],
            expires: Some(Timestamp::from_ms(1_000)),
            multiple: false,
            hide_totals,
            voters: 3,
        };
        let shown = |hide, ms| {
            let card = PollCard::of(&poll(hide), Timestamp::from_ms(ms));
            card.choices.iter().map(|choice| choice.percent).collect::<Vec<_>>()
        };
        assert_eq!(shown(false, 0), [Some(33), Some(66), Some(0)]);
        assert_eq!(shown(true, 0), [None, None, None]);
        assert_eq!(shown(true, 1_000), [Some(33), Some(66), Some(0)]);
    }
}

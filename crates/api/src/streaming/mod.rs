//! Streaming: what happens, as it happens, over server-sent events or a WebSocket.
//! Source: <https://docs.joinmastodon.org/methods/streaming/>.
//!
//! A stream lives as long as the token that opened it: when rights may have changed, each stream
//! asks again. What a stream tells is decided in `social`; here it gets its name and its frame.

mod event;
mod socket;
mod sse;

pub(crate) use socket::open as socket;
pub(crate) use sse::{health, open as events};

use crate::{
    Api,
    caller::{Caller, caller_of, token_of},
    limits::{ASK_AGAIN_MS, ASKED_AGAIN_MAX},
    refusal::Refused,
    seats::Seat,
};
use axum::http::HeaderMap;
use httpkit::{ApiError, lenient};
use model::{AccountId, TokenId};
use serde::Deserialize;
use social::{
    Rights,
    streams::{Channel, Listener, Spelling, StreamedFrom, Told, What},
};
use std::time::Duration;
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::Instant,
};

/// What a stream is asked for with, in a query or in a frame.
#[derive(Deserialize, Default, Debug)]
pub(crate) struct Asked {
    #[serde(default, deserialize_with = "lenient::text")]
    stream: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    tag: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    list: Option<String>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    only_media: Option<bool>,
    #[serde(default, deserialize_with = "lenient::text")]
    access_token: Option<String>,
}

/// The channel of a name such as `public:local:media`.
fn channel(name: &str, asked: &Asked) -> Result<Channel, ApiError> {
    let public = |local, remote, media: bool| Channel::Public {
        local,
        remote,
        only_media: media || asked.only_media.unwrap_or(false),
    };
    Ok(match name {
        "user" => Channel::User,
        "user:notification" => Channel::UserNotification,
        "public" => public(false, false, false),
        "public:media" => public(false, false, true),
        "public:local" => public(true, false, false),
        "public:local:media" => public(true, false, true),
        "public:remote" => public(false, true, false),
        "public:remote:media" => public(false, true, true),
        "direct" => Channel::Direct,
        "hashtag" | "hashtag:local" => {
            let spelling = asked.tag.clone().unwrap_or_default();
            let tag = model::text::normalise_tag(&spelling);
            if tag.is_empty() {
                return Err(ApiError::bad_request("Missing tag name parameter"));
            }
            let spelling = Spelling(spelling);
            Channel::Hashtag { tag, spelling, local: name == "hashtag:local" }
        }
        "list" => {
            let id = asked.list.as_deref().and_then(|list| list.parse().ok());
            Channel::List(id.ok_or_else(|| ApiError::bad_request("Missing list name parameter"))?)
        }
        _ => return Err(ApiError::not_found_named("Unknown stream type")),
    })
}

/// What a client calls an open channel: its name, and what it was opened with.
fn names(channel: &Channel) -> Vec<String> {
    let public = |place: &str, media: bool| {
        let media = if media { ":media" } else { "" };
        vec![format!("public{place}{media}")]
    };
    match channel {
        Channel::User => vec!["user".into()],
        Channel::UserNotification => vec!["user:notification".into()],
        Channel::Public { local: true, only_media, .. } => public(":local", *only_media),
        Channel::Public { remote: true, only_media, .. } => public(":remote", *only_media),
        Channel::Public { only_media, .. } => public("", *only_media),
        Channel::Hashtag { spelling, local: true, .. } => {
            vec!["hashtag:local".into(), spelling.0.clone()]
        }
        Channel::Hashtag { spelling, .. } => vec!["hashtag".into(), spelling.0.clone()],
        Channel::List(id) => vec!["list".into(), id.to_string()],
        Channel::Direct => vec!["direct".into()],
    }
}

/// The scope that a channel needs, besides `read`.
fn scope(channel: &Channel) -> &'static str {
    match channel {
        Channel::UserNotification => "read:notifications",
        Channel::List(_) => "read:lists",
        _ => "read:statuses",
    }
}

/// The token that a stream is opened with: in the header, in the query (an EventSource sets no
/// headers), or as the protocol of a socket (a browser's WebSocket sets none either).
fn token(headers: &HeaderMap, asked: &Asked) -> Option<String> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let bearer = text("authorization").and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    bearer.or_else(|| asked.access_token.clone().filter(|token| !token.is_empty())).or_else(|| {
        let offered = text("sec-websocket-protocol")?;
        Some(offered.split(',').next()?.trim().to_owned())
    })
}

/// An open stream of a member.
pub(crate) struct Session {
    api: Api,
    token: String,
    caller: Caller,
    listener: Listener,
    rights: broadcast::Receiver<Rights>,
    token_id: TokenId,
    /// How often, and until when to wait before, it is asked again whether the token is good, where
    /// the last time nobody could tell. Nothing is told until somebody can.
    unsure: Option<(u32, Instant)>,
    _seat: Seat,
}

/// What a stream has to do next.
enum Moved {
    /// Ask whether its token is still good.
    Rights,
    /// Tell what has happened.
    Event(StreamedFrom),
}

impl Session {
    /// For whoever shows a token.
    async fn start(api: &Api, headers: &HeaderMap, asked: &Asked) -> Result<Self, Refused> {
        let missing = || ApiError::plain(http::StatusCode::UNAUTHORIZED, "Missing access token");
        let token = token(headers, asked).ok_or_else(missing)?;
        // Listened to before the token is verified, so that its end is not missed in between.
        let rights = api.social.hub().listen_rights();
        let caller = caller_of(api, &token).await?.confirmed()?;
        let account = member(&caller)?;
        let token_id = token_of(&api.sealer, &token).ok_or_else(ApiError::unauthorized)?;
        let seat = api.seats.take(account, None)?;
        let listener = Listener::new(std::sync::Arc::clone(&api.social), account).await?;
        let (api, unsure) = (api.clone(), None);
        Ok(Self { api, token, caller, listener, rights, token_id, unsure, _seat: seat })
    }

    async fn open(&mut self, channel: Channel) -> Result<(), Refused> {
        self.caller.allowed(scope(&channel))?;
        Ok(self.listener.open(channel).await?)
    }

    /// What is to be told next; `None` when the stream has ended: the token is dead, the listener
    /// fell behind, or the server stops. Not cancel safe: whoever also waits for something else
    /// waits for `wait` and then has `take` done to its end.
    async fn next(&mut self) -> Option<Vec<Told>> {
        loop {
            let moved = self.wait().await?;
            let told = self.take(moved).await?;
            if !told.is_empty() {
                return Some(told);
            }
        }
    }

    /// Waits until there is something to do. Cancel safe: what it has taken it hands out.
    async fn wait(&mut self) -> Option<Moved> {
        if let Some((_, again)) = self.unsure {
            return tokio::select! {
                () = self.api.stopping.cancelled() => None,
                () = tokio::time::sleep_until(again) => Some(Moved::Rights),
            };
        }
        loop {
            tokio::select! {
                // A token that has died is heard of before what was posted after its death.
                biased;
                () = self.api.stopping.cancelled() => return None,
                changed = self.rights.recv() => match changed {
                    Ok(whose) if !self.concerns(whose) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return Some(Moved::Rights),
                    Err(RecvError::Closed) => return None,
                },
                event = self.listener.next() => return Some(Moved::Event(event.ok()?)),
            }
        }
    }

    fn concerns(&self, whose: Rights) -> bool {
        match whose {
            Rights::Account(account) => self.caller.account == Some(account),
            Rights::Token(token) => self.token_id == token,
            Rights::Everybody => true,
        }
    }

    /// Does what there is to do, perhaps with nothing to tell. To be awaited to its end: what was
    /// taken is here alone, and a question about rights that is not finished is not asked again.
    async fn take(&mut self, moved: Moved) -> Option<Vec<Told>> {
        let work = async {
            match moved {
                Moved::Rights => {
                    self.unsure = still_good(&self.api, &self.token, self.unsure).await?;
                    Some(vec![])
                }
                Moved::Event(event) => match self.listener.told(event).await {
                    Ok(told) => Some(hearable(&self.caller, told)),
                    Err(error) => {
                        tracing::debug!(%error, "a stream ended");
                        None
                    }
                },
            }
        };
        tokio::select! {
            () = self.api.stopping.cancelled() => None,
            told = work => told,
        }
    }
}

/// What of it the token may hear: `user` opens with `read:statuses` alone, and carries
/// notifications for those who may read them.
fn hearable(caller: &Caller, mut told: Vec<Told>) -> Vec<Told> {
    let is_notification = |told: &Told| matches!(told.what, What::Notification(_));
    if told.iter().any(is_notification) && caller.allowed("read:notifications").is_err() {
        told.retain(|told| !is_notification(told));
    }
    told
}

/// Asks whether a stream's token is good: `Some(None)` when it is, `None` when it is dead or nobody
/// could tell for too long, else when to ask again.
async fn still_good(
    api: &Api,
    token: &str,
    unsure: Option<(u32, Instant)>,
) -> Option<Option<(u32, Instant)>> {
    let asked = unsure.map_or(0, |(asked, _)| asked) + 1;
    match caller_of(api, token).await {
        Ok(_) => Some(None),
        // The store is away or has too much to do: that takes nobody's rights away. They come back
        // one by one.
        Err(Refused(error)) if error.status().is_server_error() && asked < ASKED_AGAIN_MAX => {
            let pause = ASK_AGAIN_MS + api.social.unpredictable() % ASK_AGAIN_MS;
            // By the runtime's clock, which also wakes it.
            let again = tokio::time::sleep(Duration::from_millis(pause)).deadline();
            Some(Some((asked, again)))
        }
        Err(_) => None,
    }
}

fn member(caller: &Caller) -> Result<AccountId, ApiError> {
    let text = "This method requires an authenticated user";
    caller.account.ok_or_else(|| ApiError::plain(http::StatusCode::UNAUTHORIZED, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_has_its_name_and_is_called_by_it() {
        let asked =
            Asked { tag: Some("Straße".into()), list: Some("7".into()), ..Asked::default() };
        for name in [
            "user",
            "user:notification",
            "public",
            "public:media",
            "public:local",
            "public:local:media",
            "public:remote",
            "public:remote:media",
            "hashtag",
            "hashtag:local",
            "list",
            "direct",
        ] {
            let channel = channel(name, &asked).unwrap_or_else(|_| panic!("{name} is a stream"));
            let names = names(&channel);
            assert_eq!(names.first().map(String::as_str), Some(name));
            if name.starts_with("hashtag") {
                // Apps tell frames apart by what they asked for.
                assert_eq!(names.last().map(String::as_str), Some("Straße"));
                assert!(matches!(channel, Channel::Hashtag { tag, .. } if tag == "straße"));
            }
        }
        for (name, asked, status) in [
            ("nothing", Asked::default(), 404),
            ("hashtag", Asked::default(), 400),
            ("list", Asked { list: Some("x".into()), ..Asked::default() }, 400),
        ] {
            let error = channel(name, &asked).expect_err(name);
            assert_eq!(error.status().as_u16(), status, "{name}");
        }
    }
}

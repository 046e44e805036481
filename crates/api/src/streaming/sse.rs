//! Streams as server-sent events, one channel each (WHATWG HTML, section 9.2).

use super::{Asked, Session, channel, event::event};
use crate::{Api, limits::SIGN_OF_LIFE_S, refusal::Refused};
use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, StreamExt as _, stream};
use httpkit::Query;
use std::{convert::Infallible, time::Duration};

/// `GET /api/v1/streaming/health`.
pub(crate) async fn health() -> &'static str {
    "OK"
}

/// `GET /api/v1/streaming/user`, `/public/local`, `/hashtag?tag=` and the others.
pub(crate) async fn open(
    State(api): State<Api>,
    Path(path): Path<String>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refused> {
    let channel = channel(&path.trim_end_matches('/').replace('/', ":"), &asked)?;
    let mut session = Session::start(&api, &headers, &asked).await?;
    session.open(channel).await?;
    let told = stream::unfold(session, |mut session| async move {
        let told = session.next().await?;
        let events: Vec<_> = told
            .iter()
            .map(|told| {
                let (name, payload) = event(&session.api, &told.what);
                Ok(Event::default().event(name).data(payload))
            })
            .collect();
        Some((stream::iter(events), session))
    });
    let alive = KeepAlive::new().interval(Duration::from_secs(SIGN_OF_LIFE_S)).text("thump");
    Ok(Sse::new(told.flatten()).keep_alive(alive))
}

//! Members: apps with a token. They read home, look at notifications, favourite and post, and hold
//! a stream open. What they ask goes on at its pace, whoever was answered and whoever was not.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    atlas,
    chance::Chance,
    clock,
    limits::PATIENCE_MS,
    measure::{Ended, Population},
    people::{
        Town, each, lost,
        person::{Ask, Person, ended},
    },
    wire::Answer,
};

const PATIENCE: Duration = Duration::from_millis(PATIENCE_MS);
/// Posts that members know of and may favourite.
const KNOWN_MAX: usize = 512;

/// A member and their app.
struct App {
    person: Person,
    bearer: String,
}

#[derive(Clone, Copy)]
enum Deed {
    Home,
    Notifications,
    Favourite,
    Post,
}

/// Of a hundred requests: reading first, as apps do.
fn deed(lot: u64) -> Deed {
    match lot {
        0..=59 => Deed::Home,
        60..=79 => Deed::Notifications,
        80..=91 => Deed::Favourite,
        _ => Deed::Post,
    }
}

fn apps(town: &Town) -> Vec<Arc<App>> {
    let members = (0_u32..).zip(&town.scene.members);
    let app = |(number, member): (u32, &crate::scene::Member)| {
        let person = Person::new(atlas::member(number), town.dialer.resuming());
        Arc::new(App { person, bearer: format!("Bearer {}", member.token) })
    };
    members.map(app).collect()
}

/// Members ask, so many times a second together.
pub(super) async fn live(town: &Arc<Town>, per_s: f64) {
    let apps = apps(town);
    let known: Vec<String> = town.scene.posts.iter().map(|post| post.id.clone()).collect();
    let known = Arc::new(Mutex::new(known.into_iter().take(KNOWN_MAX).collect::<Vec<_>>()));
    each(town, Population::Members, per_s, |chance, due| {
        let town = Arc::clone(town);
        let app = chance.one(&apps).cloned();
        let deed = deed(chance.below(100));
        let word = chance.word(12);
        let favourite = chance.one(&known.lock()).cloned().unwrap_or_default();
        async move {
            let Some(app) = app else { return };
            act(&town, &app, deed, &word, &favourite, due).await;
        }
    })
    .await;
}

async fn act(town: &Town, app: &App, deed: Deed, word: &str, favourite: &str, due: Instant) {
    let ticket = town.board.begin(Population::Members, due);
    let path = match deed {
        Deed::Home => "/api/v1/timelines/home?limit=20".to_owned(),
        Deed::Notifications => "/api/v1/notifications?limit=20".to_owned(),
        Deed::Favourite => format!("/api/v1/statuses/{favourite}/favourite"),
        Deed::Post => "/api/v1/statuses".to_owned(),
    };
    let is_read = matches!(deed, Deed::Home | Deed::Notifications);
    let body = match deed {
        Deed::Post => format!("{{\"status\":\"At the quay: {word} has come in, all is well.\"}}"),
        _ => String::new(),
    };
    let mut fields = vec![
        ("Authorization", app.bearer.as_str()),
        ("User-Agent", "Tern/2.4 (Android 16)"),
        ("Accept", "application/json"),
    ];
    if matches!(deed, Deed::Post) {
        fields.push(("Content-Type", "application/json"));
        fields.push(("Idempotency-Key", word));
    }
    let method = if is_read { "GET" } else { "POST" };
    let ask = Ask { method, path: &path, fields: &fields, body: body.as_bytes() };
    let is_it = |answer: &Answer| answer.body.starts_with(if is_read { b"[" } else { b"{" });
    match app.person.ask(town, &ask, PATIENCE, due).await {
        Ok(answer) => ticket.end(ended(&answer, is_it)),
        Err(why) => lost(ticket, &why),
    }
}

/// Streams that are held open as long as this is held.
pub(super) struct Streams(Vec<tokio::task::JoinHandle<()>>);

impl Drop for Streams {
    fn drop(&mut self) {
        for stream in &self.0 {
            stream.abort();
        }
    }
}

/// Each member's app holds a stream. Its opening is an attempt like any other, and so is each time
/// that it must be opened again.
pub(super) fn hold_streams(town: &Arc<Town>) -> Streams {
    let mut chance = Chance::fork(town.seed, "streams");
    let streams = apps(town).into_iter().map(|app| {
        let town = Arc::clone(town);
        // Apps come back from a lost stream at different moments.
        let pause = Duration::from_millis(1_000 + chance.below(2_000));
        tokio::spawn(async move {
            let marks = town.board.marks;
            let mut due = marks.start + pause / 4;
            while due < marks.end {
                clock::until(due).await;
                hold(&town, &app, due).await;
                due = clock::now() + pause;
            }
        })
    });
    Streams(streams.collect())
}

async fn hold(town: &Town, app: &App, due: Instant) {
    let ticket = town.board.begin(Population::Members, due);
    let opened = async {
        let mut wire = app.person.dial(town).await.ok()?;
        let fields = [
            ("Authorization", app.bearer.as_str()),
            ("User-Agent", "Tern/2.4 (Android 16)"),
            ("Accept", "text/event-stream"),
        ];
        let (host, body) = (&*town.scene.host, &[][..]);
        let path = "/api/v1/streaming/user";
        let request = crate::wire::Request { method: "GET", path, host, fields: &fields, body };
        wire.send(&request.bytes()).await.ok()?;
        let answer = wire.head().await.ok()?;
        Some((wire, answer.status))
    };
    match tokio::time::timeout_at((due + PATIENCE).into(), opened).await {
        Ok(Some((mut wire, 200))) => {
            ticket.end(Ended::Served);
            wire.drain().await;
        }
        Ok(Some((_, 403 | 429 | 503))) => ticket.end(Ended::Refused),
        _ => ticket.end(Ended::Failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_of_what_members_do_is_reading() {
        let reads = (0..100).filter(|lot| matches!(deed(*lot), Deed::Home | Deed::Notifications));
        let posts = (0..100).filter(|lot| matches!(deed(*lot), Deed::Post));
        assert_eq!((reads.count(), posts.count()), (80, 8));
    }
}

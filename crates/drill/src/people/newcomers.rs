//! Newcomers: a first visit, ordinary headers of a browser, a full TLS handshake. They take what
//! the server answers as a browser does: a page, a challenge that scripts answer, or a page that
//! brings them back by itself (a waiting room), with its cookies, until they are there or lose
//! patience.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    atlas,
    chance::Chance,
    clock,
    limits::{AGAIN_MS, NEWCOMER_MS, PAGES_FOLLOWED_MAX, WAITING_ROOM_MS},
    measure::{Ended, Population},
    people::{
        Town,
        challenge::{Challenge, Worker},
        each,
        person::{Ask, Person},
    },
    wire::{Answer, Failure},
};

/// They come, so many a second, each once.
pub(super) async fn live(town: &Arc<Town>, per_s: f64, has_scripts: bool) {
    let (population, patience_ms) = match has_scripts {
        true => (Population::Newcomers, NEWCOMER_MS),
        false => (Population::NewcomersNoScript, WAITING_ROOM_MS),
    };
    let worker = has_scripts.then(Worker::start);
    each(town, population, per_s, |chance, due| {
        let town = Arc::clone(town);
        let worker = worker.clone();
        let source = atlas::newcomer(chance);
        let post = chance.one(&town.scene.posts).cloned();
        let mut chance = Chance::new(chance.bits());
        async move {
            let Some(post) = post else { return };
            let ticket = town.board.begin(population, due);
            let person = Person::new(source, town.dialer.resuming());
            let patience = Duration::from_millis(patience_ms);
            let visit = Visit { town: &town, person, worker, due, patience };
            ticket.end(visit.make(&post.author, &mut chance).await);
        }
    })
    .await;
}

/// A first visit.
struct Visit<'t> {
    town: &'t Town,
    person: Person,
    /// Does the work that a page asks for, in a browser with scripts.
    worker: Option<Arc<Worker>>,
    due: Instant,
    patience: Duration,
}

impl Visit<'_> {
    /// Until the page is there, or patience is over.
    async fn make(&self, author: &str, chance: &mut Chance) -> Ended {
        let wanted = format!("/@{author}");
        let mut path = wanted.clone();
        let mut was_challenged = false;
        for _ in 0..PAGES_FOLLOWED_MAX {
            let ask = Ask { method: "GET", path: &path, fields: &self.person.browser, body: &[] };
            let answer = match self.person.ask(self.town, &ask, self.patience, self.due).await {
                Ok(answer) => answer,
                Err(Failure::Late) => return Ended::Failed,
                // A browser says that the connection failed, and one tries again.
                Err(_) if self.has_time(AGAIN) => {
                    clock::until(clock::now() + AGAIN).await;
                    continue;
                }
                Err(_) => return Ended::Failed,
            };
            if answer.status == 200 && path == wanted && answer.text().contains(author) {
                return if was_challenged { Ended::ServedChallenged } else { Ended::Served };
            }
            was_challenged = true;
            if let Some(worker) = &self.worker
                && let Some(challenge) = Challenge::of(&answer.text())
            {
                let time = challenge.phone_time(chance);
                if !self.has_time(time) {
                    return Ended::Refused;
                }
                if !self.work(worker, &challenge, clock::now() + time).await {
                    return Ended::Failed;
                }
                continue;
            }
            let Some((wait, next)) = onward(&answer, &path) else {
                return match answer.status {
                    403 | 429 | 503 => Ended::Refused,
                    _ => Ended::Failed,
                };
            };
            if !self.has_time(wait) {
                return Ended::Refused;
            }
            clock::until(clock::now() + wait).await;
            path = next;
        }
        Ended::Failed
    }

    /// Whether patience lasts for so long.
    fn has_time(&self, wait: Duration) -> bool {
        clock::now() + wait <= self.due + self.patience
    }

    /// Does the work, and keeps what it earns, when a phone would be done; whether that went well.
    async fn work(&self, worker: &Worker, challenge: &Challenge, done: Instant) -> bool {
        let Some(kept) = self.person.cookie(&challenge.cookie) else { return false };
        let text = kept.split('.').next().unwrap_or_default();
        let cookie = match worker.answer(challenge, text).await {
            Some(answer) => Some(format!("{}={text}.{answer}", challenge.cookie)),
            None => {
                let minted = self.town.scene.clearance_cookie.as_ref();
                minted.map(|minted| minted(self.person.source, self.person.agent()))
            }
        };
        clock::until(done).await;
        let Some(cookie) = cookie else { return false };
        self.person.remember(&cookie);
        true
    }
}

const AGAIN: Duration = Duration::from_millis(AGAIN_MS);

/// Where a browser goes from an answer by itself, and after how long: a redirect, or a page with a
/// refresh. None where it stays.
fn onward(answer: &Answer, here: &str) -> Option<(Duration, String)> {
    if matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
        return Some((Duration::ZERO, local(answer.field("location")?)?));
    }
    let refresh = answer.field("refresh").map(str::to_owned).or_else(|| meta(&answer.text()))?;
    let (seconds, rest) = refresh.split_once([';', ',']).unwrap_or((&refresh, ""));
    let wait = Duration::from_secs_f64(seconds.trim().parse::<f64>().ok()?.clamp(0.0, 3_600.0));
    let rest = rest.trim();
    let address = rest.strip_prefix("url=").or_else(|| rest.strip_prefix("URL=")).unwrap_or(rest);
    let address = address.trim_matches(['\'', '"']);
    let next = if address.is_empty() { here.to_owned() } else { local(address)? };
    Some((wait, next))
}

/// What the page's `<meta http-equiv="refresh" content="...">` says.
fn meta(page: &str) -> Option<String> {
    let small = page.to_ascii_lowercase();
    let at = small.find("http-equiv=\"refresh\"").or_else(|| small.find("http-equiv=refresh"))?;
    let begin = small.get(..at)?.rfind('<')?;
    let tag = page.get(begin..begin + small.get(begin..)?.find('>')?)?;
    let from = tag.to_ascii_lowercase().find("content=\"")? + "content=\"".len();
    let rest = tag.get(from..)?;
    Some(rest.get(..rest.find('"')?)?.replace("&amp;", "&"))
}

/// The path of an address on the same site; a drill follows no link elsewhere.
fn local(address: &str) -> Option<String> {
    if address.starts_with('/') && !address.starts_with("//") {
        return Some(address.to_owned());
    }
    let rest = address.strip_prefix("https://localhost")?;
    let (port, _) = rest.split_once('/')?;
    if !port.is_empty() && !port.starts_with(':') {
        return None;
    }
    let path = rest.get(port.len()..)?;
    Some(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_is_found_wherever_a_page_has_it() {
        let table = [
            ("<meta http-equiv=\"refresh\" content=\"5\">", Some("5")),
            (
                "<META CONTENT=\"3; url=/a?b=1&amp;c=2\" http-equiv=\"Refresh\">",
                Some("3; url=/a?b=1&c=2"),
            ),
            ("<meta name=\"refresh\" content=\"5\">", None),
            ("", None),
        ];
        for (page, expected) in table {
            assert_eq!(meta(page).as_deref(), expected, "{page}");
        }
    }

    #[test]
    fn nobody_is_led_to_another_site() {
        assert_eq!(local("/a"), Some("/a".to_owned()));
        assert_eq!(local("https://localhost:4000/a?b"), Some("/a?b".to_owned()));
        for elsewhere in
            ["//other.example/a", "https://localhost.example/a", "http://localhost/a", "a"]
        {
            assert_eq!(local(elsewhere), None, "{elsewhere}");
        }
    }
}

//! Newcomers: a first visit, ordinary headers of a browser, a full TLS handshake. They take what
//! the server answers as a browser does: a page, or one that brings them back by itself (a waiting
//! room), with its cookies, until they are there or lose patience.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    atlas, clock,
    limits::{NEWCOMER_MS, PAGES_FOLLOWED_MAX, WAITING_ROOM_MS},
    measure::{Ended, Population, Ticket},
    people::{
        Town, each, lost,
        person::{Ask, BROWSER, Person},
    },
    wire::Answer,
};

/// They come, so many a second, each once.
pub(super) async fn live(town: &Arc<Town>, per_s: f64, has_scripts: bool) {
    let (population, patience_ms) = match has_scripts {
        true => (Population::Newcomers, NEWCOMER_MS),
        false => (Population::NewcomersNoScript, WAITING_ROOM_MS),
    };
    each(town, population, per_s, |chance, due| {
        let town = Arc::clone(town);
        let source = atlas::newcomer(chance);
        let post = chance.one(&town.scene.posts).cloned();
        async move {
            let Some(post) = post else { return };
            let ticket = town.board.begin(population, due);
            let visitor = Person::new(source, town.dialer.resuming());
            let patience = Duration::from_millis(patience_ms);
            visit(&town, &visitor, &post.author, patience, due, ticket).await;
        }
    })
    .await;
}

async fn visit(
    town: &Town,
    visitor: &Person,
    author: &str,
    patience: Duration,
    due: Instant,
    ticket: Ticket<'_>,
) {
    let wanted = format!("/@{author}");
    let mut path = wanted.clone();
    for followed in 0..PAGES_FOLLOWED_MAX {
        let ask = Ask { method: "GET", path: &path, fields: &BROWSER, body: &[] };
        let answer = match visitor.ask(town, &ask, patience, due).await {
            Ok(answer) => answer,
            Err(why) => return lost(ticket, &why),
        };
        if answer.status == 200 && path == wanted && answer.text().contains(author) {
            return ticket.end(match followed {
                0 => Ended::Served,
                _ => Ended::ServedChallenged,
            });
        }
        let Some((wait, next)) = onward(&answer, &path) else {
            return ticket.end(match answer.status {
                403 | 429 | 503 => Ended::Refused,
                _ => Ended::Failed,
            });
        };
        if clock::now() + wait > due + patience {
            return ticket.end(Ended::Refused);
        }
        clock::until(clock::now() + wait).await;
        path = next;
    }
    ticket.end(Ended::Failed);
}

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

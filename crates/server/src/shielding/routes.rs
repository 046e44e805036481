//! Every route as the shield sees it: how much people miss it, what it does that can be switched
//! off, who asks there. One table; a test holds it to the routers. A request is matched before its
//! handler is known, and once: what is found says also whether it may pass without a decision.
//!
//! What a route costs is learnt; the kind of its work says with what estimate that begins.

use http::Method;
use matchit::Router;
use shield::decide::{Criticality, Door, Route, RouteId, Work};
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

type Row = (&'static str, &'static str, Criticality, Work, Door);

/// All of them: method, path, how much it is missed, what it does, who asks.
const ROWS: &[Row] = {
    use Criticality::{Last, Minor, Usual, Vital};
    use Door::{Api, Federation, Page, Status, Stream};
    use Work::{Cacheable, Media, Plain, Search};
    &[
        ("get", "/health", Vital, Plain, Status),
        ("get", "/ready", Vital, Plain, Status),
        ("get", "/static/avatar.svg", Usual, Cacheable, Api),
        ("get", "/static/header.svg", Usual, Cacheable, Api),
        ("get", "/.well-known/nodeinfo", Minor, Cacheable, Federation),
        ("get", "/.well-known/webfinger", Minor, Plain, Federation),
        ("get", "/.well-known/host-meta", Minor, Cacheable, Federation),
        ("get", "/.well-known/oauth-authorization-server", Minor, Cacheable, Federation),
        ("get", "/nodeinfo/2.0", Minor, Cacheable, Federation),
        ("get", "/api/v2/instance", Usual, Cacheable, Api),
        ("get", "/api/v1/instance", Usual, Cacheable, Api),
        ("get", "/api/v1/custom_emojis", Minor, Cacheable, Api),
        ("get", "/api/v2/search", Minor, Search, Api),
        ("post", "/api/v1/apps", Minor, Plain, Api),
        ("get", "/api/v1/apps/verify_credentials", Minor, Plain, Api),
        ("post", "/oauth/token", Usual, Plain, Api),
        ("post", "/oauth/revoke", Usual, Plain, Api),
        ("get", "/oauth/userinfo", Minor, Plain, Api),
        ("post", "/oauth/userinfo", Minor, Plain, Api),
        ("post", "/api/v1/accounts", Last, Plain, Api),
        ("post", "/api/v1/emails/confirmations", Last, Plain, Api),
        ("get", "/api/v1/emails/check_confirmation", Last, Plain, Api),
        ("get", "/api/v1/accounts", Usual, Plain, Api),
        ("get", "/api/v1/accounts/verify_credentials", Vital, Plain, Api),
        ("patch", "/api/v1/accounts/update_credentials", Last, Media, Api),
        ("get", "/api/v1/accounts/lookup", Minor, Plain, Api),
        ("get", "/api/v1/accounts/search", Minor, Search, Api),
        ("get", "/api/v1/accounts/relationships", Usual, Plain, Api),
        ("get", "/api/v1/accounts/{id}", Usual, Cacheable, Api),
        ("get", "/api/v1/accounts/{id}/statuses", Usual, Cacheable, Api),
        ("get", "/api/v1/accounts/{id}/followers", Minor, Plain, Api),
        ("get", "/api/v1/accounts/{id}/following", Minor, Plain, Api),
        ("get", "/api/v1/accounts/{id}/lists", Usual, Plain, Api),
        ("post", "/api/v1/accounts/{id}/follow", Usual, Plain, Api),
        ("post", "/api/v1/accounts/{id}/unfollow", Usual, Plain, Api),
        ("post", "/api/v1/accounts/{id}/remove_from_followers", Minor, Plain, Api),
        ("post", "/api/v1/accounts/{id}/block", Vital, Plain, Api),
        ("post", "/api/v1/accounts/{id}/unblock", Usual, Plain, Api),
        ("post", "/api/v1/accounts/{id}/mute", Vital, Plain, Api),
        ("post", "/api/v1/accounts/{id}/unmute", Usual, Plain, Api),
        ("post", "/api/v1/accounts/{id}/note", Usual, Plain, Api),
        ("get", "/api/v1/blocks", Minor, Plain, Api),
        ("get", "/api/v1/mutes", Minor, Plain, Api),
        ("get", "/api/v1/follow_requests", Usual, Plain, Api),
        ("post", "/api/v1/follow_requests/{id}/authorize", Usual, Plain, Api),
        ("post", "/api/v1/follow_requests/{id}/reject", Usual, Plain, Api),
        ("post", "/api/v1/reports", Vital, Plain, Api),
        ("get", "/api/v1/preferences", Minor, Plain, Api),
        ("get", "/api/v1/markers", Vital, Plain, Api),
        ("post", "/api/v1/markers", Vital, Plain, Api),
        ("get", "/api/v1/favourites", Usual, Plain, Api),
        ("get", "/api/v1/bookmarks", Usual, Plain, Api),
        ("post", "/api/v2/media", Vital, Media, Api),
        ("post", "/api/v1/media", Vital, Media, Api),
        ("get", "/api/v1/media/{id}", Vital, Plain, Api),
        ("put", "/api/v1/media/{id}", Vital, Plain, Api),
        ("delete", "/api/v1/media/{id}", Usual, Plain, Api),
        ("get", "/media/{*key}", Usual, Cacheable, Api),
        ("post", "/api/v1/statuses", Vital, Plain, Api),
        ("get", "/api/v1/statuses", Usual, Plain, Api),
        ("get", "/api/v1/statuses/{id}", Usual, Cacheable, Api),
        ("put", "/api/v1/statuses/{id}", Vital, Plain, Api),
        ("delete", "/api/v1/statuses/{id}", Vital, Plain, Api),
        ("get", "/api/v1/statuses/{id}/context", Usual, Cacheable, Api),
        ("get", "/api/v1/statuses/{id}/source", Minor, Plain, Api),
        ("get", "/api/v1/statuses/{id}/history", Minor, Plain, Api),
        ("get", "/api/v1/statuses/{id}/favourited_by", Minor, Plain, Api),
        ("get", "/api/v1/statuses/{id}/reblogged_by", Minor, Plain, Api),
        ("post", "/api/v1/statuses/{id}/favourite", Usual, Plain, Api),
        ("post", "/api/v1/statuses/{id}/unfavourite", Usual, Plain, Api),
        ("post", "/api/v1/statuses/{id}/bookmark", Usual, Plain, Api),
        ("post", "/api/v1/statuses/{id}/unbookmark", Usual, Plain, Api),
        ("post", "/api/v1/statuses/{id}/pin", Usual, Plain, Api),
        ("post", "/api/v1/statuses/{id}/unpin", Usual, Plain, Api),
        ("post", "/api/v1/statuses/{id}/mute", Usual, Plain, Api),
        ("post", "/api/v1/statuses/{id}/unmute", Usual, Plain, Api),
        ("post", "/api/v1/statuses/{id}/reblog", Usual, Plain, Api),
        ("post", "/api/v1/statuses/{id}/unreblog", Usual, Plain, Api),
        ("get", "/api/v1/scheduled_statuses", Usual, Plain, Api),
        ("get", "/api/v1/scheduled_statuses/{id}", Usual, Plain, Api),
        ("put", "/api/v1/scheduled_statuses/{id}", Usual, Plain, Api),
        ("delete", "/api/v1/scheduled_statuses/{id}", Usual, Plain, Api),
        ("get", "/api/v1/polls/{id}", Usual, Plain, Api),
        ("post", "/api/v1/polls/{id}/votes", Usual, Plain, Api),
        ("get", "/api/v1/timelines/home", Vital, Plain, Api),
        ("get", "/api/v1/timelines/public", Usual, Cacheable, Api),
        ("get", "/api/v1/timelines/tag/{tag}", Usual, Cacheable, Api),
        ("get", "/api/v1/timelines/list/{id}", Usual, Plain, Api),
        ("get", "/api/v1/streaming", Vital, Plain, Stream),
        ("get", "/api/v1/streaming/health", Vital, Plain, Status),
        ("get", "/api/v1/streaming/{*stream}", Vital, Plain, Stream),
        ("get", "/api/v1/lists", Usual, Plain, Api),
        ("post", "/api/v1/lists", Usual, Plain, Api),
        ("get", "/api/v1/lists/{id}", Usual, Plain, Api),
        ("put", "/api/v1/lists/{id}", Usual, Plain, Api),
        ("delete", "/api/v1/lists/{id}", Usual, Plain, Api),
        ("get", "/api/v1/lists/{id}/accounts", Usual, Plain, Api),
        ("post", "/api/v1/lists/{id}/accounts", Usual, Plain, Api),
        ("delete", "/api/v1/lists/{id}/accounts", Usual, Plain, Api),
        ("get", "/api/v1/notifications", Vital, Plain, Api),
        ("get", "/api/v1/notifications/unread_count", Vital, Plain, Api),
        ("post", "/api/v1/notifications/clear", Usual, Plain, Api),
        ("get", "/api/v1/notifications/{id}", Vital, Plain, Api),
        ("post", "/api/v1/notifications/{id}/dismiss", Usual, Plain, Api),
        ("get", "/", Usual, Cacheable, Page),
        ("get", "/@{name}", Usual, Cacheable, Page),
        ("get", "/@{name}/with_replies", Usual, Cacheable, Page),
        ("get", "/@{name}/media", Usual, Cacheable, Page),
        ("get", "/@{name}/{id}", Usual, Cacheable, Page),
        ("get", "/tags/{name}", Usual, Cacheable, Page),
        ("get", "/auth/password/new", Last, Plain, Page),
        ("post", "/auth/password/new", Last, Plain, Page),
        ("get", "/auth/password/edit", Usual, Plain, Page),
        ("post", "/auth/password/edit", Usual, Plain, Page),
        ("get", "/auth/confirmation", Usual, Plain, Page),
        ("post", "/auth/confirmation", Usual, Plain, Page),
        ("get", "/auth/confirmation/new", Last, Plain, Page),
        ("post", "/auth/confirmation/new", Last, Plain, Page),
        ("get", "/oauth/authorize", Usual, Plain, Page),
        ("post", "/oauth/authorize", Usual, Plain, Page),
        ("get", "/login", Usual, Plain, Page),
        ("post", "/login", Usual, Plain, Page),
        ("get", "/logout", Usual, Plain, Page),
        ("post", "/logout", Usual, Plain, Page),
        ("get", "/settings", Usual, Plain, Page),
        ("get", "/settings/delete", Last, Plain, Page),
        ("post", "/settings/delete", Last, Plain, Page),
        ("get", "/settings/password", Usual, Plain, Page),
        ("post", "/settings/password", Usual, Plain, Page),
        ("get", "/settings/sessions", Usual, Plain, Page),
        ("post", "/settings/sessions", Usual, Plain, Page),
        ("get", "/assets/{file}", Usual, Cacheable, Api),
        ("get", "/favicon.svg", Usual, Cacheable, Api),
        ("get", "/favicon.ico", Usual, Cacheable, Api),
        ("get", "/robots.txt", Minor, Cacheable, Api),
    ]
};

/// What costs no more than its refusal would, and what nobody may be kept from: whether the server
/// is there.
const FREE: &[(&str, &str)] =
    &[("get", "/health"), ("get", "/ready"), ("get", "/api/v1/streaming/health")];

/// Where a certificate authority asks (RFC 8555, section 8.3).
const AUTHORITY: &str = "/.well-known/acme-challenge/";

/// Whatever has no route: its refusal is cheap, and asked for by nobody who matters.
const NOWHERE: Route = Route {
    id: RouteId(u8::MAX),
    criticality: Criticality::Minor,
    work: Work::Plain,
    door: Door::Api,
};

const _: () = assert!(ROWS.len() < u8::MAX as usize, "routes have to share numbers from here on");

/// What is known of a request by its method and path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It passes without a decision.
    Free,
    /// It is decided on.
    Of(Route),
}

/// Routes of one path, by method.
#[derive(Default)]
struct Methods([Option<Found>; 5]);

fn index(method: &Method) -> Option<usize> {
    Some(match *method {
        // A HEAD is answered as the GET would be.
        Method::GET | Method::HEAD => 0,
        Method::POST => 1,
        Method::PUT => 2,
        Method::PATCH => 3,
        Method::DELETE => 4,
        _ => return None,
    })
}

/// Finds routes.
pub(super) struct Routes {
    /// Those of one path each: most of what is asked for, and found by one question.
    fixed: HashMap<Box<str>, Methods, BuildHasherDefault<Words>>,
    paths: Router<Methods>,
}

/// Hashes a path, eight bytes at a time. No secret: what is hashed into the table is ours.
#[derive(Default)]
struct Words(u64);

impl Hasher for Words {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut last = [0; 8];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        for word in words.iter().chain([&last]) {
            let mixed = (self.0 ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.0 = mixed ^ mixed >> 32;
        }
    }

    fn finish(&self) -> u64 {
        // Tables look at the highest and the lowest bits.
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.0 >> 29
    }
}

impl Routes {
    /// Of the table.
    pub(super) fn new() -> Self {
        let mut paths = Router::new();
        let mut fixed = HashMap::<_, _, BuildHasherDefault<Words>>::default();
        for path in ROWS.iter().map(|row| row.1) {
            for path in spellings(path) {
                // A path has several methods and is inserted with the first.
                let methods = methods(path.trim_end_matches('/'));
                if path.contains('{') {
                    let _known = paths.insert(path, methods);
                } else {
                    fixed.insert(path.into_boxed_str(), methods);
                }
            }
        }
        Self { fixed, paths }
    }

    /// The route of a request.
    pub(super) fn find(&self, method: &Method, path: &str) -> Found {
        // Answered in front of the routers: a browser's question whether a script may ask, without
        // which a member's app in a browser could not show who asks; and an authority that looks
        // whether a certificate may be renewed.
        if *method == Method::OPTIONS || path.starts_with(AUTHORITY) {
            return Found::Free;
        }
        // The routers prefer a path of its own to a pattern that it fits, too.
        let fixed = self.fixed.get(path);
        let found = fixed.or_else(|| self.paths.at(path).ok().map(|found| found.value));
        let of_method = |methods: &Methods| methods.0.get(index(method)?).copied().flatten();
        found.and_then(of_method).unwrap_or(Found::Of(NOWHERE))
    }

    /// What a number stands for, for people to read.
    pub(super) fn named(number: u8) -> String {
        ROWS.get(usize::from(number))
            .map_or_else(|| "none".to_owned(), |row| format!("{} {}", row.0.to_uppercase(), row.1))
    }
}

/// As the routers answer it: the API also with a slash at the end.
fn spellings(path: &'static str) -> Vec<String> {
    let mut all = vec![path.to_owned()];
    if !path.contains("{*") && path != "/" {
        all.push(format!("{path}/"));
    }
    all
}

fn methods(path: &str) -> Methods {
    let mut methods = Methods::default();
    let path = if path.is_empty() { "/" } else { path };
    for (at, (method, row, criticality, work, door)) in ROWS.iter().enumerate() {
        let place = method.to_uppercase().parse().ok().and_then(|method| index(&method));
        let place = place.and_then(|place| methods.0.get_mut(place));
        if let (true, Some(place)) = (*row == path, place) {
            let id = RouteId(u8::try_from(at).unwrap_or(u8::MAX));
            let route = Route { id, criticality: *criticality, work: *work, door: *door };
            let free = FREE.contains(&(*method, *row));
            *place = Some(if free { Found::Free } else { Found::Of(route) });
        }
    }
    methods
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_has_its_row_and_every_row_its_route() {
        let rows: Vec<(&str, &str)> = ROWS.iter().map(|row| (row.0, row.1)).collect();
        let known: BTreeSet<_> = rows.iter().copied().collect();
        assert_eq!(known.len(), rows.len(), "two rows for one route");
        let answered: BTreeSet<_> = api::ROUTES.iter().chain(web::ROUTES).copied().collect();
        let missing: Vec<_> = answered.difference(&known).collect();
        let gone: Vec<_> = known.difference(&answered).collect();
        assert!(missing.is_empty() && gone.is_empty(), "no row: {missing:?}, no route: {gone:?}");
        assert!(FREE.iter().all(|free| known.contains(free)));
    }

    #[test]
    fn every_row_is_found_by_what_is_asked_for() {
        let routes = Routes::new();
        for (at, (method, path, ..)) in ROWS.iter().enumerate() {
            let asked = ["{id}", "{tag}", "{name}", "{file}", "{*stream}", "{*key}"]
                .iter()
                .fold((*path).to_owned(), |path, part| path.replace(part, "one"));
            let method: Method = method.to_uppercase().parse().expect("a method");
            let free = FREE.contains(&(ROWS[at].0, ROWS[at].1));
            match routes.find(&method, &asked) {
                Found::Free => assert!(free, "{method} {asked}"),
                Found::Of(route) => {
                    assert_eq!(usize::from(route.id.0), at, "{method} {asked}");
                    assert!(!free);
                }
            }
        }
    }

    #[test]
    fn a_path_is_matched_as_the_routers_match_it() {
        let routes = Routes::new();
        let number = |method: Method, path: &str| match routes.find(&method, path) {
            Found::Of(route) => Routes::named(route.id.0),
            Found::Free => "free".to_owned(),
        };
        for (method, path, expected) in [
            (Method::GET, "/api/v1/timelines/home/", "GET /api/v1/timelines/home"),
            (Method::HEAD, "/@ann", "GET /@{name}"),
            (Method::GET, "/@ann/with_replies", "GET /@{name}/with_replies"),
            (Method::GET, "/@ann/123", "GET /@{name}/{id}"),
            (Method::GET, "/api/v1/accounts/lookup", "GET /api/v1/accounts/lookup"),
            (Method::GET, "/api/v1/accounts/1", "GET /api/v1/accounts/{id}"),
            (Method::GET, "/media/a/b.png", "GET /media/{*key}"),
            (Method::GET, "/health/", "free"),
            (Method::OPTIONS, "/api/v1/statuses", "free"),
            (Method::POST, "/challenge", "none"),
            (Method::GET, "/.well-known/acme-challenge/some-token", "free"),
            (Method::DELETE, "/", "none"),
            (Method::GET, "/wp-login.php", "none"),
            (Method::GET, "*", "none"),
            (Method::GET, "", "none"),
        ] {
            assert_eq!(number(method.clone(), path), expected, "{method} {path}");
        }
    }
}

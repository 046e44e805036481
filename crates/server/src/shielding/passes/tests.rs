//! What cookies earn whom, and what is left of a request's cookies.

use super::*;
use http::header::{COOKIE, USER_AGENT};

const NOW: u64 = 1_800_000_000;
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

fn passes() -> Passes {
    Passes::new(Arc::new(Sealer::new(&[7; 32])), Transport::Plain, 99)
}

/// A visitor at an address, with what a browser says of itself.
#[derive(Clone, Copy)]
struct Visitor(&'static str, &'static str);

const ANN: Visitor = Visitor("192.0.2.1", AGENT);

impl Visitor {
    fn address(self) -> IpAddr {
        self.0.parse().expect("an address")
    }

    fn headers(self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(self.1));
        headers
    }

    /// What a request with these cookies shows, and the request as it goes on.
    fn shows(self, passes: &Passes, cookies: &str, now: u64) -> (Credentials, Request<()>) {
        let mut request = Request::new(());
        *request.headers_mut() = self.headers();
        if !cookies.is_empty() {
            let value = HeaderValue::from_str(cookies).expect("a header");
            request.headers_mut().insert(COOKIE, value);
        }
        let shown = passes.take(&mut request, self.address(), now);
        (shown, request)
    }
}

/// The pair that a browser sends back for a cookie that it was given.
fn pair(cookie: Option<HeaderValue>) -> String {
    let cookie = cookie.expect("a cookie");
    let text = cookie.to_str().expect("text");
    text.split(';').next().expect("a pair").to_owned()
}

/// A challenge with its answer, as the page's script leaves it.
fn answered(challenge: &str) -> String {
    let (_, text) = challenge.split_once('=').expect("a pair");
    format!("{challenge}.{}", puzzle::answer(text, PUZZLE_BITS).expect("an answer"))
}

struct Earned {
    passes: Passes,
    challenge: String,
    answered: String,
    clearance: String,
}

/// All that Ann can earn.
fn earned() -> Earned {
    let passes = passes();
    let challenge = pair(passes.challenge(ANN.address(), &ANN.headers(), NOW));
    let answered = answered(&challenge);
    let (shown, request) = ANN.shows(&passes, &answered, NOW + 2);
    assert!(shown.clearance.is_some_and(|clearance| clearance.is_fresh), "{shown:?}");
    let carried = request.extensions().get::<Carried>().expect("cookies");
    let [clearance, gone] = carried.cookies.clone();
    assert!(pair(gone).ends_with("challenge="));
    Earned { passes, challenge, answered, clearance: pair(clearance) }
}

#[test]
fn what_is_earned_counts_for_who_earned_it_while_it_lasts() {
    let Earned { passes, challenge, answered, clearance } = earned();
    let neighbour = Visitor("192.0.2.77", AGENT);
    let elsewhere = Visitor("192.0.3.1", AGENT);
    let other = Visitor("192.0.2.1", "curl/8.0");
    let (name, text) = clearance.split_once('=').expect("a pair");
    let forged = format!("{name}={}{}", if &text[..1] == "A" { "B" } else { "A" }, &text[1..]);
    let wrong = answered.clone() + "1";
    let first = answered.split('.').next().expect("a challenge").to_owned();
    // Who shows what when, and whether it is a clearance, and a place in the waiting room.
    for (who, cookies, later, clears, waits) in [
        (ANN, &clearance, 3, true, false),
        (neighbour, &clearance, 3, true, false),
        (elsewhere, &clearance, 3, false, false),
        (other, &clearance, 3, false, false),
        (ANN, &forged, 3, false, false),
        (ANN, &clearance, CLEARANCE_S, true, false),
        (ANN, &clearance, CLEARANCE_S + 1, false, false),
        (ANN, &answered, CHALLENGE_S, true, false),
        (ANN, &answered, CHALLENGE_S + 1, false, false),
        (elsewhere, &answered, 3, false, false),
        (other, &answered, 3, false, false),
        (ANN, &wrong, 3, false, false),
        (ANN, &format!("{first}."), 3, false, false),
        (ANN, &challenge, 3, false, true),
        (ANN, &challenge, WAITING_S, false, true),
        (ANN, &challenge, WAITING_S + 1, false, false),
        (elsewhere, &challenge, 3, false, false),
        (other, &challenge, 3, false, false),
        (ANN, &"challenge=nonsense".to_owned(), 3, false, false),
        (ANN, &clearance.replace("clearance", "challenge"), 3, false, false),
        (ANN, &challenge.replace("challenge", "visit"), 3, false, false),
        (ANN, &format!("{challenge}; {clearance}"), 3, true, true),
    ] {
        let (shown, request) = who.shows(&passes, cookies, NOW + later);
        let found = (shown.clearance.is_some(), shown.waiting_since_unix_s == Some(NOW));
        assert_eq!(found, (clears, waits), "{cookies} after {later} s at {}", who.0);
        let carried = request.extensions().get::<Carried>().expect("what it carried");
        assert_eq!((carried.is_cleared, carried.waits), (clears, waits), "{cookies}");
        assert!(shown.visit.is_none() && shown.member.is_none() && shown.peer.is_none());
    }
}

#[test]
fn an_answer_shown_again_earns_the_same_and_is_heard_of_once() {
    let Earned { passes, answered, clearance, .. } = earned();
    let shows = |cookies: &str| ANN.shows(&passes, cookies, NOW + 5).0.clearance.expect("one");
    let again = shows(&answered);
    assert_eq!(again, shows(&clearance), "the same principal, and nothing new to be heard of");
    assert!(!again.is_fresh);
    // Another start of the server has forgotten who answered what.
    let later = Passes::new(Arc::new(Sealer::new(&[7; 32])), Transport::Plain, 100);
    assert_eq!(ANN.shows(&later, &answered, NOW + 5).0.clearance, None);
    assert!(ANN.shows(&later, &clearance, NOW + 5).0.clearance.is_some());
}

#[test]
fn a_clearance_is_used_up() {
    let Earned { passes, clearance, .. } = earned();
    // One use was its answer.
    for used in 1..CLEARANCE_USES_MAX {
        assert!(ANN.shows(&passes, &clearance, NOW + 5).0.clearance.is_some(), "{used}");
    }
    assert_eq!(ANN.shows(&passes, &clearance, NOW + 5).0.clearance, None);
}

#[test]
fn a_visit_is_one_visitors_wherever_they_are() {
    let passes = passes();
    let (one, other) = (pair(passes.visit(NOW)), pair(passes.visit(NOW)));
    assert_ne!(one, other);
    let elsewhere = Visitor("2001:db8::1", "another browser");
    let shows = |who: Visitor, cookies: &str, now| who.shows(&passes, cookies, now).0.visit;
    let visit = shows(ANN, &one, NOW).expect("a visit");
    assert_eq!(visit.given_unix_s, NOW);
    assert_eq!(shows(elsewhere, &one, NOW + VISIT_S), Some(visit));
    assert_eq!(shows(ANN, &one, NOW + VISIT_S + 1), None);
    assert_ne!(shows(ANN, &other, NOW), Some(visit));
    assert_eq!(shows(ANN, &other.replace('=', "=A"), NOW), None);
    let restarted = Passes::new(Arc::new(Sealer::new(&[7; 32])), Transport::Plain, 100);
    assert_eq!(ANN.shows(&restarted, &one, NOW).0.visit, Some(visit));
    let stranger = Passes::new(Arc::new(Sealer::new(&[8; 32])), Transport::Plain, 99);
    assert_eq!(ANN.shows(&stranger, &one, NOW).0.visit, None);
}

#[test]
fn our_cookies_go_no_further_and_others_do() {
    let passes = passes();
    let visit = pair(passes.visit(NOW));
    let long = "x".repeat(12_000);
    for (sent, left, holds) in [
        (String::new(), None, false),
        (visit.clone(), None, true),
        (format!("session=s; {visit}; form=f"), Some("session=s; form=f".to_owned()), true),
        (format!("{visit}; {visit}; clearance=; challenge=."), None, true),
        (format!("visit={long}"), None, false),
        (format!("a={long}; {visit}"), Some(format!("a={long}")), true),
        (format!("visit={long}; {visit}"), None, false),
        ("session=s".to_owned(), Some("session=s".to_owned()), false),
        ("__Host-visit=x".to_owned(), Some("__Host-visit=x".to_owned()), false),
        ("; ;=;visit".to_owned(), Some("; ;=;visit".to_owned()), false),
    ] {
        let (shown, request) = ANN.shows(&passes, &sent, NOW);
        let rest = request.headers().get(COOKIE).map(|rest| rest.to_str().expect("text"));
        assert_eq!(rest, left.as_deref(), "{sent}");
        assert_eq!(shown.visit.is_some(), holds, "{sent}");
    }
}

#[test]
fn over_tls_cookies_are_prefixed_and_only_the_challenge_is_within_reach_of_scripts() {
    let passes = Passes::new(Arc::new(Sealer::new(&[7; 32])), Transport::Secure, 99);
    assert_eq!(passes.challenge_cookie(), "__Host-challenge");
    let challenge = passes.challenge(ANN.address(), &ANN.headers(), NOW).expect("a cookie");
    let (_, request) = ANN.shows(&passes, &answered(&pair(Some(challenge.clone()))), NOW);
    let carried = request.extensions().get::<Carried>().expect("cookies").clone();
    let [clearance, gone] = carried.cookies.map(|cookie| cookie.expect("a cookie"));
    for (cookie, is_hidden) in [
        (passes.visit(NOW).expect("a cookie"), true),
        (challenge, false),
        (clearance, true),
        (gone, true),
    ] {
        let text = cookie.to_str().expect("text");
        assert!(text.starts_with("__Host-"), "{text}");
        for word in ["; Path=/", "; SameSite=Lax", "; Secure", "; Max-Age="] {
            assert!(text.contains(word), "{text} lacks {word}");
        }
        assert_eq!(text.contains("; HttpOnly"), is_hidden, "{text}");
    }
}

#[test]
fn ids_are_all_different() {
    let passes = passes();
    let seen: std::collections::HashSet<_> = (0..10_000).map(|_| passes.id()).collect();
    assert_eq!(seen.len(), 10_000);
}

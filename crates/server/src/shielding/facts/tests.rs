//! What is learnt of a request, and what that asks of the allocator.

use super::*;
use crate::memory::counted::asked;
use gate::Wiring as _;
use http::Extensions;
use model::{AccountId, Timestamp, TokenId};
use std::net::SocketAddr;

const NOW_S: u64 = 1_800_000_000;

/// A time that stands still.
struct Still;

impl model::ports::Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(1_000 * NOW_S.cast_signed())
    }
}

fn wire() -> Wire {
    let sealer = Arc::new(Sealer::new(&[7; 32]));
    let passes = Arc::new(Passes::new(Arc::clone(&sealer), Transport::Plain, 9));
    let answers = Answers::new(Arc::clone(&passes), "Here", api::cors(), Arc::new(Still));
    Wire {
        mode: ShieldMode::On,
        behind: None,
        sealer,
        transport: Transport::Plain,
        routes: Routes::new(),
        members: Arc::new(Members::beginning_at(NOW_S)),
        ids: RequestIds::starting_at(5),
        passes,
        answers: answers.expect("answers"),
        notes: Notes::default(),
        clock: Clock::starting_at(NOW_S),
        is_peace: true.into(),
    }
}

/// A request as the edge hands it on.
fn request(path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(()).expect("a request");
    let of = |last| SocketAddr::from(([192, 0, 2, last], 443));
    request.extensions_mut().insert(edge::ConnectionInfo::new(of(7), of(1)));
    request
}

const BROWSER: [(&str, &str); 6] = [
    ("host", "here.example"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "de,en-US;q=0.7,en;q=0.3"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("referer", "https://elsewhere.example/"),
];

/// Looks at the same request again and again, and says how often each look asks for memory.
#[track_caller]
fn check(path: &str, headers: &[(&str, &str)], is_member: bool, expected: u64) {
    let wire = wire();
    let all: Vec<_> = (0..100).map(|_| request(path, headers)).collect();
    for (at, mut request) in all.into_iter().enumerate() {
        let (facts, asked) = asked(|| wire.facts(&mut request));
        let (facts, _) = facts.expect("it is decided on");
        assert_eq!(facts.credentials.member.is_some(), is_member, "{path}");
        // The first of an account is remembered for a day.
        assert!(at == 0 || asked == expected, "{path} {headers:?}: asked {asked} times");
    }
}

#[test]
fn what_is_learnt_of_a_stranger_asks_for_no_memory() {
    check("/@ann", &BROWSER, false, 0);
    check("/api/v1/timelines/public?limit=20", &[("host", "here.example")], false, 0);
    check("/nowhere/at/all.php", &[], false, 0);
    let of_another = [BROWSER.as_slice(), &[("cookie", "theirs=1; more=2")]].concat();
    let (wire, mut request) = (wire(), request("/@ann", &of_another));
    let (_, most) = asked(|| wire.facts(&mut request));
    assert!(most <= 8, "cookies that are not ours: asked {most} times");
}

#[test]
fn what_is_learnt_of_a_member_asks_twice() {
    let sealer = Sealer::new(&[7; 32]);
    let id = |number: i64| (((NOW_S.cast_signed() - 9_000_000) * 1_000) << 16) | number;
    let (token, account) = (TokenId::new(id(1)), AccountId::new(id(2)));
    let text = api::issue_token(&sealer, token.expect("an id"), account);
    let bearer = format!("Bearer {text}");
    // The token's bytes, and a note for rooms further in.
    let headers = [("host", "here.example"), ("authorization", bearer.as_str())];
    check("/api/v1/timelines/home", &headers, true, 2);
}

#[test]
fn a_refusal_asks_for_little() {
    let wire = wire();
    let verdict = Verdict { standing: Standing::Stranger, overruled: None };
    let reason = shield::decide::Reason::Share;
    let refusal = shield::decide::Refusal { status: 429, retry_after_s: 3, reason };
    let turned = TurnedAway::Refused(refusal);
    let mut most = 0;
    for at in 0..200 {
        let mut request = request("/api/v1/timelines/public", &[("host", "here.example")]);
        let (facts, _) = wire.facts(&mut request).expect("it is decided on");
        let (answer, asked) = asked(|| wire.turned_away(&request, &turned, &facts, verdict));
        assert_eq!(answer.status(), 429);
        // The first of a second are noted.
        most = if at < 100 { 0 } else { most.max(asked) };
    }
    assert_eq!(most, REFUSAL_ASKS, "more, or less than is said here");
}

/// Its headers' two tables, its body and its id.
const REFUSAL_ASKS: u64 = 5;

#[test]
fn nothing_is_left_to_rooms_further_in_of_who_shows_nothing() {
    let (wire, mut request) = (wire(), request("/@ann", &BROWSER));
    let before = request.extensions().len();
    wire.facts(&mut request).expect("it is decided on");
    assert_eq!(Extensions::len(request.extensions()), before);
}

//! What who is turned away is answered, by what was asked and how; and which cookies go with what.

use super::*;
use axum::Router;
use axum::routing::get;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_SECURITY_POLICY, COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use http_body_util::BodyExt as _;
use httpkit::hook::Hooked;
use httpkit::{Sealer, cookie::Transport, puzzle};
use model::Timestamp;
use shield::decide::Credentials;
use tower::ServiceExt as _;

const NOW_S: i64 = 1_800_000_000;
const BROWSER: [(&str, &str); 3] = [
    ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("user-agent", "Mozilla/5.0"),
];
const PLAIN: [(&str, &str); 1] = [("accept", "text/html")];

/// A clock that the test moves.
#[derive(Default)]
struct Hands(AtomicU64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.0.load(Ordering::Relaxed)).expect("small");
        Timestamp::from_ms((NOW_S + passed) * 1_000)
    }
}

struct House {
    passes: Arc<Passes>,
    answers: Arc<Answers>,
    hands: Arc<Hands>,
}

fn house() -> House {
    let sealer = Arc::new(Sealer::new(&[7; 32]));
    let passes = Arc::new(Passes::new(sealer, Transport::Plain, 99));
    let hands = Arc::new(Hands::default());
    let clock = Arc::clone(&hands) as Arc<dyn Clock>;
    let answers = Answers::new(Arc::clone(&passes), "Here", api::cors(), clock);
    House { passes, answers: answers.expect("answers"), hands }
}

fn address() -> IpAddr {
    "192.0.2.1".parse().expect("an address")
}

fn request(line: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let (method, path) = line.split_once(' ').expect("a method and a path");
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).expect("a request")
}

/// An answer as it is told apart.
struct Told {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Told {
    async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        Self { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The pairs that a browser keeps.
    fn cookies(&self) -> Vec<String> {
        let all = self.headers.get_all(SET_COOKIE).iter();
        let pair = |cookie: &HeaderValue| {
            let text = cookie.to_str().expect("text");
            text.split(';').next().unwrap_or_default().to_owned()
        };
        all.map(pair).collect()
    }
}

impl House {
    fn now(&self) -> u64 {
        self.answers.now_unix_s()
    }

    /// Turns a request away, after its cookies were taken.
    async fn turn(&self, mut asked: Request<Body>, turned: TurnedAway, door: Door) -> Told {
        self.passes.take(&mut asked, address(), self.now());
        let answers = &self.answers;
        let id = HeaderValue::from_static("0123456789abcdef");
        Told::of(answers.turned_away(&asked, &turned, address(), door, id)).await
    }

    /// Serves a request, behind the hook.
    async fn serve(&self, mut asked: Request<Body>) -> (Credentials, Told) {
        let shown = self.passes.take(&mut asked, address(), self.now());
        let seen = async |asked: Request<Body>| {
            let cookie = asked.headers().get(COOKIE).and_then(|cookie| cookie.to_str().ok());
            axum::response::Html(format!("a page, asked with {}", cookie.unwrap_or("nothing")))
        };
        let router = Router::new().route("/page", get(seen).post(seen)).route("/api", get("{}"));
        let service = Hooked::new(router, self.answers.cookies());
        let response = service.oneshot(asked).await.expect("an answer");
        (shown, Told::of(response).await)
    }
}

const fn refused(reason: Reason) -> TurnedAway {
    TurnedAway::Refused(Refusal { status: reason.status(), retry_after_s: 5, reason })
}

const ROOM: TurnedAway = TurnedAway::WaitingRoom { retry_after_s: 1 };

#[tokio::test]
async fn who_asks_for_a_page_gets_one_and_who_asks_for_anything_else_gets_json() {
    let house = house();
    let html = &PLAIN[..];
    for (line, headers, door, turned, status, again, reason, page) in [
        ("GET /@ann", html, Door::Page, TurnedAway::Challenge, 503, "3", "challenge", true),
        ("HEAD /@ann", html, Door::Page, TurnedAway::Challenge, 503, "3", "challenge", true),
        ("GET /@ann", html, Door::Page, ROOM, 503, "3", "waiting_room", true),
        ("POST /login", html, Door::Page, TurnedAway::Challenge, 503, "3", "challenge", true),
        ("GET /@ann", html, Door::Page, refused(Reason::Pressure), 503, "5", "pressure", true),
        ("GET /@ann", html, Door::Page, refused(Reason::Share), 429, "5", "share", true),
        ("GET /@ann", html, Door::Page, refused(Reason::Degraded), 503, "5", "degraded", true),
        ("GET /x", &[("accept", "image/*")][..], Door::Page, ROOM, 503, "1", "waiting_room", false),
        ("GET /x", &[][..], Door::Page, TurnedAway::Challenge, 503, "3", "challenge", false),
        (
            "GET /x",
            &[("accept", "text/html;q=0")][..],
            Door::Page,
            ROOM,
            503,
            "1",
            "waiting_room",
            false,
        ),
        ("GET /api/v1/x", html, Door::Api, refused(Reason::Pressure), 503, "5", "pressure", false),
        ("GET /api/v1/x", html, Door::Api, refused(Reason::Share), 429, "5", "share", false),
        (
            "GET /api/v1/streaming",
            html,
            Door::Stream,
            refused(Reason::Denied),
            429,
            "5",
            "denied",
            false,
        ),
        ("GET /feed", html, Door::Feed, refused(Reason::QueueFull), 503, "5", "queue", false),
        ("GET /status", html, Door::Status, refused(Reason::Pressure), 503, "5", "pressure", false),
    ] {
        let told = house.turn(request(line, headers), turned, door).await;
        assert_eq!((told.status, told.header(RETRY_AFTER)), (status, again), "{line} {turned:?}");
        assert_eq!(told.header("fulmar-reason"), reason, "{line}");
        assert_eq!(told.header(REQUEST_ID), "0123456789abcdef", "{line}");
        assert_eq!(told.header(CACHE_CONTROL), "no-store", "{line}");
        assert_eq!(told.header(X_CONTENT_TYPE_OPTIONS), "nosniff", "{line}");
        assert!(told.header(CONTENT_SECURITY_POLICY).starts_with("default-src 'none'"), "{line}");
        let is_page = told.header(CONTENT_TYPE) == "text/html; charset=utf-8";
        assert_eq!(is_page, page, "{line}: {}", told.text);
        let open = told.headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN);
        assert_eq!(
            open,
            line.contains("/api/"),
            "{line}: apps in browsers learn when to come back"
        );
        if !page {
            let body: serde_json::Value = serde_json::from_str(&told.text).expect("JSON");
            assert_eq!(body["request_id"], "0123456789abcdef");
            assert!(body["error"].as_str().is_some_and(|text| !text.contains("Fulmar")));
            assert!(told.cookies().is_empty(), "{line}: {:?}", told.cookies());
        }
    }
}

#[tokio::test]
async fn pages_leave_packed_for_who_can_unpack_them() {
    let house = house();
    for (headers, packed) in [(&BROWSER[..], true), (&PLAIN[..], false)] {
        let told = house.turn(request("GET /", headers), TurnedAway::Challenge, Door::Page).await;
        assert_eq!(told.header("content-encoding") == "gzip", packed);
    }
}

#[tokio::test]
async fn a_challenge_is_answered_and_its_browser_is_let_in() {
    let house = house();
    let told = house.turn(request("GET /page", &PLAIN), TurnedAway::Challenge, Door::Page).await;
    assert!(told.text.contains("<script>") && told.text.contains("data-cookie=\"challenge\""));
    let [challenge] = told.cookies().try_into().expect("one cookie");
    let text = challenge.strip_prefix("challenge=").expect("a challenge").to_owned();
    let bits = told.text.split_once("data-bits=\"").and_then(|(_, rest)| rest.split('"').next());
    let bits: u8 = bits.and_then(|bits| bits.parse().ok()).expect("a number");
    let answer = puzzle::answer(&text, bits).expect("an answer");
    let cookies = format!("theme=dark; {challenge}.{answer}");
    let asked = request("GET /page", &[PLAIN[0], ("cookie", &cookies)]);
    let (shown, told) = house.serve(asked).await;
    assert!(shown.clearance.is_some_and(|clearance| clearance.is_fresh));
    assert_eq!(told.text, "a page, asked with theme=dark");
    let [clearance, gone] = told.cookies().try_into().expect("two cookies");
    assert_eq!(gone, "challenge=");
    // From then on by its clearance alone.
    let asked = request("GET /page", &[PLAIN[0], ("cookie", &clearance)]);
    let (shown, told) = house.serve(asked).await;
    assert!(shown.clearance.is_some_and(|clearance| !clearance.is_fresh));
    assert_eq!((told.text.as_str(), told.cookies().len()), ("a page, asked with nothing", 0));
}

#[tokio::test]
async fn who_answered_and_has_to_wait_keeps_what_was_earned() {
    let house = house();
    let told = house.turn(request("GET /page", &PLAIN), TurnedAway::Challenge, Door::Page).await;
    let [challenge] = told.cookies().try_into().expect("one cookie");
    let (_, text) = challenge.split_once('=').expect("a pair");
    let answer = puzzle::answer(text, httpkit::limits::PUZZLE_BITS).expect("an answer");
    let cookie = format!("{challenge}.{answer}");
    let asked = || request("GET /page", &[PLAIN[0], ("cookie", &cookie)]);
    let told = house.turn(asked(), ROOM, Door::Page).await;
    assert!(told.text.contains("You are in line"), "{}", told.text);
    assert!(told.cookies()[0].starts_with("clearance="), "{:?}", told.cookies());
    let told = house.turn(asked(), refused(Reason::QueueFull), Door::Page).await;
    assert!(told.cookies()[0].starts_with("clearance="), "{:?}", told.cookies());
}

#[tokio::test]
async fn who_waits_without_scripts_keeps_the_place_and_may_still_answer() {
    let house = house();
    let told = house.turn(request("GET /page", &PLAIN), TurnedAway::Challenge, Door::Page).await;
    let [ticket] = told.cookies().try_into().expect("one cookie");
    house.hands.0.store(3, Ordering::Relaxed);
    let again = request("GET /page", &[PLAIN[0], ("cookie", &ticket)]);
    let told = house.turn(again, ROOM, Door::Page).await;
    assert!(told.text.contains("<noscript><meta http-equiv=\"refresh\" content=\"3\">"));
    assert!(told.cookies().is_empty(), "no other place at the end of the line");
    let again = request("GET /page", &[PLAIN[0], ("cookie", &ticket)]);
    let (shown, _) = house.serve(again).await;
    assert_eq!(shown.waiting_since_unix_s, Some(house.now() - 3));
    // What was sent and not taken earns a place as well.
    let told = house.turn(request("POST /page", &PLAIN), TurnedAway::Challenge, Door::Page).await;
    assert!(told.text.contains("Go back and send it once more"), "{}", told.text);
    assert!(!told.text.contains("http-equiv"), "nothing is sent twice by itself");
    assert_eq!(told.cookies().len(), 1);
}

#[tokio::test]
async fn visits_are_given_with_pages_in_peace_to_who_has_none() {
    let house = house();
    let (_, told) = house.serve(request("GET /page", &PLAIN)).await;
    let [visit] = told.cookies().try_into().expect("one cookie");
    assert!(visit.starts_with("visit="), "{visit}");
    for (line, cookie, given) in [
        ("GET /page", visit.as_str(), false),
        ("GET /page", "visit=forged", true),
        ("GET /page", "session=s", true),
        ("POST /page", "", false),
        ("GET /api", "", false),
        ("GET /nowhere", "", false),
    ] {
        let (_, told) = house.serve(request(line, &[PLAIN[0], ("cookie", cookie)])).await;
        assert_eq!(told.cookies().len(), usize::from(given), "{line} with {cookie}");
    }
    for headers in [&[][..], &[("accept", "*/*")]] {
        let (_, told) = house.serve(request("GET /page", headers)).await;
        assert_eq!(told.cookies().len(), 0, "scripts: {headers:?}");
    }
    house.turn(request("GET /page", &PLAIN), refused(Reason::Pressure), Door::Page).await;
    for (later, given) in [(0, false), (PEACE_AFTER_S, false), (PEACE_AFTER_S + 1, true)] {
        house.hands.0.store(later, Ordering::Relaxed);
        let (_, told) = house.serve(request("GET /page", &PLAIN)).await;
        assert_eq!(told.cookies().len(), usize::from(given), "{later} s after");
    }
}

//! Tests of single decisions; how many of them behave together is tried in `sim`.

use std::net::{IpAddr, Ipv4Addr};

use super::*;

const SECOND_US: u64 = 1_000_000;
/// A day well after 1970, so that there is room for ages.
const START_S: u64 = 20_000 * 86_400;
const COST_NS: u64 = 1_000_000;

fn at_us(us: u64) -> Now {
    Now { us, unix_s: START_S + us / SECOND_US }
}

fn settings() -> Settings {
    Settings { sources: 4_096, ..Settings::for_cores(1) }
}

fn state() -> State {
    State::new(settings(), [7; 16], at_us(0))
}

const PAGE: Route =
    Route { id: RouteId(1), criticality: Criticality::Usual, work: Work::Plain, door: Door::Page };

fn stranger(host: u32) -> Facts {
    Facts {
        address: IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + host)),
        direct: true,
        credentials: Credentials::default(),
        route: PAGE,
        traits: [1; TRAITS],
    }
}

fn member(account: u64) -> Facts {
    let member = Member { account, created_unix_s: START_S - 100 * 86_400, active_days: 60 };
    let credentials = Credentials { member: Some(member), ..Credentials::default() };
    Facts { credentials, ..stranger(1_000_000) }
}

/// Runs a second of requests, a settled one for each thousandth in which one is served.
struct Run {
    state: State,
    now_us: u64,
}

impl Run {
    /// A machine at ten times its capacity for three seconds: requests of 1 ms, 10,000 a second,
    /// from as many addresses as given.
    fn overloaded(addresses: u32) -> Self {
        Self::overloaded_with(addresses, settings())
    }

    fn overloaded_with(addresses: u32, settings: Settings) -> Self {
        let mut run = Self { state: State::new(settings, [7; 16], at_us(0)), now_us: 0 };
        run.flood(3, addresses);
        assert!(run.state.pressed());
        run
    }

    fn now(&self) -> Now {
        at_us(self.now_us)
    }

    fn flood(&mut self, seconds: u64, addresses: u32) {
        for at in 0..seconds * 10_000 {
            self.now_us += 100;
            let host = u32::try_from(at).expect("small") % addresses;
            let facts = stranger(host << 8);
            let _ = self.ask(&facts);
        }
    }

    /// Decides, and settles at once what is served.
    fn ask(&mut self, facts: &Facts) -> &'static str {
        let now = self.now();
        self.state.tick(now);
        while let Some((_, called)) = self.state.next(now) {
            if let Called::Serve(admission) = called {
                self.state.settle(admission, Outcome::Ended { cost_ns: COST_NS }, now);
            }
        }
        match decide(&mut self.state, facts, now) {
            Decision::Serve(admission) => {
                self.state.settle(admission, Outcome::Ended { cost_ns: COST_NS }, now);
                "serve"
            }
            Decision::Queue(_) => "queue",
            Decision::Challenge => "challenge",
            Decision::WaitingRoom { .. } => "waiting room",
            Decision::Refuse(refusal) => refusal.reason.code(),
        }
    }

    /// What a thousand requests get that come over ten seconds, as a part that is served or queued.
    fn part_taken(&mut self, facts: impl Fn(u32) -> Facts) -> f64 {
        let mut taken = 0;
        for at in 0..1_000 {
            self.flood_ms(10);
            taken += u32::from(matches!(self.ask(&facts(at)), "serve" | "queue"));
        }
        f64::from(taken) / 1_000.0
    }

    fn flood_ms(&mut self, ms: u64) {
        for at in 0..ms * 10 {
            self.now_us += 100;
            let facts = stranger((u32::try_from(at).expect("small") % 5_000) << 8);
            let _ = self.ask(&facts);
        }
    }
}

#[test]
fn in_peace_everybody_is_served() {
    let mut run = Run { state: state(), now_us: 0 };
    for at in 0..2_000 {
        run.now_us += 2_000;
        assert_eq!(run.ask(&stranger(at)), "serve");
    }
    assert!(!run.state.pressed());
}

#[test]
fn a_burst_in_peace_is_queued_and_nobody_is_refused() {
    let mut run = Run { state: state(), now_us: 0 };
    (0..50).for_each(|at| {
        run.now_us += 10_000;
        assert_eq!(run.ask(&stranger(at)), "serve");
    });
    let now = run.now();
    let mut places = 0;
    for at in 0..200 {
        match decide(&mut run.state, &stranger(at), now) {
            Decision::Serve(admission) => {
                run.state.settle(admission, Outcome::Ended { cost_ns: COST_NS }, now);
            }
            Decision::Queue(_) => places += 1,
            other => panic!("refused in peace: {other:?}"),
        }
    }
    assert!(places > 150, "{places}");
    let mut served = 0;
    for _ in 0..400 {
        run.now_us += 1_000;
        let now = run.now();
        run.state.tick(now);
        while let Some((_, called)) = run.state.next(now) {
            match called {
                Called::Serve(admission) => {
                    served += 1;
                    run.state.settle(admission, Outcome::Ended { cost_ns: COST_NS }, now);
                }
                Called::Refuse(refusal) => panic!("refused in peace: {refusal:?}"),
            }
        }
    }
    assert_eq!(served, places);
}

#[test]
fn at_ten_times_the_capacity_members_are_served_and_strangers_share_the_rest() {
    let mut run = Run::overloaded(5_000);
    assert_eq!(run.part_taken(|at| member(u64::from(at % 50))), 1.0);
    let before = run.state.snapshot(run.now());
    run.flood(5, 5_000);
    let after = run.state.snapshot(run.now());
    let served = after.tally(Standing::Stranger).served - before.tally(Standing::Stranger).served
        + after.tally(Standing::Suspect).served
        - before.tally(Standing::Suspect).served;
    assert!((3_000..6_000).contains(&served), "{served} of the 5,000 that there is room for");
}

#[test]
fn an_account_made_since_the_attack_began_is_a_stranger() {
    let run = Run::overloaded(5_000);
    let since = run.state.snapshot(run.now()).pressed_since_unix_s.expect("pressed");
    let standing = |created_unix_s| {
        let mut facts = member(5_000);
        if let Some(member) = &mut facts.credentials.member {
            member.created_unix_s = created_unix_s;
        }
        rank::recognise(&run.state, &facts, run.now()).standing
    };
    assert_eq!(standing(since - 1), Standing::Member);
    assert_eq!(standing(since), Standing::Stranger);
}

#[test]
fn a_token_that_floods_ranks_below_the_visitors_whom_it_would_crowd_out() {
    let mut run = Run { state: state(), now_us: 0 };
    for _ in 0..50_000 {
        run.now_us += 100;
        let _ = run.ask(&member(1));
    }
    let mut visitor = stranger(9);
    let cookie = Visit { id: 4, given_unix_s: START_S - 20 * 86_400 };
    visitor.credentials.visit = Some(cookie);
    let now = run.now();
    let rank = |state: &State, facts: &Facts| {
        let who = rank::recognise(state, facts, now);
        rank::of(state, facts, &who, None, now).0
    };
    let (flooding, familiar) = (rank(&run.state, &member(1)), rank(&run.state, &visitor));
    let calm = rank(&run.state, &member(2));
    assert!(flooding < familiar && familiar < calm, "{flooding} {familiar} {calm}");
    assert!(matches!(run.ask(&member(2)), "serve" | "queue"));
}

#[test]
fn only_pages_are_challenged() {
    let mut run = Run::overloaded(5_000);
    for door in [Door::Api, Door::Stream, Door::Federation, Door::Feed, Door::Status] {
        for at in 0..500 {
            run.now_us += 100;
            let mut facts = stranger(0x00f0_0000 + at);
            facts.route.door = door;
            let answer = run.ask(&facts);
            assert!(!matches!(answer, "challenge" | "waiting room"), "{door:?}: {answer}");
        }
    }
    assert!(run.state.snapshot(run.now()).tally(Standing::Stranger).challenged > 0);
}

#[test]
fn few_addresses_that_go_on_are_learnt_then_denied_and_challenges_stop() {
    let mut run = Run::overloaded(50);
    run.flood(20, 50);
    let seen = run.state.snapshot(run.now());
    // The last few stay: there is room for five of the fifty, and who fits is served.
    assert!((42..=50).contains(&seen.denied), "{}", seen.denied);
    let denials: Vec<Denial> = std::iter::from_fn(|| run.state.next_denial()).collect();
    assert_eq!(denials.len(), seen.denied);
    assert!(denials.iter().all(|denial| denial.seconds == 60));
    let before = seen.tally(Standing::Stranger).challenged;
    run.flood(10, 50);
    let after = run.state.snapshot(run.now());
    assert_eq!(after.tally(Standing::Stranger).challenged, before, "challenges have stopped");
    assert!(!after.challenging);
}

#[test]
fn an_answered_challenge_is_heard_of_once_whatever_becomes_of_its_request() {
    let mut run = Run::overloaded(5_000);
    // One who is not taken for any of the five thousand.
    let doubted = |of: &Facts| {
        let address = facts::Origin::of(&run.state.key, of.address).address;
        run.state.offenders.doubt(address, run.now_us)
    };
    let mut facts = (0x00f0_0000..).map(stranger).find(|of| doubted(of) == 0).expect("one of them");
    // Of a kind that is switched off for strangers by now.
    facts.route.work = Work::Search;
    let address = facts::Origin::of(&run.state.key, facts.address).address;
    (0..8).for_each(|_| run.state.offenders.challenged(address, run.now_us));
    for (is_fresh, doubt) in [(true, 20), (false, 20), (false, 20), (true, 8)] {
        facts.credentials.clearance = Some(Clearance { id: 1, is_fresh });
        assert_eq!(run.ask(&facts), "degraded");
        assert_eq!(run.state.offenders.doubt(address, run.now_us), doubt);
    }
}

#[test]
fn where_denials_are_off_nothing_goes_to_the_kernel() {
    let mut run = Run::overloaded_with(50, Settings { denials: false, ..settings() });
    run.flood(20, 50);
    assert_eq!(run.state.next_denial(), None);
    assert_eq!(run.state.snapshot(run.now()).denied, 0);
}

#[test]
fn an_address_that_serves_a_member_is_never_denied() {
    let mut run = Run { state: state(), now_us: 0 };
    let mut at_home = member(3);
    at_home.address = stranger(0).address;
    assert_eq!(run.ask(&at_home), "serve");
    run.flood(25, 50);
    let denied: Vec<Denial> = std::iter::from_fn(|| run.state.next_denial()).collect();
    assert!((42..50).contains(&denied.len()), "{}", denied.len());
    assert!(denied.iter().all(|denial| denial.address != at_home.address));
    assert!(matches!(run.ask(&at_home), "serve" | "queue"));
}

#[test]
fn cancelled_handlers_are_charged() {
    let mut run = Run { state: state(), now_us: 0 };
    let now = run.now();
    let depth = |run: &Run| run.state.snapshot(run.now()).depth_ms;
    let Decision::Serve(admission) = decide(&mut run.state, &stranger(1), now) else {
        panic!("served in peace")
    };
    let estimate_ms = number::real(admission.estimate_ns()) / 1e6;
    run.state.settle(admission, Outcome::Cancelled { cost_ns: None }, now);
    assert!((depth(&run) - estimate_ms).abs() < 1e-9, "the estimate stands");
    let Decision::Serve(admission) = decide(&mut run.state, &stranger(1), now) else {
        panic!("served in peace")
    };
    run.state.settle(admission, Outcome::Cancelled { cost_ns: Some(0) }, now);
    assert!((depth(&run) - estimate_ms).abs() < 1e-9, "it had cost nothing yet");
}

#[test]
fn observing_counts_and_serves_everybody() {
    let mut run = Run { state: state(), now_us: 0 };
    run.state.settings.observe = true;
    let mut served = 0;
    for at in 0..30_000 {
        run.now_us += 100;
        served += u32::from(run.ask(&stranger((at % 5_000) << 8)) == "serve");
    }
    assert_eq!(served, 30_000);
    let tally = run.state.snapshot(run.now()).tally(Standing::Stranger);
    assert!(tally.refused + tally.challenged > 10_000, "{tally:?}");
}

#[test]
fn a_saved_profile_comes_back_under_its_key_only() {
    let mut run = Run { state: state(), now_us: 0 };
    for at in 0..1_000 {
        run.now_us += 400_000;
        assert_eq!(run.ask(&stranger(at << 8)), "serve");
    }
    let now = run.now();
    assert!(run.state.snapshot(now).profile > 500.0);
    let saved = run.state.save(now);
    let mut other = state();
    other.load(&saved, now).expect("the same key");
    // What was learnt last is kept as well, though it has not joined the profile in memory.
    let kept = other.snapshot(now).profile;
    assert!((kept - 1_000.0).abs() < 5.0, "{kept}");
    let mut foreign = State::new(settings(), [8; 16], now);
    assert_eq!(foreign.load(&saved, now), Err(SavedError::OfAnother));
    for cut in [0, 7, 30, saved.len() / 2, saved.len() - 1] {
        let mut third = state();
        let part = saved.get(..cut).expect("shorter");
        assert_eq!(third.load(part, now), Err(SavedError::Malformed), "cut at {cut}");
    }
    let mut aged = state();
    let later = Now { us: 0, unix_s: now.unix_s + 14 * 86_400 };
    aged.load(&saved, later).expect("the same key");
    let kept = aged.snapshot(later).profile / 1_000.0;
    assert!((kept - (-1.0_f64).exp()).abs() < 5e-3, "{kept}");
}

#[test]
fn what_is_dated_back_was_known_before() {
    let mut run = Run { state: state(), now_us: 0 };
    for at in 0..500 {
        run.now_us += 1_000;
        assert_eq!(run.ask(&stranger(at << 8)), "serve");
    }
    let now = run.now();
    let mut saved = run.state.save(now);
    let familiar = |bytes: &[u8]| {
        let mut again = Run { state: state(), now_us: run.now_us };
        again.state.load(bytes, now).expect("the same key");
        assert_eq!(again.ask(&stranger(7 << 8)), "serve");
        let tally = again.state.snapshot(again.now()).tally(Standing::FamiliarAddress);
        tally.served
    };
    assert_eq!(familiar(&saved), 0, "seen today is not seen before");
    backdate(&mut saved, 2).expect("saved state");
    assert_eq!(familiar(&saved), 1);
    assert_eq!(backdate(&mut saved[..40], 2), Err(SavedError::Malformed));
    assert_eq!(backdate(&mut [1; 400], 2), Err(SavedError::Malformed));
}

#[test]
fn at_full_size_all_tables_fit_their_budget() {
    let state = State::new(Settings::for_cores(1), [7; 16], at_us(0));
    assert!(state.bytes() < 62 << 20, "{} MiB", state.bytes() >> 20);
}

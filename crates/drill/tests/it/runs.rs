//! Whole runs, of a second a phase, against servers that are known to be good or bad: what is
//! counted is what the server did.

use drill::{
    Defence, Glance, Plan, PopulationReport, Report, Stop, VectorReport, Verdict, Watch, vector,
};

use crate::toy::{Answer, Toy, said};

struct Nobody;

impl Watch for Nobody {
    fn glance(&mut self, _: &Glance) {}
    fn done(&mut self, _: &VectorReport) {}
}

fn run(answer: Answer, name: &str) -> Report {
    let crowd = drill::Crowd {
        members_per_s: 40.0,
        returning_per_s: 20.0,
        newcomers_per_s: 10.0,
        no_script_per_s: 10.0,
    };
    // Little, so that everybody is in time on a busy machine too.
    let plan =
        Plan { seconds: [1, 1, 1], crowd, offered_per_s_max: 80.0, brakes: false, ..Plan::QUICK };
    let vectors = [vector(name).expect("a vector")];
    let mut toy = Toy::serving(answer);
    drill::drill(&mut toy, &vectors, &plan, 11, &mut Nobody, &Stop::default()).expect("a run")
}

/// All populations of the phase of the attack.
fn attacked(report: &Report) -> Vec<(&'static str, PopulationReport)> {
    let phase = &report.vectors[0].phases[1];
    phase.populations.iter().map(|(name, population)| (*name, population.clone())).collect()
}

/// What a server answers that serves everybody.
fn good(line: &str) -> Option<String> {
    match line {
        _ if line.contains("/streaming/") => {
            Some("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_owned())
        }
        _ if line.starts_with("GET /api/") => said(200, "[]"),
        _ if line.starts_with("POST /api/") => said(200, "{}"),
        _ => said(200, "<h1>ann</h1>"),
    }
}

#[test]
fn who_is_served_is_counted_as_served() {
    let report = run(good, "page-flood");
    for (name, population) in attacked(&report) {
        assert!(population.attempted > 0, "{name}: nobody came");
        assert_eq!(population.served, population.attempted, "{name}");
        assert!(population.p99_ms.is_some() && population.challenged == 0, "{name}");
    }
    let attack = report.vectors[0].phases[1].attack.as_ref().expect("an attack");
    assert!(attack.offered > 0 && attack.served > 0 && attack.sources > 1, "{}", attack.offered);
    // Three members' requests and visits for a second show nothing of 99.9 %.
    assert_ne!(report.overall, Verdict::Pass);
}

#[test]
fn who_is_refused_is_counted_as_refused() {
    let report = run(|_| said(503, "later"), "forged-token");
    for (name, population) in attacked(&report) {
        assert_eq!((population.served, population.failed), (0, 0), "{name}");
        assert_eq!(population.refused, population.attempted, "{name}");
    }
    // Whoever refuses people in calm is judged for it: that is no void run.
    assert_eq!(report.overall, Verdict::Fail, "{:?}", report.vectors[0].why);
    let broken: Vec<_> = report.vectors[0].bounds.iter().filter(|b| b.ok == Some(false)).collect();
    assert!(broken.iter().any(|bound| bound.name == "refused_in_calm"));
    let attack = report.vectors[0].phases[1].attack.as_ref().expect("an attack");
    assert_eq!(attack.served, 0);
}

#[test]
fn an_answer_of_the_wrong_kind_is_a_failure() {
    // Pages without the name that was asked for, and members' requests with a page.
    let report = run(|_| said(200, "<h1>welcome</h1>"), "page-flood");
    for (name, population) in attacked(&report) {
        let streams = if name == "members" { 3 } else { 0 };
        assert!(population.served <= streams, "{name}: {}", population.served);
        assert_eq!(population.served + population.failed, population.attempted, "{name}");
    }
}

#[test]
fn newcomers_follow_a_waiting_room_to_the_page() {
    let wait = |line: &str| match line {
        _ if line.contains("/waiting") => Some(
            "HTTP/1.1 302 x\r\nLocation: /@ann\r\nSet-Cookie: t=1\r\nContent-Length: 0\r\n\r\n"
                .to_owned(),
        ),
        // Without its cookie nobody is told apart, so every third knock is let in.
        _ if line.starts_with("GET /@") => {
            use std::sync::atomic::{AtomicU32, Ordering};
            static KNOCKS: AtomicU32 = AtomicU32::new(0);
            match KNOCKS.fetch_add(1, Ordering::Relaxed) % 3 {
                2 => said(200, "<h1>ann</h1>"),
                _ => said(
                    503,
                    "<meta http-equiv=\"refresh\" content=\"0; url=/waiting?a=1&amp;b=2\">",
                ),
            }
        }
        _ => good(line),
    };
    let report = run(wait, "page-flood");
    for (name, population) in attacked(&report) {
        if name.starts_with("newcomers") {
            assert!(population.challenged > 0 && population.served > 0, "{name}");
        }
    }
}

/// The names of an object, sorted, without those that scripts may do without.
fn names(of: &serde_json::Value, besides: &[&str]) -> Vec<String> {
    let object = of.as_object().unwrap_or_else(|| panic!("no object: {of}"));
    for name in besides {
        assert!(object.contains_key(*name), "{name} is gone");
    }
    let mut names: Vec<_> = object.keys().filter(|name| !besides.contains(&&***name)).collect();
    names.sort();
    names.into_iter().cloned().collect()
}

#[test]
fn the_json_has_the_names_that_scripts_read_and_no_others_but_these() {
    let json = serde_json::to_value(run(good, "cache-bust")).expect("JSON");
    let besides = ["remarks", "compared"];
    assert_eq!(names(&json, &besides), ["machine", "overall", "seed", "vectors", "version"]);
    let vector = &json["vectors"][0];
    let besides = [
        "defence",
        "family",
        "models",
        "source",
        "parameters",
        "why",
        "resource",
        "seats",
        "capacity_cores",
        "calm_cores",
        "cost_us",
        "generated",
        "peak_open_files",
        "series",
    ];
    let read = [
        "bounds",
        "ceiling",
        "generator_lag_ms",
        "overload",
        "peak_rss_mb",
        "phases",
        "seed",
        "time_to_mitigate_s",
        "time_to_recover_s",
        "vector",
        "verdict",
    ];
    assert_eq!(names(vector, &besides), read);
    let phases = vector["phases"].as_array().expect("phases");
    let called: Vec<_> = phases.iter().map(|phase| phase["name"].as_str()).collect();
    assert_eq!(called, [Some("calm"), Some("attack"), Some("recovery")]);
    for phase in phases {
        let read = ["attack", "name", "populations", "seconds"];
        assert_eq!(names(phase, &["server_processor_s"]), read);
        let populations = &phase["populations"];
        let read = ["members", "newcomers", "newcomers_no_script", "returning"];
        assert_eq!(names(populations, &[]), read);
        for population in populations.as_object().expect("populations").values() {
            let read = [
                "attempted",
                "challenged",
                "failed",
                "longest_gap_ms",
                "p50_ms",
                "p999_ms",
                "p99_ms",
                "refused",
                "served",
            ];
            assert_eq!(names(population, &[]), read);
        }
        assert_eq!(phase["attack"].is_object(), phase["name"] == "attack");
    }
    let read = ["dropped", "dropped_kernel", "offered", "refused", "served", "sources"];
    let attack = &phases[1]["attack"];
    assert_eq!(names(attack, &["cookies", "unconnected", "held", "generator_share"]), read);
    for bound in vector["bounds"].as_array().expect("bounds") {
        assert_eq!(names(bound, &[]), ["limit", "name", "ok", "value"]);
    }
    let verdicts = ["pass", "fail", "void", "not_overloaded"];
    assert!(verdicts.contains(&vector["verdict"].as_str().expect("a word")), "{vector}");
}

#[test]
fn a_page_needs_nothing_else_to_be_looked_at() {
    let report = run(good, "cache-bust");
    let page = drill::html(&report);
    assert!(page.contains("<svg") && page.contains("cache-bust") && page.ends_with("</html>\n"));
    for fetched in ["<script", "src=", "<link", "@import", "url("] {
        assert!(!page.contains(fetched), "the page fetches or runs something: {fetched}");
    }
    let table = drill::table(&report);
    assert!(table.contains("overall:") && table.lines().all(|line| line.len() <= 100), "{table}");
}

#[test]
fn defences_stand_beside_each_other_and_only_the_last_is_judged() {
    let crowd = drill::Crowd {
        members_per_s: 20.0,
        returning_per_s: 5.0,
        newcomers_per_s: 5.0,
        no_script_per_s: 5.0,
    };
    let defences = &[Defence::None, Defence::Shield];
    let quick = Plan { seconds: [1, 1, 1], crowd, offered_per_s_max: 40.0, ..Plan::QUICK };
    let plan = Plan { brakes: false, defences, ..quick };
    let vectors = [vector("page-flood").expect("a vector")];
    let mut toy = Toy::serving(good);
    let report = drill::drill(&mut toy, &vectors, &plan, 5, &mut Nobody, &Stop::default());
    let report = report.expect("a report");
    let defended = |of: &[VectorReport]| of.iter().map(|one| one.defence).collect::<Vec<_>>();
    assert_eq!(defended(&report.vectors), [Defence::Shield]);
    assert_eq!(defended(&report.compared), [Defence::None]);
    // What serves everybody fails nowhere: such a vector proves nothing, and that is said.
    assert!(report.remarks.iter().any(|it| it.contains("page-flood")), "{:?}", report.remarks);
    assert!(drill::html(&report).contains("What the shield is worth"));
    let table = drill::table(&report);
    assert!(table.contains("  none ") && table.contains("  shield "), "{table}");
}

#[test]
fn a_run_that_is_stopped_judges_nothing() {
    let stop = Stop::default();
    stop.now();
    let plan = Plan::QUICK;
    let vectors = [vector("page-flood").expect("a vector")];
    let mut toy = Toy::serving(good);
    let report = drill::drill(&mut toy, &vectors, &plan, 1, &mut Nobody, &stop).expect("a report");
    assert!(report.vectors.is_empty() && report.overall == Verdict::Void);
}

//! Properties that hold over seeds. More seeds: `cargo run --release -p shield --example sim --
//! --search 50`.

use super::crowd::Population;
use super::vectors::{VECTORS, Vector};
use super::{Phase, Plan, broken, ceiling, run};

/// Runs a short form of some vectors and asks for everything that must hold.
#[track_caller]
fn hold(names: &[&str]) {
    for name in names {
        let vector = Vector::named(name).expect("a vector of this name");
        for seed in [11, 12] {
            let plan = Plan { seconds_max: 12, ..Plan::of(*vector, seed) };
            let broken = broken(vector, &run(&plan), &ceiling(vector, seed));
            assert!(broken.is_empty(), "{name}, seed {seed}: {broken:?}");
        }
    }
}

#[test]
fn floods_of_one_program_cost_nobody_anything() {
    hold(&["flood", "api-flood", "search-flood"]);
}

#[test]
fn wide_botnets_are_held() {
    hold(&["low-and-wide", "wide-crude", "shared-prefix"]);
}

#[test]
fn bots_that_change_their_looks_are_held() {
    hold(&["mutate", "random-looks"]);
}

#[test]
fn attacks_in_step_with_the_shield_are_held() {
    hold(&["resonate"]);
}

#[test]
fn attacks_that_stay_small_gain_nothing_by_it() {
    hold(&["brink", "mild"]);
}

#[test]
fn members_who_ask_for_all_there_is_leave_strangers_their_floor() {
    let vector = Vector::named("sleepers").expect("it is there");
    let old = Vector { ability: super::vectors::Ability::Accounts(400, 200), ..*vector };
    for seed in [51, 52] {
        let report = run(&Plan { seconds_max: 15, ..Plan::of(old, seed) });
        for population in [Population::Newcomers, Population::NewcomersNoScript] {
            let part = report.of(population, Phase::Attack).success();
            assert!(part >= 0.95, "seed {seed}: {part} of {}", population.name());
        }
    }
}

#[test]
fn bots_that_prepared_in_peace_are_held() {
    hold(&["warmed", "sleeper-cookies", "sleepers", "poison"]);
}

#[test]
fn bots_that_pass_for_newcomers_leave_these_their_share() {
    hold(&["solver", "waiter"]);
}

#[test]
fn every_vector_is_run_by_a_test_or_is_too_long_for_one() {
    let long = ["pulse", "hundredfold"];
    let source = include_str!("tests.rs");
    for vector in VECTORS {
        let named = source.contains(&format!("\"{}\"", vector.name));
        assert!(named || long.contains(&vector.name), "{}", vector.name);
    }
}

/// A vector that nothing fails proves nothing.
#[test]
fn without_the_shield_a_flood_takes_members_with_it() {
    let vector = Vector::named("flood").expect("it is there");
    let plan = Plan { seconds_max: 5, shield: false, ..Plan::of(*vector, 11) };
    let report = run(&plan);
    let members = report.of(Population::Members, Phase::Attack);
    assert!(members.latency_ms(0.5) > 5_000.0, "{} ms", members.latency_ms(0.5));
}

#[test]
fn honest_bursts_are_queued_and_nobody_is_refused() {
    for (seed, speed) in [(21, 1.0), (22, 0.9)] {
        let report = run(&Plan::honest(seed, speed));
        assert_eq!(report.refused_in_peace(), 0, "seed {seed}");
        assert!(report.of(Population::Members, Phase::Calm).served > 3_000);
    }
}

#[test]
fn a_machine_that_is_slower_or_faster_than_stated_is_found_out() {
    let vector = Vector::named("wide-crude").expect("it is there");
    for speed in [0.7, 1.2] {
        let plan = Plan { speed, seconds_max: 30, ..Plan::of(*vector, 31) };
        let report = run(&plan);
        assert!(report.of(Population::Members, Phase::Attack).success() >= 0.999, "{speed}");
        assert!(report.busy > 0.85 * speed, "{speed}: {} of the core used", report.busy);
        assert!(report.delay_max_ms() < 80.0, "{speed}: {} ms", report.delay_max_ms());
    }
}

#[test]
fn challenges_stop_once_the_bots_are_learnt() {
    let vector = Vector::named("flood").expect("it is there");
    let report = run(&Plan { seconds_max: 40, ..Plan::of(*vector, 41) });
    let (first, last) = report.challenges;
    assert!(first > 100 && last * 20 < first, "{first} in the first quarter, {last} in the last");
}

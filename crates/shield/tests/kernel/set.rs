//! What the set does to packets, to other tables, and to its own when it ends.

use std::net::IpAddr;

use shield::decide::Denial;
use shield::kernel::{Entry, KernelError, Outcome, TABLE, Why};

use crate::lab::{Lab, SERVER, SERVER_6, comes_true};

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn offender(text: &str) -> Entry {
    Entry::of(Denial { address: address(text), seconds: 60 })
}

/// Tables that there are where servers are.
fn tables(lab: &Lab) -> Vec<String> {
    lab.nft("list tables").lines().map(str::to_owned).collect()
}

#[test]
fn who_is_denied_is_dropped_and_others_are_served() {
    let Some(lab) = Lab::new() else { return };
    // One door on every address, by which IPv4 comes too; one on a single address.
    let (_wide, wide) = lab.listen("[::]:0");
    let (_narrow, narrow) = lab.listen(&format!("{SERVER}:0"));
    let (_other, other) = lab.listen("[::]:0");
    let set = lab.open(&[wide, narrow], &[]).expect("a set");
    assert!(set.at_entrance());
    let denied = ["10.77.0.2", "fd77:0:0:5::a"];
    let served = ["10.77.0.3", "fd77:0:0:6::a", "fd77:0:0:5::b"];
    let to = |from: &str| if from.contains(':') { SERVER_6 } else { SERVER };
    for from in denied.iter().chain(&served) {
        assert!(lab.reaches(from, to(from), wide.port()), "{from} before");
    }
    let outcome = set.deny(denied.map(offender)).expect("denied");
    assert_eq!(outcome, Outcome { denied: 2, ..Outcome::default() });
    for (from, expected) in [
        (denied[0], false),
        (denied[1], false),
        (served[0], true),
        (served[1], true),
        // Who has one address of a /64 has all of them.
        (served[2], false),
    ] {
        assert_eq!(lab.reaches(from, to(from), wide.port()), expected, "{from}");
    }
    assert!(!lab.reaches(denied[0], SERVER, narrow.port()), "at the narrow door");
    for from in denied {
        assert!(lab.reaches(from, to(from), other.port()), "{from} at another program's port");
    }
    let counted = set.list().expect("listed");
    let packets: u64 = counted.iter().map(|entry| entry.dropped.packets).sum();
    let all = set.dropped().expect("counted");
    assert!(all.packets >= 4 && all.packets == packets, "{all:?} {counted:?}");
}

#[test]
fn what_comes_in_by_an_interface_that_is_not_known_yet_is_dropped_too() {
    let Some(lab) = Lab::new() else { return };
    let (_door, door) = lab.listen("0.0.0.0:0");
    lab.run(&["ip", "addr", "del", &format!("{SERVER}/24"), "dev", "cable"]);
    let set = lab.open(&[door], &[]).expect("a set");
    lab.run(&["ip", "addr", "add", &format!("{SERVER}/24"), "dev", "cable"]);
    set.deny([offender("10.77.0.2")]).expect("denied");
    let refuses = |when: &str| {
        assert!(!lab.reaches("10.77.0.2", SERVER, door.port()), "{when}");
        assert!(lab.reaches("10.77.0.3", SERVER, door.port()), "{when}");
    };
    refuses("before routing");
    assert!(!lab.nft("list table inet fulmar").contains(SERVER));
    lab.serving(|| set.look_again());
    assert!(set.at_entrance() && lab.nft("list table inet fulmar").contains(SERVER));
    refuses("at the entrance");
    lab.run(&["ip", "link", "del", "cable"]);
    lab.serving(|| set.look_again());
    assert!(!lab.nft("list table inet fulmar").contains("cable"));
    assert_eq!(set.list().expect("listed").len(), 1, "who was denied still is");
}

#[test]
fn an_entry_ends_by_itself() {
    let Some(lab) = Lab::new() else { return };
    let (_door, door) = lab.listen(&format!("{SERVER}:0"));
    let set = lab.open(&[door], &[]).expect("a set");
    set.deny_one(Entry::by_operator(address("10.77.0.2"), 1)).expect("denied");
    assert!(!lab.reaches("10.77.0.2", SERVER, door.port()));
    comes_true("it is served again", || lab.reaches("10.77.0.2", SERVER, door.port()));
    comes_true("it is listed no more", || set.list().expect("listed").is_empty());
    assert!(set.dropped().expect("counted").packets > 0, "what was dropped stays counted");
}

#[test]
fn a_trusted_network_is_never_denied() {
    let Some(lab) = Lab::new() else { return };
    let (_door, door) = lab.listen(&format!("{SERVER}:0"));
    let never = ["10.77.0.0/30", "fd77:0:0:5::b/128", "2001:db8::/32"];
    let set = lab.open(&[door], &never).expect("a set");
    let entries = ["10.77.0.2", "10.77.0.5", "::ffff:10.77.0.3", "fd77:0:0:5::a", "2001:db8:7::1"];
    let outcome = set.deny(entries.map(offender)).expect("denied");
    assert_eq!(outcome, Outcome { denied: 1, spared: 4, full: 0 });
    let listed: Vec<IpAddr> = set.list().expect("listed").iter().map(|one| one.address).collect();
    assert_eq!(listed, [address("10.77.0.5")]);
    assert!(lab.reaches("10.77.0.2", SERVER, door.port()));
    let refused = set.deny_one(Entry::by_operator(address("10.77.0.2"), 60));
    assert!(matches!(refused, Err(KernelError::Spared)), "{refused:?}");
    for nobody in ["0.0.0.0", "224.0.0.1"] {
        let refused = set.deny_one(Entry::by_operator(address(nobody), 60));
        assert!(matches!(refused, Err(KernelError::NoAddress)), "{nobody} {refused:?}");
    }
}

#[test]
fn its_table_is_made_anew_and_gone_at_the_end_and_no_other_is_touched() {
    let Some(lab) = Lab::new() else { return };
    let (_door, door) = lab.listen(&format!("{SERVER}:0"));
    lab.nft("table inet host { set denied4 { type ipv4_addr; elements = { 10.77.0.9 }; }; }");
    lab.nft("table ip fulmar { counter kept { packets 7 bytes 700; }; }");
    // As another version, or somebody's hand, may have left it.
    lab.nft("table inet fulmar { set left_behind { type ipv4_addr; elements = { 10.77.0.3 }; }; }");
    let others = lab.nft("list table inet host") + &lab.nft("list table ip fulmar");
    let set = lab.open(&[door], &[]).expect("a set");
    assert_eq!(set.table(), TABLE);
    set.deny([offender("10.77.0.2")]).expect("denied");
    let own = lab.nft("list table inet fulmar");
    assert!(own.contains("10.77.0.2") && own.contains("comment \"offender\""), "{own}");
    assert!(!own.contains("left_behind"), "{own}");
    // Not even a firewall that is loaded again takes it away while we live.
    lab.nft("flush ruleset");
    assert!(lab.nft("list table inet fulmar").contains("10.77.0.2"));
    lab.nft("table inet host { set denied4 { type ipv4_addr; elements = { 10.77.0.9 }; }; }");
    lab.nft("table ip fulmar { counter kept { packets 7 bytes 700; }; }");
    set.clear().expect("cleared");
    drop(set);
    assert_eq!(tables(&lab), ["table inet host", "table ip fulmar"]);
    assert_eq!(lab.nft("list table inet host") + &lab.nft("list table ip fulmar"), others);
}

#[test]
fn two_servers_of_one_machine_have_a_table_each() {
    let Some(lab) = Lab::new() else { return };
    let (_first, first_door) = lab.listen(&format!("{SERVER}:0"));
    let (_second, second_door) = lab.listen(&format!("{SERVER}:0"));
    let first = lab.open(&[first_door], &[]).expect("a set");
    let second = lab.open(&[second_door], &[]).expect("another");
    assert_eq!(second.table(), format!("{TABLE}_{}", second_door.port()));
    first.deny([offender("10.77.0.2")]).expect("denied");
    second.deny([offender("10.77.0.3")]).expect("denied");
    for (from, door, expected) in [
        ("10.77.0.2", first_door, false),
        ("10.77.0.2", second_door, true),
        ("10.77.0.3", first_door, true),
        ("10.77.0.3", second_door, false),
    ] {
        assert_eq!(lab.reaches(from, SERVER, door.port()), expected, "{from} {door}");
    }
    drop(second);
    assert_eq!(tables(&lab), ["table inet fulmar"]);
    assert_eq!(first.list().expect("listed").len(), 1);
}

#[test]
fn who_is_forgiven_is_served_at_once() {
    let Some(lab) = Lab::new() else { return };
    let (_door, door) = lab.listen(&format!("{SERVER}:0"));
    let set = lab.open(&[door], &[]).expect("a set");
    let all = ["10.77.0.2", "10.77.0.3", "fd77:0:0:5::"];
    set.deny(all.map(offender)).expect("denied");
    set.deny_one(Entry::by_operator(address("10.77.0.4"), 90)).expect("denied");
    let listed = set.list().expect("listed");
    let known: Vec<(IpAddr, Why, u64)> =
        listed.iter().map(|entry| (entry.address, entry.why, entry.lasts_ms)).collect();
    assert_eq!(
        known,
        [
            (address("10.77.0.2"), Why::Offender, 59_000),
            (address("10.77.0.3"), Why::Offender, 59_000),
            (address("10.77.0.4"), Why::Operator, 90_000),
            (address("fd77:0:0:5::"), Why::Offender, 59_000),
        ]
    );
    assert!(listed.iter().all(|entry| (1..=entry.lasts_ms).contains(&entry.left_ms)));
    assert!(!lab.reaches("10.77.0.2", SERVER, door.port()));
    assert!(set.forgive(address("10.77.0.2")).expect("forgiven"));
    assert!(!set.forgive(address("10.77.0.2")).expect("asked again"), "it was out already");
    assert!(lab.reaches("10.77.0.2", SERVER, door.port()));
    assert!(!lab.reaches("10.77.0.3", SERVER, door.port()));
    assert!(set.forgive(address("fd77:0:0:5::77")).expect("forgiven"), "by any of its addresses");
    set.clear().expect("cleared");
    assert!(set.list().expect("listed").is_empty());
    assert!(lab.reaches("10.77.0.3", SERVER, door.port()));
}

#[test]
fn it_takes_many_at_once_and_has_an_end() {
    let Some(lab) = Lab::new() else { return };
    let (_door, door) = lab.listen(&format!("{SERVER}:0"));
    let set = lab.open(&[door], &[]).expect("a set");
    let many = |network: u8| {
        (0..20_000_u32).map(move |at| {
            let [_, _, high, low] = at.to_be_bytes();
            offender(&format!("{network}.0.{high}.{low}"))
        })
    };
    assert_eq!(set.deny(many(100)).expect("denied").denied, 20_000);
    assert_eq!(set.list().expect("listed").len(), 20_000);
    let outcome = set.deny(many(101)).expect("no error");
    assert!(outcome.full > 0 && outcome.denied + outcome.full == 20_000, "{outcome:?}");
    let listed = set.list().expect("listed").len();
    assert_eq!(listed, 20_000 + outcome.denied);
    // Of the other family there is room.
    assert_eq!(set.deny([offender("fd77:0:0:5::a")]).expect("denied").denied, 1);
}

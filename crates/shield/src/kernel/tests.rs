//! What is written is what is read, and what the kernel might send wrongly ends quietly.

use std::net::IpAddr;

use super::netlink::{Attributes, Writer};
use super::{Entry, Why, table};
use crate::decide::Denial;
use crate::limits::kernel as limits;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn attributes_end_where_their_lengths_lie() {
    for (bytes, found) in [
        (&[][..], 0),
        (&[5, 0, 1, 0, 9][..], 1),
        (&[5, 0, 1, 0, 9, 0, 0, 0, 4, 0, 2, 0][..], 2),
        (&[0, 0, 1, 0, 9, 0, 0, 0][..], 0),
        (&[3, 0, 1, 0][..], 0),
        (&[255, 255, 1, 0, 9][..], 0),
        (&[5, 0, 1][..], 0),
    ] {
        assert_eq!(Attributes(bytes).count(), found, "{bytes:?}");
    }
}

#[test]
fn an_entry_stands_for_the_network_that_somebody_has() {
    for (given, stored) in [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
    ] {
        assert_eq!(table::stored(address(given)), address(stored), "{given}");
    }
}

#[test]
fn an_entry_ends_before_its_denial_does_and_never_later_than_a_day() {
    for (seconds, lasts_ms) in
        [(60, 59_000), (14_400, 14_399_000), (0, 1_000), (u32::MAX, 86_399_000)]
    {
        let entry = Entry::of(Denial { address: address("192.0.2.7"), seconds });
        assert_eq!((entry.lasts_ms, entry.why), (lasts_ms, Why::Offender), "{seconds}");
    }
    assert_eq!(Entry::by_operator(address("192.0.2.7"), u32::MAX).lasts_ms, 86_400_000);
}

#[test]
fn a_full_batch_fits_its_message() {
    let entry = Entry::by_operator(address("2001:db8::"), 60);
    let mut one = Writer::default();
    table::add(&mut one, super::TABLE, table::V6, &[entry]);
    let mut two = Writer::default();
    table::add(&mut two, super::TABLE, table::V6, &[entry, entry]);
    assert!(two.len() - one.len() <= limits::ENTRY_BYTES_MAX, "{}", two.len() - one.len());
    let mut batch = Writer::default();
    table::add(&mut batch, super::TABLE, table::V6, &vec![entry; limits::BATCH_MAX]);
    assert!(!batch.is_too_long());
    table::add(&mut batch, super::TABLE, table::V6, &vec![entry; 4 * limits::BATCH_MAX]);
    assert!(batch.is_too_long());
}

#[test]
fn the_words_of_reasons_come_back() {
    for why in [Why::Offender, Why::Operator] {
        assert_eq!(Why::of(why.code().as_bytes()), why);
    }
    assert_eq!(Why::of(b"else"), Why::Unknown);
}

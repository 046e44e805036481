//! Request bodies in memory: one budget for all, from which nobody is shut out by who sends most.

use shield::edge::{Cut, Options};

use crate::stand::{Stand, Wire, lasting, poll};

const MOST: u64 = 256 * 1024;

fn tight() -> Options {
    Options { body_bytes_max: MOST, ..lasting() }
}

/// A body is announced, and a part of it sent.
async fn half_sent(stand: &Stand, last: u8, announced: usize, sent: usize) -> Wire {
    let mut wire = stand.dial_from(last).await;
    let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {announced}\r\n\r\n");
    wire.send(head.as_bytes()).await;
    wire.send(&vec![b'x'; sent]).await;
    wire
}

/// A small form of somebody else is taken, and answered.
pub async fn takes_a_form(stand: &Stand) {
    let mut wire = half_sent(stand, 99, 2_000, 1_000).await;
    wire.send(&[vec![b'x'; 995], b"done!".to_vec()].concat()).await;
    let answer = wire.until("done!").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "a good client got {answer:?}");
}

#[tokio::test]
async fn what_was_sent_is_charged_until_it_is_answered() {
    let stand = Stand::new(tight());
    let mut wire = half_sent(&stand, 2, 1_000, 600).await;
    poll("it is charged", || stand.stats.body_bytes() == 600).await;
    wire.send(&[b'y'; 400]).await;
    wire.until("yyyy").await;
    assert_eq!(stand.stats.body_bytes(), 0, "answered");
    let gone = half_sent(&stand, 2, 1_000, 600).await;
    poll("it is charged again", || stand.stats.body_bytes() == 600).await;
    drop(gone);
    poll("it is given back", || stand.stats.body_bytes() == 0).await;
}

#[tokio::test]
async fn who_sends_most_without_end_is_cut_and_others_are_served() {
    let stand = Stand::new(tight());
    let mut slow = half_sent(&stand, 3, 9_000, 8_000).await;
    poll("it is charged", || stand.stats.body_bytes() == 8_000).await;
    let mut hoarders = Vec::new();
    for _ in 0..32 {
        hoarders.push(half_sent(&stand, 2, 1_000_000, 30_000).await);
        let held = stand.stats.body_bytes();
        assert!(held <= MOST + MOST / 4 + 64 * 1024, "{held} bytes, one read above all bounds");
    }
    stand.cuts(Cut::Holder, 4).await;
    takes_a_form(&stand).await;
    slow.send(&[b'z'; 1_000]).await;
    assert!(slow.until("zzzz").await.starts_with("HTTP/1.1 200"), "not the one to be cut");
    drop(hoarders);
    poll("all is given back", || stand.stats.body_bytes() == 0).await;
}

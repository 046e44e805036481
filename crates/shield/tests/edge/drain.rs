//! Stopping: what was accepted is finished, and what never ends is cut at the deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;

use crate::stand::{Stand, lasting, poll, short};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn a_request_in_flight_is_finished_and_its_connection_closed() {
    let stand = Stand::new(short());
    let mut wire = stand.dial().await;
    wire.send(b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n").await;
    poll("it runs", || stand.stats.requests() == 1).await;
    stand.stop();
    let answer = wire.ended().await;
    assert!(answer.contains("at last") && answer.contains("connection: close"), "{answer:?}");
    assert_eq!(stand.drained().await.connections_cut, 0);
}

#[tokio::test]
async fn a_handler_that_never_ends_is_cut_at_the_deadline() {
    let stand = Stand::new(short());
    let mut wire = stand.dial().await;
    wire.send(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await;
    poll("it runs", || stand.stats.requests() == 1).await;
    stand.stop();
    assert_eq!(wire.ended().await, "");
    assert_eq!(stand.drained().await.connections_cut, 1);
}

#[tokio::test]
async fn an_idle_connection_may_bring_the_request_that_is_on_its_way() {
    let stand = Stand::new(short());
    let mut idle = stand.dial().await;
    idle.send(GET).await;
    idle.until("hello").await;
    let mut late = stand.dial().await;
    late.send(GET).await;
    late.until("hello").await;
    stand.stop();
    late.send(GET).await;
    let answer = late.ended().await;
    assert!(answer.contains("hello") && answer.contains("connection: close"), "{answer:?}");
    assert_eq!(idle.ended().await, "");
    assert_eq!(stand.drained().await.connections_cut, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_no_accepted_request_is_lost() {
    let stand = Stand::new(shield::edge::Options { listeners: 2, drain_ms: 10_000, ..lasting() });
    let (lost, answered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let (lost, answered, to) = (Arc::clone(&lost), Arc::clone(&answered), stand.plain);
            tokio::spawn(async move {
                let mut space = [0; 4_096];
                while let Ok(socket) = TcpSocket::new_v4().expect("socket").connect(to).await {
                    let mut wire = crate::stand::Wire::new(socket);
                    loop {
                        wire.send(GET).await;
                        let read = wire.stream.read(&mut space).await.unwrap_or(0);
                        let text = String::from_utf8_lossy(&space[..read]).into_owned();
                        if !text.ends_with("hello") {
                            lost.fetch_add(1, Relaxed);
                            break;
                        }
                        answered.fetch_add(1, Relaxed);
                        if text.contains("connection: close") {
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    poll("load", || answered.load(Relaxed) > 2_000).await;
    let drained = stand.drained().await;
    for client in clients {
        crate::stand::in_time("a client ends", client).await.expect("no panic");
    }
    assert_eq!(drained.connections_cut, 0);
    // A peer that connected between the last accept and the close of the listener is reset by the
    // kernel: at most one a client, and none that had been answered before.
    assert!(lost.load(Relaxed) <= 1, "{} of {} lost", lost.load(Relaxed), answered.load(Relaxed));
    assert!(drained.requests >= answered.load(Relaxed));
}

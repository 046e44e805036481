//! `origin-leak`: an instance that hides behind proxies is made to call others, who look where
//! from. What it sends so far is mail: links to choose a password, and to confirm an address.

use std::sync::Arc;

use crate::{
    chance::Chance,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{BROWSER, Visit, flood, with},
        signup_flood::{app_token, sign_up},
    },
};

pub(super) const VECTOR: Vector = Vector {
    name: "origin-leak",
    family: Family::Door,
    models: "an instance behind proxies is made to send mail, and who takes it looks where it is \
        from",
    source: "Vissers et al., CCS 2015: of 17,877 sites behind cloud protection 71 % showed their \
        origin, some by what they sent themselves",
    parameters: "through the proxies: members' passwords are asked for as forgotten, one in ten \
        signs up; the mail server looks for the listening address in who calls and in what is \
        said; mail goes through a proxy as the host has configured (`[egress]`), without a defence \
        directly; nothing else is sent yet",
    resource: Resource::Letters,
    room: None,
    attack: |front| Box::pin(attack(front)),
};

/// Of so many visits one signs up.
const SIGN_UPS: u64 = 10;

async fn attack(front: Arc<Front>) {
    let bearer = format!("Bearer {}", app_token(&front).await.unwrap_or_default());
    flood(front, 1, move |front, chance| {
        let request = match chance.below(SIGN_UPS) {
            0 => sign_up(front, chance, &bearer),
            _ => forgotten(front, chance),
        };
        Visit::at_once(front.bots.one(chance), vec![request])
    })
    .await;
}

/// Somebody else's password is asked for as forgotten, as the page's own form sends it.
fn forgotten(front: &Front, chance: &mut Chance) -> Vec<u8> {
    let name = chance.one(&front.scene.members).map_or("nobody", |member| &member.name);
    let body = format!("email={name}%40drill.example");
    let fields = [
        BROWSER[0],
        BROWSER[1],
        ("Sec-Fetch-Site", "same-origin"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    with(front, "POST", "/auth/password/new", &fields, body.as_bytes())
}

//! `signup-flood`: accounts made by the hundred, each of which costs a slow hash and a row

use std::sync::Arc;

use serde_json::Value;

use crate::{
    chance::Chance,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{BROWSER, Visit, flood, with},
    },
    wire::Wire,
};

pub(super) const VECTOR: Vector = Vector {
    name: "signup-flood",
    family: Family::Floods,
    models: "accounts made by the hundred, each of which costs a slow hash and a row",
    source: "Mastodon, February 2024: a wave of spam accounts made on servers with open \
        sign-up, from many addresses",
    parameters: "one app, whose token all bots share; a fresh name each time; one sign-up a \
        connection",
    resource: Resource::Processor,
    room: None,
    attack: |front| Box::pin(attack(front)),
};

async fn attack(front: Arc<Front>) {
    let bearer = match app_token(&front).await {
        Some(token) => format!("Bearer {token}"),
        // Without an app's token each is refused, which is an answer too.
        None => "Bearer none".to_owned(),
    };
    let shared = Arc::clone(&front);
    flood(shared, 1, move |front, chance| {
        let request = sign_up(front, chance, &bearer);
        Visit::at_once(front.bots.one(chance), vec![request])
    })
    .await;
}

/// A sign-up with a fresh name.
pub(super) fn sign_up(front: &Front, chance: &mut Chance, bearer: &str) -> Vec<u8> {
    let name = chance.word(14);
    let body = format!(
        "{{\"username\":\"{name}\",\"email\":\"{name}@drill.example\",\
         \"password\":\"{name}-{name}\",\"agreement\":true,\"locale\":\"en\"}}"
    );
    let fields = [BROWSER[0], ("Authorization", bearer), ("Content-Type", "application/json")];
    with(front, "POST", "/api/v1/accounts", &fields, body.as_bytes())
}

/// A token of an app that the bots register, as any app may.
pub(super) async fn app_token(front: &Front) -> Option<String> {
    let json = [BROWSER[0], ("Content-Type", "application/json")];
    let mut wire = Wire::new(front.secure(front.bots.numbered(0)).await.ok()?);
    let app =
        br#"{"client_name":"b","redirect_uris":"urn:ietf:wg:oauth:2.0:oob","scopes":"write"}"#;
    wire.send(&with(front, "POST", "/api/v1/apps", &json, app)).await.ok()?;
    let app: Value = serde_json::from_slice(&wire.answer().await.ok()?.body).ok()?;
    let asked = serde_json::json!({
        "grant_type": "client_credentials",
        "client_id": app.get("client_id")?,
        "client_secret": app.get("client_secret")?,
        "redirect_uri": "urn:ietf:wg:oauth:2.0:oob",
        "scope": "write",
    });
    let asked = asked.to_string();
    wire.send(&with(front, "POST", "/oauth/token", &json, asked.as_bytes())).await.ok()?;
    let token: Value = serde_json::from_slice(&wire.answer().await.ok()?.body).ok()?;
    Some(token.get("access_token")?.as_str()?.to_owned())
}

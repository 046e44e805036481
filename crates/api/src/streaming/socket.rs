//! Streams over a WebSocket (RFC 6455): many channels on one connection, opened and closed by
//! frames.

use super::{Asked, Session, channel, event::event, names, token};
use crate::{
    Api,
    limits::{FRAME_BYTES_MAX, SIGN_OF_LIFE_S, SOCKET_BYTES_MAX},
    refusal::Refused,
};
use axum::{
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode},
    response::Response,
};
use httpkit::{ApiError, Query};
use serde::Deserialize;
use serde_json::json;
use social::streams::Told;
use std::time::Duration;

/// `GET /api/v1/streaming`, to be upgraded.
pub(crate) async fn open(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refused> {
    let mut session = Session::start(&api, &headers, &asked).await?;
    if let Some(name) = asked.stream.as_deref().filter(|name| !name.is_empty()) {
        session.open(channel(name, &asked)?).await?;
    }
    let upgrade = upgrade.map_err(|why| {
        let status = StatusCode::UPGRADE_REQUIRED;
        ApiError::plain(status, format!("This is a WebSocket: {why}"))
    })?;
    // A browser that offered its token as a protocol wants to see it chosen.
    let offered = headers.contains_key("sec-websocket-protocol");
    let protocol = offered.then(|| token(&headers, &asked)).flatten();
    Ok(upgrade
        .max_message_size(FRAME_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_write_buffer_size(SOCKET_BYTES_MAX)
        .protocols(protocol)
        .on_upgrade(|socket| serve(session, socket)))
}

/// A frame that a client sends.
#[derive(Deserialize)]
struct Order {
    r#type: String,
    #[serde(flatten)]
    asked: Asked,
}

async fn serve(mut session: Session, mut socket: WebSocket) {
    let mut alive = tokio::time::interval(Duration::from_secs(SIGN_OF_LIFE_S));
    alive.tick().await;
    loop {
        let going = tokio::select! {
            // Only the waiting is given up for a frame or a tick, never what it led to.
            moved = session.wait() => match moved {
                None => false,
                Some(moved) => match session.take(moved).await {
                    None => false,
                    Some(told) => tell(&session, &mut socket, &told).await,
                },
            },
            frame = socket.recv() => match frame {
                Some(Ok(Message::Text(text))) => obey(&mut session, &mut socket, &text).await,
                Some(Ok(Message::Close(_)) | Err(_)) | None => false,
                // Pings are answered by the machine below.
                Some(Ok(_)) => true,
            },
            _ = alive.tick() => socket.send(Message::Ping(Default::default())).await.is_ok(),
        };
        if !going {
            break;
        }
    }
    // Whether the peer hears of the end is its own affair.
    let _ = socket.send(Message::Close(None)).await;
}

/// Sends what is told, once for each channel; false when nobody takes it.
async fn tell(session: &Session, socket: &mut WebSocket, told: &[Told]) -> bool {
    for told in told {
        let (event, payload) = event(&session.api, &told.what);
        for channel in &told.channels {
            let stream = names(channel);
            let frame = json!({ "stream": stream, "event": event, "payload": payload });
            if socket.send(Message::Text(frame.to_string().into())).await.is_err() {
                return false;
            }
        }
    }
    true
}

/// Does what a frame asks for; what makes no sense is answered, and the connection goes on.
async fn obey(session: &mut Session, socket: &mut WebSocket, text: &str) -> bool {
    let done = match serde_json::from_str::<Order>(text) {
        Err(_) => Err(ApiError::bad_request("Invalid JSON").into()),
        Ok(order) => follow(session, &order).await,
    };
    let Err(Refused(error)) = done else { return true };
    let answer = json!({ "error": error.message(), "status": error.status().as_u16() });
    socket.send(Message::Text(answer.to_string().into())).await.is_ok()
}

async fn follow(session: &mut Session, order: &Order) -> Result<(), Refused> {
    let channel = channel(order.asked.stream.as_deref().unwrap_or_default(), &order.asked)?;
    match order.r#type.as_str() {
        "subscribe" => session.open(channel).await,
        "unsubscribe" => {
            session.listener.close(&channel);
            Ok(())
        }
        _ => Err(ApiError::bad_request("The type is neither subscribe nor unsubscribe").into()),
    }
}

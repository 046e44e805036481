//! What streams tell a client that knows the types: of one's own home, of everybody, of a tag, of a
//! list.

use super::{App, id, post, story};
use megalodon::{
    entities::notification::NotificationType,
    megalodon::EditStatusInputOptions,
    streaming::{Message, Streaming},
};
use std::{future::Future, pin::Pin, time::Duration};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

type Stream = Box<dyn Streaming + Send + Sync>;

/// Listens until the test's runtime ends, once a post of `author` has come through: nobody says
/// when a stream is open.
async fn opened(stream: Stream, author: &App, text: &str) -> UnboundedReceiver<Message> {
    let (tell, mut heard) = unbounded_channel();
    tokio::spawn(async move {
        let hear = move |message| -> Pin<Box<dyn Future<Output = ()> + Send>> {
            let told = tell.send(message);
            Box::pin(async move { drop(told) })
        };
        stream.listen(Box::new(hear)).await;
    });
    loop {
        post(author, text, None).await;
        let wait = tokio::time::timeout(Duration::from_millis(100), heard.recv());
        if matches!(wait.await, Ok(Some(Message::Update(_)))) {
            return heard;
        }
    }
}

/// What is told of a post, until it is told that it was deleted.
async fn told_of(post: &str, heard: &mut UnboundedReceiver<Message>) -> Vec<&'static str> {
    let mut seen = Vec::new();
    while let Some(message) = heard.recv().await {
        match message {
            Message::Update(status) if status.id == post => seen.push("update"),
            Message::Notification(n) if n.r#type == NotificationType::Mention => {
                seen.push("notification");
            }
            Message::StatusUpdate(status) if status.id == post => seen.push("edit"),
            Message::Delete(id) if id == post => {
                seen.push("delete");
                break;
            }
            _ => {}
        }
    }
    seen.sort_unstable();
    seen
}

/// Says something, says it otherwise, and takes it back; its id.
async fn life_of_a_post(author: &App, text: &str) -> String {
    let said = post(author, text, None).await;
    let edit = EditStatusInputOptions { status: Some(format!("{text}.")), ..Default::default() };
    author.edit_status(said.id.clone(), &edit).await.expect("edited");
    author.delete_status(said.id.clone()).await.expect("deleted");
    said.id
}

#[test]
fn a_stream_tells_posts_edits_deletions_and_notifications() {
    story(|ann, bob| async move {
        bob.follow_account(id(&ann).await, None).await.expect("followed");
        let mut heard = opened(bob.user_streaming().await, &ann, "Anybody?").await;
        let said = life_of_a_post(&ann, "@bob now").await;
        let seen = told_of(&said, &mut heard).await;
        assert_eq!(seen, ["delete", "edit", "notification", "update"]);
    });
}

#[test]
fn public_and_tag_and_list_streams_tell_what_is_theirs() {
    story(|ann, bob| async move {
        bob.follow_account(id(&ann).await, None).await.expect("followed");
        let list = bob.create_list("crew".into()).await.expect("a list").json().id;
        // What comes back is not what its types want, which another test looks at.
        let _added = bob.add_accounts_to_list(list.clone(), vec![id(&ann).await]).await;
        for stream in [
            bob.public_streaming().await,
            bob.local_streaming().await,
            bob.tag_streaming("knot".into()).await,
            bob.list_streaming(list).await,
        ] {
            let mut heard = opened(stream, &ann, "Anybody? #knot").await;
            let said = life_of_a_post(&ann, "A #knot").await;
            assert_eq!(told_of(&said, &mut heard).await, ["delete", "edit", "update"]);
        }
    });
}

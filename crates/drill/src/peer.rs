//! Another server that speaks the Mastodon API, on loopback: who its members are and what they
//! have written is asked of it, with a token of each.

use std::{thread, time::Duration};

use serde_json::Value;

use crate::{
    clock,
    limits::{PATIENCE_MS, PEER_POSTS_MAX, PEER_READY_S},
    scene::{Member, Post, StageError},
    target::{LoopbackTarget, Source},
    wire::{Dialer, Request, Wire},
};

/// Whom one meets there.
#[derive(Clone, Default)]
pub struct Met {
    /// Members, one for each token.
    pub members: Vec<Member>,
    /// What the public timeline shows of local posts.
    pub posts: Vec<Post>,
}

/// Asks a peer for those that the tokens are of, and for posts, as soon as it answers.
///
/// # Errors
/// When it does not answer in time, takes a token for invalid, or shows no post.
pub fn meet(
    target: LoopbackTarget,
    authority: Option<&[u8]>,
    host: &str,
    tokens: &[String],
) -> Result<Met, StageError> {
    let refused = |error: rustls::Error| StageError(error.to_string());
    let guest = Guest { dialer: Dialer::new(target, authority).map_err(refused)?, host };
    thread::scope(|scope| {
        // A thread of its own: the caller's may belong to another runtime.
        let asking = scope.spawn(|| {
            let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = built.map_err(|error| StageError(error.to_string()))?;
            runtime.block_on(guest.meet(tokens))
        });
        asking.join().unwrap_or_else(|_| Err(StageError("asking the peer broke off".to_owned())))
    })
}

struct Guest<'g> {
    dialer: Dialer,
    host: &'g str,
}

impl Guest<'_> {
    async fn meet(&self, tokens: &[String]) -> Result<Met, StageError> {
        self.wait().await?;
        let mut met = Met::default();
        for token in tokens {
            let own = self.get("/api/v1/accounts/verify_credentials", token).await?;
            let name = text(&own, "username").ok_or_else(|| {
                StageError("the peer does not say whose a token is: is it still valid?".to_owned())
            })?;
            met.members.push(Member { name, token: token.clone() });
        }
        let token = tokens.first().map_or("", String::as_str);
        let path = format!("/api/v1/timelines/public?local=true&limit={PEER_POSTS_MAX}");
        let shown = self.get(&path, token).await?;
        for post in shown.as_array().into_iter().flatten() {
            let author = post.get("account").and_then(|account| text(account, "username"));
            if let (Some(author), Some(id)) = (author, text(post, "id")) {
                met.posts.push(Post { author, id });
            }
        }
        if met.posts.is_empty() {
            return Err(StageError("the peer's public timeline shows no post of its own".into()));
        }
        Ok(met)
    }

    /// Until it takes connections.
    async fn wait(&self) -> Result<(), StageError> {
        let deadline = clock::now() + Duration::from_secs(PEER_READY_S);
        while let Err(error) = self.dialer.plain(HERE).await {
            if clock::now() > deadline {
                return Err(StageError(format!("the peer is not there: {error}")));
            }
            clock::until(clock::now() + Duration::from_millis(100)).await;
        }
        Ok(())
    }

    async fn get(&self, path: &str, token: &str) -> Result<Value, StageError> {
        let asked = async {
            let link = self.dialer.secure(&self.dialer.fresh(), HERE).await.ok()?;
            let mut wire = Wire::new(link);
            let bearer = format!("Bearer {token}");
            let fields = [("Authorization", bearer.as_str()), ("Accept", "application/json")];
            let request =
                Request { method: "GET", path, host: self.host, fields: &fields, body: &[] };
            wire.send(&request.bytes()).await.ok()?;
            let answer = wire.answer().await.ok()?;
            serde_json::from_slice(&answer.body).ok()
        };
        let patience = Duration::from_millis(PATIENCE_MS);
        let answered = tokio::time::timeout(patience, asked).await.ok().flatten();
        answered.ok_or_else(|| StageError(format!("the peer gives no JSON for {path}")))
    }
}

/// Where the drill itself asks from.
const HERE: Source = Source::new(0, 0, 1);

fn text(of: &Value, name: &str) -> Option<String> {
    Some(of.get(name)?.as_str()?.to_owned())
}

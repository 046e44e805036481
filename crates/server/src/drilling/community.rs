//! The community of a scratch instance: members who follow each other and have written, and a few
//! whose accounts somebody took over. Made through the verbs, as members would have made it.

use crate::{
    control::{self, Reply},
    open::Instance,
};
use anyhow::bail;
use drill::{Member, Post};
use model::{AccountId, member::Role, status::Visibility};
use social::{FollowWish, post::Draft};

/// Members whose service is measured.
const MEMBERS: usize = 60;
/// Accounts that bots have.
const TAKEN: usize = 8;
/// Posts of each member.
const POSTS_EACH: usize = 8;
/// Others whom each follows.
const FOLLOWED: usize = 14;

/// Who lives there.
#[derive(Clone, Default)]
pub(crate) struct Community {
    pub members: Vec<Member>,
    pub taken: Vec<Member>,
    pub posts: Vec<Post>,
}

/// What the posts are about; searches look for these words.
const SAID: [&str; 8] = [
    "The harbour is quiet this morning, only the gulls are up.",
    "Wind from the west, and the tide turns at noon.",
    "Somebody left a red rope at the quay. It is dry now and hangs by the shed.",
    "Two boats came in before the rain; the third waits behind the island.",
    "Bread at the bakery by the quay until four. The dark one is good.",
    "A tern on the mast all morning. It does not mind the radio.",
    "The light at the pier is mended, thanks to all who held the ladder.",
    "Fog again. One hears the harbour before one sees it.",
];

/// Fills an empty instance.
pub(crate) async fn fill(instance: &Instance, password: &str) -> anyhow::Result<Community> {
    let mut community = Community::default();
    let mut accounts = Vec::new();
    for number in 0..MEMBERS + TAKEN {
        let name = match number < MEMBERS {
            true => format!("keeper{number}"),
            false => format!("drifter{number}"),
        };
        let role = if number == 0 { Role::Owner } else { Role::Member };
        let email = format!("{name}@drill.example");
        accounts.push(control::join(instance, &name, &email, password, role).await?);
        let reply = control::token(instance, &name, "read write follow push").await?;
        let Reply::Token { token } = reply else { bail!("an answer to something else") };
        let list = if number < MEMBERS { &mut community.members } else { &mut community.taken };
        list.push(Member { name, token });
    }
    follow(instance, &accounts).await?;
    for turn in 0..POSTS_EACH {
        for (number, member) in community.members.iter().enumerate() {
            let Some(account) = accounts.get(number) else { continue };
            let said = SAID.get((number + turn) % SAID.len()).copied().unwrap_or_default();
            let draft = Draft {
                text: format!("{said} #harbour"),
                visibility: Some(Visibility::Public),
                language: Some("en".to_owned()),
                ..Draft::default()
            };
            let posted = instance.social.post(*account, draft).await?;
            let id = posted.entry.status.id.to_string();
            community.posts.push(Post { author: member.name.clone(), id });
        }
    }
    Ok(community)
}

async fn follow(instance: &Instance, accounts: &[AccountId]) -> anyhow::Result<()> {
    for (number, account) in accounts.iter().enumerate() {
        for step in 1..=FOLLOWED {
            let other = accounts.get((number + step * step) % accounts.len());
            if let Some(other) = other.filter(|other| *other != account) {
                instance.social.follow(*account, *other, FollowWish::default()).await?;
            }
        }
    }
    Ok(())
}

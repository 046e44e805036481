//! The community of a scratch instance: members who follow each other and have written for weeks,
//! and accounts that were made later, hardly used, and are bots'. Made through the verbs, as
//! members would have made it, on a clock that begins weeks ago.

use crate::{
    control::{self, Reply},
    demo::ScriptClock,
    open::Instance,
};
use anyhow::bail;
use drill::{Member, Post};
use model::{AccountId, Timestamp, member::Role, status::Visibility};
use social::{FollowWish, post::Draft};

/// Members whose service is measured.
const MEMBERS: usize = 60;
/// Accounts that bots have.
const TAKEN: usize = 40;
/// Posts of each member, each on another day.
const POSTS_EACH: usize = 12;
/// Days ago that members joined: long enough, and used on enough days, to have all their standing.
pub(super) const JOINED_DAYS: i64 = 45;
/// Days ago that the bots' accounts were made.
const TAKEN_DAYS: i64 = 20;
/// Days between two posts of a member.
const APART_DAYS: i64 = 2;
const DAY_MS: i64 = 86_400_000;
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

/// Fills an empty instance, whose clock shows the moment at which members join.
pub(crate) async fn fill(
    instance: &Instance,
    clock: &ScriptClock,
    now: Timestamp,
    password: &str,
) -> anyhow::Result<Community> {
    let mut community = Community::default();
    let mut accounts = Vec::new();
    for number in 0..MEMBERS {
        let role = if number == 0 { Role::Owner } else { Role::Member };
        let (account, member) = join(instance, format!("keeper{number}"), role, password).await?;
        accounts.push(account);
        community.members.push(member);
    }
    follow(instance, &accounts).await?;
    let first = now.plus_ms(-APART_DAYS * DAY_MS * i64::try_from(POSTS_EACH)?);
    for turn in 0..POSTS_EACH {
        clock.forward_to(first.plus_ms(APART_DAYS * DAY_MS * i64::try_from(turn)?));
        say(instance, &accounts, turn, &mut community).await?;
        // Between the posts of the others, in the order of time.
        let is_time = first.plus_ms(APART_DAYS * DAY_MS * i64::try_from(turn + 1)?)
            > now.plus_ms(-TAKEN_DAYS * DAY_MS);
        if is_time && community.taken.is_empty() {
            clock.forward_to(now.plus_ms(-TAKEN_DAYS * DAY_MS));
            for number in 0..TAKEN {
                let name = format!("drifter{number}");
                let (_, taken) = join(instance, name, Role::Member, password).await?;
                community.taken.push(taken);
            }
        }
    }
    Ok(community)
}

async fn join(
    instance: &Instance,
    name: String,
    role: Role,
    password: &str,
) -> anyhow::Result<(AccountId, Member)> {
    let email = format!("{name}@drill.example");
    let account = control::join(instance, &name, &email, password, role).await?;
    let reply = control::token(instance, &name, "read write follow push").await?;
    let Reply::Token { token } = reply else { bail!("an answer to something else") };
    Ok((account, Member { name, token }))
}

/// A post of each member.
async fn say(
    instance: &Instance,
    accounts: &[AccountId],
    turn: usize,
    community: &mut Community,
) -> anyhow::Result<()> {
    for (number, (account, member)) in accounts.iter().zip(&community.members).enumerate() {
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
    Ok(())
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

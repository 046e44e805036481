//! `fulmar serve --demo`: a harbour of invented seabirds, so that a first look at an app or a page
//! shows life. Made through the verbs, as members would have made it, on a clock that begins five
//! days ago and moves on; the same each time, apart from the moment and the keys.

mod cast;
mod draw;
mod script;

use crate::{Place, config::Config, control, open, world::WallClock};
use anyhow::{Context as _, bail, ensure};
use cast::{CAST, Character};
use model::{
    AccountId, StatusId, Timestamp,
    account::{ProfileChange, ProfileField},
    event::Mark,
    media::MediaState,
    member::Role,
    ports::Clock,
    status::Visibility,
};
use script::{Line, MINUTES, SCRIPT};
use social::{
    FollowWish,
    media::ProfilePictures,
    post::{Draft, PollDraft},
};
use std::{
    collections::HashMap,
    io::IsTerminal as _,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;
/// How often a picture is looked for that is being processed, and how many times.
const PICTURE_LOOK_MS: u64 = 20;
const PICTURE_LOOKS_MAX: usize = 1_000;

/// A clock that stands still until it is moved, and never goes back.
pub(crate) struct ScriptClock(AtomicI64);

impl Clock for ScriptClock {
    fn now(&self) -> Timestamp {
        // A millisecond for each look, so that things of one moment keep their order.
        Timestamp::from_ms(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl ScriptClock {
    /// One that shows a moment.
    pub(crate) fn at(moment: Timestamp) -> Self {
        Self(AtomicI64::new(moment.ms()))
    }

    pub(crate) fn forward_to(&self, at: Timestamp) {
        self.0.fetch_max(at.ms(), Ordering::Relaxed);
    }
}

/// A harbour that is being filled.
struct Harbour {
    instance: open::Instance,
    clock: Arc<ScriptClock>,
    begin: Timestamp,
    birds: Vec<AccountId>,
    posts: HashMap<&'static str, StatusId>,
}

/// Fills a data folder in which there is no instance yet. The folder's lock is the caller's.
///
/// # Errors
/// When somebody lives there already.
pub(crate) async fn fill(place: &Place, config: &Config) -> anyhow::Result<()> {
    let shown = place.data.display();
    ensure!(
        config.store.postgres_url.is_none(),
        "--demo fills a fresh folder on SQLite only, and the configuration names PostgreSQL"
    );
    if control::is_instance(&place.data)? || place.data.join(crate::backup::DATABASE).exists() {
        bail!(
            "--demo fills an empty data folder only, and {shown} has an instance: serve it without \
             --demo, or name another folder with --data"
        );
    }
    let begin = WallClock.now().plus_ms(-MINUTES * MINUTE_MS);
    let clock = Arc::new(ScriptClock::at(begin));
    let instance = open::open_at(place, config, Arc::clone(&clock) as _).await?;
    let mut harbour = Harbour { instance, clock, begin, birds: Vec::new(), posts: HashMap::new() };
    let password = harbour.instance.social.secret();
    let filled = harbour.run(&password).await;
    filled.with_context(|| format!("the sample is half made: remove {shown} and try again"))?;
    let told = format!("{}@localhost, password {password}", CAST.first().map_or("", |c| c.name));
    let (members, posts) = harbour.instance.social.store().totals().await?;
    // As the front page counts them.
    eprintln!("filled {shown} with {members} members and {posts} posts, boosts among them");
    if std::io::stderr().is_terminal() {
        eprintln!("log in as the owner: {told} (the others have the same password)");
    } else {
        let path = place.data.join("owner-password");
        open::write_secret(&path, format!("{told}\n").as_bytes())?;
        eprintln!("how to log in is in {}", path.display());
    }
    Ok(())
}

impl Harbour {
    async fn run(&mut self, password: &str) -> anyhow::Result<()> {
        for (place, character) in CAST.iter().enumerate() {
            self.join(place, character, password).await?;
        }
        self.follow().await?;
        for (place, line) in SCRIPT.iter().enumerate() {
            self.clock.forward_to(self.begin.plus_ms(line.at * MINUTE_MS));
            let post = self.say(line).await.with_context(|| line.text)?;
            self.react(place, line, post).await?;
        }
        Ok(())
    }

    async fn join(
        &mut self,
        place: usize,
        character: &Character,
        password: &str,
    ) -> anyhow::Result<()> {
        let (social, room) = (&self.instance.social, &self.instance.darkroom);
        let email = format!("{}@localhost", character.name);
        let role = if place == 0 { Role::Owner } else { Role::Member };
        let id = control::join(&self.instance, character.name, &email, password, role).await?;
        let avatar = draw::avatar(character.feathers, character.sky)?;
        let header = draw::header(character.sky, i64::try_from(place)?)?;
        let (avatar, header) = (Some(avatar.into()), Some(header.into()));
        let field = |(name, value): &(&str, &str)| ProfileField {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
            verified: None,
        };
        let change = ProfileChange {
            display_name: Some(character.display_name.to_owned()),
            note: Some(character.note.to_owned()),
            fields: Some(character.fields.iter().map(field).collect()),
            avatar: None,
            header: None,
            locked: Some(character.locked),
            bot: Some(character.bot),
            discoverable: Some(true),
            indexable: Some(true),
            hide_collections: None,
            preferences: None,
        };
        social.change_profile(room, id, change, ProfilePictures { avatar, header }).await?;
        self.birds.push(id);
        Ok(())
    }

    /// Everybody follows the keeper and about half of the others; who asks is answered, but one.
    async fn follow(&self) -> anyhow::Result<()> {
        for (place, bird) in self.birds.iter().enumerate() {
            for (other, target) in self.birds.iter().enumerate().filter(|(o, _)| *o != place) {
                if other != 0 && place != 0 && (place * 5 + other * 3) % 7 > 3 {
                    continue;
                }
                let social = &self.instance.social;
                social.follow(*bird, *target, FollowWish::default()).await?;
                let is_locked = CAST.get(other).is_some_and(|character| character.locked);
                if is_locked && place % 4 != 1 {
                    social.answer_request(*target, *bird, true).await?;
                }
            }
        }
        Ok(())
    }

    fn bird(&self, name: &str) -> anyhow::Result<AccountId> {
        let place = CAST.iter().position(|character| character.name == name);
        place.and_then(|place| self.birds.get(place).copied()).context("nobody of this name")
    }

    async fn say(&mut self, line: &Line) -> anyhow::Result<StatusId> {
        let who = self.bird(line.who)?;
        let mut draft = Draft {
            text: line.text.to_owned(),
            spoiler: line.warning.to_owned(),
            language: Some(line.language.to_owned()),
            in_reply_to: self.posts.get(line.answers).copied(),
            ..Draft::default()
        };
        draft.visibility = match line {
            Line { followers_only: true, .. } => Some(Visibility::Followers),
            Line { unlisted: true, .. } => Some(Visibility::Unlisted),
            _ => Some(Visibility::Public),
        };
        if let Some((motif, description)) = line.picture {
            draft.media = vec![self.picture(who, motif, description).await?];
        }
        if !line.poll.is_empty() {
            draft.poll = Some(PollDraft {
                options: line.poll.iter().map(|&option| option.to_owned()).collect(),
                expires_in_s: 7 * 24 * 3_600,
                multiple: false,
                hide_totals: false,
            });
        }
        let social = &self.instance.social;
        let posted = social.post(who, draft).await?;
        let status = posted.entry.status.id;
        if line.pinned {
            social.mark(who, status, Mark::Pin, true).await?;
        }
        if !line.key.is_empty() {
            self.posts.insert(line.key, status);
        }
        if let Some(poll) = posted.entry.status.poll {
            for (place, bird) in self.birds.iter().enumerate().filter(|(_, b)| **b != who) {
                let choice = u32::try_from((place * place + line.poll.len()) % line.poll.len())?;
                if !CAST.get(place).is_some_and(|character| character.bot) {
                    social.vote(*bird, poll, &[choice]).await?;
                }
            }
        }
        Ok(status)
    }

    async fn picture(
        &self,
        who: AccountId,
        motif: draw::Motif,
        description: &str,
    ) -> anyhow::Result<model::MediaId> {
        let (social, room) = (&self.instance.social, &self.instance.darkroom);
        let drawn = draw::picture(motif)?.into();
        let mut media = social.upload(room, who, drawn, description, None).await?;
        for _ in 0..PICTURE_LOOKS_MAX {
            match media.state {
                MediaState::Ready => return Ok(media.id),
                MediaState::Failed => bail!("a drawn picture was no picture"),
                MediaState::Processing => {}
            }
            tokio::time::sleep(Duration::from_millis(PICTURE_LOOK_MS)).await;
            media = social.uploaded(who, media.id).await?;
        }
        bail!("a picture is not ready in time")
    }

    /// Some of those who can see a post like it, fewer pass it on, one keeps it.
    async fn react(&self, place: usize, line: &Line, post: StatusId) -> anyhow::Result<()> {
        let who = self.bird(line.who)?;
        let social = &self.instance.social;
        if line.followers_only || line.unlisted {
            return Ok(());
        }
        let weight = if line.answers.is_empty() { 5 } else { 2 };
        for (other, bird) in self.birds.iter().enumerate().filter(|(_, bird)| **bird != who) {
            let chance = (place * 31 + other * 17 + place * other * 7) % 13;
            let is_quiet = CAST.get(other).is_some_and(|c| c.bot || c.locked);
            if chance < weight {
                social.mark(*bird, post, Mark::Favourite, true).await?;
            }
            if chance == 11 && line.answers.is_empty() && !is_quiet {
                social.reblog(*bird, post, None).await?;
            }
            if chance == 3 {
                social.mark(*bird, post, Mark::Bookmark, true).await?;
            }
        }
        Ok(())
    }
}

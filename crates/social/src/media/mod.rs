//! Uploads: measured at once, decoded in a bounded pool, described, and cleaned away when nobody
//! posts them. Bytes are `picture`'s business, files are `files`'.
//!
//! Animations stay GIF files of kind `image`: apps play `gifv` as a video, and this is none.

pub mod files;
mod gif;
mod held;
mod line;
pub mod picture;
mod sweep;

pub use files::{Files, FilesError, GetRange, content_type};
pub use held::Hold;
pub use sweep::PARTS;

use crate::{
    Social, StatusView, VerbError,
    apart::apart,
    limits::{
        AVATAR_SIDE, HEADER_HEIGHT, HEADER_WIDTH, ORPHAN_HOURS, ORPHANS_AT_ONCE,
        PICTURE_MINUTES_MAX, PICTURE_WAIT_MS, PICTURES_AT_ONCE,
    },
};
use bytes::Bytes;
use line::Line;
use model::{
    AccountId, MediaId, StoreError, Timestamp,
    limits::DESCRIPTION_CHARACTERS,
    media::{Finished, Media, MediaKind, MediaState, MediaWords, NewMedia, Size},
    ports::Clock,
    text,
    work::Made,
};
use picture::{PictureError, Prepared, Rendition};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// Where pictures are decoded and kept. Cheap to clone.
#[derive(Clone)]
pub struct Darkroom {
    files: Files,
    /// Uploads that are decoded or wait for it.
    waiting: Line,
    /// Uploads that are decoded.
    working: Arc<Semaphore>,
    /// Files whose rows are gone, while a backup still reads them.
    held: Arc<held::Held>,
}

/// Files that are to be the pictures of a profile.
#[derive(Clone, Debug, Default)]
pub struct ProfilePictures {
    /// The square one.
    pub avatar: Option<Bytes>,
    /// The wide one.
    pub header: Option<Bytes>,
}

impl Darkroom {
    /// On these files.
    pub fn new(files: Files) -> Self {
        let working = Arc::new(Semaphore::new(PICTURES_AT_ONCE));
        Self { files, waiting: Line::default(), working, held: Arc::default() }
    }
    /// The files, to be served.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Runs work on a picture off the runtime's threads, when it is its turn.
    async fn develop<T: Send + 'static>(
        &self,
        clock: &Arc<dyn Clock>,
        work: impl FnOnce() -> Result<T, PictureError> + Send + 'static,
    ) -> Result<T, PictureError> {
        let clock = Arc::clone(clock);
        let turn = Arc::clone(&self.working).acquire_owned().await;
        // A decoder that panics on hostile bytes is a damaged picture, not a lost worker.
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            Made::by(&*clock, work)
        });
        done.await.map_or(Err(PictureError::Damaged), Made::taken)
    }

    /// A file as a picture of this shape, in pixels.
    async fn cut(
        &self,
        clock: &Arc<dyn Clock>,
        file: Option<Bytes>,
        size: Size,
    ) -> Result<Option<Rendition>, VerbError> {
        let Some(file) = file else { return Ok(None) };
        Ok(Some(self.develop(clock, move || picture::cut(&file, size)).await?))
    }

    /// Removes files that nothing shows any more; one that cannot be removed is only logged.
    pub(crate) async fn discard_files(&self, keys: impl Iterator<Item = String>) {
        for key in keys {
            self.remove(&key).await;
        }
    }

    async fn keep(&self, key: &str, made: Prepared) -> Result<Finished, FilesError> {
        let (size, thumbnail_size) = (made.file.size, made.preview.size);
        let file = self.files.put(key, false, made.file).await?;
        let thumbnail = match self.files.put(key, true, made.preview).await {
            Ok(thumbnail) => thumbnail,
            Err(error) => {
                self.forget(&[&file]).await;
                return Err(error);
            }
        };
        let (kind, blurhash) = (MediaKind::Image, made.blurhash);
        Ok(Finished { kind, file, thumbnail, blurhash, size, thumbnail_size })
    }

    /// Removes files that no row names. One that stays is a few bytes lost.
    async fn forget(&self, keys: &[&String]) {
        for key in keys.iter().filter(|key| !key.is_empty()) {
            self.remove(key).await;
        }
    }
}

impl From<PictureError> for VerbError {
    fn from(error: PictureError) -> Self {
        Self::Invalid(error.to_string())
    }
}

fn described(description: &str) -> Result<String, VerbError> {
    let text = text::paragraphs(description).into_owned();
    if text::graphemes(&text) > DESCRIPTION_CHARACTERS {
        let most = DESCRIPTION_CHARACTERS;
        return Err(VerbError::Invalid(format!("Description is longer than {most} characters")));
    }
    Ok(text)
}

/// What an edit says anew of attachments that the post will have, checked; the rest is left out.
pub(crate) fn said_anew(
    all: Vec<MediaWords>,
    media: &[MediaId],
) -> Result<Vec<MediaWords>, VerbError> {
    let of_it = all.into_iter().filter(|words| media.contains(&words.media));
    of_it
        .map(|words| {
            let description = words.description.as_deref().map(described).transpose()?;
            Ok(MediaWords { description, ..words })
        })
        .collect()
}

impl Social {
    /// Takes an upload in. What cannot be a picture is refused at once; the rest is processed, and
    /// waited for a moment: the attachment comes back ready, or as processing.
    pub async fn upload(
        self: &Arc<Self>,
        room: &Darkroom,
        account: AccountId,
        file: Bytes,
        description: &str,
        focus: Option<(i32, i32)>,
    ) -> Result<Media, VerbError> {
        picture::probe(&file)?;
        let place = room.waiting.join(account)?;
        let new =
            NewMedia { account, description: described(description)?, focus, created: self.now() };
        let id = self.store.create_media(&new).await?;
        let (social, room) = (Arc::clone(self), room.clone());
        let wait = Duration::from_millis(PICTURE_WAIT_MS);
        let work = tokio::spawn(apart(Arc::clone(&self.clock), async move {
            let _place = place;
            social.process(&room, id, file).await
        }));
        // Past the wait it goes on by itself, and the client asks again.
        if let Ok(Ok(done)) = tokio::time::timeout(wait, work).await {
            done.taken()?;
        }
        self.uploaded(account, id).await
    }

    /// Develops and keeps a picture. One that is none ends as failed; an error is ours, and said to
    /// whoever still waits: they may send it again.
    async fn process(&self, room: &Darkroom, id: MediaId, file: Bytes) -> Result<(), VerbError> {
        let made = room.develop(&self.clock, move || picture::prepare(&file)).await;
        let kept = match made {
            Ok(made) => room.keep(&files::fresh_key(&*self.random), made).await.map(Some),
            Err(error) => {
                tracing::info!(%error, %id, "an upload was no picture");
                Ok(None)
            }
        };
        let done = kept.as_ref().ok().and_then(Option::as_ref);
        let finished = self.store.finish_media(id, done).await;
        if let Err(error) = &finished {
            tracing::error!(%error, %id, "an upload stays unfinished");
        }
        // The row is gone, or nothing was written: no row will ever lead to the files.
        if let (Ok(false) | Err(StoreError::Full), Some(done)) = (&finished, done) {
            room.forget(&[&done.file, &done.thumbnail]).await;
        }
        kept.inspect_err(|error| tracing::error!(%error, %id, "no file was kept"))?;
        finished?;
        Ok(())
    }

    /// One's own attachment that is in no status yet.
    pub async fn uploaded(&self, account: AccountId, id: MediaId) -> Result<Media, VerbError> {
        let found = self.store.media(&[id]).await?.pop();
        let own = found.filter(|m| m.account == account && m.status.is_none());
        let mut media = own.ok_or(VerbError::NotFound)?;
        let age_ms = self.now().ms() - media.created.ms();
        if media.state == MediaState::Processing && age_ms > PICTURE_MINUTES_MAX * 60_000 {
            media.state = MediaState::Failed;
        }
        Ok(media)
    }

    /// Changes description or focal point before posting.
    pub async fn describe_upload(
        &self,
        account: AccountId,
        id: MediaId,
        description: Option<&str>,
        focus: Option<(i32, i32)>,
    ) -> Result<Media, VerbError> {
        self.uploaded(account, id).await?;
        let description = description.map(described).transpose()?;
        if !self.store.describe_media(account, id, description.as_deref(), focus).await? {
            return Err(VerbError::NotFound);
        }
        self.uploaded(account, id).await
    }

    /// Keeps the new pictures of a profile, avatar and header: the keys to put into it. Both are
    /// read before one is kept, so that a file that is no picture leaves none behind.
    pub(crate) async fn profile_pictures(
        &self,
        room: &Darkroom,
        account: AccountId,
        sent: ProfilePictures,
    ) -> Result<(Option<String>, Option<String>), VerbError> {
        if sent.avatar.is_none() && sent.header.is_none() {
            return Ok((None, None));
        }
        let _place = room.waiting.join(account)?;
        let square = Size { width: AVATAR_SIDE, height: AVATAR_SIDE };
        let wide = Size { width: HEADER_WIDTH, height: HEADER_HEIGHT };
        let avatar = room.cut(&self.clock, sent.avatar, square).await?;
        let header = room.cut(&self.clock, sent.header, wide).await?;
        let avatar = self.put_picture(room, avatar).await?;
        match self.put_picture(room, header).await {
            Ok(header) => Ok((avatar, header)),
            Err(error) => {
                room.discard_files(avatar.into_iter()).await;
                Err(error)
            }
        }
    }

    async fn put_picture(
        &self,
        room: &Darkroom,
        made: Option<Rendition>,
    ) -> Result<Option<String>, VerbError> {
        let Some(made) = made else { return Ok(None) };
        let kept = room.files.put(&files::fresh_key(&*self.random), false, made).await;
        let kept = kept.inspect_err(|error| tracing::error!(%error, "no profile picture was kept"));
        Ok(Some(kept?))
    }

    /// Cleans away uploads that nobody has posted for a day. How many went; as many as
    /// [`ORPHANS_AT_ONCE`] means that there may be more.
    pub async fn sweep_media(&self, room: &Darkroom) -> Result<usize, VerbError> {
        let before = Timestamp::from_ms(self.now().ms() - ORPHAN_HOURS * 3_600_000);
        room.remove_held().await;
        let mut gone = 0;
        for media in self.store.orphaned_media(before, ORPHANS_AT_ONCE).await? {
            gone += usize::from(self.discard(room, &media).await?);
        }
        Ok(gone)
    }

    /// Removes one's own attachment before it is posted.
    pub async fn discard_upload(
        &self,
        room: &Darkroom,
        account: AccountId,
        id: MediaId,
    ) -> Result<(), VerbError> {
        let media = self.uploaded(account, id).await?;
        if self.discard(room, &media).await? { Ok(()) } else { Err(VerbError::NotFound) }
    }

    /// Removes what a deleted post carried. What cannot be removed now is an orphan, which goes in
    /// a day: the post is gone either way.
    pub async fn discard_media_of(&self, room: &Darkroom, deleted: &StatusView) {
        for media in &deleted.entry.media {
            if let Err(error) = self.discard(room, media).await {
                tracing::warn!(%error, id = %media.id, "a deleted post's picture stays for a day");
            }
        }
    }

    /// Removes an attachment that no status carries. It is given up first, so that none comes to
    /// carry it; then its files go; the row goes last, since it alone tells where files are left
    /// when a kill comes in between. `false`: a status carries it by now, or it is gone.
    pub(crate) async fn discard(&self, room: &Darkroom, media: &Media) -> Result<bool, VerbError> {
        if !self.store.give_up_media(media.id).await? {
            return Ok(false);
        }
        room.forget(&[&media.file, &media.thumbnail]).await;
        Ok(self.store.delete_media(media.id).await?)
    }
}

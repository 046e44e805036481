//! Media, as the store keeps them. Their files lie in the object store.

use super::Stored;
use crate::{
    AccountId, MediaId, Timestamp,
    media::{Finished, Media, NewMedia},
};
use async_trait::async_trait;

/// Where attachments live. Reading by id is in [`super::StatusStore`], which shows them.
#[async_trait]
pub trait MediaStore {
    /// Notes an upload that is being processed.
    async fn create_media(&self, new: &NewMedia) -> Stored<MediaId>;
    /// Notes how processing ended: `None` means that it failed. `false`: it is gone, or was done.
    async fn finish_media(&self, id: MediaId, done: Option<&Finished>) -> Stored<bool>;
    /// Changes description and focal point of an attachment of this account that is in no status
    /// yet; `None` leaves a part as it is. `false`: there is none.
    async fn describe_media(
        &self,
        account: AccountId,
        id: MediaId,
        description: Option<&str>,
        focus: Option<(i32, i32)>,
    ) -> Stored<bool>;
    /// Attachments that no status carries and that were made before then, oldest first.
    async fn orphaned_media(&self, before: Timestamp, limit: u32) -> Stored<Vec<Media>>;
    /// Gives up an attachment that no status carries: no status will, and it is an orphan from now
    /// on, however young, until it is removed. `false`: one carries it by now, or it is gone.
    async fn give_up_media(&self, id: MediaId) -> Stored<bool>;
    /// The files of attachments past this one, by id, as many rows as that.
    async fn media_files(
        &self,
        after: Option<MediaId>,
        limit: u32,
    ) -> Stored<Vec<(MediaId, [String; 2])>>;
    /// The pictures of profiles past this account, by id, as many rows as that.
    async fn profile_files(
        &self,
        after: Option<AccountId>,
        limit: u32,
    ) -> Stored<Vec<(AccountId, Vec<String>)>>;
    /// Removes an attachment that no status carries. `false`: one carries it by now, or it is gone.
    async fn delete_media(&self, id: MediaId) -> Stored<bool>;
}

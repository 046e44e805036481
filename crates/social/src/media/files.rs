//! Where the files of pictures lie: a folder or a bucket, behind `object_store`. Keys are drawn at
//! random, so that nobody finds a picture without having been shown it, and a key never changes
//! its content, so that it may be cached for ever.

use super::picture::Rendition;
use crate::VerbError;
use model::{StoreError, ports::Random};
pub use object_store::GetRange;
use object_store::{GetOptions, GetResult, ObjectStore, ObjectStoreExt, PutPayload, path};
use std::{error::Error, io, sync::Arc};

/// Random bytes in a key.
const KEY_BYTES: usize = 16;
const SMALL: &str = "_small";
/// When to try again while the files are away, in seconds.
const FILES_RETRY_S: u32 = 5;

/// A store of files.
#[derive(Clone)]
pub struct Files {
    objects: Arc<dyn ObjectStore>,
}

/// The files could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the files of media are away")]
pub struct FilesError(#[from] object_store::Error);

impl From<FilesError> for VerbError {
    /// A disk without space is said as such; whatever else it is, it may be over soon.
    fn from(error: FilesError) -> Self {
        Self::Store(match error.is_full() {
            true => StoreError::Full,
            false => StoreError::Away { retry_after_s: FILES_RETRY_S },
        })
    }
}

impl FilesError {
    /// Whether the disk had no space, which lies somewhere below what `object_store` says.
    fn is_full(&self) -> bool {
        let mut cause: Option<&(dyn Error + 'static)> = self.0.source();
        while let Some(error) = cause {
            let of_system = error.downcast_ref::<io::Error>();
            let kind = of_system.map(io::Error::kind);
            if matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) {
                return true;
            }
            // An error wrapped by one of the system's is not its source, but itself.
            cause = match of_system.and_then(io::Error::get_ref) {
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        false
    }
}

/// A fresh key without its ending: two hexadecimal digits of folder, then the rest.
pub(super) fn fresh_key(random: &dyn Random) -> String {
    let mut bytes = [0_u8; KEY_BYTES];
    random.fill(&mut bytes);
    let mut key = String::with_capacity(2 * KEY_BYTES + 1);
    for (at, byte) in bytes.iter().enumerate() {
        key.push_str(&format!("{byte:02x}"));
        if at == 0 {
            key.push('/');
        }
    }
    key
}

/// The content type of a key that this room may have made; `None` for every other text, so that no
/// address reaches out of the folder.
pub fn content_type(key: &str) -> Option<&'static str> {
    let (name, extension) = key.split_once('.')?;
    let name = name.strip_suffix(SMALL).unwrap_or(name);
    let (folder, rest) = name.split_once('/')?;
    let is_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if folder.len() != 2 || rest.len() != 2 * (KEY_BYTES - 1) || !is_hex(folder) || !is_hex(rest) {
        return None;
    }
    match extension {
        "jpg" => Some("image/jpeg"),
        "png" => Some("image/png"),
        "gif" => Some("image/gif"),
        "webp" => Some("image/webp"),
        _ => None,
    }
}

impl Files {
    /// On an object store.
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects }
    }

    /// Stores a picture under a key; the key with its ending.
    pub(super) async fn put(
        &self,
        key: &str,
        small: bool,
        picture: Rendition,
    ) -> Result<String, FilesError> {
        let key = format!("{key}{}.{}", if small { SMALL } else { "" }, picture.extension);
        let payload = PutPayload::from(picture.bytes);
        self.objects.put(&path::Path::from(key.as_str()), payload).await?;
        Ok(key)
    }

    /// Reads a file or a part of it. `None`: there is none, or the part lies outside.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn get(
        &self,
        key: &str,
        range: Option<GetRange>,
    ) -> Result<Option<GetResult>, FilesError> {
        if content_type(key).is_none() {
            return Ok(None);
        }
        let options = GetOptions::new().with_range(range);
        match self.objects.get_opts(&path::Path::from(key), options).await {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// Keys in a folder of keys, and when each was written, in ms since 1970.
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<(String, i64)>, FilesError> {
        let prefix = path::Path::from(folder);
        let found = self.objects.list_with_delimiter(Some(&prefix)).await?.objects.into_iter();
        Ok(found.map(|o| (o.location.into(), o.last_modified.timestamp_millis())).collect())
    }

    /// Removes a file; one that is not there is no error.
    pub(super) async fn delete(&self, key: &str) -> Result<(), FilesError> {
        match self.objects.delete(&path::Path::from(key)).await {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(other) => Err(other.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_files_that_are_away() {
        let said = |kind: io::ErrorKind| {
            let source = Box::new(io::Error::other(io::Error::from(kind)));
            VerbError::from(FilesError(object_store::Error::Generic { store: "files", source }))
        };
        assert!(matches!(said(io::ErrorKind::StorageFull), VerbError::Store(StoreError::Full)));
        let away = said(io::ErrorKind::NotConnected);
        assert!(matches!(away, VerbError::Store(StoreError::Away { .. })));
    }

    #[test]
    fn only_own_keys_have_a_content_type() {
        let name = format!("ab/{}", "0f".repeat(15));
        assert_eq!(content_type(&format!("{name}.jpg")), Some("image/jpeg"));
        assert_eq!(content_type(&format!("{name}_small.webp")), Some("image/webp"));
        for key in [
            format!("{name}.html"),
            format!("{name}.svg"),
            format!("{name}.jpg.html"),
            format!("../{name}.jpg"),
            format!("{name}/../x.jpg"),
            "ab/x.jpg".into(),
            "ab/%2e%2e/etc.jpg".into(),
            String::new(),
        ] {
            assert_eq!(content_type(&key), None, "{key}");
        }
    }
}

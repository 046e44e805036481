//! A file that came with a multipart body, and how it reaches a typed form: as a field of type
//! [`UploadedFile`] (or `Option<UploadedFile>`), through a name that only our reader knows.

use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// The name under which the lenient reader recognises that a field wants a file.
pub(crate) const MARK: &str = "httpkit::UploadedFile";

/// A file of a multipart body. A field left blank gives an empty one.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct UploadedFile {
    /// The name the sender gave it, cut to `FILE_NAME_BYTES_MAX`. Never a path to be trusted.
    pub name: String,
    /// The type the sender claims. What the bytes are is for the media room to find out.
    pub content_type: String,
    /// The content.
    pub bytes: Bytes,
}

impl UploadedFile {
    /// Whether there is nothing in it: the field was sent blank.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl fmt::Debug for UploadedFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "File({:?}, {}, {} bytes)",
            self.name,
            self.content_type,
            self.bytes.len()
        )
    }
}

impl<'de> Deserialize<'de> for UploadedFile {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_newtype_struct(MARK, FileVisitor)
    }
}

struct FileVisitor;

impl<'de> Visitor<'de> for FileVisitor {
    type Value = UploadedFile;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a file")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<UploadedFile, A::Error> {
        let missing = || A::Error::custom("a file is wanted");
        Ok(UploadedFile {
            name: parts.next_element()?.ok_or_else(missing)?,
            content_type: parts.next_element()?.ok_or_else(missing)?,
            bytes: parts.next_element::<Content>()?.ok_or_else(missing)?.0,
        })
    }
}

/// The bytes, moved and not copied.
struct Content(Bytes);

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Moved;
        impl Visitor<'_> for Moved {
            type Value = Content;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("bytes")
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Content, E> {
                Ok(Content(bytes.into()))
            }
        }
        reader.deserialize_byte_buf(Moved)
    }
}

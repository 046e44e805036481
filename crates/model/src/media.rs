//! Media attachments. Source: <https://docs.joinmastodon.org/entities/MediaAttachment/>.

use crate::{AccountId, MediaId, StatusId, Timestamp};

/// What a file is, to a client.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MediaKind {
    /// A still picture.
    Image,
    /// A soundless looping animation.
    Gifv,
}

impl MediaKind {
    /// Mastodon's word, also as stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Gifv => "gifv",
        }
    }
    /// From the stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Image, Self::Gifv].into_iter().find(|k| k.word() == word)
    }
}

/// How far an upload has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MediaState {
    /// In the pool: 202 or 206 to the client.
    Processing,
    /// Ready.
    Ready,
    /// It could not be read: 422.
    Failed,
}

/// Width and height in pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Size {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// What an edit of a post says anew of one of its attachments; what is left out stays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaWords {
    /// Which.
    pub media: MediaId,
    /// Description for those who cannot see it.
    pub description: Option<String>,
    /// Focal point, as in [`Media`].
    pub focus: Option<(i32, i32)>,
}

impl MediaWords {
    /// Whether this says anything that the attachment does not say already.
    pub fn changes(&self, media: &Media) -> bool {
        self.description.as_ref().is_some_and(|words| *words != media.description)
            || self.focus.is_some_and(|focus| Some(focus) != media.focus)
    }
}

/// An attachment.
#[derive(Clone, PartialEq, Debug)]
pub struct Media {
    /// Its id.
    pub id: MediaId,
    /// Who uploaded it.
    pub account: AccountId,
    /// The status that carries it, once posted.
    pub status: Option<StatusId>,
    /// What it is.
    pub kind: MediaKind,
    /// How far it has come.
    pub state: MediaState,
    /// Object key below `media/`.
    pub file: String,
    /// Object key of the preview.
    pub thumbnail: String,
    /// Address of a remote original, if it is one.
    pub remote_url: Option<String>,
    /// Description for those who cannot see it.
    pub description: String,
    /// Preview hash (<https://blurha.sh>).
    pub blurhash: Option<String>,
    /// Focal point: thousandths, -1000 to 1000 on both axes.
    pub focus: Option<(i32, i32)>,
    /// Size of the file.
    pub size: Size,
    /// Size of the preview.
    pub thumbnail_size: Size,
    /// When it was uploaded, or when the post that carried it was taken away.
    pub created: Timestamp,
}

/// An upload that is about to be processed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewMedia {
    /// Who uploads.
    pub account: AccountId,
    /// As in [`Media`].
    pub description: String,
    /// As in [`Media`].
    pub focus: Option<(i32, i32)>,
    /// When.
    pub created: Timestamp,
}

/// What processing has made of an upload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finished {
    /// What it is.
    pub kind: MediaKind,
    /// Object key of the file.
    pub file: String,
    /// Object key of the preview.
    pub thumbnail: String,
    /// Preview hash.
    pub blurhash: Option<String>,
    /// Size of the file.
    pub size: Size,
    /// Size of the preview.
    pub thumbnail_size: Size,
}

/// A focal point as clients send it, `x,y`, both from -1 to 1. `None` if it is anything else.
/// Source: <https://docs.joinmastodon.org/api/guidelines/#focal-points>.
pub fn focus_of(text: &str) -> Option<(i32, i32)> {
    let (x, y) = text.split_once(',')?;
    let axis = |text: &str| -> Option<i32> {
        let value: f64 = text.trim().parse().ok()?;
        let thousandths = (value * 1_000.0).round();
        // A float that is no whole number in range has no exact conversion; the range has 2,001.
        (-1_000..=1_000).find(|n| f64::from(*n) == thousandths)
    };
    Some((axis(x)?, axis(y)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn focal_points() {
        for (text, expected) in [
            ("0.0,0.0", Some((0, 0))),
            ("-0.5, 1", Some((-500, 1_000))),
            ("0.3333,-1", Some((333, -1_000))),
            ("1.1,0", None),
            ("NaN,0", None),
            ("inf,0", None),
            ("1e400,0", None),
            ("0", None),
            ("0,0,0", None),
            ("", None),
        ] {
            assert_eq!(focus_of(text), expected, "{text}");
        }
    }
}

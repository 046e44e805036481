//! Pictures from strangers: measured before they are decoded, turned upright, encoded anew without
//! metadata, and given a preview. Pure work on bytes; where they lie is `files`' business.
//!
//! AVIF is refused: no decoder of it in safe Rust with a licence of ours exists, and pictures are
//! where hostile bytes come in.

use super::gif;
use crate::limits::{
    GIF_FRAMES_MAX, PICTURE_ALLOC_BYTES, PICTURE_BYTES_MAX, PICTURE_PIXELS_KEPT,
    PICTURE_PIXELS_MAX, PICTURE_SIDE_MAX, PREVIEW_PIXELS, PROFILE_BYTES_MAX,
};
use image::{
    DynamicImage, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Limits,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
    imageops::FilterType,
};
use model::media::Size;
use std::io::Cursor;

/// Why a file is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Neither JPEG, PNG, GIF nor WebP.
    #[error("File content type is not supported")]
    Unsupported,
    /// Too many bytes.
    #[error("File is too large")]
    TooManyBytes,
    /// Too many pixels, or too long a side.
    #[error("File has too many pixels")]
    TooManyPixels,
    /// It says what it is and then is something else.
    #[error("File could not be read")]
    Damaged,
}

/// An encoded picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rendition {
    /// The file.
    pub bytes: Vec<u8>,
    /// `jpg`, `png`, `webp` or `gif`.
    pub extension: &'static str,
    /// Width and height.
    pub size: Size,
}

/// An upload made ready to be shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prepared {
    /// The picture itself.
    pub file: Rendition,
    /// A small one of the same shape.
    pub preview: Rendition,
    /// What apps show while it loads.
    pub blurhash: Option<String>,
}

/// What is known of a file from its first bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    format: ImageFormat,
}

/// Reads the header alone, and refuses what is too large to be worth decoding.
///
/// # Errors
/// Each [`PictureError`], before a single pixel was decoded.
pub fn probe(file: &[u8]) -> Result<Probe, PictureError> {
    if file.len() > PICTURE_BYTES_MAX {
        return Err(PictureError::TooManyBytes);
    }
    let format = image::guess_format(file).map_err(|_| PictureError::Unsupported)?;
    let known = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP];
    if !known.contains(&format) {
        return Err(PictureError::Unsupported);
    }
    // Without the decoder's own limits, which would call a large picture a damaged one.
    let header = ImageReader::with_format(Cursor::new(file), format);
    let (width, height) = header.into_dimensions().map_err(|_| PictureError::Damaged)?;
    if width == 0 || height == 0 {
        return Err(PictureError::Damaged);
    }
    let pixels = u64::from(width) * u64::from(height);
    if width.max(height) > PICTURE_SIDE_MAX || pixels > PICTURE_PIXELS_MAX {
        return Err(PictureError::TooManyPixels);
    }
    Ok(Probe { format })
}

/// Decodes an attachment and encodes what is kept of it.
///
/// # Errors
/// Each [`PictureError`].
pub fn prepare(file: &[u8]) -> Result<Prepared, PictureError> {
    let probe = probe(file)?;
    let decoded = decode(file, probe.format)?;
    let preview = encode(&decoded.shrunk(PREVIEW_PIXELS), false)?;
    let blurhash = blurhash(&decoded.image);
    let moving = if probe.format == ImageFormat::Gif { moving(file)? } else { None };
    let file = match moving {
        Some(bytes) => Rendition { bytes, extension: "gif", size: size_of(&decoded.image) },
        None => encode(&decoded.shrunk(PICTURE_PIXELS_KEPT), stays_lossless(probe.format))?,
    };
    Ok(Prepared { file, preview, blurhash })
}

/// Decodes a picture and cuts its middle to this shape: avatars and headers.
///
/// # Errors
/// Each [`PictureError`].
pub fn cut(file: &[u8], shape: Size) -> Result<Rendition, PictureError> {
    let format = probe(file)?.format;
    let decoded = decode(file, format)?;
    let image = decoded.image.resize_to_fill(shape.width, shape.height, FilterType::Triangle);
    encode(&Decoded { image, profile: decoded.profile }, stays_lossless(format))
}

struct Decoded {
    image: DynamicImage,
    /// Colour profile (ICC): not about anybody, and without it colours shift.
    profile: Option<Vec<u8>>,
}

impl Decoded {
    /// The same, with at most that many pixels.
    fn shrunk(&self, pixels_max: u64) -> Self {
        let Size { width, height } = size_of(&self.image);
        let pixels = u64::from(width) * u64::from(height);
        let image = if pixels <= pixels_max {
            self.image.clone()
        } else {
            let (width, height) = fitting(width, height, pixels_max);
            self.image.thumbnail_exact(width, height)
        };
        Self { image, profile: self.profile.clone() }
    }
}

/// The largest size of the same shape with at most that many pixels; no side vanishes.
fn fitting(width: u32, height: u32, pixels_max: u64) -> (u32, u32) {
    let (w, h) = (u64::from(width), u64::from(height));
    // h' = sqrt(max * h / w): whole numbers all the way, so that every machine agrees.
    let tall = (pixels_max * h / w).isqrt().clamp(1, h);
    let wide = (pixels_max / tall).min(tall * w / h).clamp(1, w);
    (u32::try_from(wide).unwrap_or(width), u32::try_from(tall).unwrap_or(height))
}

fn reader(file: &[u8], format: ImageFormat) -> ImageReader<Cursor<&[u8]>> {
    let mut reader = ImageReader::with_format(Cursor::new(file), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(PICTURE_SIDE_MAX);
    limits.max_image_height = Some(PICTURE_SIDE_MAX);
    limits.max_alloc = Some(PICTURE_ALLOC_BYTES);
    reader.limits(limits);
    reader
}

fn decode(file: &[u8], format: ImageFormat) -> Result<Decoded, PictureError> {
    let damaged = |_| PictureError::Damaged;
    let mut decoder = reader(file, format).into_decoder().map_err(damaged)?;
    let orientation = decoder.orientation().map_err(damaged)?;
    let profile = decoder.icc_profile().ok().flatten().filter(|p| is_rgb_profile(p));
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    image.apply_orientation(orientation);
    let image = if has_alpha(&image) {
        DynamicImage::ImageRgba8(image.into_rgba8())
    } else {
        DynamicImage::ImageRgb8(image.into_rgb8())
    };
    Ok(Decoded { image, profile })
}

/// Whether a profile speaks of RGB: one for CMYK would paint the converted pixels wrong.
fn is_rgb_profile(profile: &[u8]) -> bool {
    profile.len() <= PROFILE_BYTES_MAX && profile.get(16..20) == Some(b"RGB ".as_slice())
}

fn has_alpha(image: &DynamicImage) -> bool {
    image.color().has_alpha() && image.to_rgba8().pixels().any(|pixel| pixel.0[3] < 255)
}

/// Encodes without metadata. Photographs become JPEG; what has transparency, and drawings where
/// they are asked for, stay lossless.
fn encode(decoded: &Decoded, lossless: bool) -> Result<Rendition, PictureError> {
    let mut bytes = Vec::new();
    let image = &decoded.image;
    let transparent = image.color().has_alpha();
    let (written, extension) = if transparent && !lossless {
        (image.write_with_encoder(WebPEncoder::new_lossless(&mut bytes)), "webp")
    } else if transparent || lossless {
        let mut encoder = PngEncoder::new(&mut bytes);
        if let Some(profile) = decoded.profile.clone() {
            let _ = encoder.set_icc_profile(profile);
        }
        (image.write_with_encoder(encoder), "png")
    } else {
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 88);
        if let Some(profile) = decoded.profile.clone() {
            let _ = encoder.set_icc_profile(profile);
        }
        (image.write_with_encoder(encoder), "jpg")
    };
    written.map_err(|_| PictureError::Damaged)?;
    Ok(Rendition { bytes, extension, size: size_of(image) })
}

/// The frames of an animation; `None` for a GIF that stands still.
fn moving(file: &[u8]) -> Result<Option<Vec<u8>>, PictureError> {
    let stripped = gif::strip(file).ok_or(PictureError::Damaged)?;
    if stripped.frames > GIF_FRAMES_MAX {
        return Err(PictureError::TooManyPixels);
    }
    Ok((stripped.frames > 1).then_some(stripped.bytes))
}

fn blurhash(image: &DynamicImage) -> Option<String> {
    let small = image.thumbnail(32, 32).into_rgba8();
    blurhash::encode(4, 3, small.width(), small.height(), small.as_raw()).ok()
}

/// Whether a format is one in which people keep drawings and screenshots.
fn stays_lossless(format: ImageFormat) -> bool {
    matches!(format, ImageFormat::Png | ImageFormat::Gif)
}

fn size_of(image: &DynamicImage) -> Size {
    Size { width: image.width(), height: image.height() }
}

#[cfg(test)]
mod tests;

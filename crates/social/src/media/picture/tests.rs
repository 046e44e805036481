//! Pictures are measured before they are decoded, come out upright, small and without metadata.

use super::*;
use image::{GenericImageView, Rgba, RgbaImage};

/// Half red, half blue, so that turning it shows.
fn picture(width: u32, height: u32, alpha: u8) -> DynamicImage {
    DynamicImage::ImageRgba8(RgbaImage::from_fn(width, height, |x, _| {
        if x < width / 2 { Rgba([220, 10, 10, alpha]) } else { Rgba([10, 10, 220, alpha]) }
    }))
}

fn file(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let image = match format {
        ImageFormat::Jpeg => DynamicImage::ImageRgb8(image.to_rgb8()),
        _ => image.clone(),
    };
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A JPEG whose EXIF says: turn by 90 degrees, and who made it.
fn turned_jpeg() -> Vec<u8> {
    let plain = file(&picture(40, 20, 255), ImageFormat::Jpeg);
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x02".to_vec();
    exif.extend_from_slice(b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0");
    exif.extend_from_slice(b"\x01\x3b\0\x02\0\0\0\x04Anna");
    exif.extend_from_slice(b"\0\0\0\0");
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    let mut bytes = plain[..2].to_vec();
    bytes.extend_from_slice(&[0xFF, 0xE1]);
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&exif);
    bytes.extend_from_slice(&plain[2..]);
    bytes
}

#[test]
fn each_format_becomes_one_that_every_browser_shows() {
    for (format, alpha, extension, preview) in [
        (ImageFormat::Jpeg, 255, "jpg", "jpg"),
        (ImageFormat::Png, 255, "png", "jpg"),
        (ImageFormat::Png, 100, "png", "webp"),
        (ImageFormat::WebP, 255, "jpg", "jpg"),
        (ImageFormat::WebP, 100, "webp", "webp"),
        (ImageFormat::Gif, 255, "png", "jpg"),
    ] {
        let made = prepare(&file(&picture(60, 40, alpha), format)).unwrap();
        assert_eq!(
            (made.file.extension, made.preview.extension),
            (extension, preview),
            "{format:?}"
        );
        assert_eq!(made.file.size, Size { width: 60, height: 40 });
        assert!(made.blurhash.is_some());
        let again = image::load_from_memory(&made.file.bytes).unwrap();
        assert_eq!(again.dimensions(), (60, 40));
    }
}

#[test]
fn photographs_come_out_upright_and_tell_nothing_of_their_maker() {
    let bytes = turned_jpeg();
    assert!(bytes.windows(4).any(|w| w == b"Anna"));
    let made = prepare(&bytes).unwrap();
    assert_eq!(made.file.size, Size { width: 20, height: 40 });
    for rendition in [&made.file, &made.preview] {
        assert!(!rendition.bytes.windows(4).any(|w| w == b"Anna" || w == b"Exif"));
    }
    let upright = image::load_from_memory(&made.file.bytes).unwrap().to_rgb8();
    assert!(upright.get_pixel(10, 4).0[0] > 150, "red is at the top");
    assert!(upright.get_pixel(10, 36).0[2] > 150, "blue is at the bottom");
}

#[test]
fn large_pictures_are_made_smaller_in_shape() {
    let made = prepare(&file(&picture(4_400, 2_200, 255), ImageFormat::Jpeg)).unwrap();
    let Size { width, height } = made.file.size;
    assert!(u64::from(width) * u64::from(height) <= PICTURE_PIXELS_KEPT);
    assert!(width > 4_000 && (width / 2).abs_diff(height) <= 1, "{width}x{height}");
    let Size { width, height } = made.preview.size;
    assert!(u64::from(width) * u64::from(height) <= PREVIEW_PIXELS);
    for (width, height) in [(1, 16_384), (16_384, 1), (7_680, 4_320), (1_000_000, 33)] {
        let (w, h) = fitting(width, height, PREVIEW_PIXELS);
        assert!(w >= 1 && h >= 1 && u64::from(w) * u64::from(h) <= PREVIEW_PIXELS);
    }
}

#[test]
fn avatars_are_cut_to_their_shape() {
    let shape = Size { width: 40, height: 40 };
    let made = cut(&file(&picture(90, 30, 255), ImageFormat::Png), shape).unwrap();
    assert_eq!((made.size, made.extension), (shape, "png"));
    assert_eq!(cut(b"no picture", shape), Err(PictureError::Unsupported));
}

/// A PNG that claims this size and holds next to nothing: what a decompression bomb looks like.
fn claiming(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = file(&picture(2, 2, 255), ImageFormat::Png);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// CRC-32 as PNG uses it (ISO 3309).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(
            sum ^ u32::from(*byte),
            |s, _| if s & 1 == 1 { s >> 1 ^ 0xEDB8_8320 } else { s >> 1 },
        )
    })
}

#[test]
fn what_is_no_picture_or_too_large_is_refused_before_decoding() {
    let png = file(&picture(60, 40, 255), ImageFormat::Png);
    let mut heavy = png.clone();
    heavy.resize(PICTURE_BYTES_MAX + 1, 0);
    for (name, bytes, expected) in [
        ("words", b"hello".to_vec(), PictureError::Unsupported),
        ("nothing", Vec::new(), PictureError::Unsupported),
        ("svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(), PictureError::Unsupported),
        ("avif", b"\0\0\0\x1cftypavif\0\0\0\0avif".to_vec(), PictureError::Unsupported),
        ("bytes", heavy, PictureError::TooManyBytes),
        ("pixels", claiming(8_000, 8_000), PictureError::TooManyPixels),
        ("side", claiming(16_385, 1), PictureError::TooManyPixels),
        ("header only", png[..40].to_vec(), PictureError::Damaged),
        ("half", png[..png.len() / 2].to_vec(), PictureError::Damaged),
    ] {
        assert_eq!(prepare(&bytes).err(), Some(expected), "{name}");
    }
    assert_eq!(probe(&claiming(8_000, 8_000)).err(), Some(PictureError::TooManyPixels));
}

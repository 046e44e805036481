//! Pictures of the sample harbour, drawn by code: whole numbers only, so that they come out the
//! same everywhere.

use image::{ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

/// What a picture shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Motif {
    /// The sun going down behind the pier.
    Sunset,
    /// The lighthouse at night.
    Lighthouse,
    /// Big waves under a grey sky.
    Storm,
    /// Loaves on a board.
    Bread,
    /// A chart with a dotted route.
    Chart,
    /// A patchwork quilt.
    Quilt,
}

const WHITE: Colour = [250, 250, 245];
const INK: Colour = [25, 35, 50];

/// Between two colours: `part` of `whole` of the second.
fn mix(first: Colour, second: Colour, part: i64, whole: i64) -> Colour {
    let (whole, part) = (whole.max(1), part.clamp(0, whole.max(1)));
    let one = |(a, b): (u8, u8)| {
        let mixed = (i64::from(a) * (whole - part) + i64::from(b) * part) / whole;
        u8::try_from(mixed).unwrap_or(u8::MAX)
    };
    let ([r1, g1, b1], [r2, g2, b2]) = (first, second);
    [one((r1, r2)), one((g1, g2)), one((b1, b2))]
}

/// Whether a point lies in an ellipse.
fn within((x, y): (i64, i64), (cx, cy): (i64, i64), (rx, ry): (i64, i64)) -> bool {
    let (dx, dy) = (x - cx, y - cy);
    dx * dx * ry * ry + dy * dy * rx * rx <= rx * rx * ry * ry
}

/// A wave of triangles: from 0 to `height` and back, once in `length`.
fn wave(x: i64, length: i64, height: i64) -> i64 {
    let at = x.rem_euclid(length);
    let half = length / 2;
    (if at < half { at } else { length - at }) * height / half.max(1)
}

fn png(width: u32, height: u32, colour: impl Fn(i64, i64) -> Colour) -> anyhow::Result<Vec<u8>> {
    let picture = RgbImage::from_fn(width, height, |x, y| Rgb(colour(i64::from(x), i64::from(y))));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

/// A bird before its sky.
pub(super) fn avatar(feathers: Colour, sky: Colour) -> anyhow::Result<Vec<u8>> {
    png(200, 200, |x, y| {
        let at = (x, y);
        if within(at, (112, 74), (7, 7)) {
            INK
        } else if within(at, (114, 72), (12, 12)) {
            WHITE
        } else if (140..185).contains(&x) && (y - 88).abs() <= (185 - x) / 4 {
            [235, 150, 50]
        } else if within(at, (105, 80), (45, 42)) {
            feathers
        } else if within(at, (95, 170), (62, 62)) {
            if x > 95 { mix(feathers, WHITE, 3, 5) } else { feathers }
        } else {
            mix(sky, WHITE, y, 300)
        }
    })
}

/// The harbour under somebody's sky.
pub(super) fn header(sky: Colour, seed: i64) -> anyhow::Result<Vec<u8>> {
    png(750, 250, |x, y| {
        let roofs = 150 - wave(x + seed * 37, 60, 22) - wave(x + seed * 11, 170, 18);
        if y > 190 + wave(x + y * 3 + seed * 20, 46, 7) {
            mix([40, 90, 120], sky, wave(x * 2 + y * 9, 90, 40), 100)
        } else if y > roofs && y < 196 {
            let is_window = x % 20 > 12 && y % 16 > 10 && y > roofs + 12 && y < 184;
            if is_window { [250, 215, 130] } else { mix(INK, sky, (x / 30) % 4, 9) }
        } else {
            mix(sky, WHITE, y, 220)
        }
    })
}

/// A picture for a post.
pub(super) fn picture(motif: Motif) -> anyhow::Result<Vec<u8>> {
    match motif {
        Motif::Sunset => png(640, 420, |x, y| {
            if y > 280 {
                let shine = (x - 320).abs() < 40 + wave(y * 7, 50, 60);
                let sea = mix([90, 60, 90], [30, 40, 80], y - 280, 140);
                if shine { mix(sea, [255, 190, 90], 2, 3) } else { sea }
            } else if x < 260 && y > 262 {
                INK
            } else if within((x, y), (320, 265), (70, 70)) {
                [255, 215, 120]
            } else {
                mix([60, 60, 130], [250, 130, 80], y, 280)
            }
        }),
        Motif::Lighthouse => png(480, 640, lighthouse),
        Motif::Storm => png(720, 400, |x, y| {
            let near = 250 - wave(x, 240, 90);
            let far = 180 - wave(x + 90, 150, 40);
            if y > near {
                let foam = y - near < 8;
                if foam { WHITE } else { mix([30, 70, 80], [10, 25, 40], y - near, 220) }
            } else if y > far {
                if y - far < 4 { WHITE } else { [70, 105, 115] }
            } else {
                mix([80, 85, 95], [150, 155, 160], y + wave(x * 2, 200, 40), 260)
            }
        }),
        Motif::Bread => png(600, 400, |x, y| {
            let loaf = (0..3).find(|n| within((x, y), (130 + n * 170, 220), (75, 95)));
            match loaf {
                Some(n) if (x - 130 - n * 170 + y / 3) % 40 < 6 => [240, 220, 180],
                Some(n) => mix([190, 120, 55], [120, 65, 25], y - 125 + n * 10, 200),
                None if y > 110 && y < 340 => mix([170, 130, 90], [140, 100, 65], y % 26, 26),
                None => [235, 232, 225],
            }
        }),
        Motif::Chart => png(640, 480, |x, y| {
            let land = y < 90 + wave(x, 210, 70) || y > 430 - wave(x + 60, 330, 60);
            let route = (y - (120 + x / 2 - wave(x, 640, 90))).abs() < 4 && x % 24 < 14;
            if route {
                [200, 40, 40]
            } else if land {
                [225, 205, 150]
            } else if x % 80 == 0 || y % 80 == 0 {
                [150, 185, 205]
            } else {
                [205, 228, 238]
            }
        }),
        Motif::Quilt => png(480, 480, quilt),
    }
}

fn lighthouse(x: i64, y: i64) -> Colour {
    let tower = (x - 240).abs() < 26 + (y - 180) / 14;
    if y > 560 - wave(x, 300, 30) {
        INK
    } else if tower && (200..570).contains(&y) {
        if (y / 60) % 2 == 0 { [200, 50, 45] } else { WHITE }
    } else if (x - 240).abs() < 20 && (150..200).contains(&y) {
        [255, 240, 170]
    } else if x > 260 && (y - 175).abs() < (x - 240) / 5 {
        mix([255, 240, 170], [20, 30, 60], x - 260, 240)
    } else if (x * 7919 + y * 104_729) % 1_511 == 0 {
        WHITE
    } else {
        mix([12, 18, 45], [50, 60, 100], y, 640)
    }
}

fn quilt(x: i64, y: i64) -> Colour {
    let (column, row) = (x / 60, y / 60);
    let (dx, dy) = ((x % 60 - 30).abs(), (y % 60 - 30).abs());
    let cloth = [[60, 110, 140], [220, 180, 110], [170, 70, 70], [230, 228, 220]];
    let patch = usize::try_from((column * 3 + row * 5) % 4).unwrap_or(0);
    let patch = cloth.get(patch).copied().unwrap_or(WHITE);
    if dx > 27 || dy > 27 {
        INK
    } else if dx + dy < 24 {
        mix(patch, WHITE, 1, 2)
    } else {
        patch
    }
}

//! How long one text of twenty words takes: `cargo run --release -p model --example text_speed`.
//! A measure for whoever changes the scanner, not a test: it prints, and judges nothing.

use model::{
    language,
    text::{self, Handle, Links},
};
use std::{hint::black_box, time::Instant};

const ROUNDS: u32 = 20_000;

struct Here;
impl Links for Here {
    fn account(&self, handle: &Handle) -> Option<String> {
        Some(format!("https://example.org/@{}", handle.username))
    }
    fn tag(&self, name: &str) -> String {
        format!("https://example.org/tags/{name}")
    }
}

#[expect(clippy::disallowed_methods, reason = "a measure of time has to look at the clock")]
fn measure(name: &str, mut work: impl FnMut()) {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        work();
    }
    println!("{name}: {:.2} us", start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS));
}

fn main() {
    let words = "The quick brown fox jumps over the lazy dog and then it sleeps in the warm sun \
                 until evening comes again";
    let busy = "Thanks @ann and @bob@example.com for the #Rust evening at \
                https://example.org/events/2026/rust :crab: see you all there next week, friends";
    let german = "Über den Wolken muss die Freiheit wohl grenzenlos sein, und alle Ängste, alle \
                  Sorgen blieben darunter verborgen";
    for (name, source) in [("words", words), ("busy", busy), ("german", german)] {
        measure(&format!("{name}: parse, fits"), || {
            let _ = black_box(text::parse(black_box(source)).fits(500));
        });
        measure(&format!("{name}: parse, html"), || {
            black_box(text::parse(black_box(source)).to_html(&Here));
        });
        measure(&format!("{name}: language"), || {
            black_box(language::guess(black_box(source)));
        });
    }
}

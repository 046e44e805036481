//! How long a token takes to seal, to open and to be refused:
//! `cargo run --release -p httpkit --example seal_speed`.
//! A measure for whoever changes the sealer, not a test: it prints, and judges nothing.

use httpkit::{Sealer, seal::Kind};
use std::{hint::black_box, time::Instant};

const ROUNDS: u32 = 200_000;

#[expect(clippy::disallowed_methods, reason = "a measure of time has to look at the clock")]
fn measure(name: &str, mut work: impl FnMut()) {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        work();
    }
    println!("{name}: {:.2} us", start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS));
}

fn main() {
    let sealer = Sealer::new(&[7; 32]);
    let payload = [9; 16];
    let token = sealer.seal(Kind::Token, &payload);
    measure("seal 16 bytes", || {
        black_box(sealer.seal(Kind::Token, black_box(&payload)));
    });
    measure("open", || {
        black_box(sealer.open(Kind::Token, black_box(&token)));
    });
    measure("refuse a forged one", || {
        black_box(sealer.open(Kind::Session, black_box(&token)));
    });
}

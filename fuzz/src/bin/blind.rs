//! Tries a target with chance alone: `blind TARGET SECONDS SEED`. For compilers without
//! instrumentation. Each input comes from a number; the number of a finding is printed, and given
//! as the seed it is tried first.

use std::fs;
use std::panic;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Bytes of an input, at most.
const INPUT_BYTES_MAX: usize = 4_096;

/// Pieces that parsers have stumbled over elsewhere.
const PIECES: [&[u8]; 14] = [
    b"\x00",
    b"\xff",
    b"%00",
    b"%",
    b"[]",
    b"[0]",
    b"&",
    b"=",
    b"\r\n",
    b"--B",
    b"\"",
    b"-1",
    b"9223372036854775808",
    "\u{202e}".as_bytes(),
];

/// SplitMix64: one number after another from a seed.
struct Chance(u64);

impl Chance {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `limit`, or 0 when that is 0.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        usize::try_from(self.bits().checked_rem(limit).unwrap_or(0)).unwrap_or(0)
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, seconds, seed] = words.as_slice() else { return usage() };
    let target = fuzz::TARGETS.iter().find(|(known, _)| known == name);
    let (Some((_, run)), Ok(seconds), Ok(seed)) = (target, seconds.parse(), seed.parse::<u64>())
    else {
        return usage();
    };
    let seeds = seeds(name);
    let begun = Instant::now();
    let limit = Duration::from_secs(seconds);
    let mut tried = 0_u64;
    while begun.elapsed() < limit {
        let number = seed.wrapping_add(tried);
        let input = input(&seeds, number);
        if panic::catch_unwind(|| run(&input)).is_err() {
            eprintln!("{name}: seed {number} ends it: \"{}\"", input.escape_ascii());
            return ExitCode::FAILURE;
        }
        tried += 1;
    }
    println!("{name}: {tried} inputs by chance from seed {seed}, none ended it");
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    let names: Vec<&str> = fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
    eprintln!("blind TARGET SECONDS SEED, where TARGET is one of {}", names.join(", "));
    ExitCode::FAILURE
}

/// The inputs to start from, in the order of their names.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| fs::read(path).ok()).collect()
}

fn input(seeds: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut chance = Chance(number);
    let mut bytes = seeds.get(chance.below(seeds.len())).cloned().unwrap_or_default();
    for _ in 0..=chance.below(5) {
        let at = chance.below(bytes.len() + 1);
        let end = (at + chance.below(24)).min(bytes.len());
        match chance.below(5) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let copy = bytes.get(at..end).unwrap_or_default().repeat(chance.below(40));
                bytes.splice(at..at, copy);
            }
            3 => {
                let piece = PIECES.get(chance.below(PIECES.len())).copied().unwrap_or_default();
                bytes.splice(at..at, piece.repeat(1 + chance.below(20)));
            }
            _ => {
                let [byte, ..] = chance.bits().to_le_bytes();
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
        }
        bytes.truncate(INPUT_BYTES_MAX);
    }
    bytes
}

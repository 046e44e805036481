//! The challenge as a browser with scripts meets it: a page says how much work is to be done and in
//! which cookie its answer goes back; the page is asked for again with it. A phone takes about a
//! second for what a core of this machine does in a fortieth of it, so whoever does the work here
//! waits a phone's time, and as the load's core has other things to do, only some do it: the others
//! are handed what it earns, by the instance's own key.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{SHA256, digest};
use tokio::sync::oneshot;

use crate::{
    chance::Chance,
    clock,
    limits::{PUZZLE_BITS_MAX, PUZZLE_PARTS_MAX, PUZZLES_PER_S, PUZZLES_WAITING_MAX},
    system,
};

/// Work that a page asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Challenge {
    /// The cookie that it came in, and that its answer goes back in.
    pub cookie: String,
    bits: u32,
    parts: u32,
}

impl Challenge {
    /// What a page asks for; none where it is no challenge, or one that no phone would do.
    pub(super) fn of(page: &str) -> Option<Self> {
        let begin = page.find("<div id=\"work\"")?;
        let tag = page.get(begin..begin + page.get(begin..)?.find('>')?)?;
        let number = |name, most| given(tag, name)?.parse().ok().filter(|found| *found <= most);
        let bits = number(" data-bits=\"", PUZZLE_BITS_MAX)?;
        let parts = number(" data-parts=\"", PUZZLE_PARTS_MAX)?;
        Some(Self { cookie: given(tag, " data-cookie=\"")?.to_owned(), bits, parts })
    }

    /// How long a phone takes for it: its parts end by chance, one after the other, and one half of
    /// a million hashes takes a second.
    pub(super) fn phone_time(&self, chance: &mut Chance) -> Duration {
        let one = |chance: &mut Chance| -(1.0 - chance.share()).ln();
        let parts: f64 = (0..self.parts).map(|_| one(chance)).sum();
        Duration::from_secs_f64(parts * f64::from(1_u32 << self.bits) / PHONE_PER_S)
    }

    /// Does it: for each part the first number that fits, in base 36, with dots between.
    fn answer(&self, text: &str) -> String {
        let mut block = [0_u8; 40];
        let seed = digest(&SHA256, text.as_bytes());
        block.iter_mut().zip(seed.as_ref()).for_each(|(to, from)| *to = *from);
        let mut words = Vec::new();
        for part in 0..self.parts {
            let fits = |number: &u32| {
                if let Some(end) = block.last_chunk_mut::<8>() {
                    *end = (u64::from(part) << 32 | u64::from(*number)).to_be_bytes();
                }
                let hash = digest(&SHA256, &block);
                let first =
                    hash.as_ref().first_chunk::<4>().map(|first| u32::from_be_bytes(*first));
                first.is_some_and(|first| first.leading_zeros() >= self.bits)
            };
            words.push(base_36((0..u32::MAX).find(fits).unwrap_or(0)));
        }
        words.join(".")
    }
}

/// What stands in a tag after some text, up to the next quotation mark.
fn given<'t>(tag: &'t str, after: &str) -> Option<&'t str> {
    let rest = tag.get(tag.find(after)? + after.len()..)?;
    rest.get(..rest.find('"')?)
}

/// Hashes that a phone of the middle class does in a second, in a browser.
const PHONE_PER_S: f64 = 524_288.0;

fn base_36(mut number: u32) -> String {
    let mut digits = Vec::new();
    while number > 0 || digits.is_empty() {
        digits.extend(char::from_digit(number % 36, 36));
        number /= 36;
    }
    digits.iter().rev().collect()
}

struct Task {
    challenge: Challenge,
    text: String,
    done: oneshot::Sender<String>,
}

/// A thread that does the work, so that nobody else is late for it.
pub(super) struct Worker {
    tasks: mpsc::SyncSender<Task>,
    begun: Instant,
    taken: AtomicI64,
}

impl Worker {
    /// One that ends with this value.
    pub(super) fn start() -> Arc<Self> {
        let (tasks, waiting) = mpsc::sync_channel::<Task>(PUZZLES_WAITING_MAX);
        thread::spawn(move || {
            system::load_core_here();
            system::idle_class_here();
            while let Ok(task) = waiting.recv() {
                let _gone = task.done.send(task.challenge.answer(&task.text));
            }
        });
        Arc::new(Self { tasks, begun: clock::now(), taken: AtomicI64::new(0) })
    }

    /// The answer to a challenge's text; none where so many have been done already that the load's
    /// core would have no time for its load.
    pub(super) async fn answer(&self, challenge: &Challenge, text: &str) -> Option<String> {
        let passed = clock::now().saturating_duration_since(self.begun).as_secs_f64();
        #[expect(clippy::cast_possible_truncation, reason = "a few thousand")]
        let allowed = (passed * PUZZLES_PER_S) as i64 + 1;
        if self.taken.fetch_add(1, Ordering::Relaxed) >= allowed {
            self.taken.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let (done, answer) = oneshot::channel();
        let task = Task { challenge: challenge.clone(), text: text.to_owned(), done };
        self.tasks.try_send(task).ok()?;
        answer.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<p><div id=\"work\" hidden data-bits=\"6\" data-parts=\"3\" \
                        data-cookie=\"__Host-challenge\" data-done=\"Done\"></div>";

    #[test]
    fn a_challenge_is_what_its_page_says() {
        let found = Challenge::of(PAGE).expect("a challenge");
        assert_eq!((found.bits, found.parts, &*found.cookie), (6, 3, "__Host-challenge"));
        assert_eq!(Challenge::of("<div id=\"idle\">"), None);
        assert_eq!(Challenge::of(&PAGE.replace("\"6\"", "\"31\"")), None, "too much");
        assert_eq!(Challenge::of(&PAGE.replace("\"6\"", "\"-6\"")), None);
    }

    #[test]
    fn the_work_is_done_part_by_part() {
        let challenge = Challenge::of(PAGE).expect("a challenge");
        let answer = challenge.answer("abc");
        let mut block = digest(&SHA256, b"abc").as_ref().to_vec();
        block.extend([0; 8]);
        assert_eq!(answer.split('.').count(), 3);
        for (part, word) in (0_u64..).zip(answer.split('.')) {
            let number = u64::from(u32::from_str_radix(word, 36).expect("a number"));
            block[32..].copy_from_slice(&(part << 32 | number).to_be_bytes());
            let hash = digest(&SHA256, &block);
            assert!(hash.as_ref()[0] < 4, "six zero bits: {word}");
        }
        // Reckoned apart from this code: the first number of part 3 of "abc" with 12 zero bits.
        let harder = Challenge { bits: 12, parts: 4, ..challenge };
        assert_eq!(harder.answer("abc").rsplit('.').next(), Some(&*base_36(2_536)));
    }

    #[test]
    fn a_phone_takes_about_a_second() {
        let challenge = Challenge { cookie: String::new(), bits: 16, parts: 8 };
        let mut chance = Chance::new(6);
        let times = (0..500).map(|_| challenge.phone_time(&mut chance).as_secs_f64());
        let mean = times.sum::<f64>() / 500.0;
        assert!((0.9..1.1).contains(&mean), "{mean}");
    }
}

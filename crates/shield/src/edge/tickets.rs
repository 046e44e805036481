//! Session tickets that carry standing. A cookie cannot be seen before TLS, and a handshake is what
//! a flood of connections makes dear; but a client that was here before brings a ticket that only
//! we could have made, in its first flight. Leaves what standing is worth to `seats` and
//! `handshakes`, and whether a client may resume to rustls, which checks its proof (the binder).
//!
//! TLS 1.3 sends tickets as the handshake ends, before anybody has asked for anything, and rustls
//! cannot send more of them later. So a ticket carries a random number, its *lineage*, and when a
//! member is served over the connection, `known` notes that lineage. What came of a ticket is
//! written into those that its connection is given in turn.
//!
//! Keys change every half day and are derived from a secret of the instance, so that tickets
//! outlive a restart: that is when everybody comes at once. It costs TLS 1.3 nothing, whose every
//! connection also exchanges fresh keys; TLS 1.2 does not, so its tickets have keys of this
//! process.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use parking_lot::{Mutex, RwLock};
use rustls::crypto::{SecureRandom, aws_lc_rs as provider};
use rustls::server::ProducesTickets;

use super::clock;
use super::limits::{TICKET_KEY_S, TICKETS_SPENT_MAX, TICKETS_TRIED_MAX, VOUCHED_S};
use crate::decide::Standing;
use crate::decide::sketch::Filter;

/// Standings that a ticket can carry, by their number in it.
const CARRIED: [Standing; 3] = [Standing::Member, Standing::Peer, Standing::FamiliarCookie];
const NAME_BYTES: usize = 8;
const TAG_BYTES: usize = 16;
/// Length of what is said of a connection within its tickets.
const NOTE_BYTES: usize = 8 + 8 + 1 + 8 + 8;

/// Whether a standing is one that a connection can be vouched for with.
pub(super) fn can_carry(standing: Standing) -> bool {
    CARRIED.contains(&standing)
}

/// Who was seen behind a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Voucher {
    pub(super) standing: Standing,
    /// Whose connections are counted together.
    pub(super) principal: u64,
    pub(super) at_unix_s: u64,
}

impl Voucher {
    /// Whether it is recent enough to count.
    pub(super) fn holds(&self, now_unix_s: u64) -> bool {
        now_unix_s.saturating_sub(self.at_unix_s) < VOUCHED_S
    }
}

/// What a ticket says of the connection that it was given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) lineage: u64,
    pub(super) voucher: Option<Voucher>,
}

/// Makes and opens the tickets of one TLS door.
pub struct Tickets {
    lasting: RwLock<Ring>,
    fleeting: RwLock<Ring>,
    /// Marks our note among what rustls writes into a ticket; no peer can know it.
    mark: RwLock<[u8; 8]>,
    spent: Mutex<Spent>,
    random: &'static dyn SecureRandom,
}

/// The keys of now and of the time before.
struct Ring {
    secret: [u8; 32],
    epoch: u64,
    current: Key,
    before: Option<Key>,
}

struct Key {
    name: [u8; NAME_BYTES],
    sealing: RandomizedNonceKey,
}

/// Tickets whose standing was used, as long as their keys live: each counts once.
struct Spent {
    epoch: u64,
    current: Filter,
    before: Filter,
}

impl Tickets {
    /// With a secret of its own, for as long as this process lives: see [`Self::keep_under`].
    ///
    /// # Errors
    /// When the cryptography library is out of order.
    pub(super) fn new() -> Result<Arc<Self>, rustls::Error> {
        let random = provider::default_provider().secure_random;
        let epoch = clock::unix_s() / TICKET_KEY_S;
        let (lasting, fleeting) = (secret(random)?, secret(random)?);
        let filter = || Filter::new(TICKETS_SPENT_MAX);
        Ok(Arc::new(Self {
            mark: RwLock::new(mark(&lasting)),
            lasting: RwLock::new(Ring::derived(lasting, epoch)?),
            fleeting: RwLock::new(Ring::derived(fleeting, epoch)?),
            spent: Mutex::new(Spent { epoch, current: filter(), before: filter() }),
            random,
        }))
    }

    /// From now on the keys come from this secret of the instance: the tickets of a process before
    /// this one, with the same secret, open again.
    ///
    /// # Errors
    /// When the cryptography library is out of order.
    pub fn keep_under(&self, secret: [u8; 32]) -> Result<(), rustls::Error> {
        let ring = Ring::derived(secret, clock::unix_s() / TICKET_KEY_S)?;
        *self.mark.write() = mark(&secret);
        *self.lasting.write() = ring;
        Ok(())
    }

    /// A number that no peer knows.
    pub(super) fn lineage(&self) -> u64 {
        let mut bytes = [0; 8];
        // Without chance there are no handshakes either.
        match self.random.fill(&mut bytes) {
            Ok(()) => u64::from_le_bytes(bytes),
            Err(_) => 0,
        }
    }

    /// What the first ticket says that we made and nobody has used before, and the number by which
    /// it can be spent.
    pub(super) fn read<'a>(
        &self,
        tickets: impl Iterator<Item = &'a [u8]>,
    ) -> Option<(Note, Unspent)> {
        let (number, plain) = tickets.take(TICKETS_TRIED_MAX).find_map(|ticket| {
            let plain = self.decrypt(ticket)?;
            Some((Unspent(u64::from_le_bytes(*ticket.last_chunk()?)), plain))
        })?;
        let mark = *self.mark.read();
        let at = plain.windows(mark.len()).position(|window| window == mark)?;
        let note = Note::decode(plain.get(at + mark.len()..)?)?;
        Some((note, number))
    }

    /// Uses a ticket's standing up; false when it was used before.
    pub(super) fn spend(&self, Unspent(number): Unspent) -> bool {
        let mut spent = self.spent.lock();
        spent.turn(clock::unix_s() / TICKET_KEY_S);
        if spent.current.contains(number) || spent.before.contains(number) {
            return false;
        }
        spent.current.insert(number);
        true
    }

    /// What rustls is to write into a connection's tickets.
    pub(super) fn encode(&self, note: &Note) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(NOTE_BYTES);
        bytes.extend(*self.mark.read());
        note.encode(&mut bytes);
        bytes
    }

    /// What rustls found in the ticket that a connection resumed with.
    pub(super) fn decode(&self, bytes: &[u8]) -> Option<Note> {
        let (mark, note) = bytes.split_first_chunk()?;
        (*mark == *self.mark.read()).then(|| Note::decode(note))?
    }

    /// The ring for a session of this kind, with the keys of now.
    fn seal(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let ring = if is_of_tls13(plain) { &self.lasting } else { &self.fleeting };
        let epoch = clock::unix_s() / TICKET_KEY_S;
        if ring.read().epoch != epoch {
            let mut ring = ring.write();
            if is_of_tls13(plain) {
                *ring = Ring::derived(ring.secret, epoch).ok()?;
            } else {
                ring.renew(secret(self.random).ok()?, epoch).ok()?;
            }
        }
        ring.read().current.seal(plain)
    }
}

/// A ticket that may still count.
pub(super) struct Unspent(u64);

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    /// A key opens for as long again as it seals.
    fn lifetime(&self) -> u32 {
        u32::try_from(TICKET_KEY_S).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(plain)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let epoch = clock::unix_s() / TICKET_KEY_S;
        [&self.lasting, &self.fleeting].into_iter().find_map(|ring| ring.read().open(ticket, epoch))
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tickets")
    }
}

impl Ring {
    fn derived(secret: [u8; 32], epoch: u64) -> Result<Self, rustls::Error> {
        let before = Some(Key::derived(&secret, epoch.wrapping_sub(1))?);
        Ok(Self { secret, epoch, current: Key::derived(&secret, epoch)?, before })
    }

    /// The next keys come from another secret: whoever learns it cannot open what was sealed long
    /// before.
    fn renew(&mut self, secret: [u8; 32], epoch: u64) -> Result<(), rustls::Error> {
        let current = std::mem::replace(&mut self.current, Key::derived(&secret, epoch)?);
        self.before = (epoch == self.epoch.wrapping_add(1)).then_some(current);
        (self.secret, self.epoch) = (secret, epoch);
        Ok(())
    }

    /// Opens a ticket of this ring's keys, if at `epoch` they still count.
    fn open(&self, ticket: &[u8], epoch: u64) -> Option<Vec<u8>> {
        let (name, sealed) = ticket.split_first_chunk::<NAME_BYTES>()?;
        let since = epoch.saturating_sub(self.epoch);
        let current = Some(&self.current).filter(|_| since <= 1);
        let before = self.before.as_ref().filter(|_| since == 0);
        current.into_iter().chain(before).find(|key| key.name == *name)?.open(sealed)
    }
}

impl Key {
    fn derived(secret: &[u8; 32], epoch: u64) -> Result<Self, rustls::Error> {
        let (key, named) = (derive(secret, b"key", epoch), derive(secret, b"name", epoch));
        let sealing = RandomizedNonceKey::new(&AES_256_GCM_SIV, key.as_ref())
            .map_err(|_| rustls::Error::General("no key for tickets".into()))?;
        Ok(Self { name: start(&named), sealing })
    }

    fn seal(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = plain.to_vec();
        let nonce =
            self.sealing.seal_in_place_append_tag(Aad::from(self.name), &mut sealed).ok()?;
        Some([self.name.as_slice(), nonce.as_ref(), &sealed].concat())
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        if sealed.len() < TAG_BYTES {
            return None;
        }
        let mut bytes = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length =
            self.sealing.open_in_place(nonce, Aad::from(self.name), &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }
}

impl Spent {
    fn turn(&mut self, epoch: u64) {
        if epoch == self.epoch {
            return;
        }
        std::mem::swap(&mut self.current, &mut self.before);
        self.current.clear();
        if epoch != self.epoch.wrapping_add(1) {
            self.before.clear();
        }
        self.epoch = epoch;
    }
}

impl Note {
    fn encode(&self, bytes: &mut Vec<u8>) {
        let of = |standing| CARRIED.iter().position(|carried| *carried == standing);
        let number = self.voucher.and_then(|voucher| of(voucher.standing)).map_or(0, |at| at + 1);
        let (principal, at_unix_s) =
            self.voucher.map_or((0, 0), |voucher| (voucher.principal, voucher.at_unix_s));
        bytes.extend(self.lineage.to_le_bytes());
        bytes.push(u8::try_from(number).unwrap_or(0));
        bytes.extend(principal.to_le_bytes());
        bytes.extend(at_unix_s.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (lineage, rest) = bytes.split_first_chunk()?;
        let (number, rest) = rest.split_first()?;
        let (principal, rest) = rest.split_first_chunk()?;
        let (at_unix_s, _) = rest.split_first_chunk()?;
        let standing = usize::from(*number).checked_sub(1).and_then(|at| CARRIED.get(at));
        let voucher = standing.map(|standing| Voucher {
            standing: *standing,
            principal: u64::from_le_bytes(*principal),
            at_unix_s: u64::from_le_bytes(*at_unix_s),
        });
        Some(Self { lineage: u64::from_le_bytes(*lineage), voucher })
    }
}

/// Whether rustls wrote this of a TLS 1.3 session: a name or none, then the version. What is not
/// understood is not.
fn is_of_tls13(plain: &[u8]) -> bool {
    let named = || {
        let (has_name, rest) = plain.split_first()?;
        let (length, named) = rest.split_first()?;
        if *has_name == 1 { named.get(usize::from(*length)..) } else { Some(rest) }
    };
    named().is_some_and(|rest| rest.starts_with(&[3, 4]))
}

fn secret(random: &dyn SecureRandom) -> Result<[u8; 32], rustls::Error> {
    let mut bytes = [0; 32];
    random.fill(&mut bytes).map_err(|_| rustls::Error::FailedToGetRandomBytes)?;
    Ok(bytes)
}

fn derive(secret: &[u8; 32], purpose: &[u8], epoch: u64) -> hmac::Tag {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    context.update(b"session tickets ");
    context.update(purpose);
    context.update(&epoch.to_be_bytes());
    context.sign()
}

fn mark(secret: &[u8; 32]) -> [u8; 8] {
    start(&derive(secret, b"mark", 0))
}

fn start(tag: &hmac::Tag) -> [u8; 8] {
    tag.as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What rustls would seal: a session of this version with our note in it.
    fn session(tickets: &Tickets, version: [u8; 2], note: &Note) -> Vec<u8> {
        [&[1, 1, b'a'], &version[..], &[9; 50], &tickets.encode(note), &[8; 12]].concat()
    }

    const MEMBER: Note = Note {
        lineage: 7,
        voucher: Some(Voucher { standing: Standing::Member, principal: 5, at_unix_s: 9 }),
    };

    #[test]
    fn a_ticket_says_what_it_was_told_and_counts_once() {
        let tickets = Tickets::new().expect("in order");
        for note in [MEMBER, Note { lineage: 8, voucher: None }] {
            let ticket = tickets.encrypt(&session(&tickets, [3, 4], &note)).expect("sealed");
            let (read, number) = tickets.read(std::iter::once(&ticket[..])).expect("ours");
            assert_eq!(read, note);
            assert!(tickets.spend(number));
            let (_, again) = tickets.read(std::iter::once(&ticket[..])).expect("ours");
            assert!(!tickets.spend(again), "a replayed ticket counts for nothing");
        }
    }

    #[test]
    fn only_our_own_open_and_no_bit_of_them_can_be_changed() {
        let tickets = Tickets::new().expect("in order");
        let ticket = tickets.encrypt(&session(&tickets, [3, 4], &MEMBER)).expect("sealed");
        assert!(Tickets::new().expect("in order").decrypt(&ticket).is_none());
        for at in 0..ticket.len() {
            let mut forged = ticket.clone();
            forged[at] ^= 1;
            assert!(tickets.decrypt(&forged).is_none(), "byte {at}");
            assert!(tickets.decrypt(&ticket[..at]).is_none(), "{at} bytes");
        }
    }

    #[test]
    fn those_of_tls13_outlive_a_restart_and_those_of_tls12_do_not() {
        let kept = || {
            let tickets = Tickets::new().expect("in order");
            tickets.keep_under([3; 32]).expect("in order");
            tickets
        };
        let (before, after) = (kept(), kept());
        let lasting = before.encrypt(&session(&before, [3, 4], &MEMBER)).expect("sealed");
        let (read, _) = after.read(std::iter::once(&lasting[..])).expect("kept");
        assert_eq!(read, MEMBER);
        let fleeting = before.encrypt(&session(&before, [3, 3], &MEMBER)).expect("sealed");
        assert!(before.decrypt(&fleeting).is_some() && after.decrypt(&fleeting).is_none());
    }

    #[test]
    fn a_key_opens_for_as_long_again_as_it_seals() {
        let ring = Ring::derived([1; 32], 10).expect("in order");
        let ticket = ring.current.seal(b"session").expect("sealed");
        for (epoch, opens) in [(10, true), (11, true), (12, false)] {
            assert_eq!(ring.open(&ticket, epoch).is_some(), opens, "not turned at {epoch}");
            let turned = Ring::derived([1; 32], epoch).expect("in order");
            assert_eq!(turned.open(&ticket, epoch).is_some(), opens, "turned at {epoch}");
        }
        let mut renewed = Ring::derived([1; 32], 10).expect("in order");
        renewed.renew([2; 32], 11).expect("in order");
        assert!(renewed.open(&ticket, 11).is_some());
        renewed.renew([3; 32], 12).expect("in order");
        assert!(renewed.open(&ticket, 12).is_none());
    }
}

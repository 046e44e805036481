//! Who a token or a session's cookie makes somebody, without a question to the store: its MAC says
//! whose it is, and here is remembered what has befallen it since, and on how many days its account
//! was used in peace. Of fixed size; what is forgotten costs its account a little rank, nothing
//! else.
//!
//! What the server hears (a token revoked, an account's sessions ended) counts at once. What it did
//! not hear (a token revoked while it was down) counts from the first request on that is answered
//! 401 for it.

use crate::limits::{SHIELD_ACCOUNTS, SHIELD_ENDED, SHIELD_TOKENS};
use api::Opened;
use httpkit::hook::{After, Hook};
use model::{AccountId, Timestamp, TokenId};
use parking_lot::Mutex;
use shield::decide::Member;
use social::{Rights, Social};
use std::{collections::HashMap, sync::Arc};
use tokio::sync::broadcast::error::RecvError;
use web::SessionSaid;

const DAY_S: u64 = 86_400;
/// Days of age for which an account that was here before this memory began is taken to have been
/// used on one.
const DAYS_A_USE: u64 = 3;

/// A map in two generations: when the young one is full, what nobody asked for since is gone.
struct Generations<V> {
    young: HashMap<u64, V>,
    old: HashMap<u64, V>,
    half: usize,
}

impl<V: Copy> Generations<V> {
    fn new(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (most / 2).max(1) }
    }

    fn get(&mut self, key: u64) -> Option<V> {
        if let Some(value) = self.young.get(&key) {
            return Some(*value);
        }
        // As most are: nothing is hashed for it.
        if self.old.is_empty() {
            return None;
        }
        let value = self.old.remove(&key)?;
        self.put(key, value);
        Some(value)
    }

    fn put(&mut self, key: u64, value: V) {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

/// Days on which an account was used in peace, and the last of them, in days since 1970.
#[derive(Clone, Copy)]
struct Used {
    days: u16,
    last: u32,
}

struct Known {
    used: Generations<Used>,
    /// Tokens that were found alive, with their accounts and when (in ms): those whose account's
    /// rights had ended once, or whose string does not say whose they are.
    verified: Generations<(u64, u64)>,
    /// Tokens that are none any more.
    dead: Generations<()>,
    /// When what was opened for an account ended, all at once, in ms since 1970.
    ended: Generations<u64>,
    /// When this memory began, in seconds since 1970.
    began_unix_s: u64,
}

/// What is remembered of members.
pub(crate) struct Members(Mutex<Known>);

impl Members {
    /// Nothing yet.
    pub(super) fn beginning_at(began_unix_s: u64) -> Self {
        Self(Mutex::new(Known {
            used: Generations::new(SHIELD_ACCOUNTS),
            verified: Generations::new(SHIELD_TOKENS),
            dead: Generations::new(SHIELD_TOKENS),
            ended: Generations::new(SHIELD_ENDED),
            began_unix_s,
        }))
    }

    /// Whose token it is, if it counts; `now` in seconds since 1970, and whether it is a time of
    /// peace, so that today is a day on which its account was used.
    pub(super) fn of_token(&self, said: Opened, now: (u64, bool)) -> Option<Member> {
        let mut known = self.0.lock();
        let token = said.token.get().cast_unsigned();
        if known.dead.get(token).is_some() {
            return None;
        }
        let verified = match known.verified.get(token) {
            Some(verified) => Some(verified),
            None => said.account.map(|account| (account.get().cast_unsigned(), 0)),
        };
        let (account, at_ms) = verified?;
        let since_ms = at_ms.max(said.token.issued().ms().unsigned_abs());
        known.member(account, since_ms, now)
    }

    /// The same of a session.
    pub(super) fn of_session(&self, said: SessionSaid, now: (u64, bool)) -> Option<Member> {
        let account = said.account.get().cast_unsigned();
        self.0.lock().member(account, said.begun_unix_ms, now)
    }

    /// What was opened for an account up to now has ended, or may have.
    fn ended(&self, account: AccountId, now: Timestamp) {
        let now_ms = now.ms().unsigned_abs();
        self.0.lock().ended.put(account.get().cast_unsigned(), now_ms);
    }

    fn revoked(&self, token: TokenId) {
        self.0.lock().dead.put(token.get().cast_unsigned(), ());
    }

    fn verified(&self, token: TokenId, account: AccountId, now: Timestamp) {
        let found = (account.get().cast_unsigned(), now.ms().unsigned_abs());
        self.0.lock().verified.put(token.get().cast_unsigned(), found);
    }

    /// What outlives a restart, as bytes.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        // Every request of a member wants the lock: what it guards is only copied.
        let (began_unix_s, all) = {
            let known = self.0.lock();
            let mut all = Vec::with_capacity(known.used.old.len() + known.used.young.len());
            all.extend(known.used.old.iter().chain(&known.used.young).map(|(a, b)| (*a, *b)));
            (known.began_unix_s, all)
        };
        out.extend(began_unix_s.to_le_bytes());
        out.extend(all.len().to_le_bytes());
        for (account, used) in all {
            out.extend(account.to_le_bytes());
            out.extend(u32::from(used.days).to_le_bytes());
            out.extend(used.last.to_le_bytes());
        }
    }

    /// Takes that in; none where it is damaged, and nothing is taken in then.
    pub(super) fn load(bytes: &mut &[u8]) -> Option<Self> {
        let began_unix_s = take(bytes)?;
        let members = Self::beginning_at(began_unix_s);
        let count = take(bytes)?;
        let mut known = members.0.lock();
        for _ in 0..count {
            let account = take(bytes)?;
            let both = take(bytes)?;
            let (days, last) = (both & 0xffff, both >> 32);
            let used = Used { days: u16::try_from(days).ok()?, last: u32::try_from(last).ok()? };
            known.used.put(account, used);
        }
        drop(known);
        Some(members)
    }
}

impl Known {
    fn member(
        &mut self,
        account: u64,
        since_ms: u64,
        (now_s, is_peace): (u64, bool),
    ) -> Option<Member> {
        if self.ended.get(account).is_some_and(|ended_ms| ended_ms >= since_ms) {
            return None;
        }
        let created = AccountId::new(account.cast_signed())?.issued();
        let created_unix_s = created.ms().unsigned_abs() / 1_000;
        let today = u32::try_from(now_s / DAY_S).unwrap_or(u32::MAX);
        let used = self.used.get(account).unwrap_or(Used { days: 0, last: 0 });
        let mut days = used.days;
        if is_peace && used.last != today {
            days = days.saturating_add(1);
            self.used.put(account, Used { days, last: today });
        }
        let age_days = self.began_unix_s.saturating_sub(created_unix_s) / DAY_S;
        let before = u16::try_from(age_days / DAYS_A_USE).unwrap_or(u16::MAX);
        Some(Member { account, created_unix_s, active_days: days.saturating_add(before) })
    }
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*head))
}

/// Hears whose rights have become less, until the server ends.
pub(super) async fn listen(members: Arc<Members>, social: Arc<Social>) {
    let mut rights = social.hub().listen_rights();
    loop {
        match rights.recv().await {
            Ok(Rights::Account(account)) => members.ended(account, social.now()),
            Ok(Rights::Token(token)) => members.revoked(token),
            // What is missed is found out as it is used: see `Learns`.
            Ok(Rights::Everybody) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// Of a request whose token did not make its sender a member, for [`Learns`].
#[derive(Clone, Copy)]
pub(crate) struct Uncounted;

/// A request's token, and whether it made its sender a member.
#[derive(Clone, Copy)]
pub(crate) struct Judged {
    token: TokenId,
    counted: bool,
}

/// Learns from answers what tokens are worth: one that is refused counts no more, one that is
/// accepted though nobody knew does from then on. A hook around the handlers, inside of the gate.
#[derive(Clone)]
pub(crate) struct Learns(Arc<(Arc<Members>, Arc<Social>)>);

impl Learns {
    pub(super) fn new(members: Arc<Members>, social: Arc<Social>) -> Self {
        Self(Arc::new((members, social)))
    }
}

impl Hook for Learns {
    type Kept = Option<Judged>;

    fn before<B>(
        &self,
        request: &mut http::Request<B>,
    ) -> Result<Option<Judged>, Box<axum::response::Response>> {
        // Most have none: the extensions are asked first for what only they have.
        let Some(api::Bearer(Some(said))) = request.extensions().get().copied() else {
            return Ok(None);
        };
        let counted = request.extensions().get::<Uncounted>().is_none();
        Ok(Some(Judged { token: said.token, counted }))
    }

    fn after(&self, judged: Option<Judged>, response: axum::response::Response) -> After {
        let Some(Judged { token, counted }) = judged else { return After::Now(response) };
        let refused = response.status() == http::StatusCode::UNAUTHORIZED;
        if refused == counted {
            let (members, social) = &*self.0;
            match social.known_token(token) {
                Some(live) => {
                    if let (false, Some(account)) = (live.unconfirmed, live.account) {
                        members.verified(token, account, social.now());
                    }
                }
                None if refused => members.revoked(token),
                None => {}
            }
        }
        After::Now(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 20_000 * DAY_S;

    fn at(seconds_ago: u64) -> Timestamp {
        Timestamp::from_ms(((NOW_S - seconds_ago) * 1_000).cast_signed())
    }

    fn account(days_ago: u64) -> AccountId {
        let ms = ((NOW_S - days_ago * DAY_S) * 1_000).cast_signed();
        AccountId::new(ms << model::id::SEQUENCE_BITS | 7).expect("an id")
    }

    fn token(of: Option<AccountId>, days_ago: u64) -> Opened {
        let ms = ((NOW_S - days_ago * DAY_S) * 1_000).cast_signed();
        let token = TokenId::new(ms << model::id::SEQUENCE_BITS | 9).expect("an id");
        Opened { token, account: of }
    }

    #[test]
    fn a_token_says_whose_it_is_and_since_when_they_are_here() {
        let members = Members::beginning_at(NOW_S - 100 * DAY_S);
        let ann = account(40);
        let found = members.of_token(token(Some(ann), 3), (NOW_S, true)).expect("a member");
        assert_eq!(found.account, ann.get().cast_unsigned());
        assert_eq!(found.created_unix_s, NOW_S - 40 * DAY_S);
        assert_eq!(found.active_days, 1);
        assert_eq!(members.of_token(token(None, 3), (NOW_S, true)), None, "an app's own");
    }

    #[test]
    fn days_count_once_each_and_in_peace_only() {
        let members = Members::beginning_at(NOW_S - 100 * DAY_S);
        let ann = token(Some(account(40)), 3);
        for (day, is_peace, days) in
            [(0, true, 1), (0, true, 1), (1, false, 1), (1, true, 2), (5, true, 3)]
        {
            let found = members.of_token(ann, (NOW_S + day * DAY_S, is_peace)).expect("a member");
            assert_eq!(found.active_days, days, "day {day}");
        }
    }

    #[test]
    fn who_was_here_before_the_memory_began_is_taken_to_have_been_used() {
        let members = Members::beginning_at(NOW_S);
        let days = |age| {
            let found = members.of_token(token(Some(account(age)), 0), (NOW_S, false));
            found.expect("a member").active_days
        };
        assert_eq!((days(0), days(9), days(60)), (0, 3, 20));
    }

    #[test]
    fn what_has_ended_counts_no_more_until_it_is_found_alive() {
        let members = Members::beginning_at(NOW_S);
        let ann = account(40);
        let (old, session) = (
            token(Some(ann), 3),
            SessionSaid { account: ann, begun_unix_ms: (NOW_S - DAY_S) * 1_000 },
        );
        let counts = |said| members.of_token(said, (NOW_S, false)).is_some();
        assert!(counts(old) && members.of_session(session, (NOW_S, false)).is_some());
        members.ended(ann, at(60));
        assert!(!counts(old) && members.of_session(session, (NOW_S, false)).is_none());
        assert!(counts(token(Some(ann), 0)), "given since");
        assert!(counts(token(Some(account(41)), 3)), "somebody else's");
        members.verified(old.token, ann, at(30));
        assert!(counts(old));
        members.revoked(old.token);
        assert!(!counts(old));
        let silent = token(None, 2);
        members.verified(silent.token, ann, at(10));
        assert!(counts(silent), "its string says nothing, but it was found alive");
    }

    #[test]
    fn what_is_remembered_outlives_a_restart_and_damage_is_noticed() {
        let members = Members::beginning_at(NOW_S - 9 * DAY_S);
        for age in 0..50 {
            members.of_token(token(Some(account(age)), 0), (NOW_S, true)).expect("a member");
        }
        let mut bytes = Vec::new();
        members.save(&mut bytes);
        let again = Members::load(&mut &bytes[..]).expect("whole");
        let found = again.of_token(token(Some(account(5)), 0), (NOW_S, true)).expect("a member");
        assert_eq!(found.active_days, 1);
        assert!(Members::load(&mut &bytes[..bytes.len() - 1]).is_none());
    }

    #[test]
    fn a_flood_of_accounts_takes_no_more_room() {
        let members = Members::beginning_at(NOW_S);
        for number in 0..3 * SHIELD_ACCOUNTS as u64 {
            members.0.lock().used.put(number, Used { days: 1, last: 1 });
        }
        let known = members.0.lock();
        assert!(known.used.young.len() + known.used.old.len() <= SHIELD_ACCOUNTS);
    }
}

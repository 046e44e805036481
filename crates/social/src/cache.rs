//! A bounded map of shared values in two generations: when the young one is full it becomes the
//! old one, and what nobody asked for since is gone. No clock, no list to maintain.
//!
//! A value that is being loaded while it changes must not be kept: a load takes a ticket first,
//! and a change in between makes the ticket worthless.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::{
    hash::{BuildHasher as _, Hash},
    sync::Arc,
};

const SHARDS: usize = 64;

struct Generations<K, V> {
    young: HashMap<K, Arc<V>, RandomState>,
    old: HashMap<K, Arc<V>, RandomState>,
    changes: [u64; SHARDS],
}

/// The map.
pub struct Cache<K, V> {
    inner: Mutex<Generations<K, V>>,
    hasher: RandomState,
    half: usize,
}

/// Proof of what had changed when a load began.
#[derive(Clone, Copy)]
pub struct Ticket([u64; SHARDS]);

impl<K: Eq + Hash + Copy, V> Cache<K, V> {
    /// Holding at most `capacity` values.
    pub fn new(capacity: usize) -> Self {
        let hasher = RandomState::default();
        let empty = || HashMap::with_hasher(hasher.clone());
        let inner = Generations { young: empty(), old: empty(), changes: [0; SHARDS] };
        Self { inner: Mutex::new(inner), hasher, half: (capacity / 2).max(1) }
    }

    fn shard(&self, key: &K) -> usize {
        usize::try_from(self.hasher.hash_one(key)).unwrap_or(0) % SHARDS
    }

    /// The value, if it is here.
    pub fn get(&self, key: &K) -> Option<Arc<V>> {
        let mut inner = self.inner.lock();
        if let Some(value) = inner.young.get(key) {
            return Some(Arc::clone(value));
        }
        let value = inner.old.remove(key)?;
        inner.keep(*key, Arc::clone(&value), self.half);
        Some(value)
    }

    /// To be taken before a load begins.
    pub fn ticket(&self) -> Ticket {
        Ticket(self.inner.lock().changes)
    }

    /// Keeps a loaded value, unless it may have changed since the ticket.
    pub fn put(&self, ticket: &Ticket, key: K, value: Arc<V>) {
        let shard = self.shard(&key);
        let mut inner = self.inner.lock();
        if inner.changes.get(shard) == ticket.0.get(shard) {
            inner.keep(key, value, self.half);
        }
    }

    /// Forgets a value because it has changed.
    pub fn forget(&self, key: &K) {
        let shard = self.shard(key);
        let mut inner = self.inner.lock();
        inner.young.remove(key);
        inner.old.remove(key);
        if let Some(changes) = inner.changes.get_mut(shard) {
            *changes += 1;
        }
    }

    /// Puts what a change made of a value in its place, if it is here.
    pub fn change(&self, key: &K, change: impl FnOnce(&V) -> V) {
        let shard = self.shard(key);
        let mut inner = self.inner.lock();
        if let Some(changes) = inner.changes.get_mut(shard) {
            *changes += 1;
        }
        let inner = &mut *inner;
        if let Some(value) = inner.young.get_mut(key).or_else(|| inner.old.get_mut(key)) {
            *value = Arc::new(change(value));
        }
    }

    /// Keeps a value that was heard of, not read: loads that began before know less.
    pub fn hear(&self, key: K, value: Arc<V>) {
        let shard = self.shard(&key);
        let mut inner = self.inner.lock();
        if let Some(changes) = inner.changes.get_mut(shard) {
            *changes += 1;
        }
        inner.keep(key, value, self.half);
    }

    /// Forgets all values of a kind, and what is being loaded, which may be of it.
    pub fn forget_all(&self, is_of_it: impl Fn(&V) -> bool) {
        let mut inner = self.inner.lock();
        inner.young.retain(|_, value| !is_of_it(value));
        inner.old.retain(|_, value| !is_of_it(value));
        inner.changes.iter_mut().for_each(|c| *c += 1);
    }

    /// How many values are here.
    pub fn len(&self) -> usize {
        let inner = self.inner.lock();
        inner.young.len() + inner.old.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let mut inner = self.inner.lock();
        inner.young.clear();
        inner.old.clear();
        inner.changes.iter_mut().for_each(|c| *c += 1);
    }
}

impl<K: Eq + Hash, V> Generations<K, V> {
    fn keep(&mut self, key: K, value: Arc<V>, half: usize) {
        if self.young.len() >= half {
            self.old =
                std::mem::replace(&mut self.young, HashMap::with_hasher(self.old.hasher().clone()));
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_bounded_and_keeps_what_is_asked_for() {
        let cache: Cache<u32, u32> = Cache::new(100);
        for n in 0..10_000 {
            let ticket = cache.ticket();
            cache.put(&ticket, n, Arc::new(n));
            assert!(n < 1 || cache.get(&0).is_some(), "asked for at {n}");
        }
        let inner = cache.inner.lock();
        assert!(inner.young.len() + inner.old.len() <= 100);
    }

    #[test]
    fn what_is_heard_is_newer_than_what_is_being_read() {
        let cache: Cache<u32, u32> = Cache::new(100);
        let ticket = cache.ticket();
        cache.hear(1, Arc::new(5));
        cache.put(&ticket, 1, Arc::new(4));
        assert_eq!(cache.get(&1).as_deref(), Some(&5));
        let ticket = cache.ticket();
        cache.change(&1, |n| n + 1);
        cache.put(&ticket, 1, Arc::new(4));
        assert_eq!(cache.get(&1).as_deref(), Some(&6));
        let ticket = cache.ticket();
        cache.change(&2, |n| n + 1);
        cache.put(&ticket, 2, Arc::new(4));
        assert_eq!(cache.get(&2), None);
    }

    #[test]
    fn a_load_that_a_change_overtook_is_not_kept() {
        let cache: Cache<u32, u32> = Cache::new(100);
        let ticket = cache.ticket();
        cache.forget(&1);
        cache.put(&ticket, 1, Arc::new(1));
        assert_eq!(cache.get(&1), None);
        cache.put(&cache.ticket(), 1, Arc::new(2));
        assert_eq!(cache.get(&1).as_deref(), Some(&2));
    }
}

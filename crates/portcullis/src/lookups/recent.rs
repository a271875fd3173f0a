//! A bounded map of names that drops those that were used least recently.

use std::hash::{Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::lookups::Name;

/// Values by name. The sum of their weights never exceeds `capacity`.
///
/// One lock is enough: under it, a lookup compares 32 bytes and moves one entry to the front of a list. No value is dropped
/// under the lock, because a value can have code of the service.
pub(super) struct Recent<V> {
    capacity: u64,
    weight: Box<dyn Fn(&V) -> u32 + Send + Sync>,
    entries: Mutex<Entries<V>>,
}

struct Entries<V> {
    /// It has no bound: `LruCache` would bound the number of entries, and this map bounds the sum of weights.
    by_name: LruCache<Key, (V, u64)>,
    /// The sum of all weights.
    weight: u64,
}

/// A name, which is a hash already. So the hash table, whose hash has a seed, only hashes its start.
#[derive(Eq, PartialEq)]
struct Key(Name);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let start = self.0.first_chunk().copied().unwrap_or_default();
        state.write_u64(u64::from_ne_bytes(start));
    }
}

impl<V: Clone> Recent<V> {
    pub(super) fn new(capacity: u64, weight: impl Fn(&V) -> u32 + Send + Sync + 'static) -> Self {
        let entries = Entries { by_name: LruCache::unbounded(), weight: 0 };
        Self { capacity, weight: Box::new(weight), entries: Mutex::new(entries) }
    }

    pub(super) fn get(&self, name: &Name) -> Option<V> {
        self.read(name, V::clone)
    }

    /// Reads a value under the lock, without a clone of it. So `read` must not run code of the service.
    pub(super) fn read<T>(&self, name: &Name, read: impl FnOnce(&V) -> T) -> Option<T> {
        self.entries().by_name.get(&Key(*name)).map(|(value, _)| read(value))
    }

    /// Inserts or replaces a value. A value that weighs more than the whole capacity is not kept.
    pub(super) fn insert(&self, name: Name, value: V) {
        let weight = u64::from((self.weight)(&value));
        if weight > self.capacity {
            return self.remove(&name);
        }
        let mut dropped = Vec::new();
        let mut entries = self.entries();
        dropped.extend(entries.insert(name, value, weight));
        while entries.weight > self.capacity {
            let Some(oldest) = entries.remove_oldest() else { break };
            dropped.push(oldest);
        }
        drop(entries);
    }

    pub(super) fn remove(&self, name: &Name) {
        let removed = self.entries().remove(name);
        drop(removed);
    }

    pub(super) fn len(&self) -> usize {
        self.entries().by_name.len()
    }

    fn entries(&self) -> MutexGuard<'_, Entries<V>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Entries<V> {
    /// Returns the value that was there before.
    fn insert(&mut self, name: Name, value: V, weight: u64) -> Option<V> {
        let replaced = self.by_name.put(Key(name), (value, weight));
        self.weight = self.weight.saturating_add(weight);
        self.without(replaced)
    }

    fn remove(&mut self, name: &Name) -> Option<V> {
        let removed = self.by_name.pop(&Key(*name));
        self.without(removed)
    }

    fn remove_oldest(&mut self) -> Option<V> {
        let removed = self.by_name.pop_lru().map(|(_, entry)| entry);
        self.without(removed)
    }

    fn without(&mut self, removed: Option<(V, u64)>) -> Option<V> {
        let (value, weight) = removed?;
        self.weight = self.weight.saturating_sub(weight);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn names(recent: &Recent<u32>) -> Vec<u8> {
        // In the order of their names, and without an effect on the order of use.
        let mut names: Vec<u8> = recent.entries().by_name.iter().map(|(name, _)| name.0[0]).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn least_recently_used_name_is_dropped() {
        let recent = Recent::new(3, |_| 1);
        for name in [1, 2, 3] {
            recent.insert([name; 32], u32::from(name));
        }
        assert_eq!(recent.get(&[1; 32]), Some(1));
        recent.insert([4; 32], 4);
        assert_eq!((names(&recent), recent.get(&[2; 32])), (vec![1, 3, 4], None));
        // A replaced value is used, and takes no second place.
        recent.insert([3; 32], 33);
        recent.insert([5; 32], 5);
        assert_eq!((names(&recent), recent.get(&[3; 32])), (vec![3, 4, 5], Some(33)));
    }

    #[test]
    fn weights_never_exceed_the_capacity() {
        let recent = Recent::new(10, |weight| *weight);
        for (name, weight, kept) in
            [(1, 4, vec![1]), (2, 6, vec![1, 2]), (3, 1, vec![2, 3]), (2, 9, vec![2, 3]), (4, 10, vec![4])]
        {
            recent.insert([name; 32], weight);
            assert_eq!(names(&recent), kept, "{name}");
            assert!(recent.entries().weight <= 10, "{name}");
        }
        // A value that has no room is not kept, and the older value of its name is gone.
        recent.insert([5; 32], 11);
        assert_eq!(names(&recent), [4]);
        recent.insert([4; 32], 11);
        assert_eq!((recent.len(), recent.entries().weight), (0, 0));
    }

    #[test]
    fn no_value_is_dropped_under_the_lock() {
        type Probes = Recent<Option<Arc<Probe>>>;
        struct Probe(Arc<Probes>, Arc<AtomicBool>);
        impl Drop for Probe {
            fn drop(&mut self) {
                self.1.store(self.0.entries.try_lock().is_ok(), Ordering::SeqCst);
            }
        }
        let recent = Arc::new(Recent::new(1, |_: &Option<Arc<Probe>>| 1));
        let steps: [fn(&Probes); 3] = [
            |recent| recent.insert([1; 32], None),
            |recent| recent.insert([2; 32], None),
            |recent| recent.remove(&[1; 32]),
        ];
        for step in steps {
            let was_free = Arc::new(AtomicBool::new(false));
            recent.insert([1; 32], Some(Arc::new(Probe(Arc::clone(&recent), Arc::clone(&was_free)))));
            step(&recent);
            assert!(was_free.load(Ordering::SeqCst));
        }
    }
}

//! The negative cache: the names that tokens asked for and the cached keys did not have.
//!
//! It remembers since which fetch a name is asked for. The name is missing when the cached keys come from a later fetch.
//! Until then it is not known whether the key exists.

use std::collections::{HashMap, VecDeque};

use crate::keys::remote::limits;

/// The hash of a `kid` and an algorithm. Its size does not depend on the token.
pub(super) type NameHash = [u8; 16];

/// A bounded number of names. The oldest one is forgotten first.
#[derive(Debug, Default)]
pub(super) struct AskedNames {
    names: HashMap<NameHash, AskedName>,
    order: VecDeque<NameHash>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct AskedName {
    /// The number of the last fetch that had started when the name was asked for first.
    pub(super) since: u64,
    /// Whether the name caused another fetch after it was missing.
    pub(super) asked_again: bool,
}

impl AskedNames {
    /// Returns what is known about the name. A new name is remembered as asked for since the fetch `last_started`.
    pub(super) fn ask(&mut self, name: NameHash, last_started: u64) -> AskedName {
        if let Some(known) = self.names.get(&name) {
            return *known;
        }
        if self.order.len() >= limits::ASKED_NAMES
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
        let new = AskedName { since: last_started, asked_again: false };
        self.order.push_back(name);
        self.names.insert(name, new);
        new
    }

    /// What is known about the name. Nothing is remembered.
    pub(super) fn known(&self, name: &NameHash) -> Option<AskedName> {
        self.names.get(name).copied()
    }

    pub(super) fn asked_again(&mut self, name: &NameHash) {
        if let Some(name) = self.names.get_mut(name) {
            name.asked_again = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_name_is_forgotten_first() {
        let mut names = AskedNames::default();
        for number in 0..limits::ASKED_NAMES as u128 {
            names.ask(number.to_be_bytes(), 1);
        }
        names.asked_again(&0_u128.to_be_bytes());
        let known = AskedName { since: 1, asked_again: true };
        assert_eq!(names.ask(0_u128.to_be_bytes(), 2), known);
        names.ask([255; 16], 2);
        assert_eq!(names.ask(1_u128.to_be_bytes(), 3).since, 1);
        assert_eq!(names.ask(0_u128.to_be_bytes(), 3), AskedName { since: 3, asked_again: false });
        assert_eq!((names.names.len(), names.order.len()), (limits::ASKED_NAMES, limits::ASKED_NAMES));
    }
}

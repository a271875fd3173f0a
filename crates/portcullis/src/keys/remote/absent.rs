//! Keys that a fresh set did not have, so that asking for them again costs the provider nothing.

use std::time::Duration;

use moka::sync::Cache;

use crate::hash::sha256;
use crate::jose::Algorithm;
use crate::keys::KeyQuery;
use crate::keys::remote::settings::Settings;

/// So many are remembered and no more.
#[derive(Debug)]
pub(super) struct AbsentKeys {
    absences: Cache<KeyName, Absence>,
    first: Duration,
    then: Duration,
}

/// Since when a key is not there, and how sure that is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Absence {
    until: Duration,
    times: u32,
}

/// The SHA-256 of a `kid`, and the algorithm: of fixed size, whatever a token names.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct KeyName([u8; 32], Algorithm);

impl AbsentKeys {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            absences: Cache::new(settings.absent_max),
            first: settings.cooldown.min(settings.absent),
            then: settings.absent,
        }
    }

    pub(super) fn get(&self, name: &KeyName) -> Option<Absence> {
        self.absences.get(name)
    }

    /// The first time a fresh set lacks a key, it is not asked for again for a cooldown, in case the provider announces
    /// its keys late; from the second time on, for the full while. `before` is what was known before the set was fetched,
    /// so that all who waited for one fetch count once.
    pub(super) fn insert(&self, name: KeyName, before: Option<Absence>, now: Duration) {
        let times = before.map_or(1, |absence| absence.times.saturating_add(1));
        let pause = if times == 1 { self.first } else { self.then };
        self.absences.insert(name, Absence { until: now.saturating_add(pause), times });
    }
}

impl Absence {
    /// Whether the key is not asked for again yet.
    pub(super) fn lasts(self, now: Duration) -> bool {
        now < self.until
    }
}

impl KeyName {
    pub(super) fn of(query: &KeyQuery<'_>) -> Self {
        let name = query.key_id().map_or_else(|| "-".to_owned(), |id| format!("+{id}"));
        Self(sha256(name.as_bytes()), query.algorithm())
    }
}

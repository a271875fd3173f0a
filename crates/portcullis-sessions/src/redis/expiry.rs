//! When entries expire: one list for each day, so that old ones are found without looking at the others.
//!
//! The lists are hints. They may name an entry that is gone, or one that expires later: the entry decides. So a crash between
//! the change of an entry and the change of a list is harmless. Redis removes every entry by itself a day after it expired, and
//! its names and lists later, also if nothing is ever removed in batches.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis::error::Unavailable;

use super::RedisStore;
use super::keys::{Kind, Place};
use crate::timestamp::{Timestamp, millis};

const DAY: i64 = 24 * 60 * 60 * 1000;
/// How long a key stays after its entry has expired. Machines whose clocks differ by less all see the entry until it expires.
const KEPT: i64 = DAY;
/// The longest lifetime that Redis is asked for, a hundred years.
const LONGEST: i64 = 100 * 366 * DAY;

/// For how many milliseconds Redis keeps a key whose entry expires at `expires_at`. The clock of Redis does not matter.
pub(super) fn lifetime(expires_at: Timestamp) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    expires_at.millis_since(Timestamp::from_unix_millis(millis(now))).clamp(0, LONGEST) + KEPT
}

fn day_of(time: Timestamp) -> i64 {
    time.as_unix_millis().div_euclid(DAY)
}

impl RedisStore {
    /// Enters when an entry expires.
    pub(super) async fn schedule(&self, kind: Kind, entry: &str, expires_at: Timestamp) -> Result<(), Unavailable> {
        let (at, day) = (expires_at.as_unix_millis(), day_of(expires_at));
        let keys = [self.keys().days(kind), self.keys().day(kind, day)];
        // The whole list stays until the last entry of its day has gone.
        let arguments = [day.to_string(), at.to_string(), entry.to_owned(), (lifetime(expires_at) + DAY).to_string()];
        self.connection().call::<i64>(&self.scripts().schedule, &keys, &arguments[..]).await.map(drop)
    }

    /// Takes an entry out of the list of its day.
    pub(super) async fn unschedule(&self, kind: Kind, entry: &str, expires_at: Timestamp) -> Result<(), Unavailable> {
        self.forget(&self.keys().day(kind, day_of(expires_at)), entry).await
    }

    /// Removes up to `limit` entries of a kind that expired before `before`, those that expired first. Returns their number.
    pub(super) async fn remove_of(&self, kind: Kind, before: Timestamp, limit: u64) -> Result<u64, Unavailable> {
        let last = day_of(before);
        let days: Vec<i64> = self.lowest(&self.keys().days(kind), &last.to_string(), DAYS_AT_ONCE).await?;
        let mut removed = 0;
        for day in days {
            let asked = limit.saturating_sub(removed);
            if asked == 0 {
                break;
            }
            let list = self.keys().day(kind, day);
            let earlier = format!("({}", before.as_unix_millis());
            let entries: Vec<String> = self.lowest(&list, &earlier, asked).await?;
            for entry in &entries {
                let later = self.remove_entry(kind, entry, before).await?;
                if let Some(later) = later {
                    self.schedule(kind, entry, later).await?;
                }
                // In the same list, the entry has its later time now.
                if later.is_none_or(|later| day_of(later) != day) {
                    self.forget(&list, entry).await?;
                }
                removed += u64::from(later.is_none());
            }
            // A day before the last has no entries any more if it had fewer than were asked for.
            if day < last && (entries.len() as u64) < asked {
                self.forget(&self.keys().days(kind), &day.to_string()).await?;
            }
        }
        Ok(removed)
    }

    /// Removes an entry unless it expires later. Returns when it does.
    async fn remove_entry(&self, kind: Kind, entry: &str, before: Timestamp) -> Result<Option<Timestamp>, Unavailable> {
        let place = Place::from_entry(entry);
        let keys = match (kind, &place) {
            (Kind::Session, Some(place)) => {
                vec![self.keys().session(&place.tag, &place.id), self.keys().subject(&place.tag)]
            }
            (Kind::Session, None) => return Ok(None),
            (Kind::RevokedToken, _) => vec![self.keys().revoked_token(entry)],
            (Kind::PurposeToken, _) => vec![self.keys().purpose_token(entry)],
        };
        let id = place.as_ref().map_or_else(String::new, |place| place.id.clone());
        let arguments = [before.as_unix_millis().to_string(), id];
        let later: Option<i64> = self.connection().call(&self.scripts().remove, &keys, &arguments[..]).await?;
        if let (Kind::Session, Some(place), None) = (kind, &place, later) {
            self.release(&self.keys().family(&place.family), &place.after_family()).await?;
            self.release(&self.keys().id(&place.id), &place.tag).await?;
        }
        Ok(later.map(Timestamp::from_unix_millis))
    }

    /// The first members of a sorted set, up to a score.
    async fn lowest<T: redis::FromRedisValue>(&self, key: &str, to: &str, limit: u64) -> Result<Vec<T>, Unavailable> {
        let mut command = redis::cmd("ZRANGEBYSCORE");
        command.arg(key).arg("-inf").arg(to).arg("LIMIT").arg(0).arg(limit);
        self.connection().run(&command).await
    }

    async fn forget(&self, list: &str, entry: &str) -> Result<(), Unavailable> {
        self.connection().run::<i64>(redis::cmd("ZREM").arg(list).arg(entry)).await.map(drop)
    }
}

/// How many days one call looks at.
const DAYS_AT_ONCE: u64 = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_have_bounds() {
        for (expires_at, expected) in [(i64::MIN, KEPT), (0, KEPT), (i64::MAX, LONGEST + KEPT)] {
            assert_eq!(lifetime(Timestamp::from_unix_millis(expires_at)), expected);
        }
    }
}

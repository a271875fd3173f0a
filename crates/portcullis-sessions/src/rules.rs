//! The rules of sessions, as synchronous functions of a stored session, a token and a time.

use std::time::Duration;

use crate::keys::SuccessorKeys;
use crate::session::{AuthFacts, EndReason, Verdict};
use crate::store::{PreviousToken, StoredSession};
use crate::timestamp::{Timestamp, millis};
use crate::token::RefreshToken;

/// How far ahead of this machine's clock the time of a rotation may be.
pub(crate) const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// The lifetimes and the grace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) idle: Duration,
    pub(crate) absolute: Duration,
    pub(crate) grace: Duration,
}

/// What is to be done about a presented token.
pub(crate) enum Decision {
    /// Store `next`; once that succeeded, answer with `successor`.
    Rotate { next: Box<StoredSession>, successor: RefreshToken },
    /// Answer with the successor that the previous token got before.
    Repeat { successor: RefreshToken },
    /// End the session, then refuse.
    End(EndReason),
    /// Refuse.
    Refuse(Verdict),
    /// This machine cannot tell. The text says why.
    CannotTell(&'static str),
}

impl Rules {
    /// Makes a new session whose first token is `token`.
    pub(crate) fn begin(&self, id: String, subject: &str, token: &RefreshToken, now: Timestamp) -> StoredSession {
        let ends_at = now.plus(self.absolute);
        StoredSession {
            id,
            family: token.family_hash(),
            subject: subject.to_owned(),
            version: 0,
            current: token.hash(),
            previous: None,
            facts: AuthFacts::at(now.to_date()),
            label: None,
            created_at: now,
            last_used_at: now,
            expires_at: now.plus(self.idle).min(ends_at),
            ends_at,
            ended: None,
        }
    }

    /// Decides about `token`, which belongs to the family of `stored`.
    pub(crate) fn decide(
        &self,
        stored: &StoredSession,
        token: &RefreshToken,
        keys: &SuccessorKeys,
        now: Timestamp,
    ) -> Decision {
        if stored.ended.is_some() {
            return Decision::Refuse(Verdict::Ended);
        }
        if !stored.is_open(now) {
            return Decision::Refuse(Verdict::Expired);
        }
        let hash = token.hash();
        if hash.matches(&stored.current) {
            return self.rotate(stored, token, keys, now);
        }
        match stored.previous {
            Some(previous) if hash.matches(&previous.hash) => self.repeat(stored, previous, token, keys, now),
            // The token has the secret name of the family, so it was once a token of this session.
            _ => Decision::End(EndReason::Stolen),
        }
    }

    /// Decides about the current token.
    fn rotate(&self, stored: &StoredSession, token: &RefreshToken, keys: &SuccessorKeys, now: Timestamp) -> Decision {
        let key_version = keys.active();
        let Some(successor) = keys.successor(token, key_version) else {
            return Decision::CannotTell("the active key is missing");
        };
        let next = StoredSession {
            version: stored.version.saturating_add(1),
            current: successor.hash(),
            previous: Some(PreviousToken { hash: stored.current, rotated_at: now, key_version }),
            // The clock of another machine may have been ahead.
            last_used_at: stored.last_used_at.max(now),
            expires_at: self.extended(stored, now),
            ..stored.clone()
        };
        Decision::Rotate { next: Box::new(next), successor }
    }

    /// Decides about the previous token. Its successor is the current token, so it is unused.
    fn repeat(
        &self,
        stored: &StoredSession,
        previous: PreviousToken,
        token: &RefreshToken,
        keys: &SuccessorKeys,
        now: Timestamp,
    ) -> Decision {
        let elapsed = now.millis_since(previous.rotated_at);
        if self.grace.is_zero() || elapsed >= millis(self.grace) {
            return Decision::End(EndReason::Orphaned);
        }
        if elapsed < -millis(CLOCK_TOLERANCE) {
            return Decision::CannotTell("the clock of this machine is more than 5 s behind the clock of another one");
        }
        match keys.successor(token, previous.key_version) {
            Some(successor) if successor.hash().matches(&stored.current) => Decision::Repeat { successor },
            // A token that is not the current one would later count as stolen.
            _ => Decision::CannotTell("another machine has a successor key that this machine does not have"),
        }
    }

    /// When the session expires after a use at `now`. The time changes only when less than three quarters of the idle
    /// lifetime are left, so that the index of the store is seldom written.
    fn extended(&self, stored: &StoredSession, now: Timestamp) -> Timestamp {
        let left = stored.expires_at.millis_since(now);
        if left >= millis(self.idle) / 4 * 3 {
            return stored.expires_at;
        }
        now.plus(self.idle).min(stored.ends_at).max(stored.expires_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Ended;

    const ROTATED: i64 = 1_000_000;

    fn rules(grace: u64) -> Rules {
        Rules { idle: Duration::from_secs(100), absolute: Duration::from_secs(1000), grace: Duration::from_secs(grace) }
    }

    fn keys() -> SuccessorKeys {
        SuccessorKeys::new(1, b"a key of the tests with 32 bytes or more").unwrap()
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_unix_millis(millis)
    }

    /// The tokens of a session that was rotated twice, at last at `ROTATED`.
    struct Family {
        stored: StoredSession,
        tokens: [(&'static str, RefreshToken); 4],
    }

    fn family() -> Family {
        let (rules, keys) = (rules(10), keys());
        let first = RefreshToken::generate().unwrap();
        let begun = rules.begin("session".to_owned(), "alice", &first, at(ROTATED - 20_000));
        let (begun, second) = rotated(rules.decide(&begun, &first, &keys, at(ROTATED - 10_000)));
        let (stored, third) = rotated(rules.decide(&begun, &second, &keys, at(ROTATED)));
        let never_issued = first.with_secret([7; 32]);
        let tokens = [("older", first), ("previous", second), ("current", third), ("never issued", never_issued)];
        Family { stored, tokens }
    }

    fn rotated(decision: Decision) -> (StoredSession, RefreshToken) {
        match decision {
            Decision::Rotate { next, successor } => (*next, successor),
            other => panic!("{}", name(&other)),
        }
    }

    fn name(decision: &Decision) -> &'static str {
        match decision {
            Decision::Rotate { .. } => "rotate",
            Decision::Repeat { .. } => "repeat",
            Decision::End(EndReason::Orphaned) => "orphaned",
            Decision::End(EndReason::Stolen) => "stolen",
            Decision::End(_) => "another end",
            Decision::Refuse(verdict) => verdict.as_str(),
            Decision::CannotTell(_) => "cannot tell",
        }
    }

    #[test]
    fn every_token_at_every_time_has_its_decision() {
        let Family { stored, tokens } = family();
        let expires = stored.expires_at.as_unix_millis() - ROTATED;
        // The time since the rotation in milliseconds, the grace in seconds, and the decision about the previous token.
        let table = [
            (-1_000_000, 10, "cannot tell"),
            (-5_001, 10, "cannot tell"),
            (-5_000, 10, "repeat"),
            (-1, 10, "repeat"),
            (0, 10, "repeat"),
            (9_999, 10, "repeat"),
            (10_000, 10, "orphaned"),
            (59_999, 60, "repeat"),
            (60_000, 60, "orphaned"),
            (-5_001, 0, "orphaned"),
            (-1, 0, "orphaned"),
            (0, 0, "orphaned"),
            (expires - 1, 10, "orphaned"),
            (expires, 10, "expired"),
            (i64::MAX, 10, "expired"),
        ];
        for (elapsed, grace, previous) in table {
            let now = at(ROTATED.saturating_add(elapsed));
            let ended = Some(Ended { at: now, reason: EndReason::LoggedOut });
            let ended = StoredSession { ended, ..stored.clone() };
            for (kind, token) in &tokens {
                let expected = match *kind {
                    _ if previous == "expired" => "expired",
                    "previous" => previous,
                    "current" => "rotate",
                    _ => "stolen",
                };
                let decision = rules(grace).decide(&stored, token, &keys(), now);
                assert_eq!(name(&decision), expected, "{kind} after {elapsed} ms, grace {grace} s");
                assert_eq!(name(&rules(grace).decide(&ended, token, &keys(), now)), "ended");
            }
        }
    }

    #[test]
    fn without_a_rotation_there_is_no_previous_token() {
        let token = RefreshToken::generate().unwrap();
        let begun = rules(10).begin("session".to_owned(), "alice", &token, at(0));
        assert_eq!(name(&rules(10).decide(&begun, &token, &keys(), at(1))), "rotate");
        assert_eq!(name(&rules(10).decide(&begun, &token.with_secret([0; 32]), &keys(), at(1))), "stolen");
    }

    #[test]
    fn repeated_successor_is_the_current_token() {
        let Family { stored, tokens } = family();
        let [_, (_, previous), (_, current), _] = &tokens;
        let Decision::Repeat { successor } = rules(10).decide(&stored, previous, &keys(), at(ROTATED)) else {
            panic!()
        };
        assert_eq!(successor.as_str(), current.as_str());
        // Another secret under the same version, and no secret under this version.
        for keys in [(1, b"another key of the tests, of 32 bytes"), (2, b"another key of the tests, of 32 bytes")] {
            let keys = SuccessorKeys::new(keys.0, keys.1).unwrap();
            assert_eq!(name(&rules(10).decide(&stored, previous, &keys, at(ROTATED))), "cannot tell");
            assert_eq!(name(&rules(10).decide(&stored, current, &keys, at(ROTATED))), "rotate");
        }
    }

    #[test]
    fn rotation_changes_only_what_it_should() {
        let Family { stored, tokens } = family();
        let [.., (_, current), _] = &tokens;
        let (next, successor) = rotated(rules(10).decide(&stored, current, &keys(), at(ROTATED + 1)));
        let previous = PreviousToken { hash: current.hash(), rotated_at: at(ROTATED + 1), key_version: 1 };
        let expected = StoredSession {
            version: stored.version + 1,
            current: successor.hash(),
            previous: Some(previous),
            last_used_at: at(ROTATED + 1),
            ..stored.clone()
        };
        assert!(next == expected);
        // A clock that is behind does not move the last use back.
        let (next, _) = rotated(rules(10).decide(&stored, current, &keys(), at(ROTATED - 3000)));
        assert_eq!(next.last_used_at, at(ROTATED));
    }

    #[test]
    fn idle_end_moves_below_three_quarters() {
        let token = RefreshToken::generate().unwrap();
        let begun = rules(10).begin("session".to_owned(), "alice", &token, at(0));
        assert_eq!((begun.expires_at, begun.ends_at), (at(100_000), at(1_000_000)));
        for (now, expires_at) in [(0, 100_000), (25_000, 100_000), (25_001, 125_001), (99_999, 199_999)] {
            let (next, _) = rotated(rules(10).decide(&begun, &token, &keys(), at(now)));
            assert_eq!(next.expires_at, at(expires_at), "{now}");
        }
        // Never beyond the absolute end, and never back.
        let late = StoredSession { expires_at: at(999_000), ..begun.clone() };
        assert_eq!(rotated(rules(10).decide(&late, &token, &keys(), at(950_000))).0.expires_at, at(1_000_000));
        let shorter = Rules { idle: Duration::from_secs(50), ..rules(10) };
        assert_eq!(rotated(shorter.decide(&begun, &token, &keys(), at(70_000))).0.expires_at, at(120_000));
        assert_eq!(rotated(shorter.decide(&begun, &token, &keys(), at(10_000))).0.expires_at, at(100_000));
        let never_past_the_end = Rules { idle: Duration::from_secs(5000), ..rules(10) };
        assert_eq!(never_past_the_end.begin(String::new(), "a", &token, at(0)).expires_at, at(1_000_000));
    }
}

//! The names of keys.
//!
//! What is in braces decides about the slot in a cluster. All sessions of a subject and the list of them are in one slot, so
//! one script can change them together. A name that only leads to a session is in another slot.

use crate::store::StoredSession;
use crate::token::TokenHash;

/// Makes the names of keys with one prefix.
pub(super) struct Keys {
    prefix: String,
}

/// The three kinds of entries that expire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Session,
    RevokedToken,
    PurposeToken,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The session `id` of the subject with this tag.
    pub(super) fn session(&self, tag: &str, id: &str) -> String {
        format!("{}session:{{{tag}}}:{id}", self.prefix)
    }

    /// The list of the open sessions of a subject.
    pub(super) fn subject(&self, tag: &str) -> String {
        format!("{}subject:{{{tag}}}", self.prefix)
    }

    /// Leads from the name of a session to the tag of its subject.
    pub(super) fn id(&self, id: &str) -> String {
        format!("{}id:{id}", self.prefix)
    }

    /// Leads from a family to the tag and the name of its session.
    pub(super) fn family(&self, family: &str) -> String {
        format!("{}family:{family}", self.prefix)
    }

    pub(super) fn revoked_token(&self, hash: &str) -> String {
        format!("{}revoked:{hash}", self.prefix)
    }

    pub(super) fn purpose_token(&self, hash: &str) -> String {
        format!("{}purpose:{hash}", self.prefix)
    }

    pub(super) fn used_proof(&self, name: &str) -> String {
        format!("{}proof:{name}", self.prefix)
    }

    /// The signing keys.
    #[cfg(feature = "issuer")]
    pub(super) fn key_ring(&self) -> String {
        format!("{}key_ring", self.prefix)
    }

    /// The list of the days on which entries of this kind expire.
    pub(super) fn days(&self, kind: Kind) -> String {
        format!("{}expiry:{{{}}}", self.prefix, kind.name())
    }

    /// The list of the entries that expire on one day.
    pub(super) fn day(&self, kind: Kind, day: i64) -> String {
        format!("{}expiry:{{{}}}:{day}", self.prefix, kind.name())
    }
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Session, Self::RevokedToken, Self::PurposeToken];

    fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::RevokedToken => "revoked",
            Self::PurposeToken => "purpose",
        }
    }
}

/// What the keys of a subject have in common. It is a hash, so a subject with braces cannot choose its slot, and names of keys
/// do not tell who the user is.
pub(super) fn tag(subject: &str) -> String {
    TokenHash::of("subject", &[subject.as_bytes()]).to_text()
}

/// Where a session is: what its names lead to.
pub(super) struct Place {
    pub(super) tag: String,
    pub(super) id: String,
    pub(super) family: String,
}

impl Place {
    pub(super) fn of(session: &StoredSession) -> Self {
        Self { tag: tag(&session.subject), id: session.id.clone(), family: session.family.to_text() }
    }

    /// What the key of the family holds.
    pub(super) fn after_family(&self) -> String {
        format!("{} {}", self.tag, self.id)
    }

    /// The entry in the list of expiries.
    pub(super) fn to_entry(&self) -> String {
        format!("{} {} {}", self.tag, self.family, self.id)
    }

    pub(super) fn from_entry(entry: &str) -> Option<Self> {
        let (tag, rest) = entry.split_once(' ')?;
        let (family, id) = rest.split_once(' ')?;
        Some(Self { tag: tag.to_owned(), id: id.to_owned(), family: family.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_subject_are_in_one_slot() {
        let keys = Keys::new("p:");
        let braces = |key: &str| key.split(['{', '}']).nth(1).map(str::to_owned);
        let tag = tag("a} {b");
        assert_eq!(tag.len(), 43);
        assert_eq!(braces(&keys.session(&tag, "{x}")), Some(tag.clone()));
        assert_eq!(braces(&keys.subject(&tag)), Some(tag));
        for kind in Kind::ALL {
            assert_eq!(braces(&keys.days(kind)), braces(&keys.day(kind, -3)));
        }
    }

    #[test]
    fn entries_are_read_as_written() {
        let place = Place { tag: "t".to_owned(), id: "a b".to_owned(), family: "f".to_owned() };
        let read = Place::from_entry(&place.to_entry()).unwrap();
        assert_eq!((read.tag, read.id, read.family), (place.tag, place.id, place.family));
        assert!(Place::from_entry("t f").is_none());
    }
}

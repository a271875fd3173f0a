//! The features and plans of the user and the organization (`fea`, `pla`).

/// The names in `fea` or `pla`, each with its owner: `o:` for the organization, `u:` for the user, `ou:` and `uo:` for
/// both.
///
/// An unreadable list is empty.
#[derive(Clone, Default)]
pub struct Entitlements {
    entries: Vec<Entitlement>,
}

#[derive(Clone)]
struct Entitlement {
    owner: Owner,
    name: String,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Owner {
    Both,
    Organization,
    Unknown,
    User,
}

impl Entitlements {
    /// Reads a list such as `o:a,u:b`. One entry without an owner makes the whole list unreadable, as in Clerk's SDK.
    pub(crate) fn read(text: &str) -> Self {
        let entry = |entry: &str| {
            let (owner, name) = entry.trim().split_once(':')?;
            let owner = match owner {
                "o" => Owner::Organization,
                "u" => Owner::User,
                "ou" | "uo" => Owner::Both,
                _ => Owner::Unknown,
            };
            Some(Entitlement { owner, name: name.to_owned() })
        };
        let entries = if text.is_empty() { Some(Vec::new()) } else { text.split(',').map(entry).collect() };
        Self { entries: entries.unwrap_or_default() }
    }

    /// Tells whether the user or the organization has `name`.
    ///
    /// `org:export` (or `o:export`) asks about the organization only, `user:export` (or `u:export`) about the user only.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        match name.split_once(':') {
            None => self.of_organization().chain(self.of_user()).any(|held| held == name),
            Some(("o" | "org" | "organization", name)) => self.of_organization().any(|held| held == name),
            Some(("u" | "user", name)) => self.of_user().any(|held| held == name),
            Some(_) => false,
        }
    }

    /// Returns the names that the organization has.
    pub fn of_organization(&self) -> impl Iterator<Item = &str> {
        self.of(Owner::Organization)
    }

    /// Returns the names that the user has.
    pub fn of_user(&self) -> impl Iterator<Item = &str> {
        self.of(Owner::User)
    }

    /// Returns the organization's features in the order of their numbers in `fpm`.
    ///
    /// The list ends at the first entry with an unknown owner: it is unclear whether that entry has a number.
    pub(crate) fn numbered_features(&self) -> impl Iterator<Item = &str> {
        let known = self.entries.iter().take_while(|entry| entry.owner != Owner::Unknown);
        known.filter(|entry| entry.owner != Owner::User).map(|entry| entry.name.as_str())
    }

    fn of(&self, owner: Owner) -> impl Iterator<Item = &str> {
        let held = self.entries.iter().filter(move |entry| entry.owner == owner || entry.owner == Owner::Both);
        held.map(|entry| entry.name.as_str()).filter(|name| !name.is_empty())
    }
}

impl std::fmt::Debug for Entitlements {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entitlements { .. }")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_for_their_owner() {
        let features = Entitlements::read("o:a, u:b,ou:c,uo:d,x:e,o:");
        assert_eq!(features.of_organization().collect::<Vec<_>>(), ["a", "c", "d"]);
        assert_eq!(features.of_user().collect::<Vec<_>>(), ["b", "c", "d"]);
        for name in ["a", "org:a", "o:a", "organization:a", "b", "user:b", "u:b", "c", "o:c", "u:c", "d", "o:d", "u:d"]
        {
            assert!(features.contains(name), "{name}");
        }
        for name in ["", ":", "o:", "u:a", "o:b", "e", "x:e", "other:a", "A", "a:b", "o:a:b", "a,", " a"] {
            assert!(!features.contains(name), "{name}");
        }
    }

    #[test]
    fn unreadable_list_is_empty() {
        for text in ["", "a", "o:a,b", "o:a,,u:b", ","] {
            let features = Entitlements::read(text);
            assert!(!features.contains("a") && !features.contains("b"), "{text}");
            assert_eq!(features.numbered_features().count(), 0, "{text}");
        }
    }

    #[test]
    fn numbering_ends_at_an_unknown_owner() {
        let features = Entitlements::read("o:a,u:b,ou:c,x:d,o:e");
        assert_eq!(features.numbered_features().collect::<Vec<_>>(), ["a", "c"]);
        assert!(features.contains("e"));
    }
}

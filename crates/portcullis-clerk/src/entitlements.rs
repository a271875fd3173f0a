//! `fea` and `pla`: which features and plans the user and the organization have.

/// Names with their scopes, as `fea` and `pla` list them: `o:` is the organization's, `u:` the user's, `ou:` and `uo:`
/// are both's.
///
/// A list that can't be read holds nothing.
#[derive(Clone, Default)]
pub struct Entitlements {
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    scope: Scope,
    name: String,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Scope {
    Both,
    Organization,
    Unknown,
    User,
}

impl Entitlements {
    /// Reads `o:a,u:b`. One entry without a scope makes all of it unreadable, as it does for the vendor's SDK.
    pub(crate) fn read(text: &str) -> Self {
        let entry = |entry: &str| {
            let (scope, name) = entry.trim().split_once(':')?;
            let scope = match scope {
                "o" => Scope::Organization,
                "u" => Scope::User,
                "ou" | "uo" => Scope::Both,
                _ => Scope::Unknown,
            };
            Some(Entry { scope, name: name.to_owned() })
        };
        let entries = if text.is_empty() { Some(Vec::new()) } else { text.split(',').map(entry).collect() };
        Self { entries: entries.unwrap_or_default() }
    }

    /// Whether `name` is among them: of the user or the organization, or of one of them where `name` says so, as
    /// `org:export` or `user:export` (`o:` and `u:` for short).
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        match name.split_once(':') {
            None => self.of_organization().chain(self.of_user()).any(|held| held == name),
            Some(("o" | "org" | "organization", name)) => self.of_organization().any(|held| held == name),
            Some(("u" | "user", name)) => self.of_user().any(|held| held == name),
            Some(_) => false,
        }
    }

    /// The names that the organization has.
    pub fn of_organization(&self) -> impl Iterator<Item = &str> {
        self.named(Scope::Organization)
    }

    /// The names that the user has.
    pub fn of_user(&self) -> impl Iterator<Item = &str> {
        self.named(Scope::User)
    }

    /// The organization's features in their order, which is that of their numbers in `fpm`. Behind a scope that nobody
    /// knows no place is certain, so there the list ends.
    pub(crate) fn places(&self) -> impl Iterator<Item = &str> {
        let known = self.entries.iter().take_while(|entry| entry.scope != Scope::Unknown);
        known.filter(|entry| entry.scope != Scope::User).map(|entry| entry.name.as_str())
    }

    fn named(&self, scope: Scope) -> impl Iterator<Item = &str> {
        let held = self.entries.iter().filter(move |entry| entry.scope == scope || entry.scope == Scope::Both);
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
    fn a_name_is_found_in_its_scope() {
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
    fn what_cannot_be_read_holds_nothing() {
        for text in ["", "a", "o:a,b", "o:a,,u:b", ","] {
            let features = Entitlements::read(text);
            assert!(!features.contains("a") && !features.contains("b"), "{text}");
            assert_eq!(features.places().count(), 0, "{text}");
        }
    }

    #[test]
    fn places_are_certain_up_to_an_unknown_scope() {
        let features = Entitlements::read("o:a,u:b,ou:c,x:d,o:e");
        assert_eq!(features.places().collect::<Vec<_>>(), ["a", "c"]);
        assert!(features.contains("e"));
    }
}

//! The active organization of a session, with the user's role and permissions in it.

use std::fmt;

use serde_json::Value;

use crate::entitlements::Entitlements;

/// The prefix of roles and permissions.
const PREFIX: &str = "org:";

/// The active organization of a session.
#[derive(Clone)]
#[non_exhaustive]
pub struct Organization {
    /// The organization's identifier, `org_…`.
    pub id: String,
    /// The organization's name in URLs.
    pub slug: Option<String>,
    /// The user's role in the organization, for example `org:admin`. It has the prefix `org:` for both token versions.
    pub role: Option<String>,
    /// The user's permissions in the organization, for example `org:invoices:create`.
    pub permissions: Vec<String>,
}

impl Organization {
    /// Reads the organization of a token. `claim` returns a claim of the token by its name.
    ///
    /// `None` means that the token has no organization with an identifier, or that its version is not 1 or 2.
    pub(crate) fn read(claim: impl Fn(&'static str) -> Option<Value>) -> Option<Self> {
        match claim("v") {
            None => Self::read_v1(claim),
            Some(version) if version.as_f64() == Some(1.0) => Self::read_v1(claim),
            Some(version) if version.as_f64() == Some(2.0) => Self::read_v2(claim),
            Some(_) => None,
        }
    }

    fn read_v1(claim: impl Fn(&'static str) -> Option<Value>) -> Option<Self> {
        let permissions = match claim("org_permissions") {
            Some(Value::Array(permissions)) => permissions,
            _ => Vec::new(),
        };
        Some(Self {
            id: non_empty(claim("org_id").as_ref())?,
            slug: non_empty(claim("org_slug").as_ref()),
            role: non_empty(claim("org_role").as_ref()).map(|role| with_prefix(&role)),
            permissions: permissions.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }

    fn read_v2(claim: impl Fn(&'static str) -> Option<Value>) -> Option<Self> {
        let organization = claim("o")?;
        let text = |name: &str| organization.get(name).and_then(Value::as_str).unwrap_or_default();
        let features = claim("fea");
        let features = Entitlements::read(features.as_ref().and_then(Value::as_str).unwrap_or_default());
        Some(Self {
            id: non_empty(organization.get("id"))?,
            slug: non_empty(organization.get("slg")),
            role: non_empty(organization.get("rol")).map(|role| with_prefix(&role)),
            permissions: decode_permissions(features.numbered_features(), text("per"), text("fpm")),
        })
    }

    /// Tells whether the user's role is `role`, written with or without `org:`.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.role.as_ref().is_some_and(|held| *held == with_prefix(role))
    }

    /// Tells whether the user has `permission`, written with or without `org:`.
    #[must_use]
    pub fn has_permission(&self, permission: &str) -> bool {
        let permission = with_prefix(permission);
        self.permissions.contains(&permission)
    }
}

impl fmt::Debug for Organization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Organization { .. }")
    }
}

/// Decodes the permissions of a token of version 2.
///
/// The i-th of `numbers` belongs to the i-th feature. Its lowest bit tells whether the user has the first of
/// `permissions`, and so on. An invalid number grants nothing. Bits beyond the last permission are ignored.
fn decode_permissions<'a>(features: impl Iterator<Item = &'a str>, permissions: &str, numbers: &str) -> Vec<String> {
    let permissions: Vec<&str> = permissions.split(',').map(str::trim).collect();
    let mut held = Vec::new();
    for (feature, number) in features.zip(numbers.split(',')) {
        let Some(number) = Bits::of_decimal(number.trim()) else { continue };
        let granted = permissions.iter().enumerate().filter(|(at, _)| number.is_set(*at));
        let granted = granted.map(|(_, permission)| permission).filter(|name| !name.is_empty() && !feature.is_empty());
        held.extend(granted.map(|permission| format!("{PREFIX}{feature}:{permission}")));
    }
    held
}

fn with_prefix(name: &str) -> String {
    format!("{PREFIX}{}", name.trim_start_matches(PREFIX))
}

fn non_empty(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A whole number of any size.
struct Bits {
    /// The bits, 32 in each word, the lowest word first.
    words: Vec<u32>,
}

impl Bits {
    /// Reads a number that consists of decimal digits only.
    fn of_decimal(digits: &str) -> Option<Self> {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let mut words: Vec<u32> = Vec::new();
        // Nine digits always fit into one word.
        for chunk in digits.as_bytes().chunks(9) {
            let mut carry = chunk.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
            let factor = chunk.iter().fold(1, |factor, _| factor * 10);
            for word in &mut words {
                let product = u64::from(*word) * factor + carry;
                (*word, carry) = (low(product), product >> 32);
            }
            if carry > 0 {
                words.push(low(carry));
            }
        }
        Some(Self { words })
    }

    fn is_set(&self, at: usize) -> bool {
        self.words.get(at / 32).is_some_and(|word| (word >> (at % 32)) & 1 == 1)
    }
}

/// Returns the lowest 32 bits.
#[allow(clippy::cast_possible_truncation, reason = "the function truncates on purpose")]
fn low(number: u64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn organization(claims: &Value) -> Option<Organization> {
        Organization::read(|name| claims.get(name).cloned())
    }

    fn permissions(fea: &str, per: &str, fpm: &str) -> Vec<String> {
        let claims = json!({"v": 2, "fea": fea, "o": {"id": "org_1", "per": per, "fpm": fpm}});
        organization(&claims).unwrap().permissions
    }

    #[test]
    fn version_1_lists_full_names() {
        let one = organization(&json!({"org_id": "org_1", "org_slug": "acme", "org_role": "org:admin",
            "org_permissions": ["org:invoices:create", 7]}))
        .unwrap();
        assert_eq!((one.id.as_str(), one.slug.as_deref()), ("org_1", Some("acme")));
        assert_eq!(one.role.as_deref(), Some("org:admin"));
        assert_eq!(one.permissions, ["org:invoices:create"]);
    }

    #[test]
    fn version_2_packs_names_without_prefix() {
        let two = organization(&json!({"v": 2, "fea": "o:articles,o:invoices",
            "o": {"id": "org_1", "slg": "acme", "rol": "admin", "per": "manage,read", "fpm": "3,2"}}))
        .unwrap();
        assert_eq!((two.id.as_str(), two.slug.as_deref()), ("org_1", Some("acme")));
        assert_eq!(two.role.as_deref(), Some("org:admin"));
        assert_eq!(two.permissions, ["org:articles:manage", "org:articles:read", "org:invoices:read"]);
    }

    #[test]
    fn lowest_bit_is_the_first_permission() {
        assert_eq!(permissions("o:a", "one,two,three", "1"), ["org:a:one"]);
        assert_eq!(permissions("o:a", "one,two,three", "4"), ["org:a:three"]);
        assert_eq!(permissions("o:a", "one,two,three", "6"), ["org:a:two", "org:a:three"]);
        assert!(permissions("o:a", "one,two,three", "0").is_empty());
        // Bits beyond the last permission are ignored.
        assert_eq!(permissions("o:a", "one", "255"), ["org:a:one"]);
    }

    #[test]
    fn numbers_skip_features_of_the_user() {
        assert_eq!(permissions("u:x,o:a,ou:b,u:y,uo:c", "p", "1,1,1"), ["org:a:p", "org:b:p", "org:c:p"]);
        assert_eq!(permissions("u:x,o:a,uo:c", "p", "0,1"), ["org:c:p"]);
        // One number too few, then one too many.
        assert_eq!(permissions("o:a,o:b", "p", "1"), ["org:a:p"]);
        assert_eq!(permissions("o:a", "p", "1,1"), ["org:a:p"]);
    }

    #[test]
    fn numbers_may_exceed_64_bits() {
        let names: Vec<String> = (0..200).map(|at| format!("p{at}")).collect();
        let per = names.join(",");
        // 2^199 + 2^64 + 1.
        let number = "803469022129495137770981046170581301261119943635470127202305";
        assert_eq!(permissions("o:a", &per, number), ["org:a:p0", "org:a:p64", "org:a:p199"]);
        // 2^64 would wrap to zero in 64 bits. Leading zeros change nothing.
        assert_eq!(permissions("o:a", &per, "18446744073709551616"), ["org:a:p64"]);
        assert_eq!(permissions("o:a", &per, &format!("{}5", "0".repeat(100))), ["org:a:p0", "org:a:p2"]);
    }

    #[test]
    fn invalid_number_grants_nothing() {
        for bad in ["", "-1", "+1", "1.0", "1e3", "0x1", "one", "1 1", "\u{661}", "1_0"] {
            assert_eq!(permissions("o:a,o:b", "p", &format!("{bad},1")), ["org:b:p"], "{bad}");
        }
        assert_eq!(permissions("o:a", " p , q ", " 3 "), ["org:a:p", "org:a:q"]);
        assert!(permissions("o:a", "", "1").is_empty());
        assert!(permissions("o:", "p", "1").is_empty());
        assert_eq!(permissions("o:a", ",p", "3"), ["org:a:p"]);
    }

    #[test]
    fn unreadable_features_grant_nothing() {
        assert!(permissions("a,o:b", "p", "1,1").is_empty());
        assert_eq!(permissions("o:a,x:b,o:c", "p", "1,1,1"), ["org:a:p"]);
        let claims = json!({"v": 2, "fea": ["o:a"], "o": {"id": "org_1", "per": "p", "fpm": "1"}});
        assert!(organization(&claims).unwrap().permissions.is_empty());
        let claims = json!({"v": 2, "fea": "o:a", "o": {"id": "org_1", "per": ["p"], "fpm": 1}});
        assert!(organization(&claims).unwrap().permissions.is_empty());
    }

    #[test]
    fn organization_needs_id_and_known_version() {
        for claims in [
            json!({}),
            json!({"org_role": "org:admin", "org_permissions": ["org:a:p"]}),
            json!({"org_id": "", "org_role": "org:admin"}),
            json!({"org_id": 7, "org_role": "org:admin"}),
            json!({"v": 2, "org_id": "org_1", "org_role": "org:admin"}),
            json!({"v": 2, "o": {"rol": "admin"}}),
            json!({"v": 2, "o": "org_1"}),
            json!({"v": 3, "o": {"id": "org_1"}, "org_id": "org_1"}),
            json!({"v": "2", "o": {"id": "org_1"}, "org_id": "org_1"}),
        ] {
            assert!(organization(&claims).is_none(), "{claims}");
        }
        assert!(organization(&json!({"v": 1, "org_id": "org_1"})).is_some());
    }

    #[test]
    fn prefix_is_optional_in_questions() {
        let one =
            organization(&json!({"org_id": "org_1", "org_role": "admin", "org_permissions": ["org:a:p"]})).unwrap();
        assert_eq!(one.role.as_deref(), Some("org:admin"));
        assert!(one.has_role("org:admin") && one.has_role("admin"));
        assert!(one.has_permission("org:a:p") && one.has_permission("a:p"));
        for other in ["", "org:", "Admin", "org:member", "admin ", "org:admin:x"] {
            assert!(!one.has_role(other) && !one.has_permission(other), "{other}");
        }
        assert!(!one.has_permission("org:a") && !one.has_permission("org:a:"));
    }

    #[test]
    fn debug_shows_no_claim() {
        assert_eq!(format!("{:?}", organization(&json!({"org_id": "org_1"})).unwrap()), "Organization { .. }");
    }
}

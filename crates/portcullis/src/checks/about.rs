//! What a check is about, for the diagnosis of a token.

use std::borrow::Cow;

/// What a [`ClaimCheck`](super::ClaimCheck) reads and accepts, for the diagnosis of a token
/// ([`Verifier::diagnose`](crate::Verifier::diagnose)).
///
/// ```
/// use portcullis::checks::CheckAbout;
///
/// let about = CheckAbout::claim("org_id").expecting(r#""org_1""#);
/// assert_eq!(about.name(), "org_id");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct CheckAbout {
    name: Cow<'static, str>,
    claims: Vec<Cow<'static, str>>,
    expected: Cow<'static, str>,
}

impl CheckAbout {
    /// Makes the description of a check that has a name and reads no claim in particular.
    pub fn named(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), claims: Vec::new(), expected: Cow::Borrowed("passes") }
    }

    /// Makes the description of a check of one claim. The check has the claim's name.
    pub fn claim(name: impl Into<Cow<'static, str>>) -> Self {
        let name = name.into();
        Self { claims: vec![name.clone()], name, expected: Cow::Borrowed("present") }
    }

    /// Adds a claim that the check reads. A diagnosis shows its value.
    pub fn reading(mut self, claim: impl Into<Cow<'static, str>>) -> Self {
        self.claims.push(claim.into());
        self
    }

    /// Sets what the check accepts, in words, or as the JSON of the accepted values.
    pub fn expecting(mut self, expected: impl Into<Cow<'static, str>>) -> Self {
        self.expected = expected.into();
        self
    }

    /// Sets the accepted values. A diagnosis shows them as JSON, joined by "or".
    pub fn expecting_any_of<S: AsRef<str>>(self, values: impl IntoIterator<Item = S>) -> Self {
        let values: Vec<_> = values.into_iter().map(|value| quoted(value.as_ref())).collect();
        self.expecting(values.join(" or "))
    }

    /// Returns the name of the check.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the claims that the check reads.
    pub(crate) fn claims(&self) -> &[Cow<'static, str>] {
        &self.claims
    }

    /// Returns what the check accepts.
    pub(crate) fn expected(&self) -> &str {
        &self.expected
    }
}

/// Returns `text` as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns the last part of the name of the type `T`, without parameters.
pub(super) fn type_name<T: ?Sized>() -> &'static str {
    let name = std::any::type_name::<T>();
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_a_type_has_no_path_and_no_parameters() {
        assert_eq!(type_name::<CheckAbout>(), "CheckAbout");
        assert_eq!(type_name::<Vec<CheckAbout>>(), "Vec");
        assert_eq!(type_name::<str>(), "str");
    }

    #[test]
    fn accepted_values_are_json() {
        let about = CheckAbout::claim("azp").reading("client_id").expecting_any_of(["a\"b", "c"]);
        assert_eq!((about.name(), about.expected()), ("azp", r#""a\"b" or "c""#));
        assert_eq!(about.claims(), ["azp", "client_id"]);
    }
}

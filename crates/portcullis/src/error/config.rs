//! The error of a configuration.

use std::borrow::Cow;
use std::fmt;

/// A configuration that cannot be used: for each fault the field, the problem, and what to write instead.
///
/// It holds at least one fault. [`Display`](fmt::Display) writes one line for each, and so does `Debug`, which a `main` that
/// returns this error prints.
///
/// ```
/// use portcullis::ConfigError;
///
/// let error = ConfigError::new("leeway_seconds", "not a whole number", "write 0 to 600");
/// assert_eq!(error.field(), "leeway_seconds");
/// assert_eq!(error.to_string(), "leeway_seconds: not a whole number; write 0 to 600");
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct ConfigError {
    first: Fault,
    more: Vec<Fault>,
}

#[derive(Clone, Eq, PartialEq)]
struct Fault {
    field: Cow<'static, str>,
    problem: Cow<'static, str>,
    hint: Cow<'static, str>,
}

impl ConfigError {
    /// Makes an error with one fault: `field` has `problem`, and `hint` says what to write instead.
    pub fn new(
        field: impl Into<Cow<'static, str>>,
        problem: impl Into<Cow<'static, str>>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        let first = Fault { field: field.into(), problem: problem.into(), hint: hint.into() };
        Self { first, more: Vec::new() }
    }

    /// Returns one error with all faults of `errors`, in their order, or `Ok` if `errors` is empty.
    ///
    /// ```
    /// use portcullis::ConfigError;
    ///
    /// let error = |field| ConfigError::new(field, "not set", "set it");
    /// let both = ConfigError::all([error("ISSUER"), error("AUDIENCE")]).unwrap_err();
    /// assert_eq!(both.fields().collect::<Vec<_>>(), ["ISSUER", "AUDIENCE"]);
    /// assert_eq!(both.to_string(), "ISSUER: not set; set it\nAUDIENCE: not set; set it");
    /// assert!(ConfigError::all([]).is_ok());
    /// ```
    ///
    /// # Errors
    /// That error.
    pub fn all(errors: impl IntoIterator<Item = Self>) -> Result<(), Self> {
        errors.into_iter().reduce(Self::and).map_or(Ok(()), Err)
    }

    /// Returns both values, or the faults of both results.
    ///
    /// ```
    /// use portcullis::ConfigError;
    ///
    /// let error = |field| ConfigError::new(field, "not set", "set it");
    /// let both = ConfigError::both::<(), ()>(Err(error("ISSUER")), Err(error("AUDIENCE"))).unwrap_err();
    /// assert_eq!(both.fields().collect::<Vec<_>>(), ["ISSUER", "AUDIENCE"]);
    /// ```
    ///
    /// # Errors
    /// The error of one result, or one error with the faults of both.
    pub fn both<A, B>(one: Result<A, Self>, other: Result<B, Self>) -> Result<(A, B), Self> {
        match (one, other) {
            (Ok(one), Ok(other)) => Ok((one, other)),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
            (Err(one), Err(other)) => Err(one.and(other)),
        }
    }

    /// Returns the field, option or environment variable of the first fault.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.first.field
    }

    /// Returns the field of each fault.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.faults().map(|fault| &*fault.field)
    }

    /// Renames the field of every fault to `field`, for example to the environment variable that it was read from.
    #[must_use]
    pub fn with_field(self, field: impl Into<Cow<'static, str>>) -> Self {
        let field = field.into();
        self.map_fields(|_| field.clone())
    }

    /// Renames the URLs of [`RemoteKeys`](crate::keys::RemoteKeys) (`issuer`, `jwks_url`, `metadata_url`) to `field`, the
    /// argument from which a preset makes them. Other faults keep their fields.
    ///
    /// ```
    /// use portcullis::ConfigError;
    ///
    /// let error = |field| ConfigError::new(field, "wrong", "write another");
    /// assert_eq!(error("jwks_url").with_url_field("domain").field(), "domain");
    /// assert_eq!(error("root_certificate").with_url_field("domain").field(), "root_certificate");
    /// ```
    #[must_use]
    pub fn with_url_field(self, field: &'static str) -> Self {
        self.map_fields(|known| match known {
            "issuer" | "jwks_url" | "metadata_url" => field.into(),
            other => other.to_owned().into(),
        })
    }

    /// Renames the field of each fault to what `rename` makes of it.
    #[must_use]
    pub fn map_fields(mut self, rename: impl Fn(&str) -> Cow<'static, str>) -> Self {
        for fault in std::iter::once(&mut self.first).chain(&mut self.more) {
            fault.field = rename(&fault.field);
        }
        self
    }

    fn and(mut self, other: Self) -> Self {
        self.more.push(other.first);
        self.more.extend(other.more);
        self
    }

    fn faults(&self) -> impl Iterator<Item = &Fault> {
        std::iter::once(&self.first).chain(&self.more)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut break_line = "";
        for Fault { field, problem, hint } in self.faults() {
            write!(f, "{break_line}{field}: {problem}; {hint}")?;
            break_line = "\n";
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

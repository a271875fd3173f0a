//! Labels with closed lists of values.

use crate::credential::Scheme;

/// A label with a closed list of values.
pub(crate) trait Label: Copy + 'static {
    const KEY: &'static str;
    const VALUES: &'static [&'static str];

    /// The position in the list.
    fn index(self) -> usize;

    fn value(self) -> &'static str {
        Self::VALUES.get(self.index()).copied().unwrap_or_default()
    }
}

/// One combination of labels, which has one handle.
pub(crate) trait Slot: Copy + 'static {
    const COUNT: usize;

    fn index(self) -> usize;
    fn labels(self) -> Vec<(&'static str, &'static str)>;
}

impl Slot for () {
    const COUNT: usize = 1;

    fn index(self) -> usize {
        0
    }

    fn labels(self) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }
}

impl<A: Label> Slot for (A,) {
    const COUNT: usize = A::VALUES.len();

    fn index(self) -> usize {
        self.0.index()
    }

    fn labels(self) -> Vec<(&'static str, &'static str)> {
        vec![(A::KEY, self.0.value())]
    }
}

impl<A: Label, B: Label> Slot for (A, B) {
    const COUNT: usize = A::VALUES.len() * B::VALUES.len();

    fn index(self) -> usize {
        self.0.index() * B::VALUES.len() + self.1.index()
    }

    fn labels(self) -> Vec<(&'static str, &'static str)> {
        vec![(A::KEY, self.0.value()), (B::KEY, self.1.value())]
    }
}

/// Makes an enum for each label, from its key and its values.
macro_rules! closed_labels {
    ($($(#[doc = $doc:literal])+ $label:ident $key:literal { $($variant:ident $value:literal),+ $(,)? })+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(crate) enum $label {
            $($variant,)+
        }

        impl Label for $label {
            const KEY: &'static str = $key;
            const VALUES: &'static [&'static str] = &[$($value),+];

            fn index(self) -> usize {
                self as usize
            }
        }
    )+};
}

closed_labels! {
    /// What became of a request.
    Outcome "outcome" {
        Accepted "accepted",
        Anonymous "anonymous",
        Error "error",
        Refused "refused",
        Unavailable "unavailable",
    }

    /// The scheme of a credential.
    SchemeLabel "scheme" {
        Bearer "bearer",
        Dpop "dpop",
        None "none",
    }

    /// Whether a signature was in the token cache.
    TokenCacheOutcome "outcome" {
        Hit "hit",
        Miss "miss",
    }

    /// What became of a fetch of keys.
    FetchOutcome "outcome" {
        Ok "ok",
        Unchanged "unchanged",
        BadDocument "bad_document",
        Connection "connection",
        Loader "loader",
        Lost "lost",
        NoUsableKey "no_usable_key",
        Panicked "panicked",
        Status "status",
        Timeout "timeout",
        TokenFile "token_file",
        TooLarge "too_large",
    }

    /// The document with which a fetch of keys ended.
    Document "document" {
        KeySet "key_set",
        Metadata "metadata",
    }

    /// What is known about an opaque token.
    IntrospectionOutcome "outcome" {
        Active "active",
        Inactive "inactive",
        Limited "limited",
        Unavailable "unavailable",
        Unusable "unusable",
    }

    /// Whether an answer about an opaque token was remembered.
    FromCache "cached" {
        No "false",
        Yes "true",
    }

    /// Whether an introspection endpoint answered.
    QuestionOutcome "outcome" {
        Answered "answered",
        Failed "failed",
    }

    /// What a store of used proofs answered.
    InsertOutcome "outcome" {
        Error "error",
        Full "full",
        New "new",
        Replayed "replayed",
        Unavailable "unavailable",
    }

    /// What a session check said about a caller.
    SessionCheckOutcome "outcome" {
        Error "error",
        Passed "passed",
        Revoked "revoked",
        Unavailable "unavailable",
        UserNotFound "user_not_found",
        UserUnverified "user_unverified",
    }
}

impl From<Option<Scheme>> for SchemeLabel {
    fn from(scheme: Option<Scheme>) -> Self {
        match scheme {
            Some(Scheme::Bearer) => Self::Bearer,
            Some(Scheme::Dpop) => Self::Dpop,
            None => Self::None,
        }
    }
}

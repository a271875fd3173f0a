//! Demands about authorization details (RFC 9396).

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::verifier::Verified;

/// One entry of a type, for which a function of the service returns `true`.
#[derive(Clone)]
pub(super) struct DetailsDemand {
    kind: String,
    is_met: Arc<IsMet>,
}

type IsMet = dyn Fn(&Verified) -> bool + Send + Sync;

impl DetailsDemand {
    pub(super) fn new<T: DeserializeOwned>(kind: String, allows: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        let read = kind.clone();
        let is_met = move |caller: &Verified| {
            caller.authorization_details::<T>(&read).is_ok_and(|details| details.iter().any(&allows))
        };
        Self { kind, is_met: Arc::new(is_met) }
    }

    /// The type of the entry.
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    pub(super) fn is_met(&self, caller: &Verified) -> bool {
        (self.is_met)(caller)
    }
}

/// Functions cannot be compared, so only clones of one demand are equal.
impl PartialEq for DetailsDemand {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.is_met, &other.is_met)
    }
}

impl Eq for DetailsDemand {}

impl fmt::Debug for DetailsDemand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetailsDemand").field("kind", &self.kind).finish_non_exhaustive()
    }
}

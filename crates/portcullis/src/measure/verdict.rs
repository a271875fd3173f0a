//! The verdict about a request, as a pair of labels: the outcome and the reason.

use crate::error::{AuthError, ProofError, Reason};
use crate::measure::labels::{Label, Outcome, SchemeLabel, Slot};

/// What a gate decided, as metrics and spans name it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Accepted,
    Anonymous,
    /// An error that is about neither the token nor the proof.
    Other(OtherError),
    Proof(ProofError),
    Token(Reason),
}

/// Makes the errors that have no list of reasons: the variant, its outcome, and the label.
macro_rules! other_errors {
    ($($variant:ident $outcome:ident $name:literal,)+) => {
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(crate) enum OtherError {
            $($variant,)+
        }

        impl OtherError {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn outcome(self) -> Outcome {
                match self {
                    $(Self::$variant => Outcome::$outcome,)+
                }
            }

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

other_errors! {
    CrossSiteRequest Refused "cross_site_request",
    Custom Refused "custom",
    InsufficientScope Refused "insufficient_scope",
    InsufficientUserAuthentication Refused "insufficient_user_authentication",
    InvalidRequest Refused "invalid_request",
    Limited Unavailable "limited",
    MissingToken Refused "missing_token",
    Server Error "server_error",
    Unavailable Unavailable "temporarily_unavailable",
    UseDpopNonce Refused "use_dpop_nonce",
}

impl Verdict {
    /// The reason of a request that is not refused.
    const NO_REASON: &'static str = "none";

    const COUNT: usize = 2 + OtherError::ALL.len() + ProofError::ALL.len() + Reason::ALL.len();

    pub(crate) fn of(error: &AuthError) -> Self {
        Self::Other(match error {
            AuthError::InvalidDpopProof(error) => return Self::Proof(*error),
            AuthError::InvalidToken(error) => return Self::Token(error.reason()),
            AuthError::CrossSiteRequest(_) => OtherError::CrossSiteRequest,
            // The code is text of a custom verifier.
            AuthError::Custom(_) => OtherError::Custom,
            AuthError::InsufficientScope { .. } => OtherError::InsufficientScope,
            AuthError::InsufficientUserAuthentication { .. } => OtherError::InsufficientUserAuthentication,
            AuthError::InvalidRequest(_) => OtherError::InvalidRequest,
            AuthError::MissingToken => OtherError::MissingToken,
            AuthError::Server(_) => OtherError::Server,
            AuthError::Unavailable(unavailable) if unavailable.limited => OtherError::Limited,
            AuthError::Unavailable(_) => OtherError::Unavailable,
            AuthError::UseDpopNonce { .. } => OtherError::UseDpopNonce,
        })
    }

    pub(crate) fn outcome(self) -> &'static str {
        self.outcome_label().value()
    }

    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Accepted | Self::Anonymous => Self::NO_REASON,
            Self::Other(error) => error.as_str(),
            Self::Proof(error) => error.as_str(),
            Self::Token(reason) => reason.as_str(),
        }
    }

    pub(super) fn outcome_label(self) -> Outcome {
        match self {
            Self::Accepted => Outcome::Accepted,
            Self::Anonymous => Outcome::Anonymous,
            Self::Other(error) => error.outcome(),
            Self::Proof(_) | Self::Token(_) => Outcome::Refused,
        }
    }

    fn index(self) -> usize {
        let (other, proof) = (2, 2 + OtherError::ALL.len());
        match self {
            Self::Accepted => 0,
            Self::Anonymous => 1,
            Self::Other(error) => other + error as usize,
            Self::Proof(error) => proof + error as usize,
            Self::Token(reason) => proof + ProofError::ALL.len() + reason as usize,
        }
    }

    /// Every verdict, in the order of their places.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Self> {
        let other = OtherError::ALL.iter().map(|error| Self::Other(*error));
        let proof = ProofError::ALL.iter().map(|error| Self::Proof(*error));
        let token = Reason::ALL.iter().map(|reason| Self::Token(*reason));
        [Self::Accepted, Self::Anonymous].into_iter().chain(other).chain(proof).chain(token).collect()
    }
}

/// The verdict about a credential of a scheme.
impl Slot for (Verdict, SchemeLabel) {
    const COUNT: usize = Verdict::COUNT * SchemeLabel::VALUES.len();

    fn index(self) -> usize {
        self.0.index() * SchemeLabel::VALUES.len() + self.1.index()
    }

    fn labels(self) -> Vec<(&'static str, &'static str)> {
        vec![(Outcome::KEY, self.0.outcome()), ("reason", self.0.reason()), (SchemeLabel::KEY, self.1.value())]
    }
}

/// The verdict of a policy behind a guard.
impl Slot for Verdict {
    const COUNT: usize = Self::COUNT;

    fn index(self) -> usize {
        Self::index(self)
    }

    fn labels(self) -> Vec<(&'static str, &'static str)> {
        vec![("reason", self.reason())]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::error::{CustomRefusal, InvalidToken, Unavailable};

    #[test]
    fn every_verdict_has_its_place_and_its_labels() {
        let all = Verdict::all();
        assert_eq!(all.len(), <Verdict as Slot>::COUNT);
        assert!(all.iter().enumerate().all(|(position, verdict)| verdict.index() == position));
        let labels: HashSet<_> = all.iter().map(|verdict| (verdict.outcome(), verdict.reason())).collect();
        assert_eq!(labels.len(), all.len());
        let slots = (Verdict::Token(Reason::CheckFailed), SchemeLabel::None).index() + 1;
        assert_eq!(slots, <(Verdict, SchemeLabel)>::COUNT);
    }

    #[test]
    fn text_of_a_verifier_is_no_label() {
        let labels = |error: AuthError| (Verdict::of(&error).outcome(), Verdict::of(&error).reason());
        assert_eq!(labels(CustomRefusal::new(418, "teapot", "short and stout").into()), ("refused", "custom"));
        assert_eq!(labels(InvalidToken::missing("org").into()), ("refused", "missing_claim"));
        assert_eq!(labels(ProofError::Replayed.into()), ("refused", "proof_replayed"));
        assert_eq!(labels(Unavailable::new().into()), ("unavailable", "temporarily_unavailable"));
        assert_eq!(labels(Unavailable::new().limited().into()), ("unavailable", "limited"));
        assert_eq!(labels(AuthError::Server("x".into())), ("error", "server_error"));
    }
}

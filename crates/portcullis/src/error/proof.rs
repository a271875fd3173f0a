//! What is wrong with a DPoP proof: a closed list, for logs and metrics.

use crate::sentence::debug_as_sentence;

/// Makes [`ProofError`] from a table with a row `Variant "name", "sentence"` for each error.
macro_rules! proof_error_table {
    (
        $(#[$attribute:meta])*
        pub enum ProofError;

        $(
            $(#[doc = $doc:literal])+
            $variant:ident $name:literal, $sentence:literal
        )+
    ) => {
        $(#[$attribute])*
        pub enum ProofError {
            $(
                $(#[doc = $doc])+
                #[doc = ""]
                #[doc = concat!("Named `", $name, "`.")]
                #[error($sentence)]
                $variant,
            )+
        }

        impl ProofError {
            /// Every error, in the order of the variants.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name: the label for logs and metrics. Clients are only told `invalid_dpop_proof`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

proof_error_table! {
    /// What is wrong with the DPoP proof of a request (RFC 9449 §4.3).
    #[derive(Clone, Copy, Eq, Hash, PartialEq, thiserror::Error)]
    #[non_exhaustive]
    pub enum ProofError;

    /// The request has no `DPoP` field.
    Missing "proof_missing", "the request has no DPoP field"
    /// The request has several `DPoP` fields.
    Repeated "proof_repeated", "the request has several DPoP fields"
    /// The proof is longer than 16 KiB, or its header longer than 6 KiB.
    TooLarge "proof_too_large", "the proof is too large"
    /// The proof is not a signed JWT of the right form, or a member appears twice.
    Malformed "proof_malformed", "the proof is not a well-formed signed JWT"
    /// The header has `crit` or `b64`.
    CriticalHeader "proof_critical_header", "the header of the proof has crit or b64"
    /// `typ` is not `dpop+jwt`.
    WrongType "proof_wrong_type", "typ of the proof is not dpop+jwt"
    /// `alg` is unknown, symmetric or not on the allow-list.
    AlgorithmNotAllowed "proof_algorithm_not_allowed", "the signature algorithm of the proof is not allowed"
    /// `jwk` has a private or secret member.
    PrivateKey "proof_private_key", "jwk of the proof has a private member"
    /// `jwk` is absent, weak, or of a form that this crate does not accept.
    UnusableKey "proof_unusable_key", "jwk of the proof is absent or cannot be used"
    /// The signature does not verify with `jwk`.
    BadSignature "proof_bad_signature", "the signature of the proof is invalid"
    /// `jti`, `htm`, `htu`, `iat` or `ath` is absent or empty.
    MissingClaim "proof_missing_claim", "the proof lacks jti, htm, htu, iat or ath"
    /// A claim has the wrong type.
    InvalidClaim "proof_invalid_claim", "a claim of the proof has a wrong type"
    /// `htm` is not the method of the request.
    WrongMethod "proof_wrong_method", "htm is not the method of the request"
    /// `htu` is not the URI that the request is for.
    WrongTarget "proof_wrong_target", "htu is not the URI that the request is for"
    /// `ath` is not the hash of the access token.
    WrongToken "proof_wrong_token", "ath is not the hash of the access token"
    /// `iat` is further in the past than the window allows, or `exp` has passed.
    TooOld "proof_too_old", "the proof is too old"
    /// `iat` is further in the future than the window allows, or `nbf` is in the future.
    FromFuture "proof_from_future", "the proof is from the future"
    /// The proof was used before.
    Replayed "proof_replayed", "the proof was used before"
}

debug_as_sentence!(ProofError);

impl ProofError {
    /// The sentence for clients. It is the same for all errors.
    pub(crate) const DESCRIPTION: &'static str = "The DPoP proof is invalid";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_different_and_never_those_of_tokens() {
        let names: HashSet<_> = ProofError::ALL.iter().map(|error| error.as_str()).collect();
        assert_eq!(names.len(), ProofError::ALL.len());
        assert!(names.iter().all(|name| name.starts_with("proof_")));
        assert_eq!(format!("{:?}", ProofError::Replayed), "the proof was used before");
    }
}

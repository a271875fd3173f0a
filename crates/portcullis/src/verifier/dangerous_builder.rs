//! The options of a verifier that weaken it; public as [`crate::dangerous::DangerousBuilder`].

use crate::verifier::JwtVerifierBuilder;

/// Options of a verifier that weaken it; from [`JwtVerifierBuilder::dangerous`].
#[derive(Debug)]
#[must_use = "choose an option"]
pub struct DangerousBuilder(pub(crate) JwtVerifierBuilder);

impl DangerousBuilder {
    /// Accepts tokens without `exp`. They are valid until their key is withdrawn.
    pub fn allow_missing_expiration(mut self) -> JwtVerifierBuilder {
        self.0.time.expiration_required = false;
        self.0
    }

    /// Accepts a token that is bound to a key (`cnf`, RFC 7800) without a proof of that key. A thief of the token can use
    /// it. It has no effect behind a gate that checks bindings ([`Gate::with_dpop`](crate::Gate::with_dpop)).
    pub fn accept_sender_constrained_as_bearer(mut self) -> JwtVerifierBuilder {
        self.0.accept_sender_constrained = true;
        self.0
    }
}

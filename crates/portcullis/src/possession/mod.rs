//! Proof of possession: a request proves the key that its token is bound to (`cnf`, RFC 7800).
//!
//! The gate asks after the token is verified and before the session checks, so tokens of all kinds are treated alike.
//!
//! Design notes: [Proof of possession](crate::_docs::proof_of_possession).

mod certificates;
mod dpop;
mod memory;
mod nonces;
mod proof;
mod replay;

pub use certificates::{ClientCertificates, TrustedProxies};
pub use dpop::Dpop;
pub use memory::MemoryReplayStore;
pub use nonces::DpopNonces;
pub use replay::{Insertion, ReplayStore, UsedProof};

pub use crate::credential::ClientCertificate;
use crate::credential::{Credential, Scheme};
use crate::error::{AuthError, InvalidToken};
use crate::verifier::{ProofMark, SenderConstraint, Verified};

/// What a gate asks of bound tokens, and whether it lets others in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Possession {
    certificates: Option<ClientCertificates>,
    dpop: Option<Dpop>,
    /// What marks the callers whose proof was checked here.
    mark: ProofMark,
}

/// The key that a DPoP proof has to prove.
pub(crate) struct Unproven {
    thumbprint: String,
}

/// The keys that a token is bound to: their thumbprints.
struct Keys<'a> {
    certificate: Option<&'a str>,
    dpop: Option<&'a str>,
}

impl Possession {
    pub(crate) fn set_dpop(&mut self, dpop: Dpop) {
        self.dpop = Some(dpop);
    }

    pub(crate) fn set_certificates(&mut self, certificates: ClientCertificates) {
        self.certificates = Some(certificates);
    }

    /// Whether tokens may be bound to client certificates.
    pub(crate) fn has_certificates(&self) -> bool {
        self.certificates.is_some()
    }

    /// The schemes that are read; `None` leaves them to the verifier.
    pub(crate) fn schemes(&self) -> Option<&[Scheme]> {
        self.dpop.as_ref().map(|_| [Scheme::Dpop, Scheme::Bearer].as_slice())
    }

    /// The schemes that challenges name; `None` leaves them to the verifier.
    pub(crate) fn challenged_schemes(&self) -> Option<&[Scheme]> {
        self.dpop.as_ref()?;
        Some(if self.needs_dpop() { &[Scheme::Dpop] } else { &[Scheme::Dpop, Scheme::Bearer] })
    }

    /// Whether every token needs a DPoP proof. With client certificates, a token may be bound to one instead.
    pub(crate) fn needs_dpop(&self) -> bool {
        self.dpop.as_ref().is_some_and(Dpop::is_required) && self.certificates.is_none()
    }

    /// The signature algorithms of proofs.
    pub(crate) fn proof_algorithm_list(&self) -> Vec<&'static str> {
        self.dpop.as_ref().map(Dpop::algorithm_list).unwrap_or_default()
    }

    /// The signature algorithms of proofs, space-delimited.
    pub(crate) fn proof_algorithms(&self) -> Option<&str> {
        self.dpop.as_ref().map(Dpop::algorithm_names)
    }

    /// Whether this gate, or one that was made from it, checked the proof of the caller's request.
    pub(crate) fn has_proof_of(&self, caller: &Verified) -> bool {
        caller.has_proof(&self.mark)
    }

    /// Checks that the request proves each key that the token of `caller` is bound to, as far as that needs no waiting. What
    /// is returned has to be [proved](Self::prove) then.
    pub(crate) fn check(&self, caller: &Verified, credential: &Credential<'_>) -> Result<Option<Unproven>, AuthError> {
        let constraint = caller.sender_constraint();
        let Keys { certificate, dpop } = Keys::of(constraint.as_ref())?;
        let unproven = || Err(AuthError::from(InvalidToken::SenderConstrained));
        let is_bound = certificate.is_some() || dpop.is_some();
        if !is_bound && self.is_binding_required() {
            return unproven();
        }
        if let Some(thumbprint) = certificate {
            let (Some(certificates), Some(request)) = (&self.certificates, credential.request()) else {
                return unproven();
            };
            certificates.prove(thumbprint, request)?;
        }
        // A proof is checked last, because it is remembered.
        match (credential.scheme(), dpop, &self.dpop) {
            (Scheme::Bearer, None, _) => Ok(None),
            (Scheme::Dpop, Some(thumbprint), Some(_)) => Ok(Some(Unproven { thumbprint: thumbprint.to_owned() })),
            // A bound token as a bearer token (RFC 9449 §7.2), or an unbound one with a proof.
            _ => unproven(),
        }
    }

    /// Checks the proof of the request for the key that [`Self::check`] returned.
    pub(crate) async fn prove(
        &self,
        caller: Verified,
        Unproven { thumbprint }: Unproven,
        credential: &Credential<'_>,
    ) -> Result<Verified, AuthError> {
        let Some(dpop) = &self.dpop else { return Err(InvalidToken::SenderConstrained.into()) };
        let headers = dpop.check(credential, &thumbprint).await?;
        let caller = caller.with_proof(&self.mark);
        Ok(if headers.is_empty() { caller } else { caller.with_more_response_headers(headers) })
    }

    fn is_binding_required(&self) -> bool {
        let by_certificates = self.certificates.as_ref().is_some_and(ClientCertificates::is_required);
        by_certificates || self.dpop.as_ref().is_some_and(Dpop::is_required)
    }
}

impl<'a> Keys<'a> {
    fn of(constraint: Option<&'a SenderConstraint>) -> Result<Self, AuthError> {
        let (certificate, dpop) = match constraint {
            None => (None, None),
            Some(SenderConstraint::Certificate { thumbprint }) => (Some(thumbprint), None),
            Some(SenderConstraint::CertificateAndDpop { certificate, dpop }) => (Some(certificate), Some(dpop)),
            Some(SenderConstraint::Dpop { thumbprint }) => (None, Some(thumbprint)),
            Some(SenderConstraint::Other) => return Err(InvalidToken::SenderConstrained.into()),
        };
        Ok(Self { certificate: certificate.map(String::as_str), dpop: dpop.map(String::as_str) })
    }
}

//! Requests to a gate with DPoP.

use std::sync::{Arc, Mutex, OnceLock};

use portcullis::adapter::{HeaderList, Outcome};
use portcullis::possession::Dpop;
use portcullis::{AuthError, Gate, Policy, Refusal};
use portcullis_testing::{DpopKey, TestIssuer};

pub(crate) const ORIGIN: &str = "https://api.test";
pub(crate) const PATH: &str = "/orders";
pub(crate) const URI: &str = "https://api.test/orders";

pub(crate) fn issuer() -> &'static TestIssuer {
    static ISSUER: OnceLock<TestIssuer> = OnceLock::new();
    ISSUER.get_or_init(TestIssuer::new)
}

pub(crate) fn gate(dpop: Dpop) -> Gate {
    issuer().gate().with_public_url(ORIGIN).unwrap().with_dpop(dpop).unwrap()
}

/// A client with its token.
pub(crate) struct Client {
    pub(crate) key: DpopKey,
    pub(crate) token: String,
}

impl Client {
    pub(crate) fn new() -> Self {
        let key = DpopKey::new();
        let token = issuer().token().bound_to(&key).sign();
        Self { key, token }
    }

    /// A good proof for `GET` of [`URI`].
    pub(crate) fn proof(&self) -> String {
        self.key.proof("GET", URI, &self.token).sign()
    }

    /// The request with this proof.
    pub(crate) fn with_proof(&self, proof: impl Into<String>) -> HeaderList {
        get("DPoP", &self.token, [proof.into()])
    }

    /// A request with a good proof.
    pub(crate) fn request(&self) -> HeaderList {
        self.with_proof(self.proof())
    }
}

/// A request for [`URI`] with a token and `DPoP` fields.
pub(crate) fn get(scheme: &str, token: &str, proofs: impl IntoIterator<Item = String>) -> HeaderList {
    let authorization = ("authorization", format!("{scheme} {token}"));
    let proofs = proofs.into_iter().map(|proof| ("dpop", proof));
    HeaderList::new("GET", std::iter::once(authorization).chain(proofs)).with_original_path(PATH)
}

/// `accepted`, or the error, its reason for logs, and its code.
pub(crate) async fn verdict(gate: &Gate, request: &HeaderList) -> String {
    match gate.admit(request, &Policy::authenticated()).await {
        Ok(_) => "accepted".to_owned(),
        Err(denied) => name(denied.error()).to_owned(),
    }
}

pub(crate) fn name(error: &AuthError) -> &str {
    match error {
        AuthError::InvalidDpopProof(error) => error.as_str(),
        error => error.reason().map_or(error.code(), |reason| reason.as_str()),
    }
}

/// The answer that refuses the request.
pub(crate) async fn refusal(gate: &Gate, request: &HeaderList) -> Refusal {
    let denied = gate.admit(request, &Policy::authenticated()).await.unwrap_err();
    gate.refuse(&denied)
}

/// The values of a field of the answer.
pub(crate) fn fields<'a>(refusal: &'a Refusal, name: &str) -> Vec<&'a str> {
    refusal.headers.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str()).collect()
}

/// What an observer of the gate is told, by name.
pub(crate) fn observed(gate: Gate) -> (Gate, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let write = Arc::clone(&told);
    let gate = gate.with_observer(move |observed| {
        let outcome = match observed.outcome {
            Outcome::Accepted(_) => "accepted",
            Outcome::Anonymous => "anonymous",
            Outcome::Refused(error) => name(error),
        };
        write.lock().unwrap().push(outcome.to_owned());
    });
    (gate, told)
}

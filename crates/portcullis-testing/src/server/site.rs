//! The content that the server serves, and the requests that it got.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis::jose::Algorithm;
use serde_json::json;
use tokio::sync::oneshot;

use crate::issuer::TestIssuer;
use crate::server::IssuerServer;
use crate::server::fault::{Endpoint, Fault};
use crate::server::introspection::{self, Introspected, Introspection};
use crate::server::login::{self, Login};
use crate::signing_key::SigningKey;

/// The number of requests that are remembered.
const REQUESTS_MAX: usize = 1_000;

/// The head of a request that the server got, and its body.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RequestHead {
    /// The request method.
    pub method: String,
    /// The request target, including the query.
    pub target: String,
    /// The header fields: names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body; empty for most requests.
    pub body: Vec<u8>,
}

impl RequestHead {
    /// Returns the target without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Returns the value of the first header field with this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Returns the names and values of a form in the body (`application/x-www-form-urlencoded`).
    #[must_use]
    pub fn form(&self) -> Vec<(String, String)> {
        introspection::form(&self.body)
    }
}

/// A normal answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// The answer to one request, and its fault.
pub(super) struct PlannedAnswer {
    pub(super) answer: Answer,
    pub(super) fault: Option<Fault>,
    /// Resolves when a held answer may be sent.
    pub(super) hold: Option<oneshot::Receiver<()>>,
}

pub(super) struct Site {
    origin: String,
    /// The issuer's path without a slash at the end.
    base: String,
    state: Mutex<State>,
}

struct State {
    issuer: TestIssuer,
    generation: u32,
    introspection: Introspection,
    login: Option<Login>,
    bodies: HashMap<String, Vec<u8>>,
    headers: Vec<(String, String)>,
    faults: HashMap<Endpoint, Fault>,
    held: Vec<oneshot::Sender<()>>,
    hits: HashMap<String, usize>,
    requests: VecDeque<RequestHead>,
    all_hits: usize,
    connections: usize,
    bytes_sent: usize,
}

impl Site {
    pub(super) fn new(issuer: TestIssuer, address: SocketAddr, path: &str) -> Self {
        let origin = format!("http://{address}");
        let issuer = issuer.with_url(format!("{origin}{path}"));
        Self {
            base: path.trim_end_matches('/').to_owned(),
            origin,
            state: Mutex::new(State {
                issuer,
                generation: 1,
                introspection: Introspection::of_client(IssuerServer::CLIENT_ID, IssuerServer::CLIENT_SECRET),
                login: None,
                bodies: HashMap::new(),
                headers: own_headers(),
                faults: HashMap::new(),
                held: Vec::new(),
                hits: HashMap::new(),
                requests: VecDeque::new(),
                all_hits: 0,
                connections: 0,
                bytes_sent: 0,
            }),
        }
    }

    pub(super) fn jwks_path(&self) -> String {
        format!("{}/.well-known/jwks.json", self.base)
    }

    pub(super) fn introspection_path(&self) -> String {
        format!("{}/introspect", self.base)
    }

    /// Returns the paths of the metadata (OpenID Connect Discovery §4, RFC 8414 §3).
    pub(super) fn metadata_paths(&self) -> [String; 2] {
        [
            format!("{}/.well-known/openid-configuration", self.base),
            format!("/.well-known/oauth-authorization-server{}", self.base),
        ]
    }

    /// Records a request and returns how to answer it.
    pub(super) fn plan(&self, request: RequestHead) -> PlannedAnswer {
        let mut state = self.state();
        let path = request.path().to_owned();
        let endpoint = self.endpoint(&path);
        let mut plan = PlannedAnswer {
            answer: self.answer(&mut state, &request, &path),
            fault: state.fault_at(endpoint),
            hold: None,
        };
        if matches!(plan.fault, Some(Fault::Hold)) {
            let (release, hold) = oneshot::channel();
            state.held.push(release);
            plan.hold = Some(hold);
        }
        *state.hits.entry(path).or_default() += 1;
        state.all_hits += 1;
        if state.requests.len() >= REQUESTS_MAX {
            state.requests.pop_front();
        }
        state.requests.push_back(request);
        plan
    }

    fn endpoint(&self, path: &str) -> Endpoint {
        if path == self.jwks_path() {
            Endpoint::Jwks
        } else if path == self.introspection_path() {
            Endpoint::Introspection
        } else if self.metadata_paths().iter().any(|metadata| metadata == path) {
            Endpoint::Metadata
        } else {
            Endpoint::All
        }
    }

    fn answer(&self, state: &mut State, request: &RequestHead, path: &str) -> Answer {
        if state.login.is_none() {
            return self.content(state, request, path);
        }
        if let Some(refused) = login::foreign_page(request) {
            return refused;
        }
        let endpoint = path.strip_prefix(&self.base);
        let mut answer = match (request.method.as_str(), endpoint, &mut state.login) {
            ("OPTIONS", ..) => login::preflight(),
            (_, Some("/authorize"), Some(login)) => return login.authorize(request, &state.issuer),
            (_, Some("/token"), Some(login)) => login.token(request, &state.issuer),
            _ => self.content(state, request, path),
        };
        login::allow_page(request, &mut answer);
        answer
    }

    fn content(&self, state: &mut State, request: &RequestHead, path: &str) -> Answer {
        let headers = state.headers.clone();
        let body = match (state.bodies.get(path), self.endpoint(path)) {
            (Some(body), _) => body.clone(),
            (None, Endpoint::Introspection) => {
                let Introspected(status, content_type, body) = state.introspection.answer(request, &state.issuer);
                let other = headers.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
                let headers = other.chain([("content-type".to_owned(), content_type.to_owned())]).collect();
                return Answer { status, headers, body };
            }
            (None, Endpoint::Jwks) => state.issuer.jwks().into_bytes(),
            (None, Endpoint::Metadata) => self.metadata(state).into_bytes(),
            (None, Endpoint::All) => return Answer { status: 404, headers, body: b"not found".to_vec() },
        };
        let repeats = |condition: &str, validator: &str| {
            let mut validators = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(validator));
            request.header(condition).is_some_and(|asked| validators.any(|(_, value)| value == asked))
        };
        if repeats("if-none-match", "etag") || repeats("if-modified-since", "last-modified") {
            return Answer { status: 304, headers, body: Vec::new() };
        }
        Answer { status: 200, headers, body }
    }

    fn metadata(&self, state: &State) -> String {
        let issuer = &state.issuer;
        let algorithms: Vec<_> = issuer.signing_keys().iter().map(|key| key.algorithm().name()).collect();
        let mut metadata = json!({
            "issuer": issuer.url(),
            "authorization_endpoint": format!("{}{}/authorize", self.origin, self.base),
            "token_endpoint": format!("{}{}/token", self.origin, self.base),
            "introspection_endpoint": format!("{}{}", self.origin, self.introspection_path()),
            "jwks_uri": format!("{}{}", self.origin, self.jwks_path()),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
        });
        if let Some(login) = &state.login {
            login.describe(&mut metadata);
        }
        metadata.to_string()
    }

    pub(super) fn issuer(&self) -> TestIssuer {
        self.state().issuer.clone()
    }

    /// Calls `change` with the introspection endpoint.
    pub(super) fn introspection<T>(&self, change: impl FnOnce(&mut Introspection) -> T) -> T {
        change(&mut self.state().introspection)
    }

    pub(super) fn offer_login(&self, login: Login) {
        self.state().login = Some(login);
    }

    pub(super) fn rotate(&self, algorithm: Algorithm) -> String {
        let mut state = self.state();
        state.generation += 1;
        let kid = format!("{algorithm}-{}", state.generation);
        let key = Arc::new(SigningKey::generate(algorithm, kid.as_str()));
        let keys = std::iter::once(key).chain(state.issuer.signing_keys().iter().cloned()).collect();
        state.issuer = state.issuer.clone().with_signing_keys(keys);
        kid
    }

    pub(super) fn withdraw(&self, kid: &str) {
        let mut state = self.state();
        let keys = state.issuer.signing_keys().iter().filter(|key| key.id() != kid).cloned().collect();
        state.issuer = state.issuer.clone().with_signing_keys(keys);
    }

    pub(super) fn set_keys(&self, issuer: &TestIssuer) {
        let mut state = self.state();
        state.issuer = state.issuer.clone().with_signing_keys(issuer.signing_keys().to_vec());
    }

    pub(super) fn serve_at(&self, path: &str, body: Vec<u8>) {
        self.state().bodies.insert(path.to_owned(), body);
    }

    pub(super) fn add_header(&self, name: &str, value: &str) {
        self.state().headers.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn remove_header(&self, name: &str) {
        self.state().headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    }

    pub(super) fn misbehave(&self, endpoint: Endpoint, fault: Fault) {
        self.state().faults.insert(endpoint, fault);
    }

    pub(super) fn behave(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.bodies.clear();
        state.headers = own_headers();
    }

    pub(super) fn held(&self) -> usize {
        self.state().held.len()
    }

    pub(super) fn release(&self, index: usize) -> bool {
        let mut state = self.state();
        if index >= state.held.len() {
            return false;
        }
        // The client may have closed the connection.
        let _ = state.held.remove(index).send(());
        true
    }

    pub(super) fn connected(&self) {
        self.state().connections += 1;
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.state().bytes_sent += bytes;
    }

    pub(super) fn hits(&self, path: &str) -> usize {
        self.state().hits.get(path).copied().unwrap_or_default()
    }

    pub(super) fn all_hits(&self) -> usize {
        self.state().all_hits
    }

    pub(super) fn connections(&self) -> usize {
        self.state().connections
    }

    pub(super) fn bytes_sent(&self) -> usize {
        self.state().bytes_sent
    }

    pub(super) fn requests(&self) -> Vec<RequestHead> {
        self.state().requests.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns the fault for one request to `endpoint`, and counts down a fault with a limited number of requests.
    fn fault_at(&mut self, endpoint: Endpoint) -> Option<Fault> {
        let endpoint = if self.faults.contains_key(&endpoint) { endpoint } else { Endpoint::All };
        match self.faults.get_mut(&endpoint)? {
            Fault::First(0, _) => None,
            Fault::First(left, fault) => {
                *left -= 1;
                Some((**fault).clone())
            }
            fault => Some(fault.clone()),
        }
    }
}

fn own_headers() -> Vec<(String, String)> {
    vec![("content-type".to_owned(), "application/json".to_owned())]
}

//! Serves the issuer on loopback, with faults if a test wants them.

mod fault;
mod introspection;
mod login;
mod site;
mod wire;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io};

use portcullis::jose::Algorithm;
use portcullis::keys::VerifyingKey;
use tokio::net::TcpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

pub use fault::{Endpoint, Fault};
pub use site::RequestHead;

use crate::issuer::TestIssuer;
use crate::server::login::Login;
use crate::server::site::Site;
use crate::token::TokenBuilder;

/// A [`TestIssuer`] that serves its metadata and keys over HTTP on `127.0.0.1`, on a free port. **For tests only.**
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use portcullis::jose::Algorithm;
/// use portcullis::keys::RemoteKeys;
/// use portcullis::{Audience, Gate, JwtVerifier};
/// use portcullis_testing::{Fault, TestIssuer};
///
/// let server = TestIssuer::new().serve();
/// let keys = RemoteKeys::discover(&server.url())?;
/// let verifier = JwtVerifier::builder(server.url(), Audience::any_of(["https://api.test"]), keys).build()?;
/// let gate = Gate::new(verifier);
///
/// assert!(gate.verify(&server.issuer().token().sign()).await.is_ok());
/// assert_eq!((server.metadata_hits(), server.jwks_hits()), (1, 1));
///
/// // A new key is fetched, and cached keys survive an outage.
/// server.rotate(Algorithm::Es256);
/// assert!(gate.verify(&server.issuer().token().sign()).await.is_ok());
/// server.misbehave(Fault::status(503));
/// assert!(gate.verify(&server.issuer().token().sign()).await.is_ok());
/// # Ok(()) }
/// ```
///
/// The server has its own thread and runtime, so it answers even if the test blocks its runtime. It stops when it is
/// dropped. The metadata is at `{issuer}/.well-known/openid-configuration` and at
/// `/.well-known/oauth-authorization-server` with the issuer's path. The keys are at `{issuer}/.well-known/jwks.json`, and
/// the introspection endpoint is at `{issuer}/introspect` (RFC 7662).
pub struct IssuerServer {
    address: SocketAddr,
    site: Arc<Site>,
    commands: Option<UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

/// A command to the server's thread. The thread confirms through the sender.
enum Command {
    ComeBack(mpsc::Sender<()>),
    GoDown(mpsc::Sender<()>),
}

impl TestIssuer {
    /// Serves this issuer. Its URL becomes the URL of the server.
    ///
    /// # Panics
    /// If the operating system provides no port or thread.
    #[must_use]
    pub fn serve(self) -> IssuerServer {
        self.serve_under("/")
    }

    /// Serves this issuer under a path, for example `/realms/one`. Its URL ends with exactly this path.
    ///
    /// # Panics
    /// If the operating system provides no port or thread.
    #[must_use]
    #[allow(clippy::expect_used, reason = "a test cannot continue without its server")]
    pub fn serve_under(self, path: &str) -> IssuerServer {
        IssuerServer::start(self, path).expect("the server starts")
    }
}

impl IssuerServer {
    /// The identifier of the client that may ask the introspection endpoint.
    pub const CLIENT_ID: &'static str = "api";
    /// The secret of that client.
    pub const CLIENT_SECRET: &'static str = "introspection-secret";

    fn start(issuer: TestIssuer, path: &str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let site = Arc::new(Site::new(issuer, address, path));
        let (commands, received) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let served = Arc::clone(&site);
        let thread = std::thread::Builder::new()
            .name("issuer-server".to_owned())
            .spawn(move || drop(runtime.block_on(run(listener, address, served, received))))?;
        Ok(Self { address, site, commands: Some(commands), thread: Some(thread) })
    }

    /// Returns the address on which the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the issuer's URL: `iss` of its tokens.
    #[must_use]
    pub fn url(&self) -> String {
        self.issuer().url().to_owned()
    }

    /// Returns the URL of the key set.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        self.url_of(&self.site.jwks_path())
    }

    /// Returns the URL of `path` on this server.
    #[must_use]
    pub fn url_of(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns the issuer with its current keys, to issue tokens. After a rotation, an earlier copy still has the old keys.
    #[must_use]
    pub fn issuer(&self) -> TestIssuer {
        self.site.issuer()
    }

    /// Returns the URL of the introspection endpoint.
    #[must_use]
    pub fn introspection_url(&self) -> String {
        self.url_of(&self.site.introspection_path())
    }

    /// Makes an opaque token with the claims of `token`. The introspection endpoint says that it is active until its `exp`.
    ///
    /// The endpoint answers a client that authenticates with [`Self::CLIENT_ID`] and [`Self::CLIENT_SECRET`], in the
    /// Authorization field or in the body. It signs an answer that is asked for by `Accept` (RFC 9701).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis::Gate;
    /// use portcullis::introspection::{ClientAuthentication, IntrospectionVerifier};
    /// use portcullis_testing::{IssuerServer, TestIssuer};
    ///
    /// let server = TestIssuer::new().serve();
    /// let client = ClientAuthentication::client_secret_basic(IssuerServer::CLIENT_ID, IssuerServer::CLIENT_SECRET);
    /// let verifier = IntrospectionVerifier::builder(server.url(), "https://api.test", client).build()?;
    /// let gate = Gate::new(verifier);
    ///
    /// let token = server.opaque_token(&server.issuer().token().subject("user-7"));
    /// assert_eq!(gate.verify(&token).await?.subject(), Some("user-7"));
    /// assert_eq!(gate.verify("made-up").await.unwrap_err().reason().unwrap().as_str(), "inactive");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn opaque_token(&self, token: &TokenBuilder) -> String {
        self.site.introspection(|known| known.add(token.claims().clone()))
    }

    /// Makes an opaque token about which the introspection endpoint says exactly this.
    #[must_use]
    pub fn opaque_token_answering(&self, answer: impl Into<Vec<u8>>) -> String {
        self.site.introspection(|known| known.add_answer(answer.into()))
    }

    /// Revokes an opaque token: the introspection endpoint says that it is not active.
    pub fn revoke_opaque_token(&self, token: &str) {
        self.site.introspection(|known| known.revoke(token));
    }

    /// Sets the client that may ask the introspection endpoint.
    pub fn set_introspection_client(&self, id: &str, secret: &str) {
        self.site.introspection(|known| known.set_client(id, secret));
    }

    /// Sets the public key with which that client may sign assertions (`private_key_jwt`).
    pub fn set_introspection_client_key(&self, key: impl Into<Arc<VerifyingKey>>) {
        let key = key.into();
        self.site.introspection(|known| known.set_client_key(key));
    }

    /// Returns the number of requests to the introspection endpoint.
    #[must_use]
    pub fn introspection_hits(&self) -> usize {
        self.hits(&self.site.introspection_path())
    }

    /// Offers logins to pages of this machine, for example an API page with an Authorize button: authorization code with PKCE
    /// (RFC 7636, only `S256`), and CORS. Each login succeeds at once as `subject`, with those of `scopes` (space-delimited) that
    /// the client asks for. Every client name is accepted, without a secret. There are no ID tokens.
    ///
    /// Only pages on loopback are served: another `redirect_uri` is answered with 400, and a request from a page of another
    /// machine with 403, for every path.
    ///
    /// ```
    /// let server = portcullis_testing::TestIssuer::new().serve();
    /// server.offer_login("alice", "openid read:messages");
    /// ```
    pub fn offer_login(&self, subject: &str, scopes: &str) {
        self.site.offer_login(Login::new(subject, scopes));
    }

    /// Adds a key for `algorithm`, which signs all later tokens. The old keys stay published. Returns the new `kid`.
    pub fn rotate(&self, algorithm: Algorithm) -> String {
        self.site.rotate(algorithm)
    }

    /// Removes the key `kid`. The issuer stops publishing it and signing with it.
    pub fn withdraw(&self, kid: &str) {
        self.site.withdraw(kid);
    }

    /// Replaces all keys by those of `issuer`.
    pub fn set_keys(&self, issuer: &TestIssuer) {
        self.site.set_keys(issuer);
    }

    /// Serves these bytes instead of the key set, until [`Self::behave`].
    pub fn set_jwks_body(&self, body: impl Into<Vec<u8>>) {
        self.serve_at(&self.site.jwks_path(), body);
    }

    /// Serves these bytes instead of the metadata, until [`Self::behave`].
    pub fn set_metadata_body(&self, body: impl Into<Vec<u8>>) {
        let body = body.into();
        for path in self.site.metadata_paths() {
            self.serve_at(&path, body.clone());
        }
    }

    /// Serves these bytes at `path`, until [`Self::behave`].
    pub fn serve_at(&self, path: &str, body: impl Into<Vec<u8>>) {
        self.site.serve_at(path, body.into());
    }

    /// Sends this header field with every answer, and removes others of the same name.
    ///
    /// If it is `ETag` or `Last-Modified`, a request that repeats its value in `If-None-Match` or `If-Modified-Since` is
    /// answered with 304.
    pub fn set_header(&self, name: &str, value: &str) {
        self.site.remove_header(name);
        self.site.add_header(name, value);
    }

    /// Also sends this header field with every answer, and keeps others of the same name.
    pub fn add_header(&self, name: &str, value: &str) {
        self.site.add_header(name, value);
    }

    /// Removes all header fields of this name from the answers, even `content-type`.
    pub fn remove_header(&self, name: &str) {
        self.site.remove_header(name);
    }

    /// Answers every request with this fault.
    pub fn misbehave(&self, fault: Fault) {
        self.misbehave_at(Endpoint::All, fault);
    }

    /// Answers requests to one endpoint with this fault.
    pub fn misbehave_at(&self, endpoint: Endpoint, fault: Fault) {
        self.site.misbehave(endpoint, fault);
    }

    /// Answers normally again: removes all faults, bodies and header fields that a test has set. Held answers stay held.
    pub fn behave(&self) {
        self.site.behave();
    }

    /// Returns the number of answers that [`Fault::Hold`] holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.site.held()
    }

    /// Sends one held answer. `index` counts them from 0, in the order of their requests. Returns `false` if there is no
    /// such answer.
    pub fn release(&self, index: usize) -> bool {
        self.site.release(index)
    }

    /// Stops listening and closes all connections, like a machine that crashes. The port stays reserved.
    pub fn go_down(&self) {
        self.command(Command::GoDown);
    }

    /// Listens again, on the same port.
    pub fn come_back(&self) {
        self.command(Command::ComeBack);
    }

    /// Returns the number of requests for `path`.
    #[must_use]
    pub fn hits(&self, path: &str) -> usize {
        self.site.hits(path)
    }

    /// Returns the number of requests for the key set.
    #[must_use]
    pub fn jwks_hits(&self) -> usize {
        self.hits(&self.site.jwks_path())
    }

    /// Returns the number of requests for the metadata, at both paths together.
    #[must_use]
    pub fn metadata_hits(&self) -> usize {
        self.site.metadata_paths().iter().map(|path| self.hits(path)).sum()
    }

    /// Returns the number of all requests.
    #[must_use]
    pub fn all_hits(&self) -> usize {
        self.site.all_hits()
    }

    /// Returns the number of accepted connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.site.connections()
    }

    /// Returns the number of body bytes that [`Fault::Oversize`] has sent.
    #[must_use]
    pub fn bytes_sent(&self) -> usize {
        self.site.bytes_sent()
    }

    /// Returns the last 1,000 requests in their order.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestHead> {
        self.site.requests()
    }

    fn command(&self, command: impl FnOnce(mpsc::Sender<()>) -> Command) {
        let (done, wait) = mpsc::channel();
        if self.commands.as_ref().is_some_and(|commands| commands.send(command(done)).is_ok()) {
            // An error means that the thread has ended, so nothing listens.
            let _ = wait.recv();
        }
    }
}

impl Drop for IssuerServer {
    fn drop(&mut self) {
        // The thread ends when its channel is closed.
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for IssuerServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerServer").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Binds a socket to `address`, and tries again while the address is in use.
///
/// A child process that the test has just forked keeps a copy of the old listener until it executes its program.
async fn reserve_port(address: SocketAddr) -> io::Result<TcpSocket> {
    let mut attempts = 0;
    loop {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        match socket.bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts < 1_000 => {
                attempts += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            bound => return bound.map(|()| socket),
        }
    }
}

/// Accepts connections and executes commands until the channel is closed.
async fn run(
    listener: TcpListener,
    address: SocketAddr,
    site: Arc<Site>,
    mut commands: UnboundedReceiver<Command>,
) -> io::Result<()> {
    let mut listener = Some(tokio::net::TcpListener::from_std(listener)?);
    // A socket that is bound but does not listen refuses connections and keeps the port reserved.
    let mut reserve = None;
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = accepted => if let Ok((stream, _)) = accepted {
                site.connected();
                connections.spawn(wire::serve_connection(stream, Arc::clone(&site)));
            },
            Some(_) = connections.join_next() => {}
            command = commands.recv() => match command {
                None => return Ok(()),
                Some(Command::GoDown(done)) => {
                    connections.shutdown().await;
                    if listener.take().is_some() {
                        reserve = Some(reserve_port(address).await?);
                    }
                    let _ = done.send(());
                }
                Some(Command::ComeBack(done)) => {
                    if let Some(socket) = reserve.take() {
                        listener = Some(socket.listen(1024)?);
                    }
                    let _ = done.send(());
                }
            },
        }
    }
}

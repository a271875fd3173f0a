//! The issuer as a server on this machine, which misbehaves when it is told to.

mod fault;
mod site;
mod wire;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io};

use portcullis::jose::Algorithm;
use tokio::net::TcpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

pub use fault::{Endpoint, Fault};
pub use site::RequestHead;

use crate::issuer::TestIssuer;
use crate::server::site::Site;

/// A [`TestIssuer`] that serves its metadata and its keys on `127.0.0.1`, at a port of its own.
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
/// // A key that is new is fetched, and keys that are held outlast an outage.
/// server.rotate(Algorithm::Es256);
/// assert!(gate.verify(&server.issuer().token().sign()).await.is_ok());
/// server.misbehave(Fault::status(503));
/// assert!(gate.verify(&server.issuer().token().sign()).await.is_ok());
/// # Ok(()) }
/// ```
///
/// It runs on a thread and a runtime of its own, so that it answers whatever the test's runtimes do, and ends when it is
/// dropped. Metadata is at `.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`, the keys
/// are at `.well-known/jwks.json`.
pub struct IssuerServer {
    address: SocketAddr,
    site: Arc<Site>,
    commands: Option<UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

/// What the server's thread is told; it says when it is done.
enum Command {
    ComeBack(mpsc::Sender<()>),
    GoDown(mpsc::Sender<()>),
}

impl TestIssuer {
    /// Serves this issuer. Its URL becomes that of the server.
    ///
    /// # Panics
    /// When the machine has no port or no thread to give.
    #[must_use]
    pub fn serve(self) -> IssuerServer {
        self.serve_under("/")
    }

    /// Serves this issuer under a path, such as `/realms/one`: its URL ends with the path, as it is written.
    ///
    /// # Panics
    /// When the machine has no port or no thread to give.
    #[must_use]
    #[allow(clippy::expect_used, reason = "a test can't go on without its server")]
    pub fn serve_under(self, path: &str) -> IssuerServer {
        IssuerServer::start(self, path).expect("a server on this machine can be started")
    }
}

impl IssuerServer {
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

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The issuer's URL: `iss` of its tokens.
    #[must_use]
    pub fn url(&self) -> String {
        self.issuer().url().to_owned()
    }

    /// Where the keys are.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        self.url_of(&self.site.jwks_path())
    }

    /// The URL of `path` on this server.
    #[must_use]
    pub fn url_of(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The issuer with the keys that it has now, to mint tokens. A clone from before a rotation goes on signing with the
    /// old keys.
    #[must_use]
    pub fn issuer(&self) -> TestIssuer {
        self.site.issuer()
    }

    /// Adds a key for `algorithm` and signs with it from now on. The old ones stay published. Returns its `kid`.
    pub fn rotate(&self, algorithm: Algorithm) -> String {
        self.site.rotate(algorithm)
    }

    /// Publishes the key `kid` no longer, and signs with it no longer.
    pub fn withdraw(&self, kid: &str) {
        self.site.withdraw(kid);
    }

    /// Goes on with the keys of `issuer`, in the place of all others.
    pub fn set_keys(&self, issuer: &TestIssuer) {
        self.site.set_keys(issuer);
    }

    /// Serves these bytes in the place of the key set, until [`Self::behave`].
    pub fn set_jwks_body(&self, body: impl Into<Vec<u8>>) {
        self.serve_at(&self.site.jwks_path(), body);
    }

    /// Serves these bytes in the place of the metadata, until [`Self::behave`].
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

    /// Sends this header field with every answer, in the place of another of its name. A request whose `If-None-Match`
    /// or `If-Modified-Since` repeats the `ETag` or `Last-Modified` that is set here is answered with 304.
    pub fn set_header(&self, name: &str, value: &str) {
        self.site.remove_header(name);
        self.site.add_header(name, value);
    }

    /// Sends this header field too, beside others of its name.
    pub fn add_header(&self, name: &str, value: &str) {
        self.site.add_header(name, value);
    }

    /// Sends no header field of this name, not even `content-type`.
    pub fn remove_header(&self, name: &str) {
        self.site.remove_header(name);
    }

    /// Answers everything with this fault.
    pub fn misbehave(&self, fault: Fault) {
        self.misbehave_at(Endpoint::All, fault);
    }

    /// Answers with this fault at one endpoint.
    pub fn misbehave_at(&self, endpoint: Endpoint, fault: Fault) {
        self.site.misbehave(endpoint, fault);
    }

    /// Answers well again: no fault, no body and no header field but its own. Answers that are held stay so.
    pub fn behave(&self) {
        self.site.behave();
    }

    /// How many answers are held by [`Fault::Hold`].
    #[must_use]
    pub fn held(&self) -> usize {
        self.site.held()
    }

    /// Sends the held answer that is `index`-th by arrival, from 0. Whether there was one.
    pub fn release(&self, index: usize) -> bool {
        self.site.release(index)
    }

    /// Stops listening and cuts all connections, as a machine that goes down. The port stays ours.
    pub fn go_down(&self) {
        self.command(Command::GoDown);
    }

    /// Listens again, at the same port.
    pub fn come_back(&self) {
        self.command(Command::ComeBack);
    }

    /// How many requests asked for `path`.
    #[must_use]
    pub fn hits(&self, path: &str) -> usize {
        self.site.hits(path)
    }

    /// How many requests asked for the keys.
    #[must_use]
    pub fn jwks_hits(&self) -> usize {
        self.hits(&self.site.jwks_path())
    }

    /// How many requests asked for metadata, at either place.
    #[must_use]
    pub fn metadata_hits(&self) -> usize {
        self.site.metadata_paths().iter().map(|path| self.hits(path)).sum()
    }

    /// How many requests came, for whatever path.
    #[must_use]
    pub fn all_hits(&self) -> usize {
        self.site.all_hits()
    }

    /// How many connections were accepted.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.site.connections()
    }

    /// How many bytes of bodies were written by [`Fault::Oversize`].
    #[must_use]
    pub fn bytes_sent(&self) -> usize {
        self.site.bytes_sent()
    }

    /// The last thousand requests, in their order.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestHead> {
        self.site.requests()
    }

    fn command(&self, command: impl FnOnce(mpsc::Sender<()>) -> Command) {
        let (done, wait) = mpsc::channel();
        if self.commands.as_ref().is_some_and(|commands| commands.send(command(done)).is_ok()) {
            // An error means that the thread is gone, and then nothing listens either.
            let _ = wait.recv();
        }
    }
}

impl Drop for IssuerServer {
    fn drop(&mut self) {
        // The thread ends when nobody can tell it anything more.
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

/// A socket bound to `address`. A process that is just being started has a copy of the listener that was there, until it
/// runs its own program: the address is free only then.
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

/// Accepts connections and follows commands, until there can be none any more.
async fn run(
    listener: TcpListener,
    address: SocketAddr,
    site: Arc<Site>,
    mut commands: UnboundedReceiver<Command>,
) -> io::Result<()> {
    let mut listener = Some(tokio::net::TcpListener::from_std(listener)?);
    // A socket that is bound but does not listen refuses connections and lets nobody else have the port.
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
                connections.spawn(wire::converse(stream, Arc::clone(&site)));
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

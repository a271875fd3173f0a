//! A token is revoked while everything remembers it: the cache of signatures, that of introspection, that of the deny-list, and
//! open connections. Three instances of a service have one deny-list and one issuer, and separate caches.

use std::time::{Duration, Instant};

use portcullis::Gate;
use portcullis::claims::NumericDate;
use portcullis::introspection::{ClientAuthentication, IntrospectionVerifier};
use portcullis::jose::Algorithm;
use portcullis::verifier::ByForm;
use portcullis_sessions::{DenyList, MemoryStore};
use portcullis_testing::{IssuerServer, TestIssuer};

use crate::client::{Client, Frame};
use crate::running::Running;
use crate::service::{BOUND, Service};
use crate::{FRAMEWORKS, LATE, Serve};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The longest use of an introspection answer, where it is the only bound.
const ANSWERS: Duration = Duration::from_secs(1);

struct Instances {
    issuer: IssuerServer,
    list: DenyList,
    servers: [Running; 3],
}

impl Instances {
    /// `answers` is how long introspection answers are used.
    fn start(serve: Serve, answers: Duration) -> Self {
        let issuer = TestIssuer::from_algorithms([Algorithm::Es256]).serve();
        let list = DenyList::new(MemoryStore::new(), HOUR).unwrap();
        let servers = [(); 3].map(|()| serve(&Service::new(gate(&issuer, &list, answers))));
        Self { issuer, list, servers }
    }

    /// A JWT and an opaque token.
    fn tokens(&self, subject: &str) -> [String; 2] {
        let token = self.issuer.issuer().token().subject(subject).expires_in(HOUR);
        [token.sign(), self.issuer.opaque_token(&token)]
    }

    /// Opens a connection with each token on each instance. Each token was used before, so every cache has it.
    fn open(&self, tokens: &[String]) -> Vec<Client> {
        let pairs = self.servers.iter().flat_map(|server| tokens.iter().map(move |token| (server, token)));
        let open = pairs.map(|(server, token)| {
            assert_eq!(Client::status(server.address(), "/events", token), 200);
            let mut client = Client::websocket(server.address(), token);
            assert_eq!(client.echo("hello"), Frame::Text("hello".to_owned()));
            client
        });
        open.collect()
    }

    /// Sees that each instance refuses each token, except for requests that began in this time after the revocation.
    fn assert_refused(&self, tokens: &[String], revoked_at: Instant, bound: Duration) {
        for server in &self.servers {
            for token in tokens {
                loop {
                    let began_at = Instant::now();
                    match Client::status(server.address(), "/events", token) {
                        401 => break,
                        status => assert_eq!(status, 200),
                    }
                    let after = began_at.saturating_duration_since(revoked_at);
                    assert!(after <= bound, "accepted {after:?} after the revocation, bound {bound:?}");
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
    }
}

/// The gate of one instance.
fn gate(issuer: &IssuerServer, list: &DenyList, answers: Duration) -> Gate {
    let client = ClientAuthentication::client_secret_basic(IssuerServer::CLIENT_ID, IssuerServer::CLIENT_SECRET);
    let opaque = IntrospectionVerifier::builder(issuer.url(), issuer.issuer().audience(), client)
        .endpoint(issuer.introspection_url())
        .cache(answers, Duration::from_secs(1));
    let jwts = issuer.issuer().verifier().cache_tokens(100).build().unwrap();
    let verifier = ByForm::builder().jwt(jwts).opaque(opaque.build().unwrap()).build().unwrap();
    Gate::new(verifier).with_check(list.check().max_age(BOUND).unwrap())
}

/// Sees that the connections end, and why.
fn assert_ended(clients: Vec<Client>, reason: &str, revoked_at: Instant, bound: Duration) {
    for mut client in clients {
        assert_eq!(client.next(), Frame::close(3000, reason));
    }
    assert!(revoked_at.elapsed() < bound + LATE);
}

#[test]
fn denial_reaches_every_instance_within_the_bound() {
    for (framework, serve) in FRAMEWORKS {
        let instances = Instances::start(serve, 5 * 60 * ANSWERS);
        let (tokens, others) = (instances.tokens("alice"), instances.tokens("bob"));
        let (clients, mut kept) = (instances.open(&tokens), instances.open(&others));
        let asked = instances.issuer.introspection_hits();
        assert_eq!(asked, 6, "{framework}: each instance asked about each opaque token once");

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let now = NumericDate::from_unix(i64::MAX / 1_000, 0);
        runtime.block_on(instances.list.deny_subject(&instances.issuer.url(), "alice", now)).unwrap();
        let revoked_at = Instant::now();
        instances.assert_refused(&tokens, revoked_at, BOUND);
        // A connection asks after half of the bound, and may get an answer that is as old as the bound allows.
        assert_ended(clients, "The access token was revoked", revoked_at, 2 * BOUND);

        for client in &mut kept {
            assert_eq!(client.echo("still here"), Frame::Text("still here".to_owned()), "{framework}");
        }
        assert_eq!(instances.issuer.introspection_hits(), asked, "{framework}: the answers were still remembered");
    }
}

#[test]
fn revocation_at_the_issuer_reaches_every_instance() {
    for (framework, serve) in FRAMEWORKS {
        let instances = Instances::start(serve, ANSWERS);
        let ([_, token], [_, other]) = (instances.tokens("alice"), instances.tokens("bob"));
        let (tokens, others) = ([token], [other]);
        let (clients, mut kept) = (instances.open(&tokens), instances.open(&others));
        instances.issuer.revoke_opaque_token(&tokens[0]);
        let revoked_at = Instant::now();
        instances.assert_refused(&tokens, revoked_at, ANSWERS);
        assert_ended(clients, "The access token is not active", revoked_at, ANSWERS + BOUND);
        for client in &mut kept {
            assert_eq!(client.echo("still here"), Frame::Text("still here".to_owned()), "{framework}");
        }
    }
}

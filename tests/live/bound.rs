//! Tokens of a provider from elsewhere that are bound to a key of the client (RFC 9449) or to its certificate (RFC 8705).

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, mpsc};
use std::thread::JoinHandle;

use portcullis::adapter::HeaderList;
use portcullis::keys::RemoteKeys;
use portcullis::possession::{ClientCertificate, ClientCertificates, Dpop};
use portcullis::verifier::{ByForm, Evidence};
use portcullis::{Gate, JwtVerifier, Policy};
use portcullis_testing::DpopKey;
use tokio_rustls::rustls::ServerConfig;

use crate::certificates::{Authority, BOTH_VERSIONS, Identity, pem};
use crate::http::{self, Answer};
use crate::introspection::{self, block_on};
use crate::provider::TokenRequest;
use crate::scenarios::Live;
use crate::{API, assert_bad_token};

#[allow(dead_code, reason = "the other tests forget the certificates, too")]
#[path = "../seams/client_certificates/on_actix.rs"]
mod on_actix;
#[allow(dead_code, reason = "the other tests forget the certificates, too")]
#[path = "../seams/client_certificates/on_axum.rs"]
mod on_axum;

/// The algorithm of a JWT, and what asks for an opaque token.
const FORMATS: [&str; 2] = ["ES256", "opaque"];

const PATH: &str = "/api/private";
const URI: &str = "https://api.test/api/private";

/// The name of our services in their certificates.
const NAME: &str = "api.test";

/// The authority that the provider trusts, and the client that it knows.
static PARTIES: LazyLock<(Authority, Identity)> = LazyLock::new(|| {
    let authority = Authority::new();
    let certified = authority.certify("certified.test");
    (authority, certified)
});

/// The variables of the provider for TLS.
pub(crate) fn certificates() -> [(&'static str, String); 3] {
    let authority = &PARTIES.0;
    let server = authority.certify("127.0.0.1");
    [
        ("AUTHORITY", pem("CERTIFICATE", &authority.certificate)),
        ("CERTIFICATE", pem("CERTIFICATE", &server.certificate)),
        ("KEY", pem("PRIVATE KEY", server.key.secret_pkcs8_der())),
    ]
}

fn request(format: &str) -> TokenRequest<'_> {
    TokenRequest { algorithm: Some(format), ..TokenRequest::scoped("read:messages") }
}

/// A token that the provider binds to this key.
fn bound_to_key(live: &Live, format: &str, key: &DpopKey) -> String {
    // A proof for the token endpoint concerns no access token.
    let proof = key.proof("POST", &live.provider.endpoint("token_endpoint"), "").without("ath").sign();
    live.provider.token_with(&request(format), &[("dpop", &proof)])
}

/// The answer to the client "certified", which presents this certificate.
fn ask_with_certificate(live: &Live, format: &str, identity: Option<&Identity>) -> Answer {
    let endpoint = live.provider.metadata()["mtls_endpoint_aliases"]["token_endpoint"].as_str().unwrap().to_owned();
    let resource = format!("{API}/?alg={format}");
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "certified"),
        ("scope", "read:messages"),
        ("resource", &resource),
    ];
    http::post_form_over_tls(&endpoint, PARTIES.0.client(identity, BOTH_VERSIONS), &form).unwrap()
}

/// A token that the provider binds to the certificate of the client.
fn bound_to_certificate(live: &Live, format: &str) -> String {
    let answer = ask_with_certificate(live, format, Some(&PARTIES.1));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

pub(crate) fn tokens_need_a_proof_of_their_key(live: &Live) {
    let services = introspection::serve(live, &[("PORTCULLIS_DPOP", "required"), ("PORTCULLIS_PUBLIC_URL", API)]);
    let ask = |scheme: &str, token: &str, proofs: &[&String]| {
        let authorization = format!("{scheme} {token}");
        let proofs = proofs.iter().map(|proof| ("dpop", proof.as_str()));
        services.get_with(PATH, &[("authorization", &*authorization)].into_iter().chain(proofs).collect::<Vec<_>>())
    };
    for format in FORMATS {
        let (key, thief) = (DpopKey::new(), DpopKey::new());
        let token = bound_to_key(live, format, &key);
        let proof = key.proof("GET", URI, &token).sign();
        let answer = ask("DPoP", &token, &[&proof]);
        assert_eq!((answer.status, &answer.json()["cnf"]["jkt"]), (200, &key.thumbprint().into()), "{answer:?}");

        let other_token = bound_to_key(live, format, &key);
        let [fresh, second] = [(); 2].map(|()| key.proof("GET", URI, &token).sign());
        for proofs in [
            &[][..],
            &[&proof],
            &[&fresh, &second],
            &[&key.proof("GET", URI, &other_token).sign()],
            &[&key.proof("POST", URI, &token).sign()],
            &[&key.proof("GET", "https://api.test/api/greeting", &token).sign()],
        ] {
            assert_refused(&ask("DPoP", &token, proofs), "invalid_dpop_proof", None);
        }
        let stolen = thief.proof("GET", URI, &token).sign();
        for answer in [ask("DPoP", &token, &[&stolen]), ask("Bearer", &token, &[]), ask("Bearer", &token, &[&fresh])] {
            assert_refused(&answer, "invalid_token", Some("sender_constrained"));
        }
        // The proof was not used up.
        assert_eq!(ask("DPoP", &token, &[&fresh]).status, 200, "{format}");

        let unbound = live.provider.token(&request(format));
        let proof = key.proof("GET", URI, &unbound).sign();
        for answer in [ask("Bearer", &unbound, &[]), ask("DPoP", &unbound, &[&proof])] {
            assert_refused(&answer, "invalid_token", Some("sender_constrained"));
        }
    }
}

pub(crate) fn nonces_are_asked_for(live: &Live) {
    let variables =
        [("PORTCULLIS_DPOP", "accepted"), ("PORTCULLIS_PUBLIC_URL", API), ("PORTCULLIS_DPOP_NONCE", "true")];
    let services = introspection::serve(live, &variables);
    for format in FORMATS {
        // Where proofs are optional, tokens that are bound to no key need none.
        assert_eq!(services.get(PATH, Some(&live.provider.token(&request(format)))).status, 200);
        let key = DpopKey::new();
        let token = bound_to_key(live, format, &key);
        let authorization = format!("DPoP {token}");
        // Each server has its own key for nonces.
        for address in services.addresses() {
            let ask = |proof: &str| http::get(address, PATH, &[("authorization", &authorization), ("dpop", proof)]);
            let answer = ask(&key.proof("GET", URI, &token).sign()).unwrap();
            assert_refused(&answer, "use_dpop_nonce", None);
            let [nonce] = answer.all("dpop-nonce")[..] else { panic!("not one nonce: {answer:?}") };
            let answer = ask(&key.proof("GET", URI, &token).claim("nonce", nonce).sign()).unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
            let answer = ask(&DpopKey::new().proof("GET", URI, &token).claim("nonce", nonce).sign()).unwrap();
            assert_refused(&answer, "invalid_token", Some("sender_constrained"));
        }
    }
}

pub(crate) fn tokens_need_the_certificate_of_their_client(live: &Live) {
    let (authority, certified) = &*PARTIES;
    let mallory = authority.certify("mallory.test");
    for identity in [None, Some(&mallory)] {
        let answer = ask_with_certificate(live, "ES256", identity);
        assert_eq!((answer.status, &answer.json()["error"]), (401, &"invalid_client".into()), "{answer:?}");
    }
    let keys = RemoteKeys::discover(live.provider.issuer()).unwrap();
    let jwts = JwtVerifier::builder(live.provider.issuer(), API, keys).build().unwrap();
    let verifier = ByForm::builder().jwt(jwts).opaque(introspection::builder(live).build().unwrap()).build().unwrap();
    let gate = Gate::new(verifier).with_client_certificates(ClientCertificates::from_tls());
    let services = TlsServices::start(authority, &gate);
    for format in FORMATS {
        let (bound, unbound) = (bound_to_certificate(live, format), live.provider.token(&request(format)));
        for address in services.addresses {
            let ask = |identity, token: &str| {
                let connection = TcpStream::connect(address).unwrap();
                let connection = http::tls(connection, NAME, authority.client(identity, BOTH_VERSIONS));
                let authorization = format!("Bearer {token}");
                http::converse(connection, NAME, "GET", "/private", &[("authorization", &authorization)], "").unwrap()
            };
            assert_eq!(ask(Some(certified), &bound).status, 200, "{format}");
            assert_bad_token(&ask(Some(&mallory), &bound), "wrong_certificate");
            assert_bad_token(&ask(None, &bound), "wrong_certificate");
            assert_eq!(ask(None, &unbound).status, 200, "{format}");
        }
    }
    // Services that do not check certificates.
    live.assert_refused(&bound_to_certificate(live, "ES256"), "sender_constrained");
}

pub(crate) fn signed_answers_name_keys_and_certificates(live: &Live) {
    let keys = RemoteKeys::discover(live.provider.issuer()).unwrap();
    let verifier = introspection::builder(live).signed_answers(keys).build().unwrap();
    let gate = Gate::new(verifier).with_public_url(API).unwrap().with_dpop(Dpop::accepted()).unwrap();
    let gate = gate.with_client_certificates(ClientCertificates::from_tls());
    let (key, certified) = (DpopKey::new(), &PARTIES.1.certificate);
    let (of_key, of_certificate) = (bound_to_key(live, "opaque", &key), bound_to_certificate(live, "opaque"));
    let ask = |scheme: &str, token: &str, proof: Option<String>, certificate: Option<&[u8]>| {
        let certificate = certificate.map(|certificate| [certificate]);
        let certificate = ClientCertificate::from_tls(certificate.as_ref().map(|chain| &chain[..]));
        let fields = [("authorization", format!("{scheme} {token}"))];
        let fields = fields.into_iter().chain(proof.map(|proof| ("dpop", proof)));
        let request = HeaderList::new("GET", fields).with_original_path(PATH).with_client_certificate(certificate);
        let admitted = block_on(gate.admit(&request, &Policy::authenticated()));
        admitted.map(|admitted| admitted.evidence()).map_err(|denied| {
            let error = denied.error();
            error.reason().map_or(error.code(), |reason| reason.as_str()).to_owned()
        })
    };
    let proof = |key: &DpopKey| Some(key.proof("GET", URI, &of_key).sign());
    let refused = |reason: &str| Err(reason.to_owned());
    assert_eq!(ask("DPoP", &of_key, proof(&key), None), Ok(Evidence::Introspection));
    assert_eq!(ask("DPoP", &of_key, proof(&DpopKey::new()), None), refused("sender_constrained"));
    assert_eq!(ask("DPoP", &of_key, None, None), refused("invalid_dpop_proof"));
    assert_eq!(ask("Bearer", &of_key, None, Some(certified)), refused("sender_constrained"));
    assert_eq!(ask("Bearer", &of_certificate, None, Some(certified)), Ok(Evidence::Introspection));
    assert_eq!(ask("Bearer", &of_certificate, None, Some(b"another")), refused("wrong_certificate"));
    assert_eq!(ask("Bearer", &of_certificate, None, None), refused("wrong_certificate"));
}

/// The challenge of the scheme DPoP comes first, or is the only one.
fn assert_refused(answer: &Answer, error: &str, reason: Option<&str>) {
    assert_eq!((answer.status, &answer.json()["error"]), (401, &error.into()), "{answer:?}");
    assert_eq!(answer.json()["reason"].as_str(), reason, "{answer:?}");
    assert!(answer.all("www-authenticate")[0].starts_with(r#"DPoP realm="api""#), "{answer:?}");
}

/// Services on both frameworks that end TLS themselves.
struct TlsServices {
    addresses: [SocketAddr; 2],
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TlsServices {
    fn start(authority: &Authority, gate: &Gate) -> Self {
        type Start = fn(TcpListener, Arc<ServerConfig>, Gate);

        let starts: [Start; 2] = [on_axum::start, on_actix::start];
        let services = starts.map(|start| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = listener.local_addr().unwrap();
            let (tls, gate) = (authority.server(NAME), gate.clone());
            (address, move || start(listener, tls, gate))
        });
        let addresses = services.each_ref().map(|(address, _)| *address);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (started, waits) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                services.into_iter().for_each(|(_, start)| start());
                started.send(()).unwrap();
                let _ = stopped.await;
            });
        });
        waits.recv().unwrap();
        Self { addresses, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for TlsServices {
    fn drop(&mut self) {
        self.stop = None;
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the services panicked");
        }
    }
}

//! Tests instances of one identity provider whose keys have the same `kid`: keys belong to an issuer, not to a `kid`.

use std::sync::Arc;

use portcullis::keys::{KeySetCache, RemoteKeys};
use portcullis::verifier::ByIssuer;
use portcullis::{Gate, Reason, dangerous};
use portcullis_clerk::Clerk;
use portcullis_testing::{IssuerServer, TestIssuer};

/// A Clerk instance that is served on loopback.
fn served() -> IssuerServer {
    TestIssuer::clerk("clerk.example.com").serve_under("")
}

async fn reason(gate: &Gate, token: &str) -> Option<Reason> {
    gate.verify(token).await.err().and_then(|error| error.reason())
}

/// Advisories of 2026 about the vendor's SDKs: keys that were cached by `kid` verified tokens of other instances.
#[tokio::test]
async fn shared_cache_and_gate_keep_instances_apart() {
    let (a, b) = (served(), served());
    assert_eq!(a.issuer().first_key().id(), b.issuer().first_key().id());
    let cache = KeySetCache::new(10);
    let verifier = |server: &IssuerServer| {
        let keys = RemoteKeys::builder().cache(&cache).at(&server.url_of("/.well-known/jwks.json")).unwrap();
        Clerk::from_frontend_api(server.url()).keys(keys).builder().unwrap().cache_tokens(100).build().unwrap()
    };
    let both = Gate::new(ByIssuer::new([verifier(&a), verifier(&b)]).unwrap());
    let (of_a, of_b) = (Gate::new(verifier(&a)), Gate::new(verifier(&b)));
    // The second time, keys, headers and signatures come from caches.
    for _ in 0..2 {
        for (server, own, other) in [(&a, &of_a, &of_b), (&b, &of_b, &of_a)] {
            let token = server.issuer().token().sign();
            assert_eq!((reason(own, &token).await, reason(&both, &token).await), (None, None));
            assert_eq!(reason(other, &token).await, Some(Reason::BadSignature));
        }
        for (named, signer, gate) in [(&a, &b, &of_a), (&b, &a, &of_b)] {
            let key = Arc::clone(signer.issuer().first_key());
            let with_foreign_key = named.issuer().token().forged_with(key).sign();
            for gate in [gate, &both] {
                assert_eq!(reason(gate, &with_foreign_key).await, Some(Reason::BadSignature));
            }
            let own_key = named.issuer().token().issuer(&signer.url()).sign();
            assert_eq!(reason(gate, &own_key).await, Some(Reason::WrongIssuer));
            assert_eq!(reason(&both, &own_key).await, Some(Reason::BadSignature));
        }
    }
    assert_eq!((a.jwks_hits(), b.jwks_hits()), (1, 1));
}

/// Clerk's Backend API has one URL for all customers, and tells them apart by their secret.
#[tokio::test]
async fn cache_keeps_clients_with_other_secrets_apart() {
    let server = served();
    let cache = KeySetCache::new(10);
    let url = server.url_of("/.well-known/jwks.json");
    let keys = |secret: &str| {
        let builder = RemoteKeys::builder().header("authorization", format!("Bearer {secret}")).cache(&cache);
        builder.at(&url).unwrap()
    };
    for (secret, hits) in [("sk_live_1", 1), ("sk_live_1", 1), ("sk_live_2", 2), ("sk_live_1", 2)] {
        keys(secret).warm_up().await.unwrap();
        assert_eq!(server.jwks_hits(), hits, "{secret}");
    }
    let another = || RemoteKeys::builder().cache(&cache);
    let root = || rcgen::generate_simple_self_signed(["root.example.com".to_owned()]).unwrap().cert.pem();
    for (keys, hits) in [
        (another(), 3),
        (another(), 3),
        (another().root_certificate(root()), 4),
        (another().root_certificate(root()), 5),
        (dangerous::allow_http(another(), "keys.cluster"), 6),
        // A custom HTTP client may send its own credentials, so its keys are not shared.
        (another().client(reqwest::Client::new()), 7),
        (another().client(reqwest::Client::new()), 8),
        (another(), 8),
    ] {
        keys.at(&url).unwrap().warm_up().await.unwrap();
        assert_eq!(server.jwks_hits(), hits);
    }
    // No server listens at this proxy address.
    assert!(another().proxy("http://127.0.0.1:1").at(&url).unwrap().warm_up().await.is_err());
    assert!(!format!("{cache:?}").contains("sk_live"));
}

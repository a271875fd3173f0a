//! Tests of the key sources: the Frontend API, the Backend API, and a PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use portcullis::jose::Algorithm;
use portcullis::{Gate, Reason};
use portcullis_clerk::Clerk;
use portcullis_testing::{Fault, IssuerServer, TestIssuer};

use crate::{HOST, clerk, instance, reason};

/// An instance that is served on loopback. Its issuer has no slash at the end.
fn served() -> IssuerServer {
    instance().serve_under("")
}

fn publishable_key(host: &str) -> String {
    format!("pk_test_{}", STANDARD_NO_PAD.encode(format!("{host}$")))
}

#[tokio::test]
async fn keys_are_fetched_once_from_the_frontend_api() {
    let server = served();
    for clerk in
        [Clerk::from_frontend_api(server.url()), Clerk::from_publishable_key(publishable_key(&server.url())).unwrap()]
    {
        let before = server.jwks_hits();
        let gate = Gate::new(clerk.verifier().unwrap());
        for _ in 0..3 {
            assert_eq!(reason(&gate, server.issuer().token()).await, None);
        }
        assert_eq!((server.jwks_hits() - before, server.metadata_hits()), (1, 0));
    }
    let request = server.requests().pop().unwrap();
    assert_eq!(request.path(), "/.well-known/jwks.json");
    assert!(request.header("authorization").is_none());
}

#[tokio::test]
async fn kid_is_the_instance_identifier() {
    let server = served();
    let gate = Gate::new(Clerk::from_frontend_api(server.url()).verifier().unwrap());
    let token = server.issuer().token();
    let caller = gate.verify(&token.sign()).await.unwrap();
    assert!(caller.header().unwrap().key_id().unwrap().starts_with("ins_"));
    assert_eq!(reason(&gate, token.header("kid", "ins_other")).await, Some(Reason::UnknownKey));
    server.rotate(Algorithm::Rs256);
    assert_eq!(reason(&gate, server.issuer().token()).await, None);
}

#[tokio::test]
async fn secret_key_fetches_from_the_backend_api() {
    let (server, backend) = (served(), TestIssuer::new().serve());
    backend.serve_at("/v1/jwks", server.issuer().jwks());
    let secret = "sk_test_3vDpYnzhcUyDtqRbEEhpDYzLVAhTIVbTEF1NoBNZMo";
    for url in [backend.url_of(""), backend.url_of("/")] {
        let clerk = Clerk::from_frontend_api(server.url()).secret_key(secret).backend_api(url);
        let verifier = clerk.verifier().unwrap();
        assert!(!format!("{verifier:?} {clerk:?}").contains(secret));
        let gate = Gate::new(verifier);
        for _ in 0..3 {
            assert_eq!(reason(&gate, server.issuer().token()).await, None);
        }
        assert!(!format!("{gate:?}").contains(secret));
    }
    assert_eq!((backend.hits("/v1/jwks"), backend.all_hits(), server.connections()), (2, 2, 0));
    let request = backend.requests().pop().unwrap();
    assert_eq!(request.header("authorization"), Some(format!("Bearer {secret}").as_str()));
}

#[tokio::test]
async fn secret_key_goes_only_to_the_configured_host() {
    let (configured, other) = (TestIssuer::new().serve(), TestIssuer::new().serve());
    let instance = instance();
    // These paths could be read as another host when they are joined. The redirect leads to another host.
    for base in [configured.url_of(&format!("//{}", other.address())), configured.url_of("/..//")] {
        let clerk = clerk().secret_key("sk_test_secret").backend_api(base);
        let refused = Gate::new(clerk.verifier().unwrap()).verify(&instance.token().sign()).await.unwrap_err();
        assert_eq!(refused.status(), 503);
    }
    configured.misbehave(Fault::redirect(302, &other.url_of("/v1/jwks")));
    let clerk = clerk().secret_key("sk_test_secret").backend_api(configured.url_of(""));
    let refused = Gate::new(clerk.verifier().unwrap()).verify(&instance.token().sign()).await.unwrap_err();
    assert_eq!(refused.status(), 503);
    assert_eq!((configured.all_hits(), other.connections()), (3, 0));
}

#[tokio::test]
async fn pem_opens_no_connection() {
    let server = served();
    let pem = server.issuer().public_key_pem();
    let named = Clerk::from_frontend_api(server.url()).pem(pem.as_str());
    let by_key = Clerk::from_publishable_key(publishable_key(&server.url())).unwrap().pem(pem.as_str());
    for clerk in [named, by_key] {
        let gate = Gate::new(clerk.secret_key("sk_test_secret").verifier().unwrap());
        assert_eq!(reason(&gate, server.issuer().token()).await, None);
        // A PEM has no `kid`, so every `kid` is accepted, and nothing is fetched.
        assert_eq!(reason(&gate, server.issuer().token().header("kid", "ins_other")).await, None);
        assert_eq!(reason(&gate, instance().token().issuer(&server.url())).await, Some(Reason::BadSignature));
        // The instance is known, so every other issuer is refused.
        let other = server.issuer().token().issuer("https://clerk.example.com");
        assert_eq!(reason(&gate, other).await, Some(Reason::WrongIssuer));
    }
    let alone = Gate::new(Clerk::from_pem(pem).verifier().unwrap());
    assert_eq!(reason(&alone, server.issuer().token()).await, Some(Reason::WrongIssuer));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn pem_without_instance_checks_the_issuer_form() {
    let instance = instance();
    let gate = Gate::new(Clerk::from_pem(instance.public_key_pem()).verifier().unwrap());
    for issuer in ["https://clerk.example.com", "https://lucky-cat-1.clerk.accounts.dev"] {
        assert_eq!(reason(&gate, instance.token().issuer(issuer)).await, None, "{issuer}");
    }
    for issuer in ["https://clerk.example.com/", "https://example.com", "http://clerk.example.com", "clerk.example.com"]
    {
        assert_eq!(reason(&gate, instance.token().issuer(issuer)).await, Some(Reason::WrongIssuer), "{issuer}");
    }
    assert_eq!(reason(&gate, instance.token().without("iss")).await, Some(Reason::MissingClaim));
    // Other keys would not identify the instance.
    let error = Clerk::from_pem(instance.public_key_pem()).keys(instance.keys()).verifier().unwrap_err();
    assert_eq!(error.field(), "keys");
}

#[tokio::test]
async fn errors_name_the_environment_variable() {
    let instance = instance();
    let (key, pem) = (publishable_key(HOST), instance.public_key_pem().replace('\n', "\\n"));
    let read = |variables: &[(&str, &str)]| {
        let lookup =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Clerk::from_variables(lookup)
    };
    let named =
        read(&[("CLERK_PUBLISHABLE_KEY", &key), ("CLERK_AUTHORIZED_PARTIES", "https://a.test, https://b.test")]);
    let named = Gate::new(named.unwrap().keys(instance.keys()).verifier().unwrap());
    let unnamed = Gate::new(read(&[("CLERK_JWT_KEY", &pem)]).unwrap().verifier().unwrap());
    let both = read(&[("CLERK_PUBLISHABLE_KEY", &key), ("CLERK_JWT_KEY", &pem)]);
    let both = Gate::new(both.unwrap().verifier().unwrap());

    assert_eq!(reason(&named, instance.token().claim("azp", "https://b.test")).await, None);
    assert_eq!(reason(&named, instance.token()).await, Some(Reason::WrongParty));
    assert_eq!(reason(&unnamed, instance.token()).await, None);
    assert_eq!(reason(&both, instance.token()).await, None);
    let other = || instance.token().issuer("https://clerk.example.org");
    assert_eq!(reason(&unnamed, other()).await, None);
    assert_eq!(reason(&both, other()).await, Some(Reason::WrongIssuer));

    for (variables, field) in [
        (&[][..], "CLERK_PUBLISHABLE_KEY"),
        (&[("CLERK_PUBLISHABLE_KEY", " ")], "CLERK_PUBLISHABLE_KEY"),
        (&[("CLERK_AUTHORIZED_PARTIES", "https://a.test")], "CLERK_PUBLISHABLE_KEY"),
        (&[("CLERK_PUBLISHABLE_KEY", "pk_live_x")], "CLERK_PUBLISHABLE_KEY"),
        (&[("CLERK_PUBLISHABLE_KEY", &key), ("CLERK_JWT_KEY", "x")], "CLERK_JWT_KEY"),
        (&[("CLERK_JWT_KEY", "x")], "CLERK_JWT_KEY"),
        // A blank variable would silently drop a check: of the parties, of the whole issuer, or that only this key counts.
        (&[("CLERK_PUBLISHABLE_KEY", &key), ("CLERK_AUTHORIZED_PARTIES", "")], "CLERK_AUTHORIZED_PARTIES"),
        (&[("CLERK_PUBLISHABLE_KEY", &key), ("CLERK_AUTHORIZED_PARTIES", " ")], "CLERK_AUTHORIZED_PARTIES"),
        (&[("CLERK_PUBLISHABLE_KEY", &key), ("CLERK_AUTHORIZED_PARTIES_FILE", "")], "CLERK_AUTHORIZED_PARTIES_FILE"),
        (&[("CLERK_PUBLISHABLE_KEY", ""), ("CLERK_JWT_KEY", &pem)], "CLERK_PUBLISHABLE_KEY"),
        (&[("CLERK_PUBLISHABLE_KEY", &key), ("CLERK_JWT_KEY", "")], "CLERK_JWT_KEY"),
        (
            &[("CLERK_PUBLISHABLE_KEY", &key), ("CLERK_AUTHORIZED_PARTIES", "https://a.test,,")],
            "CLERK_AUTHORIZED_PARTIES",
        ),
        (
            &[("CLERK_PUBLISHABLE_KEY", &key), ("CLERK_AUTHORIZED_PARTIES", "https://a.test/")],
            "CLERK_AUTHORIZED_PARTIES",
        ),
    ] {
        assert_eq!(read(variables).unwrap_err().field(), field);
    }
}

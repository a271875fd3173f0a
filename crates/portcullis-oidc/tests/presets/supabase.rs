use std::sync::Arc;

use portcullis::Reason;
use portcullis::jose::Algorithm;
use portcullis_oidc::Supabase;
use portcullis_testing::{SigningKey, TestIssuer};

use crate::TestGate;

const REFERENCE: &str = "abcdefghijklmnopqrst";

fn project() -> (TestIssuer, TestGate) {
    let project = TestIssuer::supabase(REFERENCE);
    let gate = TestGate::new(Supabase::new(REFERENCE).keys(project.keys()).verifier().unwrap());
    (project, gate)
}

#[tokio::test]
async fn roles_in_user_metadata_grant_nothing() {
    let (project, gate) = project();
    let caller = gate.admits(&project.token()).await;
    assert_eq!(caller.subject(), Some("123e4567-e89b-12d3-a456-426614174000"));
    // user_metadata says "admin". Users can change it.
    assert_eq!(caller.roles(), [""; 0]);
}

#[tokio::test]
async fn api_keys_are_refused() {
    let (project, gate) = project();
    for role in ["anon", "service_role", "admin", ""] {
        assert_eq!(gate.refuses(&project.token().claim("role", role)).await, Reason::WrongTokenClass, "{role}");
    }
    assert_eq!(gate.refuses(&project.token().without("role")).await, Reason::MissingClaim);
    assert_eq!(gate.refuses(&project.token().without("sub")).await, Reason::MissingClaim);
    assert_eq!(gate.refuses(&project.token().audience("anon")).await, Reason::WrongAudience);
    assert_eq!(gate.refuses(&project.token().issuer("supabase")).await, Reason::WrongIssuer);
}

#[tokio::test]
async fn legacy_secret_must_be_configured() {
    let project = TestIssuer::supabase(REFERENCE);
    let secret = Arc::new(SigningKey::generate(Algorithm::Hs256, "legacy"));
    let legacy = project.token().signed_with(Arc::clone(&secret)).without_header("kid");

    let gate = TestGate::new(Supabase::new(REFERENCE).keys(project.keys()).verifier().unwrap());
    assert_eq!(gate.refuses(&legacy).await, Reason::AlgorithmNotAllowed);

    let preset = Supabase::new(REFERENCE).legacy_secret(secret.secret().unwrap()).unwrap();
    assert!(!format!("{preset:?}").contains(&format!("{:?}", secret.secret().unwrap())));
    let gate = TestGate::new(preset.verifier().unwrap());
    gate.admits(&legacy).await;
    assert_eq!(gate.refuses(&project.token()).await, Reason::AlgorithmNotAllowed);
    assert_eq!(gate.refuses(&legacy.claim("role", "service_role")).await, Reason::WrongTokenClass);
    assert!(Supabase::new(REFERENCE).legacy_secret(b"too short").is_err());
}

#[tokio::test]
async fn keys_are_fetched_below_the_issuer() {
    let project = TestIssuer::supabase(REFERENCE).serve_under("/auth/v1");
    let gate = TestGate::new(Supabase::from_url(format!("http://{}", project.address())).verifier().unwrap());
    gate.admits(&project.issuer().token()).await;
    assert_eq!((project.hits("/auth/v1/.well-known/jwks.json"), project.all_hits()), (1, 1));
}

#[tokio::test]
async fn every_forgery_is_refused_for_its_reason() {
    let (project, gate) = project();
    gate.refuses_forgeries_except(&project, &[]).await;
}

#[test]
fn errors_name_the_invalid_field() {
    for reference in ["", "abc.supabase.co", "https://abc.supabase.co", "a/b"] {
        assert_eq!(Supabase::new(reference).verifier().unwrap_err().field(), "reference", "{reference}");
    }
    assert_eq!(Supabase::from_url("https://auth.example.com/auth/v1").verifier().unwrap_err().field(), "url");
}

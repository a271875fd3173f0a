use std::sync::Arc;

use portcullis::Reason;
use portcullis::jose::Algorithm;
use portcullis_oidc::Supabase;
use portcullis_testing::{SigningKey, TestIssuer};

use crate::Door;

const REFERENCE: &str = "abcdefghijklmnopqrst";

fn project() -> (TestIssuer, Door) {
    let project = TestIssuer::supabase(REFERENCE);
    let door = Door::new(Supabase::new(REFERENCE).keys(project.keys()).verifier().unwrap());
    (project, door)
}

#[tokio::test]
async fn a_signed_in_user_is_admitted_and_may_have_written_no_role_of_theirs() {
    let (project, door) = project();
    let caller = door.admits(&project.token()).await;
    assert_eq!(caller.subject(), Some("123e4567-e89b-12d3-a456-426614174000"));
    // user_metadata, which users write themselves, says "admin".
    assert_eq!(caller.roles(), [""; 0]);
}

#[tokio::test]
async fn keys_of_applications_are_no_users() {
    let (project, door) = project();
    for role in ["anon", "service_role", "admin", ""] {
        assert_eq!(door.refuses(&project.token().claim("role", role)).await, Reason::WrongTokenClass, "{role}");
    }
    assert_eq!(door.refuses(&project.token().without("role")).await, Reason::MissingClaim);
    assert_eq!(door.refuses(&project.token().without("sub")).await, Reason::MissingClaim);
    assert_eq!(door.refuses(&project.token().audience("anon")).await, Reason::WrongAudience);
    assert_eq!(door.refuses(&project.token().issuer("supabase")).await, Reason::WrongIssuer);
}

#[tokio::test]
async fn the_legacy_secret_counts_only_when_it_is_given() {
    let project = TestIssuer::supabase(REFERENCE);
    let secret = Arc::new(SigningKey::generate(Algorithm::Hs256, "legacy"));
    let legacy = project.token().signed_with(Arc::clone(&secret)).without_header("kid");

    let door = Door::new(Supabase::new(REFERENCE).keys(project.keys()).verifier().unwrap());
    assert_eq!(door.refuses(&legacy).await, Reason::AlgorithmNotAllowed);

    let preset = Supabase::new(REFERENCE).legacy_secret(secret.secret().unwrap()).unwrap();
    assert!(!format!("{preset:?}").contains(&format!("{:?}", secret.secret().unwrap())));
    let door = Door::new(preset.verifier().unwrap());
    door.admits(&legacy).await;
    assert_eq!(door.refuses(&project.token()).await, Reason::AlgorithmNotAllowed);
    assert_eq!(door.refuses(&legacy.claim("role", "service_role")).await, Reason::WrongTokenClass);
    assert!(Supabase::new(REFERENCE).legacy_secret(b"too short").is_err());
}

#[tokio::test]
async fn the_keys_are_fetched_below_the_issuer() {
    let project = TestIssuer::supabase(REFERENCE).serve_under("/auth/v1");
    let door = Door::new(Supabase::from_url(format!("http://{}", project.address())).verifier().unwrap());
    door.admits(&project.issuer().token()).await;
    assert_eq!((project.hits("/auth/v1/.well-known/jwks.json"), project.all_hits()), (1, 1));
}

#[tokio::test]
async fn forgeries_are_refused() {
    let (project, door) = project();
    door.refuses_all_forgeries_but(&project, &[]).await;
}

#[test]
fn what_cannot_be_used_is_named() {
    for reference in ["", "abc.supabase.co", "https://abc.supabase.co", "a/b"] {
        assert_eq!(Supabase::new(reference).verifier().unwrap_err().field(), "reference", "{reference}");
    }
    assert_eq!(Supabase::from_url("https://auth.example.com/auth/v1").verifier().unwrap_err().field(), "url");
}

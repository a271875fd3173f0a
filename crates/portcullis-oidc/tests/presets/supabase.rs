use std::sync::Arc;

use portcullis::Reason;
use portcullis::jose::Algorithm;
use portcullis::keys::FixedKeys;
use portcullis_oidc::Supabase;
use portcullis_testing::{SigningKey, TestIssuer, TokenBuilder};
use serde_json::Value;

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

/// Returns tokens of one user, signed with a published key and with the legacy secret, and the secret.
fn before_and_after(project: &TestIssuer) -> (TokenBuilder, TokenBuilder, Arc<SigningKey>) {
    let secret = Arc::new(SigningKey::generate(Algorithm::Hs256, "legacy"));
    let legacy = project.token().signed_with(Arc::clone(&secret)).without_header("kid");
    (legacy, project.token(), secret)
}

#[tokio::test]
async fn legacy_secret_and_published_keys_work_together() {
    let project = TestIssuer::supabase(REFERENCE);
    let (before, after, secret) = before_and_after(&project);
    let preset = Supabase::new(REFERENCE).also_legacy_secret(secret.secret().unwrap()).unwrap().keys(project.keys());
    let gate = TestGate::new(preset.verifier().unwrap());
    gate.admits(&before).await;
    gate.admits(&before.clone().header("kid", "4f2a")).await;
    gate.admits(&after).await;
    assert_eq!(gate.refuses(&before.clone().claim("role", "service_role")).await, Reason::WrongTokenClass);
    assert!(Supabase::new(REFERENCE).also_legacy_secret(b"too short").is_err());
    let public_key = project.public_key_pem();
    assert!(Supabase::new(REFERENCE).also_legacy_secret(public_key.as_bytes()).is_err());
}

#[tokio::test]
async fn secret_and_published_keys_verify_only_their_algorithms() {
    let project = TestIssuer::supabase(REFERENCE).with_more_algorithms([Algorithm::Rs256]);
    let (before, after, secret) = before_and_after(&project);
    let bytes = secret.secret().unwrap();
    let another = Arc::new(SigningKey::generate(Algorithm::Hs256, "legacy"));
    // A published set with a secret in it: Supabase never publishes one.
    let mut set = serde_json::from_str::<Value>(&project.jwks()).unwrap();
    set["keys"].as_array_mut().unwrap().push(another.jwk());
    assert!(set.to_string().contains("\"oct\""));
    let published = FixedKeys::jwks(&set.to_string()).unwrap();
    let preset = Supabase::new(REFERENCE).also_legacy_secret(bytes).unwrap().keys(published);
    let gate = TestGate::new(preset.verifier().unwrap());
    gate.admits(&before).await;
    gate.admits(&after).await;
    gate.admits(&project.token().algorithm(Algorithm::Rs256)).await;
    // The HMAC of the secret, under the name of another algorithm.
    for alg in ["ES256", "RS256"] {
        for token in [before.clone().header("alg", alg), before.clone().header("alg", alg).header("kid", "ES256-1")] {
            let found = gate.refuses(&token).await;
            assert!(
                matches!(found, Reason::BadSignature | Reason::UnknownKey | Reason::AmbiguousKey),
                "{alg}: {found}"
            );
        }
    }
    for alg in ["HS384", "HS512", "none", "PS256", "ES384"] {
        assert_eq!(gate.refuses(&before.clone().header("alg", alg)).await, Reason::AlgorithmNotAllowed, "{alg}");
    }
    // A signature of a published key, or of a secret that is not the configured one, under the name HS256.
    assert_eq!(gate.refuses(&after.clone().header("alg", "HS256")).await, Reason::BadSignature);
    assert_eq!(gate.refuses(&project.token().signed_with(another)).await, Reason::BadSignature);
    for confused in project.forgeries().into_iter().filter(|forgery| forgery.name.starts_with("HS256 keyed")) {
        assert_eq!(gate.refuses_text(&confused.token).await, Reason::BadSignature, "{}", confused.name);
    }
    assert!(!format!("{preset:?}").contains(&format!("{bytes:?}")));
}

#[tokio::test]
async fn legacy_tokens_are_accepted_before_a_key_is_published() {
    let project = TestIssuer::supabase(REFERENCE).serve_under("/auth/v1");
    let issuer = project.issuer();
    let (before, after, secret) = before_and_after(&issuer);
    let preset = Supabase::from_url(format!("http://{}", project.address()));
    let verifier = preset.also_legacy_secret(secret.secret().unwrap()).unwrap().verifier().unwrap();
    let gate = TestGate::new(verifier);
    gate.admits(&before).await;
    assert_eq!(project.jwks_hits(), 0, "the secret needs no request");
    gate.admits(&after).await;
    assert_eq!(project.jwks_hits(), 1);
}

#[tokio::test]
async fn anonymous_users_are_refused_only_by_option() {
    let (project, gate) = project();
    let anonymous = project.token().claim("is_anonymous", true);
    gate.admits(&anonymous).await;
    let strict = TestGate::new(Supabase::new(REFERENCE).refuse_anonymous().keys(project.keys()).verifier().unwrap());
    assert_eq!(strict.refuses(&anonymous).await, Reason::CheckFailed);
    assert_eq!(strict.refuses(&project.token().claim("is_anonymous", "true")).await, Reason::InvalidClaim);
    strict.admits(&project.token()).await;
    strict.admits(&project.token().without("is_anonymous")).await;
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

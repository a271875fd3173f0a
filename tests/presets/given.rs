//! Presets and tokens that clients of real services sent to them by mistake, in files.

use portcullis::adapter::Credential;
use portcullis::keys::FixedKeys;
use portcullis::{ConfigError, JwtVerifier, Verifier};
use portcullis_auth0::Auth0;
use portcullis_clerk::Clerk;
use portcullis_oidc::{Cognito, Firebase, Google, Keycloak, Okta, Supabase, Zitadel};

const POOL: &str = "us-east-1_Ab12Cd34E";
const SECRET: &[u8] = b"super-secret-jwt-token-with-at-least-32!!";
const PROJECT: &str = "my-project-1a2b3";

fn keys() -> FixedKeys {
    FixedKeys::jwks(include_str!("given/keys.json")).unwrap()
}

/// Returns `accepted`, or the reason and the explanation.
async fn verdict(preset: Result<JwtVerifier, ConfigError>, token: &str) -> (&'static str, &'static str) {
    let (verifier, credential) = (preset.unwrap(), Credential::bearer(token.trim()));
    match verifier.verify(&credential).await {
        Ok(_) => ("accepted", ""),
        Err(refused) => {
            (refused.reason().unwrap().as_str(), verifier.explain(&credential, &refused).unwrap_or_default())
        }
    }
}

#[tokio::test]
async fn wrong_kinds_of_tokens_are_named() {
    let cognito = || Cognito::new("us-east-1", POOL, ["client1"]).keys(keys()).verifier();
    let keycloak = || Keycloak::new("https://kc.example", "main", "api").keys(keys()).verifier();
    for (preset, token, reason, explanation) in [
        (cognito(), include_str!("given/cognito_id.txt"), "missing_claim", "an ID token"),
        // Its header happens to need no padding.
        (cognito(), include_str!("given/alb_padded.txt"), "algorithm_not_allowed", "a padded token"),
        (keycloak(), include_str!("given/keycloak_id.txt"), "wrong_audience", "an ID token"),
        (keycloak(), include_str!("given/keycloak_refresh.txt"), "algorithm_not_allowed", "a refresh token"),
        (
            Okta::new("dev-1.okta.com", "api://default").keys(keys()).verifier(),
            include_str!("given/okta_org.txt"),
            "unknown_key",
            "a token of the org authorization server",
        ),
        (
            Clerk::from_frontend_api("clerk.example.com").keys(keys()).verifier(),
            include_str!("given/clerk_other.txt"),
            "unknown_key",
            "iss names another instance",
        ),
        (
            Firebase::new(PROJECT).keys(keys()).verifier(),
            include_str!("given/firebase_session.txt"),
            "unknown_key",
            "a session cookie",
        ),
        (
            Auth0::new("tenant.eu.auth0.com", "api").keys(keys()).verifier(),
            include_str!("given/auth0_other.txt"),
            "unknown_key",
            "iss names another issuer",
        ),
        (
            Google::id_tokens("client1").keys(keys()).verifier(),
            include_str!("given/google_opaque.txt"),
            "opaque_token",
            "an access token",
        ),
        (
            Zitadel::new("https://i.zitadel.cloud", "1").keys(keys()).verifier(),
            include_str!("given/zitadel_opaque.txt"),
            "not_compact_jws",
            "an opaque token",
        ),
    ] {
        let found = verdict(preset, token).await;
        assert_eq!(found.0, reason, "{}", found.1);
        assert!(found.1.starts_with(explanation), "{reason}: {}", found.1);
    }
}

#[tokio::test]
async fn options_accept_further_kinds_of_tokens() {
    let cognito = || Cognito::new("us-east-1", POOL, ["client1"]).keys(keys());
    let (access, id) = (include_str!("given/cognito_access.txt"), include_str!("given/cognito_id.txt"));
    let replica = include_str!("given/cognito_replica.txt");
    for (preset, token, expected) in [
        (cognito(), access, "accepted"),
        (cognito(), replica, "wrong_issuer"),
        (cognito().replica_region("us-west-2"), replica, "accepted"),
        (cognito().replica_region("us-west-2"), access, "accepted"),
        (cognito().access_and_id_tokens(), access, "accepted"),
        (cognito().access_and_id_tokens(), id, "accepted"),
        (cognito().id_tokens(), id, "accepted"),
        (cognito().id_tokens(), access, "missing_claim"),
    ] {
        assert_eq!(verdict(preset.verifier(), token).await.0, expected);
    }
    let id = include_str!("given/firebase_id.txt");
    assert_eq!(verdict(Firebase::new(PROJECT).keys(keys()).verifier(), id).await.0, "accepted");

    let supabase = || Supabase::new("abcdefghijklmnopqrst").keys(keys());
    let (legacy, published) =
        (include_str!("given/supabase_legacy.txt"), include_str!("given/supabase_authenticated.txt"));
    let both = || supabase().also_legacy_secret(SECRET).unwrap().verifier();
    assert_eq!(verdict(supabase().verifier(), legacy).await.0, "algorithm_not_allowed");
    assert_eq!(verdict(both(), legacy).await.0, "accepted");
    assert_eq!(verdict(both(), published).await.0, "accepted");
}

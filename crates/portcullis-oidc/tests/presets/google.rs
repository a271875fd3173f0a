use portcullis::Reason;
use portcullis_oidc::Google;
use portcullis_testing::TestIssuer;

use crate::TestGate;

const CLIENT: &str = "1234987819200.apps.googleusercontent.com";

fn accounts() -> TestIssuer {
    TestIssuer::google_id_tokens(CLIENT)
}

#[tokio::test]
async fn both_issuer_spellings_are_accepted() {
    let google = accounts();
    let gate = TestGate::new(Google::id_tokens(CLIENT).keys(google.keys()).verifier().unwrap());
    for issuer in ["https://accounts.google.com", "accounts.google.com"] {
        let caller = gate.admits(&google.token().issuer(issuer)).await;
        assert_eq!(caller.subject(), Some("10769150350006150715113082367"));
    }
    for issuer in ["https://accounts.google.com/", "http://accounts.google.com", "https://securetoken.google.com/x"] {
        assert_eq!(gate.refuses(&google.token().issuer(issuer)).await, Reason::WrongIssuer, "{issuer}");
    }
}

#[tokio::test]
async fn access_token_is_refused_as_opaque() {
    let google = accounts();
    let gate = TestGate::new(Google::id_tokens(CLIENT).keys(google.keys()).verifier().unwrap());
    assert_eq!(gate.refuses_text("ya29.a0AfH6SMBx3qv-Jz_example").await, Reason::OpaqueToken);
    assert_eq!(gate.refuses_text("1//0gexample").await, Reason::NotCompactJws);
}

#[tokio::test]
async fn token_for_an_unknown_client_is_refused() {
    let google = accounts();
    let other = google.token().audience("another.apps.googleusercontent.com");
    let preset = Google::id_tokens(CLIENT).keys(google.keys());
    assert_eq!(TestGate::new(preset.verifier().unwrap()).refuses(&other).await, Reason::WrongAudience);
    let preset = preset.client("another.apps.googleusercontent.com");
    TestGate::new(preset.verifier().unwrap()).admits(&other).await;
}

/// Any service account can ask for an ID token for any audience:
/// <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateIdToken>.
#[tokio::test]
async fn service_accounts_are_refused_by_authorized_parties() {
    let google = accounts();
    let service = google.token().claim("azp", "107517467455664443765").without("hd").without("at_hash");
    let preset = Google::id_tokens(CLIENT).keys(google.keys());
    TestGate::new(preset.clone().verifier().unwrap()).admits(&service).await;
    let strict = TestGate::new(preset.clone().authorized_parties([CLIENT]).verifier().unwrap());
    strict.admits(&google.token()).await;
    assert_eq!(strict.refuses(&service).await, Reason::WrongParty);
    assert_eq!(strict.refuses(&google.token().without("azp")).await, Reason::MissingClaim);
    let of_domain = TestGate::new(preset.hosted_domain("example.com").verifier().unwrap());
    assert_eq!(of_domain.refuses(&service).await, Reason::MissingClaim);
}

#[tokio::test]
async fn second_audience_is_refused() {
    let google = accounts();
    let other = "another.apps.googleusercontent.com";
    let gate = TestGate::new(Google::id_tokens(CLIENT).keys(google.keys()).verifier().unwrap());
    gate.admits(&google.token().audience([CLIENT])).await;
    for audience in [[CLIENT, other], [other, CLIENT], [CLIENT, ""]] {
        assert_eq!(gate.refuses(&google.token().audience(audience)).await, Reason::WrongAudience, "{audience:?}");
    }
}

#[tokio::test]
async fn hosted_domain_refuses_other_accounts() {
    let google = accounts();
    let preset = Google::id_tokens(CLIENT).hosted_domain("example.com").keys(google.keys());
    let gate = TestGate::new(preset.verifier().unwrap());
    gate.admits(&google.token()).await;
    assert_eq!(gate.refuses(&google.token().claim("hd", "example.org")).await, Reason::WrongTenant);
    // A private account has no hd, with any e-mail address.
    assert_eq!(gate.refuses(&google.token().without("hd")).await, Reason::MissingClaim);
}

#[tokio::test]
async fn every_forgery_is_refused_for_its_reason() {
    let google = accounts();
    let gate = TestGate::new(Google::id_tokens(CLIENT).keys(google.keys()).verifier().unwrap());
    gate.refuses_forgeries_except(&google, &[]).await;
}

#[test]
fn errors_name_the_invalid_field() {
    assert_eq!(Google::id_tokens("").verifier().unwrap_err().field(), "audience");
    assert_eq!(Google::id_tokens(CLIENT).hosted_domain("").verifier().unwrap_err().field(), "hosted_domain");
}

use portcullis::Reason;
use portcullis_oidc::Google;
use portcullis_testing::TestIssuer;

use crate::Door;

const CLIENT: &str = "1234987819200.apps.googleusercontent.com";

fn accounts() -> TestIssuer {
    TestIssuer::google_id_tokens(CLIENT)
}

#[tokio::test]
async fn both_spellings_of_the_issuer_are_googles() {
    let google = accounts();
    let door = Door::new(Google::id_tokens(CLIENT).keys(google.keys()).verifier().unwrap());
    for issuer in ["https://accounts.google.com", "accounts.google.com"] {
        let caller = door.admits(&google.token().issuer(issuer)).await;
        assert_eq!(caller.subject(), Some("10769150350006150715113082367"));
    }
    for issuer in ["https://accounts.google.com/", "http://accounts.google.com", "https://securetoken.google.com/x"] {
        assert_eq!(door.refuses(&google.token().issuer(issuer)).await, Reason::WrongIssuer, "{issuer}");
    }
}

#[tokio::test]
async fn an_access_token_is_opaque_and_called_so() {
    let google = accounts();
    let door = Door::new(Google::id_tokens(CLIENT).keys(google.keys()).verifier().unwrap());
    assert_eq!(door.refuses_text("ya29.a0AfH6SMBx3qv-Jz_example").await, Reason::OpaqueToken);
    assert_eq!(door.refuses_text("1//0gexample").await, Reason::NotCompactJws);
}

#[tokio::test]
async fn a_token_for_another_client_is_refused_until_the_client_is_named() {
    let google = accounts();
    let other = google.token().audience("another.apps.googleusercontent.com");
    let preset = Google::id_tokens(CLIENT).keys(google.keys());
    assert_eq!(Door::new(preset.verifier().unwrap()).refuses(&other).await, Reason::WrongAudience);
    let preset = preset.client("another.apps.googleusercontent.com");
    Door::new(preset.verifier().unwrap()).admits(&other).await;
}

#[tokio::test]
async fn an_id_token_that_is_for_others_too_is_refused() {
    let google = accounts();
    let other = "another.apps.googleusercontent.com";
    let door = Door::new(Google::id_tokens(CLIENT).keys(google.keys()).verifier().unwrap());
    door.admits(&google.token().audience([CLIENT])).await;
    for audience in [[CLIENT, other], [other, CLIENT], [CLIENT, ""]] {
        assert_eq!(door.refuses(&google.token().audience(audience)).await, Reason::WrongAudience, "{audience:?}");
    }
}

#[tokio::test]
async fn an_organization_keeps_other_accounts_out() {
    let google = accounts();
    let preset = Google::id_tokens(CLIENT).hosted_domain("example.com").keys(google.keys());
    let door = Door::new(preset.verifier().unwrap());
    door.admits(&google.token()).await;
    assert_eq!(door.refuses(&google.token().claim("hd", "example.org")).await, Reason::WrongTenant);
    // A private account has none, whatever its e-mail address.
    assert_eq!(door.refuses(&google.token().without("hd")).await, Reason::MissingClaim);
}

#[tokio::test]
async fn forgeries_are_refused() {
    let google = accounts();
    let door = Door::new(Google::id_tokens(CLIENT).keys(google.keys()).verifier().unwrap());
    door.refuses_all_forgeries_but(&google, &[]).await;
}

#[test]
fn what_cannot_be_used_is_named() {
    assert_eq!(Google::id_tokens("").verifier().unwrap_err().field(), "audience");
    assert_eq!(Google::id_tokens(CLIENT).hosted_domain("").verifier().unwrap_err().field(), "hosted_domain");
}

//! Amazon Cognito, Firebase and Google.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use portcullis::jose::Algorithm;
use serde_json::json;

use super::{Foreign, Sample, encrypted};
use crate::issuer::TestIssuer;
use crate::token::TokenBuilder;

pub(crate) fn cognito(pool: &TestIssuer) -> Vec<Sample> {
    let foreign = Foreign::new();
    let access = || pool.token();
    let client = access().claims().get("client_id").cloned().unwrap_or_default();
    let id_token = access()
        .without("client_id")
        .without("scope")
        .without("username")
        .audience(&client)
        .claim("token_use", "id")
        .claim("cognito:username", "my-test-user")
        .claim("email", "my-test-user@example.com");
    let machine = access().subject(client.as_str().unwrap_or_default()).without("username").without("cognito:groups");
    let (host, pool_id) = pool.url().rsplit_once('/').unwrap_or_default();
    let region = host.trim_start_matches("https://cognito-idp.").trim_end_matches(".amazonaws.com");
    let replica = format!("https://cognito-idp.us-west-2.amazonaws.com/{pool_id}");
    let updated = format!("https://issuer-cognito-idp.{region}.amazonaws.com/{pool_id}");
    let identity = TestIssuer::from_algorithms([Algorithm::Rs512]).with_url("https://cognito-identity.amazonaws.com");
    let identity = identity.with_audience(format!("{region}:12345678-dead-beef-cafe-123456790ab"));
    vec![
        Sample::signed("access token of a user", &access()),
        Sample::signed("access token of a machine", &machine),
        Sample::signed("access token with the updated issuer", &access().issuer(&updated)),
        Sample::signed("ID token", &id_token),
        Sample::signed("access token of another app client", &access().claim("client_id", "4lr8another0client")),
        Sample::signed("access token of the pool's replica", &access().issuer(&replica)),
        foreign.sign("access token of another user pool", access().issuer(&format!("{host}/{region}_Zz99Yy88X"))),
        encrypted("refresh token"),
        Sample::signed("token of an identity pool", &identity.token().claim("amr", ["unauthenticated"])),
        of_load_balancer(access()),
    ]
}

/// The header `x-amzn-oidc-data` of an Application Load Balancer. Its parts are padded.
fn of_load_balancer(token: TokenBuilder) -> Sample {
    let token =
        token.payload(r#"{"sub":"user-1","email":"u@example.com","exp":4102444800,"iss":"https://issuer.example/"}"#);
    let header = json!({"typ": "JWT", "kid": "e1", "alg": "ES256", "client": "c1", "exp": 4_102_444_800_i64});
    let header = format!("{header} ");
    let signed = token.sign();
    let (_, rest) = signed.split_once('.').unwrap_or_default();
    let pad = |text: &str| format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
    let padded: Vec<_> = rest.split('.').map(pad).collect();
    Sample::new("header `x-amzn-oidc-data`", format!("{}.{}", URL_SAFE.encode(header), padded.join(".")))
}

pub(crate) fn firebase(project: &TestIssuer) -> Vec<Sample> {
    let foreign = Foreign::new();
    let user = || project.token();
    let of = |firebase| user().claim("firebase", firebase);
    let account = "firebase-adminsdk-abc12@my-project-1a2b3.iam.gserviceaccount.com";
    let custom = user().payload(
        json!({"iss": account, "sub": account, "uid": "u1", "iat": 1_700_000_000, "exp": 4_102_444_800_i64,
            "aud": "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"})
        .to_string(),
    );
    let unsigned = user().header("alg", "none").without_header("kid").signing_input();
    vec![
        Sample::signed("ID token", &user()),
        Sample::signed(
            "ID token of an anonymous user",
            &of(json!({"identities": {}, "sign_in_provider": "anonymous"})),
        ),
        Sample::signed(
            "ID token of a tenant's user",
            &of(json!({"identities": {}, "sign_in_provider": "password", "tenant": "acme-1x2y3"})),
        ),
        foreign.sign("session cookie", user().issuer(&user_cookie_issuer(project)).without_header("typ")),
        Sample::signed("custom token", &custom.forged_with(foreign.0.clone()).without_header("kid")),
        Sample::signed(
            "ID token of another project",
            &user().issuer("https://securetoken.google.com/another-project").audience("another-project"),
        ),
        foreign.sign("App Check token", user().issuer("https://firebaseappcheck.googleapis.com/1234567890")),
        foreign.sign(
            "ID token of Google",
            user().issuer("https://accounts.google.com").audience("1234987819200.apps.googleusercontent.com"),
        ),
        Sample::new("token of the emulator", format!("{unsigned}.")),
        Sample::new("refresh token", "AMf-vBxExampleRefreshToken_1a2b3c4d5e6f7g8h9i0j"),
    ]
}

fn user_cookie_issuer(project: &TestIssuer) -> String {
    format!("https://session.firebase.google.com/{}", project.audience())
}

pub(crate) fn google(accounts: &TestIssuer) -> Vec<Sample> {
    let foreign = Foreign::new();
    let user = || accounts.token();
    let personal = user().without("hd").claim("email", "jane@gmail.com");
    let service = user()
        .without("hd")
        .without("at_hash")
        .subject("107517467455664443765")
        .claim("azp", "107517467455664443765")
        .claim("email", "robot@another-project.iam.gserviceaccount.com");
    vec![
        Sample::signed("ID token of an organization's account", &user()),
        Sample::signed("ID token of a personal account", &personal),
        Sample::signed("ID token of a service account", &service),
        Sample::signed(
            "ID token for another client",
            &user().audience("another.apps.googleusercontent.com").claim("azp", "another.apps.googleusercontent.com"),
        ),
        foreign.sign(
            "ID token of Firebase",
            user().issuer("https://securetoken.google.com/my-project-1a2b3").audience("my-project-1a2b3"),
        ),
        Foreign::of(Algorithm::Es256).sign(
            "header `x-goog-iap-jwt-assertion`",
            user().issuer("https://cloud.google.com/iap").audience("/projects/1234/global/backendServices/5678"),
        ),
        Sample::new("access token", "ya29.a0AfH6SMBx3qv-Jz_example"),
        Sample::new("refresh token", "1//0gExampleRefreshToken_1a2b3c4d"),
        Sample::new("authorization code", "4/0AeanS0ZExampleCode_1a2b3c4d"),
    ]
}

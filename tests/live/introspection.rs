//! Opaque tokens of a provider from elsewhere, whose endpoint answers plain and signed.

use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis::introspection::{ClientAuthentication, IntrospectionBuilder, IntrospectionVerifier};
use portcullis::keys::RemoteKeys;
use portcullis::verifier::Evidence;
use portcullis::{Audience, Gate, JwtVerifier};

use crate::process::folder;
use crate::provider::TokenRequest;
use crate::scenarios::Live;
use crate::services::Services;
use crate::{API, assert_bad_token, http};

/// This service as a client of the providers. The secret has to be form-encoded.
pub(crate) const CLIENT: (&str, &str) = ("api", "the secret: of the API");

/// An opaque token for our API.
fn opaque(live: &Live, audience: &str, scope: &str) -> String {
    let request = TokenRequest { audience: Some(audience), scope, algorithm: Some("opaque") };
    let token = live.provider.token(&request);
    assert!(!token.contains('.'), "{token}");
    token
}

pub(crate) fn builder(live: &Live) -> IntrospectionBuilder {
    let client = ClientAuthentication::client_secret_basic(CLIENT.0, CLIENT.1);
    IntrospectionVerifier::builder(live.provider.issuer(), API, client)
}

/// Starts both servers for JWTs and opaque tokens of the provider, with these further variables.
pub(crate) fn serve(live: &Live, variables: &[(&str, &str)]) -> Services {
    serve_with(live.provider.issuer(), &live.provider.endpoint("introspection_endpoint"), variables)
}

/// Starts both servers for JWTs and opaque tokens of an issuer, with these further variables.
pub(crate) fn serve_with(issuer: &str, endpoint: &str, variables: &[(&str, &str)]) -> Services {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    let file = folder().join(format!("introspection-secret-{}-{number}", std::process::id()));
    std::fs::write(&file, format!("{}\n", CLIENT.1)).unwrap();
    let introspection = [
        ("PORTCULLIS_ISSUER", issuer),
        ("PORTCULLIS_AUDIENCE", API),
        ("PORTCULLIS_INTROSPECTION_URL", endpoint),
        ("PORTCULLIS_CLIENT_ID", CLIENT.0),
        ("PORTCULLIS_CLIENT_SECRET_FILE", file.to_str().unwrap()),
    ];
    let services = Services::start(&[&introspection, variables].concat());
    std::fs::remove_file(file).unwrap();
    services
}

pub(crate) fn opaque_tokens_are_accepted_by_both_servers(live: &Live) {
    let services = serve(live, &[]);
    let token = opaque(live, API, "read:messages");
    let answer = services.get("/api/private", Some(&token));
    assert_eq!((answer.status, &answer.json()["client_id"]), (200, &"service".into()), "{answer:?}");
    assert_eq!(services.get("/api/private-scoped", Some(&token)).status, 200);
    assert_eq!(services.get("/api/private-scoped", Some(&opaque(live, API, "write:messages"))).status, 403);
    assert_eq!(services.get("/api/private-scoped", Some(&live.token())).status, 200, "a JWT next to it");
    assert_bad_token(&services.get("/api/private", Some("made-up")), "inactive");
    let other = opaque(live, "https://other.test", "read:messages");
    assert_bad_token(&services.get("/api/private", Some(&other)), "wrong_audience");
    // The provider issues it without a resource, so without an audience.
    let request = TokenRequest { audience: None, ..TokenRequest::scoped("read:messages") };
    assert_bad_token(&services.get("/api/private", Some(&live.provider.token(&request))), "missing_claim");
}

pub(crate) fn revoked_opaque_token_is_refused(live: &Live) {
    let gate = Gate::new(builder(live).build().unwrap());
    let (token, kept) = (opaque(live, API, "read:messages"), opaque(live, API, "read:messages"));
    let form = [("token", token.as_str()), ("client_id", "service"), ("client_secret", "a secret for tests")];
    let answer = http::post_form(&live.provider.endpoint("revocation_endpoint"), &form).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    block_on(async {
        assert_eq!(gate.verify(&token).await.unwrap_err().reason().unwrap().as_str(), "inactive");
        assert!(gate.verify(&kept).await.is_ok());
    });
}

pub(crate) fn signed_answers_are_verified(live: &Live) {
    let keys = || RemoteKeys::discover(live.provider.issuer()).unwrap();
    let token = opaque(live, API, "read:messages write:messages");
    let client = ClientAuthentication::client_secret_basic(CLIENT.0, "another secret");
    let stranger = IntrospectionVerifier::builder(live.provider.issuer(), API, client).signed_answers(keys());
    block_on(async {
        let gate = Gate::new(builder(live).signed_answers(keys()).build().unwrap());
        let caller = gate.verify(&token).await.unwrap();
        assert_eq!((caller.client_id().as_deref(), caller.evidence()), (Some("service"), Evidence::Introspection));
        assert_eq!(caller.scopes(), ["read:messages", "write:messages"]);
        assert_eq!(gate.verify("made-up").await.unwrap_err().reason().unwrap().as_str(), "inactive");
        // The credentials are at fault, not the token.
        let refused = Gate::new(stranger.build().unwrap()).verify(&token).await.unwrap_err();
        assert_eq!(refused.status(), 503);
    });
}

pub(crate) fn signed_answer_is_no_access_token(live: &Live) {
    let token = opaque(live, API, "read:messages");
    let answer = block_on(async {
        let request = reqwest::Client::new().post(live.provider.endpoint("introspection_endpoint"));
        let request = request.header("accept", "application/token-introspection+jwt");
        let request = request.header("authorization", "Basic YXBpOnRoZStzZWNyZXQlM0Erb2YrdGhlK0FQSQ==");
        let request =
            request.header("content-type", "application/x-www-form-urlencoded").body(format!("token={token}"));
        request.send().await.unwrap().text().await.unwrap()
    });
    assert_eq!(answer.split('.').count(), 3, "{answer}");
    let verifier = |audience: Audience| {
        let keys = RemoteKeys::discover(live.provider.issuer()).unwrap();
        JwtVerifier::builder(live.provider.issuer(), audience, keys).build().unwrap()
    };
    block_on(async {
        // Even for a service that takes the client's identifier for its audience.
        for audience in [API, CLIENT.0] {
            let refused = Gate::new(verifier(Audience::any_of([audience]))).verify(&answer).await.unwrap_err();
            assert_eq!(refused.reason().unwrap().as_str(), "wrong_type");
        }
    });
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

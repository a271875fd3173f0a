//! The gates that refuse.

use std::fmt;
use std::time::Duration;

use portcullis::error::Unavailable;
use portcullis::jose::Algorithm;
use portcullis::keys::RemoteKeys;
use portcullis::verifier::{ByIssuer, IssuerDirectory, OpenIssuers};
use portcullis::{Audience, ConfigError, Gate, JwtVerifier, TokenSource, async_trait};
use portcullis_auth0::Auth0;
use portcullis_azure::Azure;
use portcullis_clerk::Clerk;
use portcullis_oidc::Google;
use portcullis_testing::TestIssuer;
use tokio::runtime::Runtime;

use crate::tokens::encode;

const CLIENT: &str = "7c1f6b2e-0d3a-4c55-9f0e-3a1b5c7d9e11";
const CLERK: &str = "https://clerk.example.com";

/// A gate, and the issuers that its tokens may name.
pub(crate) type Named = (&'static str, Gate, Vec<String>);

pub(crate) fn all(issuer: &TestIssuer, runtime: &Runtime) -> Vec<Named> {
    let keys = || issuer.keys();
    let tenant = |number: usize| format!("8eaef023-2b34-4da1-9baa-{number:012}");
    let of_tenant =
        |number: usize| Azure::single_tenant(tenant(number), CLIENT).keys(keys()).verifier().expect("complete");
    let azure_issuer = |number: usize| format!("https://login.microsoftonline.com/{}/v2.0", tenant(number));
    let clerk =
        || Clerk::from_frontend_api("clerk.example.com").keys(keys()).authorized_parties(["https://app.example.com"]);
    let generic = |number: usize| {
        let url = format!("https://issuer-{number}.example");
        JwtVerifier::builder(url, Audience::any_of(["api"]), keys())
            .algorithms([Algorithm::Rs256])
            .build()
            .expect("complete")
    };
    let mixed = |of_each: usize| {
        let all = (0..of_each).flat_map(|number| {
            let clerk = Clerk::from_frontend_api(format!("clerk-{number}.example.com")).keys(keys());
            let auth0 = Auth0::new(format!("tenant-{number}.eu.auth0.com"), "https://api.example.com").keys(keys());
            [
                of_tenant(number),
                clerk.verifier().expect("complete"),
                auth0.verifier().expect("complete"),
                generic(number),
            ]
        });
        Gate::new(ByIssuer::new(all).expect("complete"))
    };
    let server = issuer.clone().serve();
    let remote = RemoteKeys::builder().cooldown(Duration::from_secs(3_600), 5);
    let remote = remote.at(&server.jwks_url()).expect("a URL");
    let remote_gate =
        Gate::new(JwtVerifier::builder(server.url(), Audience::any_of(["api"]), remote).build().expect("complete"));
    // The keys are cached, and further fetches are not allowed at the moment.
    runtime.block_on(async {
        remote_gate.warm_up().await.expect("the server is up");
        for number in 0..50 {
            let header = format!(r#"{{"alg":"RS256","kid":"made-up-{number}"}}"#);
            let _ = remote_gate.verify(&format!("{}.{}.AAAA", encode(&header), encode("{}"))).await;
        }
    });
    std::mem::forget(server);
    let accepted = "https://issuer-0.example";
    let open =
        OpenIssuers::new(Directory(accepted, issuer.clone()), 1_000, Duration::from_secs(300)).expect("complete");
    let auth0 = Auth0::new("tenant.eu.auth0.com", "https://api.example.com").keys(keys());
    let google = Google::id_tokens("1234987819200.apps.googleusercontent.com").keys(keys());
    vec![
        ("JwtVerifier", Gate::new(generic(0)), vec!["https://issuer-0.example".to_owned()]),
        ("JwtVerifier, remote keys", remote_gate, vec!["https://issuer-0.example".to_owned()]),
        ("Azure", Gate::new(of_tenant(0)), vec![azure_issuer(0)]),
        ("Auth0", Gate::new(auth0.verifier().expect("complete")), vec!["https://tenant.eu.auth0.com/".to_owned()]),
        ("Google", Gate::new(google.verifier().expect("complete")), vec!["https://accounts.google.com".to_owned()]),
        (
            "Clerk, cookies",
            Gate::new(clerk().verifier().expect("complete"))
                .with_token_sources([TokenSource::authorization(), clerk().session_cookies()]),
            vec![CLERK.to_owned()],
        ),
        (
            "JwtVerifier, other fields",
            Gate::new(generic(0)).with_token_sources([
                TokenSource::header_with_scheme("x-forwarded-authorization"),
                TokenSource::header("x-token"),
                TokenSource::websocket_protocol(),
                TokenSource::cookies(["a", "session", "__session_1", "__session_2", "__session"], |_| 0),
            ]),
            vec!["https://issuer-0.example".to_owned()],
        ),
        ("OpenIssuers", Gate::new(open), vec!["https://issuer-0.example".to_owned()]),
        ("ByIssuer, 1 Azure", Gate::new(ByIssuer::new([of_tenant(0)]).expect("complete")), vec![azure_issuer(0)]),
        (
            "ByIssuer, 20 Azure",
            Gate::new(ByIssuer::new((0..20).map(of_tenant)).expect("complete")),
            vec![azure_issuer(0), azure_issuer(19)],
        ),
        ("ByIssuer, 20 mixed", mixed(5), vec!["https://issuer-4.example".to_owned(), azure_issuer(0)]),
    ]
}

/// A directory of one issuer.
struct Directory(&'static str, TestIssuer);

#[async_trait]
impl IssuerDirectory for Directory {
    type Entry = ();

    async fn find(&self, unverified_issuer: &str) -> Result<Option<()>, Unavailable> {
        Ok((unverified_issuer == self.0).then_some(()))
    }

    fn verifier(&self, issuer: &str, (): &()) -> Result<JwtVerifier, ConfigError> {
        JwtVerifier::builder(issuer, Audience::any_of(["api"]), self.1.keys()).algorithms([Algorithm::Rs256]).build()
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Directory").field(&self.0).finish_non_exhaustive()
    }
}

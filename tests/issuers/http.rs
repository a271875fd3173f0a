//! Two issuers over HTTP, on both frameworks, with extractors and with guards.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};
use portcullis::Gate;
use portcullis::verifier::ByIssuer;
use portcullis_testing::TestIssuer;
use reqwest::Client;

use crate::running::Running;
use crate::{served, two};

/// A gate for each of two issuers, and one gate for both. Each has a route with an extractor and one with a guard.
#[derive(Clone)]
struct Gates {
    a: Gate,
    b: Gate,
    both: Gate,
}

impl Gates {
    fn of(a: &TestIssuer, b: &TestIssuer) -> Self {
        Self { a: a.gate(), b: b.gate(), both: crate::gate_of([a, b]) }
    }

    fn parts(self) -> [(&'static str, Gate); 3] {
        [("a", self.a), ("b", self.b), ("both", self.both)]
    }

    /// A server of each framework.
    fn serve(&self) -> [Running; 2] {
        let gates = self.clone();
        [Running::axum(axum_app(self.clone())), Running::actix(move |app| actix_app(gates.clone(), app))]
    }
}

fn axum_app(gates: Gates) -> axum::Router {
    use axum::routing::get;
    use portcullis_axum::{Auth, AuthLayer};

    async fn issuer(auth: Auth) -> String {
        auth.issuer().unwrap_or_default().to_owned()
    }

    gates.parts().into_iter().fold(axum::Router::new(), |app, (name, gate)| {
        let extracted = axum::Router::new().route("/", get(issuer)).with_state(gate.clone());
        let guarded = axum::Router::new().route("/", get(|| async { "behind" })).layer(AuthLayer::new(gate));
        app.nest(&format!("/extracted-{name}"), extracted).nest(&format!("/guarded-{name}"), guarded)
    })
}

fn actix_app(gates: Gates, app: &mut ServiceConfig) {
    use portcullis_actix::{Auth, AuthMiddleware};

    async fn issuer(auth: Auth) -> String {
        auth.issuer().unwrap_or_default().to_owned()
    }

    for (name, gate) in gates.parts() {
        let extracted = web::resource(format!("/extracted-{name}")).app_data(gate.clone()).route(web::get().to(issuer));
        let guarded = web::resource(format!("/guarded-{name}")).wrap(AuthMiddleware::new(gate));
        app.service(extracted).service(guarded.route(web::get().to(|| async { "behind" })));
    }
}

async fn ask(client: &Client, server: SocketAddr, part: &str, token: &str) -> (u16, String) {
    let response = client.get(format!("http://{server}/{part}")).bearer_auth(token).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn issuers_with_one_kid_do_not_pass_for_each_other() {
    let (a, b) = two();
    let client = Client::new();
    for server in Gates::of(&a, &b).serve() {
        let ask = |part: String, token: String| {
            let (client, address) = (client.clone(), server.address());
            async move { ask(&client, address, &part, &token).await }
        };
        for (own, others, issuer, other) in [("a", "b", &a, &b), ("b", "a", &b, &a)] {
            let good = issuer.token().sign();
            for part in [own, "both"] {
                let extracted = ask(format!("extracted-{part}"), good.clone()).await;
                assert_eq!(extracted, (200, issuer.url().to_owned()));
                assert_eq!(ask(format!("guarded-{part}"), good.clone()).await, (200, "behind".to_owned()));
            }
            // Tokens in the name of one issuer, signed with the key of the other under the same kid.
            let posing = issuer.token().issuer(other.url()).sign();
            let secretly = other.token().forged_with(Arc::clone(issuer.first_key())).sign();
            for kind in ["extracted", "guarded"] {
                for (part, token) in [
                    (others, &good),
                    (others, &posing),
                    (others, &secretly),
                    (own, &posing),
                    ("both", &posing),
                    ("both", &secretly),
                ] {
                    let (status, body) = ask(format!("{kind}-{part}"), token.clone()).await;
                    let reason = if part == own { "wrong_issuer" } else { "bad_signature" };
                    assert_eq!(status, 401, "{kind}-{part}: {body}");
                    assert!(body.contains(&format!(r#""reason":"{reason}""#)), "{kind}-{part}: {body}");
                }
            }
        }
    }
}

#[tokio::test]
async fn unknown_issuers_open_no_connection_through_a_framework() {
    let (known, verifier) = served();
    let stranger = TestIssuer::new().serve();
    let gate = Gate::new(ByIssuer::new([verifier]).unwrap());
    let gates = Gates { a: gate.clone(), b: gate.clone(), both: gate };
    let client = Client::new();
    for server in gates.serve() {
        for number in 0..1_000 {
            // Each token names an address that would answer.
            let token = stranger.issuer().token().issuer(&format!("{}{number}", stranger.url())).sign();
            let part = if number % 2 == 0 { "extracted-both" } else { "guarded-both" };
            let (status, body) = ask(&client, server.address(), part, &token).await;
            assert!(status == 401 && body.contains("wrong_issuer"), "{status} {body}");
        }
        assert_eq!((known.connections(), stranger.connections()), (0, 0));
    }
    // The known issuer is asked for its keys.
    for server in gates.serve() {
        let token = known.issuer().token().sign();
        assert_eq!(ask(&client, server.address(), "guarded-both", &token).await.0, 200);
    }
    assert_ne!(known.connections(), 0);
    assert_eq!(stranger.connections(), 0);
}

//! Without a network: what the extractor and the layer add to the router's own cost.

use std::hint::black_box;
use std::sync::Arc;

use actix_web::dev::Service as _;
use actix_web::test::{self, TestRequest};
use axum::body::Body;
use axum::http::Request;
use portcullis::adapter::Credential;
use portcullis::{Gate, JwtVerifier, Verifier as _};
use portcullis_bench_driver::{BareCheck, token_of};
use portcullis_testing::TestIssuer;
use tower::ServiceExt as _;

use crate::turns::{medians, now};
use crate::{actix_app, axum_app};

/// What a service may add above its framework and the verification, in bare RS256 checks.
const ADDED: f64 = 0.025;
/// What a request with a cached token may cost above its framework in total, in bare RS256 checks.
const CACHED: f64 = 0.05;

pub(crate) fn run(quick: bool) {
    let rounds = if quick { 300 } else { 3_000 };
    let bench = Bench::new();
    println!("in process, in bare RS256 checks of the same run");
    println!("{:<22}{:>11}{:>11}{:>17}{:>17}", "", "framework", "verify", "added", "cached, total");
    bench.print("axum", bench.axum(rounds));
    bench.print("actix", bench.actix(rounds));
}

struct Bench {
    token: String,
    bearer: String,
    check: BareCheck,
    verifier: Arc<JwtVerifier>,
    plain: Gate,
    caching: Gate,
}

/// Nanoseconds of: a bare check, a request to `/open` with a verification after it, and requests to the routes in [`PATHS`].
type Costs = [f64; 7];

const PATHS: [&str; 5] = ["/open", "/auth", "/cached", "/auth-layer", "/cached-layer"];

impl Bench {
    fn new() -> Self {
        let issuer = TestIssuer::new();
        let token = token_of(&issuer);
        let verifier = Arc::new(issuer.verifier().build().unwrap());
        Self {
            check: BareCheck::new(&issuer, &token),
            bearer: format!("Bearer {token}"),
            token,
            plain: Gate::new(Arc::clone(&verifier)),
            caching: Gate::new(issuer.verifier().cache_tokens(1_000).build().unwrap()),
            verifier,
        }
    }

    fn axum(&self, rounds: usize) -> Costs {
        let app = axum_app::routes(&self.plain, &self.caching);
        self.measure(rounds, |path| {
            let request = Request::get(path).header("authorization", &self.bearer).body(Body::empty()).unwrap();
            let response = now(app.clone().oneshot(black_box(request))).unwrap();
            assert!(response.status().is_success(), "{path}: {}", response.status());
        })
    }

    fn actix(&self, rounds: usize) -> Costs {
        let system = actix_web::rt::System::new();
        let app = actix_web::App::new().configure(|config| actix_app::routes(config, &self.plain, &self.caching));
        let app = system.block_on(test::init_service(app));
        self.measure(rounds, |path| {
            let request =
                TestRequest::with_uri(path).insert_header(("authorization", self.bearer.as_str())).to_request();
            let response = now(app.call(black_box(request))).unwrap();
            assert!(response.status().is_success(), "{path}: {}", response.status());
        })
    }

    fn measure(&self, rounds: usize, request: impl Fn(&str)) -> Costs {
        let bare = || self.check.run();
        // In one turn, because code of the framework runs slower after a signature check, which takes its place in the caches.
        let with_verification = || {
            request("/open");
            assert!(now(self.verifier.verify(&Credential::bearer(black_box(&self.token)))).is_ok());
        };
        let [open, auth, cached, auth_layer, cached_layer] = PATHS.map(|path| (path, &request));
        let requests = [open, auth, cached, auth_layer, cached_layer].map(|(path, request)| move || request(path));
        let [open, auth, cached, auth_layer, cached_layer] = &requests;
        medians(rounds, [&bare, &with_verification, open, auth, cached, auth_layer, cached_layer])
    }

    fn print(&self, framework: &str, costs: Costs) {
        let [bare, with_verification, open, auth, cached, auth_layer, cached_layer] = costs;
        for (guard, plain, cached) in [("extractor", auth, cached), ("layer", auth_layer, cached_layer)] {
            let (added, total) = ((plain - with_verification) / bare, (cached - open) / bare);
            println!(
                "{:<22}{:>11.3}{:>11.3}{added:>9.3} of {ADDED}{total:>10.3} of {CACHED}",
                format!("{framework}, {guard}"),
                open / bare,
                (with_verification - open) / bare,
            );
        }
    }
}

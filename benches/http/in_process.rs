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
use portcullis_bench_report::{Table, Turns, now, number};
use portcullis_testing::TestIssuer;
use tower::ServiceExt as _;

use crate::server::Kind;
use crate::{actix_app, axum_app};

pub(crate) const ROUNDS: usize = 3_000;
/// What a service should add at most above its framework and the verification, in bare RS256 checks.
const ADDED: f64 = 0.025;
/// What a request with a cached token should cost at most above its framework in total, in bare RS256 checks.
const CACHED: f64 = 0.05;

/// The contenders, in their order. Those of the layers follow those of the extractors.
const BARE: usize = 0;
const OPEN: usize = 1;
const OPEN_AND_VERIFIED: usize = 2;
const AUTH: usize = 3;
const CACHED_TOKEN: usize = 4;
const OF_ONE_GUARD: usize = 4;

pub(crate) fn run(rounds: usize) -> Table {
    let bench = Bench::new();
    let columns = [("framework", "us"), ("verification", "ratio"), ("added", "part"), ("cached", "part")];
    let mut table = Table::new("in process", columns);
    bench.add(&mut table, ["Axum, extractor", "Axum, layer"], &bench.axum(rounds));
    bench.add(&mut table, ["Actix, extractor", "Actix, middleware"], &bench.actix(rounds));
    table
}

struct Bench {
    token: String,
    bearer: String,
    check: BareCheck,
    verifier: Arc<JwtVerifier>,
    gates: [Gate; 2],
}

/// The path of each route.
const PATH: &str = "/orders";

impl Bench {
    fn new() -> Self {
        let issuer = TestIssuer::new();
        let token = token_of(&issuer);
        let verifier = Arc::new(issuer.verifier().build().unwrap());
        Self {
            check: BareCheck::new(&issuer, &token),
            bearer: format!("Bearer {token}"),
            token,
            gates: [
                Gate::new(Arc::clone(&verifier)),
                Gate::new(issuer.verifier().cache_tokens(1_000).build().unwrap()),
            ],
            verifier,
        }
    }

    fn axum(&self, rounds: usize) -> Turns<9> {
        // `axum::serve` does the same for each connection. Without it, the layers would be made anew for each request.
        let app = |kind| axum_app::route(kind, PATH, &self.gates).with_state(());
        self.measure(rounds, app, |app| {
            let request = Request::get(PATH).header("authorization", &self.bearer).body(Body::empty()).unwrap();
            let response = now(app.clone().oneshot(black_box(request))).unwrap();
            assert!(response.status().is_success(), "{}", response.status());
        })
    }

    fn actix(&self, rounds: usize) -> Turns<9> {
        let system = actix_web::rt::System::new();
        let app = |kind| {
            let app = actix_web::App::new().configure(|config| actix_app::route(kind, PATH, &self.gates, config));
            system.block_on(test::init_service(app))
        };
        self.measure(rounds, app, |app| {
            let request =
                TestRequest::with_uri(PATH).insert_header(("authorization", self.bearer.as_str())).to_request();
            let response = now(app.call(black_box(request))).unwrap();
            assert!(response.status().is_success(), "{}", response.status());
        })
    }

    /// `app` makes the application with one route, so that all routes are found equally fast.
    fn measure<A>(&self, rounds: usize, app: impl Fn(Kind) -> A, request: impl Fn(&A)) -> Turns<9> {
        let [open, auth, cached] = [Kind::OpenExtractor, Kind::Auth, Kind::Cached].map(&app);
        let [open_layer, auth_layer, cached_layer] = [Kind::OpenLayer, Kind::AuthLayer, Kind::CachedLayer].map(&app);
        // In one turn, because code of the framework runs slower after a signature check, which takes its place in the caches.
        let and_verified = |app: &A| {
            request(app);
            let credential = Credential::bearer(black_box(&self.token));
            assert!(now(self.verifier.begin(&credential).finish()).is_ok());
        };
        Turns::run(
            rounds,
            [
                &|| self.check.run(),
                &|| request(&open),
                &|| and_verified(&open),
                &|| request(&auth),
                &|| request(&cached),
                &|| request(&open_layer),
                &|| and_verified(&open_layer),
                &|| request(&auth_layer),
                &|| request(&cached_layer),
            ],
        )
    }

    fn add(&self, table: &mut Table, guards: [&str; 2], turns: &Turns<9>) {
        for (guard, name) in guards.into_iter().enumerate() {
            let at = |contender: usize| contender + guard * OF_ONE_GUARD;
            table.row(
                name,
                [
                    number(turns.median(at(OPEN)) / 1e3),
                    number(turns.part(at(OPEN_AND_VERIFIED), at(OPEN), BARE)),
                    number(turns.part(at(AUTH), at(OPEN_AND_VERIFIED), BARE)).at_most(ADDED),
                    number(turns.part(at(CACHED_TOKEN), at(OPEN), BARE)).at_most(CACHED),
                ],
            );
        }
    }
}

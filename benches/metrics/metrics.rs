//! Measures what the feature `metrics` costs when a recorder is installed, as a part of a verification with RS256.
//!
//! It is less than the noise of a signature check. So both gates verify a token of the token cache, and the difference is
//! divided by a verification of the same run. All contenders take turns in one run, so that other load on the machine affects
//! them equally. The run fails when the limit is broken.
//!
//! `cargo bench -p portcullis-bench-metrics`

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench may fail by panicking"
)]

use std::hint::black_box;
use std::process::ExitCode;

use metrics_exporter_prometheus::PrometheusBuilder;
use portcullis::adapter::{Credential, HeaderList};
use portcullis::jose::Algorithm;
use portcullis::metrics::DURATION_BUCKETS;
use portcullis::{Gate, Policy, Verifier as _};
use portcullis_bench_report::{Cell, Report, Table, Turns, now, number};
use portcullis_testing::TestIssuer;

/// The largest part of a verification with RS256 that counting a decision may cost.
const LIMIT: f64 = 0.01;

fn main() -> ExitCode {
    let mut report = Report::start("metrics");
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256]);
    let token = issuer
        .token()
        .subject("auth0|65a1f0c2e4b0c8a1d2f3e4b5")
        .scope("openid profile email read:messages write:messages")
        .claim("client_id", "kq3sY8mYtS1mN0oPqRsTuVwXyZ012345")
        .sign();
    let verifier = issuer.verifier().build().unwrap();
    let cached = issuer.verifier().cache_tokens(1_000).build().unwrap();
    // Each gate keeps the handles of one recorder.
    let [silent, counted] = [0; 2].map(|_| Gate::new(issuer.verifier().cache_tokens(1_000).build().unwrap()));
    let request = HeaderList::new("GET", [("authorization", format!("Bearer {token}"))]);
    let policy = Policy::authenticated();
    // As `docs/metrics.md` recommends.
    let recorder = PrometheusBuilder::new().with_recommended_naming(true).set_buckets(&DURATION_BUCKETS).unwrap();
    let recorder = recorder.build_recorder();

    let rs256 = || assert!(now(verifier.verify(&Credential::bearer(black_box(&token)))).is_ok());
    let alone = || assert!(now(cached.verify(&Credential::bearer(black_box(&token)))).is_ok());
    let admit = |gate: &Gate| assert!(now(gate.admit(black_box(&request), &policy)).is_ok());
    let with_recorder = || metrics::with_local_recorder(&recorder, || admit(&counted));
    let contenders: [&dyn Fn(); 4] = [&rs256, &alone, &|| admit(&silent), &with_recorder];
    let turns = Turns::run(report.rounds(2_000), contenders);
    let text = recorder.handle().render();
    assert!(text.contains("portcullis_verification_total{outcome=\"accepted\""), "{text}");

    let columns = [("decision", "ns"), ("over the verifier", "part"), ("recorder", "part")];
    let mut table = Table::new("bearer token in the cache", columns);
    let [alone, silent, counted] = [1, 2, 3];
    let over = |admit| number(turns.part(admit, alone, 0));
    table.row("without a recorder", [number(turns.median(silent)), over(silent), Cell::Text(String::new())]);
    let part = number(turns.part(counted, silent, 0)).must_be_at_most(LIMIT);
    table.row("with a recorder", [number(turns.median(counted)), over(counted), part]);
    report.add(table);
    report.finish()
}

//! Tests of what Microsoft documents about its tokens, keys and issuers. `tests/PROVIDERS.md` lists them by fact.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests fail as tests do"
)]

mod b2c;
mod configuration;
mod external_id;
mod keys;
mod tenants;
mod tokens;

use portcullis::{Gate, Reason};
use portcullis_azure::Azure;
use portcullis_testing::TestIssuer;

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const OTHER: &str = "82229342-1101-4ab6-817b-70c0747630f3";
const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
const API: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";

/// A gate for `azure` with the keys of `issuer`.
fn gate(azure: &Azure, issuer: &TestIssuer) -> Gate {
    Gate::new(azure.clone().keys(issuer.keys()).verifier().unwrap())
}

async fn admits(gate: &Gate, token: &str) -> bool {
    gate.verify(token).await.is_ok()
}

async fn reason(gate: &Gate, token: &str) -> Option<Reason> {
    gate.verify(token).await.err().and_then(|error| error.reason())
}

fn v1(tenant: &str) -> String {
    format!("https://sts.windows.net/{tenant}/")
}

fn v2(tenant: &str) -> String {
    format!("https://login.microsoftonline.com/{tenant}/v2.0")
}

//! Compares with oauth4webapi, <https://github.com/panva/oauth4webapi>, which judges DPoP proofs as a resource server.
//!
//! `dpop.mjs` makes good proofs with the package `dpop`, <https://github.com/panva/dpop>, and changes them. We judge the same
//! requests.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use portcullis::adapter::HeaderList;
use portcullis::keys::FixedKeys;
use portcullis::possession::Dpop;
use portcullis::{AuthError, Gate, JwtVerifier, Policy};
use serde::Deserialize;
use serde_json::Value;

use crate::compare::{Tally, our_verdict};
use crate::deviations::Deviation;
use crate::node;

/// The longest window of ours, which is that of oauth4webapi.
const WINDOW: Duration = Duration::from_secs(300);

/// The settings of the resource server: the first line of the program's output.
#[derive(Debug, Deserialize)]
struct Settings {
    issuer: String,
    audience: String,
    method: String,
    path: String,
    jwks: Value,
}

/// A request, and what oauth4webapi says of it.
#[derive(Debug, Deserialize)]
struct Row {
    alg: String,
    name: String,
    fields: Vec<(String, String)>,
    accepted: bool,
    #[serde(default)]
    why: String,
}

pub(crate) fn agrees() {
    let mut program = node::program("dpop.mjs").stdout(Stdio::piped()).spawn().expect("node starts");
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap);
    let settings: Settings = serde_json::from_str(&lines.next().expect("settings")).unwrap();
    let gate = settings.gate();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

    let mut tally = Tally::default();
    let mut only_by_us = BTreeSet::new();
    for line in lines {
        let row: Row = serde_json::from_str(&line).unwrap();
        let request = HeaderList::new(&*settings.method, row.fields).with_original_path(&*settings.path);
        let ours = match runtime.block_on(gate.admit(&request, &Policy::authenticated())).map_err(AuthError::from) {
            Err(AuthError::InvalidDpopProof(error)) => error.as_str().to_owned(),
            verdict => our_verdict(verdict),
        };
        if !row.accepted && ours == "accepted" {
            only_by_us.insert(row.name.clone());
        }
        let case = format!("{}: {}", row.alg, row.name);
        tally.count(Deviation { case, accepted: row.accepted, ours }, &row.why);
    }
    assert!(program.wait().unwrap().success(), "dpop.mjs failed");
    tally.check("DPoP", 700);
    // The standards allow these, and oauth4webapi does not support them.
    assert_eq!(only_by_us, BTreeSet::from(EQUIVALENT.map(str::to_owned)));
}

/// Good requests in a form that oauth4webapi does not read.
const EQUIVALENT: [&str; 2] = ["htu with an encoded letter", "token with jkt and kid"];

impl Settings {
    /// Our side of the comparison.
    fn gate(&self) -> Gate {
        let keys = FixedKeys::jwks(&self.jwks.to_string()).unwrap();
        let verifier = JwtVerifier::builder(&*self.issuer, &*self.audience, keys).build().unwrap();
        let gate = Gate::new(verifier).with_public_url(&self.audience).unwrap();
        gate.with_dpop(Dpop::required().with_window(WINDOW)).unwrap()
    }
}

//! Runs `portcullis verify` as a process, with several issuers in one configuration file.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod support;

use portcullis::Verifier as _;
use portcullis::config::IssuersConfig;
use portcullis::jose::Algorithm;
use portcullis_testing::{Endpoint, Fault, TestIssuer};
use serde_json::{Value, json};

use support::{Folder, Outcome, verify, verify_with_input};

/// Two issuers, each with its own audience and keys. All keys have the same `kid`.
struct Setup {
    folder: Folder,
    staff: TestIssuer,
    customers: TestIssuer,
    members: Value,
}

impl Setup {
    fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let issuer = |name: &str| {
            let issuer = TestIssuer::from_algorithms([Algorithm::Es256]).with_url(format!("https://{name}.test/"));
            issuer.with_audience(format!("https://{name}-api.test"))
        };
        let (staff, customers) = (issuer("staff"), issuer("customers"));
        assert_eq!(staff.first_key().id(), customers.first_key().id());
        let entry = |issuer: &TestIssuer, file: &str| {
            let keys = folder.file(file, issuer.jwks());
            json!({"issuer": issuer.url(), "audience": issuer.audience(), "jwks_file": keys})
        };
        let members = json!({"issuers": [entry(&staff, "staff.json"), entry(&customers, "customers.json")]});
        Self { folder, staff, customers, members }
    }

    fn file(&self) -> String {
        self.folder.file("issuers.json", self.members.to_string())
    }

    fn verify(&self, more: &[&str]) -> Outcome {
        verify(["--config", &self.file()].into_iter().chain(more.iter().copied()))
    }
}

#[test]
fn token_is_checked_by_its_issuers_entry() {
    let setup = Setup::new("several");
    let (staff, customers) = (&setup.staff, &setup.customers);
    for issuer in [staff, customers] {
        assert_eq!(setup.verify(&[&issuer.token().sign()]).accepts()["claims"]["iss"], issuer.url());
        assert_eq!(setup.verify(&[&issuer.token().expired().sign()]).rejects(), "expired");
    }
    for (named, signer) in [(staff, customers), (customers, staff)] {
        // The token names one issuer, but has the audience or the signature of the other.
        let audience = named.token().audience(signer.audience()).sign();
        assert_eq!(setup.verify(&[&audience]).rejects(), "wrong_audience");
        let foreign = signer.token().issuer(named.url()).audience(named.audience()).sign();
        assert_eq!(setup.verify(&[&foreign]).rejects(), "bad_signature");
    }
    let stranger = staff.token().issuer("https://stranger.test/").sign();
    assert_eq!(setup.verify(&[&stranger]).rejects(), "wrong_issuer");
    assert_eq!(setup.verify(&[&staff.token().without("iss").sign()]).rejects(), "missing_claim");
    assert_eq!(setup.verify(&["garbage"]).rejects(), "not_compact_jws");

    let input = format!("{}\n{stranger}\n{}\n", staff.token().sign(), customers.token().sign());
    let outcome = verify_with_input(["--config", &setup.file(), "-"], input.as_bytes());
    let verdicts: Vec<_> = outcome.verdicts().into_iter().map(|verdict| verdict["verdict"].clone()).collect();
    assert_eq!((outcome.status, verdicts), (1, vec![json!("accept"), json!("reject"), json!("accept")]));
}

#[test]
fn command_and_library_agree() {
    let setup = Setup::new("several-library");
    let toml = {
        let entries = setup.members["issuers"].as_array().unwrap().iter().map(|entry| {
            let member = |name: &str| format!("{name} = '{}'\n", entry[name].as_str().unwrap());
            format!("[[issuers]]\n{}{}{}", member("issuer"), member("audience"), member("jwks_file"))
        });
        setup.folder.file("issuers.toml", entries.collect::<String>())
    };
    let config: IssuersConfig = serde_json::from_value(setup.members.clone()).unwrap();
    let verifier = config.verifier().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let forgeries = setup.customers.forgeries();
    let input: String = forgeries.iter().map(|forgery| forgery.token.clone() + "\n").collect();
    for file in [&setup.file(), &toml] {
        let outcome = verify_with_input(["--config", file, "-"], input.as_bytes());
        let verdicts = outcome.verdicts();
        assert_eq!((outcome.status, verdicts.len()), (1, forgeries.len()), "{}", outcome.stderr);
        for (forgery, verdict) in forgeries.iter().zip(verdicts) {
            let refused = runtime.block_on(verifier.verify(&portcullis::adapter::Credential::bearer(&forgery.token)));
            let reason = refused.unwrap_err().reason().unwrap();
            assert_eq!(verdict["reason"], reason.as_str(), "{}", forgery.name);
        }
    }
}

#[test]
fn a_list_of_one_issuer_works() {
    let mut setup = Setup::new("list-of-one");
    setup.members["issuers"].as_array_mut().unwrap().pop();
    setup.verify(&[&setup.staff.token().sign()]).accepts();
    assert_eq!(setup.verify(&[&setup.customers.token().sign()]).rejects(), "wrong_issuer");
}

#[test]
fn general_flags_apply_to_all_issuers() {
    let mut setup = Setup::new("several-flags");
    setup.members["issuers"][1]["leeway_seconds"] = 0.into();
    setup.members["issuers"][1]["typ"] = json!(["JWT"]);
    let now = 1_700_000_000;
    let token = |issuer: &TestIssuer| issuer.token().issued_at(now).claim("exp", now + 60).sign();
    let (of_staff, of_customers) = (token(&setup.staff), token(&setup.customers));
    let late = ["--at", "1700000063"];
    setup.verify(&[&late[..], &[&of_staff]].concat()).accepts();
    assert_eq!(setup.verify(&[&late[..], &["--typ", "at+jwt", &of_customers]].concat()).rejects(), "expired");
    for token in [&of_staff, &of_customers] {
        setup.verify(&["--at", "1700000100", "--leeway", "60", "--typ", "at+jwt", "--alg", "ES256", token]).accepts();
        let required = setup.verify(&["--at", "1700000001", "--typ", "at+jwt", "--require", "org", token]);
        assert_eq!(required.rejects(), "missing_claim");
    }
    assert!(setup.verify(&["--leeway", "601", &of_staff]).fails().starts_with("error: --leeway: "));
    assert!(setup.verify(&["--alg", "RS256", &of_staff]).fails().starts_with("error: --alg: "));
}

#[test]
fn issuer_audience_and_key_flags_are_refused() {
    let setup = Setup::new("several-refused");
    let (keys, token) = (setup.folder.file("keys.json", setup.staff.jwks()), setup.staff.token().sign());
    for flags in [
        &["--issuer", "https://staff.test/"][..],
        &["--any-issuer"],
        &["--audience", "https://staff-api.test"],
        &["--any-audience"],
        &["--oidc-issuer", "https://staff.test/"],
        &["--auth0-domain", "staff.test"],
        &["--authok-domain", "staff.test"],
        &["--azure-tenant", "common", "--azure-client-id", "535fb089-9ff3-47b6-9bfb-4f1264799865"],
        &["--clerk-frontend-api", "clerk.staff.test"],
        &["--jwks", &keys],
        &["--jwks-url", "https://staff.test/keys"],
        &["--public-key", &keys],
        &["--secret", &keys],
        &["--jws"],
    ] {
        let outcome = setup.verify(&[flags, &[&token]].concat());
        let message = outcome.fails();
        assert!(message.starts_with(&format!("error: {}: {} lists issuers", flags[0], setup.file())), "{message}");
    }
}

#[test]
fn list_error_names_entry_and_member() {
    let setup = Setup::new("several-bad");
    let token = setup.staff.token().sign();
    let with = |change: fn(&mut Value)| {
        let mut members = setup.members.clone();
        change(&mut members);
        let file = setup.folder.file("bad.json", members.to_string());
        let outcome = verify(["--config", &file, &token]);
        outcome.fails().replace(&file, "FILE")
    };
    for (change, expected) in [
        (
            (|m| drop(m["issuers"][1].as_object_mut().unwrap().remove("audience"))) as fn(&mut Value),
            "issuers[1].audience",
        ),
        (|m| m["issuers"][1]["audience"] = json!([]), "issuers[1].audience"),
        (|m| m["issuers"][1]["audience"] = json!(7), "issuers[1].audience"),
        (|m| m["issuers"][1]["audiences"] = json!("a"), "issuers[1].audiences"),
        (|m| m["issuers"][1]["issuer"] = m["issuers"][0]["issuer"].clone(), "issuers[1].issuer"),
        (|m| m["issuers"][0]["leeway_seconds"] = json!(601), "issuers[0].leeway_seconds"),
        (|m| m["issuers"][0]["jwks_file"] = json!("/nonexistent"), "issuers[0].jwks_file"),
        (|m| m["issuers"][0]["jwks_url"] = json!("https://staff.test/keys"), "issuers[0].jwks_file"),
        (|m| m["issuers"][1] = json!([]), "issuers[1]"),
        (|m| m["issuers"] = json!([]), "issuers"),
        (|m| m["issuers"] = json!("https://staff.test/"), "issuers"),
        (|m| m["audience"] = json!("a"), "audience"),
    ] {
        let message = with(change);
        assert!(message.starts_with(&format!("error: {expected} in FILE: ")), "{expected}: {message}");
    }
}

#[test]
fn outage_of_one_issuer_spares_the_other() {
    let folder = Folder::new("several-outage");
    let (up, down) = (TestIssuer::new().serve(), TestIssuer::new().serve());
    let entry = |url: String| json!({"issuer": url, "audience": "https://api.test"});
    let file = folder.file("c.json", json!({"issuers": [entry(down.url()), entry(up.url())]}).to_string());
    down.misbehave_at(Endpoint::Jwks, Fault::status(503));
    verify(["--config", &file, &up.issuer().token().sign()]).accepts();
    let outcome = verify(["--config", &file, &down.issuer().token().sign()]);
    let message = outcome.fails();
    assert!(message.starts_with(&format!("error: issuers in {file}: no keys, so no verdict: status 503")), "{message}");
    assert!(message.contains(&format!("(the key set at {})", down.jwks_url())), "{message}");
}

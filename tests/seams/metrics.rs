//! What is counted, under which labels, as an exporter to Prometheus sees it.

use std::time::Duration;

use metrics::LocalRecorderGuard;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use portcullis::adapter::{Decision, Guard, HeaderList, Refused};
use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::claims::{NoClaims, NumericDate};
use portcullis::error::{CustomRefusal, InvalidToken, ProofError, Unavailable};
use portcullis::introspection::{ClientAuthentication, IntrospectionVerifier};
use portcullis::jose::Algorithm;
use portcullis::keys::{FixedKeys, RemoteKeys};
use portcullis::metrics::DURATION_BUCKETS;
use portcullis::possession::{Dpop, MemoryReplayStore};
use portcullis::session::{CheckedVerifier, SessionCheck, SessionError};
use portcullis::tickets::Tickets;
use portcullis::verifier::ByIssuer;
use portcullis::{AuthError, Gate, Issuer, JwtVerifier, Policy, Verified, async_trait, scopes};
use portcullis_sessions::api_keys::ApiKeys;
use portcullis_sessions::{AuthFacts, DenyList, MemoryStore, Sessions, SuccessorKeys};
use portcullis_testing::{DpopKey, Endpoint, Fault, TestIssuer};

const CONTRACT: &str = include_str!("../../crates/portcullis/docs/metrics.md");

/// The recorder of one test, which runs on one thread.
struct Counted(PrometheusHandle);

impl Counted {
    /// Makes the recorder that of this thread, for the rest of the test.
    fn start() -> (Self, LocalRecorderGuard<'static>) {
        let recorder: &'static PrometheusRecorder = Box::leak(Box::new(recorder()));
        (Self(recorder.handle()), metrics::set_default_local_recorder(recorder))
    }

    /// The lines of the metric, without what all of them begin with.
    fn of(&self, name: &str) -> Vec<String> {
        let text = self.0.render();
        let lines = text.lines().filter_map(|line| line.strip_prefix(name)).filter(|rest| rest.starts_with(['{', ' ']));
        let mut lines: Vec<_> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// The sum of the values of the metric.
    fn sum(&self, name: &str) -> f64 {
        self.of(name).iter().map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }
}

fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new().with_recommended_naming(true).set_buckets(&DURATION_BUCKETS).unwrap().build_recorder()
}

const VERIFICATION: &str = "portcullis_verification_total";
const LATER: &str = "portcullis_authorization_refusal_total";

fn issuer() -> TestIssuer {
    TestIssuer::from_algorithms([Algorithm::Es256])
}

fn bearer(token: &str) -> HeaderList {
    HeaderList::new("GET", [("authorization", format!("Bearer {token}"))])
}

fn verification(outcome: &str, reason: &str, scheme: &str, issuer: &str, count: u32) -> String {
    format!(r#"{{outcome="{outcome}",reason="{reason}",scheme="{scheme}",issuer="{issuer}"}} {count}"#)
}

#[tokio::test]
async fn each_request_is_counted_once() {
    let (counted, _guard) = Counted::start();
    let (issuer, everyone) = (issuer(), Policy::authenticated());
    let gate = issuer.gate();
    let good = bearer(&issuer.token().scope("read").sign());
    let guard = Guard::new(gate.clone());
    for _ in 0..2 {
        let decision = guard.admit(&good, None).await.unwrap();
        let Decision::Pass(Some(admission)) = decision else { panic!("{decision:?}") };
        // The extractors behind the guard.
        assert!(gate.extract::<NoClaims>(&good, Some(&admission), &scopes("read")).await.is_ok());
        assert!(guard.admit(&good, Some(&admission)).await.is_ok());
        assert!(gate.extract::<NoClaims>(&good, Some(&admission), &scopes("write")).await.is_err());
    }
    let caller = gate.admit(&good, &everyone).await.unwrap();
    assert!(gate.authorize(&caller, &scopes("write")).is_err());
    assert!(gate.extract_optional::<NoClaims>(&HeaderList::default(), None, &everyone).await.unwrap().is_none());
    assert!(gate.admit_optional(&HeaderList::default(), &everyone).await.unwrap().is_none());
    assert!(gate.admit(&HeaderList::default(), &everyone).await.is_err());
    assert!(gate.extract::<NoClaims>(&good, None, &scopes("write")).await.is_err());
    assert!(gate.verify(&issuer.token().expired().sign()).await.is_err());
    // Answering a refusal that the gate noted counts nothing.
    let denied = gate.admit(&bearer("a b"), &everyone).await.unwrap_err();
    assert_eq!(gate.refuse(&denied).status, 400);
    let of = issuer.url();
    assert_eq!(
        counted.of(VERIFICATION),
        [
            verification("accepted", "none", "bearer", of, 3),
            verification("anonymous", "none", "none", "none", 2),
            verification("refused", "expired", "bearer", "none", 1),
            verification("refused", "insufficient_scope", "bearer", of, 1),
            verification("refused", "invalid_request", "bearer", "none", 1),
            verification("refused", "missing_token", "none", "none", 1),
        ]
    );
    assert_eq!(counted.of(LATER), [r#"{reason="insufficient_scope"} 3"#]);
    // One duration for each credential that was verified.
    assert_eq!(counted.sum("portcullis_verification_duration_seconds_count"), 5.0);
}

#[tokio::test]
async fn every_forgery_is_counted_with_its_reason() {
    let (counted, _guard) = Counted::start();
    let issuer = issuer();
    let gate = issuer.gate();
    let forgeries = issuer.forgeries();
    for forgery in &forgeries {
        assert!(gate.verify(&forgery.token).await.is_err());
    }
    for forgery in &forgeries {
        let lines = counted.of(VERIFICATION);
        let reason = format!(r#"reason="{}""#, forgery.reason);
        assert!(lines.iter().any(|line| line.contains(&reason)), "{reason} in {lines:?}");
    }
    assert_eq!(counted.sum(VERIFICATION), f64::from(u32::try_from(forgeries.len()).unwrap()));
    // Nothing of a forged token is a label.
    assert!(counted.of(VERIFICATION).iter().all(|line| line.contains(r#"issuer="none""#)));
}

#[tokio::test]
async fn issuer_is_a_configured_one() {
    let (counted, _guard) = Counted::start();
    let [one, two] = ["https://one.example", "https://two.example"].map(|url| issuer().with_url(url));
    let gate = Gate::new(ByIssuer::new([&one, &two].map(|issuer| issuer.verifier().build().unwrap())).unwrap());
    assert!(gate.verify(&one.token().sign()).await.is_ok());
    assert!(gate.verify(&two.token().sign()).await.is_ok());
    assert!(gate.verify(&one.token().issuer("https://evil.example").sign()).await.is_err());
    // The signature of another issuer.
    assert!(gate.verify(&one.token().issuer(two.url()).sign()).await.is_err());
    assert_eq!(
        counted.of(VERIFICATION),
        [
            verification("accepted", "none", "bearer", one.url(), 1),
            verification("accepted", "none", "bearer", two.url(), 1),
            verification("refused", "bad_signature", "bearer", "none", 1),
            verification("refused", "wrong_issuer", "bearer", "none", 1),
        ]
    );

    struct Every;
    impl ClaimCheck for Every {
        fn check(&self, _: &TokenView<'_>) -> Result<(), InvalidToken> {
            Ok(())
        }
    }
    let (counted, _guard) = Counted::start();
    let by_rule = Gate::new(one.verifier().issuer(Issuer::by_rule(Every)).build().unwrap());
    for number in 0..3 {
        let token = one.token().issuer(&format!("https://tenant-{number}.example")).sign();
        assert!(by_rule.verify(&token).await.is_ok());
    }
    assert_eq!(counted.of(VERIFICATION), [verification("accepted", "none", "bearer", "other", 3)]);
}

#[tokio::test]
async fn refused_ticket_counts_for_the_issuer_of_its_caller() {
    let (counted, _guard) = Counted::start();
    let (issuer, everyone) = (issuer(), Policy::authenticated());
    let (tickets, short) = (Tickets::default(), Tickets::new(Duration::from_secs(1), 1, 1).unwrap());
    let gate = issuer.gate();
    let caller = gate.verify(&issuer.token().sign()).await.unwrap();
    let is_let_in = async |tickets: &Tickets, ticket: &str, policy: &Policy| {
        let request = HeaderList::new("GET", [("host", "a.test")]).with_query(format!("ticket={ticket}"));
        let streams = gate.clone().with_tickets(tickets);
        streams.admit(&request, policy).await.map_err(|denied| streams.refuse(&denied)).is_ok()
    };
    let new = |tickets: &Tickets| gate.issue_ticket(tickets, &caller).unwrap();
    let (good, unscoped, late) = (new(&tickets), new(&tickets), new(&short));
    assert!(is_let_in(&tickets, &good, &everyone).await);
    assert!(!is_let_in(&tickets, &good, &everyone).await, "it is used up, and nothing is known about it");
    assert!(!is_let_in(&tickets, &unscoped, &scopes("admin")).await);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(!is_let_in(&short, &late, &everyone).await);
    let refused: Vec<_> = counted.of(VERIFICATION).into_iter().filter(|line| line.contains("refused")).collect();
    assert_eq!(
        refused,
        [
            verification("refused", "inactive", "none", issuer.url(), 1),
            verification("refused", "inactive", "none", "none", 1),
            verification("refused", "insufficient_scope", "none", issuer.url(), 1),
        ]
    );
}

#[tokio::test]
async fn recorder_may_be_installed_after_the_gate_was_used() {
    let issuer = issuer();
    let gate = Gate::new(issuer.verifier().cache_tokens(10).build().unwrap());
    let token = issuer.token().sign();
    assert!(gate.verify(&token).await.is_ok());
    for _ in 0..2 {
        let (counted, _guard) = Counted::start();
        assert!(gate.verify(&token).await.is_ok());
        assert!(gate.verify(&issuer.token().scope("other").sign()).await.is_ok());
        assert_eq!(counted.of(VERIFICATION), [verification("accepted", "none", "bearer", issuer.url(), 2)]);
        assert_eq!(counted.sum("portcullis_token_cache_total"), 2.0);
        assert!(counted.of("portcullis_token_cache_total").contains(&r#"{outcome="hit"} 1"#.to_owned()));
    }
}

#[tokio::test]
async fn errors_of_the_service_are_counted() {
    #[derive(Debug)]
    struct Panics;
    #[async_trait]
    impl portcullis::Verifier for Panics {
        async fn verify(&self, credential: &portcullis::adapter::Credential<'_>) -> Result<Verified, AuthError> {
            match credential.unverified_token() {
                "custom" => Err(CustomRefusal::new(418, "made-by-a-client", "…").into()),
                "limited" => Err(Unavailable::new().limited().into()),
                "outage" => Err(Unavailable::new().into()),
                _ => panic!("an error in the verifier"),
            }
        }
    }
    let (counted, _guard) = Counted::start();
    let gate = Gate::new(Panics);
    for token in ["custom", "limited", "outage", "panic"] {
        assert!(gate.verify(token).await.is_err());
    }
    assert_eq!(portcullis::Refusal::misconfigured("no gate").status, 500);
    assert_eq!(
        counted.of(VERIFICATION),
        [
            verification("error", "server_error", "none", "none", 2),
            verification("refused", "custom", "bearer", "none", 1),
            verification("unavailable", "limited", "bearer", "none", 1),
            verification("unavailable", "temporarily_unavailable", "bearer", "none", 1),
        ]
    );
    // An observer that panics changes the decision, and the last one counts.
    let (counted, _guard) = Counted::start();
    let issuer = issuer();
    let gate = issuer.gate().with_observer(|_| panic!("an error in the observer"));
    assert!(gate.verify(&issuer.token().sign()).await.is_err());
    assert!(gate.verify("e30.e30.AAAA").await.is_err());
    assert_eq!(counted.sum(VERIFICATION), 2.0);
    assert!(
        counted.of(VERIFICATION).iter().all(|line| line.contains("server_error")),
        "{:?}",
        counted.of(VERIFICATION)
    );
    // A writer of refusals sees a decision that was counted.
    let gate = issuer.gate().with_refusals(|_: &Refused<'_>, _| panic!("an error in the writer"));
    assert_eq!(
        gate.extract::<NoClaims>(&HeaderList::default(), None, &Policy::authenticated()).await.err().unwrap().status,
        500
    );
    assert!(counted.of(VERIFICATION).contains(&verification("refused", "missing_token", "none", "none", 1)));
}

#[tokio::test]
async fn proofs_and_their_store_are_counted() {
    let (counted, _guard) = Counted::start();
    let (issuer, key) = (issuer(), DpopKey::new());
    let dpop = Dpop::required().with_replay_store(MemoryReplayStore::new(2, 2).unwrap());
    let gate = issuer.gate().with_public_url("https://api.test").unwrap().with_dpop(dpop).unwrap();
    let token = issuer.token().bound_to(&key).sign();
    let request = |proof: String| {
        let fields = [("authorization", format!("DPoP {token}")), ("dpop", proof)];
        HeaderList::new("GET", fields).with_original_path("/orders")
    };
    let fresh = || request(key.proof("GET", "https://api.test/orders", &token).sign());
    let (first, everyone) = (fresh(), Policy::authenticated());
    for request in [&first, &first, &fresh(), &fresh()] {
        let _ = gate.admit(request, &everyone).await;
    }
    let of = issuer.url();
    assert_eq!(
        counted.of(VERIFICATION),
        [
            verification("accepted", "none", "dpop", of, 2),
            verification("refused", "proof_replayed", "dpop", of, 1),
            verification("unavailable", "limited", "dpop", of, 1),
        ]
    );
    assert_eq!(
        counted.of("portcullis_replay_store_insert_total"),
        [r#"{outcome="full"} 1"#, r#"{outcome="new"} 2"#, r#"{outcome="replayed"} 1"#]
    );
    assert_eq!(counted.of("portcullis_replay_store_entries"), [" 2"]);
    assert_eq!(counted.of("portcullis_replay_store_capacity"), [" 2"]);
    // Each of the 18 errors of proofs has its own label, which the damaged proofs of the test kit show.
    let damaged = key.damaged_proofs("GET", "https://api.test/orders", &token);
    for damaged in damaged {
        let _ = gate.admit(&request(damaged.proof), &everyone).await;
    }
    let twice = [("authorization", format!("DPoP {token}")), ("dpop", "a".to_owned()), ("dpop", "b".to_owned())];
    for fields in [&twice[..1], &twice] {
        let request = HeaderList::new("GET", fields.iter().cloned()).with_original_path("/orders");
        assert!(gate.admit(&request, &everyone).await.is_err());
    }
    let lines = counted.of(VERIFICATION).join("\n");
    for error in ProofError::ALL {
        assert!(lines.contains(error.as_str()), "{error} in {lines}");
    }
}

#[tokio::test]
async fn session_checks_are_counted() {
    #[derive(Debug)]
    struct BySubject;
    #[async_trait]
    impl SessionCheck for BySubject {
        async fn check(&self, caller: &Verified) -> Result<(), SessionError> {
            match caller.subject() {
                Some("revoked") => Err(SessionError::Revoked),
                Some("unknown") => Err(SessionError::UserNotFound),
                Some("unverified") => Err(SessionError::UserUnverified),
                Some("outage") => Err(Unavailable::new().into()),
                Some("panic") => panic!("an error in the check"),
                _ => Ok(()),
            }
        }
    }
    let (counted, _guard) = Counted::start();
    let issuer = issuer();
    let of_gate = issuer.gate().with_check(BySubject);
    let of_verifier = Gate::new(CheckedVerifier::new(issuer.verifier().build().unwrap(), BySubject));
    for gate in [of_gate, of_verifier] {
        for subject in ["alice", "revoked", "unknown", "unverified", "outage", "panic"] {
            assert_eq!(gate.verify(&issuer.token().subject(subject).sign()).await.is_ok(), subject == "alice");
        }
    }
    let outcomes = ["error", "passed", "revoked", "unavailable", "user_not_found", "user_unverified"];
    let expected: Vec<_> = outcomes.iter().map(|outcome| format!(r#"{{outcome="{outcome}"}} 2"#)).collect();
    assert_eq!(counted.of("portcullis_session_check_total"), expected);
}

#[tokio::test]
async fn fetches_and_held_keys_are_counted() {
    let (counted, _guard) = Counted::start();
    let server = issuer().serve();
    let host = server.address().to_string();
    let issuer = server.issuer();
    let keys = RemoteKeys::discover(issuer.url()).unwrap();
    let gate = Gate::new(JwtVerifier::builder(issuer.url(), issuer.audience(), keys.clone()).build().unwrap());
    server.misbehave_at(Endpoint::Metadata, Fault::status(500));
    assert_eq!(gate.verify(&issuer.token().sign()).await.unwrap_err().status(), 503);
    assert_eq!(counted.of("portcullis_keys_held"), [format!(r#"{{host="{host}"}} 0"#)]);
    assert!(counted.of("portcullis_keys_age_seconds").is_empty());
    server.behave();
    gate.warm_up_within(Duration::from_secs(20)).await.unwrap();
    assert!(gate.verify(&issuer.token().sign()).await.is_ok());
    let fetches = counted.of("portcullis_keys_fetch_total");
    assert!(fetches.contains(&format!(r#"{{outcome="ok",document="key_set",host="{host}"}} 1"#)), "{fetches:?}");
    assert!(fetches[1].starts_with(r#"{outcome="status",document="metadata""#), "{fetches:?}");
    assert_eq!(counted.sum("portcullis_keys_fetch_duration_seconds_count"), counted.sum("portcullis_keys_fetch_total"));
    assert_eq!(counted.of("portcullis_keys_held"), [format!(r#"{{host="{host}"}} 1"#)]);
    let age = counted.sum("portcullis_keys_age_seconds");
    assert!((0.0..20.0).contains(&age), "{age}");
    // A recorder that comes later has the gauges within a second.
    let (late, _guard) = Counted::start();
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert!(gate.verify(&issuer.token().sign()).await.is_ok());
    assert_eq!(late.of("portcullis_keys_held"), [format!(r#"{{host="{host}"}} 1"#)]);
    assert!(late.sum("portcullis_keys_age_seconds") >= 1.0);
}

#[tokio::test]
async fn answers_about_opaque_tokens_are_counted() {
    let (counted, _guard) = Counted::start();
    let server = issuer().serve();
    server.set_introspection_client("api", "secret");
    let issuer = server.issuer();
    let client = ClientAuthentication::client_secret_basic("api", "secret");
    let verifier = IntrospectionVerifier::builder(issuer.url(), issuer.audience(), client)
        .endpoint(server.introspection_url())
        .build()
        .unwrap();
    let gate = Gate::new(verifier);
    let (good, broken) = (server.opaque_token(&issuer.token()), server.opaque_token_answering("[]"));
    for token in [&good, &good, &"made-up".to_owned(), &"made-up".to_owned(), &broken] {
        let _ = gate.verify(token).await;
    }
    let expected = [
        r#"{outcome="active",cached="false"} 1"#,
        r#"{outcome="active",cached="true"} 1"#,
        r#"{outcome="inactive",cached="false"} 1"#,
        r#"{outcome="inactive",cached="true"} 1"#,
        r#"{outcome="unavailable",cached="false"} 1"#,
    ];
    assert_eq!(counted.of("portcullis_introspection_total"), expected);
    assert_eq!(
        counted.of("portcullis_introspection_duration_seconds_count"),
        [r#"{outcome="answered"} 2"#, r#"{outcome="failed"} 1"#]
    );
}

#[tokio::test]
async fn sessions_and_api_keys_are_counted() {
    let (counted, _guard) = Counted::start();
    let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate().unwrap()).build().unwrap();
    let login = sessions.start("alice", AuthFacts::at(NumericDate::from_unix(1_700_000_000, 0))).await.unwrap();
    let first = sessions.refresh(login.refresh_token.as_str()).await.unwrap();
    sessions.refresh(login.refresh_token.as_str()).await.unwrap();
    sessions.log_out(first.refresh_token.as_str()).await.unwrap();
    assert!(sessions.refresh(first.refresh_token.as_str()).await.is_err());
    assert!(sessions.refresh("made-up").await.is_err());
    let expected =
        ["ended", "rotated", "unknown", "within_grace"].map(|outcome| format!(r#"{{outcome="{outcome}"}} 1"#));
    assert_eq!(counted.of("portcullis_session_refresh_total"), expected);

    let keys = ApiKeys::builder(MemoryStore::new()).build().unwrap();
    let made = keys.create("robot", "", ["read"], None).await.unwrap();
    let gate = Gate::new(keys.clone());
    assert!(gate.verify(made.secret.as_str()).await.is_ok());
    assert!(gate.verify("pk_nonsense").await.is_err());
    let expected = ["accepted", "malformed"].map(|outcome| format!(r#"{{outcome="{outcome}"}} 1"#));
    assert_eq!(counted.of("portcullis_api_key_total"), expected);
    assert!(counted.of(VERIFICATION).contains(&verification("accepted", "none", "bearer", "none", 1)));

    let list = DenyList::new(MemoryStore::new(), Duration::from_secs(86_400)).unwrap();
    let issuer = issuer();
    let gate = issuer.gate().with_check(list.check().max_age(Duration::ZERO).unwrap());
    let token = |id: &str| issuer.token().subject("bob").claim("jti", id).sign();
    let far = NumericDate::from_unix(4_000_000_000, 0);
    list.deny_token(issuer.url(), "denied", far).await.unwrap();
    assert!(gate.verify(&token("good")).await.is_ok());
    assert!(gate.verify(&token("denied")).await.is_err());
    assert!(gate.verify(&issuer.token().without("iat").sign()).await.is_err());
    let expected = ["denied", "not_deniable", "passed"].map(|outcome| format!(r#"{{outcome="{outcome}"}} 1"#));
    assert_eq!(counted.of("portcullis_deny_list_total"), expected);
}

/// A metric as the contract describes it.
pub(crate) struct Contract {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) labels: Vec<String>,
    /// The name in Prometheus.
    pub(crate) exported: String,
    pub(crate) description: String,
}

/// The rows of both tables.
pub(crate) fn contract() -> Vec<Contract> {
    let rows = CONTRACT.lines().filter(|line| line.starts_with("| `portcullis.") && line.matches('|').count() == 7);
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').skip(1).map(|cell| cell.trim().replace('`', "")).collect();
        let labels = cells[3].split_whitespace().map(str::to_owned).collect();
        let [name, kind, exported, description] = [0, 1, 4, 5].map(|cell| cells[cell].clone());
        Contract { name, kind, labels, exported, description }
    })
    .collect()
}

impl Contract {
    /// The names of the time series.
    pub(crate) fn series(&self) -> Vec<String> {
        let parts = ["_bucket", "_sum", "_count"];
        let parts = if self.kind == "histogram" { &parts[..] } else { &[""] };
        parts.iter().map(|part| format!("{}{part}", self.exported)).collect()
    }

    /// The values of a label; empty if they are from the configuration.
    pub(crate) fn values_of(&self, label: &str) -> Vec<String> {
        let start = format!("| `{label}` |");
        let mut rows = CONTRACT.lines().filter_map(|line| line.strip_prefix(&start)?.split_once('|'));
        let values = rows.find(|(of, _)| of.split_whitespace().any(|name| name.trim_matches('`') == self.name));
        let Some((_, values)) = values.filter(|(_, values)| !values.contains("configured")) else { return Vec::new() };
        values.trim_matches([' ', '|']).split_whitespace().map(|value| value.replace('`', "")).collect()
    }
}

#[tokio::test]
async fn exported_names_and_descriptions_are_those_of_the_contract() {
    let (counted, _guard) = Counted::start();
    portcullis::metrics::describe();
    portcullis_sessions::metrics::describe();
    // The exporter shows the description of a metric that has a value.
    for Contract { name, kind, labels, exported, description } in contract() {
        match kind.as_str() {
            "counter" => metrics::counter!(name).increment(1),
            "gauge" => metrics::gauge!(name).set(1.0),
            _ => metrics::histogram!(name).record(0.1),
        }
        let text = counted.0.render();
        let lines = [format!("# HELP {exported} {description}"), format!("# TYPE {exported} {kind}")];
        assert!(lines.iter().all(|line| text.lines().any(|shown| shown == line)), "{lines:?} in\n{text}");
        assert!(labels.iter().all(|label| label.bytes().all(|byte| byte.is_ascii_lowercase())), "{labels:?}");
    }
    assert_eq!(contract().len(), 17);
}

#[test]
fn keys_of_a_file_count_nothing() {
    // A key set that is not fetched has neither a host nor an age.
    let (counted, _guard) = Counted::start();
    let keys = FixedKeys::secret(&[7; 32]).unwrap();
    assert!(portcullis::KeyProvider::status(&keys).ready);
    assert!(counted.of("portcullis_keys_held").is_empty());
}

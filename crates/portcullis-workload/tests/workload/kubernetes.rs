use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use portcullis::{Reason, Verifier as _};
use portcullis_testing::TestIssuer;
use portcullis_workload::{Kubernetes, KubernetesClaims};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::{API, TestGate, lookup};

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

fn preset() -> (TestIssuer, Kubernetes) {
    let cluster = TestIssuer::kubernetes(ISSUER, API);
    let preset = Kubernetes::new(ISSUER, API).keys(cluster.keys());
    (cluster, preset)
}

fn gate(preset: &Kubernetes) -> TestGate {
    TestGate::new(preset.verifier().unwrap())
}

#[tokio::test]
async fn service_accounts_and_namespaces_are_chosen() {
    let (cluster, preset) = preset();
    let account = gate(&preset.clone().service_account("shop", "web"));
    let claims = account.admits(&cluster.token()).await.claims::<KubernetesClaims>().unwrap();
    assert_eq!((claims.namespace(), claims.service_account().name.as_str()), ("shop", "web"));
    assert_eq!(claims.node().map(|node| node.name.as_str()), Some("worker-1"));
    gate(&preset.clone().namespace("shop")).admits(&cluster.token()).await;
    gate(&preset.clone().any_service_account()).admits(&cluster.token()).await;
    for preset in [
        preset.clone().service_account("shop", "we"),
        preset.clone().service_account("shop", "web2"),
        preset.clone().service_account("sho", "web"),
        preset.clone().namespace("sho"),
        preset.clone().namespace("shop:web"),
    ] {
        assert_eq!(gate(&preset).refuses(&cluster.token()).await, Reason::WrongParty);
    }
}

#[tokio::test]
async fn subject_and_details_must_agree() {
    let (cluster, preset) = preset();
    let gate = gate(&preset.any_service_account());
    for details in [
        json!({"namespace": "kube-system", "serviceaccount": {"name": "web", "uid": "1"}}),
        json!({"namespace": "shop", "serviceaccount": {"name": "admin", "uid": "1"}}),
        json!({"namespace": "shop"}),
        json!({}),
        json!("shop"),
    ] {
        let token = cluster.token().claim("kubernetes.io", &details);
        assert_eq!(gate.refuses(&token).await, Reason::InvalidClaim, "{details}");
    }
    for subject in ["system:node:worker-1", "system:serviceaccount:shop", "shop:web", ""] {
        assert_eq!(gate.refuses(&cluster.token().subject(subject)).await, Reason::CheckFailed, "{subject}");
    }
}

#[tokio::test]
async fn legacy_tokens_are_refused() {
    let (cluster, preset) = preset();
    let gate = gate(&preset.any_service_account());
    assert_eq!(gate.refuses(&cluster.token().issuer("kubernetes/serviceaccount")).await, Reason::WrongIssuer);
    assert_eq!(gate.refuses(&cluster.token().without("aud")).await, Reason::MissingClaim);
    assert_eq!(gate.refuses(&cluster.token().without("exp")).await, Reason::MissingClaim);
    assert_eq!(gate.refuses(&cluster.token().without("kubernetes.io")).await, Reason::MissingClaim);
}

#[tokio::test]
async fn every_forgery_is_refused_for_its_reason() {
    let (cluster, preset) = preset();
    gate(&preset.any_service_account()).refuses_forgeries_except(&cluster, &[]).await;
}

/// An API server: it serves its keys only to a known token, and only as `application/jwk-set+json`.
async fn api_server(cluster: &TestIssuer, known: &Arc<Mutex<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/openid/v1/jwks", listener.local_addr().unwrap());
    let (body, known) = (cluster.jwks(), Arc::clone(known));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 8_192];
            let length = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            let field = |name: &str| {
                let mut lines = head.lines().filter_map(|line| line.split_once(": "));
                lines.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
            };
            let status = if field("authorization") != Some(format!("Bearer {}", known.lock().unwrap())) {
                "401 Unauthorized"
            } else if !field("accept").unwrap_or_default().contains("application/jwk-set+json") {
                "406 Not Acceptable"
            } else {
                "200 OK"
            };
            let body = if status == "200 OK" { body.as_str() } else { "" };
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/jwk-set+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        }
    });
    url
}

/// A file that is deleted at the end.
struct TokenFile(PathBuf);

impl TokenFile {
    fn new(test: &str, token: &str) -> Self {
        let path = std::env::temp_dir().join(format!("portcullis-workload-{test}-{}", std::process::id()));
        std::fs::write(&path, token).unwrap();
        Self(path)
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The kubelet replaces the pod's token before it expires.
#[tokio::test]
async fn rotated_pod_token_is_used_for_the_key_request() {
    let cluster = TestIssuer::kubernetes(ISSUER, API);
    let own = |audience: &str| cluster.token().audience([audience]).sign();
    let (first, second) = (own(ISSUER), own("https://kubernetes.default.svc"));
    let known = Arc::new(Mutex::new(first.clone()));
    let url = api_server(&cluster, &known).await;
    let file = TokenFile::new("rotated", &first);
    let preset = Kubernetes::in_cluster(API).namespace("shop").key_set(&url).token_file(&file.0);
    // No CA is needed for http on this machine.
    let ca = TokenFile::new("ca", include_str!("ca.pem"));
    let preset = preset.root_certificates_file(&ca.0);
    for (written, expected) in [(&first, true), (&second, false)] {
        std::fs::write(&file.0, written).unwrap();
        let verifier = preset.verifier().unwrap();
        assert_eq!(verifier.issuers(), [ISSUER]);
        assert_eq!(verifier.warm_up().await.is_ok(), expected);
    }
    // One verifier, whose file is replaced after the first fetch failed.
    *known.lock().unwrap() = second.clone();
    std::fs::write(&file.0, &first).unwrap();
    let verifier = preset.verifier().unwrap();
    assert!(verifier.warm_up().await.is_err());
    std::fs::write(&file.0, &second).unwrap();
    let mut tries = 0;
    while verifier.warm_up().await.is_err() {
        tries += 1;
        assert!(tries < 200, "{:?}", verifier.status());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    TestGate::new(verifier).admits(&cluster.token()).await;
}

#[test]
fn issuer_of_the_cluster_is_that_of_the_own_token() {
    let of = |token: &str| {
        let file = TokenFile::new("issuer", token);
        let preset = Kubernetes::in_cluster(API).namespace("shop").token_file(&file.0);
        preset.keys(TestIssuer::new().keys()).verifier().map(|verifier| verifier.issuers())
    };
    let token = |issuer: &str| TestIssuer::kubernetes(issuer, "api-server").token();
    assert_eq!(of(&format!("{}\n", token(ISSUER).sign())).unwrap(), [ISSUER]);
    for text in
        [String::new(), "x".to_owned(), token("kubernetes/serviceaccount").sign(), token(ISSUER).without("iss").sign()]
    {
        let error = of(&text).unwrap_err();
        assert_eq!(error.field(), "token_file", "{error}");
        assert!(!error.to_string().contains("eyJ"), "{error}");
    }
    let missing =
        Kubernetes::in_cluster(API).namespace("shop").token_file("/nonexistent/token").verifier().unwrap_err();
    assert_eq!(missing.field(), "token_file");
}

#[test]
fn audience_of_the_api_server_is_an_error() {
    let error = Kubernetes::new(ISSUER, ISSUER).namespace("shop").verifier().unwrap_err().to_string();
    assert!(error.starts_with("audience: the issuer is the audience of tokens for the API server; "), "{error}");
}

#[test]
fn preset_needs_to_know_who_may_call() {
    let error = Kubernetes::new(ISSUER, API).verifier().unwrap_err().to_string();
    assert!(error.starts_with("service_account: not set, and every pod of the cluster"), "{error}");
    let field = |preset: Kubernetes| preset.namespace("shop").verifier().unwrap_err().field().to_owned();
    assert_eq!(field(Kubernetes::new("kubernetes", API)), "issuer");
    assert_eq!(field(Kubernetes::new(ISSUER, API).key_set("http://keys.example")), "key_set");
    assert_eq!(field(Kubernetes::new(ISSUER, API).service_account("shop", "")), "service_account");
    assert_eq!(field(Kubernetes::new(ISSUER, API).token_file("/nonexistent")), "bearer_token_file");
    assert_eq!(field(Kubernetes::new(ISSUER, API).root_certificates_file("/nonexistent")), "root_certificates_file");
}

#[test]
fn variables_are_read() {
    let required = [("PORTCULLIS_KUBERNETES_AUDIENCE", API), ("PORTCULLIS_KUBERNETES_SERVICE_ACCOUNTS", "shop:web")];
    let read = |variables: &[(&str, &str)]| Kubernetes::from_variables(lookup(variables));
    let issuer = ("PORTCULLIS_KUBERNETES_ISSUER", ISSUER);
    assert!(read(&[required[0], required[1], issuer]).unwrap().verifier().is_ok());
    // Outside of a cluster, there is no token of a pod.
    assert_eq!(read(&required).unwrap().verifier().unwrap_err().field(), "token_file");
    assert_eq!(read(&[required[0], issuer]).unwrap_err().field(), "PORTCULLIS_KUBERNETES_SERVICE_ACCOUNTS");
    let wrong = [required[0], ("PORTCULLIS_KUBERNETES_SERVICE_ACCOUNTS", "web")];
    assert_eq!(read(&wrong).unwrap_err().field(), "PORTCULLIS_KUBERNETES_SERVICE_ACCOUNTS");
}

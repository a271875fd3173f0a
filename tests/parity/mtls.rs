//! Tokens that are bound to a client certificate, which a proxy writes into a header field. The client of these tests has the
//! address 127.0.0.1.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use portcullis::adapter::Guard;
use portcullis::possession::{ClientCertificates, TrustedProxies};
use portcullis::{ResourceMetadata, dangerous, scopes};
use portcullis_testing::{TestIssuer, TokenBuilder};
use serde_json::json;

use crate::answer::Answer;
use crate::gates::{Gates, Scope};
use crate::requests::{NONE, Row, alice, get, row, send};

/// Certificates, as far as a service can tell: only their hash counts. These have `+` and `/` in base64.
const CERTIFICATE: &[u8] = b"a certificate >>>???";
const OTHER: &[u8] = b"another certificate >>>???";

/// The proxies of a gate: this machine, an address that no request comes from, or every peer.
fn here() -> TrustedProxies {
    TrustedProxies::at(["127.0.0.1", "192.0.2.0/24"]).unwrap()
}

fn elsewhere() -> TrustedProxies {
    TrustedProxies::at(["192.0.2.0/24", "127.0.0.2", "::1"]).unwrap()
}

/// The scopes that these tables ask.
pub(crate) fn parts(issuer: &TestIssuer) -> Vec<Scope> {
    let with = |certificates| issuer.gate().with_client_certificates(certificates);
    let metadata = ResourceMetadata::new("https://api.test").unwrap();
    vec![
        Scope::open("/mtls", with(ClientCertificates::rfc9440(here()))),
        Scope::open("/mtls-envoy", with(ClientCertificates::envoy(here()))),
        Scope::open("/mtls-nginx", with(ClientCertificates::nginx("X-SSL-Cert", here()).unwrap())),
        Scope::open("/mtls-alb", with(ClientCertificates::aws_alb(here()))),
        Scope::open("/mtls-alb-chain", with(ClientCertificates::aws_alb_passthrough(here()))),
        Scope::open("/mtls-cloudflare", with(ClientCertificates::cloudflare_access(here()))),
        Scope::open("/mtls-elsewhere", with(ClientCertificates::rfc9440(elsewhere()))),
        Scope::open("/mtls-every-peer", with(ClientCertificates::rfc9440(dangerous::every_peer_is_a_proxy()))),
        Scope::open("/mtls-required", with(ClientCertificates::rfc9440(here()).required())),
        Scope::open("/mtls-tls", with(ClientCertificates::from_tls())),
        Scope::open("/mtls-metadata", issuer.gate().with_resource_metadata(metadata.clone())),
        Scope::open("/mtls-published", with(ClientCertificates::from_tls()).with_resource_metadata(metadata.clone())),
        Scope::open(
            "/mtls-published-first",
            issuer.gate().with_resource_metadata(metadata).with_client_certificates(ClientCertificates::from_tls()),
        ),
        Scope::guarded("/guarded-mtls", Guard::new(with(ClientCertificates::rfc9440(here())))),
        Scope::guarded(
            "/guarded-mtls-admin",
            Guard::new(with(ClientCertificates::rfc9440(here()))).require(scopes("admin")),
        ),
        Scope::guarded("/guarded-mtls-optional", Guard::new(with(ClientCertificates::rfc9440(here()))).optional()),
        Scope::guarded("/guarded-mtls-elsewhere", Guard::new(with(ClientCertificates::rfc9440(elsewhere())))),
    ]
}

pub(crate) fn let_in(gates: &Gates) -> Vec<Row> {
    let token = bound(gates).sign();
    let plain = alice(gates).sign();
    let ok = || Answer::ok("alice");
    let mut rows: Vec<Row> = forms(CERTIFICATE)
        .into_iter()
        .map(|(prefix, name, value)| row(name, ask(&format!("{prefix}/private"), &token, &[(name, value)]), ok()))
        .collect();
    let field = [("Client-Cert", sequence(CERTIFICATE))];
    for path in [
        "/mtls/greeting",
        "/mtls-every-peer/private",
        "/mtls-required/private",
        "/guarded-mtls/private",
        "/guarded-mtls-optional/private",
    ] {
        rows.push(row("bound", ask(path, &token, &field), ok()));
    }
    for path in [
        "/mtls/private",
        "/mtls/greeting",
        "/mtls-envoy/private",
        "/mtls-tls/private",
        "/mtls-elsewhere/private",
        "/guarded-mtls/private",
    ] {
        rows.push(row("not bound", ask(path, &plain, &[]), ok()));
        // The field is not read: a client without a bound token can write what it likes.
        rows.push(row("not bound, with a field", ask(path, &plain, &[("Client-Cert", "nonsense".to_owned())]), ok()));
    }
    let admin = bound(gates).scope("admin").sign();
    let more = alice(gates).claim("cnf", json!({"kid": "k"})).bound_to_certificate(CERTIFICATE).sign();
    let upper = [("CLIENT-CERT", sequence(CERTIFICATE))];
    rows.extend([
        row("scope", ask("/guarded-mtls-admin/private", &admin, &field), ok()),
        row("another member of cnf", ask("/mtls/private", &more, &field), ok()),
        row("name in upper case", ask("/mtls/private", &token, &upper), ok()),
        row("no token", get("/mtls/greeting", &field), Answer::ok("anonymous")),
    ]);
    rows
}

pub(crate) fn refused(gates: &Gates) -> Vec<Row> {
    let token = bound(gates).sign();
    let wrong = || Answer::invalid_token("wrong_certificate");
    let mut rows = Vec::new();
    for ((prefix, name, value), (_, _, other)) in forms(CERTIFICATE).into_iter().zip(forms(OTHER)) {
        let ask = |fields: &[(&str, String)]| ask(&format!("{prefix}/private"), &token, fields);
        let each = |told: &str, value: String| row(format!("{name}, {told}"), ask(&[(name, value)]), wrong());
        rows.extend([
            row(format!("{prefix}, no field"), ask(&[]), wrong()),
            row(format!("{name}, twice"), ask(&[(name, value.clone()), (name, value.clone())]), wrong()),
            row(format!("{name}, own in front"), ask(&[(name, value.clone()), (name, other.clone())]), wrong()),
            row(format!("{name}, own behind"), ask(&[(name, other.clone()), (name, value.clone())]), wrong()),
            each("another certificate", other.clone()),
            each("two in one field", format!("{value},{other}")),
            each("the same two in one field", format!("{value}, {value}")),
            each("empty", String::new()),
            each("quoted", format!("\"{value}\"")),
            each("not a certificate", "nonsense".to_owned()),
        ]);
        if prefix == "/mtls-envoy" {
            // Here both are an element with the same hash.
            let hash = hash(CERTIFICATE);
            rows.push(each("without a hash", value.replace("Hash=", "Digest=")));
            rows.push(each("hash cut off", format!("Hash={}", &hash[..63])));
            rows.push(each("second hash", format!("{value};Hash={hash}")));
            rows.push(each("another certificate than the hash", value.replace(&hash, &self::hash(OTHER))));
        } else {
            rows.push(each("cut off", value[..value.len() - 1].to_owned()));
            rows.push(each("with a parameter", format!("{value};a=1")));
        }
    }
    let field = [("Client-Cert", sequence(CERTIFICATE))];
    let in_another_field = [("X-Forwarded-Client-Cert", sequence(CERTIFICATE))];
    for path in ["/mtls-elsewhere/private", "/mtls-elsewhere/greeting", "/guarded-mtls-elsewhere/private"] {
        rows.push(row("a peer that is no proxy", ask(path, &token, &field), wrong()));
    }
    for path in ["/mtls/greeting", "/guarded-mtls/private", "/guarded-mtls-optional/open", "/guarded-mtls-admin/open"] {
        rows.push(row("no field", ask(path, &token, &[]), wrong()));
    }
    let forwarded = [("Client-Cert", sequence(CERTIFICATE)), ("X-Forwarded-For", "192.0.2.1".to_owned())];
    let expired = bound(gates).expired().sign();
    let escaped = value_of("/mtls-nginx", CERTIFICATE);
    rows.extend([
        row("another field", ask("/mtls/private", &token, &in_another_field), wrong()),
        row("forwarded by itself", ask("/mtls-elsewhere/private", &token, &forwarded), wrong()),
        // The certificate is judged after the token, and before the policy.
        row("expired", ask("/mtls/private", &expired, &[]), Answer::invalid_token("expired")),
        row("scope", ask("/mtls/scoped", &token, &[]), wrong()),
        row("scope, bound", ask("/mtls/scoped", &token, &field), scope_of_the_route()),
        row("HEAD", with_method("HEAD", &token, b""), wrong().without_body()),
        row("body", with_method("POST", &token, b"unread"), wrong()),
        row("PEM for RFC 9440", ask("/mtls/private", &token, &[("Client-Cert", escaped)]), wrong()),
        row("nothing", get("/mtls/private", &NONE), Answer::missing_token()),
        row("nothing but a field", get("/mtls/private", &field), Answer::missing_token()),
        row("scheme DPoP", dpop(&token), Answer::missing_token()),
    ]);
    rows
}

/// Tokens whose binding a gate cannot check, or that have none where one is required.
pub(crate) fn unproven(gates: &Gates) -> Vec<Row> {
    let field = [("Client-Cert", sequence(CERTIFICATE))];
    let constrained = || Answer::invalid_token("sender_constrained");
    let token = bound(gates).sign();
    let mut rows = vec![
        row("a gate without certificates", ask("/main/private", &token, &field), constrained()),
        row("required, not bound", ask("/mtls-required/private", &alice(gates).sign(), &field), constrained()),
        row("required, optional", ask("/mtls-required/greeting", &alice(gates).sign(), &field), constrained()),
    ];
    let thumbprint = bound(gates).claims()["cnf"]["x5t#S256"].clone();
    for confirmation in [
        json!({}),
        json!([thumbprint]),
        json!(thumbprint),
        json!({"x5t#S256": 7}),
        json!({"x5t#S256": null}),
        json!({"x5t#S256": [thumbprint]}),
        json!({"x5t": thumbprint}),
        json!({"jkt": thumbprint}),
        json!({"jkt": thumbprint, "x5t#S256": thumbprint}),
        json!({"kid": "k"}),
        json!({"jwk": {"kty": "OKP"}}),
    ] {
        let token = alice(gates).claim("cnf", &confirmation).sign();
        rows.push(row(format!("cnf = {confirmation}"), ask("/mtls/private", &token, &field), constrained()));
    }
    for (told, thumbprint) in [
        ("padded", format!("{}=", thumbprint.as_str().unwrap())),
        ("in hexadecimal digits", hash(CERTIFICATE)),
        ("empty", String::new()),
    ] {
        let token = alice(gates).claim("cnf", json!({"x5t#S256": thumbprint})).sign();
        let request = ask("/mtls/private", &token, &field);
        rows.push(row(format!("thumbprint {told}"), request, Answer::invalid_token("wrong_certificate")));
    }
    // No server of these tests uses TLS, so none tells the certificate of its connections.
    for path in ["/mtls-tls/private", "/mtls-tls/greeting"] {
        rows.push(row("a server that does not tell", ask(path, &token, &field), Answer::server_error()));
    }
    rows
}

/// The documents of RFC 9728.
pub(crate) fn metadata(gates: &Gates) -> Vec<Row> {
    let url = gates.issuer.url();
    let document = |more: &str| {
        Answer::document(&format!(
            r#"{{"resource":"https://api.test","authorization_servers":["{url}"],"bearer_methods_supported":["header"]{more}}}"#
        ))
    };
    let bound = || document(r#","tls_client_certificate_bound_access_tokens":true"#);
    vec![
        row("without certificates", get("/mtls-metadata/document", &NONE), document("")),
        row("with certificates", get("/mtls-published/document", &NONE), bound()),
        row("metadata first", get("/mtls-published-first/document", &NONE), bound()),
    ]
}

fn bound(gates: &Gates) -> TokenBuilder {
    alice(gates).bound_to_certificate(CERTIFICATE)
}

/// A request with a bearer token and these fields.
fn ask(path: &str, token: &str, fields: &[(&str, String)]) -> Vec<u8> {
    let authorization = ("Authorization", format!("Bearer {token}"));
    get(path, &[&[authorization], fields].concat())
}

fn with_method(method: &str, token: &str, body: &[u8]) -> Vec<u8> {
    send(method, "/mtls/private", &[("Authorization", format!("Bearer {token}"))], body)
}

fn dpop(token: &str) -> Vec<u8> {
    get("/mtls/private", &[("Authorization", format!("DPoP {token}")), ("Client-Cert", sequence(CERTIFICATE))])
}

fn scope_of_the_route() -> Answer {
    Answer::insufficient_scope("read:messages write:messages")
}

/// The value of the field that the gate under `prefix` reads.
fn value_of(prefix: &str, certificate: &[u8]) -> String {
    forms(certificate).into_iter().find(|(known, ..)| *known == prefix).unwrap().2
}

/// The prefix of each gate that reads a field, that field, and its value for a certificate.
fn forms(certificate: &[u8]) -> [(&'static str, &'static str, String); 6] {
    let pem = pem(certificate);
    let escaped = pem.replace(' ', "%20").replace('\n', "%0A");
    let all_escaped = escaped.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let chain = format!("{escaped}{}", self::pem(b"issuer").replace(' ', "%20").replace('\n', "%0A"));
    let subject = r#"Subject="CN=alice,O=\"a;b\"";URI=spiffe://api.test/alice"#;
    let element = format!("By=spiffe://api.test/api;Hash={};Cert=\"{all_escaped}\";{subject}", hash(certificate));
    [
        ("/mtls", "Client-Cert", sequence(certificate)),
        ("/mtls-envoy", "X-Forwarded-Client-Cert", element),
        ("/mtls-nginx", "X-SSL-Cert", all_escaped),
        ("/mtls-alb", "X-Amzn-Mtls-Clientcert-Leaf", escaped),
        ("/mtls-alb-chain", "X-Amzn-Mtls-Clientcert", chain),
        ("/mtls-cloudflare", "Cf-Client-Cert-Der-Base64", BASE64_STANDARD.encode(certificate)),
    ]
}

fn sequence(certificate: &[u8]) -> String {
    format!(":{}:", BASE64_STANDARD.encode(certificate))
}

fn pem(certificate: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64_STANDARD.encode(certificate))
}

fn hash(certificate: &[u8]) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

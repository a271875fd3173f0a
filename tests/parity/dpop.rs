//! The tables for proofs of possession by DPoP (RFC 9449). A proof serves one request, so requests that are let in are not in
//! a table.

use std::sync::OnceLock;

use portcullis::adapter::Guard;
use portcullis::possession::{Dpop, DpopNonces};
use portcullis::{Gate, scopes};
use portcullis_testing::{DpopKey, TestIssuer};

use crate::answer::Answer;
use crate::client::Connection;
use crate::gates::{Gates, Scope};
use crate::requests::{NONE, Row, alice, get, row, send};
use crate::servers;

const ALGORITHMS: &str = "ES256 ES384 ES512 EdDSA ML-DSA-44 ML-DSA-65 ML-DSA-87 PS256 PS384 PS512 RS256 RS384 RS512";
const BAD_PROOF: &str = r#", error="invalid_dpop_proof", error_description="The DPoP proof is invalid""#;
const BAD_PROOF_BODY: &str = r#"{"error":"invalid_dpop_proof","error_description":"The DPoP proof is invalid"}"#;
const UNPROVEN: &str = "The access token is bound to a key that this request does not prove";

/// A part of the servers with DPoP.
#[derive(Clone, Copy)]
struct Part {
    prefix: &'static str,
    is_required: bool,
}

const PARTS: [Part; 3] = [
    Part { prefix: "/dpop", is_required: false },
    Part { prefix: "/dpop-required", is_required: true },
    Part { prefix: "/guarded-dpop", is_required: true },
];

/// The challenge that has the error.
#[derive(Clone, Copy, PartialEq)]
enum On {
    Bearer,
    Dpop,
    None,
}

pub(crate) fn parts(issuer: &TestIssuer) -> [Scope; 5] {
    let gate =
        |dpop| issuer.gate().with_public_url("https://api.test").and_then(|gate: Gate| gate.with_dpop(dpop)).unwrap();
    let nonces = || Dpop::required().with_nonces(DpopNonces::generate().unwrap());
    [
        Scope::open("/dpop", gate(Dpop::accepted())),
        Scope::open("/dpop-required", gate(Dpop::required())),
        Scope::guarded("/guarded-dpop", Guard::new(gate(Dpop::required()))),
        Scope::open("/dpop-nonce", gate(nonces())),
        Scope::guarded("/guarded-dpop-nonce", Guard::new(gate(nonces())).require(scopes("pay"))),
    ]
}

fn key() -> &'static DpopKey {
    static KEY: OnceLock<DpopKey> = OnceLock::new();
    KEY.get_or_init(DpopKey::new)
}

fn uri(path: &str) -> String {
    format!("https://api.test{path}")
}

impl Part {
    fn path(self, route: &str) -> String {
        format!("{}/{route}", self.prefix)
    }

    /// The refusal with this body, and this error on one of the challenges.
    fn refused(self, status: u16, body: &str, on: On, error: &str) -> Answer {
        let error_on = |scheme: On| if scheme == on { error } else { "" };
        let answer = Answer::refused(status, None, body);
        let dpop = format!(r#"DPoP realm="api", algs="{ALGORITHMS}"{}"#, error_on(On::Dpop));
        let answer = answer.with_field("www-authenticate", &dpop);
        if self.is_required {
            return answer;
        }
        answer.with_field("www-authenticate", &format!(r#"Bearer realm="api"{}"#, error_on(On::Bearer)))
    }

    fn bad_proof(self) -> Answer {
        self.refused(401, BAD_PROOF_BODY, On::Dpop, BAD_PROOF)
    }

    fn bad_token(self, on: On, reason: &str, sentence: &str) -> Answer {
        let body = format!(r#"{{"error":"invalid_token","error_description":"{sentence}","reason":"{reason}"}}"#);
        self.refused(401, &body, on, &format!(r#", error="invalid_token", error_description="{sentence}""#))
    }

    fn unproven(self, on: On) -> Answer {
        self.bad_token(on, "sender_constrained", UNPROVEN)
    }

    fn missing_token(self) -> Answer {
        let body = r#"{"error":"missing_token","error_description":"This resource requires a bearer token"}"#;
        self.refused(401, body, On::None, "")
    }

    fn malformed(self, on: On, sentence: &str) -> Answer {
        let body = format!(r#"{{"error":"invalid_request","error_description":"{sentence}"}}"#);
        self.refused(400, &body, on, &format!(r#", error="invalid_request", error_description="{sentence}""#))
    }
}

fn with(scheme: &str, token: &str, proofs: &[&str]) -> Vec<(&'static str, String)> {
    let authorization = ("Authorization", format!("{scheme} {token}"));
    std::iter::once(authorization).chain(proofs.iter().map(|proof| ("DPoP", (*proof).to_owned()))).collect()
}

/// Requests that are refused. None of their proofs is remembered, so each can be sent several times.
pub(crate) fn refused(gates: &Gates) -> Vec<Row> {
    let bound = alice(gates).bound_to(key()).sign();
    let unbound = alice(gates).sign();
    let expired = alice(gates).bound_to(key()).expired().sign();
    let other_member = alice(gates).claim("cnf", serde_json::json!({"kid": "k"})).sign();
    let both = serde_json::json!({"jkt": key().thumbprint(), "x5t#S256": "A".repeat(43)});
    let both = alice(gates).claim("cnf", both).sign();
    let mut rows = Vec::new();
    for part in PARTS {
        let path = part.path("private");
        let proof = |method: &str, token: &str| key().proof(method, &uri(&path), token).sign();
        let field = |scheme: &str, token: &str, proofs: &[&str]| get(&path, &with(scheme, token, proofs));
        for damaged in key().damaged_proofs("GET", &uri(&path), &bound) {
            rows.push(row(damaged.name, field("DPoP", &bound, &[&damaged.proof]), part.bad_proof()));
        }
        let good = || proof("GET", &bound);
        let thief = DpopKey::new().proof("GET", &uri(&path), &bound).sign();
        let on_bearer = if part.is_required { On::None } else { On::Bearer };
        let unknown_scheme = if part.is_required { On::Dpop } else { On::Bearer };
        rows.extend([
            row("nothing", get(&path, &NONE), part.missing_token()),
            row("nothing but a proof", get(&path, &[("DPoP", good())]), part.missing_token()),
            row("Basic", get(&path, &[("Authorization", "Basic eA==")]), part.missing_token()),
            row("no proof", field("DPoP", &bound, &[]), part.bad_proof()),
            row("empty proof", field("DPoP", &bound, &[""]), part.bad_proof()),
            row("two proofs", field("DPoP", &bound, &[&good(), &good()]), part.bad_proof()),
            row("proof for another method", field("DPoP", &bound, &[&proof("POST", &bound)]), part.bad_proof()),
            row("proof for another token", field("DPoP", &bound, &[&proof("GET", &unbound)]), part.bad_proof()),
            row("proof of another key", field("DPoP", &bound, &[&thief]), part.unproven(On::Dpop)),
            row("bound, as Bearer", field("Bearer", &bound, &[]), part.unproven(on_bearer)),
            row("bound, as Bearer with a proof", field("bearer", &bound, &[&good()]), part.unproven(on_bearer)),
            row("unbound, as DPoP", field("DPoP", &unbound, &[&proof("GET", &unbound)]), part.unproven(On::Dpop)),
            row("bound by another member", field("DPoP", &other_member, &[&good()]), part.unproven(On::Dpop)),
            row("bound to a certificate too", field("DPoP", &both, &[&proof("GET", &both)]), part.unproven(On::Dpop)),
            row(
                "expired",
                field("dpop", &expired, &[&proof("GET", &expired)]),
                part.bad_token(On::Dpop, "expired", "The access token expired"),
            ),
            row(
                "expired, as Bearer",
                field("Bearer", &expired, &[]),
                part.bad_token(on_bearer, "expired", "The access token expired"),
            ),
            row(
                "garbage",
                field("DPoP", "garbage", &[&good()]),
                part.bad_token(On::Dpop, "not_compact_jws", "The access token is not a signed JWT"),
            ),
            row(
                "no token",
                get(&path, &[("Authorization", "DPoP".to_owned()), ("DPoP", good())]),
                part.malformed(On::Dpop, "The Authorization field is not of the form Bearer token"),
            ),
            row(
                "two fields",
                get(&path, &[("Authorization", format!("DPoP {bound}")), ("Authorization", format!("Bearer {bound}"))]),
                part.malformed(unknown_scheme, "The request presents more than one credential"),
            ),
            row(
                "forwarded host",
                get(
                    &path,
                    &[
                        ("Authorization", format!("DPoP {bound}")),
                        ("X-Forwarded-Host", "evil.test".to_owned()),
                        ("DPoP", key().proof("GET", &format!("https://evil.test{path}"), &bound).sign()),
                    ],
                ),
                part.bad_proof(),
            ),
            row(
                "another path",
                get(&format!("{path}?a=b"), &with("DPoP", &bound, &[&key().proof("GET", &uri("/"), &bound).sign()])),
                part.bad_proof(),
            ),
            row(
                "HEAD with the proof of a GET",
                send("HEAD", &path, &with("DPoP", &bound, &[&good()]), b""),
                part.bad_proof().without_body(),
            ),
            row(
                "body with the proof of a GET",
                send("POST", &path, &with("DPoP", &bound, &[&good()]), b"unread"),
                part.bad_proof(),
            ),
            row("optional", get(&part.path("greeting"), &with("DPoP", &bound, &[])), part.bad_proof()),
        ]);
        if part.is_required {
            rows.push(row("unbound, as Bearer", field("Bearer", &unbound, &[]), part.unproven(On::None)));
        } else {
            rows.push(row("unbound, as Bearer", field("Bearer", &unbound, &[]), Answer::ok("alice")));
        }
    }
    rows.push(row("nothing, optional", get("/dpop-required/greeting", &NONE), Answer::ok("anonymous")));
    rows
}

/// Makes a request with a new proof for each call.
type Fresh<'a> = Box<dyn Fn() -> Vec<u8> + 'a>;

#[test]
fn proofs_that_are_let_in_serve_one_request() {
    let gates = Gates::new();
    let (axum, actix) = (servers::axum(&gates), servers::actix(&gates));
    let bound = alice(&gates).scope("read:messages write:messages").bound_to(key()).sign();
    let fresh = |method: &'static str, path: &'static str, htu: &'static str| -> Fresh<'_> {
        let bound = &bound;
        Box::new(move || {
            let proof = key().proof(method, &uri(htu), bound).sign();
            send(method, path, &with("DPoP", bound, &[&proof]), if method == "POST" { b"unread" } else { b"" })
        })
    };
    let requests = [
        (fresh("GET", "/dpop/private", "/dpop/private"), "alice"),
        (fresh("GET", "/dpop-required/private?a=b", "/dpop-required/private?c#d"), "alice"),
        (fresh("GET", "/dpop-required/private", "/x/../dpop-required/%70rivate"), "alice"),
        (fresh("POST", "/dpop-required/private", "/dpop-required/private"), "alice"),
        (fresh("DELETE", "/dpop/scoped", "/dpop/scoped"), "alice"),
        (fresh("GET", "/dpop/greeting", "/dpop/greeting"), "alice"),
        (fresh("GET", "/guarded-dpop/private", "/guarded-dpop/private"), "alice"),
        (fresh("GET", "/guarded-dpop/open", "/guarded-dpop/open"), "open"),
        (fresh("GET", "/guarded-dpop/scoped", "/guarded-dpop/scoped"), "alice"),
    ];
    let ask = |address, request: &[u8]| Connection::open(address).exchange(request, false);
    for (make, text) in requests {
        let (one, other) = (make(), make());
        assert_eq!(ask(axum.address(), &one), Answer::ok(text));
        assert_eq!(ask(actix.address(), &other), Answer::ok(text));
        // Both servers have one store of used proofs.
        let line = String::from_utf8_lossy(&one);
        let part = PARTS.iter().rev().find(|part| line.contains(&format!(" {}/", part.prefix))).unwrap();
        for (address, request) in [(axum.address(), &one), (actix.address(), &one), (axum.address(), &other)] {
            assert_eq!(ask(address, request), part.bad_proof(), "{line}");
        }
    }
}

#[test]
fn nonces_are_asked_for_and_accepted_alike() {
    let gates = Gates::new();
    let (axum, actix) = (servers::axum(&gates), servers::actix(&gates));
    let bound = alice(&gates).scope("pay").bound_to(key()).sign();
    let request = |path: &str, nonce: Option<&str>| {
        let proof = key().proof("GET", &uri(path), &bound);
        let proof = nonce.map_or(proof.clone(), |nonce| proof.claim("nonce", nonce)).sign();
        get(path, &with("DPoP", &bound, &[&proof]))
    };
    const SENTENCE: &str = "The DPoP proof has to contain the nonce of this response";
    let body = format!(r#"{{"error":"use_dpop_nonce","error_description":"{SENTENCE}"}}"#);
    let error = format!(r#", error="use_dpop_nonce", error_description="{SENTENCE}""#);
    for prefix in ["/dpop-nonce", "/guarded-dpop-nonce"] {
        let part = Part { prefix, is_required: true };
        let path = part.path("private");
        for address in [axum.address(), actix.address()] {
            let mut connection = Connection::open(address);
            let mut nonces = Vec::new();
            for nonce in [None, Some("made-up")] {
                let answer = connection.exchange(&request(&path, nonce), false);
                let (named, others) = answer.fields.into_iter().partition(|(name, _)| name == "dpop-nonce");
                let named: Vec<(String, String)> = named;
                assert_eq!(named.len(), 1);
                nonces.extend(named);
                let answer = Answer { fields: others, ..answer };
                assert_eq!(answer, part.refused(401, &body, On::Dpop, &error));
            }
            for (_, nonce) in nonces {
                let answer = connection.exchange(&request(&path, Some(&nonce)), false);
                assert_eq!(answer, Answer::ok("alice"));
            }
        }
    }
}

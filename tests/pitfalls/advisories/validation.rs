//! The validation of headers and claims, and the use of its result.

use std::sync::{Arc, Mutex};

use portcullis::adapter::HeaderList;
use portcullis::error::{InvalidRequest, InvalidToken};
use portcullis::jose::Algorithm;
use portcullis::keys::{FixedKeys, KeyError, KeyQuery, VerifyingKey};
use portcullis::{Audience, AuthError, Gate, Issuer, JwtVerifier, KeyProvider, Policy, Reason, async_trait};
use portcullis_testing::TestIssuer;
use serde_json::json;

use crate::support::{admitted, gate_for_jwks, refused, with_member};

/// The issuer was compared with `in`, which accepts a part of the string.
#[tokio::test]
async fn cve_2024_53861_a_part_of_the_issuer_is_refused() {
    let issuer = TestIssuer::new();
    let several = Issuer::any_of([issuer.url(), "https://second.test"]);
    let verifier = JwtVerifier::builder(several, Audience::any_of([issuer.audience()]), issuer.keys());
    for gate in [issuer.gate(), Gate::new(verifier.build().unwrap())] {
        for part in ["", "h", "https://", "issuer.test", "https://issuer.test", "https://issuer.test/x", "test/"] {
            assert_eq!(refused(&gate, &issuer.token().issuer(part).sign()).await, InvalidToken::WrongIssuer, "{part}");
        }
        admitted(&gate, &issuer.token().sign()).await;
    }
}

/// CVE-2025-27370: an audience only similar to ours was accepted. CVE-2026-35041: accepted audiences were patterns.
#[tokio::test]
async fn cve_2025_27370_audiences_are_compared_whole() {
    let issuer = TestIssuer::new();
    let ours = issuer.audience();
    for other in [
        format!("{ours}/"),
        format!("{ours} https://other.test"),
        format!("https://other.test,{ours}"),
        ours.to_uppercase(),
        ours.replace("https", "http"),
        format!("{ours}\u{0}"),
        ours[1..].to_owned(),
    ] {
        let token = issuer.token().audience(&other).sign();
        assert_eq!(refused(&issuer.gate(), &token).await, InvalidToken::WrongAudience, "{other:?}");
    }
    let pattern = issuer.verifier().audience(Audience::any_of([".*", "https://*.test", "(a+)+$"])).build().unwrap();
    let pattern = Gate::new(pattern);
    for audience in [ours, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"] {
        let token = issuer.token().audience(audience).sign();
        assert_eq!(refused(&pattern, &token).await, InvalidToken::WrongAudience);
    }
    admitted(&pattern, &issuer.token().audience(".*").sign()).await;
    admitted(&issuer.gate(), &issuer.token().sign()).await;
}

/// One error combined "expired" and "badly signed", and callers checked only one of them.
#[tokio::test]
async fn cve_2024_51744_the_signature_is_checked_first() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    let (_, signature) = issuer.token().sign().rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let bad = [
        issuer.token().expired(),
        issuer.token().without("exp"),
        issuer.token().issuer("https://attacker.test/"),
        issuer.token().audience(7),
        issuer.token().payload("no JSON"),
    ];
    for token in bad {
        let tampered = format!("{}.{signature}", token.signing_input());
        assert_eq!(refused(&gate, &tampered).await, InvalidToken::BadSignature);
        assert_ne!(refused(&gate, &token.sign()).await, InvalidToken::BadSignature);
    }
    // Of several faults, the first in the order of the reasons is reported.
    let token = issuer.token().expired().issuer("https://attacker.test/").audience("other");
    assert_eq!(refused(&gate, &token.sign()).await, InvalidToken::WrongIssuer);
    assert_eq!(refused(&gate, &token.issuer(issuer.url()).sign()).await, InvalidToken::WrongAudience);
    admitted(&gate, &issuer.token().sign()).await;
}

/// The `iss` of the token chose its keys and checks.
#[tokio::test]
async fn cve_2024_5037_keys_belong_to_the_configured_issuer() {
    #[derive(Debug)]
    struct Recording(FixedKeys, Arc<Mutex<Vec<Option<String>>>>);

    #[async_trait]
    impl KeyProvider for Recording {
        async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
            self.1.lock().unwrap().push(query.issuer().map(str::to_owned));
            self.0.key(query).await
        }
    }

    let issuer = TestIssuer::new();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let gate = crate::support::gate_with(&issuer, Recording(issuer.keys(), Arc::clone(&asked)));
    let foreign = issuer.token().issuer("https://attacker.test/").header("iss", "https://attacker.test/").sign();
    assert_eq!(refused(&gate, &foreign).await, InvalidToken::WrongIssuer);
    admitted(&gate, &issuer.token().sign()).await;
    assert_eq!(*asked.lock().unwrap(), vec![Some(issuer.url().to_owned()); 2]);
}

/// A bad token was accepted where a token may be absent.
#[tokio::test]
async fn cve_2021_21378_optional_never_accepts_bad_tokens() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    let policy = Policy::authenticated();
    let request = |value: String| HeaderList::new("GET", [("authorization", value)]);
    assert!(gate.admit_optional(&HeaderList::new("GET", [("accept", "*/*")]), &policy).await.unwrap().is_none());
    assert!(gate.admit_optional(&request("Basic dTpw".into()), &policy).await.unwrap().is_none());
    for forgery in issuer.forgeries() {
        let answer = gate.admit_optional(&request(format!("Bearer {}", forgery.token)), &policy).await;
        assert_eq!(answer.unwrap_err().reason(), Some(forgery.reason), "{}", forgery.name);
    }
    for malformed in ["Bearer", "Bearer ", "Bearer\tabc", "Bearer a b", "Bearer \u{e9}", "", ", Bearer a"] {
        let error = gate.admit_optional(&request(malformed.into()), &policy).await.unwrap_err();
        assert!(
            matches!(error.error(), AuthError::InvalidRequest(InvalidRequest::MalformedAuthorization)),
            "{malformed:?}: {error}"
        );
    }
    let two = HeaderList::new("GET", [("authorization", "Basic dTpw"), ("authorization", "Bearer a")]);
    assert_eq!(gate.admit_optional(&two, &policy).await.unwrap_err().status(), 400);
    // A credential with a proof that cannot be checked does not count as absent.
    let error = gate.admit_optional(&request(format!("DPoP {}", issuer.token().sign())), &policy).await.unwrap_err();
    assert_eq!(error.status(), 401);
    let good = request(format!("Bearer {}", issuer.token().sign()));
    assert_eq!(gate.admit_optional(&good, &policy).await.unwrap().unwrap().subject(), Some("user-1"));
}

/// A header field with another method disabled the check.
#[tokio::test]
async fn cve_2023_30845_no_header_field_disables_the_check() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    let fields = [
        ("x-http-method-override", "OPTIONS"),
        ("x-original-url", "/public"),
        ("x-forwarded-user", "admin"),
        ("x-access-token", "a.b.c"),
        ("cookie", "token=a.b.c"),
    ];
    for field in fields {
        for method in ["GET", "POST", "OPTIONS"] {
            let error = gate.admit(&HeaderList::new(method, [field]), &Policy::authenticated()).await.unwrap_err();
            assert!(matches!(error.error(), AuthError::MissingToken), "{field:?}");
        }
        let with_token = [field, ("authorization", &format!("Bearer {}", issuer.token().sign()))];
        let caller = gate.admit(&HeaderList::new("GET", with_token), &Policy::authenticated()).await.unwrap();
        assert_eq!(caller.subject(), Some("user-1"));
    }
}

/// A set has keys of many issuers, so the `issuer` member of the key must be equal to `iss`.
#[tokio::test]
async fn wilson_vul_23030_a_check_can_bind_a_key_to_its_issuer() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256, Algorithm::Es256]);
    let [ours, theirs] = [0, 1].map(|at| issuer.signing_keys()[at].jwk());
    let jwks = json!({"keys": [
        with_member(ours.clone(), "issuer", issuer.url()),
        with_member(theirs.clone(), "issuer", "https://other-tenant.test/"),
    ]});
    let verifier = crate::support::builder_with(&issuer, FixedKeys::jwks(&jwks.to_string()).unwrap());
    let verifier = verifier.check_fn("issuer of the key", |token| {
        let of_the_key = token.key().member::<String>("issuer");
        of_the_key.is_some() && of_the_key.as_deref() == token.claims().issuer()
    });
    let gate = Gate::new(verifier.build().unwrap());
    let by_them = issuer.token().algorithm(Algorithm::Es256).sign();
    let failed = InvalidToken::CheckFailed { name: "issuer of the key".into() };
    assert_eq!(refused(&gate, &by_them).await, failed);
    admitted(&gate, &issuer.token().sign()).await;
    admitted(&gate_for_jwks(&issuer, &[ours, theirs]), &by_them).await;
}

/// A stateful pattern refused every second token.
#[tokio::test]
async fn cve_2026_35040_earlier_tokens_do_not_matter() {
    let issuer = TestIssuer::new();
    for gate in [issuer.gate(), Gate::new(issuer.verifier().cache_tokens(4).build().unwrap())] {
        let (good, expired) = (issuer.token().sign(), issuer.token().expired().sign());
        for _ in 0..5 {
            admitted(&gate, &good).await;
            admitted(&gate, &good).await;
            assert_eq!(refused(&gate, &expired).await.reason(), Reason::Expired);
            assert_eq!(refused(&gate, "a.b.c").await.reason(), Reason::Malformed);
        }
    }
}

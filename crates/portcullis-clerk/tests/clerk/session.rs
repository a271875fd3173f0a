//! Tests of good and bad session tokens.

use std::sync::Arc;

use portcullis::clock::ManualClock;
use portcullis::{Gate, Reason, permissions, roles};
use portcullis_clerk::{Clerk, ClerkClaims};
use portcullis_testing::TestIssuer;
use serde_json::{Value, json};

use crate::{HOST, clerk, gate, instance, reason};

#[tokio::test]
async fn both_token_versions_are_accepted() {
    let instance = instance();
    let gate = gate(clerk(), &instance);
    for issuer in [&instance, &instance.clerk_v1()] {
        let caller = gate.verify(&issuer.token().sign()).await.unwrap();
        let claims: ClerkClaims = caller.claims().unwrap();
        assert_eq!(Some(claims.sub.as_str()), caller.subject());
        assert!(claims.sid.is_some() && claims.organization.is_none());
    }
}

#[tokio::test]
async fn issuer_has_no_slash() {
    let instance = instance();
    let gate = gate(clerk(), &instance);
    assert_eq!(reason(&gate, instance.token()).await, None);
    for issuer in ["https://clerk.example.com/", "http://clerk.example.com", HOST, "https://clerk.example.org"] {
        assert_eq!(reason(&gate, instance.token().issuer(issuer)).await, Some(Reason::WrongIssuer), "{issuer}");
    }
}

#[tokio::test]
async fn session_token_lives_for_65_seconds() {
    let instance = instance();
    let token = instance.token();
    let issued_at = token.claims()["iat"].as_i64().unwrap();
    for (seconds, expected) in [(0, None), (60, None), (64, None), (65, Some(Reason::Expired))] {
        let clock = ManualClock::at_unix(issued_at + seconds);
        let verifier = clerk().keys(instance.keys()).builder().unwrap().clock(clock).build().unwrap();
        assert_eq!(reason(&Gate::new(verifier), token.clone()).await, expected, "{seconds}");
    }
}

#[tokio::test]
async fn session_token_has_no_aud_by_default() {
    let instance = instance();
    let api = "https://api.example.com";
    let (none, some) = (gate(clerk(), &instance), gate(clerk().audience(api).audience("other"), &instance));
    assert_eq!(reason(&none, instance.token().audience(api)).await, Some(Reason::WrongAudience));
    assert_eq!(reason(&some, instance.token()).await, Some(Reason::MissingClaim));
    for audience in [json!(api), json!("other"), json!(["x", api])] {
        assert_eq!(reason(&some, instance.token().audience(audience)).await, None);
    }
    assert_eq!(reason(&some, instance.token().audience("x")).await, Some(Reason::WrongAudience));
}

#[tokio::test]
async fn authorized_parties_require_azp() {
    let instance = instance();
    let anybody = gate(clerk(), &instance);
    assert_eq!(reason(&anybody, instance.token().without("azp")).await, None);

    let parties = gate(clerk().authorized_parties(["https://other.example.com", "https://app.example.com"]), &instance);
    assert_eq!(reason(&parties, instance.token()).await, None);
    for (azp, expected) in [
        (json!("https://app.example.com/"), Reason::WrongParty),
        (json!("https://app.example.com.attacker.test"), Reason::WrongParty),
        (json!("http://app.example.com"), Reason::WrongParty),
        (json!(""), Reason::WrongParty),
        (json!(null), Reason::MissingClaim),
        (json!(["https://app.example.com"]), Reason::InvalidClaim),
        (json!(7), Reason::InvalidClaim),
    ] {
        assert_eq!(reason(&parties, instance.token().claim("azp", &azp)).await, Some(expected), "{azp}");
    }
    assert_eq!(reason(&parties, instance.token().without("azp")).await, Some(Reason::MissingClaim));
}

#[tokio::test]
async fn pending_session_is_refused_unless_allowed() {
    let instance = instance();
    let pending = instance.token().claim("sts", "pending");
    let strict = gate(clerk(), &instance);
    assert_eq!(reason(&strict, pending.clone()).await, Some(Reason::SessionPending));
    assert_eq!(reason(&gate(clerk().allow_pending(), &instance), pending).await, None);
    assert_eq!(reason(&strict, instance.token().without("sts")).await, None);
    for odd in [json!("ended"), json!("Active"), json!(""), json!(true)] {
        for gate in [&strict, &gate(clerk().allow_pending(), &instance)] {
            assert_eq!(reason(gate, instance.token().claim("sts", &odd)).await, Some(Reason::InvalidClaim), "{odd}");
        }
    }
}

#[tokio::test]
async fn token_without_sub_is_refused() {
    let instance = instance();
    let gate = gate(clerk(), &instance);
    assert_eq!(reason(&gate, instance.token().without("sub")).await, Some(Reason::MissingClaim));
    assert_eq!(reason(&gate, instance.token().claim("sub", 7)).await, Some(Reason::InvalidClaim));
}

#[tokio::test]
async fn policies_see_the_organization_role_and_permissions() {
    let instance = instance();
    let gate = gate(clerk(), &instance);
    let two = instance.token().clerk_organization("admin", "o:articles,u:export,o:invoices", "manage,read", "3,2");
    let one = instance
        .clerk_v1()
        .token()
        .claim("org_id", "org_1")
        .claim("org_role", "org:admin")
        .claim("org_permissions", ["org:articles:manage", "org:articles:read", "org:invoices:read"]);
    for token in [two, one] {
        let caller = gate.verify(&token.sign()).await.unwrap();
        assert_eq!(caller.roles(), ["org:admin"]);
        assert_eq!(caller.permissions(), ["org:articles:manage", "org:articles:read", "org:invoices:read"]);
        assert!(roles(["org:admin"]).and(permissions(["org:invoices:read"])).check(&caller).is_ok());
        // Policies see names with the prefix only.
        for policy in [permissions(["org:invoices:manage"]), permissions(["org:export:read"]), roles(["admin"])] {
            assert!(policy.check(&caller).is_err(), "{policy:?}");
        }
    }
    let nobody = gate.verify(&instance.token().claim("o", Value::Null).sign()).await.unwrap();
    assert!(nobody.roles().is_empty() && nobody.permissions().is_empty() && nobody.scopes().is_empty());
}

#[tokio::test]
async fn every_forgery_is_refused_for_its_reason() {
    let api = "https://api.example.com";
    let instance = instance().with_audience(api).clerk_template();
    let clerk = clerk().audience(api).token_classes([portcullis_clerk::TokenClass::Template]);
    let gate = gate(clerk, &instance);
    assert_eq!(reason(&gate, instance.token()).await, None);
    for forgery in instance.forgeries() {
        let refused = gate.verify(&forgery.token).await.unwrap_err();
        assert_eq!(refused.reason(), Some(forgery.reason), "{}", forgery.name);
    }
}

#[tokio::test]
async fn every_forgery_without_aud_is_refused() {
    let instance = instance();
    let gate = gate(clerk(), &instance);
    // Without a configured audience, a token without an audience is good, and one with an audience is for another service.
    let without_audience = ["aud missing", "aud empty"];
    for forgery in instance.forgeries().into_iter().filter(|forgery| !without_audience.contains(&forgery.name)) {
        let refused = gate.verify(&forgery.token).await.expect_err(forgery.name);
        assert_eq!(refused.reason(), Some(forgery.reason), "{}", forgery.name);
    }
}

#[tokio::test]
async fn rs256_alone_is_allowed_even_with_other_keys() {
    use portcullis::jose::Algorithm::{Es256, Hs256, Ps256, Rs256, Rs512};
    let algorithms = [Rs256, Rs512, Ps256, Es256, Hs256];
    let issuer = TestIssuer::from_algorithms(algorithms)
        .with_url(format!("https://{HOST}"))
        .with_tokens(|token| token.header("typ", "JWT").without("aud"));
    let gate = gate(clerk(), &issuer);
    for algorithm in algorithms {
        let expected = (algorithm != Rs256).then_some(Reason::AlgorithmNotAllowed);
        assert_eq!(reason(&gate, issuer.token().algorithm(algorithm)).await, expected, "{algorithm}");
    }
}

#[tokio::test]
async fn equal_kids_do_not_share_keys() {
    let (ours, theirs) = (instance(), TestIssuer::clerk("clerk.example.org"));
    assert_eq!(ours.first_key().id(), theirs.first_key().id());
    let gates = [gate(clerk(), &ours), gate(Clerk::from_frontend_api("clerk.example.org"), &theirs)];
    for (gate, other) in gates.iter().zip([&theirs, &ours]) {
        assert!(gate.verify(&other.token().sign()).await.is_err());
        let named = if std::ptr::eq(other, &theirs) { &ours } else { &theirs };
        let forged = named.token().forged_with(Arc::clone(other.first_key()));
        assert_eq!(reason(gate, forged).await, Some(Reason::BadSignature));
    }
    // Signed with our key, but with the other instance's issuer.
    assert_eq!(reason(&gates[0], ours.token().issuer(theirs.url())).await, Some(Reason::WrongIssuer));
}

#[test]
fn debug_shows_no_secret() {
    let clerk = clerk().secret_key("sk_live_secret").pem("a key").authorized_parties(["https://app.example.com"]);
    let shown = format!("{clerk:?}");
    assert!(
        shown.contains("https://app.example.com") && !shown.contains("sk_live") && !shown.contains("a key"),
        "{shown}"
    );
}

#[test]
fn errors_name_the_invalid_field() {
    let field = |clerk: Clerk| clerk.verifier().unwrap_err().field().to_owned();
    assert_eq!(field(Clerk::from_frontend_api("")), "frontend_api");
    assert_eq!(field(Clerk::from_frontend_api("http://clerk.example.com")), "frontend_api");
    assert_eq!(field(Clerk::from_pem("no key")), "pem");
    assert_eq!(field(clerk().pem("no key")), "pem");
    assert_eq!(field(clerk().audience("")), "audience");
    assert_eq!(field(clerk().token_classes([])), "token_classes");
    assert_eq!(field(clerk().secret_key("pk_live_x")), "secret_key");
    assert_eq!(field(clerk().secret_key("sk_live_a\nb")), "secret_key");
    assert_eq!(field(clerk().secret_key("sk_live_x").backend_api("http://api.example.com")), "backend_api");
    for parties in [
        &[][..],
        &[""],
        &["https://app.example.com/"],
        &["https://app.example.com", ""],
        &["app.example.com"],
        &["*"],
        &["https://*.example.com"],
    ] {
        assert_eq!(field(clerk().authorized_parties(parties.iter().copied())), "authorized_parties");
    }
    assert_eq!(Clerk::from_publishable_key("pk_live_x").unwrap_err().field(), "publishable_key");
}

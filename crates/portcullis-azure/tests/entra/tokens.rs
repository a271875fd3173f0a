//! Tests of the claims that a token must have, and of those that are read.

use portcullis::adapter::Credential;
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::{JwtVerifier, Reason, Verifier, any_permission, any_scope, roles, scopes};
use portcullis_azure::{Azure, AzureClaims, Caller, Groups};
use portcullis_testing::TestIssuer;
use serde_json::json;

use crate::{API, OTHER, TENANT, admits, gate, reason, v2};

fn single() -> Azure {
    Azure::single_tenant(TENANT, API)
}

/// An ID token of the same application, for a user who has an application role.
fn id_token(issuer: &TestIssuer) -> String {
    let token = issuer.token().without("scp").without("azp").without("azpacr");
    token.claim("nonce", "n").claim("roles", ["Admin"]).sign()
}

#[tokio::test]
async fn audience_is_client_id_uri_or_custom() {
    let issuer = TestIssuer::azure(TENANT, API);
    let usual = gate(&single(), &issuer);
    let uri = format!("api://{API}");
    assert!(admits(&usual, &issuer.token().audience(API).sign()).await);
    assert!(admits(&usual, &issuer.token().audience(&uri).sign()).await);
    let custom = "https://contoso.com/orders";
    for other in [custom, OTHER, "api://", "https://management.azure.com/", &format!("{uri}/"), &format!("spn:{API}")] {
        let token = issuer.token().audience(other).sign();
        assert_eq!(reason(&usual, &token).await, Some(Reason::WrongAudience), "{other}");
    }
    let with_uri = gate(&single().audience(custom), &issuer);
    for audience in [API, &uri, custom] {
        assert!(admits(&with_uri, &issuer.token().audience(audience).sign()).await, "{audience}");
    }
    // In upper case, it is the same application.
    let copied = gate(&Azure::single_tenant(TENANT.to_uppercase(), API.to_uppercase()), &issuer);
    assert!(admits(&copied, &issuer.token().sign()).await);
}

#[tokio::test]
async fn graph_token_is_named_in_the_log_only() {
    let issuer = TestIssuer::azure(TENANT, API);
    let stranger = TestIssuer::azure(TENANT, API);
    for azure in [single(), Azure::common(API)] {
        let verifier = azure.keys(issuer.keys()).verifier().unwrap();
        for graph in
            ["00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com", "https://graph.microsoft.com/"]
        {
            // A forger must not choose the reason, so it is the one of the first check that fails.
            for (token, reason) in [
                // Graph signs its tokens in another way, so the signature is invalid.
                (stranger.token().audience(graph).header("nonce", "sC8Y").sign(), Reason::BadSignature),
                (stranger.token().audience(graph).header("kid", "unknown").sign(), Reason::UnknownKey),
                (issuer.token().audience(graph).sign(), Reason::WrongAudience),
                (issuer.token().audience(graph).expired().sign(), Reason::WrongAudience),
                (
                    format!("{}.", issuer.token().audience(graph).header("alg", "none").signing_input()),
                    Reason::AlgorithmNotAllowed,
                ),
            ] {
                let (found, explanation) = explained(&verifier, &token).await;
                assert_eq!(found, Some(reason), "{graph}");
                let explanation = explanation.unwrap_or_default();
                assert!(explanation.starts_with("the token is for Microsoft Graph"), "{explanation}");
            }
        }
        // Other tokens are not explained.
        let own = stranger.token().header("nonce", "sC8Y").sign();
        assert_eq!(explained(&verifier, &own).await, (Some(Reason::BadSignature), None));
        let similar = stranger.token().audience("https://graph.microsoft.com.attacker.example").sign();
        assert_eq!(explained(&verifier, &similar).await, (Some(Reason::BadSignature), None));
    }
}

async fn explained(verifier: &JwtVerifier, token: &str) -> (Option<Reason>, Option<&'static str>) {
    let credential = Credential::bearer(token);
    let refused = verifier.verify(&credential).await.unwrap_err();
    (refused.reason(), verifier.explain(&credential, &refused))
}

#[tokio::test]
async fn typ_must_be_jwt() {
    let issuer = TestIssuer::azure(TENANT, API);
    let gate = gate(&single(), &issuer);
    assert!(admits(&gate, &issuer.token().header("typ", "JWT").sign()).await);
    for typ in ["at+jwt", "dpop+jwt", "pop", ""] {
        assert_eq!(reason(&gate, &issuer.token().header("typ", typ).sign()).await, Some(Reason::WrongType), "{typ}");
    }
    assert_eq!(reason(&gate, &issuer.token().without_header("typ").sign()).await, Some(Reason::WrongType));
}

#[tokio::test]
async fn id_token_of_the_application_is_refused() {
    let issuer = TestIssuer::azure(TENANT, API);
    let lax = single().allow_tokens_without_grants();
    for azure in [single(), Azure::common(API), lax, single().delegated_only(), single().app_only()] {
        let gate = gate(&azure, &issuer);
        assert_eq!(reason(&gate, &id_token(&issuer)).await, Some(Reason::WrongTokenClass));
        let without_roles = issuer.token().without("scp").without("azp").sign();
        assert_eq!(reason(&gate, &without_roles).await, Some(Reason::WrongTokenClass));
    }
}

#[tokio::test]
async fn token_without_grants_is_refused_unless_allowed() {
    for issuer in [TestIssuer::azure_app(TENANT, API), TestIssuer::azure_v1_app(TENANT, API)] {
        let (strict, lax) = (gate(&single(), &issuer), gate(&single().allow_tokens_without_grants(), &issuer));
        assert!(admits(&strict, &issuer.token().sign()).await);
        for token in [
            issuer.token().without("roles"),
            issuer.token().claim("roles", json!([])),
            issuer.token().without("roles").claim("scp", ""),
            issuer.token().without("roles").claim("scp", "  "),
            issuer.token().claim("roles", json!(null)),
        ] {
            let token = token.sign();
            assert_eq!(reason(&strict, &token).await, Some(Reason::WrongTokenClass));
            let caller = lax.verify(&token).await.unwrap();
            assert!(caller.scopes().is_empty() && caller.roles().is_empty());
        }
        // An unreadable claim is an error: it is neither a grant nor absent.
        for (claim, value) in
            [("scp", json!(7)), ("scp", json!(["a"])), ("roles", json!("a")), ("roles", json!(["a", 1]))]
        {
            let token = issuer.token().claim(claim, value.clone()).sign();
            assert_eq!(reason(&strict, &token).await, Some(Reason::InvalidClaim), "{claim}: {value}");
            assert_eq!(reason(&lax, &token).await, Some(Reason::InvalidClaim), "{claim}: {value}");
        }
    }
}

#[tokio::test]
async fn one_kind_of_caller_can_be_required() {
    let (user, app) = (TestIssuer::azure(TENANT, API), TestIssuer::azure_app(TENANT, API));
    let wrong = Some(Reason::WrongTokenClass);
    for (token, issuer, of_users, of_apps) in [
        (user.token(), &user, None, wrong),
        (user.token().claim("idtyp", "user"), &user, None, wrong),
        (user.token().claim("idtyp", "app"), &user, wrong, wrong),
        (user.token().claim("idtyp", "device"), &user, wrong, wrong),
        (app.token(), &app, wrong, None),
        (app.token().claim("idtyp", "app"), &app, wrong, None),
        (app.token().claim("idtyp", "app").without("oid"), &app, wrong, None),
        (app.token().claim("idtyp", "user"), &app, None, wrong),
        // The token has neither a scope nor `idtyp`, and `oid` is absent or differs from `sub`.
        (app.token().without("oid"), &app, wrong, wrong),
        (app.token().subject("pairwise"), &app, wrong, wrong),
    ] {
        let token = token.sign();
        assert_eq!(reason(&gate(&single().delegated_only(), issuer), &token).await, of_users);
        assert_eq!(reason(&gate(&single().app_only(), issuer), &token).await, of_apps);
        assert!(admits(&gate(&single(), issuer), &token).await);
    }
    let token = app.token().claim("idtyp", 7).sign();
    assert_eq!(reason(&gate(&single().app_only(), &app), &token).await, Some(Reason::InvalidClaim));
    // The last filter wins.
    assert!(admits(&gate(&single().delegated_only().app_only(), &app), &app.token().sign()).await);
}

#[tokio::test]
async fn guests_are_refused_only_by_option() {
    let (user, app) = (TestIssuer::azure(TENANT, API), TestIssuer::azure_app(TENANT, API));
    let (lax, strict) = (gate(&single(), &user), gate(&single().members_only(), &user));
    let with = |acct: serde_json::Value| user.token().claim("acct", acct).sign();
    for (token, expected) in [
        (with(json!(0)), None),
        (with(json!(1)), Some(Reason::CheckFailed)),
        (with(json!(2)), Some(Reason::CheckFailed)),
        (user.token().sign(), Some(Reason::MissingClaim)),
    ] {
        assert_eq!(reason(&lax, &token).await, None);
        assert_eq!(reason(&strict, &token).await, expected);
    }
    for odd in [json!("0"), json!([0]), json!(false)] {
        assert_eq!(reason(&strict, &with(odd.clone())).await, Some(Reason::InvalidClaim), "{odd}");
    }
    // An application is neither a member nor a guest. A token that could be a user's needs the claim.
    let of_apps = gate(&single().members_only(), &app);
    assert_eq!(reason(&of_apps, &app.token().sign()).await, None);
    assert_eq!(reason(&of_apps, &app.token().without("oid").sign()).await, Some(Reason::MissingClaim));
}

#[tokio::test]
async fn policies_see_scopes_and_roles() {
    let user = TestIssuer::azure(TENANT, API);
    let gate_of_users = gate(&single(), &user);
    let caller = gate_of_users.verify(&user.token().claim("scp", "Files.Read Files.Write").sign()).await.unwrap();
    assert!(scopes("Files.Read Files.Write").check(&caller).is_ok());
    assert!(scopes("Files").check(&caller).is_err() && roles(["Files.Read"]).check(&caller).is_err());

    let app = TestIssuer::azure_app(TENANT, API);
    let caller = gate(&single(), &app).verify(&app.token().sign()).await.unwrap();
    assert!(roles(["Files.Read.All"]).check(&caller).is_ok());
    assert!(scopes("Files.Read.All").check(&caller).is_err() && caller.scopes().is_empty());
}

#[tokio::test]
async fn mapped_claims_grant_nothing() {
    let issuer = TestIssuer::azure(TENANT, API);
    let token = issuer.token().scope("admin").claim("permissions", ["admin"]).claim("role", "admin");
    let token = token.claim("email", "admin@contoso.com").claim("groups", ["admin"]).sign();
    let caller = gate(&single(), &issuer).verify(&token).await.unwrap();
    assert_eq!(caller.scopes(), ["Files.Read"]);
    assert!(caller.roles().is_empty());
    assert!(any_scope("admin").check(&caller).is_err() && any_permission(["admin"]).check(&caller).is_err());
}

#[tokio::test]
async fn both_token_versions_are_read() {
    const CLIENT: &str = "7c1f6b2e-0d3a-4c55-9f0e-3a1b5c7d9e11";
    for (issuer, version, caller, client) in [
        (TestIssuer::azure(TENANT, API), "2.0", Caller::User, "azp"),
        (TestIssuer::azure_v1(TENANT, API), "1.0", Caller::User, "appid"),
        (TestIssuer::azure_app(TENANT, API), "2.0", Caller::Application, "azp"),
        (TestIssuer::azure_v1_app(TENANT, API), "1.0", Caller::Application, "appid"),
    ] {
        let token = issuer.token().claim("acrs", ["c1"]).claim("xms_cc", ["cp1"]);
        let token = token.claim("wids", ["62e90394-69f5-4237-9190-012177145e10"]).claim("ipaddr", "192.0.2.1");
        assert!(token.claims().contains_key(client));
        let caller_of_token = gate(&single(), &issuer).verify(&token.sign()).await.unwrap();
        let claims: AzureClaims = caller_of_token.claims().unwrap();
        assert_eq!((claims.client_id(), claims.caller()), (Some(CLIENT), caller));
        assert_eq!(
            (claims.is_app_only(), claims.is_delegated()),
            (caller == Caller::Application, caller == Caller::User)
        );
        assert_eq!((claims.tid.as_deref(), claims.ver.as_deref()), (Some(TENANT), Some(version)));
        assert_eq!(claims.oid.as_deref(), token.claims()["oid"].as_str());
        assert_eq!(claims.uti.as_deref(), token.claims()["uti"].as_str());
        assert_eq!(claims.has_scope("Files.Read"), caller == Caller::User);
        assert_eq!(claims.has_role("Files.Read.All"), caller == Caller::Application);
        assert_eq!((claims.acrs, claims.xms_cc), (vec!["c1".to_owned()], vec!["cp1".to_owned()]));
        assert_eq!(claims.wids, ["62e90394-69f5-4237-9190-012177145e10"]);
        assert_eq!((claims.groups, &claims.custom["ipaddr"]), (Groups::NotIssued, &json!("192.0.2.1")));
    }
}

#[tokio::test]
async fn group_overage_is_not_an_empty_list() {
    let issuer = TestIssuer::azure(TENANT, API);
    let gate = gate(&single(), &issuer);
    let sources = json!({"src1": {"endpoint": "https://graph.windows.net/t/users/u/getMemberObjects"}});
    let token = issuer.token().claim("_claim_names", json!({"groups": "src1"})).claim("_claim_sources", sources);
    let claims: AzureClaims = gate.verify(&token.sign()).await.unwrap().claims().unwrap();
    assert_eq!((&claims.groups, claims.groups.contains("g1")), (&Groups::Overage, None));
    let listed = issuer.token().claim("groups", ["g1"]).sign();
    let claims: AzureClaims = gate.verify(&listed).await.unwrap().claims().unwrap();
    assert_eq!((claims.groups.contains("g1"), claims.groups.contains("g2")), (Some(true), Some(false)));
}

#[tokio::test]
async fn every_forgery_is_refused_in_every_mode() {
    let modes = [
        single(),
        Azure::common(API),
        Azure::organizations(API),
        Azure::tenants([TENANT], API),
        single().delegated_only(),
    ];
    for issuer in [TestIssuer::azure(TENANT, API), TestIssuer::azure_v1(TENANT, API)] {
        let forgeries = issuer.forgeries();
        assert!(forgeries.len() > 60);
        for azure in &modes {
            // The keys of version 2.0 also sign tokens of version 1.0.
            let issuer = issuer.clone().with_published_keys(|jwk| {
                jwk.remove("alg");
                jwk.insert("issuer".to_owned(), v2("{tenantid}").into());
            });
            let gate = gate(azure, &issuer);
            assert!(admits(&gate, &issuer.token().sign()).await);
            for forgery in &forgeries {
                assert_eq!(reason(&gate, &forgery.token).await, Some(forgery.reason), "{}: {azure:?}", forgery.name);
            }
        }
    }
}

#[tokio::test]
async fn only_rs256_is_allowed() {
    let algorithms = [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Rs384, Algorithm::Es256, Algorithm::Hs256];
    let issuer = TestIssuer::from_algorithms(algorithms).with_url(v2(TENANT)).with_audience(API);
    let issuer = issuer.with_tokens(|token| token.header("typ", "JWT").claim("tid", TENANT).claim("scp", "Files.Read"));
    let gate = gate(&single(), &issuer);
    assert!(admits(&gate, &issuer.token().sign()).await);
    for algorithm in [Algorithm::Ps256, Algorithm::Rs384, Algorithm::Es256, Algorithm::Hs256] {
        let token = issuer.token().algorithm(algorithm).sign();
        assert_eq!(reason(&gate, &token).await, Some(Reason::AlgorithmNotAllowed), "{algorithm}");
    }
}

#[tokio::test]
async fn token_without_sub_is_refused() {
    let issuer = TestIssuer::azure(TENANT, API);
    let error = gate(&single(), &issuer).verify(&issuer.token().without("sub").sign()).await.unwrap_err();
    assert_eq!(error.to_string(), InvalidToken::missing("sub").to_string());
}

#[tokio::test]
async fn errors_do_not_repeat_claims() {
    let issuer = TestIssuer::azure(TENANT, API);
    let gate = gate(&Azure::common(API), &issuer);
    let error = gate.verify(&issuer.token().claim("tid", "secret").sign()).await.unwrap_err();
    assert_eq!(error.to_string(), InvalidToken::invalid("tid").to_string());
}

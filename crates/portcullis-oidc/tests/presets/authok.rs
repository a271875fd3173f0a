use portcullis::jose::Algorithm;
use portcullis::{Reason, scopes};
use portcullis_oidc::Authok;
use portcullis_testing::TestIssuer;

use crate::TestGate;

const DOMAIN: &str = "tenant.us.authok.cn";
const API: &str = "https://api.example.com";

fn tenant() -> (TestIssuer, TestGate) {
    let tenant = TestIssuer::authok(DOMAIN, API);
    let gate = TestGate::new(Authok::new(DOMAIN, API).keys(tenant.keys()).verifier().unwrap());
    (tenant, gate)
}

#[tokio::test]
async fn issuer_ends_with_a_slash() {
    let (tenant, gate) = tenant();
    let caller = gate.admits(&tenant.token()).await;
    assert_eq!(caller.issuer(), Some("https://tenant.us.authok.cn/"));
    assert_eq!(gate.refuses(&tenant.token().issuer("https://tenant.us.authok.cn")).await, Reason::WrongIssuer);
}

#[tokio::test]
async fn scopes_are_space_delimited() {
    let (tenant, gate) = tenant();
    let caller = gate.admits(&tenant.token()).await;
    assert!(scopes("read:messages").check(&caller).is_ok() && scopes("write:messages").check(&caller).is_err());
    assert_eq!(gate.refuses(&tenant.token().audience("https://other.test")).await, Reason::WrongAudience);
}

#[tokio::test]
async fn only_rs256_is_allowed() {
    let tenant = TestIssuer::authok(DOMAIN, API).with_more_algorithms([Algorithm::Ps256, Algorithm::Hs256]);
    let gate = TestGate::new(Authok::new(DOMAIN, API).keys(tenant.keys()).verifier().unwrap());
    for algorithm in [Algorithm::Ps256, Algorithm::Hs256] {
        assert_eq!(
            gate.refuses(&tenant.token().algorithm(algorithm)).await,
            Reason::AlgorithmNotAllowed,
            "{algorithm}"
        );
    }
}

#[tokio::test]
async fn keys_are_fetched_without_discovery() {
    let tenant = TestIssuer::authok(DOMAIN, API).serve();
    let gate = TestGate::new(Authok::new(format!("http://{}", tenant.address()), API).verifier().unwrap());
    gate.admits(&tenant.issuer().token()).await;
    assert_eq!((tenant.hits("/.well-known/jwks.json"), tenant.all_hits()), (1, 1));
}

#[tokio::test]
async fn every_forgery_is_refused_for_its_reason() {
    let (tenant, gate) = tenant();
    gate.refuses_forgeries_except(&tenant, &[]).await;
}

#[tokio::test]
async fn errors_name_the_environment_variable() {
    let read = |domain: Option<&str>, audience: Option<&str>| {
        Authok::from_variables(|name| {
            let value = match name {
                "AUTHOK_DOMAIN" => domain,
                "AUTHOK_AUDIENCE" => audience,
                _ => None,
            };
            value.map(str::to_owned)
        })
    };
    let tenant = TestIssuer::authok(DOMAIN, API);
    let preset = read(Some("tenant.us.authok.cn, login.example.com"), Some(API)).unwrap().keys(tenant.keys());
    let gate = TestGate::new(preset.verifier().unwrap());
    gate.admits(&tenant.token()).await;
    gate.admits(&tenant.token().issuer("https://login.example.com/")).await;
    assert_eq!(read(None, Some(API)).unwrap_err().field(), "AUTHOK_DOMAIN");
    assert_eq!(read(Some("tenant.us.authok.cn/x"), Some(API)).unwrap_err().field(), "AUTHOK_DOMAIN");
    assert_eq!(read(Some(DOMAIN), Some(" ")).unwrap_err().field(), "AUTHOK_AUDIENCE");
    let both = read(Some("tenant"), None).unwrap_err();
    assert_eq!(both.fields().collect::<Vec<_>>(), ["AUTHOK_DOMAIN", "AUTHOK_AUDIENCE"]);
}

use portcullis::jose::Algorithm;
use portcullis::{Reason, scopes};
use portcullis_oidc::Authok;
use portcullis_testing::TestIssuer;

use crate::Door;

const DOMAIN: &str = "tenant.us.authok.cn";
const API: &str = "https://api.example.com";

fn tenant() -> (TestIssuer, Door) {
    let tenant = TestIssuer::authok(DOMAIN, API);
    let door = Door::new(Authok::new(DOMAIN, API).keys(tenant.keys()).verifier().unwrap());
    (tenant, door)
}

#[tokio::test]
async fn the_issuer_has_its_slash() {
    let (tenant, door) = tenant();
    let caller = door.admits(&tenant.token()).await;
    assert_eq!(caller.issuer(), Some("https://tenant.us.authok.cn/"));
    assert_eq!(door.refuses(&tenant.token().issuer("https://tenant.us.authok.cn")).await, Reason::WrongIssuer);
}

#[tokio::test]
async fn scopes_are_words_of_one_string_and_the_audience_is_the_apis_identifier() {
    let (tenant, door) = tenant();
    let caller = door.admits(&tenant.token()).await;
    assert!(scopes("read:messages").check(&caller).is_ok() && scopes("write:messages").check(&caller).is_err());
    assert_eq!(door.refuses(&tenant.token().audience("https://other.test")).await, Reason::WrongAudience);
}

#[tokio::test]
async fn authok_signs_with_rs256_alone() {
    let tenant = TestIssuer::authok(DOMAIN, API).with_more_algorithms([Algorithm::Ps256, Algorithm::Hs256]);
    let door = Door::new(Authok::new(DOMAIN, API).keys(tenant.keys()).verifier().unwrap());
    for algorithm in [Algorithm::Ps256, Algorithm::Hs256] {
        assert_eq!(
            door.refuses(&tenant.token().algorithm(algorithm)).await,
            Reason::AlgorithmNotAllowed,
            "{algorithm}"
        );
    }
}

#[tokio::test]
async fn the_keys_are_fetched_from_the_tenants_key_set() {
    let tenant = TestIssuer::authok(DOMAIN, API).serve();
    let door = Door::new(Authok::new(format!("http://{}", tenant.address()), API).verifier().unwrap());
    door.admits(&tenant.issuer().token()).await;
    assert_eq!((tenant.hits("/.well-known/jwks.json"), tenant.all_hits()), (1, 1));
}

#[tokio::test]
async fn forgeries_are_refused() {
    let (tenant, door) = tenant();
    door.refuses_all_forgeries_but(&tenant, &[]).await;
}

#[tokio::test]
async fn the_environment_is_read_and_its_faults_are_named() {
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
    let door = Door::new(preset.verifier().unwrap());
    door.admits(&tenant.token()).await;
    door.admits(&tenant.token().issuer("https://login.example.com/")).await;
    assert_eq!(read(None, Some(API)).unwrap_err().field(), "AUTHOK_DOMAIN");
    assert_eq!(read(Some("tenant.us.authok.cn/x"), Some(API)).unwrap_err().field(), "AUTHOK_DOMAIN");
    assert_eq!(read(Some(DOMAIN), Some(" ")).unwrap_err().field(), "AUTHOK_AUDIENCE");
}

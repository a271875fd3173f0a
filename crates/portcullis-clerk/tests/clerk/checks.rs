//! Tests of the checks for features, plans and reverification.

use std::time::Duration;

use portcullis::checks::ClaimCheck;
use portcullis::{Gate, Reason};
use portcullis_clerk::checks;
use serde_json::json;

use crate::{clerk, instance, reason};

fn gate(checks: impl IntoIterator<Item = Box<dyn ClaimCheck>>, instance: &portcullis_testing::TestIssuer) -> Gate {
    struct Boxed(Box<dyn ClaimCheck>);
    impl ClaimCheck for Boxed {
        fn check(&self, token: &portcullis::checks::TokenView<'_>) -> Result<(), portcullis::error::InvalidToken> {
            self.0.check(token)
        }
    }
    let builder = clerk().keys(instance.keys()).builder().unwrap();
    Gate::new(checks.into_iter().fold(builder, |builder, check| builder.check(Boxed(check))).build().unwrap())
}

#[tokio::test]
async fn impersonated_users_are_refused_only_by_check() {
    let instance = instance();
    let support = json!({"iss": "https://dashboard.clerk.com", "sub": "user_2support"});
    let usual = gate([], &instance);
    assert_eq!(reason(&usual, instance.token().claim("act", &support)).await, None);
    let strict = gate([Box::new(checks::not_impersonated()) as Box<dyn ClaimCheck>], &instance);
    assert_eq!(reason(&strict, instance.token()).await, None);
    assert_eq!(reason(&strict, instance.token().claim("act", json!(null))).await, None);
    for act in [support, json!({}), json!("user_2support"), json!(7)] {
        let found = reason(&strict, instance.token().claim("act", &act)).await;
        assert_eq!(found, Some(Reason::CheckFailed), "{act}");
    }
}

#[tokio::test]
async fn missing_feature_or_plan_is_refused() {
    let instance = instance();
    let token = || instance.token().claim("fea", "o:export,u:theme").claim("pla", "o:pro");
    for (check, expected) in [
        (Box::new(checks::feature("export")) as Box<dyn ClaimCheck>, None),
        (Box::new(checks::feature("org:export")), None),
        (Box::new(checks::plan("pro")), None),
        (Box::new(checks::feature("user:export")), Some(Reason::CheckFailed)),
        (Box::new(checks::feature("other")), Some(Reason::CheckFailed)),
        (Box::new(checks::feature("")), Some(Reason::CheckFailed)),
        (Box::new(checks::plan("user:pro")), Some(Reason::CheckFailed)),
        (Box::new(checks::plan("export")), Some(Reason::CheckFailed)),
    ] {
        assert_eq!(reason(&gate([check], &instance), token()).await, expected);
    }
    let exports = gate([Box::new(checks::feature("export")) as Box<dyn ClaimCheck>], &instance);
    for (fea, expected) in [
        (json!(null), Reason::MissingClaim),
        (json!(7), Reason::InvalidClaim),
        (json!(["o:export"]), Reason::InvalidClaim),
        (json!("export"), Reason::CheckFailed),
        (json!("x:export"), Reason::CheckFailed),
        (json!("o:export,theme"), Reason::CheckFailed),
    ] {
        assert_eq!(reason(&exports, token().claim("fea", &fea)).await, Some(expected), "{fea}");
    }
    assert_eq!(reason(&exports, token().without("fea")).await, Some(Reason::MissingClaim));
}

#[tokio::test]
async fn every_added_check_must_pass() {
    let instance = instance();
    let ten_minutes = Duration::from_secs(600);
    let gate = gate(
        [
            Box::new(checks::feature("export")) as Box<dyn ClaimCheck>,
            Box::new(checks::plan("pro")),
            Box::new(checks::second_factor_within(ten_minutes)),
        ],
        &instance,
    );
    let all = || instance.token().claim("fea", "o:export").claim("pla", "o:pro").claim("fva", [1, 1]);
    assert_eq!(reason(&gate, all()).await, None);
    for (name, odd) in [("fea", json!("o:other")), ("pla", json!("o:free")), ("fva", json!([1, 60]))] {
        assert_eq!(reason(&gate, all().claim(name, &odd)).await, Some(Reason::CheckFailed), "{name}");
        assert_eq!(reason(&gate, all().without(name)).await, Some(Reason::MissingClaim), "{name}");
    }
}

#[tokio::test]
async fn factor_must_be_enabled_and_fresh() {
    let instance = instance();
    let ten_minutes = Duration::from_secs(600);
    let first = gate([Box::new(checks::first_factor_within(ten_minutes)) as Box<dyn ClaimCheck>], &instance);
    let second = gate([Box::new(checks::second_factor_within(ten_minutes)) as Box<dyn ClaimCheck>], &instance);
    let failed = Some(Reason::CheckFailed);
    for (fva, by_first, by_second) in [
        (json!([0, 0]), None, None),
        (json!([9, 9]), None, None),
        (json!([10, 9]), failed, None),
        (json!([9, 10]), None, failed),
        (json!([0, -1]), None, failed),
        (json!([-1, 0]), failed, None),
        (json!([-1, -1]), failed, failed),
        (json!([0]), failed, failed),
        (json!([0, 0, 0]), failed, failed),
        (json!(["0", "0"]), failed, failed),
        (json!([-2, 0]), failed, failed),
        (json!("0"), failed, failed),
    ] {
        assert_eq!(reason(&first, instance.token().claim("fva", &fva)).await, by_first, "{fva}");
        assert_eq!(reason(&second, instance.token().claim("fva", &fva)).await, by_second, "{fva}");
    }
}

//! Tests of the token classes.

use portcullis::{Reason, scopes};
use portcullis_clerk::{ClerkClaims, TokenClass};
use portcullis_testing::{TestIssuer, TokenBuilder};

use crate::{clerk, gate, instance, reason};

const SESSION: &str = "cl_B7d4PD111AAA";
const TEMPLATE: &str = "cl_B7d4PD222AAA";
const MACHINE_TO_MACHINE: &str = "cl_B7d4PD333AAA";
const SAYS_NOTHING: &str = "cl_I7d4PD111III";

/// A token of each class, by its marks.
fn one_of_each(instance: &TestIssuer) -> [(TokenClass, TokenBuilder); 4] {
    let token = || instance.token();
    [
        (TokenClass::Session, token()),
        (TokenClass::Template, token().header("cat", TEMPLATE)),
        (TokenClass::MachineToMachine, token().header("cat", MACHINE_TO_MACHINE).subject("mch_1")),
        (TokenClass::OAuth, token().without_header("cat").header("typ", "at+jwt")),
    ]
}

#[tokio::test]
async fn only_session_tokens_are_accepted_by_default() {
    let instance = instance();
    let gate = gate(clerk(), &instance);
    let refused = Some(Reason::WrongTokenClass);
    let with = |category: &str| instance.token().header("cat", category);
    assert_eq!(reason(&gate, with(SESSION)).await, None);
    assert_eq!(reason(&gate, with(SAYS_NOTHING)).await, None);
    assert_eq!(reason(&gate, instance.token().without_header("cat")).await, None);
    for category in [TEMPLATE, MACHINE_TO_MACHINE, "cl_B7d4PD444AAA", "", "session", "CL_B7D4PD111AAA"] {
        assert_eq!(reason(&gate, with(category)).await, refused, "{category}");
    }
    assert_eq!(reason(&gate, instance.token().header("cat", 7)).await, refused);
    assert_eq!(reason(&gate, instance.token().header("cat", [SESSION])).await, refused);
    assert_eq!(reason(&gate, instance.token().header("cat", ())).await, refused);
    // Without `cat`, `sub` and `typ` tell machine tokens and OAuth access tokens apart.
    assert_eq!(reason(&gate, instance.token().without_header("cat").subject("mch_1")).await, refused);
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        assert_eq!(reason(&gate, instance.token().without_header("cat").header("typ", typ)).await, refused, "{typ}");
    }
}

#[tokio::test]
async fn each_class_is_accepted_only_if_configured() {
    let instance = instance();
    for (asked, _) in one_of_each(&instance) {
        let gate = gate(clerk().token_classes([asked]), &instance);
        for (class, token) in one_of_each(&instance) {
            let expected = (class != asked).then_some(Reason::WrongTokenClass);
            assert_eq!(reason(&gate, token).await, expected, "{class:?} where {asked:?} is accepted");
        }
    }
}

#[tokio::test]
async fn contradicting_marks_are_refused() {
    let instance = instance();
    let all = one_of_each(&instance).map(|(class, _)| class);
    let gate = gate(clerk().token_classes(all), &instance);
    let token = || instance.token();
    for (name, token) in [
        ("a machine with a session", token().subject("mch_1")),
        ("a machine with a template", token().header("cat", TEMPLATE).subject("mch_1")),
        ("a machine with a class that says nothing", token().header("cat", SAYS_NOTHING).subject("mch_1")),
        ("a user with a machine's token", token().header("cat", MACHINE_TO_MACHINE)),
        ("a machine's access token", token().without_header("cat").subject("mch_1").header("typ", "at+jwt")),
        ("a machine's class of another type", token().header("cat", MACHINE_TO_MACHINE).header("typ", "at+jwt")),
    ] {
        assert_eq!(reason(&gate, token).await, Some(Reason::WrongTokenClass), "{name}");
    }
}

#[tokio::test]
async fn machine_and_oauth_tokens_are_accepted_if_configured() {
    let instance = instance();
    let usual = gate(clerk(), &instance);
    let (machine, oauth) = (instance.clerk_machine().token(), instance.clerk_oauth().token());
    assert_eq!(reason(&usual, machine.clone()).await, Some(Reason::WrongAudience));
    assert_eq!(reason(&usual, machine.clone().without("aud")).await, Some(Reason::WrongTokenClass));
    assert_eq!(reason(&usual, oauth.clone()).await, Some(Reason::WrongTokenClass));

    let us = "mch_2yHv1k8cRwBqGdQO3XkZr5nTfLa";
    let machines = gate(clerk().token_classes([TokenClass::MachineToMachine]).audience(us), &instance);
    let caller = machines.verify(&machine.sign()).await.unwrap();
    assert!(caller.claims::<ClerkClaims>().unwrap().is_machine());
    assert!(scopes(us).check(&caller).is_ok());

    let applications = gate(clerk().token_classes([TokenClass::OAuth]), &instance);
    let caller = applications.verify(&oauth.sign()).await.unwrap();
    assert_eq!(caller.scopes(), ["profile", "email"]);
    assert_eq!(caller.client_id().as_deref(), Some("client_2VTWUzvGC5UhdJCNx6xG1D98edc"));
    let caller = applications.verify(&oauth.without("scope").claim("scp", ["email"]).sign()).await.unwrap();
    assert_eq!(caller.scopes(), ["email"]);
}

#[tokio::test]
async fn opaque_tokens_are_refused_as_such() {
    let instance = instance();
    let gate = gate(clerk(), &instance);
    for (token, expected) in [
        ("ak_8XOIucKvqHVr5tYP123456789abcdefghij", Reason::OpaqueToken),
        ("mt_8XOIucKvqHVr5tYP123456789abcdefghij", Reason::OpaqueToken),
        ("oat_8XOIucKvqHVr5tYP123456789abcdefghij", Reason::OpaqueToken),
        ("xak_8XOIucKvqHVr5tYP", Reason::NotCompactJws),
        ("opaque", Reason::NotCompactJws),
        ("AK_8XOIucKvqHVr5tYP", Reason::NotCompactJws),
    ] {
        let refused = gate.verify(token).await.unwrap_err();
        assert_eq!(refused.reason(), Some(expected), "{token}");
    }
}

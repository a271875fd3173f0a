//! A provider's own variables turn both servers into its resource server.

use portcullis::Algorithm;
use portcullis_testing::{IssuerServer, TestIssuer};

use crate::services::Services;
use crate::{API, assert_bad_token, http};

pub(crate) fn two_variables_make_a_resource_server_of_auth0() {
    let tenant = TestIssuer::new().with_audience(API).serve();
    let services = Services::start(&[("AUTH0_DOMAIN", &domain(&tenant)), ("AUTH0_AUDIENCE", API)]);
    // The keys are where Auth0 has them; no metadata is needed to find them.
    assert_eq!(tenant.metadata_hits(), 0);

    let issuer = tenant.issuer();
    let token = || issuer.token().scope("read:messages");
    let good = token().subject("auth0|1").sign();
    assert_eq!(services.get("/api/private", Some(&good)).json()["iss"], format!("{}/", domain(&tenant)));
    assert_eq!(services.get("/api/private-scoped", Some(&good)).status, 200);
    assert_eq!(services.get("/api/greeting", Some(&good)).json()["greeting"], "hello, auth0|1");

    for (bad, reason) in [
        (token().audience("https://other.test"), "wrong_audience"),
        (token().issuer(&domain(&tenant)), "wrong_issuer"),
        (token().expired(), "expired"),
    ] {
        assert_bad_token(&services.get("/api/private", Some(&bad.sign())), reason);
    }
    let unscoped = issuer.token().scope("openid").sign();
    assert_eq!(services.get("/api/private-scoped", Some(&unscoped)).status, 403);

    tenant.rotate(Algorithm::Rs256);
    assert_eq!(services.get("/api/private", Some(&tenant.issuer().token().sign())).status, 200);
    assert_eq!(services.get("/api/private", Some(&good)).status, 200);
}

pub(crate) fn two_providers_at_once_are_a_mistake_that_names_both() {
    for [(one, its), (other, others)] in [
        [("AUTH0_DOMAIN", "tenant.eu.auth0.com"), ("PORTCULLIS_ISSUER", "https://issuer.test")],
        [("AUTH0_AUDIENCE", API), ("CLERK_PUBLISHABLE_KEY", "pk_test_x")],
        [("AUTHOK_DOMAIN", "tenant.test"), ("AZURE_TENANT_ID", "tenant")],
    ] {
        for (code, output) in Services::fail_to_start(&[(one, its), (other, others)]) {
            assert_eq!(code, Some(2), "{output}");
            assert!(output.contains(one) && output.contains(other), "{output}");
        }
    }
}

pub(crate) fn with_no_provider_the_printed_lines_show_what_they_say() {
    let services = Services::start(&[]);
    for (address, log) in services.addresses().into_iter().zip(services.logs()) {
        let mut lines = log.lines().skip_while(|line| !line.starts_with("# "));
        let mut tried = 0;
        while let (Some(comment), Some(command)) = (lines.next(), lines.next()) {
            // No other form is printed: a comment, the command, an empty line.
            let status: u16 = comment.strip_prefix("# ").and_then(|rest| rest.get(..3)).unwrap().parse().unwrap();
            let (start, url) = command.rsplit_once(" http://").unwrap();
            let (host, path) = url.split_at(url.find('/').unwrap());
            assert_eq!(host, address);
            let token = start
                .split_once("Authorization: Bearer ")
                .map(|(_, rest)| rest.trim_end_matches("' ").trim_end_matches('\''));
            let bearer = token.map(|token| format!("Bearer {token}"));
            let fields: Vec<_> = bearer.iter().map(|value| ("authorization", value.as_str())).collect();
            assert_eq!(http::get(host, path, &fields).unwrap().status, status, "{comment}");
            tried += 1;
            if lines.next().is_none_or(|line| !line.is_empty()) {
                break;
            }
        }
        assert_eq!(tried, 8, "{log}");
    }
}

/// The tenant's URL, without the slash that ends its issuer.
fn domain(tenant: &IssuerServer) -> String {
    format!("http://{}", tenant.address())
}

//! The signed headers of proxies: Cloudflare Access, Google IAP and AWS load balancers.

use std::sync::Arc;

use portcullis::jose::Algorithm;

use super::{Foreign, Sample};
use crate::issuer::TestIssuer;
use crate::signing_key::SigningKey;

pub(crate) fn cloudflare_access(team: &TestIssuer) -> Vec<Sample> {
    let user = || team.token();
    let service = user()
        .subject("")
        .without("email")
        .without("identity_nonce")
        .without("country")
        .claim("common_name", "e367826f93b8d71185e03fe518aff3b4.access");
    let other = "97e2aae120121f902df8bc99fc345913ab186d174f3079ea729236766b2e7c4a";
    vec![
        Sample::signed("application token of a user", &user()),
        Sample::signed("application token of a service token", &service),
        Sample::signed("application token for another application", &user().audience([other])),
        Sample::signed("token of the team's login page", &user().claim("type", "org")),
        Foreign::new().sign("token of another team", user().issuer("https://other.cloudflareaccess.com")),
        Sample::new(
            "client secret of a service token",
            "bdd31cbc4dec990953e39163fbbb194c93313ca9f0a6e420346af9d326b1d2a5",
        ),
    ]
}

pub(crate) fn google_iap(iap: &TestIssuer) -> Vec<Sample> {
    let user = || iap.token();
    let robot = user()
        .without("hd")
        .subject("accounts.google.com:113475438248934895348")
        .claim("email", "robot@project-1.iam.gserviceaccount.com");
    let other = "/projects/1234567890/global/backendServices/1111111111";
    let id_token = user().issuer("https://accounts.google.com").audience(other);
    vec![
        Sample::signed("signed header of a user", &user()),
        Sample::signed("signed header of a service account", &robot),
        Sample::signed("signed header of a user of another organization", &user().claim("hd", "other.example")),
        Sample::signed("signed header for another back end", &user().audience(other)),
        Foreign::new().sign("ID token of Google", id_token),
        Sample::new("field `X-Goog-Authenticated-User-Id`", "accounts.google.com:107517467455664443765"),
    ]
}

pub(crate) fn aws_alb(balancer: &TestIssuer) -> Vec<Sample> {
    let user = || balancer.token();
    let other = "arn:aws:elasticloadbalancing:eu-central-1:999999999999:loadbalancer/app/evil/fedcba9876543210";
    let half = {
        let padded = user().header("pad", "a").sign_padded();
        let header = padded.split('.').next().unwrap_or_default().to_owned();
        let bare = header.trim_end_matches('=');
        // One sign more or less than the two or the one that belong there.
        padded.replacen(&header, &format!("{bare}==="), 1)
    };
    let rsa = Arc::new(SigningKey::generate(Algorithm::Rs256, "provider-1"));
    vec![
        Sample::new("header of a user", user().sign_padded()),
        Sample::new("header of another load balancer", user().header("signer", other).sign_padded()),
        Sample::new("header of a load balancer without `signer`", user().without_header("signer").sign_padded()),
        Sample::new("header of another client", user().header("client", "another").sign_padded()),
        Sample::new(
            "header of another issuer",
            user().header("iss", "https://other.example").issuer("https://other.example").sign_padded(),
        ),
        Sample::new("expired header", user().expired().without("iat").sign_padded()),
        Sample::new("header with half of its padding", half),
        Sample::signed("access token of the identity provider", &user().signed_with(rsa)),
    ]
}

//! Services whose server tells neither the certificates of its connections nor their peers.

use portcullis::possession::{ClientCertificates, TrustedProxies};
use portcullis::{Policy, Require};

use super::issuer;
use crate::ways::{Ask, ask};

struct Authenticated;

impl Require for Authenticated {
    fn policy() -> Policy {
        Policy::authenticated()
    }
}

/// The requests of this test come on no connection.
#[actix_web::test]
async fn server_that_tells_nothing_lets_no_bound_token_in() {
    let issuer = issuer();
    let bound = issuer.token().bound_to_certificate(b"a certificate").sign();
    let proxies = TrustedProxies::at(["127.0.0.1"]).unwrap();
    for certificates in [ClientCertificates::rfc9440(proxies), ClientCertificates::from_tls()] {
        let gate = issuer.gate().with_client_certificates(certificates);
        let request = |token: &str| {
            let request = Ask::with_authorization(&format!("Bearer {token}"));
            request.field("client-cert", ":YSBjZXJ0aWZpY2F0ZQ==:").field("x-forwarded-for", "127.0.0.1")
        };
        let answer = ask::<Authenticated>(&gate, &request(&bound), |_| String::new()).await;
        assert_eq!(answer.status, 500, "{}", answer.body);
        assert_eq!(answer.values("www-authenticate"), [""; 0]);
        let plain = ask::<Authenticated>(&gate, &request(&issuer.token().sign()), |_| String::new()).await;
        assert_eq!(plain.status, 200, "{}", plain.body);
    }
}

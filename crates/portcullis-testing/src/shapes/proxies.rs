//! Issuers like proxies, which add a signed header to each request.

use portcullis::jose::Algorithm;

use crate::issuer::TestIssuer;
use crate::samples;

impl TestIssuer {
    /// Makes an issuer like Cloudflare Access, with application tokens of a user
    /// (<https://developers.cloudflare.com/cloudflare-one/identity/authorization-cookie/application-token>). `audience` is the
    /// AUD tag of the application.
    #[must_use]
    pub fn cloudflare_access(team_domain: &str, audience: &str) -> Self {
        let access = Self::new().with_url(format!("https://{team_domain}")).with_audience(audience);
        let audiences = [audience.to_owned()];
        access.with_samples(samples::cloudflare_access).with_tokens(move |token| {
            token
                .header("typ", "JWT")
                .without("jti")
                .audience(&audiences)
                .subject("7335d417-61da-459d-899c-0a01c76a2f94")
                .claim("email", "user@example.com")
                .claim("type", "app")
                .claim("identity_nonce", "6ei69kawdKzMIAPF")
                .claim("country", "US")
        })
    }

    /// Makes an issuer like Google's Identity-Aware Proxy, with the signed header of a user
    /// (<https://docs.cloud.google.com/iap/docs/signed-headers-howto>). `audience` is the JWT audience code of the back end.
    #[must_use]
    pub fn google_iap(audience: &str) -> Self {
        let iap = Self::from_algorithms([Algorithm::Es256]).with_url("https://cloud.google.com/iap");
        iap.with_audience(audience).with_samples(samples::google_iap).with_tokens(|token| {
            token
                .header("typ", "JWT")
                .without("jti")
                .subject("accounts.google.com:107517467455664443765")
                .claim("email", "jane@example.com")
                .claim("hd", "example.com")
                .claim("google", serde_json::json!({"access_levels": []}))
        })
    }

    /// Makes an issuer like an Application Load Balancer of AWS, with the claims of a user that `issuer` authenticated
    /// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html>). Sign its tokens
    /// with [`TokenBuilder::sign_padded`](crate::TokenBuilder::sign_padded).
    #[must_use]
    pub fn aws_alb(arn: &str, issuer: &str) -> Self {
        let (arn, iss) = (arn.to_owned(), issuer.to_owned());
        let balancer = Self::from_algorithms([Algorithm::Es256]).with_url(issuer).with_audience("the load balancer");
        balancer.with_samples(samples::aws_alb).with_tokens(move |token| {
            token
                .header("typ", "JWT")
                .header("iss", &iss)
                .header("client", "6bkkhhd7ip8n8ho3plckv1lq7t")
                .header("signer", &arn)
                .without("jti")
                .without("iat")
                .without("aud")
                .subject("1234567890")
                .claim("email", "alias@example.com")
                .claim("email_verified", "true")
        })
    }
}

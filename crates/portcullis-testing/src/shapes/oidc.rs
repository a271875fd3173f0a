//! The providers of `portcullis-oidc`.

use crate::issuer::TestIssuer;

impl TestIssuer {
    /// An Amazon Cognito user pool that issues access tokens to `client`: no `aud`, the client in `client_id`, groups in
    /// `cognito:groups`
    /// (<https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html>).
    #[must_use]
    pub fn cognito(region: &str, pool: &str, client: &str) -> Self {
        let client = client.to_owned();
        user_pool(region, pool, &client).with_tokens(move |token| {
            token
                .without_header("typ")
                .without("aud")
                .subject("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")
                .claim("client_id", &client)
                .claim("token_use", "access")
                .claim("cognito:groups", ["admins"])
                .claim("username", "my-test-user")
                .claim("version", 2)
                .claim("origin_jti", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")
                .scope("aws.cognito.signin.user.admin https://api.example.com/read")
        })
    }

    /// An Amazon Cognito user pool that issues ID tokens to `client`: the client in `aud`
    /// (<https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html>).
    #[must_use]
    pub fn cognito_id_tokens(region: &str, pool: &str, client: &str) -> Self {
        user_pool(region, pool, client).with_tokens(|token| {
            token
                .without_header("typ")
                .subject("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")
                .claim("token_use", "id")
                .claim("cognito:groups", ["admins"])
                .claim("cognito:username", "my-test-user")
                .claim("email", "my-test-user@example.com")
                .claim("email_verified", true)
        })
    }
}

fn user_pool(region: &str, pool: &str, client: &str) -> TestIssuer {
    TestIssuer::new().with_url(format!("https://cognito-idp.{region}.amazonaws.com/{pool}")).with_audience(client)
}

//! Issuers like the identity providers of `portcullis-oidc`.

use std::time::Duration;

use portcullis::jose::Algorithm;
use serde_json::json;

use crate::issuer::TestIssuer;
use crate::samples;
use crate::signing_key::SigningKey;
use crate::token::TokenBuilder;

impl TestIssuer {
    /// Makes an issuer like an Authok tenant. Its tokens are like those of [`Self::auth0`].
    #[must_use]
    pub fn authok(domain: &str, audience: &str) -> Self {
        Self::auth0(domain, audience)
    }

    /// Makes an issuer like an Amazon Cognito user pool, with access tokens for `client`.
    ///
    /// They have the client in `client_id`, groups in `cognito:groups`, and no `aud`
    /// (<https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html>).
    #[must_use]
    pub fn cognito(region: &str, pool: &str, client: &str) -> Self {
        let client = client.to_owned();
        user_pool(region, pool, &client).with_samples(samples::cognito).with_tokens(move |token| {
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

    /// Makes an issuer like an Amazon Cognito user pool, with ID tokens for `client`. They have the client in `aud`
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

    /// Makes an issuer like a Firebase project, with ID tokens
    /// (<https://firebase.google.com/docs/auth/admin/verify-id-tokens#verify_id_tokens_using_a_third-party_jwt_library>).
    #[must_use]
    pub fn firebase(project: &str) -> Self {
        let issuer = Self::new().with_url(format!("https://securetoken.google.com/{project}")).with_audience(project);
        issuer.with_samples(samples::firebase).with_tokens(|token| firebase_user(token.header("typ", "JWT")))
    }

    /// Makes an issuer like a Firebase project, with session cookies. They have the claims of ID tokens, another issuer and
    /// other keys, and live for up to two weeks (<https://firebase.google.com/docs/auth/admin/manage-cookies>).
    #[must_use]
    pub fn firebase_session_cookies(project: &str) -> Self {
        let url = format!("https://session.firebase.google.com/{project}");
        Self::new().with_url(url).with_audience(project).with_tokens(|token| {
            let two_weeks = Duration::from_secs(14 * 24 * 60 * 60);
            firebase_user(token.without_header("typ")).expires_in(two_weeks)
        })
    }

    /// Makes an issuer like Google accounts, with ID tokens for `client`
    /// (<https://developers.google.com/identity/openid-connect/openid-connect#an-id-tokens-payload>).
    #[must_use]
    pub fn google_id_tokens(client: &str) -> Self {
        let azp = client.to_owned();
        let accounts = Self::new().with_url("https://accounts.google.com").with_audience(client);
        accounts.with_samples(samples::google).with_tokens(move |token| {
            token
                .header("typ", "JWT")
                .without("jti")
                .subject("10769150350006150715113082367")
                .claim("azp", &azp)
                .claim("email", "jsmith@example.com")
                .claim("email_verified", true)
                .claim("hd", "example.com")
                .claim("at_hash", "HK6E_P6Dh8Y93mRNtsDB1Q")
        })
    }

    /// Makes an issuer like a Keycloak realm, with access tokens of the client `web` for `audience`.
    ///
    /// They have roles of the realm and of the client `api`. The published keys include one for encryption
    /// (<https://www.keycloak.org/docs/latest/server_admin/>).
    #[must_use]
    pub fn keycloak(base: &str, realm: &str, audience: &str) -> Self {
        let mut for_encryption = SigningKey::generate(Algorithm::Rs256, "encryption-1").jwk();
        if let Some(members) = for_encryption.as_object_mut() {
            members.insert("use".to_owned(), "enc".into());
            members.insert("alg".to_owned(), "RSA-OAEP".into());
        }
        let audiences = [audience.to_owned(), "account".to_owned()];
        Self::new()
            .with_url(format!("{base}/realms/{realm}"))
            .with_audience(audience)
            .with_published_jwk(for_encryption)
            .with_samples(samples::keycloak)
            .with_tokens(move |token| {
                token
                    .header("typ", "JWT")
                    .subject("aefc221c-1402-41b4-8fb0-4be2eaa003f2")
                    .audience(&audiences)
                    .claim("typ", "Bearer")
                    .claim("azp", "web")
                    .claim("sid", "93bf159e-c617-4436-9891-a0f0333e37d9")
                    .claim("acr", "1")
                    .claim("allowed-origins", ["https://web.example.com"])
                    .claim("realm_access", json!({"roles": ["offline_access", "uma_authorization", "user"]}))
                    .claim(
                        "resource_access",
                        json!({"api": {"roles": ["editor"]}, "account": {"roles": ["manage-account"]}}),
                    )
                    .scope("email profile")
                    .claim("email_verified", true)
                    .claim("preferred_username", "employee1")
            })
    }

    /// Makes an issuer like a Logto tenant, with access tokens for the API resource `resource`, signed with ES384
    /// (<https://docs.logto.io/authorization/validate-access-tokens>).
    #[must_use]
    pub fn logto(endpoint: &str, resource: &str) -> Self {
        Self::from_algorithms([Algorithm::Es384])
            .with_url(format!("{endpoint}/oidc"))
            .with_audience(resource)
            .with_samples(samples::logto)
            .with_tokens(|token| token.subject("foxq6v1bzvfd").scope("read:messages").claim("client_id", "web-app-1"))
    }

    /// Makes an issuer like an Okta custom authorization server, with access tokens
    /// (<https://developer.okta.com/docs/api/openapi/okta-oauth/guides/overview/>).
    #[must_use]
    pub fn okta(domain: &str, server: &str, audience: &str) -> Self {
        let url = format!("https://{domain}/oauth2/{server}");
        Self::new().with_url(url).with_audience(audience).with_samples(samples::okta).with_tokens(|token| {
            token
                .without_header("typ")
                .subject("jane@example.com")
                .claim("ver", 1)
                .claim("jti", "AT.MNAoEQ_jbKqoinrQo1D0XKjMX28U5d7ZszBceot7-Ts")
                .claim("cid", "0oa1gjh63g214q0Hq0g4")
                .claim("uid", "00uk1u7AsAk6dZL3z0g3")
                .claim("scp", ["openid", "read:messages"])
        })
    }

    /// Makes an issuer like a Supabase project, with access tokens of a signed-in user
    /// (<https://supabase.com/docs/guides/auth/jwt-fields>).
    #[must_use]
    pub fn supabase(reference: &str) -> Self {
        Self::from_algorithms([Algorithm::Es256])
            .with_url(format!("https://{reference}.supabase.co/auth/v1"))
            .with_audience("authenticated")
            .with_samples(samples::supabase)
            .with_tokens(|token| {
                token
                    .header("typ", "JWT")
                    .without("jti")
                    .subject("123e4567-e89b-12d3-a456-426614174000")
                    .claim("role", "authenticated")
                    .claim("aal", "aal1")
                    .claim("session_id", "123e4567-e89b-12d3-a456-426614174111")
                    .claim("is_anonymous", false)
                    .claim("email", "user@example.com")
                    .claim("phone", "")
                    .claim("app_metadata", json!({"provider": "email", "providers": ["email"]}))
                    .claim("user_metadata", json!({"role": "admin"}))
            })
    }

    /// Makes an issuer like a WorkOS AuthKit application, with access tokens of a user's session, without `aud`
    /// (<https://workos.com/docs/reference/authkit/session-tokens>).
    #[must_use]
    pub fn workos_sessions(client: &str) -> Self {
        let application = Self::new().with_url(format!("https://api.workos.com/user_management/{client}"));
        application.with_samples(samples::workos_sessions).with_tokens(|token| {
            token
                .without_header("typ")
                .without("aud")
                .subject("user_01HBEQKA6K4QJAS93VPE39W1JT")
                .claim("jti", "01HQSXZXPPFPKMDD32RKTFY6PV")
                .claim("sid", "session_01HQSXZGF8FHF7A9ZZFCW4387R")
                .claim("org_id", "org_01HRDMC6CM357W30QMHMQ96Q0S")
                .claim("role", "member")
                .claim("roles", ["member"])
                .claim("permissions", ["posts:read", "posts:write"])
                .claim("entitlements", ["audit-logs"])
        })
    }

    /// Makes an issuer like a WorkOS AuthKit environment with the AuthKit domain `domain`, with access tokens of a user for the
    /// API with the resource indicator `audience` (<https://workos.com/docs/authkit/mcp>).
    #[must_use]
    pub fn workos_api(domain: &str, audience: &str) -> Self {
        let environment = Self::new().with_url(format!("https://{domain}")).with_audience(audience);
        environment.with_samples(samples::workos_api).with_tokens(|token| {
            token
                .without_header("typ")
                .subject("user_01HBEQKA6K4QJAS93VPE39W1JT")
                .scope("openid profile email")
                .claim("sid", "app_consent_01HQSXZGF8FHF7A9ZZFCW4387R")
        })
    }

    /// Makes an issuer like a Zitadel instance, with access tokens for `project` of a user with the role `editor`
    /// (<https://zitadel.com/docs/apis/openidoauth/claims>).
    #[must_use]
    pub fn zitadel(instance: &str, project: &str) -> Self {
        let audiences = ["272311436567052291@web".to_owned(), project.to_owned()];
        let own = format!("urn:zitadel:iam:org:project:{project}:roles");
        let issuer = Self::new().with_url(instance).with_audience(project);
        issuer.with_samples(samples::zitadel).with_tokens(move |token| {
            let roles = json!({"editor": {"344373908297744388": "acme.zitadel.cloud"}});
            token
                .header("typ", "JWT")
                .subject("345377791925026818")
                .audience(&audiences)
                .claim("client_id", "272311436567052291@web")
                .claim("urn:zitadel:iam:org:project:roles", &roles)
                .claim(&own, &roles)
        })
    }
}

fn firebase_user(token: TokenBuilder) -> TokenBuilder {
    let issued_at = token.claims().get("iat").and_then(serde_json::Value::as_i64).unwrap_or_default();
    token
        .without("jti")
        .subject("8HOmNCMOUpZRKYAa3LvC2cs6Sj52")
        .claim("user_id", "8HOmNCMOUpZRKYAa3LvC2cs6Sj52")
        .claim("auth_time", issued_at - 600)
        .claim("email", "jane@example.com")
        .claim("email_verified", true)
        .claim("firebase", json!({"identities": {"email": ["jane@example.com"]}, "sign_in_provider": "password"}))
}

fn user_pool(region: &str, pool: &str, client: &str) -> TestIssuer {
    TestIssuer::new().with_url(format!("https://cognito-idp.{region}.amazonaws.com/{pool}")).with_audience(client)
}

//! Issuers like those of clouds: Google service accounts, AWS, SPIFFE, Vercel and Bitbucket.

use portcullis::jose::Algorithm;
use serde_json::json;

use crate::issuer::TestIssuer;
use crate::samples;

impl TestIssuer {
    /// Makes an issuer like Google, with ID tokens of the service account 107517467455664443765
    /// (<https://docs.cloud.google.com/compute/docs/instances/verifying-instance-identity#payload>).
    #[must_use]
    pub fn google_service_account(audience: &str) -> Self {
        let google = Self::new().with_url("https://accounts.google.com").with_audience(audience);
        google.with_samples(samples::google_service_account).with_tokens(|token| {
            token
                .header("typ", "JWT")
                .without("jti")
                .subject("107517467455664443765")
                .claim("azp", "107517467455664443765")
                .claim("email", "robot@project-1.iam.gserviceaccount.com")
                .claim("email_verified", true)
        })
    }

    /// Makes an issuer like the outbound identity federation of an AWS account, with tokens of the role `DataProcessingRole`
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_outbound_token_claims.html>).
    #[must_use]
    pub fn aws_outbound(issuer: &str, audience: &str) -> Self {
        let account = Self::from_algorithms([Algorithm::Rs256, Algorithm::Es384]).with_url(issuer);
        account.with_audience(audience).with_samples(samples::aws_outbound).with_tokens(|token| {
            token
                .header("typ", "JWT")
                .claim("jti", "xyz123-def456-ghi789-jkl012")
                .subject("arn:aws:iam::123456789012:role/DataProcessingRole")
                .claim(
                    "https://sts.amazonaws.com/",
                    json!({
                        "aws_account": "123456789012",
                        "source_region": "us-east-1",
                        "org_id": "o-abc1234567",
                        "ou_path": "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/ou-ab12-22222222/",
                        "principal_tags": {"environment": "production", "team": "data-engineering"},
                        "lambda_source_function_arn": "arn:aws:lambda:us-east-1:123456789012:function:process-data",
                    }),
                )
        })
    }

    /// Makes an issuer like a SPIFFE trust domain, with JWT-SVIDs of the workload `/ns/shop/sa/web`. They have no issuer. The
    /// published bundle marks its keys with `use: jwt-svid`, and has a key for X.509 as well
    /// (<https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md>).
    #[must_use]
    pub fn spiffe(trust_domain: &str, audience: &str) -> Self {
        let id = format!("spiffe://{trust_domain}/ns/shop/sa/web");
        let mut for_tls = crate::SigningKey::generate(Algorithm::Es256, "x509-1").jwk();
        if let Some(members) = for_tls.as_object_mut() {
            members.insert("use".to_owned(), "x509-svid".into());
        }
        let audiences = [audience.to_owned()];
        Self::from_algorithms([Algorithm::Es256])
            .with_url(format!("spiffe://{trust_domain}"))
            .with_audience(audience)
            .with_published_jwk(for_tls)
            .with_published_keys(|jwk| {
                jwk.insert("use".to_owned(), "jwt-svid".into());
                jwk.remove("alg");
            })
            .with_samples(samples::spiffe)
            .with_tokens(move |token| {
                token.header("typ", "JWT").without("iss").without("jti").subject(&id).audience(&audiences)
            })
    }

    /// Makes an issuer like a team on Vercel, with tokens of a production deployment of the project `prj_9p1k2m3n4o5p6q7r8s9t`
    /// (<https://vercel.com/docs/oidc/reference#oidc-token-anatomy>).
    #[must_use]
    pub fn vercel(slug: &str, team_id: &str) -> Self {
        let (owner, id) = (slug.to_owned(), team_id.to_owned());
        let team = Self::new().with_url(format!("https://oidc.vercel.com/{slug}"));
        team.with_audience(format!("https://vercel.com/{slug}")).with_samples(samples::vercel).with_tokens(
            move |token| {
                let subject = format!("owner:{owner}:project:shop:environment:production");
                token
                    .header("typ", "JWT")
                    .without("jti")
                    .subject(&subject)
                    .claim("scope", &subject)
                    .claim("owner", &owner)
                    .claim("owner_id", &id)
                    .claim("project", "shop")
                    .claim("project_id", "prj_9p1k2m3n4o5p6q7r8s9t")
                    .claim("environment", "production")
            },
        )
    }

    /// Makes an issuer like a Bitbucket workspace, with tokens of a step on the branch `main` of the repository
    /// `{c1e0d3a2-9f3b-4b52-8a55-0d5f6a7b8c9d}`
    /// (<https://support.atlassian.com/bitbucket-cloud/docs/integrate-pipelines-with-resource-servers-using-oidc/>).
    #[must_use]
    pub fn bitbucket(workspace: &str, audience: &str) -> Self {
        let url = format!("https://api.bitbucket.org/2.0/workspaces/{workspace}/pipelines-config/identity/oidc");
        Self::new().with_url(url).with_audience(audience).with_samples(samples::bitbucket).with_tokens(|token| {
            token
                .header("typ", "JWT")
                .without("jti")
                .subject("{c1e0d3a2-9f3b-4b52-8a55-0d5f6a7b8c9d}:{2f3e4d5c-6b7a-4889-9a0b-1c2d3e4f5a6b}")
                .claim("repositoryUuid", "{c1e0d3a2-9f3b-4b52-8a55-0d5f6a7b8c9d}")
                .claim("workspaceUuid", "{7d9b6f1c-54b3-4f4c-8d36-7c9c3b0a2f11}")
                .claim("pipelineUuid", "{0a1b2c3d-4e5f-4061-8273-8495a6b7c8d9}")
                .claim("pipelineRunUuid", "{0f1e2d3c-4b5a-4968-8776-859493a2b1c0}")
                .claim("stepUuid", "{2f3e4d5c-6b7a-4889-9a0b-1c2d3e4f5a6b}")
                .claim("branchName", "main")
        })
    }
}

//! Issuers like those of machines, which `portcullis-workload` has presets for.

use serde_json::json;

use crate::issuer::TestIssuer;
use crate::samples;

impl TestIssuer {
    /// Makes an issuer like GitHub Actions, with tokens of a job on the branch `main` of the repository with the number 456789,
    /// whose owner has the number 123456
    /// (<https://docs.github.com/en/actions/concepts/security/openid-connect#understanding-the-oidc-token>).
    #[must_use]
    pub fn github_actions(audience: &str) -> Self {
        let github = Self::new().with_url("https://token.actions.githubusercontent.com").with_audience(audience);
        github.with_samples(samples::github_actions).with_tokens(|token| {
            token
                .header("typ", "JWT")
                .claim("jti", "example-id")
                .subject("repo:octocat/my-repo:ref:refs/heads/main")
                .claim("ref", "refs/heads/main")
                .claim("sha", "4b1f8f4a6d1b2f0a7d1c9f2e3b4a5c6d7e8f9a0b")
                .claim("repository", "octocat/my-repo")
                .claim("repository_owner", "octocat")
                .claim("actor_id", "583231")
                .claim("repository_visibility", "private")
                .claim("repository_id", "456789")
                .claim("repository_owner_id", "123456")
                .claim("run_id", "9876543210")
                .claim("run_number", "10")
                .claim("run_attempt", "2")
                .claim("runner_environment", "github-hosted")
                .claim("actor", "octocat")
                .claim("workflow", "deploy")
                .claim("head_ref", "")
                .claim("base_ref", "")
                .claim("event_name", "workflow_dispatch")
                .claim("ref_type", "branch")
                .claim("ref_protected", "true")
                .claim("job_workflow_ref", "octocat/my-repo/.github/workflows/deploy.yml@refs/heads/main")
                .claim("workflow_ref", "octocat/my-repo/.github/workflows/deploy.yml@refs/heads/main")
        })
    }

    /// Makes an issuer like a GitLab instance, with tokens of a job on the protected branch `main` of the project with the
    /// number 22, in the group with the number 72 (<https://docs.gitlab.com/ci/secrets/id_token_authentication/#token-payload>).
    #[must_use]
    pub fn gitlab(instance: &str, audience: &str) -> Self {
        let gitlab = Self::new().with_url(instance).with_audience(audience);
        gitlab.with_samples(samples::gitlab).with_tokens(|token| {
            token
                .header("typ", "JWT")
                .claim("jti", "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b")
                .subject("project_path:my-group/my-project:ref_type:branch:ref:main")
                .claim("namespace_id", "72")
                .claim("namespace_path", "my-group")
                .claim("project_id", "22")
                .claim("project_path", "my-group/my-project")
                .claim("user_id", "1")
                .claim("user_login", "sample-user")
                .claim("user_email", "sample-user@example.com")
                .claim("user_access_level", "owner")
                .claim("pipeline_id", "574")
                .claim("pipeline_source", "push")
                .claim("job_id", "302")
                .claim("ref", "main")
                .claim("ref_type", "branch")
                .claim("ref_path", "refs/heads/main")
                .claim("ref_protected", "true")
                .claim("runner_id", 1)
                .claim("runner_environment", "self-hosted")
                .claim("sha", "714a629c0b401fdce83e847fc9589983fc6f46bc")
                .claim("project_visibility", "public")
                .claim("ci_config_ref_uri", "gitlab.example.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main")
                .claim("ci_config_sha", "714a629c0b401fdce83e847fc9589983fc6f46bc")
        })
    }

    /// Makes an issuer like a Kubernetes cluster, with projected tokens of the service account `web` in the namespace `shop`
    /// (<https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens>).
    #[must_use]
    pub fn kubernetes(issuer: &str, audience: &str) -> Self {
        let cluster = Self::new().with_url(issuer).with_audience(audience);
        let audiences = [audience.to_owned()];
        cluster.with_samples(samples::kubernetes).with_tokens(move |token| {
            token
                .without_header("typ")
                .audience(&audiences)
                .claim("jti", "ea28ed49-2e11-4280-9ec5-bc3d1d84661a")
                .subject("system:serviceaccount:shop:web")
                .claim(
                    "kubernetes.io",
                    json!({
                        "namespace": "shop",
                        "node": {"name": "worker-1", "uid": "58456cb0-dd00-45ed-b797-5578fdceaced"},
                        "pod": {"name": "web-69cbfb9798-jv9gn", "uid": "778a530c-b3f4-47c0-9cd5-ab018fb64f33"},
                        "serviceaccount": {"name": "web", "uid": "a087d5a0-e1dd-43ec-93ac-f13d89cd13af"},
                        "warnafter": 4_102_444_800_i64,
                    }),
                )
        })
    }
}

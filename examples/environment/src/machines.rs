//! The issuers of machines' tokens, and the proxies that sign a header for each request.

use portcullis::TokenSource;
use portcullis_workload::{
    AwsAlb, AwsRole, Bitbucket, CloudflareAccess, EntraWorkload, GitHubActions, GitLab, GoogleIap,
    GoogleServiceAccount, Kubernetes, Spiffe, Vercel,
};

use crate::PresetBuilder;

/// A proxy: the variables that name it, its verifier, and where requests have its token.
type Proxy = (&'static [&'static str], PresetBuilder, fn() -> TokenSource);

/// The proxies.
pub(crate) const PROXIES: [Proxy; 3] = [
    (
        &["PORTCULLIS_CLOUDFLARE_TEAM_DOMAIN", "PORTCULLIS_CLOUDFLARE_AUDIENCE"],
        || CloudflareAccess::from_env()?.builder(),
        CloudflareAccess::token_source,
    ),
    (
        &["PORTCULLIS_IAP_AUDIENCE", "PORTCULLIS_IAP_HOSTED_DOMAINS"],
        || GoogleIap::from_env()?.builder(),
        GoogleIap::token_source,
    ),
    (
        &["PORTCULLIS_ALB_ARN", "PORTCULLIS_ALB_ISSUER", "PORTCULLIS_ALB_CLIENT_IDS"],
        || AwsAlb::from_env()?.builder(),
        AwsAlb::token_source,
    ),
];

/// The variables that name each issuer, and its verifier.
pub(crate) const MACHINES: [(&[&str], PresetBuilder); 9] = [
    (
        &[
            "PORTCULLIS_GITHUB_AUDIENCE",
            "PORTCULLIS_GITHUB_REPOSITORY_IDS",
            "PORTCULLIS_GITHUB_OWNER_IDS",
            "PORTCULLIS_GITHUB_REFS",
            "PORTCULLIS_GITHUB_ENVIRONMENTS",
            "PORTCULLIS_GITHUB_JOB_WORKFLOWS",
            "PORTCULLIS_GITHUB_HOST",
        ],
        || GitHubActions::from_env()?.builder(),
    ),
    (
        &[
            "PORTCULLIS_GITLAB_AUDIENCE",
            "PORTCULLIS_GITLAB_INSTANCE",
            "PORTCULLIS_GITLAB_PROJECT_IDS",
            "PORTCULLIS_GITLAB_NAMESPACE_IDS",
            "PORTCULLIS_GITLAB_BRANCHES",
            "PORTCULLIS_GITLAB_ENVIRONMENTS",
        ],
        || GitLab::from_env()?.builder(),
    ),
    (
        &[
            "PORTCULLIS_KUBERNETES_AUDIENCE",
            "PORTCULLIS_KUBERNETES_SERVICE_ACCOUNTS",
            "PORTCULLIS_KUBERNETES_NAMESPACES",
            "PORTCULLIS_KUBERNETES_ISSUER",
            "PORTCULLIS_KUBERNETES_JWKS_URL",
            "PORTCULLIS_KUBERNETES_TOKEN_FILE",
            "PORTCULLIS_KUBERNETES_CA_FILE",
        ],
        || Kubernetes::from_env()?.builder(),
    ),
    (&["PORTCULLIS_GOOGLE_AUDIENCE", "PORTCULLIS_GOOGLE_ACCOUNT_IDS"], || GoogleServiceAccount::from_env()?.builder()),
    (&["PORTCULLIS_AWS_ISSUER", "PORTCULLIS_AWS_AUDIENCE", "PORTCULLIS_AWS_ROLES"], || AwsRole::from_env()?.builder()),
    (
        &[
            "PORTCULLIS_ENTRA_TENANT_ID",
            "PORTCULLIS_ENTRA_CLIENT_ID",
            "PORTCULLIS_ENTRA_OBJECT_IDS",
            "PORTCULLIS_ENTRA_APPLICATION_IDS",
        ],
        || EntraWorkload::from_env()?.builder(),
    ),
    (
        &[
            "PORTCULLIS_SPIFFE_TRUST_DOMAIN",
            "PORTCULLIS_SPIFFE_AUDIENCE",
            "PORTCULLIS_SPIFFE_BUNDLE_URL",
            "PORTCULLIS_SPIFFE_BUNDLE_FILE",
            "PORTCULLIS_SPIFFE_IDS",
        ],
        || Spiffe::from_env()?.builder(),
    ),
    (
        &[
            "PORTCULLIS_VERCEL_TEAM",
            "PORTCULLIS_VERCEL_TEAM_ID",
            "PORTCULLIS_VERCEL_AUDIENCE",
            "PORTCULLIS_VERCEL_PROJECT_IDS",
            "PORTCULLIS_VERCEL_ENVIRONMENTS",
        ],
        || Vercel::from_env()?.builder(),
    ),
    (
        &[
            "PORTCULLIS_BITBUCKET_WORKSPACE",
            "PORTCULLIS_BITBUCKET_AUDIENCE",
            "PORTCULLIS_BITBUCKET_REPOSITORY_UUIDS",
            "PORTCULLIS_BITBUCKET_ENVIRONMENT_UUIDS",
            "PORTCULLIS_BITBUCKET_BRANCHES",
        ],
        || Bitbucket::from_env()?.builder(),
    ),
];

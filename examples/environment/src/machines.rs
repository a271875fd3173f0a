//! The issuers of machines' tokens.

use portcullis_workload::{GitHubActions, GitLab, Kubernetes};

use crate::PresetBuilder;

/// The variables that name each issuer, and its verifier.
pub(crate) const MACHINES: [(&[&str], PresetBuilder); 3] = [
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
];

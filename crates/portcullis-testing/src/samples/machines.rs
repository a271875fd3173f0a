//! Tokens of machines: GitHub Actions, GitLab and Kubernetes.

use serde_json::json;

use super::{Foreign, Sample};
use crate::issuer::TestIssuer;

pub(crate) fn github_actions(github: &TestIssuer) -> Vec<Sample> {
    let job = || github.token();
    let immutable = job().subject("repo:octocat@123456/my-repo@456789:ref:refs/heads/main");
    let tag = job()
        .subject("repo:octocat/my-repo:ref:refs/tags/v1")
        .claim("ref", "refs/tags/v1")
        .claim("ref_type", "tag")
        .claim("event_name", "push");
    let pull_request = job()
        .subject("repo:octocat/my-repo:pull_request")
        .claim("event_name", "pull_request")
        .claim("ref", "refs/pull/7/merge")
        .claim("head_ref", "patch-1")
        .claim("base_ref", "main");
    let target = pull_request.clone().claim("event_name", "pull_request_target").claim("ref", "refs/heads/main");
    let other = job()
        .subject("repo:mallory/my-repo:ref:refs/heads/main")
        .claim("repository", "mallory/my-repo")
        .claim("repository_id", "666")
        .claim("repository_owner", "mallory")
        .claim("repository_owner_id", "667");
    let squatter = job().claim("repository_id", "999999").claim("repository_owner_id", "888888");
    let server = job().issuer("https://github.example.com/_services/token");
    vec![
        Sample::signed("token of a job on a branch", &job()),
        Sample::signed("token of a repository with an immutable subject", &immutable),
        Sample::signed("token of a job for a tag", &tag),
        Sample::signed("token of a job for a pull request", &pull_request),
        Sample::signed("token of a job for `pull_request_target`", &target),
        Sample::signed("token of another repository", &other),
        Sample::signed("token of a new repository with the old name", &squatter),
        Sample::signed("token with the default audience", &job().audience("https://github.com/octocat")),
        Sample::signed("token for another service", &job().audience("sts.amazonaws.com")),
        Foreign::new().sign("token of a GitHub Enterprise Server", server),
        Sample::new("`GITHUB_TOKEN`", "ghs_16C7e42F292c6912E7710c838347Ae178B4a"),
    ]
}

pub(crate) fn gitlab(instance: &TestIssuer) -> Vec<Sample> {
    let job = || instance.token();
    let on_branch =
        job().subject("project_path:my-group/my-project:ref_type:branch:ref:main").claim("ref_protected", "false");
    let tag = job()
        .subject("project_path:my-group/my-project:ref_type:tag:ref:main")
        .claim("ref_type", "tag")
        .claim("ref_path", "refs/tags/main");
    let merge_request =
        job().claim("pipeline_source", "merge_request_event").claim("ref_path", "refs/merge-requests/1/head");
    let other = job()
        .subject("project_path:mallory/my-project:ref_type:branch:ref:main")
        .claim("project_id", "666")
        .claim("project_path", "mallory/my-project")
        .claim("namespace_id", "667")
        .claim("namespace_path", "mallory");
    vec![
        Sample::signed("token of a job on a protected branch", &job()),
        Sample::signed("token of a job on an unprotected branch", &on_branch),
        Sample::signed("token of a job for a tag with the branch's name", &tag),
        Sample::signed("token of a job for a merge request", &merge_request),
        Sample::signed("token of another project", &other),
        Sample::signed("token for another service", &job().audience("https://vault.example.com")),
        Foreign::new().sign("token of another instance", job().issuer("https://gitlab.other.example")),
        Sample::new("`CI_JOB_TOKEN`", "glcbt-64_1a2b3c4d5e6f7g8h9i0j"),
        Sample::new("personal access token", "glpat-1a2b3c4d5e6f7g8h9i0j"),
    ]
}

pub(crate) fn kubernetes(cluster: &TestIssuer) -> Vec<Sample> {
    let pod = || cluster.token();
    let account = |namespace: &str, name: &str| {
        let details = json!({
            "namespace": namespace,
            "pod": {"name": "other-1", "uid": "0d8b260e-ef0e-45fb-be8e-ff44f97722e8"},
            "serviceaccount": {"name": name, "uid": "e6a8680e-d103-4cce-80ea-03acbbeacf7d"},
        });
        pod().subject(&format!("system:serviceaccount:{namespace}:{name}")).claim("kubernetes.io", details)
    };
    let legacy = pod().payload(
        json!({
            "iss": "kubernetes/serviceaccount",
            "kubernetes.io/serviceaccount/namespace": "shop",
            "kubernetes.io/serviceaccount/secret.name": "web-token-pnj77",
            "kubernetes.io/serviceaccount/service-account.name": "web",
            "kubernetes.io/serviceaccount/service-account.uid": "a087d5a0-e1dd-43ec-93ac-f13d89cd13af",
            "sub": "system:serviceaccount:shop:web",
        })
        .to_string(),
    );
    let node = pod().subject("system:node:worker-1");
    vec![
        Sample::signed("projected token for this service", &pod()),
        Sample::signed("projected token of another service account", &account("shop", "cart")),
        Sample::signed("projected token of a namespace with a similar name", &account("shop-2", "web")),
        Sample::signed("projected token for another service", &pod().audience(["https://vault.example.com"])),
        Sample::signed("default token of a pod", &pod().audience([cluster.url()])),
        Sample::signed("legacy token from a Secret", &legacy),
        Sample::signed("token that never expires", &pod().without("exp")),
        Sample::signed("token of a node", &node),
        Foreign::new().sign("token of another cluster", pod().issuer("https://oidc.eks.eu-west-1.amazonaws.com/id/EX")),
    ]
}

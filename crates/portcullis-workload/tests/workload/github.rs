use portcullis::{Reason, Verifier as _};
use portcullis_testing::TestIssuer;
use portcullis_workload::{GitHubActions, GitHubClaims};

use crate::{API, TestGate, lookup};

fn preset() -> (TestIssuer, GitHubActions) {
    let github = TestIssuer::github_actions(API);
    let preset = GitHubActions::new(API).keys(github.keys());
    (github, preset)
}

fn gate(preset: &GitHubActions) -> TestGate {
    TestGate::new(preset.verifier().unwrap())
}

/// Anyone can register a deleted account or repository again, and gets tokens with its names.
#[tokio::test]
async fn numbers_decide_not_names() {
    let (github, preset) = preset();
    let squatter = github.token().claim("repository_id", "1").claim("repository_owner_id", "2");
    let renamed =
        github.token().claim("repository", "octocat/new-name").subject("repo:octocat/new-name:ref:refs/heads/main");
    for preset in [preset.clone().repository(456_789), preset.clone().owner(123_456)] {
        let gate = gate(&preset);
        gate.admits(&renamed).await;
        assert_eq!(gate.refuses(&squatter).await, Reason::WrongParty);
        // A repository and an owner can have the same number. Numbers are texts.
        let swapped = github.token().claim("repository_id", "123456").claim("repository_owner_id", "456789");
        assert_eq!(gate.refuses(&swapped).await, Reason::WrongParty);
        assert_eq!(gate.refuses(&github.token().claim("repository_id", 456_789)).await, Reason::InvalidClaim);
        assert_eq!(gate.refuses(&github.token().without("repository_owner_id")).await, Reason::MissingClaim);
    }
    gate(&preset.any_repository()).admits(&squatter).await;
}

#[tokio::test]
async fn both_forms_of_the_subject_are_accepted() {
    let (github, preset) = preset();
    let gate = gate(&preset.repository(456_789).git_ref("refs/heads/main"));
    for subject in [
        "repo:octocat/my-repo:ref:refs/heads/main",
        "repo:octocat@123456/my-repo@456789:ref:refs/heads/main",
        "repository_owner:octocat:custom:template",
    ] {
        assert_eq!(gate.admits(&github.token().subject(subject)).await.subject(), Some(subject));
    }
}

#[tokio::test]
async fn pull_requests_are_refused_by_default() {
    let (github, preset) = preset();
    let preset = preset.repository(456_789);
    let (strict, open) = (gate(&preset), gate(&preset.clone().pull_requests()));
    for event in ["pull_request", "pull_request_target", "pull_request_review", "pull_request_review_comment"] {
        let token = github.token().claim("event_name", event);
        assert_eq!(strict.refuses(&token).await, Reason::CheckFailed, "{event}");
        open.admits(&token).await;
    }
    assert_eq!(strict.refuses(&github.token().claim("ref", "refs/pull/7/merge")).await, Reason::CheckFailed);
    for claim in ["event_name", "ref"] {
        assert_eq!(strict.refuses(&github.token().without(claim)).await, Reason::MissingClaim);
    }
    strict.admits(&github.token().claim("event_name", "push")).await;
}

#[tokio::test]
async fn ref_environment_and_workflow_can_be_required() {
    let (github, preset) = preset();
    let production = || github.token().claim("environment", "production");
    let workflow = "octocat/my-repo/.github/workflows/deploy.yml@refs/heads/main";
    let preset = preset.repository(456_789).git_ref("refs/heads/main").environment("production").job_workflow(workflow);
    let gate = gate(&preset);
    let job = gate.admits(&production()).await.claims::<GitHubClaims>().unwrap();
    assert_eq!((job.environment.as_deref(), job.job_workflow_ref.as_deref()), (Some("production"), Some(workflow)));
    for token in [
        production().claim("ref", "refs/heads/main2"),
        production().claim("ref", "refs/tags/main"),
        production().claim("environment", "staging"),
        production().claim("job_workflow_ref", "octocat/my-repo/.github/workflows/test.yml@refs/heads/main"),
    ] {
        assert_eq!(gate.refuses(&token).await, Reason::CheckFailed);
    }
    assert_eq!(gate.refuses(&github.token()).await, Reason::MissingClaim);
}

#[tokio::test]
async fn every_forgery_is_refused_for_its_reason() {
    let (github, preset) = preset();
    gate(&preset.repository(456_789)).refuses_forgeries_except(&github, &[]).await;
}

#[test]
fn enterprise_server_has_its_own_issuer() {
    let preset = |host: &str| GitHubActions::new(API).repository(1).enterprise_server(host).verifier();
    for host in ["github.example.com", "https://github.example.com/"] {
        assert_eq!(preset(host).unwrap().issuers(), ["https://github.example.com/_services/token"]);
    }
    assert_eq!(preset("github.example.com/_services/token").unwrap_err().field(), "host");
    let cloud = GitHubActions::new(API).repository(1).verifier().unwrap();
    assert_eq!(cloud.issuers(), ["https://token.actions.githubusercontent.com"]);
}

/// Serves the keys where GitHub Enterprise Server has them.
#[tokio::test]
async fn keys_are_fetched_below_the_issuer() {
    let server = TestIssuer::github_actions(API).serve_under("/_services/token");
    server.serve_at("/_services/token/.well-known/jwks", server.issuer().jwks());
    let preset = GitHubActions::new(API).repository(456_789).enterprise_server(format!("http://{}", server.address()));
    TestGate::new(preset.verifier().unwrap()).admits(&server.issuer().token()).await;
    assert_eq!((server.hits("/_services/token/.well-known/jwks"), server.all_hits()), (1, 1));
}

#[test]
fn preset_needs_to_know_who_may_call() {
    let error = GitHubActions::new(API).verifier().unwrap_err().to_string();
    assert!(error.starts_with("repository: not set, and every repository on GitHub"), "{error}");
    let fields = |preset: GitHubActions| preset.repository(1).verifier().unwrap_err().field().to_owned();
    assert_eq!(fields(GitHubActions::new("")), "audience");
    assert_eq!(fields(GitHubActions::new(API).git_ref("main")), "git_ref");
    assert_eq!(fields(GitHubActions::new(API).environment("")), "environment");
    assert_eq!(fields(GitHubActions::new(API).job_workflow(" ")), "job_workflow");
}

#[test]
fn variables_are_read() {
    let audience = ("PORTCULLIS_GITHUB_AUDIENCE", API);
    let read = |variables: &[(&str, &str)]| GitHubActions::from_variables(lookup(variables));
    let of_one = read(&[audience, ("PORTCULLIS_GITHUB_REPOSITORY_IDS", "456789, 7")]).unwrap();
    assert!(of_one.verifier().is_ok());
    for (variables, field) in [
        (&[][..], "PORTCULLIS_GITHUB_AUDIENCE"),
        (&[audience], "PORTCULLIS_GITHUB_REPOSITORY_IDS"),
        (&[audience, ("PORTCULLIS_GITHUB_REPOSITORY_IDS", "octocat/my-repo")], "PORTCULLIS_GITHUB_REPOSITORY_IDS"),
        (&[audience, ("PORTCULLIS_GITHUB_OWNER_IDS", " ")], "PORTCULLIS_GITHUB_OWNER_IDS"),
        (
            &[audience, ("PORTCULLIS_GITHUB_OWNER_IDS", "1"), ("PORTCULLIS_GITHUB_REFS", "refs/heads/a,")],
            "PORTCULLIS_GITHUB_REFS",
        ),
    ] {
        assert_eq!(read(variables).unwrap_err().field(), field, "{variables:?}");
    }
}

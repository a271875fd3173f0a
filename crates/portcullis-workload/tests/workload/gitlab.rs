use portcullis::Reason;
use portcullis_testing::TestIssuer;
use portcullis_workload::{GitLab, GitLabClaims};
use serde_json::json;

use crate::{API, TestGate, lookup};

const INSTANCE: &str = "https://gitlab.example.com";

fn preset() -> (TestIssuer, GitLab) {
    let instance = TestIssuer::gitlab(INSTANCE, API);
    let preset = GitLab::new(INSTANCE, API).keys(instance.keys());
    (instance, preset)
}

fn gate(preset: &GitLab) -> TestGate {
    TestGate::new(preset.verifier().unwrap())
}

#[tokio::test]
async fn numbers_decide_not_paths() {
    let (instance, preset) = preset();
    let squatter = instance.token().claim("project_id", "1").claim("namespace_id", "2");
    let moved = instance.token().claim("project_path", "my-group/renamed");
    for preset in [preset.clone().project(22), preset.clone().namespace(72)] {
        let gate = gate(&preset);
        gate.admits(&moved).await;
        assert_eq!(gate.refuses(&squatter).await, Reason::WrongParty);
        assert_eq!(gate.refuses(&instance.token().without("project_id")).await, Reason::MissingClaim);
    }
    gate(&preset.any_project()).admits(&squatter).await;
}

/// `"false"` is a text that is not empty, so it counts as true in many languages.
#[tokio::test]
async fn text_false_is_not_protected() {
    let (instance, preset) = preset();
    let gate = gate(&preset.project(22).protected_refs());
    for (value, admitted) in
        [(json!("true"), true), (json!(true), true), (json!("false"), false), (json!(false), false)]
    {
        let token = instance.token().claim("ref_protected", &value);
        if admitted {
            assert!(gate.admits(&token).await.claims::<GitLabClaims>().unwrap().ref_protected);
        } else {
            assert_eq!(gate.refuses(&token).await, Reason::CheckFailed, "{value}");
        }
    }
    for value in [json!("True"), json!("1"), json!(1), json!(["true"])] {
        assert_eq!(
            gate.refuses(&instance.token().claim("ref_protected", &value)).await,
            Reason::InvalidClaim,
            "{value}"
        );
    }
    assert_eq!(gate.refuses(&instance.token().without("ref_protected")).await, Reason::MissingClaim);
}

#[tokio::test]
async fn tag_with_the_name_of_a_branch_is_refused() {
    let (instance, preset) = preset();
    let tag = instance.token().claim("ref_type", "tag");
    let of_branch = gate(&preset.clone().project(22).branch("main"));
    of_branch.admits(&instance.token()).await;
    assert_eq!(of_branch.refuses(&tag).await, Reason::CheckFailed);
    for token in [instance.token().claim("ref", "main2"), instance.token().claim("ref_type", "other")] {
        assert_eq!(of_branch.refuses(&token).await, Reason::CheckFailed);
    }
    let of_tag = gate(&preset.project(22).tag("main"));
    of_tag.admits(&tag).await;
    assert_eq!(of_tag.refuses(&instance.token()).await, Reason::CheckFailed);
}

/// Before GitLab 18.2.2, such a token had the `project_id` of the target project.
#[tokio::test]
async fn merge_requests_are_refused_by_default() {
    let (instance, preset) = preset();
    let preset = preset.project(22);
    let (strict, open) = (gate(&preset), gate(&preset.clone().merge_requests()));
    for token in [
        instance.token().claim("pipeline_source", "merge_request_event"),
        instance.token().claim("pipeline_source", "external_pull_request_event"),
        instance.token().claim("ref_path", "refs/merge-requests/1/head"),
    ] {
        assert_eq!(strict.refuses(&token).await, Reason::CheckFailed);
        open.admits(&token).await;
    }
    assert_eq!(strict.refuses(&instance.token().without("pipeline_source")).await, Reason::MissingClaim);
    strict.admits(&instance.token().without("ref_path")).await;
}

#[tokio::test]
async fn environment_can_be_required() {
    let (instance, preset) = preset();
    let gate = gate(&preset.project(22).environment("production"));
    gate.admits(&instance.token().claim("environment", "production")).await;
    assert_eq!(gate.refuses(&instance.token().claim("environment", "review/x")).await, Reason::CheckFailed);
    assert_eq!(gate.refuses(&instance.token()).await, Reason::MissingClaim);
}

#[tokio::test]
async fn every_forgery_is_refused_for_its_reason() {
    let (instance, preset) = preset();
    gate(&preset.project(22)).refuses_forgeries_except(&instance, &[]).await;
}

/// A self-managed instance below a path.
#[tokio::test]
async fn keys_of_a_self_managed_instance_are_discovered() {
    let server = TestIssuer::gitlab(INSTANCE, API).serve_under("/gitlab");
    server.serve_at("/gitlab/oauth/discovery/keys", server.issuer().jwks());
    let metadata = json!({"issuer": server.url(), "jwks_uri": server.url_of("/gitlab/oauth/discovery/keys")});
    server.set_metadata_body(metadata.to_string());
    let preset = GitLab::new(server.url(), API).project(22);
    TestGate::new(preset.verifier().unwrap()).admits(&server.issuer().token()).await;
    assert_eq!((server.hits("/gitlab/oauth/discovery/keys"), server.all_hits()), (1, 2));
}

#[test]
fn preset_needs_to_know_who_may_call() {
    let error = GitLab::new(INSTANCE, API).verifier().unwrap_err().to_string();
    assert!(error.starts_with("project: not set, and every project of the instance"), "{error}");
    let field = |preset: GitLab| preset.project(22).verifier().unwrap_err().field().to_owned();
    assert_eq!(field(GitLab::new(INSTANCE, "")), "audience");
    assert_eq!(field(GitLab::new("http://gitlab.example.com", API)), "instance");
    assert_eq!(field(GitLab::new(INSTANCE, API).branch("refs/heads/main")), "branch");
    assert_eq!(field(GitLab::new(INSTANCE, API).tag("")), "tag");
}

#[test]
fn variables_are_read() {
    let required = [("PORTCULLIS_GITLAB_AUDIENCE", API), ("PORTCULLIS_GITLAB_PROJECT_IDS", "22")];
    let read = |variables: &[(&str, &str)]| GitLab::from_variables(lookup(variables));
    let cloud = read(&required).unwrap().verifier().unwrap();
    assert_eq!(portcullis::Verifier::issuers(&cloud), ["https://gitlab.com"]);
    assert_eq!(read(&required[..1]).unwrap_err().field(), "PORTCULLIS_GITLAB_PROJECT_IDS");
    assert_eq!(read(&required[1..]).unwrap_err().field(), "PORTCULLIS_GITLAB_AUDIENCE");
    let with = |name, value| read(&[required[0], required[1], (name, value)]).unwrap_err().field().to_owned();
    assert_eq!(with("PORTCULLIS_GITLAB_INSTANCE", "gitlab"), "PORTCULLIS_GITLAB_INSTANCE");
    assert_eq!(with("PORTCULLIS_GITLAB_BRANCHES", " "), "PORTCULLIS_GITLAB_BRANCHES");
}

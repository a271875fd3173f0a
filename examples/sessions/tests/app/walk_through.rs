//! The commands of the README do what the README says.

use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use crate::service::{Service, settings};

#[tokio::test]
async fn commands_of_the_readme_work_when_pasted() {
    if Command::new("curl").arg("--version").output().await.is_err() {
        eprintln!("SKIPPED walk-through: there is no curl");
        return;
    }
    let readme = include_str!("../../README.md");
    let script = readme.split("```bash\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = TempDir::new().unwrap();
    let mut settings = settings(&folder);
    settings.refresh_grace = Duration::ZERO;
    let service = Service::start(settings).await;

    let mut bash = Command::new("bash");
    bash.args(["-eu", "-c", script]).current_dir(folder.path()).env("URL", &service.url);
    let output = bash.output().await.unwrap();
    let (printed, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{printed}{errors}");

    // The last word of each comment is the status that the command prints last.
    let comments: Vec<_> = script.lines().filter(|line| line.starts_with("# ")).collect();
    let last_word = |line: &str| line.rsplit(' ').next().unwrap().to_owned();
    let expected: Vec<_> = comments.iter().copied().map(last_word).collect();
    let actual: Vec<_> = printed.lines().map(last_word).collect();
    assert_eq!(actual, expected, "{printed}");
    // What the refusals say.
    let says = |line: usize, text: &str| assert!(printed.lines().nth(line).unwrap().contains(text), "{printed}");
    says(2, r#""error":"cross_site_request""#);
    says(3, r#""email":"ada@example.com""#);
    says(5, r#""error":"session_ended""#);
    says(6, r#""reason":"revoked""#);
    says(7, r#""error":"session_ended""#);
    says(11, r#""reason":"revoked""#);
    says(12, r#""refresh_token":"pcr1_"#);
    service.stop().await;
}

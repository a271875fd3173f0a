use actix_web::web::{ServiceConfig, post};
use portcullis_actix::{Auth, Gate};
use portcullis_workload::GitHubActions;

async fn deploy(job: Auth) -> String {
    format!("deployed by {}", job.subject().unwrap_or_default())
}

/// For `App::new().configure(|app| routes(app, &gate))`.
pub fn routes(app: &mut ServiceConfig, gate: &Gate) {
    app.app_data(gate.clone()).route("/deploy", post().to(deploy));
}

pub fn gate() -> Result<Gate, portcullis::ConfigError> {
    let github = GitHubActions::new("https://api.example.com").repository(456789).git_ref("refs/heads/main");
    Ok(Gate::new(github.verifier()?))
}

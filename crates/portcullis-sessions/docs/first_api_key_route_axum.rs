use axum::{Router, routing::get};
use portcullis_axum::{Auth, Gate, TokenSource};
use portcullis_sessions::{SqlStore, api_keys::ApiKeys};

pub async fn app(database: &str) -> Result<Router, Box<dyn std::error::Error>> {
    let keys = ApiKeys::builder(SqlStore::builder(database).connect().await?).build()?;
    let gate = Gate::new(keys).with_token_sources([TokenSource::header("X-API-Key")]);
    let me = get(async |auth: Auth| auth.subject().unwrap_or_default().to_owned());
    Ok(Router::new().route("/me", me).with_state(gate))
}

use portcullis_actix::{Auth, Gate, TokenSource};
use portcullis_sessions::{SqlStore, api_keys::ApiKeys};

#[actix_web::get("/me")]
pub async fn me(auth: Auth) -> String {
    auth.subject().unwrap_or_default().to_owned()
}
pub async fn gate(database: &str) -> Result<Gate, Box<dyn std::error::Error>> {
    let keys = ApiKeys::builder(SqlStore::builder(database).connect().await?).build()?;
    Ok(Gate::new(keys).with_token_sources([TokenSource::header("X-API-Key")]))
}

//! Whose tokens are accepted, and from where.

use std::error::Error;
use std::time::Duration;

use portcullis_actix::keys::RemoteKeys;
use portcullis_actix::{ConfigError, Gate, JwtVerifier};
use portcullis_sessions::{CachedSessionCheck, OpenSessionCheck, SessionCookies, Sessions, SqlStore, SuccessorKeys};

use crate::settings::{Settings, origin};

/// How long an answer of the database is used. With the time of a request, a logout takes effect within 5 seconds.
const MAX_AGE: Duration = Duration::from_secs(3);

/// Makes the gate of a service that is at `own_url`. The keys are those that the first service publishes.
///
/// # Errors
/// A setting is wrong, or the database cannot be reached.
pub async fn gate(settings: &Settings, own_url: &str) -> Result<Gate, Box<dyn Error>> {
    let first = settings.sessions_url.as_str();
    let in_first = |error: ConfigError| error.with_field("SESSIONS_URL");
    let keys = RemoteKeys::discover(first).map_err(in_first)?;
    let verifier = JwtVerifier::builder(first, first, keys).build().map_err(in_first)?;
    // The names of the cookies depend on the URL of the service that sets them. Only the access cookie is read here.
    let cookies = SessionCookies::new(first, "/").map_err(in_first)?;
    let gate = Gate::new(verifier)
        .with_token_sources(cookies.token_sources())
        .with_public_url(own_url)
        .map_err(|error| error.with_field("PUBLIC_URL"))?
        .with_allowed_origins([origin(first)])
        .map_err(in_first)?;
    let gate = match &settings.client_origin {
        Some(origin) => gate.with_allowed_origins([origin]).map_err(|error| error.with_field("CLIENT_ORIGIN"))?,
        None => gate,
    };
    match &settings.database_url {
        Some(url) => Ok(gate.with_check(open_sessions(url, &settings.database_prefix).await?)),
        None => Ok(gate),
    }
}

/// Asks the store of the first service whether a session is open.
async fn open_sessions(url: &str, prefix: &str) -> Result<CachedSessionCheck, Box<dyn Error>> {
    let store = SqlStore::builder(url).table_prefix(prefix).connect().await?;
    // Sessions are only looked up here, never refreshed, so the keys of the first service are not needed.
    let sessions = Sessions::builder(store, SuccessorKeys::generate()?).build()?;
    Ok(OpenSessionCheck::new(sessions).cached(MAX_AGE)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[tokio::test]
    async fn first_service_may_have_a_path() {
        let variables = |name: &str| (name == "SESSIONS_URL").then(|| "http://localhost:8000/auth".to_owned());
        gate(&Settings::from_variables(variables).unwrap(), "http://localhost:8001").await.unwrap();
    }
}

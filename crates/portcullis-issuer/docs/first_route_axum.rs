use axum::{Router, extract::State, http::StatusCode, routing::get, routing::post};
use portcullis_axum::{Auth, Gate, HasGate};
use portcullis_issuer::{AccessToken, Issuer, KeyRing, axum::documents};

#[derive(Clone)]
struct App {
    gate: Gate,
    issuer: Issuer,
}

impl HasGate for App {
    fn gate(&self) -> Option<&Gate> {
        Some(&self.gate)
    }
}

/// Check the password here. This crate does not know your users.
async fn login(State(app): State<App>) -> Result<String, StatusCode> {
    let token = AccessToken::new("user-1", "web").scopes(["read:messages"]);
    let token = app.issuer.mint(&token).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(token.into_string())
}

pub fn app(url: &str) -> Result<Router, Box<dyn std::error::Error>> {
    let issuer = Issuer::builder(url, url, KeyRing::builder().build()?).build()?;
    let me = get(async |auth: Auth| auth.subject().unwrap_or_default().to_owned());
    let app = Router::new().route("/login", post(login)).route("/me", me).merge(documents(&issuer));
    Ok(app.with_state(App { gate: issuer.gate()?, issuer }))
}

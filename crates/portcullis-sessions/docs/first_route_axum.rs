use axum::{Router, routing::get, routing::post};
use portcullis_axum::{Auth, Rejection};
use portcullis_issuer::{Issuer, KeyRing, axum::documents};
use portcullis_sessions::axum::routes;
use portcullis_sessions::{AuthFacts, MemoryStore, SessionRequest, SessionResponse};
use portcullis_sessions::{Sessions, SuccessorKeys, WebSessions};

async fn login(web: WebSessions, request: SessionRequest) -> Result<SessionResponse, Rejection> {
    let client = web.client(&request)?;
    // Check the password here. This crate does not know your users.
    Ok(web.log_in(client, "user-1", AuthFacts::now().with_amr(["pwd"])).await?)
}

pub fn app(url: &str) -> Result<Router, Box<dyn std::error::Error>> {
    let issuer = Issuer::builder(url, url, KeyRing::builder().build()?).build()?;
    let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate()?).build()?;
    let web = WebSessions::new(&issuer, sessions, "/auth")?;
    let gate = web.gate().clone();
    let router = Router::new()
        .merge(documents(&issuer))
        .merge(routes(&web))
        .route("/auth/login", post(move |request| login(web.clone(), request)))
        .route("/me", get(async |auth: Auth| auth.subject().unwrap_or_default().to_owned()));
    Ok(router.with_state(gate))
}

use actix_web::{web, web::Data, web::ServiceConfig};
use portcullis_actix::{Auth, Rejection};
use portcullis_issuer::{Issuer, KeyRing, actix::documents};
use portcullis_sessions::actix::routes;
use portcullis_sessions::{AuthFacts, MemoryStore, SessionRequest, SessionResponse};
use portcullis_sessions::{Sessions, SuccessorKeys, WebSessions};

async fn login(web: Data<WebSessions>, request: SessionRequest) -> Result<SessionResponse, Rejection> {
    let client = web.client(&request)?;
    // Check the password here. This crate does not know your users.
    Ok(web.log_in(client, "user-1", AuthFacts::now().with_amr(["pwd"])).await?)
}

async fn me(auth: Auth) -> String {
    auth.subject().unwrap_or_default().to_owned()
}

pub fn service(url: &str) -> Result<(Issuer, WebSessions), Box<dyn std::error::Error>> {
    let issuer = Issuer::builder(url, url, KeyRing::builder().build()?).build()?;
    let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate()?).build()?;
    let web = WebSessions::new(&issuer, sessions, "/auth")?;
    Ok((issuer, web))
}

/// For `App::new().configure(|app| configure(app, &issuer, &web))`.
pub fn configure(app: &mut ServiceConfig, issuer: &Issuer, web: &WebSessions) {
    app.app_data(Data::new(web.clone())).app_data(web.gate().clone()).configure(documents(issuer));
    app.configure(routes(web)).route("/auth/login", web::post().to(login)).route("/me", web::get().to(me));
}

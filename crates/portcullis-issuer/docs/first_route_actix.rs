use actix_web::{error::ErrorServiceUnavailable, web, web::Data, web::ServiceConfig};
use portcullis_actix::{Auth, Gate};
use portcullis_issuer::{AccessToken, Issuer, KeyRing, actix::documents};

/// Check the password here. This crate does not know your users.
async fn login(issuer: Data<Issuer>) -> actix_web::Result<String> {
    let token = AccessToken::new("user-1", "web").scopes(["read:messages"]);
    Ok(issuer.mint(&token).await.map_err(ErrorServiceUnavailable)?.into_string())
}

async fn me(auth: Auth) -> String {
    auth.subject().unwrap_or_default().to_owned()
}

pub fn issuer(url: &str) -> Result<(Issuer, Gate), Box<dyn std::error::Error>> {
    let issuer = Issuer::builder(url, url, KeyRing::builder().build()?).build()?;
    let gate = issuer.gate()?;
    Ok((issuer, gate))
}

/// For `App::new().configure(|app| routes(app, &issuer, &gate))`.
pub fn routes(app: &mut ServiceConfig, issuer: &Issuer, gate: &Gate) {
    app.app_data(Data::new(issuer.clone())).app_data(gate.clone()).configure(documents(issuer));
    app.route("/login", web::post().to(login)).route("/me", web::get().to(me));
}

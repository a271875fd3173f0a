//! The routes on Actix Web.

use actix_web::web::{self, ServiceConfig};
use portcullis_actix::{Auth, Gate};

/// `GET /` greets verified callers.
pub fn routes(gate: Gate) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        app.app_data(gate).route("/", web::get().to(hello));
    }
}

async fn hello(auth: Auth) -> String {
    format!("hello, {}\n", auth.subject().unwrap_or("anonymous"))
}

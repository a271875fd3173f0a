//! A second service, which accepts the tokens of the sessions service from the header or the cookie.
//!
//! | file | content |
//! |---|---|
//! | `settings.rs` | the environment variables |
//! | `gate.rs` | whose tokens are accepted, and from where |
//! | `orders.rs` | the routes |

mod gate;
mod orders;
mod settings;

use std::net::TcpListener;

use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use portcullis_actix::Gate;

pub use crate::gate::gate;
pub use crate::settings::Settings;
use crate::settings::origin;

/// Serves on `listener` until the server is stopped.
///
/// # Errors
/// The system cannot use the listener.
pub fn serve(settings: &Settings, gate: Gate, listener: TcpListener) -> std::io::Result<Server> {
    let pages: Vec<String> = settings.client_origin.iter().chain([&settings.sessions_url]).cloned().collect();
    let orders = web::Data::new(orders::Orders::default());
    let app = move || {
        App::new()
            // Around the extractors, so that pages can read refusals too.
            .wrap(cors(&pages))
            .app_data(gate.clone())
            .app_data(orders.clone())
            .route("/api/orders", web::get().to(orders::list))
            .route("/api/orders", web::post().to(orders::add))
            .route("/healthz", web::get().to(HttpResponse::Ok))
            .route("/readyz", web::get().to(ready))
    };
    Ok(HttpServer::new(app).listen(listener)?.run())
}

/// Lets the pages of the sessions service and of the client origin call this service with cookies.
fn cors(pages: &[String]) -> Cors {
    let cors = Cors::default().supports_credentials().allowed_methods(["GET", "POST"]);
    let cors = cors.allowed_headers(["authorization", "content-type"]).max_age(600);
    pages.iter().fold(cors, |cors, page| cors.allowed_origin(&origin(page)))
}

/// Says whether keys are cached. Until then, each probe makes the next attempt that is due.
async fn ready(request: HttpRequest) -> HttpResponse {
    match request.app_data::<Gate>() {
        Some(gate) if gate.ready().await.ready => HttpResponse::Ok().finish(),
        _ => HttpResponse::ServiceUnavailable().finish(),
    }
}

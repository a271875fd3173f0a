//! `GET /metrics` for Prometheus. It is open here, so that it is easy to try. `examples/monitoring/README.md` says how to serve
//! it on a private port.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use example_environment::Metrics;

pub(crate) fn routes(metrics: Metrics) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        app.app_data(web::Data::new(metrics)).route("/metrics", web::get().to(render));
    }
}

async fn render(metrics: web::Data<Metrics>) -> HttpResponse {
    HttpResponse::Ok().content_type(Metrics::CONTENT_TYPE).body(metrics.render())
}

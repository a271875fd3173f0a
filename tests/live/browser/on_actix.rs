//! The service on Actix Web.

use actix_cors::Cors;
use actix_web::web::{Bytes, ServiceConfig};
use actix_web::{Error, HttpRequest, HttpResponse, rt, web};
use actix_ws::{Message, MessageStream, Session};
use portcullis_actix::websocket::{self, FirstMessage};
use portcullis_actix::{Auth, AuthMiddleware, Rejection, Watch, resource_metadata_routes};

use super::service::Service;

/// Pages of `origin` may send these requests, and read these fields of the responses.
fn cors(origin: &str) -> Cors {
    Cors::default()
        .allowed_origin(origin)
        .allowed_methods(["GET", "POST", "DELETE"])
        .allowed_headers(["authorization", "content-type", "dpop", "mcp-protocol-version", "mcp-session-id"])
        .expose_headers(["www-authenticate", "retry-after", "dpop-nonce", "mcp-session-id"])
}

pub(super) fn routes(app: &mut ServiceConfig, service: &Service, origin: &str) {
    let guard = AuthMiddleware::new(service.gate.clone());
    let streams = AuthMiddleware::new(service.gate.clone().with_tickets(&service.tickets));
    let bound = AuthMiddleware::new(service.bound.clone());
    app.app_data(service.gate.clone())
        .app_data(web::Data::new(service.clone()))
        // The metadata has its own CORS fields, for pages of every origin. It comes before the scope of all other paths.
        .configure(resource_metadata_routes(&service.gate))
        .service(
            web::scope("")
                .service(web::resource("/mcp").wrap(guard.clone()).route(web::post().to(|| async { "{}" })))
                .service(
                    web::resource("/me")
                        .wrap(guard.clone())
                        .route(web::get().to(me))
                        .route(web::delete().to(|| async { "deleted" })),
                )
                .service(web::resource("/ticket").wrap(guard).route(web::post().to(ticket)))
                .service(web::resource("/bound").wrap(bound).route(web::get().to(me)))
                .service(web::resource("/events").wrap(streams).route(web::get().to(events)))
                .route("/socket", web::get().to(connect))
                .route("/first", web::get().to(connect_anonymous))
                // The CORS middleware is around the guards, so pages can read refusals too.
                .wrap(cors(origin)),
        );
}

async fn me(auth: Auth) -> String {
    auth.subject().unwrap_or_default().to_owned()
}

async fn ticket(service: web::Data<Service>, auth: Auth) -> Result<String, Rejection> {
    Ok(service.gate.issue_ticket(&service.tickets, &auth)?)
}

async fn events(service: web::Data<Service>, auth: Auth) -> HttpResponse {
    let ticks = service.ticks(|| Ok::<_, Error>(Bytes::from_static(b"data: tick\n\n")));
    HttpResponse::Ok().content_type("text/event-stream").streaming(service.gate.watch(&auth).limit(ticks))
}

async fn connect(
    service: web::Data<Service>,
    auth: Auth,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Error> {
    let selected = websocket::select_subprotocol(&request, ["chat.v2"]);
    let (response, session, messages) = actix_ws::handle_with_protocols(&request, body, selected.as_slice())?;
    rt::spawn(serve(session, messages, service.gate.watch(&auth)));
    Ok(response)
}

async fn connect_anonymous(
    service: web::Data<Service>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Error> {
    let (response, session, messages) = actix_ws::handle(&request, body)?;
    rt::spawn(websocket::first_message(session, messages, FirstMessage::new(&service.gate), serve));
    Ok(response)
}

async fn serve(session: Session, messages: MessageStream, watch: Watch) {
    // `echo` stops when the client disconnects, and when the caller may no longer be connected.
    let Err(ended) = watch.run(echo(session.clone(), messages)).await else { return };
    websocket::close(session, &ended).await;
}

async fn echo(mut session: Session, mut messages: MessageStream) {
    while let Some(Ok(message)) = messages.recv().await {
        let sent = match message {
            Message::Text(text) => session.text(text).await,
            Message::Ping(bytes) => session.pong(&bytes).await,
            _ => break,
        };
        if sent.is_err() {
            break;
        }
    }
}

//! The service on Actix Web.

use actix_web::web::{Bytes, ServiceConfig};
use actix_web::{Error, HttpRequest, HttpResponse, rt, web};
use actix_ws::{Message, MessageStream, Session};
use portcullis_actix::{Auth, AuthMiddleware, Rejection, Watch, websocket};

use crate::running::Running;
use crate::service::Service;

pub(crate) fn serve(service: &Service) -> Running {
    let service = service.clone();
    Running::actix(move |app: &mut ServiceConfig| {
        app.app_data(service.gate().clone())
            .app_data(web::Data::new(service.clone()))
            .route("/socket", web::get().to(connect))
            .route("/first", web::get().to(connect_anonymous))
            .route("/ticket", web::post().to(ticket))
            .service(
                web::resource("/events").wrap(AuthMiddleware::new(service.streams())).route(web::get().to(events)),
            );
    })
}

async fn ticket(service: web::Data<Service>, auth: Auth) -> Result<String, Rejection> {
    Ok(service.gate().issue_ticket(service.tickets(), &auth)?)
}

async fn events(service: web::Data<Service>, auth: Auth) -> HttpResponse {
    let ticks = service.ticks(|| Ok::<_, Error>(Bytes::from_static(b"data: tick\n\n")));
    HttpResponse::Ok().content_type("text/event-stream").streaming(service.watch(&auth).limit(ticks))
}

async fn connect(
    service: web::Data<Service>,
    auth: Auth,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Error> {
    let selected = websocket::select_subprotocol(&request, ["chat.v2"]);
    let (response, session, messages) = actix_ws::handle_with_protocols(&request, body, selected.as_slice())?;
    let watch = service.watch(&auth);
    rt::spawn(async move {
        let _open = service.begin();
        serve_session(session, messages, watch).await;
    });
    Ok(response)
}

async fn connect_anonymous(
    service: web::Data<Service>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Error> {
    let (response, session, messages) = actix_ws::handle(&request, body)?;
    rt::spawn(async move {
        let _open = service.begin();
        let serve = |session, messages, watch: Watch| serve_session(session, messages, service.watch(watch.caller()));
        websocket::first_message(session, messages, service.first_message(), serve).await;
    });
    Ok(response)
}

async fn serve_session(session: Session, messages: MessageStream, watch: Watch) {
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

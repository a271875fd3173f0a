//! The routes on Actix Web.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{App, Error, HttpResponse, get, post, web};
use portcullis::Gate;
use portcullis::openapi::SecuritySchemes;
use portcullis_actix::{Auth, AuthMiddleware, Authorized, MaybeAuth, OpenApiGuards, ScopeGuards};
use portcullis_testing::document_differences_of_actix;
use utoipa::Modify;
use utoipa::openapi::OpenApi;
use utoipa_actix_web::{AppExt, scope};

use crate::{PLANTED, Pay, Planted, ReadMessages, admins, caller, rich};

#[utoipa::path(responses((status = 200)))]
#[get("/public")]
async fn public() -> HttpResponse {
    HttpResponse::Ok().finish()
}

#[utoipa::path(responses((status = 200)))]
#[get("/me")]
async fn me(_: Auth) -> HttpResponse {
    HttpResponse::Ok().finish()
}

#[utoipa::path(responses((status = 200)))]
#[get("/feed")]
async fn feed(_: MaybeAuth) -> HttpResponse {
    HttpResponse::Ok().finish()
}

#[utoipa::path(params(("id" = u32, Path, example = 7)), responses((status = 200)))]
#[get("/messages/{id}")]
async fn messages(_: web::Path<u32>, _: Authorized<ReadMessages>) -> HttpResponse {
    HttpResponse::Ok().finish()
}

mod lax {
    use super::{Auth, HttpResponse, get, web};

    #[utoipa::path(params(("id" = u32, Path, example = 7)), responses((status = 200)))]
    #[get("/messages/{id}")]
    pub(super) async fn messages(_: web::Path<u32>, _: Auth) -> HttpResponse {
        HttpResponse::Ok().finish()
    }
}

#[utoipa::path(responses((status = 200)))]
#[post("/pay")]
async fn pay(_: Authorized<Pay>) -> HttpResponse {
    HttpResponse::Ok().finish()
}

#[utoipa::path(responses((status = 200)))]
#[get("/stop")]
async fn stop() -> HttpResponse {
    HttpResponse::Ok().finish()
}

pub(crate) fn app(
    gate: Gate,
    planted: Planted,
) -> (
    App<
        impl ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<impl MessageBody>,
            Error = Error,
            InitError = (),
        >,
    >,
    OpenApi,
) {
    let guard = AuthMiddleware::new(gate.clone()).require(admins());
    let admin = scope("/admin").service(pay.extracting::<Authorized<Pay>>(&gate)).service(stop);
    let app = App::new().into_utoipa_app().app_data(gate.clone()).service(public);
    let app = match planted {
        Planted::UndescribedGuard => app.service(admin.wrap(guard)),
        _ => app.service(admin.guarded(guard)),
    };
    let app = match planted {
        Planted::UndescribedExtractor => app.service(me),
        _ => app.service(me.extracting::<Auth>(&gate)),
    };
    let app = match planted {
        Planted::LaxExtractor => app.service(lax::messages.extracting::<Authorized<ReadMessages>>(&gate)),
        _ => app.service(messages.extracting::<Authorized<ReadMessages>>(&gate)),
    };
    let (app, mut document) = app.service(feed.extracting::<MaybeAuth>(&gate)).split_for_parts();
    if planted != Planted::NoSchemes {
        SecuritySchemes::of(&gate).modify(&mut document);
    }
    (app, document)
}

#[actix_web::test]
async fn planted_differences_are_found() {
    for (planted, expected) in PLANTED {
        let differences = document_differences_of_actix(&caller(), |gate| app(gate, planted)).await;
        assert_eq!(differences, expected, "{planted:?}");
    }
    let differences = document_differences_of_actix(&caller(), |gate| app(rich(gate), Planted::Nothing)).await;
    assert_eq!(differences, [""; 0]);
}

#[actix_web::test]
async fn guard_is_really_there() {
    let gate = portcullis_testing::TestIssuer::new().gate();
    let (app, _) = app(gate, Planted::Nothing);
    let routes = ["/public", "/me", "/feed", "/messages/7", "/admin/stop"].map(|path| ("GET", path));
    let open = portcullis_testing::open_routes_of_actix(app, routes.into_iter().chain([("POST", "/admin/pay")])).await;
    assert_eq!(open, ["GET /public 200", "GET /feed 200"]);
}

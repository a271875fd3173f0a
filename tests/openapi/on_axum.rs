//! The routes on Axum.

use axum::Router;
use portcullis::Gate;
use portcullis::openapi::SecuritySchemes;
use portcullis_axum::{Auth, AuthLayer, Authorized, OpenApiGuards};
use portcullis_testing::document_differences_of_axum;
use utoipa::Modify;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{PLANTED, Pay, Planted, ReadMessages, admins, caller, rich};

#[utoipa::path(get, path = "/public", responses((status = 200)))]
async fn public() {}

#[utoipa::path(get, path = "/me", responses((status = 200)))]
async fn me(_: Auth) {}

#[utoipa::path(get, path = "/feed", responses((status = 200)))]
async fn feed(_: Option<Auth>) {}

#[utoipa::path(get, path = "/messages/{id}", params(("id" = u32, Path, example = 7)), responses((status = 200)))]
async fn messages(_: axum::extract::Path<u32>, _: Authorized<ReadMessages>) {}

mod lax {
    use super::Auth;

    #[utoipa::path(get, path = "/messages/{id}", params(("id" = u32, Path, example = 7)), responses((status = 200)))]
    pub(super) async fn messages(_: axum::extract::Path<u32>, _: Auth) {}
}

#[utoipa::path(post, path = "/pay", responses((status = 200)))]
async fn pay(_: Authorized<Pay>) {}

#[utoipa::path(get, path = "/stop", responses((status = 200)))]
async fn stop() {}

pub(crate) fn app(gate: Gate, planted: Planted) -> (Router, OpenApi) {
    let guard = AuthLayer::new(gate.clone()).require(admins());
    let admin = OpenApiRouter::new().routes(routes!(pay).extracting::<Authorized<Pay>>(&gate)).routes(routes!(stop));
    let admin = if planted == Planted::UndescribedGuard { admin.layer(guard) } else { admin.guarded(guard) };
    let me = routes!(me);
    let me = if planted == Planted::UndescribedExtractor { me } else { me.extracting::<Auth>(&gate) };
    let messages = if planted == Planted::LaxExtractor { routes!(lax::messages) } else { routes!(messages) };
    let (routes, mut document) = OpenApiRouter::new()
        .routes(routes!(public))
        .routes(me)
        .routes(routes!(feed).extracting::<Option<Auth>>(&gate))
        .routes(messages.extracting::<Authorized<ReadMessages>>(&gate))
        .nest("/admin", admin)
        .split_for_parts();
    if planted != Planted::NoSchemes {
        SecuritySchemes::of(&gate).modify(&mut document);
    }
    (routes.with_state(gate), document)
}

#[tokio::test]
async fn planted_differences_are_found() {
    for (planted, expected) in PLANTED {
        let differences = document_differences_of_axum(&caller(), |gate| app(gate, planted)).await;
        assert_eq!(differences, expected, "{planted:?}");
    }
    let differences = document_differences_of_axum(&caller(), |gate| app(rich(gate), Planted::Nothing)).await;
    assert_eq!(differences, [""; 0]);
}

#[tokio::test]
async fn guard_is_really_there() {
    let gate = portcullis_testing::TestIssuer::new().gate();
    let (app, _) = app(gate, Planted::Nothing);
    let routes = ["/public", "/me", "/feed", "/messages/7", "/admin/stop"].map(|path| ("GET", path));
    let open = portcullis_testing::open_routes_of_axum(app, routes.into_iter().chain([("POST", "/admin/pay")])).await;
    assert_eq!(open, ["GET /public 200", "GET /feed 200"]);
}

//! Lists the routes of an app that let an anonymous request through.

/// Lists which of `routes`, each a method and a path, let a request without a credential through.
///
/// A route that the gate guards answers such a request with 401 and a challenge. Each other answer is listed as method,
/// path and status, also 404 and 405: then the list has a path or a method that the app does not know, or its handler was
/// reached. So one test pins the routes that it lists, and fails when a change opens one of them. It does not know other routes.
///
/// ```
/// use axum::{Router, routing::get};
/// use portcullis_axum::{Auth, AuthLayer, Gate};
/// use portcullis_testing::{TestIssuer, open_routes_of_axum};
///
/// fn app(gate: Gate) -> Router {
///     let guard = AuthLayer::new(gate.clone());
///     Router::new()
///         .route("/public", get(|| async { "hello" }))
///         .route("/me", get(|_: Auth| async { "you" }))
///         .route("/orders", get(|| async { "orders" }).layer(guard).post(|| async { "added" })) // wrong: POST is open
///         .with_state(gate)
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let routes = [("GET", "/public"), ("GET", "/me"), ("GET", "/orders"), ("POST", "/orders"), ("GET", "/missing")];
/// let open = open_routes_of_axum(app(TestIssuer::new().gate()), routes).await;
/// assert_eq!(open, ["GET /public 200", "POST /orders 200", "GET /missing 404"]);
/// # }
/// ```
///
/// # Panics
/// If a method or path cannot be sent, or a handler panics.
#[cfg(feature = "axum")]
#[allow(clippy::expect_used, reason = "a path that is none is an error in the test")]
pub async fn open_routes_of_axum<'r>(
    router: axum::Router,
    routes: impl IntoIterator<Item = (&'r str, &'r str)>,
) -> Vec<String> {
    use axum::http::Request;
    use tower_service::Service as _;

    let mut open = Vec::new();
    for (method, path) in routes {
        let request = Request::builder().method(method).uri(path).body(axum::body::Body::empty());
        let request = request.expect("a method and a path");
        let Ok(response) = router.clone().call(request).await;
        let is_challenged = response.headers().contains_key("www-authenticate");
        open.extend(unless_refused(method, path, response.status().as_u16(), is_challenged));
    }
    open
}

/// Lists which of `routes`, each a method and a path, let a request without a credential through. `app` is an `App`, as for
/// `actix_web::test::init_service`.
///
/// A route that the gate guards answers such a request with 401 and a challenge. Each other answer is listed as method,
/// path and status, also 404 and 405: then the list has a path or a method that the app does not know, or its handler was
/// reached. So one test pins the routes that it lists, and fails when a change opens one of them. It does not know other routes.
///
/// ```
/// use actix_web::{App, web};
/// use portcullis_actix::{Auth, AuthMiddleware, Gate};
/// use portcullis_testing::{TestIssuer, open_routes_of_actix};
///
/// fn routes(app: &mut web::ServiceConfig, gate: &Gate) {
///     let orders = web::resource("/orders").wrap(AuthMiddleware::new(gate.clone()));
///     app.app_data(gate.clone())
///         .route("/public", web::get().to(|| async { "hello" }))
///         .route("/me", web::get().to(|_: Auth| async { "you" }))
///         .service(orders.to(|| async { "orders" }));
/// }
///
/// # #[actix_web::main] async fn main() {
/// let app = App::new().configure(|app| routes(app, &TestIssuer::new().gate()));
/// let listed = [("GET", "/public"), ("GET", "/me"), ("GET", "/orders"), ("POST", "/orders"), ("GET", "/missing")];
/// assert_eq!(open_routes_of_actix(app, listed).await, ["GET /public 200", "GET /missing 404"]);
/// # }
/// ```
///
/// # Panics
/// If a method or path cannot be sent, or a handler panics.
#[cfg(feature = "actix")]
#[allow(clippy::expect_used, reason = "a method that is none is an error in the test")]
pub async fn open_routes_of_actix<'r, A, S, B>(
    app: A,
    routes: impl IntoIterator<Item = (&'r str, &'r str)>,
) -> Vec<String>
where
    A: actix_service::IntoServiceFactory<S, actix_http::Request>,
    S: actix_web::dev::ServiceFactory<
            actix_http::Request,
            Config = actix_web::dev::AppConfig,
            Response = actix_web::dev::ServiceResponse<B>,
            Error = actix_web::Error,
        >,
    S::InitError: std::fmt::Debug,
    B: actix_web::body::MessageBody,
{
    use actix_web::http::Method;
    use actix_web::test::{TestRequest, init_service, try_call_service};

    let app = init_service(app).await;
    let mut open = Vec::new();
    for (method, path) in routes {
        let request = TestRequest::with_uri(path).method(Method::from_bytes(method.as_bytes()).expect("a method"));
        let (status, is_challenged) = match try_call_service(&app, request.to_request()).await {
            Ok(response) => (response.status(), response.headers().contains_key("www-authenticate")),
            Err(error) => {
                let response = error.error_response();
                (response.status(), response.headers().contains_key("www-authenticate"))
            }
        };
        open.extend(unless_refused(method, path, status.as_u16(), is_challenged));
    }
    open
}

fn unless_refused(method: &str, path: &str, status: u16, is_challenged: bool) -> Option<String> {
    (status != 401 || !is_challenged).then(|| format!("{method} {path} {status}"))
}

//! One service on Axum and on Actix Web, as attackers see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::clock::{Clock as _, ManualClock, SystemClock};
use portcullis_issuer::{AccessToken, Issuer, KeyRing, SigningKey};
use portcullis_sessions::{
    AuthFacts, MemoryStore, SessionRequest, SessionResponse, Sessions, SuccessorKeys, WebSessions,
};

/// What both servers share. `POST /orders` counts the orders.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) web: WebSessions,
    pub(crate) orders: Arc<AtomicUsize>,
    /// Mints tokens that have expired.
    late: Issuer,
    /// Has sessions that have expired.
    old: Sessions,
}

impl Service {
    pub(crate) fn new(url: &str) -> Self {
        let pem = SigningKey::generate(portcullis::jose::Algorithm::Es256).unwrap().to_pem().unwrap();
        let key = || SigningKey::from_pem(pem.as_str()).unwrap();
        let yesterday = Arc::new(ManualClock::at_unix(SystemClock::new().now().seconds() - 24 * 60 * 60));
        let ring = KeyRing::builder().first_key(key()).build().unwrap();
        let late = KeyRing::builder().first_key(key()).clock(yesterday.clone()).build().unwrap();
        let (store, keys) = (Arc::new(MemoryStore::new()), SuccessorKeys::generate().unwrap());
        let sessions =
            || Sessions::builder(Arc::clone(&store), keys.clone()).idle_lifetime(Duration::from_secs(60 * 60));
        let issuer = |ring| Issuer::builder(url, url, ring).build().unwrap();
        Self {
            web: WebSessions::new(&issuer(ring), sessions().build().unwrap(), "/auth").unwrap(),
            orders: Arc::default(),
            late: issuer(late),
            old: sessions().clock(yesterday).build().unwrap(),
        }
    }

    /// An access token that expired yesterday.
    pub(crate) async fn expired_access_token(&self) -> String {
        self.late.mint(&AccessToken::new("user-1", "web").session("s")).await.unwrap().into_string()
    }

    /// The refresh token of a session that expired yesterday.
    pub(crate) async fn expired_refresh_token(&self) -> String {
        self.old.start("user-1", AuthFacts::now()).await.unwrap().refresh_token.as_str().to_owned()
    }

    async fn log_in(&self, request: SessionRequest) -> Result<SessionResponse, portcullis::Refusal> {
        let client = self.web.client(&request)?;
        self.web.log_in(client, "user-1", AuthFacts::now().with_amr(["pwd"])).await
    }

    fn order(&self) -> String {
        format!("order {}", self.orders.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

pub(crate) mod on_axum {
    use axum::Router;
    use axum::routing::{get, post};
    use portcullis_axum::{Auth, Rejection};
    use portcullis_sessions::{SessionRequest, axum::routes};

    use super::Service;

    pub(crate) fn app(service: &Service) -> Router {
        let [login, orders, by_link] = [0; 3].map(|_| service.clone());
        let login = post(async move |request: SessionRequest| login.log_in(request).await.map_err(Rejection::from));
        let orders = post(async move |_: Auth| orders.order());
        // Routes for GET, as some services have them.
        let log_out =
            get(async move |request: SessionRequest| by_link.web.log_out(&request, b"").await.map_err(Rejection::from));
        Router::new()
            .route("/auth/login", login)
            .route("/auth/logout", log_out)
            .route("/me", get(async |auth: Auth| auth.subject().unwrap_or_default().to_owned()))
            .route("/orders", orders)
            .merge(routes(&service.web))
            .with_state(service.web.gate().clone())
    }
}

pub(crate) mod on_actix {
    use actix_web::web::{Data, ServiceConfig, get, post};
    use portcullis_actix::{Auth, Rejection};
    use portcullis_sessions::{SessionRequest, SessionResponse, actix::routes};

    use super::Service;

    async fn log_in(service: Data<Service>, request: SessionRequest) -> Result<SessionResponse, Rejection> {
        Ok(service.log_in(request).await?)
    }

    async fn log_out(service: Data<Service>, request: SessionRequest) -> Result<SessionResponse, Rejection> {
        Ok(service.web.log_out(&request, b"").await?)
    }

    async fn order(service: Data<Service>, _: Auth) -> String {
        service.order()
    }

    async fn me(auth: Auth) -> String {
        auth.subject().unwrap_or_default().to_owned()
    }

    pub(crate) fn configure(app: &mut ServiceConfig, service: &Service) {
        app.app_data(Data::new(service.clone())).app_data(service.web.gate().clone()).configure(routes(&service.web));
        // The route for GET is one that some services have.
        app.route("/auth/login", post().to(log_in)).route("/auth/logout", get().to(log_out));
        app.route("/me", get().to(me)).route("/orders", post().to(order));
    }
}

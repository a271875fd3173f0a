//! Both services together: a login at the first one opens the second one, and a logout closes it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use example_sessions::Server;
use example_sessions_actix::{Settings, gate, serve};
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use tempfile::TempDir;

/// The first service, whose files are in a temporary folder.
struct First {
    folder: TempDir,
    address: String,
    url: String,
}

/// The second service. It stops when it is dropped.
struct Second {
    address: String,
    handle: ServerHandle,
}

/// What a login gives.
struct Tokens {
    access: String,
    cookies: String,
}

#[derive(Clone, Copy, Debug)]
enum From {
    Cookie,
    Header,
}

const BOTH: [From; 2] = [From::Cookie, From::Header];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn login_opens_and_logout_closes_the_second_service() {
    let first = First::start().await;
    let second = Second::start(first.settings(true));
    let tokens = first.log_in().await;
    for from in BOTH {
        assert_eq!(second.orders(&tokens, from).await, (200, "".to_owned()), "{from:?}");
        assert_eq!(second.order(&tokens, from, Some(&first.url)).await, 201, "{from:?}");
    }
    let me = first.http().get(format!("{}/api/users/me", first.address)).bearer_auth(&tokens.access);
    assert_eq!(me.send().await.unwrap().status(), 200);

    assert_eq!(first.log_out(&tokens).await, 200);
    let logout = Instant::now();
    for from in BOTH {
        while second.orders(&tokens, from).await.0 == 200 {
            assert!(logout.elapsed() < Duration::from_secs(5), "{from:?}: still open {:?} later", logout.elapsed());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(second.orders(&tokens, from).await, (401, "revoked".to_owned()), "{from:?}");
        assert_eq!(second.order(&tokens, from, Some(&first.url)).await, 401, "{from:?}");
    }
    println!("refused {:?} after the logout", logout.elapsed());
    // The token itself is still good for more than a minute.
    assert!(left(&tokens.access) > 60, "{}", left(&tokens.access));
}

/// The staleness of a service that does not ask: it is bounded by the lifetime of the token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn service_without_the_store_accepts_until_expiry() {
    let first = First::start().await;
    let second = Second::start(first.settings(false));
    let tokens = first.log_in().await;
    first.log_out(&tokens).await;
    for from in BOTH {
        assert_eq!(second.orders(&tokens, from).await.0, 200, "{from:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_that_is_down_is_a_503() {
    let first = First::start().await;
    let second = Second::start(first.settings(true));
    let tokens = first.log_in().await;
    let file = first.folder.path().join("sessions.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut database = options.connect().await.unwrap();
    sqlx::query("ALTER TABLE api_portcullis_sessions RENAME TO elsewhere").execute(&mut database).await.unwrap();
    for from in BOTH {
        let expected = (503, "temporarily_unavailable".to_owned());
        assert_eq!(second.orders(&tokens, from).await, expected, "{from:?}");
    }
    // The failure is not remembered.
    sqlx::query("ALTER TABLE elsewhere RENAME TO api_portcullis_sessions").execute(&mut database).await.unwrap();
    assert_eq!(second.orders(&tokens, From::Cookie).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_allowed_pages_change_something_by_cookie() {
    let first = First::start().await;
    // Browsers send it in lowercase, and without the default port.
    let client_origin = Some("https://APP.example.com:443".to_owned());
    let second = Second::start(Settings { client_origin, ..first.settings(true) });
    let tokens = first.log_in().await;
    for (page, by_cookie) in [
        (Some(first.url.as_str()), 201),
        (Some(second.address.as_str()), 201),
        (Some("https://app.example.com"), 201),
        (Some("https://evil.example"), 403),
        (Some("null"), 403),
        (None, 403),
    ] {
        assert_eq!(second.order(&tokens, From::Cookie, page).await, by_cookie, "{page:?}");
        assert_eq!(second.order(&tokens, From::Header, page).await, 201, "{page:?}");
    }
    let refused =
        first.http().get(format!("{}/api/orders", second.address)).header("origin", "https://app.example.com");
    let refused = refused.send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers().get("access-control-allow-origin").unwrap(), "https://app.example.com");
    let refresh = tokens.cookies.split("refresh_token=").nth(1).unwrap().split(';').next().unwrap();
    let wrong = Tokens { access: refresh.to_owned(), cookies: format!("access_token={refresh}") };
    for from in BOTH {
        assert_eq!(second.orders(&wrong, from).await, (401, "not_compact_jws".to_owned()), "{from:?}");
    }
    for path in ["/healthz", "/readyz"] {
        let ready = first.http().get(format!("{}{path}", second.address)).send().await.unwrap();
        assert_eq!(ready.status(), 200, "{path}");
    }
}

impl First {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let settings = example_sessions::Settings::from_variables(|name| match name {
            "PORT" => Some("0".to_owned()),
            "DATABASE_URL" => Some(format!("sqlite:{}", path("sessions.db"))),
            "DATABASE_PREFIX" => Some("api_".to_owned()),
            "KEYS_FOLDER" => Some(path("keys")),
            _ => None,
        });
        let server = Server::start(settings.unwrap()).await.unwrap();
        let address = format!("http://{}", server.address().unwrap());
        let url = server.url().to_owned();
        // The task ends with the runtime of the test.
        tokio::spawn(server.run(std::future::pending()));
        let first = Self { folder, address, url };
        let user = json!({
            "name": "Ada", "email": "ada@example.com", "photo": "ada.png",
            "password": "correct horse", "passwordConfirm": "correct horse"
        });
        assert_eq!(first.post("/api/auth/register", &user, "").await.status(), 201);
        first
    }

    /// The settings of the second service.
    fn settings(&self, with_store: bool) -> Settings {
        let database = format!("sqlite:{}", self.folder.path().join("sessions.db").display());
        Settings {
            sessions_url: self.url.clone(),
            port: 0,
            public_url: None,
            client_origin: None,
            database_url: with_store.then_some(database),
            database_prefix: "api_".to_owned(),
        }
    }

    fn http(&self) -> reqwest::Client {
        reqwest::Client::builder().no_proxy().build().unwrap()
    }

    async fn post(&self, path: &str, body: &Value, cookies: &str) -> reqwest::Response {
        let request = self.http().post(format!("{}{path}", self.address)).header("origin", &self.url);
        request.header("cookie", cookies).json(body).send().await.unwrap()
    }

    async fn log_in(&self) -> Tokens {
        let login = json!({"email": "ada@example.com", "password": "correct horse"});
        let response = self.post("/api/auth/login", &login, "").await;
        assert_eq!(response.status(), 200);
        let cookies = response.headers().get_all("set-cookie").iter();
        let cookies: Vec<_> = cookies.filter_map(|cookie| cookie.to_str().unwrap().split(';').next()).collect();
        let cookies = cookies.join("; ");
        let body: Value = response.json().await.unwrap();
        Tokens { access: body.get("access_token").unwrap().as_str().unwrap().to_owned(), cookies }
    }

    async fn log_out(&self, tokens: &Tokens) -> u16 {
        self.post("/api/auth/logout", &json!({}), &tokens.cookies).await.status().as_u16()
    }
}

impl Second {
    fn start(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let own_url = address.clone();
        let (started, running) = mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let gate = gate(&settings, &own_url).await.unwrap();
                let server = serve(&settings, gate, listener).unwrap();
                started.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Self { address, handle: running.recv().unwrap() }
    }

    /// The status of `GET /api/orders`, and the reason or the code of a refusal.
    async fn orders(&self, tokens: &Tokens, from: From) -> (u16, String) {
        let request = reqwest::Client::new().get(format!("{}/api/orders", self.address));
        let response = tokens.present(request, from).send().await.unwrap();
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        let code = body.get("reason").or(body.get("error")).and_then(Value::as_str).unwrap_or_default();
        (status, code.to_owned())
    }

    /// The status of `POST /api/orders` from a page with this origin.
    async fn order(&self, tokens: &Tokens, from: From, origin: Option<&str>) -> u16 {
        let request = reqwest::Client::new().post(format!("{}/api/orders", self.address)).json(&json!({"item": "tea"}));
        let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
        tokens.present(request, from).send().await.unwrap().status().as_u16()
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        // The call sends the command; the future only waits for the end.
        drop(self.handle.stop(false));
    }
}

impl Tokens {
    fn present(&self, request: reqwest::RequestBuilder, from: From) -> reqwest::RequestBuilder {
        match from {
            From::Cookie => request.header("cookie", &self.cookies),
            From::Header => request.bearer_auth(&self.access),
        }
    }
}

/// How many seconds the token still lives. The first service gives it 15 minutes.
fn left(token: &str) -> i64 {
    use portcullis_actix::clock::{Clock as _, SystemClock};
    let claims = portcullis_actix::verifier::UnverifiedToken::new(token).unverified_claims();
    let expires = claims.unwrap().get::<i64>("exp").unwrap().unwrap();
    expires - SystemClock::new().now().seconds()
}

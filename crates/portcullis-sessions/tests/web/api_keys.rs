//! The first routes for API keys that the documentation shows.

use std::time::Duration;

use portcullis_sessions::SqlStore;
use portcullis_sessions::api_keys::{ApiKeys, NewApiKey};

use crate::browser::Browser;
use crate::serving::{ActixServer, serve_axum};
use crate::{first_api_key_route_actix, first_api_key_route_axum};

#[test]
fn first_api_key_route_takes_at_most_twelve_lines() {
    for program in [
        include_str!("../../docs/first_api_key_route_actix.rs"),
        include_str!("../../docs/first_api_key_route_axum.rs"),
    ] {
        assert!(program.lines().count() <= 12, "{}", program.lines().count());
    }
}

#[tokio::test]
async fn first_api_key_route_on_axum_admits_a_key() {
    let (database, _folder, key) = database_with_a_key().await;
    let app = first_api_key_route_axum::app(&database).await.unwrap();
    let (url, server) = serve_axum(|_| app).await;
    admits(&url, &key).await;
    server.abort();
}

#[tokio::test]
async fn first_api_key_route_on_actix_admits_a_key() {
    let (database, _folder, key) = database_with_a_key().await;
    let gate = first_api_key_route_actix::gate(&database).await.unwrap();
    let server = ActixServer::start(|_| {
        move |app: &mut actix_web::web::ServiceConfig| {
            app.app_data(gate.clone()).service(first_api_key_route_actix::me);
        }
    });
    admits(server.url(), &key).await;
}

/// The URL of a database that another process filled.
async fn database_with_a_key() -> (String, tempfile::TempDir, NewApiKey) {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", folder.path().join("keys.db").display());
    let keys = ApiKeys::builder(SqlStore::builder(&database).connect().await.unwrap()).build().unwrap();
    let key = keys.create("alice", "a script", ["read"], Some(Duration::from_secs(60))).await.unwrap();
    (database, folder, key)
}

async fn admits(url: &str, key: &NewApiKey) {
    let client = Browser::new(url);
    let answer = async |field: Option<(&'static str, String)>| {
        let answer = client.send("GET", "/me", &field.into_iter().collect::<Vec<_>>(), "").await;
        (answer.status, if answer.status == 200 { answer.body.clone() } else { answer.code() })
    };
    let secret = key.secret.as_str();
    assert_eq!(answer(Some(("x-api-key", secret.to_owned()))).await, (200, "alice".to_owned()));
    assert_eq!(answer(None).await, (401, "missing_token".to_owned()));
    assert_eq!(answer(Some(("authorization", format!("Bearer {secret}")))).await, (401, "missing_token".to_owned()));
    let typing_error = secret.replace("pk_", "pk_0");
    assert_eq!(answer(Some(("x-api-key", typing_error))).await, (401, "invalid_token malformed".to_owned()));
}

//! `GET /api/healthchecker`

use axum::Json;
use serde_json::{Value, json};

/// Says that the service answers.
pub(crate) async fn health() -> Json<Value> {
    Json(json!({"status": "success", "message": "The service answers"}))
}

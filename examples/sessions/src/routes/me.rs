//! `GET /api/users/me`

use axum::Json;

use crate::caller::Caller;
use crate::users::User;

/// Returns the account of the caller.
pub(crate) async fn me(caller: Caller) -> Json<User> {
    Json(caller.user)
}

//! `POST /api/auth/register`

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use email_address::EmailAddress;
use serde::Deserialize;

use crate::app::App;
use crate::attempts::Attempt;
use crate::body::{Body, text};
use crate::client::Allowed;
use crate::error::ApiError;
use crate::users::{NewUser, User, normal_email};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Registration {
    #[serde(deserialize_with = "text")]
    name: String,
    #[serde(deserialize_with = "text")]
    email: String,
    #[serde(deserialize_with = "text")]
    photo: String,
    #[serde(deserialize_with = "text")]
    password: String,
    #[serde(deserialize_with = "text")]
    password_confirm: String,
}

/// The least number of characters of a password.
const MIN_PASSWORD: usize = 8;

/// Makes an account. It does not log in.
pub(crate) async fn register(
    State(app): State<Arc<App>>,
    _: Allowed,
    _: Attempt,
    Body(form): Body<Registration>,
) -> Result<(StatusCode, Json<User>), ApiError> {
    let email = normal_email(&form.email);
    if app.users.by_email(&email).await?.is_some() {
        return Err(ApiError::UserExists);
    }
    form.check(&email)?;
    let photo = form.photo.trim();
    let new = NewUser {
        name: form.name.trim().to_owned(),
        email,
        photo: (!photo.is_empty()).then(|| photo.to_owned()),
        password_hash: app.passwords.hash(form.password).await?,
        is_verified: !app.require_verified,
    };
    let user = app.users.add(&new).await?.ok_or(ApiError::UserExists)?;
    Ok((StatusCode::CREATED, Json(user)))
}

impl Registration {
    fn check(&self, email: &str) -> Result<(), ApiError> {
        let mut fields = password_faults(&self.password, &self.password_confirm);
        if !(1..=100).contains(&self.name.trim().chars().count()) {
            fields.insert("name", "Write 1 to 100 characters");
        }
        if email.len() > 254 || !EmailAddress::is_valid(email) {
            fields.insert("email", "Write an e-mail address such as ada@example.com");
        }
        if self.photo.chars().count() > 2000 {
            fields.insert("photo", "Write the address of a picture, up to 2000 characters");
        }
        // Databases differ in what they do with this character.
        for (field, text) in [("name", self.name.as_str()), ("email", email), ("photo", &self.photo)] {
            if text.contains('\0') {
                fields.insert(field, "Write it without the character U+0000");
            }
        }
        if fields.is_empty() { Ok(()) } else { Err(ApiError::InvalidInput(fields)) }
    }
}

/// Returns what is wrong with a new password.
pub(super) fn password_faults(password: &str, confirmation: &str) -> BTreeMap<&'static str, &'static str> {
    let mut fields = BTreeMap::new();
    if password.chars().count() < MIN_PASSWORD {
        fields.insert("password", "Write at least 8 characters");
    }
    if password != confirmation {
        fields.insert("passwordConfirm", "Write the same password twice");
    }
    fields
}

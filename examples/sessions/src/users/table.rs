//! The table of users, in SQLite, MySQL, MariaDB or PostgreSQL.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AnyPool, AssertSqlSafe, Row as _};

use super::{NewUser, User};

/// The table. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Users {
    pool: AnyPool,
    statements: Arc<Statements>,
}

struct Statements {
    insert: Arc<str>,
    by_id: Arc<str>,
    by_email: Arc<str>,
    set_password: Arc<str>,
}

const COLUMNS: &str = "id, name, email, photo, role, verified, password_hash, created_at, updated_at";

impl Users {
    /// Connects, and makes the table if it is missing. `prefix` has only letters, digits and underscores.
    pub(crate) async fn connect(url: &str, prefix: &str) -> Result<Self, sqlx::Error> {
        sqlx::any::install_default_drivers();
        let pool = AnyPool::connect(url).await?;
        let table = format!("{prefix}users");
        let is_postgres = url.starts_with("postgres");
        let create = match url.split(':').next() {
            Some("sqlite") => include_str!("sqlite.sql"),
            _ if is_postgres => include_str!("postgres.sql"),
            _ => include_str!("mysql.sql"),
        };
        let create = create.replace("{users}", &table);
        let create = || sqlx::raw_sql(AssertSqlSafe(create.clone())).execute(&pool);
        // On PostgreSQL, two instances that make the table at once can fail although the statement says IF NOT EXISTS. The
        // table is there at the second attempt.
        if create().await.is_err() {
            create().await?;
        }
        // PostgreSQL numbers its placeholders, the others write `?`.
        let statement = |text: String| -> Arc<str> {
            let mut number = 0;
            let mut parts = text.split('?');
            let first = parts.next().unwrap_or_default().to_owned();
            let numbered = parts.fold(first, |text, part| {
                number += 1;
                format!("{text}${number}{part}")
            });
            if is_postgres { numbered.into() } else { text.into() }
        };
        let statements = Statements {
            insert: statement(format!(
                "INSERT INTO {table} (name, email, photo, role, verified, password_hash, created_at, updated_at) \
                 VALUES (?, ?, ?, 'user', ?, ?, ?, ?)"
            )),
            by_id: statement(format!("SELECT {COLUMNS} FROM {table} WHERE id = ?")),
            by_email: statement(format!("SELECT {COLUMNS} FROM {table} WHERE email = ?")),
            set_password: statement(format!("UPDATE {table} SET password_hash = ?, updated_at = ? WHERE id = ?")),
        };
        Ok(Self { pool, statements: Arc::new(statements) })
    }

    /// Adds an account. `None` means that there is one with this address.
    pub(crate) async fn add(&self, new: &NewUser) -> Result<Option<User>, sqlx::Error> {
        let now = Timestamp::now().as_second();
        let result = sqlx::query(AssertSqlSafe(Arc::clone(&self.statements.insert)))
            .bind(&new.name)
            .bind(&new.email)
            .bind(new.photo.as_deref())
            .bind(i64::from(new.is_verified))
            .bind(&new.password_hash)
            .bind(now)
            .bind(now)
            .execute(&self.pool)
            .await;
        match result {
            // Two requests at once can both find the address unused. The database lets one of them add it.
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(None),
            result => {
                result?;
                self.by_email(&new.email).await
            }
        }
    }

    /// Returns the user of a session or a token.
    pub(crate) async fn by_subject(&self, subject: &str) -> Result<Option<User>, sqlx::Error> {
        let Ok(id) = subject.parse::<i64>() else { return Ok(None) };
        let query = sqlx::query(AssertSqlSafe(Arc::clone(&self.statements.by_id))).bind(id);
        query.fetch_optional(&self.pool).await?.as_ref().map(user).transpose()
    }

    /// Returns the user with this address, which is in its normal form.
    pub(crate) async fn by_email(&self, email: &str) -> Result<Option<User>, sqlx::Error> {
        // No account has such an address, and PostgreSQL refuses a statement with this character.
        if email.contains('\0') {
            return Ok(None);
        }
        let query = sqlx::query(AssertSqlSafe(Arc::clone(&self.statements.by_email))).bind(email);
        query.fetch_optional(&self.pool).await?.as_ref().map(user).transpose()
    }

    pub(crate) async fn set_password(&self, user: &User, password_hash: &str) -> Result<(), sqlx::Error> {
        sqlx::query(AssertSqlSafe(Arc::clone(&self.statements.set_password)))
            .bind(password_hash)
            .bind(Timestamp::now().as_second())
            .bind(user.id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

fn user(row: &AnyRow) -> Result<User, sqlx::Error> {
    let time = |column| {
        let seconds: i64 = row.try_get(column)?;
        Timestamp::from_second(seconds).map_err(|error| sqlx::Error::Decode(error.into()))
    };
    Ok(User {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        email: row.try_get("email")?,
        photo: row.try_get("photo")?,
        role: row.try_get("role")?,
        created_at: time("created_at")?,
        updated_at: time("updated_at")?,
        is_verified: row.try_get::<i64, _>("verified")? != 0,
        password_hash: row.try_get("password_hash")?,
    })
}

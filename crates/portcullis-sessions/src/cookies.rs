//! The cookies of a session.

use std::time::Duration;

use cookie::{Cookie, SameSite};
use portcullis::adapter::RequestView;
use portcullis::{ConfigError, TokenSource};

use crate::error::SessionsError;
use crate::public_url::PublicUrl;
use crate::sessions::SignedIn;

/// Writes and reads the cookies of sessions in browsers.
///
/// | cookie over https | over http on this machine | path | scripts read it |
/// |---|---|---|---|
/// | `__Host-access_token` | `access_token` | `/` | no |
/// | `__Secure-refresh_token` | `refresh_token` | that of the routes for sessions | no |
/// | `__Host-logged_in` | `logged_in` | `/` | yes |
///
/// All are `SameSite=Lax`, and `Secure` over https. The prefixes keep other hosts from setting the cookies; `__Host-`
/// requires the path `/`. `logged_in` tells a page whether to try a refresh. Nothing trusts it.
///
/// ```
/// use std::time::Duration;
/// use portcullis_sessions::SessionCookies;
/// # use portcullis::{adapter::HeaderList, claims::NumericDate};
/// # use portcullis_sessions::{AuthFacts, MemoryStore, Sessions, SuccessorKeys};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate()?).build()?;
/// # let access_token = "header.payload.signature";
/// let cookies = SessionCookies::new("https://app.example.com", "/api/auth")?;
///
/// // After a login or a refresh, each of these is a `Set-Cookie` field.
/// # let facts = AuthFacts::at(NumericDate::from_unix(0, 0));
/// let login = sessions.start("alice", facts).await?;
/// let fields = cookies.set(access_token, Duration::from_secs(300), &login)?;
/// assert!(fields[0].starts_with("__Host-access_token=header.payload.signature; HttpOnly; SameSite=Lax; Secure; Path=/;"));
///
/// // The gate reads the access token, and the route for refreshes the other one.
/// let sources = cookies.token_sources();
/// # let sent = format!("{}; {}", &fields[0], &fields[1]);
/// # let request = HeaderList::new("POST", [("cookie", sent)]);
/// assert_eq!(cookies.refresh_token(&request), Some(login.refresh_token.as_str()));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct SessionCookies {
    secure: bool,
    refresh_path: String,
}

impl SessionCookies {
    /// Makes the cookies of a service at `public_url`, whose routes for sessions are below `refresh_path`. A path in the
    /// public URL is the prefix that a proxy takes off.
    ///
    /// # Errors
    /// [`ConfigError`] when the URL is neither https nor http on this machine, or the path cannot be used.
    pub fn new(public_url: &str, refresh_path: &str) -> Result<Self, ConfigError> {
        let url = PublicUrl::parse("public_url", public_url);
        let is_path_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        let path = if refresh_path.starts_with('/') && refresh_path.bytes().all(is_path_byte) {
            Ok(refresh_path)
        } else {
            let hint = "write the path that the routes for login, refresh and logout share, such as `/api/auth`";
            Err(ConfigError::new("refresh_path", "cannot be the path of a cookie", hint))
        };
        let (url, path) = ConfigError::both(url, path)?;
        Ok(Self { secure: url.is_https(), refresh_path: format!("{}{path}", url.path()) })
    }

    /// Returns the places of the access token, for [`Gate::with_token_sources`](portcullis::Gate::with_token_sources):
    /// `Authorization`, then the cookie.
    #[must_use]
    pub fn token_sources(&self) -> [TokenSource; 2] {
        [TokenSource::authorization(), TokenSource::cookie(self.access_name())]
    }

    /// Returns the name of the cookie with the access token.
    #[must_use]
    pub fn access_name(&self) -> &'static str {
        if self.secure { "__Host-access_token" } else { "access_token" }
    }

    /// Makes the `Set-Cookie` fields after a login or a refresh. The cookie of the access token lives for `access_lifetime`,
    /// the others until the session ends.
    ///
    /// # Errors
    /// [`SessionsError::InvalidInput`] when the access token has characters that no token has (RFC 6750 §2.1).
    pub fn set(
        &self,
        access_token: &str,
        access_lifetime: Duration,
        signed_in: &SignedIn,
    ) -> Result<[String; 3], SessionsError> {
        let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if access_token.is_empty() || !access_token.bytes().all(is_token_byte) {
            return Err(SessionsError::InvalidInput { field: "access_token", problem: "is not a token" });
        }
        let access = self.access(access_token).max_age(seconds(access_lifetime));
        let [refresh, flag] = self.of_session(signed_in);
        Ok([access.to_string(), refresh, flag])
    }

    /// Makes the `Set-Cookie` fields that do not depend on an access token: the refresh token and the flag.
    pub(crate) fn of_session(&self, signed_in: &SignedIn) -> [String; 2] {
        let session = &signed_in.session;
        let left = session.expires_at.seconds().saturating_sub(session.last_used_at.seconds());
        let left = cookie::time::Duration::seconds(left);
        [self.refresh(signed_in.refresh_token.as_str()), self.flag("true")]
            .map(|cookie| cookie.max_age(left).to_string())
    }

    /// Makes the `Set-Cookie` fields that delete the cookies: after a logout, and when a refresh was
    /// [refused](SessionsError::Refused). Never after another error, because the session may be as good as before.
    #[must_use]
    pub fn clear(&self) -> [String; 3] {
        [self.access(""), self.refresh(""), self.flag("")].map(|cookie| cookie.removal().to_string())
    }

    /// Returns the refresh token of a request. `None` if it has no such cookie, or several different ones: another host
    /// of the same domain may have set one of them.
    #[must_use]
    pub fn refresh_token<'a>(&self, request: &'a dyn RequestView) -> Option<&'a str> {
        let (mut first, mut differs) = (None, false);
        // On bytes, because other cookies may hold any.
        request.header("cookie", &mut |field| {
            for pair in field.split(|byte| *byte == b';') {
                let mut parts = pair.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
                let (name, value) = (parts.next(), parts.next().unwrap_or_default());
                if name == Some(self.refresh_name().as_bytes()) && !value.is_empty() {
                    differs |= first.is_some_and(|first| first != value);
                    first = first.or(Some(value));
                }
            }
        });
        first.filter(|_| !differs).and_then(|value| std::str::from_utf8(value).ok())
    }

    fn refresh_name(&self) -> &'static str {
        if self.secure { "__Secure-refresh_token" } else { "refresh_token" }
    }

    fn access<'c>(&self, value: &'c str) -> cookie::CookieBuilder<'c> {
        self.cookie(self.access_name(), value).path("/").http_only(true)
    }

    fn refresh<'c>(&self, value: &'c str) -> cookie::CookieBuilder<'c> {
        self.cookie(self.refresh_name(), value).path(self.refresh_path.clone()).http_only(true)
    }

    fn flag<'c>(&self, value: &'c str) -> cookie::CookieBuilder<'c> {
        self.cookie(if self.secure { "__Host-logged_in" } else { "logged_in" }, value).path("/")
    }

    fn cookie<'c>(&self, name: &'static str, value: &'c str) -> cookie::CookieBuilder<'c> {
        let cookie = Cookie::build((name, value)).same_site(SameSite::Lax);
        if self.secure { cookie.secure(true) } else { cookie }
    }
}

fn seconds(duration: Duration) -> cookie::time::Duration {
    cookie::time::Duration::seconds(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portcullis::adapter::HeaderList;
    use portcullis::claims::NumericDate;
    use portcullis::clock::ManualClock;

    use super::*;
    use crate::{AuthFacts, MemoryStore, Sessions, SuccessorKeys};

    async fn login() -> SignedIn {
        let clock = Arc::new(ManualClock::at_unix(1_700_000_000));
        let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate().unwrap());
        let sessions = sessions.idle_lifetime(Duration::from_secs(3600)).clock(clock.clone()).build().unwrap();
        let login = sessions.start("alice", AuthFacts::at(NumericDate::from_unix(0, 0))).await.unwrap();
        // A refresh that leaves the end of the session.
        clock.advance(Duration::from_secs(600));
        sessions.refresh(login.refresh_token.as_str()).await.unwrap()
    }

    #[tokio::test]
    async fn cookies_have_their_attributes() {
        let login = login().await;
        let token = login.refresh_token.as_str();
        let https = SessionCookies::new("https://app.example.com", "/api/auth").unwrap();
        assert_eq!(
            https.set("a.b.c", Duration::from_secs(300), &login).unwrap(),
            [
                "__Host-access_token=a.b.c; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=300".to_owned(),
                format!("__Secure-refresh_token={token}; HttpOnly; SameSite=Lax; Secure; Path=/api/auth; Max-Age=3000"),
                "__Host-logged_in=true; SameSite=Lax; Secure; Path=/; Max-Age=3000".to_owned(),
            ]
        );
        let http = SessionCookies::new("http://localhost:8000", "/api/auth").unwrap();
        assert_eq!(
            http.set("a.b.c", Duration::from_secs(300), &login).unwrap(),
            [
                "access_token=a.b.c; HttpOnly; SameSite=Lax; Path=/; Max-Age=300".to_owned(),
                format!("refresh_token={token}; HttpOnly; SameSite=Lax; Path=/api/auth; Max-Age=3000"),
                "logged_in=true; SameSite=Lax; Path=/; Max-Age=3000".to_owned(),
            ]
        );
        assert_eq!((https.access_name(), http.access_name()), ("__Host-access_token", "access_token"));
        for access_token in ["", "a b", "a;b", "a\r\nSet-Cookie: b=c", "é", "a,b", "\"a\""] {
            assert!(http.set(access_token, Duration::from_secs(1), &login).is_err(), "{access_token:?}");
        }
    }

    /// A browser deletes a cookie only if name, path and the demands of the prefix fit.
    #[test]
    fn cleared_cookies_are_those_that_were_set() {
        let behind_a_prefix = SessionCookies::new("https://example.com/app/", "/auth").unwrap();
        let [access, refresh, flag] = behind_a_prefix.clear();
        for (field, start, path) in [
            (access, "__Host-access_token=;", "Path=/;"),
            (refresh, "__Secure-refresh_token=;", "Path=/app/auth;"),
            (flag, "__Host-logged_in=;", "Path=/;"),
        ] {
            assert!(field.starts_with(start) && field.contains(path), "{field}");
            assert!(field.contains("; Secure;") && field.contains("Max-Age=0"), "{field}");
        }
        let [access, ..] = SessionCookies::new("http://127.0.0.1:8000", "/").unwrap().clear();
        assert!(access.starts_with("access_token=;") && !access.contains("Secure"), "{access}");
    }

    #[test]
    fn refresh_token_is_read_from_any_field() {
        let cookies = SessionCookies::new("https://app.example.com", "/api/auth").unwrap();
        let read = |fields: &[&[u8]]| {
            let request = HeaderList::new("POST", fields.iter().map(|field| ("cookie", *field)));
            cookies.refresh_token(&request).map(str::to_owned)
        };
        for fields in [
            &[&b"__Secure-refresh_token=pcr1_a"[..]][..],
            &[b"a=b; __Secure-refresh_token=pcr1_a;c=d"],
            &[b"a=\xff", b"__Secure-refresh_token = pcr1_a ; x"],
            &[b"__Secure-refresh_token=pcr1_a; __Secure-refresh_token=pcr1_a"],
            &[b"__Secure-refresh_token=; __Secure-refresh_token=pcr1_a"],
        ] {
            assert_eq!(read(fields).as_deref(), Some("pcr1_a"), "{fields:?}");
        }
        for fields in [
            &[][..],
            &[&b"refresh_token=pcr1_a"[..]],
            &[b"__secure-refresh_token=pcr1_a"],
            &[b"x__Secure-refresh_token=pcr1_a"],
            &[b"__Secure-refresh_token"],
            &[b"__Secure-refresh_token="],
            &[b"__Secure-refresh_token=\xff"],
            &[b"__Secure-refresh_token=pcr1_a; __Secure-refresh_token=pcr1_b"],
            &[b"__Secure-refresh_token=pcr1_a", b"__Secure-refresh_token=pcr1_b"],
        ] {
            assert_eq!(read(fields), None, "{fields:?}");
        }
    }

    #[test]
    fn wrong_settings_are_refused() {
        for path in ["", "api", "/a;b", "/a b", "/a?b", "/ä", "/a,b", "/a\n"] {
            let error = SessionCookies::new("https://app.example.com", path).unwrap_err();
            assert_eq!(error.field(), "refresh_path", "{path:?}");
        }
        let both = SessionCookies::new("http://app.example.com", "api").unwrap_err();
        assert_eq!(both.fields().collect::<Vec<_>>(), ["public_url", "refresh_path"]);
    }
}

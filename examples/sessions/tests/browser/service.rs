//! The service in this process, on a free port, with its files in a temporary folder.

use std::time::Duration;

use example_sessions::{Server, Settings};
use tempfile::TempDir;

use crate::browser::Browser;

pub(crate) const NAME: &str = "Ada Lovelace";
pub(crate) const EMAIL: &str = "ada@example.com";
pub(crate) const PASSWORD: &str = "correct horse";
/// How long the access tokens live of a service that was started with short ones.
pub(crate) const ACCESS_LIFETIME: Duration = Duration::from_secs(3);

pub(crate) struct Service {
    /// The address of the page.
    pub(crate) url: String,
    // Dropping it removes the files.
    _folder: TempDir,
}

impl Service {
    /// Starts the service with its default settings.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts the service with access tokens that expire soon.
    pub(crate) async fn with_short_access_tokens() -> Self {
        Self::with(|settings| settings.access_lifetime = ACCESS_LIFETIME).await
    }

    /// Starts the service with changed settings. It stops with the runtime of the test.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = TempDir::new().unwrap();
        let mut settings = Settings {
            port: 0,
            database_url: format!("sqlite:{}", folder.path().join("sessions.db").display()),
            keys: example_sessions::KeySettings { folder: folder.path().join("keys"), ..Default::default() },
            ..Settings::default()
        };
        change(&mut settings);
        let server = Server::start(settings).await.unwrap();
        let url = server.url().to_owned();
        tokio::spawn(async move { server.run(std::future::pending()).await.unwrap() });
        Self { url, _folder: folder }
    }

    /// Opens the page in a new browser.
    pub(crate) async fn browser(&self) -> Browser {
        Browser::open(&self.url).await
    }

    /// Opens the page in a new browser and registers, which logs in as well.
    pub(crate) async fn registered(&self) -> Browser {
        let browser = self.browser().await;
        browser.click("#login .switch a").await;
        browser.fill("#register-name", NAME).await;
        browser.fill("#register-email", EMAIL).await;
        browser.fill("#register-password", PASSWORD).await;
        browser.fill("#register-confirm", PASSWORD).await;
        browser.click("#register .primary").await;
        browser.says("#me-name", NAME).await;
        browser
    }

    /// Opens the page in a new browser and logs in.
    pub(crate) async fn logged_in(&self) -> Browser {
        let browser = self.browser().await;
        browser.log_in(PASSWORD).await;
        browser.says("#me-name", NAME).await;
        browser
    }
}

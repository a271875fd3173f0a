//! A private Redis server.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use portcullis_sessions::RedisStore;

use crate::stores::skipped;

/// The program `redis-server`.
const PROGRAM: &str = "PORTCULLIS_TEST_REDIS_SERVER";

/// The program. Says so if no variable names it.
pub(crate) fn program() -> Option<String> {
    let program = std::env::var(PROGRAM).ok();
    if program.is_none() {
        skipped(PROGRAM);
    }
    program
}

/// A private server, which ends with this value.
pub(crate) struct Server {
    program: String,
    pub(crate) port: u16,
    settings: Vec<String>,
    folder: tempfile::TempDir,
    process: Option<Child>,
}

impl Server {
    /// `None` if no variable names the program. In the settings, `{port}` is the port of the server, and `{free}` another one.
    pub(crate) async fn start(settings: &[&str]) -> Option<Self> {
        let program = program()?;
        let [port, free] = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port());
        let value = |setting: &&str| setting.replace("{port}", &port.to_string()).replace("{free}", &free.to_string());
        let settings = settings.iter().map(value).collect();
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self { program, port, settings, folder, process: None };
        server.run().await;
        Some(server)
    }

    pub(crate) fn store(&self) -> portcullis_sessions::RedisStoreBuilder {
        RedisStore::builder(&format!("redis://127.0.0.1:{}", self.port))
    }

    pub(crate) async fn run(&mut self) {
        let folder: &Path = self.folder.path();
        let command = Command::new(&self.program)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(folder)
            .args(&self.settings)
            .stdout(Stdio::null())
            .spawn();
        self.process = Some(command.unwrap());
        retried(async || tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await).await.unwrap();
    }

    /// Kills the server with SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Tries for up to ten seconds.
pub(crate) async fn retried<T, E>(attempt: impl AsyncFn() -> Result<T, E>) -> Result<T, E> {
    let begun = Instant::now();
    loop {
        let result = attempt().await;
        if result.is_ok() || begun.elapsed() > Duration::from_secs(10) {
            return result;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

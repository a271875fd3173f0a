//! Proxy variables of the environment. Each test starts a new process, because a process must not change its own
//! environment.

use std::io::Write;
use std::process::Command;
use std::sync::{Arc, Mutex};

use portcullis::keys::RemoteKeys;

const IN_CHILD: &str = "PORTCULLIS_TEST_IN_CHILD";

/// Runs this test in another process with `variables`, and returns its log. The process builds the keys twice.
fn log_with(test: &str, variables: &[(&str, &str)], proxy: Option<&str>) -> String {
    if std::env::var_os(IN_CHILD).is_none() {
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", test, "--nocapture"]).env(IN_CHILD, "1");
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            again.env_remove(name);
        }
        let output = again.envs(variables.iter().copied()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return text;
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..2 {
            let mut keys = RemoteKeys::builder();
            if let Some(url) = proxy {
                keys = keys.proxy(url);
            }
            keys.at("https://issuer.example/keys").unwrap();
        }
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    println!("{text}");
    text
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn unused_proxy_variable_is_logged_once() {
    let variables = [("HTTPS_PROXY", "http://user:secret@proxy.example:3128")];
    let log = log_with("environment::unused_proxy_variable_is_logged_once", &variables, None);
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert!(log.contains("HTTPS_PROXY") && log.contains("PORTCULLIS_PROXY"), "{log}");
    assert!(!log.contains("secret") && !log.contains("proxy.example"), "{log}");
}

#[test]
fn configured_proxy_needs_no_warning() {
    let variables = [("HTTPS_PROXY", "http://proxy.example:3128")];
    let proxy = Some("http://proxy.example:3128");
    let log = log_with("environment::configured_proxy_needs_no_warning", &variables, proxy);
    assert!(!log.contains("WARN"), "{log}");
}

#[test]
fn no_proxy_variable_needs_no_warning() {
    let log = log_with("environment::no_proxy_variable_needs_no_warning", &[("NO_PROXY", "*")], None);
    assert!(!log.contains("WARN"), "{log}");
}

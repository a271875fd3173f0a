//! A Redis server with TLS has to prove who it is.

use std::path::Path;
use std::process::Command;

use portcullis_sessions::{RedisStore, RedisStoreError};

use crate::process::{Running, task, tell};
use crate::redis_server::sessions;
use crate::requests::facts;
use crate::server::{Server, program};

const TEST: &str = "redis_tls::server_with_tls_is_verified";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_with_tls_is_verified() {
    // The certificates that the system trusts are those of a variable, so a child has other ones.
    if let Some(task) = task() {
        tell(&refresh(&task[0]).await);
        return;
    }
    if program().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    make_certificates(folder.path());
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (trusted, other) = (file("ca.pem"), file("other.pem"));
    let settings = ["--port", "0", "--tls-port", "{port}", "--tls-auth-clients", "no"];
    let files = [file("server.pem"), file("server.key"), trusted.clone()];
    let files = ["--tls-cert-file", &files[0], "--tls-key-file", &files[1], "--tls-ca-cert-file", &files[2]];
    let durable = ["--appendonly", "yes", "--appendfsync", "always"];
    let Some(server) = Server::start(&[&settings[..], &files, &durable].concat()).await else { return };

    let refused = "url: the server could not be verified: ";
    for (host, trusted, expected) in [
        ("localhost", &trusted, "refreshed"),
        // Another authority, and another name than the one in the certificate.
        ("localhost", &other, refused),
        ("127.0.0.1", &trusted, refused),
    ] {
        let url = format!("rediss://{host}:{}", server.port);
        let mut child = Running::test_with(TEST, &[&url], &[("SSL_CERT_FILE", trusted)]);
        let said = child.next().unwrap();
        assert!(said.starts_with(expected), "{url} {trusted}: {said}");
        child.wait();
    }
    // Nothing is sent to it without TLS.
    let plain = server.store().connect().await;
    assert!(matches!(plain, Err(RedisStoreError::Unavailable(_))), "{plain:?}");
}

/// Begins a session on the server at `url`, and refreshes it. Returns what went wrong.
async fn refresh(url: &str) -> String {
    let store = match RedisStore::builder(url).connect().await {
        Ok(store) => store,
        Err(error) => return error.to_string(),
    };
    let sessions = sessions(store);
    let login = sessions.start("dave", facts()).await.unwrap();
    sessions.refresh(login.refresh_token.as_str()).await.unwrap();
    "refreshed".to_owned()
}

/// Makes two authorities, and a certificate for `localhost` from the first one.
fn make_certificates(folder: &Path) {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for name in ["ca", "other"] {
        openssl(&format!("req -x509 {key} -keyout {name}.key -out {name}.pem -days 2 -subj /CN={name}"));
    }
    std::fs::write(folder.join("extensions"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost"));
    let authority = "-CA ca.pem -CAkey ca.key -CAcreateserial";
    openssl(&format!("x509 -req -in server.csr {authority} -days 2 -extfile extensions -out server.pem"));
}

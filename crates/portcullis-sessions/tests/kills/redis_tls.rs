//! A Redis server with TLS has to prove who it is.

use std::path::Path;
use std::process::Command;

use portcullis_sessions::{RedisStore, RedisStoreError};

use crate::process::{Running, task, tell};
use crate::redis_server::sessions;
use crate::requests::facts;
use crate::server::{Server, program, retried};

const REFUSED: &str = "url: the server could not be verified: ";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_with_tls_is_verified() {
    const TEST: &str = "redis_tls::server_with_tls_is_verified";
    if refreshed_as_a_child().await {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = server(folder.path(), &[]).await else { return };
    for (host, authority, expected) in [
        ("localhost", "ca.pem", "refreshed"),
        // Another authority, and another name than the one in the certificate.
        ("localhost", "other.pem", REFUSED),
        ("127.0.0.1", "ca.pem", REFUSED),
    ] {
        let url = format!("rediss://{host}:{}", server.port);
        let said = refreshed(TEST, &url, &folder.path().join(authority));
        assert!(said.starts_with(expected), "{url} {authority}: {said}");
    }
    // Nothing is sent to it without TLS.
    let plain = server.store().connect().await;
    assert!(matches!(plain, Err(RedisStoreError::Unavailable(_))), "{plain:?}");
}

/// The nodes tell their addresses, and each has to prove who it is too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_node_with_tls_is_verified() {
    const TEST: &str = "redis_tls::each_node_with_tls_is_verified";
    if refreshed_as_a_child().await {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (kind, expected) in [("hostname", "refreshed"), ("ip", "sessions are unavailable at the moment")] {
        let cluster = ["--cluster-enabled", "yes", "--cluster-port", "{free}", "--tls-cluster", "yes"];
        let address = ["--cluster-announce-hostname", "localhost", "--cluster-announce-ip", "127.0.0.1"];
        let settings = [&cluster[..], &address, &["--cluster-preferred-endpoint-type", kind]].concat();
        let Some(server) = server(folder.path(), &settings).await else { return };
        let (port, authority) = (server.port.to_string(), folder.path().join("ca.pem"));
        let cluster = |arguments: &[&str]| {
            let mut client = Command::new("redis-cli");
            client.args(["-h", "localhost", "-p", &port, "--tls", "--cacert", authority.to_str().unwrap(), "CLUSTER"]);
            String::from_utf8(client.args(arguments).output().unwrap().stdout).unwrap()
        };
        assert_eq!(cluster(&["ADDSLOTSRANGE", "0", "16383"]).trim(), "OK");
        let is_ready = || cluster(&["INFO"]).contains("cluster_state:ok").then_some(()).ok_or("not ready");
        retried(async || is_ready()).await.unwrap();
        let said = refreshed(TEST, &format!("rediss://localhost:{port}"), &authority);
        assert!(said.starts_with(expected), "{kind}: {said}");
    }
}

/// A server with TLS and a certificate for `localhost`. `None` if no variable names the program.
async fn server(folder: &Path, settings: &[&str]) -> Option<Server> {
    program()?;
    make_certificates(folder);
    let files = ["server.pem", "server.key", "ca.pem"].map(|name| folder.join(name).to_str().unwrap().to_owned());
    let files = ["--tls-cert-file", &files[0], "--tls-key-file", &files[1], "--tls-ca-cert-file", &files[2]];
    let tls = ["--port", "0", "--tls-port", "{port}", "--tls-auth-clients", "no"];
    let durable = ["--appendonly", "yes", "--appendfsync", "always"];
    Server::start(&[&tls[..], &files, &durable, settings].concat()).await
}

/// Refreshes a session in a child that trusts only `authority`, which a variable tells. Returns what the child said.
fn refreshed(test: &str, url: &str, authority: &Path) -> String {
    let mut child = Running::test_with(test, &[url], &[("SSL_CERT_FILE", authority.to_str().unwrap())]);
    let said = child.next().unwrap();
    child.wait();
    said
}

/// Does what a child has to do. Returns whether this is one.
async fn refreshed_as_a_child() -> bool {
    let Some(task) = task() else { return false };
    tell(&refresh(&task[0]).await);
    true
}

/// Begins a session on the server at `url`, and refreshes it. Returns what went wrong.
async fn refresh(url: &str) -> String {
    let store = match RedisStore::builder(url).connect().await {
        Ok(store) => store,
        Err(error) => return error.to_string(),
    };
    let sessions = sessions(store);
    let login = match sessions.start("dave", facts()).await {
        Ok(login) => login,
        Err(error) => return error.to_string(),
    };
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

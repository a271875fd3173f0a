//! Libraries for Node.js, in a separate process, which measures the latencies itself.

use std::collections::HashMap;
use std::process::{ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_bench_driver::{About, Answer, Contender, IssuerSettings, NotBuilt, Outcome, compare};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

fn main() -> ExitCode {
    let jose = compare::<Peer<Jose>>(About {
        name: "jose 6.2.17 (Node.js)",
        settings: "createRemoteJWKSet, defaults; in 3 and 6 a cacheMaxAge of 1 s",
        must_hold: false,
    });
    let jwks_rsa = compare::<Peer<JwksRsa>>(About {
        name: "jwks-rsa 4.1.0 (Node.js)",
        settings: "cache, rateLimit at 5 a minute, with jsonwebtoken 9.0.3; in 3 and 6 a cacheMaxAge of 1 s",
        must_hold: false,
    });
    if [jose, jwks_rsa].contains(&ExitCode::FAILURE) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

trait Library: Send + Sync + 'static {
    const NAME: &'static str;
}

struct Jose;

impl Library for Jose {
    const NAME: &'static str = "jose";
}

struct JwksRsa;

impl Library for JwksRsa {
    const NAME: &'static str = "jwks-rsa";
}

struct Peer<L> {
    lines: mpsc::UnboundedSender<String>,
    waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<Answer>>>>,
    next: AtomicU64,
    _process: Child,
    _library: std::marker::PhantomData<L>,
}

impl<L: Library> Contender for Peer<L> {
    async fn build(settings: &IssuerSettings) -> Result<Self, NotBuilt> {
        let given = json!({
            "issuer": settings.issuer,
            "audience": settings.audience,
            "jwksUrl": settings.jwks_url,
            "lifetime": settings.lifetime.map(|lifetime| lifetime.as_millis() as u64),
        });
        let mut process = Command::new("node")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/verify.mjs"))
            .args([L::NAME, &given.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| NotBuilt::Failed(error.to_string()))?;
        let mut stdin = process.stdin.take().expect("piped");
        let mut stdout = BufReader::new(process.stdout.take().expect("piped")).lines();
        let (lines, mut sent) = mpsc::unbounded_channel::<String>();
        tokio::spawn(async move {
            while let Some(line) = sent.recv().await {
                if stdin.write_all(line.as_bytes()).await.is_err() {
                    break;
                }
            }
        });
        let waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<Answer>>>> = Arc::default();
        let answered = Arc::clone(&waiting);
        tokio::spawn(async move {
            while let Ok(Some(line)) = stdout.next_line().await {
                let mut words = line.split(' ');
                let id = words.next().and_then(|id| id.parse().ok()).expect("an id");
                let outcome = match words.next() {
                    Some("accepted") => Outcome::Accepted,
                    Some("unavailable") => Outcome::Unavailable,
                    _ => Outcome::Refused,
                };
                let took = words.next().and_then(|micros| micros.parse().ok()).map(Duration::from_micros);
                if let Some(caller) = answered.lock().expect("not poisoned").remove(&id) {
                    let _ = caller.send(Answer { outcome, took });
                }
            }
        });
        let peer =
            Self { lines, waiting, next: AtomicU64::new(1), _process: process, _library: std::marker::PhantomData };
        // Any answer shows that the process runs; this is not a token.
        peer.verify("x").await;
        Ok(peer)
    }

    async fn verify(&self, token: &str) -> Answer {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.waiting.lock().expect("not poisoned").insert(id, answer);
        self.lines.send(format!("{id} {token}\n")).expect("the process is there");
        answered.await.expect("the process answers")
    }
}

//! The documents over raw sockets: the same bytes from both frameworks, and the right ones.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use portcullis::jose::Algorithm;
use portcullis_issuer::{Document, Issuer, KeyRing};
use serde_json::{Value, json};

use crate::serving::{ActixServer, serve_axum};

const URL: &str = "https://issuer.example/auth";

#[derive(Debug, Eq, PartialEq)]
struct Answer {
    status: String,
    /// Without the date, in the order of their names.
    fields: Vec<String>,
    body: String,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find_map(|field| field.strip_prefix(name)?.strip_prefix(": "))
    }
}

fn ask(server: &str, method: &str, path: &str, fields: &[&str]) -> Answer {
    let mut stream = TcpStream::connect(server.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: issuer.example\r\nconnection: close\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().to_owned();
    let lower = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        format!("{}: {}", name.to_ascii_lowercase(), value.trim())
    };
    let mut fields: Vec<_> = lines.map(lower).filter(|field| !field.starts_with("date: ")).collect();
    fields.sort_unstable();
    Answer { status, fields, body: body.to_owned() }
}

async fn issuer() -> Issuer {
    let ring = KeyRing::builder().algorithm(Algorithm::EdDsa).build().unwrap();
    ring.rotate().await.unwrap();
    Issuer::builder(URL, "api", ring).build().unwrap()
}

/// Asks both frameworks, which must agree.
struct Both {
    axum: String,
    actix: ActixServer,
    _server: tokio::task::JoinHandle<()>,
}

impl Both {
    async fn start(issuer: &Issuer) -> Self {
        let (axum, server) = serve_axum(|_| portcullis_issuer::axum::documents(issuer)).await;
        let issuer = issuer.clone();
        let actix = ActixServer::start(|_| move |app: &mut _| portcullis_issuer::actix::documents(&issuer)(app));
        Self { axum, actix, _server: server }
    }

    fn ask(&self, method: &str, path: &str, fields: &[&str]) -> Answer {
        let answers = [&self.axum, self.actix.url()].map(|server| ask(server, method, path, fields));
        assert_eq!(answers[0], answers[1], "{method} {path} {fields:?}");
        let [answer, _] = answers;
        answer
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_frameworks_send_the_same_documents() {
    let issuer = issuer().await;
    let both = Both::start(&issuer).await;
    for (document, path, content_type) in [
        (Document::Jwks, "/auth/.well-known/jwks.json", "application/jwk-set+json"),
        (Document::OpenIdMetadata, "/auth/.well-known/openid-configuration", "application/json"),
        (Document::OauthMetadata, "/.well-known/oauth-authorization-server/auth", "application/json"),
    ] {
        assert_eq!(issuer.path(document), path);
        let got = both.ask("GET", path, &[]);
        assert_eq!(got.status, "HTTP/1.1 200 OK");
        assert_eq!(got.body, issuer.document(document).await.text());
        let etag = got.field("etag").unwrap().to_owned();
        let mut expected = vec![
            "access-control-allow-origin: *".to_owned(),
            "cache-control: public, max-age=300".to_owned(),
            "connection: close".to_owned(),
            format!("content-length: {}", got.body.len()),
            format!("content-type: {content_type}"),
            format!("etag: {etag}"),
            "x-content-type-options: nosniff".to_owned(),
        ];
        expected.sort_unstable();
        assert_eq!(got.fields, expected);

        let head = both.ask("HEAD", path, &[]);
        assert_eq!((head.status, head.fields, head.body.as_str()), (got.status, expected, ""));

        for tags in [&[&*etag][..], &["W/\"x\"", &etag], &[&format!("\"x\", W/{etag}")], &["*"]] {
            let tags: Vec<_> = tags.iter().map(|tag| format!("if-none-match: {tag}")).collect();
            for method in ["GET", "HEAD"] {
                let known = both.ask(method, path, &tags.iter().map(String::as_str).collect::<Vec<_>>());
                assert_eq!((known.status.as_str(), known.body.as_str()), ("HTTP/1.1 304 Not Modified", ""), "{tags:?}");
                assert_eq!(known.field("etag"), Some(&*etag));
                assert_eq!(known.field("cache-control"), Some("public, max-age=300"));
                assert_eq!(known.field("access-control-allow-origin"), Some("*"));
                assert_eq!(known.field("content-type"), None);
            }
        }
        assert_eq!(both.ask("GET", path, &["if-none-match: \"x\""]).body, got.body);

        let preflight = ["origin: https://app.example", "access-control-request-method: GET"];
        let options = both.ask("OPTIONS", path, &preflight);
        assert_eq!((options.status.as_str(), options.body.as_str()), ("HTTP/1.1 204 No Content", ""));
        assert_eq!(options.field("allow"), Some("GET, HEAD, OPTIONS"));
        assert_eq!(options.field("access-control-allow-origin"), Some("*"));
        assert_eq!(options.field("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));

        for method in ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"] {
            let refused = both.ask(method, path, &["content-length: 0"]);
            assert_eq!((refused.status.as_str(), refused.body.as_str()), ("HTTP/1.1 405 Method Not Allowed", ""));
            assert_eq!(refused.field("allow"), Some("GET, HEAD, OPTIONS"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_key_changes_the_tag() {
    let ring = KeyRing::builder().algorithm(Algorithm::EdDsa).build().unwrap();
    let issuer = Issuer::builder(URL, "api", ring).build().unwrap();
    let both = Both::start(&issuer).await;
    let path = issuer.path(Document::Jwks);
    let before = both.ask("GET", &path, &[]);
    let tag = format!("if-none-match: {}", before.field("etag").unwrap());
    issuer.ring().rotate().await.unwrap();
    let after = both.ask("GET", &path, &[&tag]);
    assert_eq!(after.status, "HTTP/1.1 200 OK");
    let count = |answer: &Answer| {
        let set: Value = serde_json::from_str(&answer.body).unwrap();
        let keys = set["keys"].as_array().unwrap();
        for key in keys {
            let mut names: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x"], "only public members");
        }
        keys.len()
    };
    assert_eq!((count(&before), count(&after)), (1, 2));
}

async fn metadata(issuer: &Issuer, document: Document) -> Value {
    serde_json::from_str(issuer.document(document).await.text()).unwrap()
}

#[tokio::test]
async fn metadata_has_the_members_of_its_specification() {
    let issuer = issuer().await;
    let common = json!({
        "issuer": URL,
        "jwks_uri": "https://issuer.example/auth/.well-known/jwks.json",
        "response_types_supported": ["id_token"],
    });
    assert_eq!(metadata(&issuer, Document::OauthMetadata).await, common);
    let mut openid = common;
    openid["subject_types_supported"] = json!(["public"]);
    openid["id_token_signing_alg_values_supported"] = json!(["EdDSA"]);
    assert_eq!(metadata(&issuer, Document::OpenIdMetadata).await, openid);
}

/// A service that has a login names its endpoints. Then every member that a specification requires is present, with its
/// type.
#[tokio::test]
async fn metadata_with_a_login_has_every_required_member() {
    let ring = KeyRing::builder().build().unwrap();
    let issuer = Issuer::builder("https://issuer.example/", "api", ring)
        .authorization_endpoint("https://issuer.example/authorize")
        .token_endpoint("https://issuer.example/token")
        .scopes_supported(["read:messages"])
        .build()
        .unwrap();
    // OpenID Connect Discovery 1.0 §3, RFC 8414 §2.
    let openid = [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
    ];
    let oauth = ["issuer", "authorization_endpoint", "token_endpoint", "response_types_supported"];
    for (document, required) in [(Document::OpenIdMetadata, &openid[..]), (Document::OauthMetadata, &oauth[..])] {
        let metadata = metadata(&issuer, document).await;
        for name in required {
            let value = &metadata[name];
            let is_list = name.ends_with("_supported");
            // RFC 8414 §3.2: a list without elements is left out.
            let fits = if is_list { value.as_array().is_some_and(|list| !list.is_empty()) } else { value.is_string() };
            assert!(fits, "{document:?}: {name} is {value}");
        }
        assert_eq!(metadata["issuer"], "https://issuer.example/", "as tokens have it");
        assert_eq!(metadata["jwks_uri"], "https://issuer.example/.well-known/jwks.json");
        assert_eq!(metadata["response_types_supported"], json!(["code"]));
        assert_eq!(metadata["scopes_supported"], json!(["read:messages"]));
    }
}

//! The routes for protected resource metadata: both paths, every method.

use portcullis::{Gate, ResourceMetadata};
use portcullis_testing::TestIssuer;

use crate::answer::Answer;
use crate::client::Connection;
use crate::running::Running;

const DOCUMENT: &str = r#"{"resource":"https://api.test/mcp","authorization_servers":["https://issuer.test/"],"bearer_methods_supported":["header"]}"#;

#[test]
fn metadata_is_served_at_both_paths() {
    let metadata = ResourceMetadata::new("https://api.test/mcp").unwrap();
    let gate = TestIssuer::new().gate().with_resource_metadata(metadata);
    let (axum, actix) = (start_axum(gate.clone()), start_actix(gate));
    let preflight = [
        ("access-control-allow-headers", "*"),
        ("access-control-allow-methods", "GET, HEAD"),
        ("access-control-allow-origin", "*"),
        ("allow", "GET, HEAD, OPTIONS"),
    ];
    let preflight = preflight.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"] {
        for (method, expected) in [
            ("GET", Answer::document(DOCUMENT)),
            ("HEAD", Answer::document(DOCUMENT).without_body()),
            ("OPTIONS", Answer::new(204, preflight.clone(), Vec::new())),
        ] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: api.test\r\nOrigin: https://app.test\r\nAccess-Control-Request-Method: GET\r\n\r\n"
            );
            for server in [&axum, &actix] {
                let answer = Connection::open(server.address()).exchange(request.as_bytes(), method == "HEAD");
                assert_eq!(answer, expected, "{method} {path}");
            }
        }
        let request = format!("POST {path} HTTP/1.1\r\nHost: api.test\r\nContent-Length: 0\r\n\r\n");
        for server in [&axum, &actix] {
            assert_eq!(Connection::open(server.address()).exchange(request.as_bytes(), false).status, 405, "{path}");
        }
    }
}

/// A resource without a path has both at one path.
#[test]
fn metadata_of_a_whole_host_has_one_path() {
    let metadata = ResourceMetadata::new("https://api.test").unwrap();
    let gate = TestIssuer::new().gate().with_resource_metadata(metadata);
    for server in [start_axum(gate.clone()), start_actix(gate)] {
        let request = b"GET /.well-known/oauth-protected-resource HTTP/1.1\r\nHost: api.test\r\n\r\n";
        assert_eq!(Connection::open(server.address()).exchange(request, false).status, 200);
    }
}

fn start_axum(gate: Gate) -> Running {
    Running::axum(axum::Router::new().merge(portcullis_axum::resource_metadata_routes(&gate)))
}

fn start_actix(gate: Gate) -> Running {
    Running::actix(move |app| portcullis_actix::resource_metadata_routes(&gate)(app))
}

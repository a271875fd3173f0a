//! The layer around a service of warp's filters.

use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use portcullis_testing::TestIssuer;
use portcullis_tower::AuthLayer;
use portcullis_tower::adapter::Admission;
use tower::{Layer as _, ServiceExt as _};
use warp::Filter as _;

#[tokio::test]
async fn guarded_filter_finds_its_caller() {
    let issuer = TestIssuer::new();
    let name = |admission: Admission| admission.caller().subject().unwrap_or("stranger").to_owned();
    let hello = warp::path!("hello").and(warp::ext::get::<Admission>()).map(name);
    let service = AuthLayer::new(issuer.gate()).layer(warp::service(hello));
    let ask = |path: &str, authorization: Option<String>| {
        let mut request = Request::get(path);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let answer = service.clone().oneshot(request.body(Empty::<Bytes>::new()).unwrap());
        async move {
            let response = answer.await.unwrap();
            let status = response.status().as_u16();
            (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap())
        }
    };
    let good = format!("Bearer {}", issuer.token().subject("alice").sign());
    assert_eq!(ask("/hello", Some(good.clone())).await, (200, "alice".to_owned()));
    // A path that warp does not know is refused first, and so tells nothing.
    assert_eq!(ask("/other", Some(good)).await.0, 404);
    for path in ["/hello", "/other"] {
        let (status, body) = ask(path, None).await;
        assert_eq!((status, body.contains("missing_token")), (401, true), "{path}");
    }
    let expired = format!("Bearer {}", issuer.token().expired().sign());
    let (status, body) = ask("/hello", Some(expired)).await;
    assert_eq!((status, body.contains(r#""reason":"expired""#)), (401, true));
}

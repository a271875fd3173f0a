//! An endpoint, and gates that ask it.

use portcullis::adapter::HeaderList;
use portcullis::introspection::{ClientAuthentication, IntrospectionBuilder, IntrospectionVerifier};
use portcullis::{Gate, Policy, Refusal, Verified};
use portcullis_testing::{IssuerServer, TestIssuer, TokenBuilder};

pub(crate) const AUDIENCE: &str = "https://api.test";

pub(crate) fn server() -> IssuerServer {
    TestIssuer::from_algorithms([portcullis::jose::Algorithm::Es256]).serve()
}

pub(crate) fn client() -> ClientAuthentication {
    ClientAuthentication::client_secret_basic(IssuerServer::CLIENT_ID, IssuerServer::CLIENT_SECRET)
}

/// A verifier that knows the endpoint.
pub(crate) fn builder(server: &IssuerServer) -> IntrospectionBuilder {
    IntrospectionVerifier::builder(server.url(), AUDIENCE, client()).endpoint(server.introspection_url())
}

pub(crate) fn gate(server: &IssuerServer) -> Gate {
    gate_of(builder(server))
}

pub(crate) fn gate_of(builder: IntrospectionBuilder) -> Gate {
    Gate::new(builder.build().unwrap())
}

/// The claims of a good token.
pub(crate) fn token(server: &IssuerServer) -> TokenBuilder {
    server.issuer().token()
}

/// A token about which the endpoint says that it is active, with these other members.
pub(crate) fn active(server: &IssuerServer, members: &str) -> String {
    let exp = token(server).claims()["exp"].clone();
    let known = format!(r#""active":true,"sub":"user-1","aud":"{AUDIENCE}","exp":{exp}"#);
    server.opaque_token_answering(format!("{{{known}{members}}}"))
}

pub(crate) async fn admitted(gate: &Gate, token: &str) -> Verified {
    gate.verify(token).await.unwrap_or_else(|denied| panic!("{denied:?}"))
}

/// The status and the reason with which a token is refused.
pub(crate) async fn refused(gate: &Gate, token: &str) -> (u16, Option<&'static str>) {
    let denied = gate.verify(token).await.unwrap_err();
    (denied.status(), denied.reason().map(|reason| reason.as_str()))
}

/// The answer to a request with a token.
pub(crate) async fn answer(gate: &Gate, token: &str) -> Refusal {
    let request = HeaderList::new("GET", [("authorization", format!("Bearer {token}"))]);
    let denied = gate.admit(&request, &Policy::authenticated()).await.unwrap_err();
    gate.refuse(&denied)
}

pub(crate) fn header<'a>(refusal: &'a Refusal, name: &str) -> Option<&'a str> {
    refusal.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

//! The OpenID providers from npm. A small program next to this file runs each of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::introspection;
use crate::npm::Packages;
use crate::process::{Port, Process};
use crate::provider::{IdentityProvider, ProviderKind, TokenRequest};

/// <https://github.com/panva/node-oidc-provider>, certified by the OpenID Foundation.
pub(crate) const OIDC_PROVIDER: ProviderKind = ProviderKind {
    name: "oidc_provider",
    missing: || PACKAGES.missing(),
    start: |seconds| {
        Box::new(NodeProvider::start("oidc_provider.mjs", seconds, |request| {
            let mut form =
                vec![("client_id", "service".to_owned()), ("client_secret", "a secret for tests".to_owned())];
            // A resource indicator (RFC 8707). Its query tells our program which algorithm to use.
            form.extend(request.audience.map(|audience| match request.algorithm {
                None => ("resource", audience.to_owned()),
                Some(algorithm) => ("resource", format!("{audience}/?alg={algorithm}")),
            }));
            form
        }))
    },
    version: || version("oidc-provider"),
    algorithms: &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
    greeting: "hello, service",
    // The token is opaque.
    without_audience: "not_compact_jws",
    own: &named![
        introspection::opaque_tokens_are_accepted_by_both_servers,
        introspection::revoked_opaque_token_is_refused,
        introspection::signed_answers_are_verified,
        introspection::signed_answer_is_no_access_token,
    ],
};

/// <https://github.com/axa-group/oauth2-mock-server>, made for tests.
pub(crate) const OAUTH2_MOCK_SERVER: ProviderKind = ProviderKind {
    name: "oauth2_mock_server",
    missing: || PACKAGES.missing(),
    start: |seconds| {
        Box::new(NodeProvider::start("oauth2_mock_server.mjs", seconds, |request| {
            // With a second audience, the claim is an array.
            let audiences = request.audience.into_iter().flat_map(|audience| [audience, "https://second.test"]);
            audiences.map(|audience| ("aud", audience.to_owned())).collect()
        }))
    },
    version: || version("oauth2-mock-server"),
    // It uses them in turn and ignores the request.
    algorithms: &["RS256", "PS256", "ES256", "EdDSA"],
    // The token has no `sub`.
    greeting: "hello, anonymous",
    // The token has no `aud`.
    without_audience: "missing_claim",
    own: &[],
};

const PACKAGES: Packages = Packages {
    source: concat!(env!("CARGO_MANIFEST_DIR"), "/live"),
    folder: concat!(env!("CARGO_TARGET_TMPDIR"), "/live/npm"),
    programs: &["oidc_provider.mjs", "oauth2_mock_server.mjs"],
};

fn version(package: &str) -> String {
    PACKAGES.install();
    let manifest = Path::new(PACKAGES.folder).join("node_modules").join(package).join("package.json");
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    manifest["version"].as_str().unwrap().to_owned()
}

type Form = fn(&TokenRequest<'_>) -> Vec<(&'static str, String)>;

#[derive(Debug)]
struct NodeProvider {
    issuer: String,
    form: Form,
    program: &'static str,
    arguments: [String; 2],
    process: Option<Process>,
    _port: Port,
}

impl NodeProvider {
    fn start(program: &'static str, seconds: u32, form: Form) -> Self {
        let port = Port::reserve();
        let arguments = [port.number.to_string(), seconds.to_string()];
        let mut provider = Self { issuer: String::new(), form, program, arguments, process: None, _port: port };
        provider.start_again();
        provider
    }

    fn send(&mut self, command: &str) {
        self.process.as_mut().expect("the provider runs").send(command);
    }
}

impl IdentityProvider for NodeProvider {
    fn issuer(&self) -> &str {
        &self.issuer
    }

    fn form(&self, request: &TokenRequest<'_>) -> Vec<(&'static str, String)> {
        (self.form)(request)
    }

    fn rotate(&mut self) {
        self.send("rotate");
    }

    fn withdraw_old_keys(&mut self) {
        self.send("withdraw");
    }

    fn kill(&mut self) {
        self.process = None;
    }

    fn start_again(&mut self) {
        PACKAGES.install();
        let mut node = Command::new("node");
        node.arg(self.program).args(&self.arguments).current_dir(PACKAGES.folder);
        let mut process = Process::start(&mut node, &format!("{}-{}", self.program, self.arguments[0]));
        self.issuer = process.read("issuer ");
        self.process = Some(process);
    }
}

//! The OpenID providers from npm. A small program next to this file runs each of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::npm::Packages;
use crate::program::{Program, RunningProgram, form_with_resource};
use crate::provider::{ProviderKind, TokenRequest};
use crate::{bound, introspection, login};

/// <https://github.com/panva/node-oidc-provider>, certified by the OpenID Foundation.
pub(crate) const OIDC_PROVIDER: ProviderKind = ProviderKind {
    name: "oidc_provider",
    missing: || PACKAGES.missing(),
    start: |seconds| {
        let command = || {
            let mut command = command("oidc_provider.mjs");
            command.envs(bound::certificates());
            command
        };
        let program = Program { name: "oidc_provider", command, form: form_with_resource };
        Box::new(RunningProgram::start(program, seconds))
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
        bound::tokens_need_a_proof_of_their_key,
        bound::nonces_are_asked_for,
        bound::tokens_need_the_certificate_of_their_client,
        bound::signed_answers_name_keys_and_certificates,
        login::token_of_a_person_is_accepted,
    ],
};

/// <https://github.com/axa-group/oauth2-mock-server>, made for tests.
pub(crate) const OAUTH2_MOCK_SERVER: ProviderKind = ProviderKind {
    name: "oauth2_mock_server",
    missing: || PACKAGES.missing(),
    start: |seconds| {
        let form = |request: &TokenRequest<'_>| {
            // With a second audience, the claim is an array.
            let audiences = request.audience.into_iter().flat_map(|audience| [audience, "https://second.test"]);
            audiences.map(|audience| ("aud", audience.to_owned())).collect()
        };
        let program = Program { name: "oauth2_mock_server", command: || command("oauth2_mock_server.mjs"), form };
        Box::new(RunningProgram::start(program, seconds))
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

pub(crate) const PACKAGES: Packages = Packages {
    source: concat!(env!("CARGO_MANIFEST_DIR"), "/live"),
    folder: concat!(env!("CARGO_TARGET_TMPDIR"), "/live/npm"),
    programs: &["better_auth.mjs", "oidc_provider.mjs", "oauth2_mock_server.mjs"],
};

/// Returns a command for a program. Installs the packages if necessary.
pub(crate) fn command(program: &str) -> Command {
    PACKAGES.install();
    let mut node = Command::new("node");
    node.arg(program).current_dir(PACKAGES.folder);
    node
}

fn version(package: &str) -> String {
    PACKAGES.install();
    let manifest = Path::new(PACKAGES.folder).join("node_modules").join(package).join("package.json");
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    manifest["version"].as_str().unwrap().to_owned()
}

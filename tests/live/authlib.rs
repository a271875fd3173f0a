//! A provider that is made with Authlib, which signs access tokens by RFC 9068.

use crate::program::{Program, RunningProgram, form_with_resource};
use crate::provider::ProviderKind;
use crate::python;

/// <https://github.com/authlib/authlib>, with Flask. `authlib_server.py` runs it.
pub(crate) const AUTHLIB: ProviderKind = ProviderKind {
    name: "authlib",
    missing: python::missing,
    start: |seconds| {
        let command = || python::program("authlib_server.py");
        let program = Program { name: "authlib", command, form: form_with_resource };
        Box::new(RunningProgram::start(program, seconds))
    },
    version: || python::version("Authlib"),
    // It signs with no other algorithm.
    algorithms: &["RS256", "ES256"],
    greeting: "hello, service",
    // `aud` is the client.
    without_audience: "wrong_audience",
    own: &[],
};

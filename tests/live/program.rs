//! OpenID providers that a program next to this file runs, for node or Python.

use std::process::Command;

use crate::process::{Port, Process};
use crate::provider::{IdentityProvider, TokenRequest};

/// How a provider is started, and how its tokens are asked for.
///
/// The arguments of the program are the port and the lifetime of tokens in seconds. It prints a line `issuer URL` when it is
/// ready, ends with its standard input, and answers the orders `rotate` and `withdraw` there with `done`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// Installs the program if necessary, and returns its command.
    pub(crate) command: fn() -> Command,
    /// Returns the body of a token request, without grant and scope.
    pub(crate) form: fn(&TokenRequest<'_>) -> Vec<(&'static str, String)>,
}

/// A form for clients with a secret, with a resource indicator (RFC 8707). Its query tells our programs which algorithm to use.
pub(crate) fn form_with_resource(request: &TokenRequest<'_>) -> Vec<(&'static str, String)> {
    let mut form = vec![("client_id", "service".to_owned()), ("client_secret", "a secret for tests".to_owned())];
    form.extend(request.audience.map(|audience| match request.algorithm {
        None => ("resource", audience.to_owned()),
        Some(algorithm) => ("resource", format!("{audience}/?alg={algorithm}")),
    }));
    form
}

/// A provider that runs, or is down.
#[derive(Debug)]
pub(crate) struct RunningProgram {
    issuer: String,
    program: Program,
    seconds: u32,
    process: Option<Process>,
    port: Port,
}

impl RunningProgram {
    pub(crate) fn start(program: Program, seconds: u32) -> Self {
        let mut provider = Self { issuer: String::new(), program, seconds, process: None, port: Port::reserve() };
        provider.start_again();
        provider
    }

    fn send(&mut self, command: &str) {
        self.process.as_mut().expect("the provider runs").send(command);
    }
}

impl IdentityProvider for RunningProgram {
    fn issuer(&self) -> &str {
        &self.issuer
    }

    fn form(&self, request: &TokenRequest<'_>) -> Vec<(&'static str, String)> {
        (self.program.form)(request)
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
        let mut command = (self.program.command)();
        command.arg(self.port.number.to_string()).arg(self.seconds.to_string());
        let mut process = Process::start(&mut command, &format!("{}-{}", self.program.name, self.port.number));
        self.issuer = process.read("issuer ");
        self.process = Some(process);
    }
}

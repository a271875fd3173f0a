//! The identity provider that the environment names, for both example servers.
//!
//! Your own service has one identity provider and needs one line instead, for example
//! `Gate::new(Auth0::from_env()?.verifier()?)`.

mod machines;
mod metrics;
mod page;

use portcullis::config::{DpopMode, members, variables};
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Config, ConfigError, Gate, TokenSource};
use portcullis_auth0::Auth0;
use portcullis_azure::Azure;
use portcullis_clerk::Clerk;
use portcullis_oidc::Authok;
use portcullis_testing::{IssuerServer, TestIssuer};

pub use metrics::Metrics;
pub use page::{PAGE_POLICY, PageFile, page_file};

use crate::machines::{MACHINES, PROXIES};

/// What the server needs to start.
#[derive(Debug)]
pub struct Environment {
    /// The gate for all guarded routes.
    pub gate: Gate,
    /// The port to listen on. With 0, the system chooses one.
    pub port: u16,
    /// The issuer of tokens to try the server with, if no identity provider is named. It stops when it is dropped.
    pub embedded: Option<IssuerServer>,
    /// Whether each token needs a DPoP proof.
    pub requires_proofs: bool,
}

/// The identity providers with a preset: the variables that name each, and its verifier.
const PRESETS: [(&[&str], PresetBuilder); 4] = [
    (&["AUTH0_DOMAIN", "AUTH0_AUDIENCE"], || Auth0::from_env()?.builder()),
    (&["CLERK_PUBLISHABLE_KEY", "CLERK_JWT_KEY", "CLERK_AUTHORIZED_PARTIES"], || Clerk::from_env()?.builder()),
    (&["AZURE_TENANT_ID", "AZURE_CLIENT_ID"], || Azure::from_env()?.builder()),
    (&["AUTHOK_DOMAIN", "AUTHOK_AUDIENCE"], || Authok::from_env()?.builder()),
];

pub(crate) type PresetBuilder = fn() -> Result<JwtVerifierBuilder, ConfigError>;

/// The identity provider that a variable names.
#[derive(Clone, Copy, Debug)]
struct NamedProvider {
    variable: &'static str,
    /// The verifier of a preset. `None` means any issuer, from the variables of [`Config::from_env`].
    preset: Option<PresetBuilder>,
    /// Where a proxy puts the token, unless `PORTCULLIS_TOKEN_SOURCES` says it; `None` means the usual place.
    source: Option<fn() -> TokenSource>,
}

impl Environment {
    /// Reads `PORT`, the variables of one identity provider, and the options for any of them, for example
    /// `PORTCULLIS_ALGORITHMS`. If no identity provider is named, an issuer starts on this machine.
    ///
    /// # Errors
    /// [`ConfigError`] names each variable that is wrong, and what to write instead. Two identity providers at once are
    /// an error that names both.
    pub fn read() -> Result<Self, ConfigError> {
        let port = match variables::given(variables::environment, "PORT")? {
            None => 3010,
            Some(text) => text
                .trim()
                .parse()
                .map_err(|_| ConfigError::new("PORT", "not a port", "write a number up to 65535, for example 3010"))?,
        };
        let (gate, embedded) = match named_provider(variables::environment)? {
            Some(provider) => (provider.gate()?, None),
            None => {
                let server = TestIssuer::new().serve();
                server.offer_login("alice", "openid read:messages");
                let issuer = server.issuer();
                (gate_of(Config::new(issuer.url(), issuer.audience()).builder())?, Some(server))
            }
        };
        let requires_proofs =
            Config::options_from_variables(variables::environment)?.gate.dpop == Some(DpopMode::Required);
        Ok(Self { gate, port, embedded, requires_proofs })
    }

    /// Returns lines to paste into a shell, for a server that listens on `port`. Each has a comment that says what it
    /// shows. The result is empty if an identity provider is named, because only it issues tokens.
    #[must_use]
    pub fn lines_to_try(&self, port: u16) -> Vec<String> {
        let Some(server) = &self.embedded else { return Vec::new() };
        let issuer = server.issuer();
        let good = issuer.token().subject("alice").scope("read:messages").sign();
        let expired = issuer.token().subject("alice").scope("read:messages").expired().sign();
        let unscoped = issuer.token().subject("alice").scope("openid").sign();
        let line = |comment: &str, path: &str, token: Option<&str>| {
            let field = token.map(|token| format!("-H 'Authorization: Bearer {token}' ")).unwrap_or_default();
            format!("# {comment}\ncurl -i {field}http://127.0.0.1:{port}{path}")
        };
        if self.requires_proofs {
            // Each request needs its own proof, so there are no lines to paste.
            return vec![
                line("200: open to everyone", "/api/public", None),
                line("401: no token, and the challenge of DPoP", "/api/private", None),
            ];
        }
        vec![
            line("200: open to everyone", "/api/public", None),
            line("401: no token", "/api/private", None),
            line("200: a good token", "/api/private", Some(&good)),
            line("200: a good token with the scope", "/api/private-scoped", Some(&good)),
            line("401: an expired token", "/api/private", Some(&expired)),
            line("403: a token without the scope", "/api/private-scoped", Some(&unscoped)),
            line("200: an optional token, absent", "/api/greeting", None),
            line("200: an optional token, present", "/api/greeting", Some(&good)),
        ]
    }
}

fn named_provider(lookup: impl Fn(&str) -> Option<String>) -> Result<Option<NamedProvider>, ConfigError> {
    let usual = PRESETS.into_iter().chain(MACHINES).map(|(variables, preset)| (variables, preset, None));
    let proxies = PROXIES.into_iter().map(|(variables, preset, source)| (variables, preset, Some(source)));
    let of_presets = usual.chain(proxies).map(|(variables, preset, source)| (Some(preset), source, variables.to_vec()));
    let of_any_issuer = members().filter(|member| !member.suits_any_issuer()).map(|member| member.variable());
    let providers = of_presets.chain([(None, None, of_any_issuer.collect())]);
    let mut named = providers.filter_map(|(preset, source, variables)| {
        let variable = variables.into_iter().find(|variable| is_given(&lookup, variable))?;
        Some(NamedProvider { variable, preset, source })
    });
    match (named.next(), named.next()) {
        (first, None) => Ok(first),
        (None, Some(_)) => Ok(None),
        (Some(first), Some(second)) => Err(ConfigError::new(
            first.variable,
            format!("set together with {}, which belongs to another identity provider", second.variable),
            "set the variables of one identity provider",
        )),
    }
}

/// Returns whether the variable or its `_FILE` twin is set. An error in its value is reported later, when it is read.
fn is_given(lookup: impl Fn(&str) -> Option<String>, variable: &'static str) -> bool {
    variables::given(lookup, variable) != Ok(None)
}

impl NamedProvider {
    fn gate(self) -> Result<Gate, ConfigError> {
        let gate = match self.preset {
            Some(preset) => gate_of(preset())?,
            None => Config::from_env()?.gate()?,
        };
        Ok(match self.source {
            Some(source) if !is_given(variables::environment, "PORTCULLIS_TOKEN_SOURCES") => {
                gate.with_token_sources([source()])
            }
            _ => gate,
        })
    }
}

/// Builds the gate of `builder`, with the options for any identity provider.
fn gate_of(builder: Result<JwtVerifierBuilder, ConfigError>) -> Result<Gate, ConfigError> {
    let (builder, options) = ConfigError::both(builder, Config::options_from_variables(variables::environment))?;
    options.gate_from(builder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the variable that names the identity provider, and whether it has a preset.
    fn named(variables: &[&str]) -> Result<Option<(&'static str, bool)>, ConfigError> {
        let named = named_provider(|name| variables.contains(&name).then(|| "x".to_owned()))?;
        Ok(named.map(|provider| (provider.variable, provider.preset.is_some())))
    }

    #[test]
    fn provider_is_found_by_any_of_its_variables() {
        assert_eq!(named(&[]), Ok(None));
        assert_eq!(named(&["AUTH0_DOMAIN", "AUTH0_AUDIENCE"]), Ok(Some(("AUTH0_DOMAIN", true))));
        assert_eq!(named(&["PORTCULLIS_AUDIENCE"]), Ok(Some(("PORTCULLIS_AUDIENCE", false))));
        assert_eq!(named(&["PORTCULLIS_PROXY"]), Ok(Some(("PORTCULLIS_PROXY", false))));
        assert_eq!(named(&["PORTCULLIS_REALM"]), Ok(None));
        assert_eq!(named(&["CLERK_JWT_KEY"]), Ok(Some(("CLERK_JWT_KEY", true))));
        assert_eq!(named(&["CLERK_AUTHORIZED_PARTIES"]), Ok(Some(("CLERK_AUTHORIZED_PARTIES", true))));
        assert_eq!(named(&["AZURE_CLIENT_ID", "AZURE_TENANT_ID"]), Ok(Some(("AZURE_TENANT_ID", true))));
        assert_eq!(named(&["AZURE_TENANT_ID_FILE"]), Ok(Some(("AZURE_TENANT_ID", true))));
        assert_eq!(named(&["AUTHOK_AUDIENCE"]), Ok(Some(("AUTHOK_AUDIENCE", true))));
        assert_eq!(named(&["PORTCULLIS_GITHUB_AUDIENCE"]), Ok(Some(("PORTCULLIS_GITHUB_AUDIENCE", true))));
        assert_eq!(named(&["PORTCULLIS_ALB_ARN"]), Ok(Some(("PORTCULLIS_ALB_ARN", true))));
        // Platforms set names without the prefix themselves.
        assert_eq!(named(&["GITHUB_TOKEN", "KUBERNETES_SERVICE_HOST", "AWS_REGION"]), Ok(None));
        // `AZURE_AUTHORITY_HOST` names a cloud, not an identity provider. Other programs on the machine may need it.
        assert_eq!(named(&["AZURE_AUTHORITY_HOST"]), Ok(None));
    }

    #[test]
    fn readme_has_a_row_for_each_provider() {
        let readme = include_str!("../README.md");
        let presets = PRESETS.iter().chain(&MACHINES).map(|(variables, _)| *variables);
        for variables in presets.chain(PROXIES.iter().map(|(variables, ..)| *variables)) {
            let cell = variables.iter().map(|variable| format!("`{variable}`")).collect::<Vec<_>>().join(", ");
            let rows = readme.lines().filter(|line| line.ends_with(&format!("| {cell} |"))).count();
            assert_eq!(rows, 1, "README.md has to have one row that ends with: | {cell} |");
        }
        let rows = readme.lines().filter(|line| line.starts_with("| ") && line.contains("| `")).count();
        // One more row is for any other issuer.
        assert_eq!(rows, PRESETS.len() + MACHINES.len() + PROXIES.len() + 1);
    }

    #[test]
    fn two_providers_are_refused_by_name() {
        let error = named(&["AZURE_TENANT_ID", "PORTCULLIS_ISSUER"]).unwrap_err().to_string();
        assert!(error.contains("AZURE_TENANT_ID") && error.contains("PORTCULLIS_ISSUER"), "{error}");
    }

    #[test]
    fn options_are_read_next_to_a_preset() {
        let read = |name: &'static str, value: &'static str| {
            Config::options_from_variables(move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert_eq!(read("PORTCULLIS_LEEWAY_SECONDS", "30").unwrap().leeway_seconds, Some(30));
        assert_eq!(read("PORTCULLIS_TYP", "at+jwt").unwrap().typ, Some(vec!["at+jwt".to_owned()]));
        assert_eq!(read("PORTCULLIS_ALGORITHMS", "none").unwrap_err().field(), "PORTCULLIS_ALGORITHMS");
        // This name only looks like an option.
        assert_eq!(read("PORTCULLIS_LEEWAY", "30").unwrap_err().field(), "PORTCULLIS_LEEWAY");
    }

    #[test]
    fn lines_to_try_have_no_tokens_where_proofs_are_required() {
        let embedded = Some(TestIssuer::new().serve());
        let environment = Environment { gate: TestIssuer::new().gate(), port: 0, embedded, requires_proofs: true };
        let lines = environment.lines_to_try(3010);
        assert!(lines.len() == 2 && lines.iter().all(|line| !line.contains("Authorization")), "{lines:?}");
    }

    #[test]
    fn lines_to_try_have_tokens() {
        let embedded = Some(TestIssuer::new().serve());
        let environment = Environment { gate: TestIssuer::new().gate(), port: 0, embedded, requires_proofs: false };
        let lines = environment.lines_to_try(3010);
        assert_eq!(lines.iter().filter(|line| line.contains("Authorization: Bearer ey")).count(), 5);
        assert!(lines.iter().all(|line| line.contains("http://127.0.0.1:3010/api/")));
    }
}

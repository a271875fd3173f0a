//! Which provider the environment names: what both example servers start from.
//!
//! A service of your own has one provider and needs one line instead, such as
//! `Gate::new(Auth0::from_env()?.verifier()?)`.

use portcullis::config::variables;
use portcullis::{Config, ConfigError, Gate, JwtVerifier};
use portcullis_auth0::Auth0;
use portcullis_azure::Azure;
use portcullis_clerk::Clerk;
use portcullis_oidc::Authok;
use portcullis_testing::{IssuerServer, TestIssuer};

/// What the server needs to start.
#[derive(Debug)]
pub struct Environment {
    /// Lets requests in.
    pub gate: Gate,
    /// The port to listen on; with 0 the system chooses one.
    pub port: u16,
    /// The issuer of tokens to try the server with, where no provider is named. It stops when dropped.
    pub embedded: Option<IssuerServer>,
}

/// The providers, and the variables that name each.
const PROVIDERS: [(Provider, &[&str]); 5] = [
    (Provider::Auth0, &["AUTH0_DOMAIN", "AUTH0_AUDIENCE"]),
    (Provider::Clerk, &["CLERK_PUBLISHABLE_KEY", "CLERK_JWT_KEY", "CLERK_AUTHORIZED_PARTIES"]),
    (Provider::Azure, &["AZURE_TENANT_ID", "AZURE_CLIENT_ID"]),
    (Provider::Authok, &["AUTHOK_DOMAIN", "AUTHOK_AUDIENCE"]),
    (
        Provider::Generic,
        &[
            "PORTCULLIS_ISSUER",
            "PORTCULLIS_AUDIENCE",
            "PORTCULLIS_JWKS_FILE",
            "PORTCULLIS_JWKS_URL",
            "PORTCULLIS_PUBLIC_KEY_FILE",
            "PORTCULLIS_SECRET_FILE",
        ],
    ),
];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Provider {
    Auth0,
    Authok,
    Azure,
    Clerk,
    Generic,
}

impl Environment {
    /// Reads `PORT`, the variables of one provider, and the options that hold for any: `PORTCULLIS_ALGORITHMS`,
    /// `PORTCULLIS_LEEWAY_SECONDS` and `PORTCULLIS_TYP`. With no provider named, an issuer starts on this machine.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable and what to write instead; two providers at once are an error that names both.
    pub fn read() -> Result<Self, ConfigError> {
        let port = match variables::given(variables::environment, "PORT")? {
            None => 3010,
            Some(text) => text
                .trim()
                .parse()
                .map_err(|_| ConfigError::new("PORT", "not a port", "write a number up to 65535, such as 3010"))?,
        };
        let (verifier, embedded) = match named_provider(variables::environment)? {
            Some(provider) => (provider.verifier(&options(variables::environment)?)?, None),
            None => {
                let server = TestIssuer::new().serve();
                let issuer = server.issuer();
                let builder = Config::new(issuer.url(), issuer.audience()).builder()?;
                (options(variables::environment)?.verifier_from(builder)?, Some(server))
            }
        };
        Ok(Self { gate: Gate::new(verifier), port, embedded })
    }

    /// Lines to paste into a shell, for a server that listens on `port`, each under a comment that says what it will
    /// show. Empty where a provider is named: its tokens are its own.
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
        vec![
            line("200: open to everybody", "/api/public", None),
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

/// The options that hold for any provider: the configuration around them serves nothing else.
fn options(lookup: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
    Config::from_variables(|name| match name {
        "PORTCULLIS_ISSUER" | "PORTCULLIS_AUDIENCE" => Some("the provider's".to_owned()),
        _ => lookup(name),
    })
}

fn named_provider(lookup: impl Fn(&str) -> Option<String>) -> Result<Option<Provider>, ConfigError> {
    let mut named = PROVIDERS.iter().filter_map(|(provider, variables)| {
        Some((*provider, *variables.iter().find(|variable| is_given(&lookup, variable))?))
    });
    match (named.next(), named.next()) {
        (None, _) => Ok(None),
        (Some((provider, _)), None) => Ok(Some(provider)),
        (Some((_, first)), Some((_, second))) => Err(ConfigError::new(
            first,
            format!("set together with {second}, which is another provider's"),
            "set the variables of one provider",
        )),
    }
}

/// Whether the variable or its twin is set; an error in it is reported when it is read.
fn is_given(lookup: impl Fn(&str) -> Option<String>, variable: &'static str) -> bool {
    variables::given(lookup, variable) != Ok(None)
}

impl Provider {
    fn verifier(self, options: &Config) -> Result<JwtVerifier, ConfigError> {
        let builder = match self {
            Self::Auth0 => Auth0::from_env()?.builder()?,
            Self::Authok => Authok::from_env()?.builder()?,
            Self::Azure => Azure::from_env()?.builder()?,
            Self::Clerk => Clerk::from_env()?.builder()?,
            // It has the options among its own variables.
            Self::Generic => return Config::from_env()?.verifier(),
        };
        options.verifier_from(builder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(variables: &[&str]) -> Result<Option<Provider>, ConfigError> {
        named_provider(|name| variables.contains(&name).then(|| "x".to_owned()))
    }

    #[test]
    fn one_provider_is_found_by_any_of_its_variables() {
        assert_eq!(named(&[]), Ok(None));
        assert_eq!(named(&["AUTH0_DOMAIN", "AUTH0_AUDIENCE"]), Ok(Some(Provider::Auth0)));
        assert_eq!(named(&["PORTCULLIS_AUDIENCE"]), Ok(Some(Provider::Generic)));
        assert_eq!(named(&["CLERK_JWT_KEY"]), Ok(Some(Provider::Clerk)));
        assert_eq!(named(&["CLERK_AUTHORIZED_PARTIES"]), Ok(Some(Provider::Clerk)));
        assert_eq!(named(&["AZURE_CLIENT_ID", "AZURE_TENANT_ID"]), Ok(Some(Provider::Azure)));
        assert_eq!(named(&["AZURE_TENANT_ID_FILE"]), Ok(Some(Provider::Azure)));
        assert_eq!(named(&["AUTHOK_AUDIENCE"]), Ok(Some(Provider::Authok)));
        // It says where a provider is, not which one: other programs of the machine may need it.
        assert_eq!(named(&["AZURE_AUTHORITY_HOST"]), Ok(None));
    }

    #[test]
    fn two_providers_are_an_error_that_names_both() {
        let error = named(&["AZURE_TENANT_ID", "PORTCULLIS_ISSUER"]).unwrap_err().to_string();
        assert!(error.contains("AZURE_TENANT_ID") && error.contains("PORTCULLIS_ISSUER"), "{error}");
    }

    #[test]
    fn options_are_read_beside_any_provider() {
        let read =
            |name: &'static str, value: &'static str| options(move |asked| (asked == name).then(|| value.to_owned()));
        assert_eq!(read("PORTCULLIS_LEEWAY_SECONDS", "30").unwrap().leeway_seconds, Some(30));
        assert_eq!(read("PORTCULLIS_TYP", "at+jwt").unwrap().typ, Some(vec!["at+jwt".to_owned()]));
        assert_eq!(read("PORTCULLIS_ALGORITHMS", "none").unwrap_err().field(), "PORTCULLIS_ALGORITHMS");
        // A name that is no option's, though it looks like one.
        assert_eq!(read("PORTCULLIS_LEEWAY", "30").unwrap_err().field(), "PORTCULLIS_LEEWAY");
    }

    #[test]
    fn the_lines_to_try_carry_tokens_of_the_embedded_issuer() {
        let environment =
            Environment { gate: TestIssuer::new().gate(), port: 0, embedded: Some(TestIssuer::new().serve()) };
        let lines = environment.lines_to_try(3010);
        assert_eq!(lines.iter().filter(|line| line.contains("Authorization: Bearer ey")).count(), 5);
        assert!(lines.iter().all(|line| line.contains("http://127.0.0.1:3010/api/")));
    }
}

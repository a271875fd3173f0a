//! Flags and configuration file made into one configuration, where flags win.

use std::path::Path;

use portcullis::{Config, ConfigError, JwtVerifierBuilder, KeySource, Unavailable};
use portcullis_auth0::Auth0;
use serde_json::{Map, Value};

use crate::args::VerifyArgs;
use crate::keys;

/// The members of [`Config`] that name a source of keys.
const KEY_SOURCES: [&str; 4] = ["jwks_file", "jwks_url", "public_key_file", "secret_file"];

/// The whole configuration of a run.
pub(crate) struct Settings<'a> {
    pub(crate) config: Config,
    args: &'a VerifyArgs,
}

impl<'a> Settings<'a> {
    /// # Errors
    /// [`ConfigError`] names the flag, or the member and its file.
    pub(crate) fn resolve(args: &'a VerifyArgs) -> Result<Self, ConfigError> {
        let mut members = match &args.config {
            Some(path) => read(path)?,
            None => Map::new(),
        };
        overlay(&mut members, args)?;
        // Without any of these a configuration file leaves the keys to discovery; flags say so on purpose.
        let found = args.config.is_some() || args.provider.is_given();
        if !found && !KEY_SOURCES.iter().any(|member| members.contains_key(*member)) {
            return Err(ConfigError::new(
                "--jwks",
                "no keys are given",
                "write --jwks FILE, --jwks-url URL, --public-key FILE or --secret FILE, or --oidc-issuer ISSUER in the \
                 place of --issuer to have them found",
            ));
        }
        let config = read_config(&members).map_err(|problem| {
            let member = culprit(&members, &problem);
            let file = args.config.as_deref().unwrap_or(Path::new("--config")).display();
            let field = member.map_or_else(|| file.to_string(), |member| format!("{member} in {file}"));
            ConfigError::new(
                field,
                problem,
                "a configuration has issuer, audience, at most one of jwks_file, jwks_url, public_key_file and \
                 secret_file, and, where wanted, algorithms, leeway_seconds and typ",
            )
        })?;
        Ok(Self { config, args })
    }

    /// The general builder: that of the provider's preset where one is named, with the options on top.
    ///
    /// # Errors
    /// [`ConfigError`], whose field [`Self::locate`] understands.
    pub(crate) fn builder(&self) -> Result<JwtVerifierBuilder, ConfigError> {
        let (args, config) = (self.args, &self.config);
        let Some(domain) = &args.provider.auth0_domain else {
            return Ok(config.builder_with(keys::load(config)?));
        };
        let mut audiences = config.audience.iter();
        // With none, whoever calls this replaces the rule.
        let mut auth0 = Auth0::new(domain, audiences.next().cloned().unwrap_or_default());
        for audience in audiences {
            auth0 = auth0.audience(audience);
        }
        if args.keys.is_given() {
            auth0 = auth0.keys(keys::load(config)?);
        }
        Ok(config.apply_options(auth0.builder()?))
    }

    /// That the keys can't be had, said of the flag or member by which they were to come.
    pub(crate) fn no_keys(&self, unavailable: &Unavailable) -> ConfigError {
        let field = match self.config.key_source() {
            Ok(KeySource::JwksUrl(_)) => "jwks_url",
            Ok(KeySource::Discovery(_)) => "issuer",
            _ => "domain",
        };
        let why = unavailable.source.as_ref().map_or_else(|| unavailable.to_string(), ToString::to_string);
        let problem = format!("no keys, so no verdict: {why}");
        self.locate(ConfigError::new(field, problem, "portcullis keys shows what is there"))
    }

    /// `error` with its field named as the user knows it.
    pub(crate) fn locate(&self, error: ConfigError) -> ConfigError {
        let args = self.args;
        let (given, flag, member) = match error.field() {
            "algorithms" => (!args.alg.is_empty(), "--alg", "algorithms"),
            "audience" => (!args.audience.is_empty(), "--audience", "audience"),
            "domain" => (true, "--auth0-domain", ""),
            "issuer" if args.provider.oidc_issuer.is_some() => (true, "--oidc-issuer", ""),
            "issuer" => (!args.issuer.is_empty(), "--issuer", "issuer"),
            "leeway" => (args.leeway.is_some(), "--leeway", "leeway_seconds"),
            "require_claims" => (true, "--require", ""),
            "token_types" => (!args.typ.is_empty(), "--typ", "typ"),
            "jwks_url" => (args.keys.jwks_url.is_some(), "--jwks-url", "jwks_url"),
            "jwks_file" => (args.keys.jwks.is_some(), "--jwks", "jwks_file"),
            "public_key_file" => (args.keys.public_key.is_some(), "--public-key", "public_key_file"),
            "secret_file" => (args.keys.secret.is_some(), "--secret", "secret_file"),
            _ => return error,
        };
        match &args.config {
            Some(path) if !given => error.at(format!("{member} in {}", path.display())),
            _ => error.at(flag),
        }
    }
}

/// Sets the members that flags say something of.
fn overlay(members: &mut Map<String, Value>, args: &VerifyArgs) -> Result<(), ConfigError> {
    let mut set = |name: &str, value: Value| {
        members.insert(name.to_owned(), value);
    };
    // Without the check there is nothing to name: the rule itself is set on the builder.
    if args.any_issuer {
        set("issuer", Value::Array(Vec::new()));
    }
    if args.any_audience {
        set("audience", Value::Array(Vec::new()));
    }
    if !args.issuer.is_empty() {
        set("issuer", args.issuer.clone().into());
    }
    if !args.audience.is_empty() {
        set("audience", args.audience.clone().into());
    }
    if !args.alg.is_empty() {
        set("algorithms", args.alg.iter().map(|algorithm| algorithm.name()).collect());
    }
    if let Some(seconds) = args.leeway {
        set("leeway_seconds", seconds.into());
    }
    if !args.typ.is_empty() {
        set("typ", args.typ.clone().into());
    }
    if args.provider.is_given() {
        members.retain(|member, _| !KEY_SOURCES.contains(&member.as_str()));
        // Another preset than discovery has its own issuers.
        members.insert("issuer".to_owned(), args.provider.oidc_issuer.iter().cloned().collect());
    }
    let key_flags = [
        ("jwks_file", "--jwks", &args.keys.jwks),
        ("public_key_file", "--public-key", &args.keys.public_key),
        ("secret_file", "--secret", &args.keys.secret),
    ];
    for (chosen, flag, path) in key_flags {
        let Some(path) = path else { continue };
        let path = path.to_str().ok_or_else(|| ConfigError::new(flag, "not UTF-8", "name a file in UTF-8"))?;
        members.retain(|member, _| !KEY_SOURCES.contains(&member.as_str()));
        members.insert(chosen.to_owned(), path.into());
    }
    if let Some(url) = &args.keys.jwks_url {
        members.retain(|member, _| !KEY_SOURCES.contains(&member.as_str()));
        members.insert("jwks_url".to_owned(), url.as_str().into());
    }
    for (member, flag, hint) in [
        ("issuer", "--issuer", "write --issuer ISSUER, exactly as tokens have it in iss, or --any-issuer"),
        ("audience", "--audience", "write --audience AUDIENCE, exactly as tokens have it in aud, or --any-audience"),
    ] {
        if !members.contains_key(member) {
            if !args.jws {
                return Err(ConfigError::new(flag, "not given", hint));
            }
            members.insert(member.to_owned(), Value::Array(Vec::new()));
        }
    }
    Ok(())
}

fn read_config(members: &Map<String, Value>) -> Result<Config, String> {
    serde_json::from_value(members.clone().into()).map_err(|error| error.to_string())
}

/// The member that `problem` is about, which serde does not always say: the one without which it is another problem.
fn culprit<'m>(members: &'m Map<String, Value>, problem: &str) -> Option<&'m str> {
    let is_culprit = |name: &&String| {
        let mut rest = members.clone();
        rest.remove(*name);
        read_config(&rest).err().as_deref() != Some(problem)
    };
    members.keys().find(is_culprit).map(String::as_str)
}

fn read(path: &Path) -> Result<Map<String, Value>, ConfigError> {
    let problem = |problem: String, hint: &'static str| {
        ConfigError::new("--config", format!("{}: {problem}", path.display()), hint)
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| problem(error.to_string(), "name a configuration file that can be read"))?;
    match path.extension().and_then(|extension| extension.to_str()) {
        // The error's own Display would repeat the line, which may hold what should not be repeated.
        Some("toml") => toml::from_str(&text)
            .map_err(|error| problem(error.message().to_owned(), "write TOML, or name the file .json if it is JSON")),
        Some("json") => serde_json::from_str(&text)
            .map_err(|error| problem(error.to_string(), "write a JSON object, or name the file .toml if it is TOML")),
        _ => Err(problem("neither .toml nor .json".to_owned(), "name the file after its format")),
    }
}

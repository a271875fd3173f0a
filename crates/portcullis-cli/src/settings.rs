//! Flags and configuration file made into one configuration, where flags win.

use std::path::Path;
use std::sync::Arc;

use portcullis::config::{ConfigMembers, IssuersConfig, KeySource};
use portcullis::error::Unavailable;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, Config, ConfigError, JwtVerifier, Verifier};
use serde_json::{Map, Value};

use crate::args::VerifyArgs;
use crate::keys;
use crate::provider::Provider;

/// The members of [`Config`] that name a source of keys.
const KEY_SOURCES: [&str; 4] = ["jwks_file", "jwks_url", "public_key_file", "secret_file"];

/// The whole configuration of a run.
pub(crate) struct Settings<'a> {
    config: IssuersConfig,
    /// Whether a file lists issuers, each with an audience and keys of its own.
    lists_issuers: bool,
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
        let issuers = members.get_mut("issuers");
        let lists_issuers = issuers.is_some();
        match issuers {
            Some(issuers) => {
                refuse_flags_of_one_issuer(args)?;
                let entries = issuers.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut);
                entries.for_each(|entry| overlay_options(entry, args));
            }
            None => {
                overlay_issuer(&mut members, args)?;
                overlay_options(&mut members, args);
            }
        }
        let config = IssuersConfig::try_from(members).map_err(|error| in_file(error, args))?;
        Ok(Self { config, lists_issuers, args })
    }

    /// The verifier, each of whose builders `complete` completes.
    ///
    /// # Errors
    /// [`ConfigError`] names the flag, or the member and its file.
    pub(crate) fn verifier(
        &self,
        complete: impl Fn(JwtVerifierBuilder) -> Result<JwtVerifier, ConfigError>,
    ) -> Result<Arc<dyn Verifier>, ConfigError> {
        let verifier = self.config.verifier_with(|config| complete(self.builder(config)?));
        verifier.map_err(|error| self.locate(error))
    }

    /// The verifier of the one issuer that there is.
    ///
    /// # Errors
    /// [`ConfigError`] names the flag, or the member and its file.
    pub(crate) fn verifier_of_one(
        &self,
        complete: impl Fn(JwtVerifierBuilder) -> Result<JwtVerifier, ConfigError>,
    ) -> Result<JwtVerifier, ConfigError> {
        let [config] = self.config.issuers() else { return Err(of_one_issuer("--jws", self.args)) };
        self.builder(config).and_then(complete).map_err(|error| self.locate(error))
    }

    /// The general builder: that of the provider's preset where one is named, with the options on top.
    fn builder(&self, config: &Config) -> Result<JwtVerifierBuilder, ConfigError> {
        let own_keys = || self.args.keys.is_given().then(|| keys::load(config)).transpose();
        let preset = match Provider::named(self.args) {
            Some(provider) => provider.builder(own_keys()?),
            None => None,
        };
        let Some(builder) = preset.transpose()? else { return Ok(config.builder_with(keys::load(config)?)) };
        let builder = match config.audience.as_slice() {
            // The preset's own rule; or none is named, and whoever calls this replaces the rule.
            [] => builder,
            audiences => builder.audience(Audience::any_of(audiences)),
        };
        Ok(config.apply_options(builder))
    }

    /// That the keys can't be had, said of the flag or member by which they were to come.
    pub(crate) fn no_keys(&self, unavailable: &Unavailable) -> ConfigError {
        let source = match self.config.issuers() {
            [config] => config.key_source().ok(),
            _ => None,
        };
        let field = match (source, Provider::named(self.args)) {
            _ if self.lists_issuers => "issuers",
            (Some(KeySource::JwksUrl(_)), _) => "jwks_url",
            (_, Some(provider)) => provider.flag(),
            _ => "issuer",
        };
        let why = unavailable.source.as_ref().map_or_else(|| unavailable.to_string(), ToString::to_string);
        let problem = format!("no keys, so no verdict: {why}");
        self.locate(ConfigError::new(field, problem, "portcullis keys shows what is there"))
    }

    /// `error` with its field named as the user knows it.
    fn locate(&self, error: ConfigError) -> ConfigError {
        let args = self.args;
        // An entry of a list: only the flags that hold for every entry can be meant.
        let member = error.field().rsplit_once("].").map_or(error.field(), |(_, member)| member);
        let of_provider = Provider::named(args).and_then(|provider| provider.flag_of(member));
        let flag = match member {
            _ if error.field().starts_with("--") => return error,
            _ if of_provider.is_some() => of_provider.unwrap_or_default(),
            "algorithms" if !args.alg.is_empty() => "--alg",
            "audience" if !args.audience.is_empty() => "--audience",
            "issuer" if !args.issuer.is_empty() => "--issuer",
            "leeway" | "leeway_seconds" if args.leeway.is_some() => "--leeway",
            "require_claims" => "--require",
            "token_types" | "typ" if !args.typ.is_empty() => "--typ",
            "jwks_url" if args.keys.jwks_url.is_some() => "--jwks-url",
            "jwks_file" if args.keys.jwks.is_some() => "--jwks",
            "public_key_file" if args.keys.public_key.is_some() => "--public-key",
            "secret_file" if args.keys.secret.is_some() => "--secret",
            _ => return in_file(error, args),
        };
        error.with_field(flag)
    }
}

/// `error` about a member of the configuration file.
fn in_file(error: ConfigError, args: &VerifyArgs) -> ConfigError {
    match &args.config {
        Some(path) => {
            let field = format!("{} in {}", error.field(), path.display());
            error.with_field(field)
        }
        None => error,
    }
}

/// In a file that lists issuers each has an issuer, an audience and keys of its own, and a flag would say the same of
/// all of them.
fn refuse_flags_of_one_issuer(args: &VerifyArgs) -> Result<(), ConfigError> {
    let provider = Provider::named(args);
    let flags = [
        ("--issuer", !args.issuer.is_empty()),
        ("--any-issuer", args.any_issuer),
        ("--audience", !args.audience.is_empty()),
        ("--any-audience", args.any_audience),
        (provider.map_or("", Provider::flag), provider.is_some()),
        ("--jwks", args.keys.jwks.is_some()),
        ("--jwks-url", args.keys.jwks_url.is_some()),
        ("--public-key", args.keys.public_key.is_some()),
        ("--secret", args.keys.secret.is_some()),
        ("--jws", args.jws),
    ];
    match flags.into_iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(of_one_issuer(flag, args)),
        None => Ok(()),
    }
}

fn of_one_issuer(flag: &'static str, args: &VerifyArgs) -> ConfigError {
    let file = args.config.as_deref().unwrap_or(Path::new("the file")).display();
    ConfigError::new(
        flag,
        format!("{file} lists issuers, each with an issuer, an audience and keys of its own"),
        "leave the flag out, or name a file with one issuer",
    )
}

/// Sets the options that hold for any issuer.
fn overlay_options(members: &mut Map<String, Value>, args: &VerifyArgs) {
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    if !args.alg.is_empty() {
        set("algorithms", args.alg.iter().map(|algorithm| algorithm.name()).collect());
    }
    if let Some(seconds) = args.leeway {
        set("leeway_seconds", seconds.into());
    }
    if !args.typ.is_empty() {
        set("typ", args.typ.clone().into());
    }
}

/// Sets issuer, audience and keys as flags have them, where they say something of them.
fn overlay_issuer(members: &mut Map<String, Value>, args: &VerifyArgs) -> Result<(), ConfigError> {
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
    if let Some(provider) = Provider::named(args) {
        members.retain(|member, _| !KEY_SOURCES.contains(&member.as_str()));
        let issuers = match provider {
            Provider::Oidc { issuer } => vec![issuer.into()],
            // A preset has its own.
            _ => Vec::new(),
        };
        members.insert("issuer".to_owned(), Value::Array(issuers));
        if provider.has_an_audience_rule() && args.audience.is_empty() {
            members.insert("audience".to_owned(), Value::Array(Vec::new()));
        }
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
    // Without any of these a configuration file leaves the keys to discovery; flags say so on purpose.
    let found = args.config.is_some() || Provider::named(args).is_some();
    if !found && !KEY_SOURCES.iter().any(|member| members.contains_key(*member)) {
        return Err(ConfigError::new(
            "--jwks",
            "no keys are given",
            "write --jwks FILE, --jwks-url URL, --public-key FILE or --secret FILE, or --oidc-issuer ISSUER in the \
             place of --issuer to have them found",
        ));
    }
    Ok(())
}

fn read(path: &Path) -> Result<Map<String, Value>, ConfigError> {
    let problem = |problem: String, hint: &'static str| {
        ConfigError::new("--config", format!("{}: {problem}", path.display()), hint)
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| problem(error.to_string(), "name a configuration file that can be read"))?;
    let members: ConfigMembers = match path.extension().and_then(|extension| extension.to_str()) {
        // The error's own Display would repeat the line, which may hold what should not be repeated.
        Some("toml") => toml::from_str(&text)
            .map_err(|error| problem(error.message().to_owned(), "write TOML, or name the file .json if it is JSON")),
        Some("json") => serde_json::from_str(&text)
            .map_err(|error| problem(error.to_string(), "write a JSON object, or name the file .toml if it is TOML")),
        _ => Err(problem("neither .toml nor .json".to_owned(), "name the file after its format")),
    }?;
    Ok(members.into_map())
}

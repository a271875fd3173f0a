//! The configuration of a run: the file, with the flags over it.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use portcullis::config::{ConfigMembers, IssuersConfig, KeySource, members};
use portcullis::error::Unavailable;
use portcullis::verifier::{JwtVerifierBuilder, jws};
use portcullis::{Audience, Config, ConfigError, JwtVerifier, Verifier};
use serde_json::{Map, Value};

use crate::args::CheckArgs;
use crate::failure::unused_proxy;
use crate::flags::{about_keys, flag};
use crate::keys;
use crate::provider::Provider;

/// The whole configuration of a run.
pub(crate) struct Settings<'a> {
    config: IssuersConfig,
    /// Whether the file lists issuers, each with its own audience and keys.
    lists_issuers: bool,
    args: &'a CheckArgs,
}

impl<'a> Settings<'a> {
    /// # Errors
    /// [`ConfigError`] names each flag, or each member and its file.
    pub(crate) fn resolve(args: &'a CheckArgs) -> Result<Self, ConfigError> {
        let mut members = match &args.config {
            Some(path) => read(path)?,
            None => Map::new(),
        };
        let lists_issuers = members.contains_key("issuers");
        let mut faults = Vec::new();
        match members.get_mut("issuers") {
            Some(issuers) => {
                refuse_flags_of_one_issuer(args)?;
                let entries = issuers.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut);
                entries.for_each(|entry| entry.extend(args.members.set().clone()));
            }
            None => faults = overlay(&mut members, args),
        }
        let config = IssuersConfig::try_from(members).map_err(|error| locate(error, args));
        let ((), config) = ConfigError::both(ConfigError::all(faults), config)?;
        Ok(Self { config, lists_issuers, args })
    }

    /// Returns the configuration of each issuer.
    pub(crate) fn issuers(&self) -> &[Config] {
        self.config.issuers()
    }

    /// Returns the builder of one of [`Self::issuers`].
    ///
    /// # Errors
    /// [`ConfigError`] names each flag, or each member and its file.
    pub(crate) fn builder_of(&self, config: &Config) -> Result<JwtVerifierBuilder, ConfigError> {
        self.builder(config).map_err(|error| locate(error, self.args))
    }

    /// Builds the verifier; `complete` completes the builder of each issuer.
    ///
    /// # Errors
    /// [`ConfigError`] names each flag, or each member and its file.
    pub(crate) fn verifier(
        &self,
        complete: impl Fn(JwtVerifierBuilder) -> Result<JwtVerifier, ConfigError>,
    ) -> Result<Arc<dyn Verifier>, ConfigError> {
        let verifier = self.config.verifier_with(|config| complete(self.builder(config)?));
        verifier.map_err(|error| locate(error, self.args))
    }

    /// Builds the verifier of the only issuer.
    ///
    /// # Errors
    /// [`ConfigError`] names each flag, or each member and its file.
    pub(crate) fn verifier_of_one(
        &self,
        complete: impl Fn(JwtVerifierBuilder) -> Result<JwtVerifier, ConfigError>,
    ) -> Result<JwtVerifier, ConfigError> {
        let [config] = self.config.issuers() else { return Err(of_one_issuer("--jws".to_owned(), self.args)) };
        self.builder(config).and_then(complete).map_err(|error| locate(error, self.args))
    }

    /// Returns the length of the longest token that any issuer accepts, in bytes.
    pub(crate) fn max_token_bytes(&self) -> usize {
        let limits = self.config.issuers().iter().map(|config| config.max_token_bytes.unwrap_or_default());
        limits.max().unwrap_or_default().max(jws::DEFAULT_MAX_BYTES)
    }

    /// Returns the builder of the provider's preset if a flag names one, or else the general builder, with the options
    /// set.
    fn builder(&self, config: &Config) -> Result<JwtVerifierBuilder, ConfigError> {
        let own_keys = || self.args.members.set_keys().then(|| keys::load(config)).transpose();
        let preset = match Provider::named(self.args) {
            Some(provider) => provider.builder(own_keys()?),
            None => None,
        };
        let Some(builder) = preset.transpose()? else { return Ok(config.builder_with(keys::load(config)?)) };
        let builder = match config.audience.as_slice() {
            // The preset's own rule holds, or `complete` replaces it.
            [] => builder,
            audiences => builder.audience(Audience::any_of(audiences)),
        };
        Ok(config.apply_options(builder))
    }

    /// Returns the error that the keys are unavailable, about the flag or member that says where they come from.
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
        let has_proxy = self.config.issuers().iter().any(|config| config.proxy.is_some());
        let proxy = if has_proxy { String::new() } else { unused_proxy() };
        let problem = format!("no keys, so no verdict: {why}{proxy}");
        locate(ConfigError::new(field, problem, "portcullis keys shows what is there"), self.args)
    }
}

/// Reads a configuration file by its extension.
fn read(path: &Path) -> Result<Map<String, Value>, ConfigError> {
    let problem = |problem: String, hint: &'static str| {
        ConfigError::new("--config", format!("{}: {problem}", path.display()), hint)
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| problem(error.to_string(), "name a configuration file that can be read"))?;
    let members: ConfigMembers = match path.extension().and_then(|extension| extension.to_str()) {
        // The error's own text would repeat the line, which may contain a secret.
        Some("toml") => toml::from_str(&text)
            .map_err(|error| problem(error.message().to_owned(), "write TOML, or name the file .json if it is JSON")),
        Some("json") => serde_json::from_str(&text)
            .map_err(|error| problem(error.to_string(), "write a JSON object, or name the file .toml if it is TOML")),
        _ => Err(problem("neither .toml nor .json".to_owned(), "name the file after its format")),
    }?;
    Ok(members.into_map())
}

/// Sets in `members` what the flags say, and returns what neither the file nor a flag says and has to be said.
fn overlay(members: &mut Map<String, Value>, args: &CheckArgs) -> Vec<ConfigError> {
    let provider = Provider::named(args);
    if provider.is_some() || args.members.set_keys() {
        about_keys().for_each(|member| drop(members.remove(member.name())));
    }
    // An empty list where there is nothing to name: the rule itself is set on the builder.
    let nothing = || Value::Array(Vec::new());
    match provider {
        Some(Provider::Oidc { issuer }) => drop(members.insert("issuer".to_owned(), issuer.into())),
        Some(_) => drop(members.insert("issuer".to_owned(), nothing())),
        None if args.any_issuer => drop(members.insert("issuer".to_owned(), nothing())),
        None => {}
    }
    if args.any_audience || provider.is_some_and(Provider::has_an_audience_rule) {
        members.insert("audience".to_owned(), nothing());
    }
    members.extend(args.members.set().clone());

    let mut faults = Vec::new();
    for (member, flag, hint) in [
        ("issuer", "--issuer", "write --issuer ISSUER, exactly as tokens have it in iss, or --any-issuer"),
        ("audience", "--audience", "write --audience AUDIENCE, exactly as tokens have it in aud, or --any-audience"),
    ] {
        if !members.contains_key(member) {
            if !args.jws {
                faults.push(ConfigError::new(flag, "not given", hint));
            }
            members.insert(member.to_owned(), nothing());
        }
    }
    // A configuration file without a source of keys leaves them to discovery; on the command line a flag has to say so.
    let may_discover = args.config.is_some() || provider.is_some();
    if !may_discover && !args.members.set_keys() {
        faults.push(ConfigError::new(
            "--jwks",
            "no keys are given",
            "write --jwks FILE, --jwks-url URL, --public-key FILE or --secret FILE, or write --oidc-issuer ISSUER instead \
             of --issuer to discover them",
        ));
    }
    faults
}

/// Refuses flags that would say the same about every issuer of a list. Each of them has its own issuer, audience and keys.
fn refuse_flags_of_one_issuer(args: &CheckArgs) -> Result<(), ConfigError> {
    let provider = Provider::named(args).map(|provider| provider.flag().to_owned());
    let others = [("--any-issuer", args.any_issuer), ("--any-audience", args.any_audience), ("--jws", args.jws)];
    let other = || others.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag.to_owned());
    match args.members.of_one_issuer().or(provider).or_else(other) {
        Some(flag) => Err(of_one_issuer(flag, args)),
        None => Ok(()),
    }
}

fn of_one_issuer(flag: String, args: &CheckArgs) -> ConfigError {
    let file = args.config.as_deref().unwrap_or(Path::new("the file")).display();
    ConfigError::new(
        flag,
        format!("{file} lists issuers, each with its own issuer, audience and keys"),
        "leave the flag out, or name a file with one issuer",
    )
}

/// Renames the fields of `error` to the flag that sets them, or else to the member and its file.
fn locate(error: ConfigError, args: &CheckArgs) -> ConfigError {
    error.map_fields(|field| {
        // In an entry of a list, a flag is meant only if it holds for every entry.
        let name = field.rsplit_once("].").map_or(field, |(_, member)| member);
        let of_provider = Provider::named(args).and_then(|provider| provider.flag_of(name));
        let of_member = || members().find(|member| member.is_meant_by(name) && args.members.sets(member.name()));
        let flag = of_provider.map(str::to_owned).or_else(|| of_member().and_then(flag));
        match (flag, &args.config) {
            _ if field.starts_with("--") => field.to_owned().into(),
            (Some(flag), _) => Cow::Owned(flag),
            (None, Some(path)) => format!("{field} in {}", path.display()).into(),
            (None, None) => field.to_owned().into(),
        }
    })
}

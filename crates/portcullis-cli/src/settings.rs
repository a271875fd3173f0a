//! Flags and configuration file made into one configuration, where flags win.

use std::path::Path;

use portcullis::{Config, ConfigError};
use serde_json::{Map, Value};

use crate::args::VerifyArgs;

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
        if !KEY_SOURCES.iter().any(|member| members.contains_key(*member)) {
            return Err(ConfigError::new(
                "--jwks",
                "no keys are given",
                "write --jwks FILE, --public-key FILE or --secret FILE",
            ));
        }
        let config = read_config(&members).map_err(|problem| {
            let member = culprit(&members, &problem);
            let file = args.config.as_deref().unwrap_or(Path::new("--config")).display();
            let field = member.map_or_else(|| file.to_string(), |member| format!("{member} in {file}"));
            ConfigError::new(
                field,
                problem,
                "a configuration has issuer, audience, one of jwks_file, public_key_file and secret_file, and, where \
                 wanted, algorithms, leeway_seconds and typ",
            )
        })?;
        Ok(Self { config, args })
    }

    /// `error` with its field named as the user knows it.
    pub(crate) fn locate(&self, error: ConfigError) -> ConfigError {
        let args = self.args;
        let (given, flag, member) = match error.field() {
            "algorithms" => (!args.alg.is_empty(), "--alg", "algorithms"),
            "audience" => (!args.audience.is_empty(), "--audience", "audience"),
            "issuer" => (!args.issuer.is_empty(), "--issuer", "issuer"),
            "leeway" => (args.leeway.is_some(), "--leeway", "leeway_seconds"),
            "require_claims" => (true, "--require", ""),
            "token_types" => (!args.typ.is_empty(), "--typ", "typ"),
            "jwks_url" => (false, "--jwks", "jwks_url"),
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

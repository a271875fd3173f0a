//! The same configuration from environment variables.

use crate::config::Config;
use crate::config::members::{AUDIENCE_HINT, ISSUER_HINT};
use crate::config::variables::{environment, given, items, non_blank};
use crate::error::ConfigError;
use crate::jose::Algorithm;

impl Config {
    /// Reads `PORTCULLIS_ISSUER`, `PORTCULLIS_AUDIENCE`, at most one of `PORTCULLIS_JWKS_FILE`, `PORTCULLIS_JWKS_URL`,
    /// `PORTCULLIS_PUBLIC_KEY_FILE` and `PORTCULLIS_SECRET_FILE` (none: discovery), and optionally
    /// `PORTCULLIS_ALGORITHMS`, `PORTCULLIS_LEEWAY_SECONDS` and `PORTCULLIS_TYP`. Lists are separated by commas. Names
    /// that are easily written in their place, such as `PORTCULLIS_LEEWAY`, are refused; others are not looked at.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable and what to write instead.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(environment)
    }

    /// [`Self::from_env`], with variables that `lookup` knows.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable and what to write instead.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let read = |name| given(&lookup, name);
        if let Some((name, meant)) = MISTAKEN.iter().find(|(name, _)| non_blank(&lookup, name).is_some()) {
            return Err(ConfigError::new(*name, "unknown", format!("write {meant}")));
        }
        let list = |name| Ok(read(name)?.map(|text| items(&text)));
        let required =
            |name: &'static str, hint: &'static str| list(name)?.ok_or_else(|| ConfigError::new(name, "not set", hint));
        let algorithms = list(ALGORITHMS)?
            .map(|names| names.iter().map(|name| name.parse()).collect::<Result<Vec<Algorithm>, _>>())
            .transpose()
            .map_err(|error| ConfigError::new(ALGORITHMS, "not a list of algorithms", error.to_string()))?;
        let leeway_seconds = read(LEEWAY)?
            .map(|text| text.trim().parse())
            .transpose()
            .map_err(|_| ConfigError::new(LEEWAY, "not a whole number", "write 0 to 600"))?;
        let config = Self {
            issuer: required(ISSUER, ISSUER_HINT)?,
            audience: required(AUDIENCE, AUDIENCE_HINT)?,
            jwks_file: read(JWKS_FILE)?.map(Into::into),
            jwks_url: read(JWKS_URL)?,
            public_key_file: read(PUBLIC_KEY_FILE)?.map(Into::into),
            secret_file: read(SECRET_FILE)?.map(Into::into),
            algorithms,
            leeway_seconds,
            typ: list(TYP)?,
            from_env: true,
        };
        config.key_source()?;
        Ok(config)
    }

    /// The error as whoever set this configuration up knows the field.
    pub(super) fn named(&self, error: ConfigError) -> ConfigError {
        let member = match error.field() {
            "leeway" => "leeway_seconds",
            "token_types" => "typ",
            field => match MEMBERS.iter().find(|(member, _)| *member == field) {
                Some((member, _)) => member,
                None => return error,
            },
        };
        error.with_field(self.name(member))
    }

    /// The member, or its variable where this configuration came from the environment.
    pub(super) fn name(&self, member: &'static str) -> &'static str {
        let variable = MEMBERS.iter().find(|(name, _)| self.from_env && *name == member);
        variable.map_or(member, |(_, variable)| variable)
    }
}

/// The members, and their variables.
const MEMBERS: [(&str, &str); 9] = [
    ("algorithms", ALGORITHMS),
    ("audience", AUDIENCE),
    ("issuer", ISSUER),
    ("jwks_file", JWKS_FILE),
    ("jwks_url", JWKS_URL),
    ("leeway_seconds", LEEWAY),
    ("public_key_file", PUBLIC_KEY_FILE),
    ("secret_file", SECRET_FILE),
    ("typ", TYP),
];

const ISSUER: &str = "PORTCULLIS_ISSUER";
const AUDIENCE: &str = "PORTCULLIS_AUDIENCE";
const JWKS_FILE: &str = "PORTCULLIS_JWKS_FILE";
const JWKS_URL: &str = "PORTCULLIS_JWKS_URL";
const PUBLIC_KEY_FILE: &str = "PORTCULLIS_PUBLIC_KEY_FILE";
const SECRET_FILE: &str = "PORTCULLIS_SECRET_FILE";
const ALGORITHMS: &str = "PORTCULLIS_ALGORITHMS";
const LEEWAY: &str = "PORTCULLIS_LEEWAY_SECONDS";
const TYP: &str = "PORTCULLIS_TYP";

/// Names that are taken for ours, which would set nothing in silence; and what was meant.
const MISTAKEN: [(&str, &str); 12] = [
    ("PORTCULLIS_ALG", ALGORITHMS),
    ("PORTCULLIS_ALGORITHM", ALGORITHMS),
    ("PORTCULLIS_ALGS", ALGORITHMS),
    ("PORTCULLIS_AUDIENCES", AUDIENCE),
    ("PORTCULLIS_ISSUERS", ISSUER),
    ("PORTCULLIS_ISSUER_URL", ISSUER),
    ("PORTCULLIS_JWKS", "PORTCULLIS_JWKS_FILE or PORTCULLIS_JWKS_URL"),
    ("PORTCULLIS_JWKS_URI", JWKS_URL),
    ("PORTCULLIS_LEEWAY", LEEWAY),
    ("PORTCULLIS_PUBLIC_KEY", PUBLIC_KEY_FILE),
    ("PORTCULLIS_SECRET", SECRET_FILE),
    ("PORTCULLIS_TYPE", TYP),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KeySource;

    fn config(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_variables(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    const MINIMAL: [(&str, &str); 3] =
        [(ISSUER, "https://i.example"), (AUDIENCE, "api, other"), (JWKS_FILE, "keys.json")];

    #[test]
    fn variables_become_fields() {
        let mut variables = MINIMAL.to_vec();
        variables.extend([(ALGORITHMS, "RS256,ES256"), (LEEWAY, "30"), (TYP, "at+jwt"), (SECRET_FILE, "")]);
        let config = config(&variables).unwrap();
        assert_eq!(config.audience, ["api", "other"]);
        assert_eq!(config.algorithms, Some(vec![Algorithm::Rs256, Algorithm::Es256]));
        assert_eq!(config.leeway_seconds, Some(30));
        assert_eq!(config.typ.as_deref(), Some(&["at+jwt".to_owned()][..]));
        assert!(matches!(config.key_source(), Ok(KeySource::JwksFile(_))));
    }

    #[test]
    fn errors_name_the_variable() {
        for (at, name) in [(0, ISSUER), (1, AUDIENCE)] {
            let mut variables = MINIMAL.to_vec();
            variables.remove(at);
            assert_eq!(config(&variables).unwrap_err().field(), name);
        }
        for (name, value) in
            [(ALGORITHMS, "RS256,none"), (LEEWAY, "-1"), (LEEWAY, "soon"), (PUBLIC_KEY_FILE, "key.pem")]
        {
            let mut variables = MINIMAL.to_vec();
            variables.push((name, value));
            let error = config(&variables).unwrap_err();
            assert!(!error.to_string().is_empty());
            assert!(error.field() == name || name == PUBLIC_KEY_FILE, "{error}");
        }
    }

    #[test]
    fn a_name_that_would_set_nothing_is_refused() {
        for (name, meant) in MISTAKEN {
            let variables = [&MINIMAL[..], &[(name, "secret-value")]].concat();
            let error = config(&variables).unwrap_err().to_string();
            assert_eq!(error, format!("{name}: unknown; write {meant}"));
            let variables = [&MINIMAL[..], &[(name, " ")]].concat();
            assert!(config(&variables).is_ok(), "{name}");
        }
        // A service of this name in the same cluster sets such variables in every container.
        for name in ["PORTCULLIS_PORT", "PORTCULLIS_SERVICE_HOST"] {
            assert!(config(&[&MINIMAL[..], &[(name, "tcp://10.0.0.1:80")]].concat()).is_ok(), "{name}");
        }
    }

    #[test]
    fn without_a_source_of_keys_the_issuer_is_asked() {
        let one = config(&MINIMAL[..2]).unwrap();
        assert_eq!(one.key_source(), Ok(KeySource::Discovery("https://i.example")));
        let two = [(ISSUER, "https://i.example,https://j.example"), (AUDIENCE, "api")];
        assert_eq!(config(&two).unwrap_err().field(), "PORTCULLIS_JWKS_FILE");
        let mut url = MINIMAL[..2].to_vec();
        url.push((JWKS_URL, "https://i.example/keys"));
        assert_eq!(config(&url).unwrap().key_source(), Ok(KeySource::JwksUrl("https://i.example/keys")));
    }

    #[test]
    fn errors_of_building_name_the_variable_too() {
        let with = |name: &'static str, value: &'static str| {
            let mut variables = MINIMAL.to_vec();
            variables.retain(|(key, _)| *key != name);
            variables.push((name, value));
            config(&variables).unwrap().verifier().unwrap_err()
        };
        assert_eq!(with(JWKS_FILE, "/nonexistent/keys.json").field(), JWKS_FILE);
        let discovery = [(ISSUER, "http://i.example"), (AUDIENCE, "api")];
        assert_eq!(config(&discovery).unwrap().verifier().unwrap_err().field(), ISSUER);
        let endpoint = [(ISSUER, "https://i.example"), (AUDIENCE, "api"), (JWKS_URL, "http://i.example/keys")];
        assert_eq!(config(&endpoint).unwrap().verifier().unwrap_err().field(), JWKS_URL);
        let slow = [(ISSUER, "https://i.example"), (AUDIENCE, "api"), (LEEWAY, "601")];
        assert_eq!(config(&slow).unwrap().verifier().unwrap_err().field(), LEEWAY);
    }

    #[test]
    fn hints_name_variables_where_the_configuration_came_from_them_and_members_where_it_did_not() {
        let two_issuers = [(ISSUER, "https://i.example,https://j.example"), (AUDIENCE, "api")];
        let two_sources = [&MINIMAL[..], &[(SECRET_FILE, "s")]].concat();
        for (variables, hint) in
            [(&two_issuers[..], "IssuersConfig has them, or name one of"), (&two_sources, "name at most one of")]
        {
            let error = config(variables).unwrap_err().to_string();
            let sources =
                "PORTCULLIS_JWKS_FILE, PORTCULLIS_JWKS_URL, PORTCULLIS_PUBLIC_KEY_FILE and PORTCULLIS_SECRET_FILE";
            assert!(error.ends_with(&format!("{hint} {sources}")), "{error}");
        }
        let no_secret = [(ISSUER, "https://i.example"), (AUDIENCE, "api"), (SECRET_FILE, "/nonexistent")];
        let no_secret = config(&no_secret).unwrap().verifier().unwrap_err().to_string();
        assert!(no_secret.starts_with("PORTCULLIS_SECRET_FILE: "), "{no_secret}");
        assert!(no_secret.ends_with("named by PORTCULLIS_PUBLIC_KEY_FILE or PORTCULLIS_JWKS_FILE"), "{no_secret}");

        let mut file = Config::new("https://i.example", "api");
        file.secret_file = Some("/nonexistent".into());
        let error = file.verifier().unwrap_err().to_string();
        assert!(error.ends_with("named by public_key_file or jwks_file"), "{error}");
        file.jwks_url = Some("https://i.example/keys".to_owned());
        let error = file.verifier().unwrap_err().to_string();
        assert!(error.ends_with("name at most one of jwks_file, jwks_url, public_key_file and secret_file"), "{error}");
    }
}
